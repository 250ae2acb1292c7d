// SPDX-License-Identifier: BSD-3-Clause
/** Linux ptrace(2), process_vm_readv(2) and process_vm_writev(2) over kern/ptrace.ts (Linux include/uapi/linux/ptrace.h). */
import { EFAULT, EINVAL, EIO, EPERM, ESRCH } from "../../sys/errno.ts";
import { SIGKILL, SIGTRAP, sigcantmask, TRAP_BRKPT } from "../../sys/signal.ts";
import { copyin, copyinWords, copyout, copyoutForced, copyoutWords, fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import * as pt from "../../kern/ptrace.ts";
import { type Ksiginfo, ksiginfo, psignal, sigmaskChanged } from "../../kern/sig.ts";
import { hex, int, partial, pid, plain, size, type Sysent, uptr } from "../../kern/sysent.ts";
import { setTls } from "../../kern/tls.ts";
import {
  EVENT_EXIT,
  EVENT_SYSCALL,
  GO_ON,
  GO_STEP,
  GO_SYSCALL,
  GO_SYSEMU,
  OPTION_EXITKILL,
  OPTION_SYSGOOD,
  PHASE_ENTRY,
  PHASE_EXIT,
  type Tracee,
} from "../../kern/tracee.ts";
import { FP_BYTES, FX_BYTES, getFp, getFx, setFp, setFx } from "../../kern/fp-image.ts";
import { getRegister, getRegisters, setRegister, setRegisters, USER_REGS } from "./ptrace-regs.ts";
import { encodeSiginfo } from "./sigframe.ts";
import { linuxSigset, linuxSigno, nativeSigno, nativeSigset } from "./signo.ts";
import { readUserDesc, slotOf, userDesc } from "./sys-thread.ts";

const PTRACE_TRACEME = 0;
const PTRACE_KILL = 8;
const PTRACE_ATTACH = 16;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;

/** Options that exist: SYSGOOD, the six events, EXITKILL. Seccomp's and the hiding of seccomp have nothing to act on. */
const OPTIONS = OPTION_SYSGOOD | 0x7e | OPTION_EXITKILL;
const SIGINFO_BYTES = 128;
/** struct user: general registers first, debug registers here; its length. */
const USER_DEBUGREG = 252;
const USER_BYTES = 284;
/** DR7: kinds of access of the four registers; I/O (2) is refused, and reads (3) cannot be watched. */
const DR_KIND_WRITE = 1;
const DR_VALID = 0xffff_03ff;
const NT_PRSTATUS = 1;
const NT_PRFPREG = 2;
const NT_386_TLS = 0x200;
const NT_PRXFPREG = 0x46e6_2b7f;
const AUDIT_ARCH_I386 = 0x4000_0003;
const SYSCALL_INFO_BYTES = 88;

type Request = (lp: Lwp, t: Tracee, addr: number, data: number) => number;

// ---------------------------------------------------------------------------------------------------------
// Memory and registers

const peek: Request = (lp, t, addr, data) => {
  const word = new Uint8Array(4);
  transferIn(t, addr, word);
  copyout(lp.proc.vmspace!, word, 0, data, 4);
  return 0;
};
const poke: Request = (_lp, t, addr, data) => {
  const { vmspace } = t.lp.proc;
  if (vmspace === null) throw EIO;
  const word = new Uint8Array(Int32Array.of(data).buffer);
  try {
    copyoutForced(vmspace, word, 0, addr, 4);
  } catch (e) {
    throw e === EFAULT ? EIO : e;
  }
  return 0;
};
function transferIn(t: Tracee, addr: number, to: Uint8Array): void {
  const { vmspace } = t.lp.proc;
  if (vmspace === null) throw EIO;
  try {
    copyin(vmspace, addr, to, 0, to.length);
  } catch (e) {
    throw e === EFAULT ? EIO : e;
  }
}

/** Throws EIO outside of struct user. */
function userOffset(addr: number): number {
  const at = addr >>> 0;
  if ((at & 3) !== 0 || at >= USER_BYTES) throw EIO;
  return at;
}
const peekUser: Request = (lp, t, addr, data) => {
  const at = userOffset(addr);
  let value = 0;
  if (at < USER_REGS * 4) value = getRegister(t, at >> 2);
  else if (at >= USER_DEBUGREG) value = (t.debug?.[(at - USER_DEBUGREG) >> 2] ?? 0) | 0;
  suword(lp.proc.vmspace!, data, value);
  return 0;
};
const pokeUser: Request = (_lp, t, addr, data) => {
  const at = userOffset(addr);
  if (at < USER_REGS * 4) setRegister(t, at >> 2, data);
  else if (at >= USER_DEBUGREG) setDebugRegister(t, (at - USER_DEBUGREG) >> 2, data >>> 0);
  return 0;
};

/** Throws EIO for registers 4 and 5, which do not exist, EINVAL for accesses that cannot be watched. */
function setDebugRegister(t: Tracee, n: number, value: number): void {
  if (n === 4 || n === 5) throw EIO;
  if (n === 7) {
    for (let i = 0; i < 4; i++) {
      const kind = (value >>> (16 + 4 * i)) & 3;
      if (((value >>> (2 * i)) & 3) !== 0 && kind > DR_KIND_WRITE) throw EINVAL;
    }
    value = (value & DR_VALID) >>> 0;
  }
  t.debug ??= new Uint32Array(8);
  t.debug[n] = value;
}

const getRegs: Request = (lp, t, _addr, data) => {
  copyoutWords(lp.proc.vmspace!, getRegisters(t), data, USER_REGS);
  return 0;
};
const setRegs: Request = (lp, t, _addr, data) => {
  const words = new Int32Array(USER_REGS);
  copyinWords(lp.proc.vmspace!, data, words, USER_REGS);
  setRegisters(t, words);
  return 0;
};
const getImage =
  (image: (lp: Lwp) => Uint8Array): Request =>
  (lp, t, _addr, data) => {
    const bytes = image(t.lp);
    copyout(lp.proc.vmspace!, bytes, 0, data, bytes.length);
    return 0;
  };
const setImage =
  (length: number, set: (lp: Lwp, image: Uint8Array) => void): Request =>
  (lp, t, _addr, data) => {
    const bytes = new Uint8Array(length);
    copyin(lp.proc.vmspace!, data, bytes, 0, length);
    set(t.lp, bytes);
    return 0;
  };

const getThreadArea: Request = (lp, t, addr, data) => {
  copyoutWords(lp.proc.vmspace!, userDesc(t.lp, addr), data, 4);
  return 0;
};
const setThreadArea: Request = (lp, t, addr, data) => {
  const d = readUserDesc(lp, data);
  setTls(t.lp, slotOf(addr), d.empty ? null : d);
  return 0;
};

/** A register set by its note type. */
function regset(t: Tracee, type: number): { bytes: Uint8Array; store(bytes: Uint8Array): void } {
  const { lp } = t;
  switch (type) {
    case NT_PRSTATUS:
      return {
        bytes: new Uint8Array(getRegisters(t).buffer),
        store: (bytes) => setRegisters(t, new Int32Array(bytes.buffer)),
      };
    case NT_PRFPREG:
      return { bytes: getFp(lp), store: (bytes) => setFp(lp, bytes) };
    case NT_PRXFPREG:
      return { bytes: getFx(lp), store: (bytes) => setFx(lp, bytes) };
    case NT_386_TLS: {
      const bytes = new Uint8Array(48);
      const words = new Int32Array(bytes.buffer);
      for (let i = 0; i < 3; i++) words.set(userDesc(lp, i + 6), 4 * i);
      return {
        bytes,
        store: () => {
          throw EIO;
        },
      };
    }
    default:
      throw EINVAL;
  }
}
const getRegset: Request = (lp, t, addr, data) => {
  const vm = lp.proc.vmspace!;
  const { bytes } = regset(t, addr);
  const n = Math.min(fuword(vm, data + 4) >>> 0, bytes.length);
  copyout(vm, bytes, 0, fuword(vm, data), n);
  suword(vm, data + 4, n);
  return 0;
};
const setRegset: Request = (lp, t, addr, data) => {
  const vm = lp.proc.vmspace!;
  const set = regset(t, addr);
  const n = Math.min(fuword(vm, data + 4) >>> 0, set.bytes.length);
  const bytes = set.bytes.slice();
  copyin(vm, fuword(vm, data), bytes, 0, n);
  set.store(bytes);
  suword(vm, data + 4, n);
  return 0;
};

// ---------------------------------------------------------------------------------------------------------
// Going on

/** A signal argument: native number, 0 for none. Throws EIO. */
function signalData(data: number): number {
  const sig = nativeSigno(data);
  if (data !== 0 && sig === 0) throw EIO;
  return sig;
}
const goOn =
  (how: number): Request =>
  (_lp, t, _addr, data) => {
    pt.resumeTracee(t, how, signalData(data));
    return 0;
  };
const detach: Request = (_lp, t, _addr, data) => {
  pt.traceDetach(t, signalData(data));
  return 0;
};
const listen: Request = (_lp, t) => {
  pt.listenTracee(t);
  return 0;
};

// ---------------------------------------------------------------------------------------------------------
// What a stop is about

const setOptions: Request = (_lp, t, _addr, data) => {
  t.options = checkOptions(data);
  return 0;
};
function checkOptions(bits: number): number {
  if ((bits & ~OPTIONS) !== 0) throw EINVAL;
  return bits;
}
const getEventMessage: Request = (lp, t, _addr, data) => {
  const { message } = t;
  // The wait status of an end carries the signal by its number here.
  const status = t.event === EVENT_EXIT ? (message & ~0x7f) | linuxSigno(message & 0x7f) : message;
  suword(lp.proc.vmspace!, data, status);
  return 0;
};

/** What siginfo says of the stop. Throws EINVAL for the stop of a whole process, about which there is nothing to say. */
function stopInfo(t: Tracee): Ksiginfo {
  if (t.info !== null) return t.info;
  if (t.event === 0) throw EINVAL;
  const code = t.event === EVENT_SYSCALL ? linuxSigno(SIGTRAP) | ((t.options & OPTION_SYSGOOD) !== 0 ? 0x80 : 0) : linuxSigno(t.sig) | (t.event << 8);
  const info = ksiginfo(t.sig, code);
  info.pid = t.lp.tid;
  info.uid = t.lp.proc.cred.ruid;
  return info;
}
const getSiginfo: Request = (lp, t, _addr, data) => {
  const bytes = new Uint8Array(SIGINFO_BYTES);
  encodeSiginfo(new DataView(bytes.buffer), 0, stopInfo(t));
  copyout(lp.proc.vmspace!, bytes, 0, data, SIGINFO_BYTES);
  return 0;
};
const setSiginfo: Request = (lp, t, _addr, data) => {
  const w = new Int32Array(6);
  copyinWords(lp.proc.vmspace!, data, w, 6);
  const was = stopInfo(t);
  const info = { ...was, signo: nativeSigno(w[0]!), errno: w[1]!, code: w[2]!, pid: w[3]!, uid: w[4]!, value: w[5]! };
  // A breakpoint's code reads as SI_KERNEL and carries nothing else.
  t.info = was.code === TRAP_BRKPT && was.signo === SIGTRAP ? was : { ...info, addr: w[3]! };
  return 0;
};
const getSigmask: Request = (lp, t, addr, data) => {
  if (addr !== 8) throw EINVAL;
  copyoutWords(lp.proc.vmspace!, linuxSigset(t.lp.sigmask, new Int32Array(2)), data, 2);
  return 0;
};
const setSigmask: Request = (lp, t, addr, data) => {
  if (addr !== 8) throw EINVAL;
  const w = new Int32Array(2);
  copyinWords(lp.proc.vmspace!, data, w, 2);
  nativeSigset(w[0]!, w[1]!, t.lp.sigmask);
  sigcantmask(t.lp.sigmask);
  sigmaskChanged(t.lp);
  return 0;
};

/** struct ptrace_syscall_info: op 0 none, 1 entry, 2 exit; arch, instruction and stack pointer; number and arguments, or result. */
const getSyscallInfo: Request = (lp, t, addr, data) => {
  const view = new DataView(new ArrayBuffer(SYSCALL_INFO_BYTES));
  const at = t.event === EVENT_SYSCALL ? t.phase : 0;
  const op = at === PHASE_ENTRY ? 1 : at === PHASE_EXIT ? 2 : 0;
  const reg = (n: number): bigint => BigInt(getRegister(t, n) >>> 0);
  view.setUint8(0, op);
  view.setUint32(4, AUDIT_ARCH_I386, true);
  view.setBigUint64(8, reg(12), true);
  view.setBigUint64(16, reg(15), true);
  let length = 24;
  if (op === 1) {
    view.setBigUint64(24, reg(11), true);
    for (let i = 0; i < 6; i++) view.setBigUint64(32 + 8 * i, reg(i), true);
    length = 80;
  } else if (op === 2) {
    const value = getRegister(t, 6);
    view.setBigInt64(24, BigInt(value), true);
    view.setUint8(32, value < 0 && value >= -4095 ? 1 : 0);
    length = 33;
  }
  copyout(lp.proc.vmspace!, new Uint8Array(view.buffer), 0, data, Math.min(length, addr >>> 0));
  return length;
};

/** Requests that need a stopped thread, by number. */
const REQUESTS: ReadonlyMap<number, Request> = new Map<number, Request>([
  [1, peek],
  [2, peek],
  [3, peekUser],
  [4, poke],
  [5, poke],
  [6, pokeUser],
  [7, goOn(GO_ON)],
  [9, goOn(GO_STEP)],
  [12, getRegs],
  [13, setRegs],
  [14, getImage(getFp)],
  [15, setImage(FP_BYTES, setFp)],
  [17, detach],
  [18, getImage(getFx)],
  [19, setImage(FX_BYTES, setFx)],
  [24, goOn(GO_SYSCALL)],
  [25, getThreadArea],
  [26, setThreadArea],
  [31, goOn(GO_SYSEMU)],
  [0x4200, setOptions],
  [0x4201, getEventMessage],
  [0x4202, getSiginfo],
  [0x4203, setSiginfo],
  [0x4204, getRegset],
  [0x4205, setRegset],
  [0x4208, listen],
  [0x420a, getSigmask],
  [0x420b, setSigmask],
  [0x420e, getSyscallInfo],
]);

function sysPtrace(lp: Lwp, a: Int32Array): number {
  const request = a[0]!;
  const p = lp.proc;
  if (request === PTRACE_TRACEME) {
    if (p.parent === null) throw EPERM;
    pt.traceBy(lp, p.parent, false, 0);
    return 0;
  }
  const target = lp.k.lwps.get(a[1]!);
  if (target === undefined) throw ESRCH;
  if (request === PTRACE_ATTACH) {
    pt.traceAttach(p, target);
    return 0;
  }
  if (request === PTRACE_SEIZE) {
    if (a[2] !== 0) throw EIO;
    pt.traceSeize(p, target, checkOptions(a[3]!));
    return 0;
  }
  const t = target.trace;
  if (t === null || t.tracer !== p) throw ESRCH;
  if (request === PTRACE_KILL) {
    psignal(target.proc, SIGKILL);
    return 0;
  }
  if (request === PTRACE_INTERRUPT) {
    if (!t.seized) throw EIO;
    pt.interruptTracee(t);
    return 0;
  }
  if (!t.isStopped) throw ESRCH;
  const handler = REQUESTS.get(request);
  if (handler === undefined) throw EIO;
  return handler(lp, t, a[2]!, a[3]!);
}

// ---------------------------------------------------------------------------------------------------------
// process_vm_readv, process_vm_writev

const PIECE = 4096;
const IOV_MAX = 1024;

/** struct iovec[count]. Throws EINVAL for too many, and for a length that is negative as a ssize_t. */
function iovecs(lp: Lwp, uaddr: number, count: number): { readonly base: number; readonly len: number }[] {
  if (count < 0 || count > IOV_MAX) throw EINVAL;
  const words = new Int32Array(count * 2);
  copyinWords(lp.proc.vmspace!, uaddr, words, words.length);
  for (let i = 0; i < count; i++) if (words[2 * i + 1]! < 0) throw EINVAL;
  return Array.from({ length: count }, (_v, i) => ({ base: words[2 * i]! >>> 0, len: words[2 * i + 1]! >>> 0 }));
}

/** Copies between the caller's pieces and those of another process; what comes before a hole counts. */
function processVm(lp: Lwp, a: Int32Array, write: boolean): number {
  if (a[5] !== 0) throw EINVAL;
  const local = iovecs(lp, a[1]!, a[2]!);
  if (local.every(({ len }) => len === 0)) return 0;
  const remote = iovecs(lp, a[3]!, a[4]!);
  const target = lp.k.lwps.get(a[0]!) ?? lp.k.procs.get(a[0]!)?.firstLwp;
  if (target === undefined || target === null || target.proc.vmspace === null) throw ESRCH;
  if (target.proc !== lp.proc && !pt.mayTrace(lp.proc, target.proc)) throw EPERM;
  const own = lp.proc.vmspace!;
  const other = target.proc.vmspace;
  const buf = new Uint8Array(PIECE);
  let done = 0;
  let [li, lo] = [0, 0];
  for (const { base, len } of remote) {
    for (let ro = 0; ro < len; ) {
      while (li < local.length && lo === local[li]!.len) [li, lo] = [li + 1, 0];
      if (li === local.length) return done;
      const va = base + ro;
      const n = Math.min(len - ro, local[li]!.len - lo, PIECE - (va % PIECE));
      const mine = local[li]!.base + lo;
      try {
        if (write) {
          copyin(own, mine, buf, 0, n);
          copyout(other, buf, 0, va, n);
        } else {
          copyin(other, va, buf, 0, n);
          copyout(own, buf, 0, mine, n);
        }
      } catch (e) {
        if (e !== EFAULT || done === 0) throw e;
        return done;
      }
      done += n;
      ro += n;
      lo += n;
    }
  }
  return done;
}

const NOTE = "no seccomp events, no PEEKSIGINFO, no SYSEMU_SINGLESTEP, no watching of reads, no extended states (XSAVE)";
export const PTRACE_ROWS: readonly Sysent[] = [
  partial(plain(26, "ptrace", [hex, pid, uptr, uptr], sysPtrace), NOTE),
  plain(347, "process_vm_readv", [pid, uptr, size, uptr, size, int], (lp, a) => processVm(lp, a, false)),
  plain(348, "process_vm_writev", [pid, uptr, size, uptr, size, int], (lp, a) => processVm(lp, a, true)),
];
