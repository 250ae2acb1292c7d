// SPDX-License-Identifier: BSD-3-Clause
/** Linux process calls: fork, exec, exit, wait, ids, sessions, limits, usage, prctl, scheduling. */
import { EINVAL, EPERM, ESRCH, EFAULT } from "../../sys/errno.ts";
import { CLD_CONTINUED, CLD_EXITED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD } from "../../sys/signal.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyin, copyinWords, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import { copyinExecArgs, type ExecArgs, execve, execveSlow } from "../../kern/exec.ts";
import { exit1, exitStatus, lwpExit } from "../../kern/exit.ts";
import { FORK_PROCESS, fork1, mustSleep, startLwp, waitVfork } from "../../kern/fork.ts";
import type { KernelFrame, Lwp, Proc } from "../../kern/proc.ts";
import { Capabilities } from "../../kern/capability.ts";
import { encodeRusage, type Rusage, ruadd, Rusage as RusageClass, RUSAGE_SIZE, procTimes } from "../../kern/resource.ts";
import { ksiginfo } from "../../kern/sig.ts";
import { EVENT_SYSCALL, OPTION_SYSGOOD, type Tracee } from "../../kern/tracee.ts";
import { NLC_EMPTY, NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { dirFd } from "./file-flags.ts";
import { fd, hex, int, partial, path, pid, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import {
  W_ALL,
  W_CLONE,
  W_CONTINUED,
  W_EXITED,
  W_NOHANG,
  W_NOWAIT,
  W_UNTRACED,
  WAIT_ALL,
  WAIT_PGID,
  WAIT_PID,
  waitChild,
  type WaitResult,
  waitScan,
} from "../../kern/wait.ts";
import { nativeSigno, linuxSigno } from "./signo.ts";
import { encodeSiginfo } from "./sigframe.ts";
import { pidfdTarget } from "./sys-pidfd.ts";
import { ticks } from "./guest-struct.ts";

// ---------------------------------------------------------------------------------------------------------
// fork, exec, exit

function sysFork(lp: Lwp): number {
  const child = fork1(lp, FORK_PROCESS);
  startLwp(child);
  return child.proc.pid;
}

function* sysVfork(lp: Lwp): KernelFrame {
  const child = fork1(lp, { ...FORK_PROCESS, shareVm: true, vfork: true });
  startLwp(child);
  return yield* waitVfork(lp, child.proc);
}

function sysExecve(lp: Lwp, a: Int32Array): number {
  return execve(lp, copyinExecArgs(lp, a[0]!, a[1]!, a[2]!));
}
function* sysExecveSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const args: ExecArgs = copyinExecArgs(lp, a[0]!, a[1]!, a[2]!);
  return yield* execveSlow(lp, args);
}

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
/** execveat's arguments: dirfd, path, argv, envp, flags. Throws EINVAL for other flags. */
function execveatArgs(lp: Lwp, a: Int32Array): ExecArgs {
  if ((a[4]! & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) throw EINVAL;
  const args = copyinExecArgs(lp, a[1]!, a[2]!, a[3]!);
  const lookup = ((a[4]! & AT_SYMLINK_NOFOLLOW) === 0 ? NLC_FOLLOW : 0) | ((a[4]! & AT_EMPTY_PATH) === 0 ? 0 : NLC_EMPTY);
  return { ...args, dirfd: dirFd(a[0]!), lookup };
}
const sysExecveat = (lp: Lwp, a: Int32Array): number => execve(lp, execveatArgs(lp, a));
function* sysExecveatSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* execveSlow(lp, execveatArgs(lp, a));
}

function sysExit(lp: Lwp, a: Int32Array): number {
  if (lp.proc.lwps.size > 1) {
    lwpExit(lp, exitStatus(a[0]!));
    return 0;
  }
  exit1(lp, exitStatus(a[0]!));
  return 0;
}
function sysExitGroup(lp: Lwp, a: Int32Array): number {
  exit1(lp, exitStatus(a[0]!));
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// wait

const LINUX_WNOHANG = 1;
const LINUX_WUNTRACED = 2;
const LINUX_WEXITED = 4;
const LINUX_WCONTINUED = 8;
const LINUX_WNOWAIT = 0x0100_0000;
const LINUX_WNOTHREAD = 0x2000_0000;
const LINUX_WALL = 0x4000_0000;
const LINUX_WCLONE = -0x8000_0000;

function waitOptions(o: number): number {
  let out = 0;
  if ((o & LINUX_WNOHANG) !== 0) out |= W_NOHANG;
  if ((o & LINUX_WUNTRACED) !== 0) out |= W_UNTRACED;
  if ((o & LINUX_WEXITED) !== 0) out |= W_EXITED;
  if ((o & LINUX_WCONTINUED) !== 0) out |= W_CONTINUED;
  if ((o & LINUX_WNOWAIT) !== 0) out |= W_NOWAIT;
  if ((o & LINUX_WALL) !== 0) out |= W_ALL;
  if ((o & LINUX_WCLONE) !== 0) out |= W_CLONE;
  return out;
}

/** What a stopped thread's tracer hears in the place of the signal (ptrace(2)). */
function trapCode(t: Tracee, sig: number): number {
  if (t.event === EVENT_SYSCALL) return linuxSigno(sig) | ((t.options & OPTION_SYSGOOD) !== 0 ? 0x80 : 0);
  return linuxSigno(sig) | (t.event << 8);
}

/** wait4's status word. */
function statusWord(r: WaitResult): number {
  switch (r.code) {
    case CLD_EXITED:
      return r.status << 8;
    case CLD_STOPPED:
      return (linuxSigno(r.status) << 8) | 0x7f;
    case CLD_TRAPPED:
      return (trapCode(r.tracee!, r.status) << 8) | 0x7f;
    case CLD_CONTINUED:
      return 0xffff;
    default:
      return linuxSigno(r.status) | (r.core ? 0x80 : 0);
  }
}

function selectChildren(p: Proc, id: number): { kind: number; id: number } {
  if (id > 0) return { kind: WAIT_PID, id };
  if (id === -1) return { kind: WAIT_ALL, id: 0 };
  return { kind: WAIT_PGID, id: id === 0 ? p.pgrp.id : -id };
}

function checkWait4(a: Int32Array): void {
  const known =
    LINUX_WNOHANG | LINUX_WUNTRACED | LINUX_WCONTINUED | LINUX_WNOTHREAD | LINUX_WALL | LINUX_WCLONE;
  if ((a[2]! & ~known) !== 0) throw EINVAL;
  if (a[0]! === -0x8000_0000) throw ESRCH;
}

/** Copies a result out; the child has been reaped, so an EFAULT here loses it, as on Linux. */
function finishWait4(lp: Lwp, a: Int32Array, r: WaitResult | null): number {
  if (r === null) return 0;
  if (a[1] !== 0) suword(lp.proc.vmspace!, a[1]!, statusWord(r));
  if (a[3] !== 0) {
    const ru = new RusageClass();
    ruadd(ru, r.child.ru);
    ruadd(ru, r.child.cru);
    putRusage(lp, a[3]!, ru, r.userNs, r.sysNs);
  }
  return r.pid;
}

function sysWait4(lp: Lwp, a: Int32Array): number {
  checkWait4(a);
  const options = waitOptions(a[2]!) | W_EXITED;
  const s = selectChildren(lp.proc, a[0]!);
  const r = waitScan(lp, s.kind, s.id, options);
  return r === null && (options & W_NOHANG) === 0 ? WOULDBLOCK : finishWait4(lp, a, r);
}
function* sysWait4Slow(lp: Lwp, a: Int32Array): KernelFrame {
  const s = selectChildren(lp.proc, a[0]!);
  return finishWait4(lp, a, yield* waitChild(lp, s.kind, s.id, waitOptions(a[2]!) | W_EXITED));
}
function sysWaitpid(lp: Lwp, a: Int32Array): number {
  a[3] = 0;
  return sysWait4(lp, a);
}
function* sysWaitpidSlow(lp: Lwp, a: Int32Array): KernelFrame {
  a[3] = 0;
  return yield* sysWait4Slow(lp, a);
}

const P_PIDFD = 3;
function waitidSelect(lp: Lwp, a: Int32Array): { kind: number; id: number; options: number } {
  const known = LINUX_WNOHANG | LINUX_WUNTRACED | LINUX_WEXITED | LINUX_WCONTINUED | LINUX_WNOWAIT | LINUX_WNOTHREAD | LINUX_WALL | LINUX_WCLONE;
  if ((a[3]! & ~known) !== 0 || (a[3]! & (LINUX_WUNTRACED | LINUX_WEXITED | LINUX_WCONTINUED)) === 0) throw EINVAL;
  const options = waitOptions(a[3]!);
  switch (a[0]) {
    case 0:
      return { kind: WAIT_ALL, id: 0, options };
    case 1:
      if (a[1]! <= 0) throw EINVAL;
      return { kind: WAIT_PID, id: a[1]!, options };
    case P_PIDFD:
      return { kind: WAIT_PID, id: pidfdTarget(lp, a[1]!).pid, options };
    case 2:
      if (a[1]! < 0) throw EINVAL;
      return { kind: WAIT_PGID, id: a[1] === 0 ? lp.proc.pgrp.id : a[1]!, options };
    default:
      throw EINVAL;
  }
}

function finishWaitid(lp: Lwp, a: Int32Array, r: WaitResult | null): number {
  if (a[2] !== 0) {
    const bytes = new Uint8Array(128);
    if (r !== null) {
      const info = ksiginfo(SIGCHLD, r.code);
      info.pid = r.pid;
      info.uid = r.uid;
      info.status = r.status;
      encodeSiginfo(new DataView(bytes.buffer), 0, info);
    }
    copyout(lp.proc.vmspace!, bytes, 0, a[2]!, 128);
  }
  if (a[4] !== 0 && r !== null) putRusage(lp, a[4]!, r.child.ru, r.userNs, r.sysNs);
  return 0;
}
function sysWaitid(lp: Lwp, a: Int32Array): number {
  const s = waitidSelect(lp, a);
  const r = waitScan(lp, s.kind, s.id, s.options);
  return r === null && (s.options & W_NOHANG) === 0 ? WOULDBLOCK : finishWaitid(lp, a, r);
}
function* sysWaitidSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const s = waitidSelect(lp, a);
  return finishWaitid(lp, a, yield* waitChild(lp, s.kind, s.id, s.options));
}

// ---------------------------------------------------------------------------------------------------------
// Usage and limits

/** struct rusage, 72 bytes. */
function putRusage(lp: Lwp, uaddr: number, ru: Rusage, userNs: number, sysNs: number): void {
  copyoutWords(lp.proc.vmspace!, encodeRusage(ru, userNs, sysNs), uaddr, RUSAGE_SIZE / 4);
}

function sysGetrusage(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  const ru = new RusageClass();
  switch (a[0]) {
    case 0: {
      ruadd(ru, p.ru);
      for (const l of p.lwps.values()) ruadd(ru, l.ru);
      ru.maxrss = Math.max(ru.maxrss, p.vmspace!.residentPages() * 4096);
      const t = procTimes(p);
      putRusage(lp, a[1]!, ru, t.userNs, t.sysNs);
      return 0;
    }
    case -1:
      putRusage(lp, a[1]!, p.cru, p.childUserNs, p.childSysNs);
      return 0;
    case 1: {
      p.k.sched.charge(lp);
      const sys = Math.min(lp.sysNs, lp.runtimeNs);
      putRusage(lp, a[1]!, lp.ru, lp.runtimeNs - sys, sys);
      return 0;
    }
    default:
      throw EINVAL;
  }
}

function sysTimes(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  if (a[0] !== 0) {
    const t = procTimes(p);
    const w = Int32Array.of(ticks(t.userNs), ticks(t.sysNs), ticks(p.childUserNs), ticks(p.childSysNs));
    copyoutWords(p.vmspace!, w, a[0]!, 4);
  }
  return ticks(p.k.nanouptime()) | 0;
}

/** Native limit numbers by Linux's. */
const RLIMITS = [0, 1, 2, 3, 4, 5, 7, 8, 6, 10, 11, 12, 13, 14, 15, 16];

function rlimitOf(n: number): number {
  const r = RLIMITS[n];
  if (r === undefined) throw EINVAL;
  return r;
}

function setLimit(target: Proc, caller: Proc, r: number, cur: number, max: number): void {
  if (cur > max) throw EINVAL;
  if (max > target.limits.max[r]! && caller.cred.uid !== 0) throw EPERM;
  target.setLimit(r, cur, max);
}

const INF32 = 0xffff_ffff;
const toU32 = (v: number, inf: number): number => (v >= inf ? inf | 0 : v | 0);
const fromU32 = (v: number): number => (v >>> 0 === INF32 ? Infinity : v >>> 0);

function getrlimit(inf: number): (lp: Lwp, a: Int32Array) => number {
  return (lp, a) => {
    const r = rlimitOf(a[0]!);
    const l = lp.proc.limits;
    copyoutWords(lp.proc.vmspace!, Int32Array.of(toU32(l.cur[r]!, inf), toU32(l.max[r]!, inf)), a[1]!, 2);
    return 0;
  };
}
function sysSetrlimit(lp: Lwp, a: Int32Array): number {
  const r = rlimitOf(a[0]!);
  const w = new Int32Array(2);
  copyinWords(lp.proc.vmspace!, a[1]!, w, 2);
  setLimit(lp.proc, lp.proc, r, fromU32(w[0]!), fromU32(w[1]!));
  return 0;
}
function sysPrlimit64(lp: Lwp, a: Int32Array): number {
  const caller = lp.proc;
  const target = a[0] === 0 ? caller : findProc(lp, a[0]!);
  const r = rlimitOf(a[1]!);
  const c = caller.cred;
  const t = target.cred;
  if (target !== caller && c.uid !== 0 && !(c.ruid === t.uid && c.ruid === t.ruid && c.ruid === t.svuid)) throw EPERM;
  let cur = 0;
  let max = 0;
  if (a[2] !== 0) {
    const w = new Int32Array(4);
    copyinWords(caller.vmspace!, a[2]!, w, 4);
    cur = limit64(w[0]!, w[1]!);
    max = limit64(w[2]!, w[3]!);
    if (cur > max) throw EINVAL;
  }
  const old = Int32Array.of(...split64(target.limits.cur[r]!), ...split64(target.limits.max[r]!));
  if (a[2] !== 0) setLimit(target, caller, r, cur, max);
  if (a[3] !== 0) copyoutWords(caller.vmspace!, old, a[3]!, 4);
  return 0;
}
const limit64 = (lo: number, hi: number): number => (hi >>> 0 >= 0x20_0000 ? Infinity : (hi >>> 0) * 4294967296 + (lo >>> 0));
const split64 = (v: number): [number, number] => (v === Infinity ? [-1, -1] : [v | 0, Math.floor(v / 4294967296)]);

/** A process by its pid or one of its threads' ids. Throws ESRCH. */
export function findProc(lp: Lwp, n: number): Proc {
  const p = lp.k.procs.get(n) ?? lp.k.lwps.get(n)?.proc;
  if (p === undefined) throw ESRCH;
  return p;
}

// ---------------------------------------------------------------------------------------------------------
// Priorities

function* prioTargets(lp: Lwp, which: number, who: number): Generator<Proc> {
  const { procs } = lp.k;
  if (which < 0 || which > 2) throw EINVAL;
  for (const p of procs.values()) {
    const hit =
      which === 0 ? p.pid === (who === 0 ? lp.proc.pid : who)
      : which === 1 ? p.pgrp.id === (who === 0 ? lp.proc.pgrp.id : who)
      : p.cred.ruid === (who === 0 ? lp.proc.cred.ruid : who);
    if (hit) yield p;
  }
}
function sysGetpriority(lp: Lwp, a: Int32Array): number {
  let best = 99;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) best = Math.min(best, p.nice);
  if (best === 99) throw ESRCH;
  return 20 - best;
}
function sysSetpriority(lp: Lwp, a: Int32Array): number {
  const nice = Math.max(-20, Math.min(19, a[2]!));
  let found = false;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) {
    found = true;
    p.renice(lp.proc.cred, nice);
  }
  if (!found) throw ESRCH;
  return 0;
}
function sysNice(lp: Lwp, a: Int32Array): number {
  lp.proc.renice(lp.proc.cred, Math.max(-20, Math.min(19, lp.proc.nice + a[0]!)));
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// prctl

const PR_SET_PDEATHSIG = 1;
const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_GET_KEEPCAPS = 7;
const PR_SET_KEEPCAPS = 8;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_GET_SECCOMP = 21;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_GET_SECUREBITS = 27;
const PR_CAP_AMBIENT = 47;
const AMBIENT_IS_SET = 1;
const AMBIENT_RAISE = 2;
const AMBIENT_LOWER = 3;
const AMBIENT_CLEAR_ALL = 4;

function capAmbient(p: Proc, how: number, cap: number): number {
  const { caps } = p;
  switch (how) {
    case AMBIENT_IS_SET:
      return (caps.ambient & Capabilities.bit(cap)) === 0n ? 0 : 1;
    case AMBIENT_RAISE:
      caps.raiseAmbient(cap);
      return 0;
    case AMBIENT_LOWER:
      caps.ambient &= ~Capabilities.bit(cap);
      return 0;
    case AMBIENT_CLEAR_ALL:
      if (cap !== 0) throw EINVAL;
      caps.ambient = 0n;
      return 0;
    default:
      throw EINVAL;
  }
}
const PR_SET_CHILD_SUBREAPER = 36;
const PR_GET_CHILD_SUBREAPER = 37;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;
const PR_SET_VMA = 0x5356_4d41;

function sysPrctl(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  const vm = p.vmspace!;
  switch (a[0]) {
    case PR_SET_PDEATHSIG:
      if (a[1] !== 0 && nativeSigno(a[1]!) === 0) throw EINVAL;
      p.pdeathsig = nativeSigno(a[1]!);
      return 0;
    case PR_GET_PDEATHSIG:
      suword(vm, a[1]!, linuxSigno(p.pdeathsig));
      return 0;
    case PR_GET_DUMPABLE:
      return p.dumpable;
    case PR_SET_DUMPABLE:
      if (a[1] !== 0 && a[1] !== 1) throw EINVAL;
      p.dumpable = a[1]!;
      return 0;
    case PR_GET_KEEPCAPS:
      return p.caps.keep ? 1 : 0;
    case PR_SET_KEEPCAPS:
      if (a[1] !== 0 && a[1] !== 1) throw EINVAL;
      p.caps.keep = a[1] === 1;
      return 0;
    case PR_GET_SECCOMP:
    case PR_GET_SECUREBITS:
      return 0;
    case PR_SET_NAME: {
      const name = new Uint8Array(16);
      copyin(vm, a[1]!, name, 0, 16);
      lp.comm = String.fromCharCode(...name.subarray(0, 15)).replace(/\0.*$/s, "");
      if (lp.tid === p.pid) p.comm = lp.comm;
      return 0;
    }
    case PR_GET_NAME: {
      const name = new Uint8Array(16);
      for (let i = 0; i < lp.comm.length && i < 15; i++) name[i] = lp.comm.charCodeAt(i);
      copyout(vm, name, 0, a[1]!, 16);
      return 0;
    }
    case PR_CAPBSET_READ:
      return (p.caps.bounding & Capabilities.bit(a[1]!)) === 0n ? 0 : 1;
    case PR_CAPBSET_DROP:
      p.caps.dropBounding(a[1]!);
      return 0;
    case PR_CAP_AMBIENT:
      return capAmbient(p, a[1]!, a[2]!);
    case PR_SET_CHILD_SUBREAPER:
      p.subreaper = a[1] !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      suword(vm, a[1]!, p.subreaper ? 1 : 0);
      return 0;
    case PR_SET_NO_NEW_PRIVS:
      if (a[1] !== 1) throw EINVAL;
      p.noNewPrivs = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return p.noNewPrivs ? 1 : 0;
    case PR_SET_VMA:
      throw EINVAL;
    default:
      throw EINVAL;
  }
}

/** There are no namespaces, and what threads share is one record; nothing to separate is no error. */
function sysUnshare(_lp: Lwp, a: Int32Array): number {
  if (a[0] !== 0) throw EINVAL;
  return 0;
}

function sysPersonality(lp: Lwp, a: Int32Array): number {
  const old = lp.proc.personality;
  if (a[0] !== -1) lp.proc.personality = a[0]!;
  return old;
}

const CAP_VERSION_1 = 0x1998_0330;
const CAP_VERSION_2 = 0x2007_1026;
const CAP_VERSION_3 = 0x2008_0522;

/** struct __user_cap_header: version and pid; how many words each set has. Null when the caller only asks for the version. */
function capHeader(lp: Lwp, a: Int32Array): { words: number; pid: number } | null {
  const vm = lp.proc.vmspace!;
  const hdr = new Int32Array(2);
  copyinWords(vm, a[0]!, hdr, 2);
  const words = hdr[0] === CAP_VERSION_1 ? 1 : hdr[0] === CAP_VERSION_2 || hdr[0] === CAP_VERSION_3 ? 2 : 0;
  if (words === 0) {
    suword(vm, a[0]!, CAP_VERSION_3);
    if (a[1] === 0) return null;
    throw EINVAL;
  }
  if (hdr[1]! < 0) throw EINVAL;
  return { words, pid: hdr[1]! };
}

/** struct __user_cap_data[words]: effective, permitted, inheritable. */
function sysCapget(lp: Lwp, a: Int32Array): number {
  const header = capHeader(lp, a);
  if (header === null) return 0;
  const { caps } = header.pid === 0 ? lp.proc : findProc(lp, header.pid);
  if (a[1] === 0) throw EFAULT;
  const w = new Int32Array(3 * header.words);
  [caps.effective, caps.permitted, caps.inheritable].forEach((set, i) => {
    for (let word = 0; word < header.words; word++) w[3 * word + i] = Number(BigInt.asIntN(32, set >> BigInt(32 * word)));
  });
  copyoutWords(lp.proc.vmspace!, w, a[1]!, w.length);
  return 0;
}
function sysCapset(lp: Lwp, a: Int32Array): number {
  const header = capHeader(lp, a);
  if (header === null) throw EFAULT;
  if (header.pid !== 0 && header.pid !== lp.proc.pid) throw EPERM;
  const w = new Int32Array(6);
  copyinWords(lp.proc.vmspace!, a[1]!, w, 3 * header.words);
  const set = (i: number): bigint => BigInt(w[i]! >>> 0) | (BigInt(w[3 + i]! >>> 0) << 32n);
  lp.proc.caps.set(set(0), set(1), set(2));
  return 0;
}

export const PROCESS_ROWS: readonly Sysent[] = [
  plain(1, "exit", [int], sysExit),
  plain(2, "fork", [], sysFork),
  sleeps(7, "waitpid", [pid, uptr, hex], sysWaitpid, sysWaitpidSlow),
  sleeps(358, "execveat", [fd, path, uptr, uptr, hex], sysExecveat, sysExecveatSlow),
  sleeps(11, "execve", [path, uptr, uptr], sysExecve, sysExecveSlow),
  plain(34, "nice", [int], sysNice),
  plain(43, "times", [uptr], sysTimes),
  plain(75, "setrlimit", [int, uptr], sysSetrlimit),
  plain(76, "getrlimit", [int, uptr], getrlimit(0x7fff_ffff)),
  plain(77, "getrusage", [int, uptr], sysGetrusage),
  plain(96, "getpriority", [int, int], sysGetpriority),
  plain(97, "setpriority", [int, int, int], sysSetpriority),
  sleeps(114, "wait4", [pid, uptr, hex, uptr], sysWait4, sysWait4Slow),
  partial(plain(310, "unshare", [hex], sysUnshare), "EINVAL: threads share descriptors and directories, processes share nothing"),
  partial(plain(136, "personality", [hex], sysPersonality), "stored, without effect"),
  partial(plain(172, "prctl", [int, hex, hex, hex, hex], sysPrctl), "names, death signal, dumpable, subreaper, no_new_privs, capability sets"),
  partial(plain(184, "capget", [uptr, uptr], sysCapget), "the sets are kept; rights go with user id 0, but for changes of ids"),
  partial(plain(185, "capset", [uptr, uptr], sysCapset), "the sets are kept; rights go with user id 0, but for changes of ids"),
  sleeps(190, "vfork", [], mustSleep, sysVfork),
  plain(191, "ugetrlimit", [int, uptr], getrlimit(INF32)),
  plain(252, "exit_group", [int], sysExitGroup),
  sleeps(284, "waitid", [int, pid, uptr, hex, uptr], sysWaitid, sysWaitidSlow),
  plain(340, "prlimit64", [pid, int, uptr, uptr], sysPrlimit64),
];
