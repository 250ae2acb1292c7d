// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly process calls: fork, exec, exit, wait, ids, sessions, limits, usage, priorities. */
import { EINVAL, ENAMETOOLONG, EOPNOTSUPP, EPERM, ERANGE, ESRCH } from "../../sys/errno.ts";
import { CLD_CONTINUED, CLD_EXITED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGCONT } from "../../sys/signal.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyinstr, copyoutWords, suword } from "../../vm/copyio.ts";
import { copyinExecArgs, execve, execveSlow } from "../../kern/exec.ts";
import { exit1, exitStatus, giveToInit, lwpExit } from "../../kern/exit.ts";
import { FORK_PROCESS, fork1, type ForkOptions, mustSleep, startLwp, waitVfork } from "../../kern/fork.ts";
import { setpgid, setsid } from "../../kern/pgrp.ts";
import type { KernelFrame, Lwp, Proc } from "../../kern/proc.ts";
import { P_SUGID } from "../../kern/proc.ts";
import { ID_KEEP, setgid, setgroups, setregid, setresgid, setresuid, setreuid, setuid } from "../../kern/prot.ts";
import { encodeRusage, RLIMIT_NOFILE, RLIMIT_POSIXLOCKS, ruadd, Rusage, RUSAGE_SIZE, procTimes } from "../../kern/resource.ts";
import { hex, int, partial, path, pid, plain, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import {
  W_CONTINUED,
  W_EXITED,
  W_NOHANG,
  W_UNTRACED,
  WAIT_ALL,
  WAIT_PGID,
  WAIT_PID,
  waitChild,
  type WaitResult,
  waitScan,
} from "../../kern/wait.ts";
import { getWords, off64At, putBytes, putField, putWords, TWO32 } from "./guest-struct.ts";

// ---------------------------------------------------------------------------------------------------------
// fork, exec, exit

/** Parent: pid in eax, 0 in edx; child: abi.setForkReturn. */
function forkWith(lp: Lwp, opt: ForkOptions): number {
  const child = fork1(lp, opt);
  startLwp(child);
  return child.proc.pid;
}
function* vforkWith(lp: Lwp, opt: ForkOptions): KernelFrame {
  const child = fork1(lp, { ...opt, vfork: true });
  startLwp(child);
  return yield* waitVfork(lp, child.proc);
}

const RFFDG = 0x4;
const RFPROC = 0x10;
const RFMEM = 0x20;
const RFNOWAIT = 0x40;
const RFCFDG = 0x1000;
const RFSIGSHARE = 0x4000;
const RFLINUXTHPN = 0x1_0000;
const RFPPWAIT = -0x8000_0000;
const RFKERNELONLY = 0xc000_0000 | 0;

function rforkOptions(flags: number): ForkOptions {
  if ((flags & RFKERNELONLY) !== 0 || (flags & (RFFDG | RFCFDG)) === (RFFDG | RFCFDG)) throw EINVAL;
  return {
    ...FORK_PROCESS,
    shareVm: (flags & RFMEM) !== 0,
    shareFiles: (flags & (RFFDG | RFCFDG)) === 0,
    shareSigacts: (flags & RFSIGSHARE) !== 0,
    vfork: (flags & RFPPWAIT) !== 0,
    exitSignal: (flags & RFLINUXTHPN) !== 0 ? 30 : SIGCHLD,
  };
}

/** rfork without RFPROC: changes the caller, who must be alone in his process, and returns 0. */
function rforkSelf(lp: Lwp, flags: number): number {
  const p = lp.proc;
  if (p.lwps.size !== 1) throw EINVAL;
  if ((flags & (RFFDG | RFCFDG)) !== 0 && p.fd!.refs > 1) {
    const own = p.fd!.copy();
    p.fd!.refs--;
    p.fd = own;
  }
  if ((flags & RFCFDG) !== 0) closeAll(lp, p);
  return 0;
}
function closeAll(lp: Lwp, p: Proc): void {
  const fdp = p.fd!;
  for (let d = 0; d < fdp.files.length; d++) if (fdp.files[d] !== null) fdp.close(d, lp);
}
function rfork(lp: Lwp, flags: number): number {
  const opt = rforkOptions(flags);
  if ((flags & RFPROC) === 0) return rforkSelf(lp, flags);
  if (opt.vfork) return WOULDBLOCK;
  const child = fork1(lp, opt);
  if ((flags & RFCFDG) !== 0) closeAll(lp, child.proc);
  if ((flags & RFNOWAIT) !== 0) giveToInit(child.proc);
  startLwp(child);
  return child.proc.pid;
}

function sysExit(lp: Lwp, a: Int32Array): number {
  exit1(lp, exitStatus(a[0]!));
  return 0;
}

const EXTEXIT_SETINT = 1;
const EXTEXIT_LWP = 0x10000;
/** extexit(how, status, addr): optionally stores the status as an int, then ends the process or this thread. */
function sysExtexit(lp: Lwp, a: Int32Array): number {
  const action = a[0]! & 0xffff;
  const who = a[0]! & ~0xffff;
  if (action > EXTEXIT_SETINT || (who !== 0 && who !== EXTEXIT_LWP)) throw EINVAL;
  if (action === EXTEXIT_SETINT) suword(lp.proc.vmspace!, a[2]!, a[1]!);
  if (who === EXTEXIT_LWP && lp.proc.lwps.size > 1) lwpExit(lp);
  else exit1(lp, exitStatus(a[1]!));
  return 0;
}

function sysExecve(lp: Lwp, a: Int32Array): number {
  return execve(lp, copyinExecArgs(lp, a[0]!, a[1]!, a[2]!));
}
function* sysExecveSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* execveSlow(lp, copyinExecArgs(lp, a[0]!, a[1]!, a[2]!));
}

// ---------------------------------------------------------------------------------------------------------
// wait

const WNOHANG = 1;
const WUNTRACED = 2;
const WCONTINUED = 4;
const WLINUXCLONE = -0x8000_0000;

function waitArgs(lp: Lwp, a: Int32Array): { kind: number; id: number; options: number } {
  const o = a[2]!;
  if ((o & ~(WNOHANG | WUNTRACED | WCONTINUED | WLINUXCLONE)) !== 0) throw EINVAL;
  const options =
    W_EXITED | ((o & WNOHANG) !== 0 ? W_NOHANG : 0) | ((o & WUNTRACED) !== 0 ? W_UNTRACED : 0) | ((o & WCONTINUED) !== 0 ? W_CONTINUED : 0);
  const id = a[0]!;
  if (id > 0) return { kind: WAIT_PID, id, options };
  if (id === -1) return { kind: WAIT_ALL, id: 0, options };
  return { kind: WAIT_PGID, id: id === 0 ? lp.proc.pgrp.id : -id, options };
}

/** The status of wait(2). */
export function statusWord(r: WaitResult): number {
  switch (r.code) {
    case CLD_EXITED:
      return r.status << 8;
    case CLD_STOPPED:
    case CLD_TRAPPED:
      return (r.status << 8) | 0x7f;
    case CLD_CONTINUED:
      return SIGCONT;
    default:
      return r.status | (r.core ? 0x80 : 0);
  }
}

/** Copies a result out; the child has been reaped, so an EFAULT here loses it. */
function finishWait(lp: Lwp, a: Int32Array, r: WaitResult | null): number {
  if (r === null) return 0;
  if (a[1] !== 0) suword(lp.proc.vmspace!, a[1]!, statusWord(r));
  if (a[3] !== 0) {
    const ru = new Rusage();
    ruadd(ru, r.child.ru);
    ruadd(ru, r.child.cru);
    putRusage(lp, a[3]!, ru, r.userNs, r.sysNs);
  }
  return r.pid;
}

/** wait4(pid, status, options, usage): pid, or WOULDBLOCK. */
function sysWait4(lp: Lwp, a: Int32Array): number {
  const w = waitArgs(lp, a);
  const r = waitScan(lp, w.kind, w.id, w.options);
  return r === null && (w.options & W_NOHANG) === 0 ? WOULDBLOCK : finishWait(lp, a, r);
}
function* sysWait4Slow(lp: Lwp, a: Int32Array): KernelFrame {
  const w = waitArgs(lp, a);
  return finishWait(lp, a, yield* waitChild(lp, w.kind, w.id, w.options));
}

// ---------------------------------------------------------------------------------------------------------
// Usage and limits

function putRusage(lp: Lwp, uaddr: number, ru: Rusage, userNs: number, sysNs: number): void {
  copyoutWords(lp.proc.vmspace!, encodeRusage(ru, userNs, sysNs), uaddr, RUSAGE_SIZE / 4);
}

function sysGetrusage(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  if (a[0] === -1) {
    putRusage(lp, a[1]!, p.cru, p.childUserNs, p.childSysNs);
    return 0;
  }
  if (a[0] !== 0) throw EINVAL;
  const { ru, userNs, sysNs } = selfUsage(p);
  putRusage(lp, a[1]!, ru, userNs, sysNs);
  return 0;
}

/** Usage of a process that lives: its ended and its running threads. */
export function selfUsage(p: Proc): { ru: Rusage; userNs: number; sysNs: number } {
  const ru = new Rusage();
  ruadd(ru, p.ru);
  for (const l of p.lwps.values()) ruadd(ru, l.ru);
  if (p.vmspace !== null) ru.maxrss = Math.max(ru.maxrss, p.vmspace.residentPages() * 4096);
  return { ru, ...procTimes(p) };
}

const RLIM_INFINITY_HI = 0x7fff_ffff;

function limitWords(v: number): [number, number] {
  return v === Infinity ? [-1, RLIM_INFINITY_HI] : [v | 0, Math.floor(v / TWO32) | 0];
}
function limitValue(lo: number, hi: number): number {
  const v = off64At(lo, hi);
  // Negative limits mean "as much as there is", like RLIM_INFINITY itself.
  return v < 0 || hi >= 0x20_0000 ? Infinity : v;
}
export function rlimitArg(n: number): number {
  if (n < 0 || n > RLIMIT_POSIXLOCKS) throw EINVAL;
  return n;
}
function sysGetrlimit(lp: Lwp, a: Int32Array): number {
  const which = rlimitArg(a[0]!);
  const { limits } = lp.proc;
  putWords(lp, a[1]!, ...limitWords(limits.cur[which]!), ...limitWords(limits.max[which]!));
  return 0;
}
function sysSetrlimit(lp: Lwp, a: Int32Array): number {
  const w = getWords(lp, a[1]!, 4);
  return setRlimit(lp, rlimitArg(a[0]!), limitValue(w[0]!, w[1]!), limitValue(w[2]!, w[3]!));
}
/** Sets a limit; only the superuser goes above the hard one. Throws EPERM. */
export function setRlimit(lp: Lwp, which: number, cur: number, max: number): number {
  const p = lp.proc;
  const hard = p.limits.max[which]!;
  if ((cur > hard || max > hard) && p.cred.uid !== 0) throw EPERM;
  p.setLimit(which, Math.min(cur, max), max);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Ids, sessions, groups

function findProc(lp: Lwp, n: number): Proc {
  if (n === 0) return lp.proc;
  const p = lp.k.procs.get(n);
  if (p === undefined) throw ESRCH;
  return p;
}

const idArg = (v: number): number => (v === -1 ? ID_KEEP : v >>> 0);
const done = (_: void): number => 0;

const NGROUPS = 16;
function sysGetgroups(lp: Lwp, a: Int32Array): number {
  const { cred } = lp.proc;
  // BSD lists the effective group first.
  const groups = [cred.gid, ...cred.groups.filter((g) => g !== cred.gid)].slice(0, NGROUPS);
  if (a[0] === 0) return groups.length;
  if (a[0]! < groups.length) throw EINVAL;
  putWords(lp, a[1]!, ...groups);
  return groups.length;
}
function sysSetgroups(lp: Lwp, a: Int32Array): number {
  const n = a[0]!;
  if (lp.proc.cred.uid !== 0) throw EPERM;
  if (n < 0 || n > NGROUPS) throw EINVAL;
  const groups = Array.from(getWords(lp, a[1]!, n), (g) => g >>> 0);
  // The first one is the effective group, as getgroups returns it.
  if (n > 0) setregid(lp.proc, ID_KEEP, groups[0]!);
  setgroups(lp.proc, groups.slice(1));
  return 0;
}

function put3(lp: Lwp, a: Int32Array, ids: readonly number[]): number {
  for (let i = 0; i < 3; i++) if (a[i] !== 0) suword(lp.proc.vmspace!, a[i]!, ids[i]!);
  return 0;
}

/** MAXLOGNAME with its NUL. */
const MAXLOGNAME = 17;
function sysGetlogin(lp: Lwp, a: Int32Array): number {
  const { login } = lp.proc.pgrp.session;
  const size = Math.min(a[1]! >>> 0, MAXLOGNAME);
  if (login.length + 1 > size) throw ERANGE;
  const b = new Uint8Array(size);
  putField(b, 0, size, login);
  putBytes(lp, a[0]!, b);
  return 0;
}
function sysSetlogin(lp: Lwp, a: Int32Array): number {
  if (lp.proc.cred.uid !== 0) throw EPERM;
  try {
    lp.proc.pgrp.session.login = copyinstr(lp.proc.vmspace!, a[0]!, MAXLOGNAME);
  } catch (e) {
    throw e === ENAMETOOLONG ? EINVAL : e;
  }
  return 0;
}

const unsupported = (): number => {
  throw EOPNOTSUPP;
};

export const PROCESS_ROWS: readonly Sysent[] = [
  plain(1, "exit", [int], sysExit),
  plain(2, "fork", [], (lp) => forkWith(lp, FORK_PROCESS)),
  sleeps(7, "wait4", [pid, uptr, hex, uptr], sysWait4, sysWait4Slow),
  plain(20, "getpid", [], (lp) => lp.proc.pid),
  plain(23, "setuid", [uint], (lp, a) => done(setuid(lp.proc, a[0]! >>> 0))),
  plain(24, "getuid", [], (lp) => lp.proc.cred.ruid),
  plain(25, "geteuid", [], (lp) => lp.proc.cred.uid),
  plain(39, "getppid", [], (lp) => lp.proc.parent?.pid ?? 0),
  plain(43, "getegid", [], (lp) => lp.proc.cred.gid),
  plain(47, "getgid", [], (lp) => lp.proc.cred.rgid),
  plain(49, "getlogin", [uptr, uint], sysGetlogin),
  plain(50, "setlogin", [path], sysSetlogin),
  sleeps(59, "execve", [path, uptr, uptr], sysExecve, sysExecveSlow),
  sleeps(66, "vfork", [], mustSleep, (lp) => vforkWith(lp, { ...FORK_PROCESS, shareVm: true })),
  plain(79, "getgroups", [uint, uptr], sysGetgroups),
  plain(80, "setgroups", [uint, uptr], sysSetgroups),
  plain(81, "getpgrp", [], (lp) => lp.proc.pgrp.id),
  plain(82, "setpgid", [pid, pid], (lp, a) => done(setpgid(lp.proc, a[0]!, a[1]!))),
  plain(89, "getdtablesize", [], (lp) => Math.min(lp.proc.limits.cur[RLIMIT_NOFILE]!, 65536)),
  plain(117, "getrusage", [int, uptr], sysGetrusage),
  plain(126, "setreuid", [int, int], (lp, a) => done(setreuid(lp.proc, idArg(a[0]!), idArg(a[1]!)))),
  plain(127, "setregid", [int, int], (lp, a) => done(setregid(lp.proc, idArg(a[0]!), idArg(a[1]!)))),
  plain(147, "setsid", [], (lp) => setsid(lp.proc)),
  partial(plain(165, "sysarch", [int, uptr], unsupported), "a vkernel's guests have no LDT calls: EOPNOTSUPP, as in DragonFly"),
  plain(181, "setgid", [uint], (lp, a) => done(setgid(lp.proc, a[0]! >>> 0))),
  plain(182, "setegid", [uint], (lp, a) => done(setresgid(lp.proc, ID_KEEP, a[0]! >>> 0, ID_KEEP))),
  plain(183, "seteuid", [uint], (lp, a) => done(setresuid(lp.proc, ID_KEEP, a[0]! >>> 0, ID_KEEP))),
  plain(194, "getrlimit", [uint, uptr], sysGetrlimit),
  plain(195, "setrlimit", [uint, uptr], sysSetrlimit),
  plain(207, "getpgid", [pid], (lp, a) => findProc(lp, a[0]!).pgrp.id),
  sleeps(251, "rfork", [hex], (lp, a) => rfork(lp, a[0]!), (lp, a) => vforkWith(lp, rforkOptions(a[0]!))),
  plain(253, "issetugid", [], (lp) => ((lp.proc.flags & P_SUGID) !== 0 ? 1 : 0)),
  plain(310, "getsid", [pid], (lp, a) => findProc(lp, a[0]!).pgrp.session.sid),
  plain(311, "setresuid", [int, int, int], (lp, a) => done(setresuid(lp.proc, idArg(a[0]!), idArg(a[1]!), idArg(a[2]!)))),
  plain(312, "setresgid", [int, int, int], (lp, a) => done(setresgid(lp.proc, idArg(a[0]!), idArg(a[1]!), idArg(a[2]!)))),
  plain(360, "getresuid", [uptr, uptr, uptr], (lp, a) => put3(lp, a, [lp.proc.cred.ruid, lp.proc.cred.uid, lp.proc.cred.svuid])),
  plain(361, "getresgid", [uptr, uptr, uptr], (lp, a) => put3(lp, a, [lp.proc.cred.rgid, lp.proc.cred.gid, lp.proc.cred.svgid])),
  plain(494, "extexit", [hex, int, uptr], sysExtexit),
];
