// SPDX-License-Identifier: BSD-3-Clause
/**
 * The sysctl tree as DragonFly programs see it (DragonFly 2.0 sys/kern/{kern_sysctl,kern_mib}.c, sys/sys/sysctl.h).
 *
 * Invariants
 *   S1  Nodes are found by number; names are turned into numbers by {0,3}. Nodes that 2.0 numbers dynamically have
 *       numbers from 0x100 on here, and nobody may rely on them.
 *   S2  Reading is free for all, writing is the superuser's.
 *   S3  A buffer that is too small gets what fits, and ENOMEM.
 */
import { EINVAL, EISDIR, ENOENT, ENOMEM, ENOTDIR, EPERM, ESRCH } from "../../sys/errno.ts";
import { VM_MAX_USER_ADDRESS } from "../../sys/mman.ts";
import { copyin, copyout, fuword, suword } from "../../vm/copyio.ts";
import type { Kernel } from "../../kern/kernel.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { SZOMB } from "../../kern/proc.ts";
import { DFLY_ARG_MAX } from "./exec-stack.ts";
import { getWords, putField } from "./guest-struct.ts";
import { encodeKinfo } from "./kinfo.ts";
import { CCPU, cputime, FSCALE, KINFO_FILE_SIZE, openFiles, vfsconf, vmmeter, vmstats, vmtotal } from "./sysctl-stats.ts";
import { PS_STRINGS } from "./sigframe.ts";

/** What uname and the version nodes report: the interface is that of release 2.0. */
export const OSTYPE = "DragonFly";
export const OSRELEASE = "2.0.1-VKERNEL";
export const OSRELDATE = 200000;
const OSREVISION = 199506;
export const KERNEL_VERSION = `${OSTYPE} ${OSRELEASE} #0: vkernel\n`;
const MACHINE = "i386";

const CTLTYPE_NODE = 1;
const CTLTYPE_INT = 2;
const CTLTYPE_STRING = 3;
const CTLTYPE_OPAQUE = 5;
const CTLFLAG_RD = 0x8000_0000 | 0;
const CTLFLAG_WR = 0x4000_0000;

interface Node {
  readonly oid: readonly number[];
  readonly name: string;
  readonly type: number;
  readonly format: string;
  /** The value; `rest` holds the numbers below a node that answers for its whole subtree. */
  readonly read: (lp: Lwp, rest: readonly number[]) => Uint8Array;
  readonly write?: (lp: Lwp, data: Uint8Array, rest: readonly number[]) => void;
}

const words = (...w: number[]): Uint8Array => new Uint8Array(Int32Array.from(w).buffer);
function text(s: string): Uint8Array {
  const b = new Uint8Array(s.length + 1);
  putField(b, 0, b.length, s);
  return b;
}
function textOf(data: Uint8Array): string {
  return String.fromCharCode(...data).replace(/\0.*$/s, "");
}
function intOf(data: Uint8Array): number {
  if (data.length !== 4) throw EINVAL;
  return new DataView(data.buffer, data.byteOffset).getInt32(0, true);
}

const int = (oid: readonly number[], name: string, get: (k: Kernel) => number, set?: (k: Kernel, v: number) => void): Node => ({
  oid, name, type: CTLTYPE_INT, format: "I",
  read: (lp) => words(get(lp.k)),
  ...(set === undefined ? {} : { write: (lp: Lwp, data: Uint8Array) => set(lp.k, intOf(data)) }),
});
const str = (oid: readonly number[], name: string, get: (k: Kernel) => string, set?: (k: Kernel, v: string) => void): Node => ({
  oid, name, type: CTLTYPE_STRING, format: "A",
  read: (lp) => text(get(lp.k)),
  ...(set === undefined ? {} : { write: (lp: Lwp, data: Uint8Array) => set(lp.k, textOf(data)) }),
});
const opaque = (oid: readonly number[], name: string, format: string, read: Node["read"], write?: Node["write"]): Node => ({
  oid, name, type: CTLTYPE_OPAQUE, format, read, ...(write === undefined ? {} : { write }),
});

const ram = (k: Kernel): number => Math.min(k.vm.phys.npages * 4096, 0x7fff_ffff);
/** HZ of a vkernel. */
const HZ = 20;

function boottime(lp: Lwp): Uint8Array {
  const us = lp.k.bootTimeUs;
  return words(Math.floor(us / 1e6), Math.floor(us % 1e6));
}
function loadavg(lp: Lwp): Uint8Array {
  return words(...lp.k.sched.loadAverages(lp.k.nanouptime()).map((v) => Math.round(v * FSCALE)), FSCALE);
}

// ---------------------------------------------------------------------------------------------------------
// kern.proc

const KERN_PROC_ALL = 0;
const KERN_PROC_PID = 1;
const KERN_PROC_PGRP = 2;
const KERN_PROC_SESSION = 3;
const KERN_PROC_TTY = 4;
const KERN_PROC_UID = 5;
const KERN_PROC_RUID = 6;
const KERN_PROC_ARGS = 7;
const KERN_PROC_FLAG_LWP = 0x10;

function selects(p: Proc, op: number, arg: number): boolean {
  switch (op) {
    case KERN_PROC_ALL:
      return true;
    case KERN_PROC_PID:
      return p.pid === arg;
    case KERN_PROC_PGRP:
      return p.pgrp.id === arg;
    case KERN_PROC_SESSION:
      return p.pgrp.session.sid === arg;
    case KERN_PROC_TTY:
      return p.pgrp.session.ttyp !== null && (p.pgrp.session.ttyp.rdev | 0) === (arg | 0);
    case KERN_PROC_UID:
      return p.cred.uid === arg >>> 0;
    case KERN_PROC_RUID:
      return p.cred.ruid === arg >>> 0;
    default:
      throw EINVAL;
  }
}

function kernProc(lp: Lwp, rest: readonly number[]): Uint8Array {
  const op = (rest[0] ?? -1) & ~KERN_PROC_FLAG_LWP;
  if (op === KERN_PROC_ARGS) return procArgs(lp.k, rest[1] ?? -1);
  if (rest.length !== (op === KERN_PROC_ALL ? 1 : 2)) throw op === KERN_PROC_ALL ? ENOTDIR : EISDIR;
  const each = (rest[0]! & KERN_PROC_FLAG_LWP) !== 0;
  const records: Uint8Array[] = [];
  for (const p of lp.k.procs.values()) {
    if (!selects(p, op, rest[1] ?? 0)) continue;
    if (each && p.lwps.size > 0) for (const l of p.lwps.values()) records.push(encodeKinfo(lp.k, p, l));
    else records.push(encodeKinfo(lp.k, p, p.firstLwp));
  }
  return concat(records);
}
function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, b) => n + b.length, 0));
  let at = 0;
  for (const b of parts) {
    all.set(b, at);
    at += b.length;
  }
  return all;
}

function argsTarget(k: Kernel, pid: number): Proc {
  const p = k.procs.get(pid);
  if (p === undefined || p.stat === SZOMB) throw ESRCH;
  return p;
}
/** Argument strings, each with its NUL. */
function procArgs(k: Kernel, pid: number): Uint8Array {
  return concat(argsTarget(k, pid).args.map(text));
}
/** setproctitle: a process may replace its own. */
function setProcArgs(lp: Lwp, data: Uint8Array, rest: readonly number[]): void {
  if (rest[0] !== KERN_PROC_ARGS) throw EPERM;
  const p = argsTarget(lp.k, rest[1] ?? -1);
  if (p !== lp.proc) throw EPERM;
  p.args = String.fromCharCode(...data).split("\0").slice(0, -1);
}

// ---------------------------------------------------------------------------------------------------------
// The tree

const CTL_SYSCTL = 0;
const [KERN, VM, VFS, HW, USER, P1003] = [1, 2, 3, 6, 8, 9];

const NODES: readonly Node[] = [
  str([KERN, 1], "kern.ostype", () => OSTYPE),
  str([KERN, 2], "kern.osrelease", () => OSRELEASE),
  int([KERN, 3], "kern.osrevision", () => OSREVISION),
  str([KERN, 4], "kern.version", () => KERNEL_VERSION),
  int([KERN, 6], "kern.maxproc", (k) => k.maxproc),
  int([KERN, 7], "kern.maxfiles", () => 65536),
  int([KERN, 8], "kern.argmax", () => DFLY_ARG_MAX),
  int([KERN, 9], "kern.securelevel", () => -1),
  str([KERN, 10], "kern.hostname", (k) => k.hostname, (k, v) => void (k.hostname = v)),
  opaque([KERN, 12], "kern.clockrate", "S,clockinfo", () => words(HZ, 1e6 / HZ, 0, HZ, HZ)),
  opaque([KERN, 14], "kern.proc", "S,proc", kernProc, setProcArgs),
  int([KERN, 17], "kern.posix1version", () => 199009),
  int([KERN, 18], "kern.ngroups", () => 16),
  int([KERN, 19], "kern.job_control", () => 1),
  int([KERN, 20], "kern.saved_ids", () => 1),
  opaque([KERN, 21], "kern.boottime", "S,timeval", boottime),
  str([KERN, 22], "kern.domainname", (k) => k.domainname, (k, v) => void (k.domainname = v)),
  int([KERN, 24], "kern.osreldate", () => OSRELDATE),
  str([KERN, 26], "kern.bootfile", () => "/kernel"),
  int([KERN, 27], "kern.maxfilesperproc", () => 65536),
  int([KERN, 28], "kern.maxprocperuid", (k) => k.maxproc),
  int([KERN, 32], "kern.ps_strings", () => PS_STRINGS | 0),
  int([KERN, 33], "kern.usrstack", () => VM_MAX_USER_ADDRESS | 0),
  int([KERN, 35], "kern.iov_max", () => 1024),
  int([KERN, 5], "kern.maxvnodes", () => 65536),
  opaque([KERN, 15], "kern.file", "S,file", (lp) => openFiles(lp.k)),
  int([KERN, 11], "kern.hostid", (k) => k.hostid, (k, v) => void (k.hostid = v)),
  int([KERN, 30, 1], "kern.ipc.maxsockbuf", () => 524_288),
  int([KERN, 30, 3], "kern.ipc.somaxconn", () => 128),
  int([KERN, 34], "kern.logsigexit", () => 0),
  int([KERN, 36], "kern.maxposixlocksperuid", () => 65536),
  opaque([KERN, 0x102], "kern.cputime", "S,kinfo_cputime", (lp) => cputime(lp.k)),
  int([KERN, 0x103], "kern.openfiles", (k) => openFiles(k).length / KINFO_FILE_SIZE),
  int([KERN, 0x104], "kern.fscale", () => FSCALE),
  int([KERN, 0x105], "kern.ccpu", () => CCPU),
  int([KERN, 0x106], "kern.ps_arg_cache_limit", () => 256),
  int([KERN, 0x107], "kern.ckptgroup", () => 0),
  int([KERN, 0x108], "kern.kq_calloutmax", () => 4096),
  int([KERN, 0x109], "kern.tk_nin", () => 0),
  int([KERN, 0x10a], "kern.tk_nout", () => 0),
  int([KERN, 0x100], "kern.exit_status", (k) => k.exitStatus, (k, v) => void (k.exitStatus = v & 0xff)),
  str([KERN, 0x101], "kern.msgbuf", (k) => k.dmesg.text()),
  opaque([VM, 1], "vm.vmtotal", "S,vmtotal", (lp) => vmtotal(lp.k)),
  opaque([VM, 0x101], "vm.vmmeter", "S,vmmeter", (lp) => vmmeter(lp.k)),
  opaque([VM, 0x102], "vm.vmstats", "S,vmstats", (lp) => vmstats(lp.k)),
  opaque([VM, 2], "vm.loadavg", "S,loadavg", loadavg),
  int([VM, 0x100], "vm.vkernel_enable", () => 0),
  int([VM, 0x103], "vm.nswapdev", (k) => k.vm.swap.areas.length),
  int([VM, 0x104], "vm.swap_size", (k) => k.vm.swap.total),
  int([VM, 0x105], "vm.swap_anon_use", (k) => k.vm.swap.used),
  int([VFS, 0, 1], "vfs.generic.maxtypenum", (k) => k.vfsops.size),
  opaque([VFS, 0, 2], "vfs.generic.conf", "S,vfsconf", (lp, rest) => vfsconf(lp.k, rest)),
  int([VFS, 0x101], "vfs.bufspace", () => 0),
  int([VFS, 0x102], "vfs.quota_enabled", () => 0),
  int([VFS, 0x100], "vfs.varsym_enable", (k) => (k.varsyms.enabled ? 1 : 0), (k, v) => void (k.varsyms.enabled = v !== 0)),
  str([HW, 1], "hw.machine", () => MACHINE),
  str([HW, 2], "hw.model", () => "i686-class virtual processor"),
  int([HW, 3], "hw.ncpu", () => 1),
  int([HW, 4], "hw.byteorder", () => 1234),
  int([HW, 5], "hw.physmem", ram),
  int([HW, 6], "hw.usermem", ram),
  int([HW, 7], "hw.pagesize", () => 4096),
  int([HW, 10], "hw.floatingpoint", () => 1),
  str([HW, 11], "hw.machine_arch", () => MACHINE),
  str([HW, 12], "hw.platform", () => "vkernel"),
  int([HW, 0x100], "hw.tsc_present", () => 1),
  int([HW, 0x101], "hw.instruction_sse", () => 1),
  str([USER, 1], "user.cs_path", () => "/usr/bin:/bin:/usr/sbin:/sbin"),
  int([USER, 2], "user.bc_base_max", () => 99),
  int([USER, 3], "user.bc_dim_max", () => 2048),
  int([USER, 4], "user.bc_scale_max", () => 99),
  int([USER, 5], "user.bc_string_max", () => 1000),
  int([USER, 8], "user.line_max", () => 2048),
  int([USER, 9], "user.re_dup_max", () => 255),
  int([USER, 10], "user.posix2_version", () => 199212),
  int([USER, 19], "user.stream_max", () => 20),
  int([USER, 20], "user.tzname_max", () => 255),
  int([HW, 0x102], "hw.availpages", (k) => k.vm.phys.npages),
  int([P1003, 2], "p1003_1b.mapped_files", () => 1),
  int([P1003, 5], "p1003_1b.memory_protection", () => 1),
  int([P1003, 8], "p1003_1b.priority_scheduling", () => 1),
  int([P1003, 11], "p1003_1b.fsync", () => 1),
  int([P1003, 20], "p1003_1b.pagesize", () => 4096),
];

/** Nodes that answer for all numbers below them. */
const SUBTREES: readonly string[] = ["kern.proc", "vfs.generic.conf"];

const byName = new Map(NODES.map((n) => [n.name, n]));
/** Numbers of inner nodes by name: "kern", "kern.ipc" and the like. */
const innerNames = new Map(
  NODES.flatMap((n) => n.oid.slice(1).map((_, i) => [n.name.split(".").slice(0, i + 1).join("."), n.oid.slice(0, i + 1)] as const)),
);

const isPrefix = (oid: readonly number[], mib: readonly number[]): boolean => oid.every((v, i) => mib[i] === v);

/** The node that answers for a MIB. Throws ENOENT, EISDIR for an inner node, ENOTDIR for numbers below a leaf. */
function find(mib: readonly number[]): Node {
  const node = NODES.find((n) => mib.length >= n.oid.length && isPrefix(n.oid, mib));
  if (node === undefined) throw NODES.some((n) => isPrefix(mib, n.oid)) ? EISDIR : ENOENT;
  if (mib.length > node.oid.length && !SUBTREES.includes(node.name)) throw ENOTDIR;
  return node;
}

/** {0,n,...}: what the tree says about itself. */
function meta(mib: readonly number[], given: Uint8Array): Uint8Array {
  const below = mib.slice(2);
  switch (mib[1]) {
    case 1:
      return text(nameOf(below));
    case 2:
      return words(...nextOid(below));
    case 3: {
      const name = textOf(given);
      const oid = byName.get(name)?.oid ?? innerNames.get(name);
      if (oid === undefined) throw ENOENT;
      return words(...oid);
    }
    case 4: {
      const node = NODES.find((n) => isPrefix(n.oid, below));
      if (node === undefined && !NODES.some((n) => isPrefix(below, n.oid))) throw ENOENT;
      const access = CTLFLAG_RD | (node?.write === undefined ? 0 : CTLFLAG_WR);
      return concat([words((node?.type ?? CTLTYPE_NODE) | access), text(node?.format ?? "N")]);
    }
    default:
      throw ENOENT;
  }
}
function nameOf(oid: readonly number[]): string {
  const node = NODES.find((n) => isPrefix(n.oid, oid));
  if (node !== undefined) return [node.name, ...oid.slice(node.oid.length)].join(".");
  for (const [name, prefix] of innerNames) if (compare(prefix, oid) === 0) return name;
  return oid.join(".");
}
/** The first leaf after `oid` in order of numbers. Throws ENOENT behind the last. */
function nextOid(oid: readonly number[]): readonly number[] {
  let best: readonly number[] | null = null;
  for (const n of NODES) {
    if (compare(n.oid, oid) > 0 && (best === null || compare(n.oid, best) < 0)) best = n.oid;
  }
  if (best === null) throw ENOENT;
  return best;
}
function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

const CTL_MAXNAME = 12;
/** Longest value that may be written. */
const NEW_MAX = 65536;

/** __sysctl(name, namelen, old, oldlenp, new, newlen). */
export function sysSysctl(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const n = a[1]! >>> 0;
  if (n < 2 || n > CTL_MAXNAME) throw EINVAL;
  const mib = [...getWords(lp, a[0]!, n)];
  let given: Uint8Array | null = null;
  if (a[4] !== 0) {
    if (a[5]! >>> 0 > NEW_MAX) throw EINVAL;
    given = new Uint8Array(a[5]! >>> 0);
    copyin(vm, a[4]!, given, 0, given.length);
  }
  sysctl(lp, mib, a[2]!, a[3]!, given);
  return 0;
}

/**
 * Reads and sets one node: the old value goes to `old`, whose length stands at `oldLen` before and after (0: not asked
 * for; `old` 0 asks for the length alone). Returns the number of bytes of the value.
 */
export function sysctl(lp: Lwp, mib: readonly number[], old: number, oldLen: number, given: Uint8Array | null): number {
  const vm = lp.proc.vmspace!;

  let value: Uint8Array;
  if (mib[0] === CTL_SYSCTL) value = meta(mib, given ?? new Uint8Array(0));
  else {
    const node = find(mib);
    const rest = mib.slice(node.oid.length);
    // The old value is what it was before the write; a program that only writes asks for nothing.
    value = oldLen === 0 ? new Uint8Array(0) : node.read(lp, rest);
    if (given !== null) {
      if (node.write === undefined || (lp.proc.cred.uid !== 0 && node.name !== "kern.proc")) throw EPERM;
      node.write(lp, given, rest);
    }
  }
  if (oldLen === 0) return value.length;
  const room = old === 0 ? 0 : fuword(vm, oldLen) >>> 0;
  const fits = Math.min(room, value.length);
  if (old !== 0) copyout(vm, value, 0, old, fits);
  suword(vm, oldLen, old === 0 ? value.length : fits);
  if (old !== 0 && fits < value.length) throw ENOMEM;
  return value.length;
}
