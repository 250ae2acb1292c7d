// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly signal calls (DragonFly 2.0 sys/kern/kern_sig.c). Sets are 16 bytes, numbers native. */
import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ESRCH } from "../../sys/errno.ts";
import { TF_ESP } from "../../sys/frame.ts";
import {
  SI_USER,
  SIG_BLOCK,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGCKPTEXIT,
  SIGKILL,
  SIGSTOP,
  sigcantmask,
  sigfirst,
  sigset,
  type Sigset,
  SS_DISABLE,
  SS_ONSTACK,
} from "../../sys/signal.ts";
import { mustSleep } from "../../kern/fork.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { AST_OLDMASK } from "../../kern/proc.ts";
import { canSignal, kill } from "../../kern/kill.ts";
import { type Ksiginfo, ksiginfo, lwpsignal, sigactChanged, sigmaskChanged, takeSignal } from "../../kern/sig.ts";
import { FOREVER, PCATCH, PNORESTART, tsleep } from "../../kern/sleep.ts";
import { hex, int, pid, plain, sig, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { getSigset, getTimespec, getWords, NATIVE_HIGH, putBytes, putSigset, putWords } from "./guest-struct.ts";
import { dflySigreturn, encodeSiginfo, onSigstack } from "./sigframe.ts";

function signalArg(n: number): number {
  if (n < 1 || n > SIGCKPTEXIT) throw EINVAL;
  return n;
}

/** What sigaction may set and reports; SA_MAILBOX went with 3.0. */
const SA_ALL = 0x7f;

/** struct sigaction: handler, flags, 16-byte mask. */
function sysSigaction(lp: Lwp, a: Int32Array): number {
  const s = signalArg(a[0]!);
  const p = lp.proc;
  const old = p.sigacts.get(s);
  if (a[1] !== 0) {
    const w = getWords(lp, a[1]!, 6);
    if ((s === SIGKILL || s === SIGSTOP) && w[0] !== 0) throw EINVAL;
    const mask = Int32Array.of(w[2]!, w[3]! & NATIVE_HIGH, 0, 0);
    sigcantmask(mask);
    p.sigacts.set(s, { handler: w[0]! >>> 0, flags: w[1]! & SA_ALL, mask, restorer: 0 });
    sigactChanged(p, s);
  }
  if (a[2] !== 0) putWords(lp, a[2]!, old.handler, old.flags, old.mask[0]!, old.mask[1]!, 0, 0);
  return 0;
}

function setMask(lp: Lwp, how: number, set: Sigset): void {
  for (let i = 0; i < 4; i++) {
    if (how === SIG_BLOCK) lp.sigmask[i]! |= set[i]!;
    else if (how === SIG_UNBLOCK) lp.sigmask[i]! &= ~set[i]!;
    else lp.sigmask[i] = set[i]!;
  }
  sigmaskChanged(lp);
}
function sysSigprocmask(lp: Lwp, a: Int32Array): number {
  const old = lp.sigmask.slice();
  if (a[1] !== 0) {
    const set = getSigset(lp, a[1]!);
    if (a[0]! < SIG_BLOCK || a[0]! > SIG_SETMASK) throw EINVAL;
    setMask(lp, a[0]!, set);
  }
  if (a[2] !== 0) putSigset(lp, a[2]!, old);
  return 0;
}
function sysSigpending(lp: Lwp, a: Int32Array): number {
  const set = sigset();
  for (let i = 0; i < 4; i++) set[i] = lp.siglist[i]! | lp.proc.siglist[i]!;
  putSigset(lp, a[0]!, set);
  return 0;
}

/** Installs `set` until a signal has been handled. */
export function suspendMask(lp: Lwp, set: Sigset): void {
  lp.oldmask.set(lp.sigmask);
  lp.sigmask.set(set);
  lp.ast |= AST_OLDMASK;
  sigmaskChanged(lp);
}
function* sysSigsuspend(lp: Lwp, a: Int32Array): KernelFrame {
  suspendMask(lp, getSigset(lp, a[0]!));
  for (;;) yield* tsleep(lp, null, PCATCH | PNORESTART, FOREVER);
}

function userInfo(lp: Lwp, s: number): Ksiginfo {
  const info = ksiginfo(s, SI_USER);
  info.pid = lp.proc.pid;
  info.uid = lp.proc.cred.ruid;
  return info;
}
/** kill(2): signal 0 only looks whether it could be sent. */
export function killWith(lp: Lwp, pid: number, signal: number): number {
  const s = signal === 0 ? 0 : signalArg(signal);
  kill(lp.proc, pid, s, userInfo(lp, s));
  return 0;
}
/** lwp_kill(pid, tid, signal): pid -1 is the caller's process. */
function sysLwpKill(lp: Lwp, a: Int32Array): number {
  const s = a[2] === 0 ? 0 : signalArg(a[2]!);
  if (a[1] === -1) throw EINVAL;
  const p = a[0] === -1 ? lp.proc : lp.k.procs.get(a[0]!);
  if (p === undefined) throw ESRCH;
  if (!canSignal(lp.proc, p, s)) throw EPERM;
  for (const target of p.lwps.values()) {
    if (target.lwpid !== a[1]) continue;
    if (s !== 0) lwpsignal(target, s, userInfo(lp, s));
    return 0;
  }
  throw ESRCH;
}

/** Takes a pending signal of the set, blocked or not; 0 when there is none. */
function takeWaited(lp: Lwp, set: Sigset, infoAddr: number): number {
  const s = sigfirst(lp.siglist, lp.proc.siglist, Int32Array.from(set, (w) => ~w));
  if (s === 0) return 0;
  const info = takeSignal(lp, s);
  sigmaskChanged(lp);
  if (infoAddr !== 0) {
    const b = new Uint8Array(64);
    encodeSiginfo(new DataView(b.buffer), 0, info);
    putBytes(lp, infoAddr, b);
  }
  return s;
}
function* sigwait(lp: Lwp, setAddr: number, infoAddr: number, timeoutAddr: number): KernelFrame {
  const set = getSigset(lp, setAddr);
  const timeout = timeoutAddr === 0 ? FOREVER : getTimespec(lp, timeoutAddr);
  const deadline = lp.k.nanouptime() + timeout;
  for (;;) {
    const s = takeWaited(lp, set, infoAddr);
    if (s !== 0) return s;
    const left = timeout === FOREVER ? FOREVER : deadline - lp.k.nanouptime();
    if (left <= 0) throw EAGAIN;
    lp.sigwait = set;
    try {
      yield* tsleep(lp, null, PCATCH | PNORESTART, left);
    } catch (e) {
      // A signal that we wait for and do not block ends the sleep as well.
      const got = e === EINTR ? takeWaited(lp, set, infoAddr) : 0;
      if (got !== 0) return got;
      throw e;
    } finally {
      lp.sigwait = null;
    }
  }
}

const MINSIGSTKSZ = 8192;
/** stack_t: sp, size, flags. */
function sysSigaltstack(lp: Lwp, a: Int32Array): number {
  const on = onSigstack(lp, lp.tf[TF_ESP]! >>> 0);
  const old = [lp.sigstkSp, lp.sigstkSize, lp.sigstkSize === 0 ? SS_DISABLE : on ? SS_ONSTACK : 0];
  if (a[0] !== 0) {
    const w = getWords(lp, a[0]!, 3);
    if ((w[2]! & ~SS_DISABLE) !== 0) throw EINVAL;
    if ((w[2]! & SS_DISABLE) !== 0) {
      if (on) throw EINVAL;
      lp.sigstkSp = 0;
      lp.sigstkSize = 0;
    } else {
      if (w[1]! >>> 0 < MINSIGSTKSZ) throw ENOMEM;
      lp.sigstkSp = w[0]! >>> 0;
      lp.sigstkSize = w[1]! >>> 0;
    }
  }
  if (a[1] !== 0) putWords(lp, a[1]!, ...old);
  return 0;
}

export const SIGNAL_ROWS: readonly Sysent[] = [
  plain(37, "kill", [pid, sig], (lp, a) => killWith(lp, a[0]!, a[1]!)),
  plain(53, "sigaltstack", [uptr, uptr], sysSigaltstack),
  plain(340, "sigprocmask", [hex, uptr, uptr], sysSigprocmask),
  sleeps(341, "sigsuspend", [uptr], mustSleep, sysSigsuspend),
  plain(342, "sigaction", [sig, uptr, uptr], sysSigaction),
  plain(343, "sigpending", [uptr], sysSigpending),
  plain(344, "sigreturn", [uptr], (lp, a) => dflySigreturn(lp, a[0]!)),
  sleeps(345, "sigtimedwait", [uptr, uptr, uptr], mustSleep, (lp, a) => sigwait(lp, a[0]!, a[1]!, a[2]!)),
  sleeps(346, "sigwaitinfo", [uptr, uptr], mustSleep, (lp, a) => sigwait(lp, a[0]!, a[1]!, 0)),
  plain(497, "lwp_kill", [pid, int, sig], sysLwpKill),
];
