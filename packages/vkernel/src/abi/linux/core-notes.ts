// SPDX-License-Identifier: BSD-3-Clause
/**
 * The notes of a core file as Linux/i386 writes them (fs/binfmt_elf.c, fill_note_info; include/linux/elfcore.h; arch/x86/kernel/ptrace.c):
 * of the process NT_PRPSINFO, NT_SIGINFO, NT_AUXV and NT_FILE, of each thread NT_PRSTATUS, NT_FPREGSET, NT_PRXFPREG and NT_386_TLS, the
 * dumping thread first.
 * @module
 */
import { getFp, getFx } from "../../kern/fp-image.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { procTimes } from "../../kern/resource.ts";
import type { Ksiginfo } from "../../kern/sig.ts";
import { GTLS_START } from "../../sys/frame.ts";
import { PAGE_SIZE } from "../../sys/mman.ts";
import { VnodePager } from "../../vfs/vnode-pager.ts";
import { copyin } from "../../vm/copyio.ts";
import { mapEntries } from "../../vm/vmspace.ts";
import { fileNameOf } from "./procfs-maps.ts";
import { registersOf } from "./ptrace-regs.ts";
import { encodeSiginfo } from "./sigframe.ts";
import { linuxSigno, linuxSigset } from "./signo.ts";
import { TLS_SLOTS, userDesc } from "./sys-thread.ts";

const NT_PRSTATUS = 1;
const NT_FPREGSET = 2;
const NT_PRPSINFO = 3;
const NT_AUXV = 6;
const NT_386_TLS = 0x200;
const NT_FILE = 0x4649_4c45;
const NT_PRXFPREG = 0x46e6_2b7f;
const NT_SIGINFO = 0x5349_4749;

const PRSTATUS_BYTES = 144;
const PRPSINFO_BYTES = 124;
const SIGINFO_BYTES = 128;
const PSARGS_BYTES = 80;
/** eax of a call that a signal has interrupted. */
const ERESTARTSYS_RESULT = -512;

const align4 = (n: number): number => (n + 3) & ~3;
const bytesOf = (words: Int32Array): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

function note(name: string, type: number, desc: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + align4(name.length + 1) + align4(desc.length));
  const dv = new DataView(out.buffer);
  dv.setUint32(0, name.length + 1, true);
  dv.setUint32(4, desc.length, true);
  dv.setUint32(8, type, true);
  putText(out, 12, name);
  out.set(desc, 12 + align4(name.length + 1));
  return out;
}

function putText(to: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) to[at + i] = text.charCodeAt(i);
}

function putTime(dv: DataView, at: number, ns: number): void {
  dv.setInt32(at, Math.floor(ns / 1e9), true);
  dv.setInt32(at + 4, Math.floor((ns % 1e9) / 1000), true);
}

/** struct elf_prstatus. */
function prstatus(lp: Lwp, signo: number): Uint8Array {
  const p = lp.proc;
  const out = new Uint8Array(PRSTATUS_BYTES);
  const dv = new DataView(out.buffer);
  dv.setInt32(0, signo, true);
  dv.setInt16(12, signo, true);
  dv.setInt32(16, linuxSigset(lp.siglist, new Int32Array(2))[0]!, true);
  dv.setInt32(20, linuxSigset(lp.sigmask, new Int32Array(2))[0]!, true);
  [lp.tid, p.parent?.pid ?? 0, p.pgrp.id, p.pgrp.session.sid].forEach((id, i) => dv.setInt32(24 + 4 * i, id, true));
  const sysNs = Math.min(lp.sysNs, lp.runtimeNs);
  const times = lp.tid === p.pid ? procTimes(p) : { userNs: lp.runtimeNs - sysNs, sysNs };
  [times.userNs, times.sysNs, p.childUserNs, p.childSysNs].forEach((ns, i) => putTime(dv, 40 + 8 * i, ns));
  const inCall = lp.kcont !== null;
  const regs = registersOf(lp.tf, inCall ? lp.sysnr : -1);
  if (inCall) regs[6] = ERESTARTSYS_RESULT;
  out.set(bytesOf(regs), 72);
  // pr_fpvalid
  dv.setInt32(140, 1, true);
  return out;
}

/** What of a thread changes when it ends. */
interface ThreadNotes {
  readonly prstatus: Uint8Array;
  readonly rest: readonly Uint8Array[];
}

function threadNotes(lp: Lwp, signo: number): ThreadNotes {
  const tls = Array.from({ length: TLS_SLOTS }, (_, i) => userDesc(lp, GTLS_START + i));
  const rest = [note("CORE", NT_FPREGSET, getFp(lp)), note("LINUX", NT_PRXFPREG, getFx(lp))];
  if (tls.some((d) => d[1] !== 0 || d[2] !== 0)) rest.push(note("LINUX", NT_386_TLS, bytesOf(Int32Array.from(tls.flatMap((d) => [...d])))));
  return { prstatus: note("CORE", NT_PRSTATUS, prstatus(lp, signo)), rest };
}

/** struct elf_prpsinfo. May throw IoMiss. */
function prpsinfo(p: Proc): Uint8Array {
  const out = new Uint8Array(PRPSINFO_BYTES);
  const dv = new DataView(out.buffer);
  // pr_state 0, pr_sname, pr_zomb, pr_nice
  out[1] = "R".charCodeAt(0);
  dv.setInt8(3, p.nice);
  dv.setUint16(8, p.cred.ruid, true);
  dv.setUint16(10, p.cred.rgid, true);
  [p.pid, p.parent?.pid ?? 0, p.pgrp.id, p.pgrp.session.sid].forEach((id, i) => dv.setInt32(12 + 4 * i, id, true));
  putText(out, 28, p.comm.slice(0, 15));
  const args = new Uint8Array(Math.min(PSARGS_BYTES - 1, p.argEnd - p.argStart));
  copyin(p.vmspace!, p.argStart, args, 0, args.length);
  out.set(args.map((c) => (c === 0 ? 0x20 : c)), 44);
  return out;
}

/** NT_FILE: which files are mapped where; null when none is. */
function files(p: Proc): Uint8Array | null {
  const mapped = mapEntries(p.vmspace!).filter(({ object }) => object?.pager instanceof VnodePager);
  if (mapped.length === 0) return null;
  const names = mapped.map((entry) => `${fileNameOf(p, (entry.object!.pager as VnodePager).vp)}\0`).join("");
  const words = Int32Array.from([mapped.length, PAGE_SIZE, ...mapped.flatMap((e) => [e.start, e.end, e.offset / PAGE_SIZE])]);
  const out = new Uint8Array(words.byteLength + names.length);
  out.set(bytesOf(words));
  putText(out, words.byteLength, names);
  return out;
}

/**
 * The notes of the process of `lp`, which signal `sig` ends. Threads are described as they are now; the rest is done by the result, which
 * may throw IoMiss and be called again.
 */
export function linuxCoreNotes(lp: Lwp, sig: number, info: Ksiginfo): () => Uint8Array {
  const p = lp.proc;
  const signo = linuxSigno(sig);
  const [first, ...others] = [lp, ...[...p.lwps.values()].filter((other) => other !== lp)].map((thread) => threadNotes(thread, signo));
  const siginfo = new Uint8Array(SIGINFO_BYTES);
  encodeSiginfo(new DataView(siginfo.buffer), 0, info);
  return () => {
    const all = [first!.prstatus, note("CORE", NT_PRPSINFO, prpsinfo(p)), note("CORE", NT_SIGINFO, siginfo), note("CORE", NT_AUXV, p.auxv)];
    const mapped = files(p);
    if (mapped !== null) all.push(note("CORE", NT_FILE, mapped));
    all.push(...first!.rest, ...others.flatMap((thread) => [thread.prstatus, ...thread.rest]));
    const out = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of all) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  };
}
