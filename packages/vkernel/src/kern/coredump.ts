// SPDX-License-Identifier: BSD-3-Clause
/**
 * Core files: the memory and the registers of a process that a signal has ended (core(5); Linux fs/coredump.c).
 *
 * Invariants
 *   CD1  The process is ending (P_WEXIT): no thread of it executes user code any more, and its wait status is fixed but for WCORE, which is
 *        set when the file is complete, or cut at RLIMIT_CORE.
 *   CD2  The dumping thread gives way after each piece and sleeps while the disk works; SIGKILL ends the file where it is.
 *   CD3  What has no page is a hole in the file.
 * @module
 */
import { Errno } from "../sys/errno.ts";
import { AT_FDCWD, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } from "../sys/fcntl.ts";
import { PAGE_SIZE } from "../sys/mman.ts";
import { VREG } from "../vfs/vnode.ts";
import type { VmMapEntry } from "../vm/map-entry.ts";
import { isSwapped, swapIn } from "../vm/pageout.ts";
import { pmapPte } from "../vm/pmap.ts";
import { Uio } from "../vm/uio.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { coreHeaders, coreSegments } from "./core-elf.ts";
import { beginExit, lwpExit, WCORE } from "./exit.ts";
import { fdrop } from "./file.ts";
import type { KernelFrame, Lwp, Proc } from "./proc.ts";
import { RLIMIT_CORE } from "./resource.ts";
import type { Ksiginfo } from "./sig.ts";
import { whenLoaded } from "./sleep.ts";
import { openFile } from "./sys-vfs-open.ts";
import { kernUnlink } from "./sys-vfs.ts";
import { resumeKernel } from "./syscall.ts";
import { truncateVnode, type VnodeFile } from "./vnode-file.ts";

/** Bytes that are written at once. */
const PIECE = 65536;
/** The least limit for which a file is made: the headers' page. */
const LEAST = PAGE_SIZE;
/** Longest name of a file, as Linux bounds it. */
const NAME_MAX = 4096;

/** How core files are named; one for all processes (/proc/sys/kernel/core_pattern, core_uses_pid). */
export interface CoreNaming {
  pattern: string;
  usesPid: boolean;
}

/** A file being written, for those who want to stop it. */
export interface CoreDump {
  killed: boolean;
}

/** Whether the end of the process by a signal leaves a core file, as far as one may say before. */
export function wantsCore(p: Proc): boolean {
  return p.abi.coreNotes !== null && p.vmspace !== null && p.fd !== null && p.dumpable === 1 && p.limits.cur[RLIMIT_CORE]! >= LEAST;
}

/** Ends the process of `lp` by a signal, leaving a core file. Like exit1() it does not return to the thread. */
export function coreExit(lp: Lwp, sig: number, info: Ksiginfo): void {
  const p = lp.proc;
  // The registers of threads that end meanwhile are in it too.
  const notes = p.abi.coreNotes!(lp, sig, info);
  beginExit(lp, sig);
  p.coreDump = { killed: false };
  lp.kcont = dumpThenEnd(lp, sig, notes);
  resumeKernel(lp);
}

function* dumpThenEnd(lp: Lwp, sig: number, notes: () => Uint8Array): KernelFrame {
  const p = lp.proc;
  try {
    if (yield* dump(lp, sig, notes)) p.xstat |= WCORE;
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
    p.k.log(`pid ${p.pid} (${p.comm}): no core file: ${e.message}`);
  } finally {
    p.coreDump = null;
  }
  lp.kcont = null;
  lwpExit(lp);
  return 0;
}

/** Writes the file. False when it was not to be, or was not completed. Throws Errno. */
function* dump(lp: Lwp, sig: number, makeNotes: () => Uint8Array): Generator<void, boolean, void> {
  const p = lp.proc;
  const { pattern } = p.k.core;
  if (pattern.startsWith("|")) {
    p.k.log(`pid ${p.pid} (${p.comm}): no core file: core_pattern names a program (${pattern}), which is not supported; write a file name to it`);
    return false;
  }
  const name = coreName(lp, sig, p.k.core);
  if (name === "" || name.length > NAME_MAX) return false;
  const vm = p.vmspace!;
  const segments = yield* whenLoaded(lp, () => coreSegments(vm, p.coreFilter, (entry) => firstWord(vm, entry)));
  const notes = yield* whenLoaded(lp, makeNotes);
  const fp = yield* openCore(lp, name);
  try {
    if (fp.vp.type !== VREG || fp.vp.getattr().nlink !== 1 || fp.vp.getattr().uid !== p.cred.uid) return false;
    const out = new CoreFile(lp, fp, p.limits.cur[RLIMIT_CORE]!);
    yield* out.put(coreHeaders(segments, notes));
    for (const { entry, start, filesz } of segments) {
      for (let va = start; va < start + filesz && !out.done; va += PAGE_SIZE) {
        yield* out.room();
        const pn = yield* whenLoaded(lp, () => pageOf(vm, entry, va));
        if (pn === 0) yield* out.skip(PAGE_SIZE);
        else out.putPage(vm, pn);
      }
    }
    yield* out.end();
    return !p.coreDump!.killed;
  } finally {
    yield* whenLoaded(lp, () => fdrop(fp, lp));
  }
}

function* openCore(lp: Lwp, name: string): Generator<void, VnodeFile, void> {
  yield* whenLoaded(lp, () => {
    try {
      kernUnlink(lp, AT_FDCWD, name);
    } catch (e) {
      // It was not there, or must not be removed: then it cannot be made.
      if (!(e instanceof Errno)) throw e;
    }
  });
  return (yield* whenLoaded(lp, () => openFile(lp, AT_FDCWD, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, 0o600))) as VnodeFile;
}

/**
 * The page that a process sees at `va`, whatever its rights are; 0 where there is none. Changes no mapping but that it brings a page back
 * from swap space. Throws IoMiss.
 */
function pageOf(vm: Vmspace, entry: VmMapEntry, va: number): number {
  const pte = pmapPte(vm.pmap, va);
  try {
    if (isSwapped(pte)) return swapIn(vm, va, entry.prot) ? pmapPte(vm.pmap, va) >>> 12 : 0;
    if (pte >>> 12 !== 0 || entry.object === null) return pte >>> 12;
    return Math.max(0, entry.object.page((entry.offset + va - entry.start) / PAGE_SIZE));
  } catch (e) {
    // What cannot be read is a hole.
    if (e instanceof Errno) return 0;
    throw e;
  }
}

function firstWord(vm: Vmspace, entry: VmMapEntry): number {
  const pn = pageOf(vm, entry, entry.start);
  return pn === 0 ? 0 : vm.sys.phys.u32[pn << 10]!;
}

/** The file, written in pieces. */
class CoreFile {
  readonly #lp: Lwp;
  readonly #fp: VnodeFile;
  readonly #buf = new Uint8Array(PIECE);
  #used = 0;
  /** Bytes that may still be written. */
  #left: number;
  /** Nothing more goes in: the limit is reached, or the process was killed. */
  done = false;

  constructor(lp: Lwp, fp: VnodeFile, limit: number) {
    this.#lp = lp;
    this.#fp = fp;
    this.#left = limit;
  }

  *put(bytes: Uint8Array): Generator<void, void, void> {
    for (let at = 0; at < bytes.length && !this.done; ) {
      const n = Math.min(bytes.length - at, PIECE - this.#used);
      this.#buf.set(bytes.subarray(at, at + n), this.#used);
      this.#used += n;
      at += n;
      if (this.#used === PIECE) yield* this.#flush();
    }
  }

  /** Makes room for a page. Others run meanwhile: pages are looked up afterwards. */
  *room(): Generator<void, void, void> {
    if (this.#used + PAGE_SIZE > PIECE) yield* this.#flush();
  }

  /** After room(). */
  putPage(vm: Vmspace, pn: number): void {
    const { u8 } = vm.sys.phys;
    this.#buf.set(u8.subarray(pn * PAGE_SIZE, (pn + 1) * PAGE_SIZE), this.#used);
    this.#used += PAGE_SIZE;
  }

  *skip(len: number): Generator<void, void, void> {
    if (this.#used > 0) yield* this.#flush();
    this.#fp.offset += len;
  }

  /** Writes what is left; a hole at the end counts as well. */
  *end(): Generator<void, void, void> {
    if (this.#used > 0) yield* this.#flush();
    const { vp, offset } = this.#fp;
    if (!this.done && offset > vp.size()) yield* whenLoaded(this.#lp, () => truncateVnode(vp, offset));
  }

  *#flush(): Generator<void, void, void> {
    const lp = this.#lp;
    const len = this.done ? 0 : Math.min(this.#used, this.#left);
    for (let at = 0; at < len; ) {
      if (lp.proc.coreDump!.killed) break;
      at += yield* whenLoaded(lp, () => this.#fp.write(Uio.kernel(this.#buf, at, len - at), lp));
      // Others have their turn.
      lp.k.sched.yield(lp);
      yield;
    }
    this.#left -= len;
    if (len < this.#used || lp.proc.coreDump!.killed) this.done = true;
    this.#used = 0;
  }
}

/** The file's name by the pattern (core(5)). */
export function coreName(lp: Lwp, sig: number, { pattern, usesPid }: CoreNaming): string {
  const p = lp.proc;
  const noSlash = (s: string): string => (s === "." || s === ".." ? `!${s.slice(1)}` : s.replaceAll("/", "!"));
  const limit = p.limits.cur[RLIMIT_CORE]!;
  const parts: Readonly<Record<string, () => string>> = {
    "%": () => "%",
    p: () => String(p.pid),
    P: () => String(p.pid),
    i: () => String(lp.tid),
    I: () => String(lp.tid),
    u: () => String(p.cred.ruid),
    g: () => String(p.cred.rgid),
    d: () => String(p.dumpable),
    s: () => String(p.abi.signo(sig)),
    t: () => String(Math.floor(p.k.microtime() / 1e6)),
    h: () => noSlash(p.k.hostname),
    e: () => noSlash(lp.comm),
    f: () => noSlash(p.execPath.slice(p.execPath.lastIndexOf("/") + 1)),
    E: () => noSlash(p.execPath),
    c: () => (limit === Infinity ? "4294967295" : String(limit)),
  };
  const name = pattern.replaceAll(/%(.?)/gs, (_all, letter: string) => parts[letter]?.() ?? "");
  return usesPid && !/%[pP]/.test(pattern.replaceAll("%%", "")) ? `${name}.${p.pid}` : name;
}

