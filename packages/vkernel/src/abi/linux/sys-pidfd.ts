// SPDX-License-Identifier: BSD-3-Clause
/** Linux calls on descriptors of processes: pidfd_open, pidfd_send_signal, pidfd_getfd. */
import { EBADF, EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { copyinWords } from "../../vm/copyio.ts";
import { fdrop, fhold } from "../../kern/file.ts";
import { canSignal } from "../../kern/kill.ts";
import { PidFile } from "../../kern/pidfd.ts";
import { type Lwp, Proc, SZOMB } from "../../kern/proc.ts";
import { mayTrace } from "../../kern/ptrace.ts";
import { ksiginfo, psignal } from "../../kern/sig.ts";
import { fd, hex, pid, plain, sig, type Sysent, uptr } from "../../kern/sysent.ts";
import { SI_USER } from "../../sys/signal.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { procIdent } from "../../vfs/procfs/procfs.ts";
import { nativeSigno } from "./signo.ts";

const PIDFD_NONBLOCK = 0o4000;

/** The process of a descriptor. Throws EBADF for others. */
export function pidfdTarget(lp: Lwp, n: number): Proc {
  const fp = lp.proc.fd!.get(n);
  if (!(fp instanceof PidFile)) throw EBADF;
  return fp.target;
}

/** Who a signal goes to: a directory /proc/PID serves as well. Throws EBADF. */
function signalTarget(lp: Lwp, n: number): Proc {
  const fp = lp.proc.fd!.get(n);
  const p = fp instanceof VnodeFile ? procIdent(fp.vp) : null;
  return p instanceof Proc ? p : pidfdTarget(lp, n);
}

function sysPidfdOpen(lp: Lwp, a: Int32Array): number {
  if (a[0]! <= 0 || (a[1]! & ~PIDFD_NONBLOCK) !== 0) throw EINVAL;
  const p = lp.k.procs.get(a[0]!);
  // A thread that is not its process's first one has no descriptor.
  if (p === undefined) throw lp.k.lwps.has(a[0]!) ? EINVAL : ESRCH;
  const fp = new PidFile((a[1]! & PIDFD_NONBLOCK) !== 0 ? O_NONBLOCK : 0, p);
  try {
    return lp.proc.fd!.install(lp, fp, true);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

function sysPidfdSendSignal(lp: Lwp, a: Int32Array): number {
  if (a[3] !== 0) throw EINVAL;
  const p = signalTarget(lp, a[0]!);
  const s = nativeSigno(a[1]!);
  if (a[1] !== 0 && s === 0) throw EINVAL;
  const info = ksiginfo(s, SI_USER);
  info.pid = lp.proc.pid;
  info.uid = lp.proc.cred.ruid;
  if (a[2] !== 0) {
    // struct siginfo: signo, errno, code, pid, uid, value
    const w = new Int32Array(6);
    copyinWords(lp.proc.vmspace!, a[2]!, w, 6);
    if (w[0] !== a[1]) throw EINVAL;
    // Only a process itself may pretend that the kernel or kill(2) speaks.
    if ((w[2]! >= 0 || w[2] === -6) && p !== lp.proc) throw EPERM;
    Object.assign(info, { errno: w[1], code: w[2], pid: w[3], uid: w[4], value: w[5] });
  }
  if (lp.k.procs.get(p.pid) !== p) throw ESRCH;
  if (!canSignal(lp.proc, p, s)) throw EPERM;
  if (s !== 0) psignal(p, s, info);
  return 0;
}

function sysPidfdGetfd(lp: Lwp, a: Int32Array): number {
  if (a[2] !== 0) throw EINVAL;
  const p = pidfdTarget(lp, a[0]!);
  if (p.stat === SZOMB || p.fd === null) throw ESRCH;
  if (p !== lp.proc && !mayTrace(lp.proc, p)) throw EPERM;
  const fp = fhold(p.fd.getAny(a[1]!));
  try {
    return lp.proc.fd!.install(lp, fp, true);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

export const PIDFD_ROWS: readonly Sysent[] = [
  plain(424, "pidfd_send_signal", [fd, sig, uptr, hex], sysPidfdSendSignal),
  plain(434, "pidfd_open", [pid, hex], sysPidfdOpen),
  plain(438, "pidfd_getfd", [fd, fd, hex], sysPidfdGetfd),
];
