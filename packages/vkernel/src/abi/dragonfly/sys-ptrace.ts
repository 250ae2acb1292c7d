// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly ptrace over kern/ptrace.ts (DragonFly 2.0 sys/kern/sys_process.c, sys/sys/ptrace.h, sys/cpu/i386/include/reg.h).
 * A process is traced as a whole by its first thread.
 */
import { EBUSY, EFAULT, EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import * as F from "../../sys/frame.ts";
import { SIGCKPTEXIT, SIGKILL } from "../../sys/signal.ts";
import { copyin, copyout, copyoutForced } from "../../vm/copyio.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { resumeTracee, traceAttach, traceBy, traceDetach } from "../../kern/ptrace.ts";
import { psignal } from "../../kern/sig.ts";
import { int, partial, pid, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { GO_ON, GO_STEP, type Tracee } from "../../kern/tracee.ts";
import { FP_BYTES, getFp, setFp } from "../../kern/fp-image.ts";
import { getBytes, getWords, putBytes, putWords } from "./guest-struct.ts";

const PT_TRACE_ME = 0;
const PT_READ_I = 1;
const PT_READ_D = 2;
const PT_WRITE_I = 4;
const PT_WRITE_D = 5;
const PT_CONTINUE = 7;
const PT_KILL = 8;
const PT_STEP = 9;
const PT_ATTACH = 10;
const PT_DETACH = 11;
const PT_IO = 12;
const PT_GETREGS = 33;
const PT_SETREGS = 34;
const PT_GETFPREGS = 35;
const PT_SETFPREGS = 36;
const PT_GETDBREGS = 37;
const PT_SETDBREGS = 38;

/** struct reg has the words of the trapframe; struct dbreg eight registers. */
const REG_WORDS = 20;
const DBREG_WORDS = 8;
/** struct fpreg: the FSAVE image, then padding. */
const FPREG_SIZE = 176;

/** The traced thread of a process that waits for the caller. Throws ESRCH, EPERM, EBUSY. */
function stopped(lp: Lwp, p: Proc): Tracee {
  const t = p.firstLwp?.trace ?? null;
  if (t === null) throw EPERM;
  if (t.tracer !== lp.proc || !t.isStopped) throw EBUSY;
  return t;
}

/** PIOD_*: moves bytes between the two processes; returns how many, EINVAL when the first is out of reach. */
const PIOD_READ_D = 1;
const PIOD_WRITE_I = 4;
const isWrite = (op: number): boolean => (op & 1) === 0;
function transfer(lp: Lwp, t: Tracee, write: boolean, theirs: number, mine: number, len: number): number {
  const other = t.lp.proc.vmspace;
  if (other === null) throw EINVAL;
  const own = lp.proc.vmspace!;
  const piece = new Uint8Array(4096);
  let done = 0;
  while (done < len) {
    const at = (theirs + done) >>> 0;
    const n = Math.min(len - done, piece.length - (at % piece.length));
    try {
      if (write) {
        copyin(own, mine + done, piece, 0, n);
        copyoutForced(other, piece, 0, at, n);
      } else {
        copyin(other, at, piece, 0, n);
        copyout(own, piece, 0, mine + done, n);
      }
    } catch (e) {
      if (e !== EFAULT || done === 0) throw e === EFAULT ? EINVAL : e;
      return done;
    }
    done += n;
  }
  return done;
}
/** struct ptrace_io_desc: operation, their address, ours, length; the length comes back as what was moved. */
function transferBlock(lp: Lwp, t: Tracee, uaddr: number): number {
  const [op, theirs, mine, len] = getWords(lp, uaddr, 4) as unknown as [number, number, number, number];
  if (op < PIOD_READ_D || op > PIOD_WRITE_I) throw EINVAL;
  const done = transfer(lp, t, isWrite(op), theirs >>> 0, mine >>> 0, len >>> 0);
  putWords(lp, uaddr + 12, done);
  return 0;
}
function readWord(t: Tracee, addr: number): number {
  const word = new Uint8Array(4);
  const { vmspace } = t.lp.proc;
  if (vmspace === null) throw EINVAL;
  try {
    copyin(vmspace, addr >>> 0, word, 0, 4);
  } catch (e) {
    throw e === EFAULT ? EINVAL : e;
  }
  return new DataView(word.buffer).getInt32(0, true);
}
function writeWord(t: Tracee, addr: number, value: number): number {
  const { vmspace } = t.lp.proc;
  if (vmspace === null) throw EINVAL;
  try {
    copyoutForced(vmspace, new Uint8Array(Int32Array.of(value).buffer), 0, addr >>> 0, 4);
  } catch (e) {
    throw e === EFAULT ? EINVAL : e;
  }
  return 0;
}

/** Whatever is stored, the thread keeps user selectors and the flags that it could not have changed itself. */
function setRegs(lp: Lwp, t: Tracee, uaddr: number): number {
  const w = getWords(lp, uaddr, REG_WORDS);
  const { tf } = t.lp;
  if ((w[F.TF_CS]! & 3) !== 3 || ((w[F.TF_EFLAGS]! ^ tf[F.TF_EFLAGS]!) & ~(F.PSL_USERCHANGE | F.PSL_RF)) !== 0) throw EINVAL;
  for (const at of [F.TF_EDI, F.TF_ESI, F.TF_EBP, F.TF_EBX, F.TF_EDX, F.TF_ECX, F.TF_EAX, F.TF_EIP, F.TF_EFLAGS, F.TF_ESP]) tf[at] = w[at]!;
  for (const at of [F.TF_GS, F.TF_FS, F.TF_ES, F.TF_DS]) if ((w[at]! & 0xffff) === 0 || (w[at]! & 3) === 3) tf[at] = w[at]! & 0xffff;
  t.stoppedAt = -1;
  return 0;
}

/** PT_CONTINUE, PT_STEP, PT_DETACH: address 1 is where it is; the signal is what it gets. */
function goOn(t: Tracee, request: number, addr: number, sig: number): number {
  if (sig < 0 || sig > SIGCKPTEXIT) throw EINVAL;
  if (addr !== 1) {
    t.lp.tf[F.TF_EIP] = addr;
    t.stoppedAt = -1;
  }
  if (request === PT_DETACH) traceDetach(t, sig);
  else resumeTracee(t, request === PT_STEP ? GO_STEP : GO_ON, sig);
  return 0;
}

function attach(lp: Lwp, p: Proc): number {
  const first = p.firstLwp;
  if (p === lp.proc) throw EINVAL;
  if (first === null) throw ESRCH;
  if (first.trace !== null) throw EBUSY;
  traceAttach(lp.proc, first);
  return 0;
}

/** ptrace(request, pid, addr, data) */
function sysPtrace(lp: Lwp, a: Int32Array): number {
  const [request, id, addr, data] = [a[0]!, a[1]!, a[2]!, a[3]!];
  if (request === PT_TRACE_ME) {
    if (lp.proc.parent === null) throw EPERM;
    traceBy(lp, lp.proc.parent, false, 0);
    return 0;
  }
  const p = lp.k.procs.get(id);
  if (p === undefined) throw ESRCH;
  switch (request) {
    case PT_ATTACH:
      return attach(lp, p);
    case PT_READ_I:
    case PT_READ_D:
      return readWord(stopped(lp, p), addr);
    case PT_WRITE_I:
    case PT_WRITE_D:
      return writeWord(stopped(lp, p), addr, data);
    case PT_IO:
      return transferBlock(lp, stopped(lp, p), addr);
    case PT_CONTINUE:
    case PT_STEP:
    case PT_DETACH:
      return goOn(stopped(lp, p), request, addr, data);
    case PT_KILL:
      stopped(lp, p);
      psignal(p, SIGKILL);
      return 0;
    case PT_GETREGS:
      putWords(lp, addr, ...stopped(lp, p).lp.tf);
      return 0;
    case PT_SETREGS:
      return setRegs(lp, stopped(lp, p), addr);
    case PT_GETFPREGS: {
      const b = new Uint8Array(FPREG_SIZE);
      b.set(getFp(stopped(lp, p).lp));
      putBytes(lp, addr, b);
      return 0;
    }
    case PT_SETFPREGS:
      setFp(stopped(lp, p).lp, getBytes(lp, addr, FPREG_SIZE).subarray(0, FP_BYTES));
      return 0;
    case PT_GETDBREGS:
      putWords(lp, addr, ...(stopped(lp, p).debug ?? new Uint32Array(DBREG_WORDS)));
      return 0;
    case PT_SETDBREGS: {
      const t = stopped(lp, p);
      (t.debug ??= new Uint32Array(DBREG_WORDS)).set(getWords(lp, addr, DBREG_WORDS));
      return 0;
    }
    default:
      throw EINVAL;
  }
}

export const PTRACE_ROWS: readonly Sysent[] = [
  partial(plain(26, "ptrace", [int, pid, uptr, int], sysPtrace), "the first thread of a process"),
];
