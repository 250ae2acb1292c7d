// SPDX-License-Identifier: BSD-3-Clause
/** Linux wait calls: wait4, waitpid, waitid. */
import { EAGAIN, EINVAL, Errno, ESRCH } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { CLD_CONTINUED, CLD_EXITED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD } from "../../sys/signal.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyout, suword } from "../../vm/copyio.ts";
import type { KernelFrame, Lwp, Proc } from "../../kern/proc.ts";
import { ruadd, Rusage } from "../../kern/resource.ts";
import { ksiginfo } from "../../kern/sig.ts";
import { EVENT_SYSCALL, OPTION_SYSGOOD, type Tracee } from "../../kern/tracee.ts";
import { hex, int, pid, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
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
import { linuxSigno } from "./signo.ts";
import { encodeSiginfo } from "./sigframe.ts";
import { pidfdTarget } from "./sys-pidfd.ts";
import { putRusage } from "./sys-resource.ts";

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
    const ru = new Rusage();
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
/** Whom waitid waits for, and how; `nonblock`: by a descriptor that does not wait. */
interface WaitidSelection {
  readonly kind: number;
  readonly id: number;
  readonly options: number;
  readonly nonblock?: boolean;
}
function waitidSelect(lp: Lwp, a: Int32Array): WaitidSelection {
  const known =
    LINUX_WNOHANG |
    LINUX_WUNTRACED |
    LINUX_WEXITED |
    LINUX_WCONTINUED |
    LINUX_WNOWAIT |
    LINUX_WNOTHREAD |
    LINUX_WALL |
    LINUX_WCLONE;
  if ((a[3]! & ~known) !== 0 || (a[3]! & (LINUX_WUNTRACED | LINUX_WEXITED | LINUX_WCONTINUED)) === 0)
    throw EINVAL;
  const options = waitOptions(a[3]!);
  switch (a[0]) {
    case 0:
      return { kind: WAIT_ALL, id: 0, options };
    case 1:
      if (a[1]! <= 0) throw EINVAL;
      return { kind: WAIT_PID, id: a[1]!, options };
    case P_PIDFD: {
      const { pid: id } = pidfdTarget(lp, a[1]!);
      const nonblock = (lp.proc.fd!.get(a[1]!).flags & O_NONBLOCK) !== 0;
      return { kind: WAIT_PID, id, options, nonblock };
    }
    case 2:
      if (a[1]! < 0) throw EINVAL;
      return { kind: WAIT_PGID, id: a[1] === 0 ? lp.proc.pgrp.id : a[1]!, options };
    default:
      throw EINVAL;
  }
}

/** What waitid leaves behind when it fails: nothing in siginfo, and EFAULT if there is no room for that. */
function failedWaitid(lp: Lwp, a: Int32Array, e: unknown): never {
  if (e instanceof Errno && a[2] !== 0) copyout(lp.proc.vmspace!, new Uint8Array(24), 0, a[2]!, 24);
  throw e;
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
  let s: WaitidSelection;
  let r: WaitResult | null;
  try {
    s = waitidSelect(lp, a);
    r = waitScan(lp, s.kind, s.id, s.options);
    if (r === null && s.nonblock === true && (s.options & W_NOHANG) === 0) throw EAGAIN;
  } catch (e) {
    failedWaitid(lp, a, e);
  }
  return r === null && (s.options & W_NOHANG) === 0 ? WOULDBLOCK : finishWaitid(lp, a, r);
}
function* sysWaitidSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const s = waitidSelect(lp, a);
  return finishWaitid(lp, a, yield* waitChild(lp, s.kind, s.id, s.options));
}

export const WAIT_ROWS: readonly Sysent[] = [
  sleeps(7, "waitpid", [pid, uptr, hex], sysWaitpid, sysWaitpidSlow),
  sleeps(114, "wait4", [pid, uptr, hex, uptr], sysWait4, sysWait4Slow),
  sleeps(284, "waitid", [int, pid, uptr, hex, uptr], sysWaitid, sysWaitidSlow),
];
