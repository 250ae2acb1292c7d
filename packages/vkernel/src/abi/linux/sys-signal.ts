// SPDX-License-Identifier: BSD-3-Clause
/** Linux signal calls, classic and real-time (Linux kernel/signal.c). */
import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ESRCH } from "../../sys/errno.ts";
import {
  SI_TKILL,
  SI_USER,
  SIG_BLOCK,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGKILL,
  SIGSTOP,
  sigcantmask,
  sigfirst,
  sigset,
  type Sigset,
} from "../../sys/signal.ts";
import { copyin, copyinWords, copyout, copyoutWords } from "../../vm/copyio.ts";
import type { KernelFrame, Lwp, Proc } from "../../kern/proc.ts";
import { AST_OLDMASK } from "../../kern/proc.ts";
import { canSignal, kill } from "../../kern/kill.ts";
import {
  checkQueueRoom,
  type Ksiginfo,
  ksiginfo,
  lwpsignal,
  psignal,
  type Sigaction,
  sigactChanged,
  sigmaskChanged,
  takeSignal,
} from "../../kern/sig.ts";
import { FOREVER, PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleep } from "../../kern/sleep.ts";
import { mustSleep } from "../../kern/fork.ts";
import { hex, int, pid, plain, sig, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { TF_ESP } from "../../sys/frame.ts";
import { getSigset, getTimespec, getTimespec64 } from "./guest-struct.ts";
import { LINUX_SA_RESTORER, linuxSaFlags, linuxSigset, linuxSigno, nativeSaFlags, nativeSigno, nativeSigset } from "./signo.ts";
import { encodeSiginfo, linuxRtSigreturn, linuxSigreturn, onSigstack } from "./sigframe.ts";

/** The 64-bit set's size, which every real-time call states. */
const SIGSET_BYTES = 8;

function signalArg(n: number): number {
  const s = nativeSigno(n);
  if (s === 0) throw EINVAL;
  return s;
}

// ---------------------------------------------------------------------------------------------------------
// Actions

function setAction(p: Proc, s: number, act: Sigaction): void {
  if (s === SIGKILL || s === SIGSTOP) throw EINVAL;
  sigcantmask(act.mask);
  p.sigacts.set(s, act);
  sigactChanged(p, s);
}

/** struct kernel_sigaction: handler, flags, restorer, 8-byte mask. */
function sysRtSigaction(lp: Lwp, a: Int32Array): number {
  if (a[3] !== SIGSET_BYTES) throw EINVAL;
  const p = lp.proc;
  const vm = p.vmspace!;
  const w = new Int32Array(5);
  let next: Sigaction | null = null;
  if (a[1] !== 0) {
    copyinWords(vm, a[1]!, w, 5);
    next = action(w[0]!, w[1]!, w[2]!, nativeSigset(w[3]!, w[4]!, sigset()));
  }
  const s = signalArg(a[0]!);
  const old = p.sigacts.get(s);
  if (next !== null) setAction(p, s, next);
  if (a[2] !== 0) {
    w[0] = old.handler;
    w[1] = linuxSaFlags(old.flags) | (old.restorer !== 0 ? LINUX_SA_RESTORER : 0);
    w[2] = old.restorer;
    linuxSigset(old.mask, w.subarray(3));
    copyoutWords(vm, w, a[2]!, 5);
  }
  return 0;
}

function action(handler: number, flags: number, restorer: number, mask: Sigset): Sigaction {
  return {
    handler: handler >>> 0,
    flags: nativeSaFlags(flags),
    restorer: (flags & LINUX_SA_RESTORER) !== 0 ? restorer >>> 0 : 0,
    mask,
  };
}

/** struct old_sigaction: handler, 4-byte mask, flags, restorer. */
function sysSigaction(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  const w = new Int32Array(4);
  let next: Sigaction | null = null;
  if (a[1] !== 0) {
    copyinWords(p.vmspace!, a[1]!, w, 4);
    next = action(w[0]!, w[2]!, w[3]!, nativeSigset(w[1]!, 0, sigset()));
  }
  const s = signalArg(a[0]!);
  const old = p.sigacts.get(s);
  if (next !== null) setAction(p, s, next);
  if (a[2] !== 0) {
    const mask = linuxSigset(old.mask, new Int32Array(2));
    const flags = linuxSaFlags(old.flags) | (old.restorer !== 0 ? LINUX_SA_RESTORER : 0);
    copyoutWords(p.vmspace!, Int32Array.of(old.handler, mask[0]!, flags, old.restorer), a[2]!, 4);
  }
  return 0;
}

const SA_ONESHOT_NOMASK = -0x4000_0000;
function sysSignal(lp: Lwp, a: Int32Array): number {
  const s = signalArg(a[0]!);
  const old = lp.proc.sigacts.handler[s]!;
  setAction(lp.proc, s, action(a[1]!, SA_ONESHOT_NOMASK, 0, sigset()));
  return old | 0;
}

// ---------------------------------------------------------------------------------------------------------
// Masks

function applyMask(lp: Lwp, how: number, set: Sigset): void {
  for (let i = 0; i < 4; i++) {
    if (how === SIG_BLOCK) lp.sigmask[i]! |= set[i]!;
    else if (how === SIG_UNBLOCK) lp.sigmask[i]! &= ~set[i]!;
    else lp.sigmask[i] = set[i]!;
  }
  sigmaskChanged(lp);
}

function sysRtSigprocmask(lp: Lwp, a: Int32Array): number {
  if (a[3] !== SIGSET_BYTES) throw EINVAL;
  const vm = lp.proc.vmspace!;
  const old = linuxSigset(lp.sigmask, new Int32Array(2));
  if (a[1] !== 0) {
    const set = getSigset(lp, a[1]!);
    // Linux counts from 0: BLOCK 0, UNBLOCK 1, SETMASK 2.
    if (a[0]! < 0 || a[0]! > 2) throw EINVAL;
    applyMask(lp, a[0]! + 1, set);
  }
  if (a[2] !== 0) copyoutWords(vm, old, a[2]!, 2);
  return 0;
}

function sysSigprocmask(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const old = linuxSigset(lp.sigmask, new Int32Array(2));
  if (a[1] !== 0) {
    const w = new Int32Array(1);
    copyinWords(vm, a[1]!, w, 1);
    if (a[0]! < 0 || a[0]! > 2) throw EINVAL;
    // SETMASK of the old call replaces the first 32 signals only.
    const set = nativeSigset(w[0]!, a[0] === 2 ? old[1]! : 0, sigset());
    sigcantmask(set);
    applyMask(lp, a[0]! + 1, set);
  }
  if (a[2] !== 0) copyoutWords(vm, old, a[2]!, 1);
  return 0;
}

function sysSgetmask(lp: Lwp): number {
  return linuxSigset(lp.sigmask, new Int32Array(2))[0]!;
}
function sysSsetmask(lp: Lwp, a: Int32Array): number {
  const old = linuxSigset(lp.sigmask, new Int32Array(2));
  const set = nativeSigset(a[0]!, old[1]!, sigset());
  sigcantmask(set);
  applyMask(lp, SIG_SETMASK, set);
  return old[0]!;
}

function pending(lp: Lwp): Int32Array {
  const set = sigset();
  for (let i = 0; i < 4; i++) set[i] = (lp.siglist[i]! | lp.proc.siglist[i]!) & lp.sigmask[i]!;
  return linuxSigset(set, new Int32Array(2));
}
function sysRtSigpending(lp: Lwp, a: Int32Array): number {
  const bytes = a[1]! >>> 0;
  if (bytes > SIGSET_BYTES) throw EINVAL;
  copyout(lp.proc.vmspace!, new Uint8Array(pending(lp).buffer), 0, a[0]!, bytes);
  return 0;
}
function sysSigpending(lp: Lwp, a: Int32Array): number {
  copyoutWords(lp.proc.vmspace!, pending(lp), a[0]!, 1);
  return 0;
}

/** Installs `set` until a signal has been handled; the old mask comes back after its frame was built. */
export function suspendMask(lp: Lwp, set: Sigset): void {
  lp.oldmask.set(lp.sigmask);
  lp.sigmask.set(set);
  lp.ast |= AST_OLDMASK;
  sigmaskChanged(lp);
}

function* sysRtSigsuspend(lp: Lwp, a: Int32Array): KernelFrame {
  if (a[1] !== SIGSET_BYTES) throw EINVAL;
  suspendMask(lp, getSigset(lp, a[0]!));
  for (;;) yield* tsleep(lp, null, PCATCH | PNORESTART, FOREVER);
}
function* sysSigsuspend(lp: Lwp, a: Int32Array): KernelFrame {
  const set = nativeSigset(a[2]!, 0, sigset());
  sigcantmask(set);
  suspendMask(lp, set);
  for (;;) yield* tsleep(lp, null, PCATCH | PNORESTART, FOREVER);
}
function* sysPause(lp: Lwp): KernelFrame {
  for (;;) yield* tsleep(lp, null, PCATCH | PNORESTART, FOREVER);
}

// ---------------------------------------------------------------------------------------------------------
// Sending

function userInfo(lp: Lwp, s: number, code: number): Ksiginfo {
  const info = ksiginfo(s, code);
  info.pid = lp.proc.pid;
  info.uid = lp.proc.cred.ruid;
  return info;
}

/** A thread's number names its process, too. */
function processOf(lp: Lwp, id: number): number {
  return id > 0 && !lp.k.procs.has(id) ? (lp.k.lwps.get(id)?.proc.pid ?? id) : id;
}
function sysKill(lp: Lwp, a: Int32Array): number {
  const s = a[1] === 0 ? 0 : signalArg(a[1]!);
  kill(lp.proc, processOf(lp, a[0]!), s, userInfo(lp, s, SI_USER));
  return 0;
}

function threadKill(lp: Lwp, tgid: number, tid: number, n: number, info: (s: number) => Ksiginfo): number {
  if (tid <= 0) throw EINVAL;
  const s = n === 0 ? 0 : signalArg(n);
  const target = lp.k.lwps.get(tid);
  if (target === undefined || (tgid > 0 && target.proc.pid !== tgid)) throw ESRCH;
  if (!canSignal(lp.proc, target.proc, s)) throw EPERM;
  if (s !== 0) lwpsignal(target, s, info(s));
  return 0;
}
function sysTkill(lp: Lwp, a: Int32Array): number {
  return threadKill(lp, 0, a[0]!, a[1]!, (s) => userInfo(lp, s, SI_TKILL));
}
function sysTgkill(lp: Lwp, a: Int32Array): number {
  if (a[0]! <= 0) throw EINVAL;
  return threadKill(lp, a[0]!, a[1]!, a[2]!, (s) => userInfo(lp, s, SI_TKILL));
}

/**
 * siginfo of a caller, for signal `n` of Linux: its code must not pretend to come from the kernel. Throws EFAULT, then EINVAL
 * unless `named` tells that there are numbers to look for, EPERM, EINVAL.
 */
function callerInfo(lp: Lwp, uaddr: number, target: number, n: number, named = true): Ksiginfo {
  const bytes = new Uint8Array(128);
  copyin(lp.proc.vmspace!, uaddr, bytes, 0, 128);
  const dv = new DataView(bytes.buffer);
  const code = dv.getInt32(8, true);
  if (!named) throw EINVAL;
  if ((code >= 0 || code === SI_TKILL) && target !== lp.proc.pid) throw EPERM;
  const info = ksiginfo(n === 0 ? 0 : signalArg(n), code);
  info.errno = dv.getInt32(4, true);
  info.pid = dv.getInt32(12, true);
  info.uid = dv.getUint32(16, true);
  info.value = dv.getInt32(20, true);
  return info;
}
function sysRtSigqueueinfo(lp: Lwp, a: Int32Array): number {
  const info = callerInfo(lp, a[2]!, a[0]!, a[1]!);
  const s = info.signo;
  const p = lp.k.procs.get(processOf(lp, a[0]!));
  if (p === undefined) throw ESRCH;
  if (!canSignal(lp.proc, p, s)) throw EPERM;
  checkQueueRoom(p);
  if (s !== 0) psignal(p, s, info);
  return 0;
}
function sysRtTgsigqueueinfo(lp: Lwp, a: Int32Array): number {
  const info = callerInfo(lp, a[3]!, a[0]!, a[2]!, a[0]! > 0 && a[1]! > 0);
  return threadKill(lp, a[0]!, a[1]!, a[2]!, () => info);
}

// ---------------------------------------------------------------------------------------------------------
// Waiting for signals

/** Takes a pending signal of the set, blocked or not; 0 when there is none. Stores its siginfo. */
function takeWaited(lp: Lwp, set: Sigset, infoAddr: number): number {
  const not = Int32Array.from(set, (w) => ~w);
  const s = sigfirst(lp.siglist, lp.proc.siglist, not);
  if (s === 0) return 0;
  const info = takeSignal(lp, s);
  sigmaskChanged(lp);
  if (infoAddr !== 0) {
    const bytes = new Uint8Array(128);
    encodeSiginfo(new DataView(bytes.buffer), 0, info);
    copyout(lp.proc.vmspace!, bytes, 0, infoAddr, 128);
  }
  return linuxSigno(s);
}

function sigtimedwait(read: (lp: Lwp, uaddr: number) => number): (lp: Lwp, a: Int32Array) => KernelFrame {
  return function* (lp, a) {
    if (a[3] !== SIGSET_BYTES) throw EINVAL;
    const set = getSigset(lp, a[0]!);
    const timeout = a[2] === 0 ? FOREVER : read(lp, a[2]!);
    const deadline = lp.k.nanouptime() + timeout;
    for (;;) {
      const n = takeWaited(lp, set, a[1]!);
      if (n !== 0) return n;
      const left = timeout === FOREVER ? FOREVER : deadline - lp.k.nanouptime();
      if (left <= 0) throw EAGAIN;
      lp.sigwait = set;
      try {
        if ((yield* tsleep(lp, null, PCATCH | PNORESTART, left)) === SLEEP_TIMEOUT && left !== FOREVER) continue;
      } catch (e) {
        // A signal that we wait for and do not block ends the sleep as well.
        const got = takeWaited(lp, set, a[1]!);
        if (e === EINTR && got !== 0) return got;
        throw e;
      } finally {
        lp.sigwait = null;
      }
    }
  };
}

// ---------------------------------------------------------------------------------------------------------
// Alternate stack

const SS_ONSTACK = 1;
const SS_DISABLE = 2;
const MINSIGSTKSZ = 2048;

function sysSigaltstack(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const on = onSigstack(lp, lp.tf[TF_ESP]! >>> 0);
  const old = Int32Array.of(lp.sigstkSp, lp.sigstkSize === 0 ? SS_DISABLE : on ? SS_ONSTACK : 0, lp.sigstkSize);
  if (a[0] !== 0) {
    const w = new Int32Array(3);
    copyinWords(vm, a[0]!, w, 3);
    if (on) throw EPERM;
    const flags = w[1]!;
    if (flags !== 0 && flags !== SS_ONSTACK && flags !== SS_DISABLE) throw EINVAL;
    if (flags === SS_DISABLE) {
      lp.sigstkSp = 0;
      lp.sigstkSize = 0;
    } else if (w[0]! >>> 0 !== lp.sigstkSp || w[2]! >>> 0 !== lp.sigstkSize) {
      if (w[2]! >>> 0 < MINSIGSTKSZ) throw ENOMEM;
      lp.sigstkSp = w[0]! >>> 0;
      lp.sigstkSize = w[2]! >>> 0;
    }
  }
  if (a[1] !== 0) copyoutWords(vm, old, a[1]!, 3);
  return 0;
}

export const SIGNAL_ROWS: readonly Sysent[] = [
  sleeps(29, "pause", [], mustSleep, sysPause),
  plain(37, "kill", [pid, sig], sysKill),
  plain(48, "signal", [sig, uptr], sysSignal),
  plain(67, "sigaction", [sig, uptr, uptr], sysSigaction),
  plain(68, "sgetmask", [], sysSgetmask),
  plain(69, "ssetmask", [hex], sysSsetmask),
  sleeps(72, "sigsuspend", [int, int, hex], mustSleep, sysSigsuspend),
  plain(73, "sigpending", [uptr], sysSigpending),
  plain(119, "sigreturn", [], linuxSigreturn),
  plain(126, "sigprocmask", [int, uptr, uptr], sysSigprocmask),
  plain(173, "rt_sigreturn", [], linuxRtSigreturn),
  plain(174, "rt_sigaction", [sig, uptr, uptr, size], sysRtSigaction),
  plain(175, "rt_sigprocmask", [int, uptr, uptr, size], sysRtSigprocmask),
  plain(176, "rt_sigpending", [uptr, size], sysRtSigpending),
  sleeps(177, "rt_sigtimedwait", [uptr, uptr, uptr, size], mustSleep, sigtimedwait(getTimespec)),
  plain(178, "rt_sigqueueinfo", [pid, sig, uptr], sysRtSigqueueinfo),
  sleeps(179, "rt_sigsuspend", [uptr, size], mustSleep, sysRtSigsuspend),
  plain(186, "sigaltstack", [uptr, uptr], sysSigaltstack),
  plain(238, "tkill", [pid, sig], sysTkill),
  plain(270, "tgkill", [pid, pid, sig], sysTgkill),
  plain(335, "rt_tgsigqueueinfo", [pid, pid, sig, uptr], sysRtTgsigqueueinfo),
  sleeps(421, "rt_sigtimedwait_time64", [uptr, uptr, uptr, size], mustSleep, sigtimedwait(getTimespec64)),
];
