// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly's signal frames, the trampoline that returns from them, and sigreturn (DragonFly 2.0
 * sys/platform/vkernel/i386/cpu_regs.c, sys/cpu/i386/include/{sigframe,ucontext}.h).
 *
 * Invariants
 *   F1  The frame goes below esp without alignment, or to the top of the alternate stack; if it cannot be written the
 *       registers are unchanged.
 *   F2  sigreturn accepts only flags that user code may change and a code selector of ring 3.
 *   F3  The trampoline is a constant of the address space: it lies below ps_strings in every image.
 */
import { EINVAL, EJUSTRETURN, Errno } from "../../sys/errno.ts";
import {
  PSL_D,
  PSL_RF,
  PSL_T,
  PSL_USER,
  PSL_USERCHANGE,
  TF_CS,
  TF_DS,
  TF_EFLAGS,
  TF_EIP,
  TF_ERR,
  TF_ES,
  TF_ESP,
  TF_SS,
  TF_TRAPNO,
  UCODE_SEL,
  UDATA_SEL,
} from "../../sys/frame.ts";
import { VM_MAX_USER_ADDRESS } from "../../sys/mman.ts";
import {
  FPE_INTDIV,
  FPE_INTOVF,
  SA_ONSTACK,
  SA_SIGINFO,
  SIGBUS,
  SIGFPE,
  sigcantmask,
  type Sigset,
} from "../../sys/signal.ts";
import { copyin, copyout } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import { type Ksiginfo, lwpsignal, type Sigaction, sigmaskChanged } from "../../kern/sig.ts";
import { NATIVE_HIGH } from "./guest-struct.ts";

export const PS_STRINGS_SIZE = 16;
export const PS_STRINGS = VM_MAX_USER_ADDRESS - PS_STRINGS_SIZE;

/**
 * call *16(%esp); lea 20(%esp),%eax; push %eax; mov $344,%eax; push %eax; int $0x80; jmp .
 * Entered with esp at the frame: the handler finds its arguments where a C call puts them, and sigreturn its own.
 */
export const TRAMPOLINE = Uint8Array.of(
  0xff, 0x54, 0x24, 0x10, 0x8d, 0x44, 0x24, 0x14, 0x50, 0xb8, 0x58, 0x01, 0, 0, 0x50, 0xcd, 0x80, 0xeb, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0,
);
export const TRAMPOLINE_ADDRESS = PS_STRINGS - TRAMPOLINE.length;

const FRAME_SIZE = 820;
const SF = { signum: 0, siginfo: 4, ucontext: 8, addr: 12, handler: 16, uc: 20, si: 756 };
const UC_SIZE = 736;
const UC = { sigmask: 0, onstack: 16, regs: 20, len: 100, fpformat: 104, ownedfp: 108, fpregs: 112, stack: 692 };
const MCONTEXT_SIZE = 672;
const FPFMT_XMM = 0x10002;
const FPOWNED_NONE = 0x20000;
const FPOWNED_FPU = 0x20001;
const FX_BYTES = 512;

/** Control words of a fresh FPU: 53-bit precision, all exceptions masked; MXCSR at its reset value. */
const FPU_CW = 0x127f;
const MXCSR = 0x1f80;

/** Gives the thread the FPU state a new DragonFly image starts with. */
export function dflyFpInit(lp: Lwp): void {
  lp.fp.fill(0);
  const dv = new DataView(lp.fp.buffer, lp.fp.byteOffset);
  dv.setUint16(0, FPU_CW, true);
  dv.setUint32(24, MXCSR, true);
  dv.setUint32(28, 0xffff, true);
  lp.fpValid = true;
  lp.k.machine.fpRestore(lp);
}

/** si_code as DragonFly numbers it: the two integer FPE codes are the other way round than in the kernel. */
function codeOf(info: Ksiginfo): number {
  if (info.signo !== SIGFPE) return info.code;
  return info.code === FPE_INTDIV ? FPE_INTOVF : info.code === FPE_INTOVF ? FPE_INTDIV : info.code;
}

/** Is the stack pointer inside the alternate stack? */
export function onSigstack(lp: Lwp, sp: number): boolean {
  const base = lp.sigstkSp >>> 0;
  return lp.sigstkSize !== 0 && sp >= base && sp - base < lp.sigstkSize;
}

/** Writes the frame and enters the trampoline; false when the stack cannot take it. */
export function dflySendsig(lp: Lwp, act: Sigaction, sig: number, info: Ksiginfo, mask: Sigset): boolean {
  const tf = lp.tf;
  const esp = tf[TF_ESP]! >>> 0;
  const onstack = onSigstack(lp, esp);
  const top = (act.flags & SA_ONSTACK) !== 0 && lp.sigstkSize !== 0 && !onstack ? (lp.sigstkSp >>> 0) + lp.sigstkSize : esp;
  const frame = top - FRAME_SIZE;
  if (frame < 0) return false;

  const bytes = new Uint8Array(FRAME_SIZE);
  const dv = new DataView(bytes.buffer);
  const code = codeOf(info);
  dv.setInt32(SF.signum, sig, true);
  dv.setUint32(SF.ucontext, frame + SF.uc, true);
  dv.setUint32(SF.handler, act.handler, true);
  if ((act.flags & SA_SIGINFO) !== 0) {
    dv.setUint32(SF.siginfo, frame + SF.si, true);
    encodeSiginfo(dv, SF.si, info, code);
  } else {
    dv.setInt32(SF.siginfo, code, true);
    dv.setUint32(SF.addr, info.addr, true);
  }
  encodeContext(lp, dv, SF.uc, mask, onstack);
  if (info.trapno !== 0) {
    // The fault's own numbers; the frame's words may have been overwritten since.
    dv.setInt32(SF.uc + UC.regs + 4 * TF_TRAPNO, info.trapno, true);
    dv.setInt32(SF.uc + UC.regs + 4 * TF_ERR, info.addr !== 0 ? info.addr : info.trapErr, true);
  }
  lp.k.machine.fpSave(lp);
  dv.setInt32(SF.uc + UC.fpformat, FPFMT_XMM, true);
  dv.setInt32(SF.uc + UC.ownedfp, lp.fpValid ? FPOWNED_FPU : FPOWNED_NONE, true);
  if (lp.fpValid) bytes.set(lp.fp, SF.uc + UC.fpregs);
  try {
    copyout(lp.proc.vmspace!, bytes, 0, frame, FRAME_SIZE);
  } catch (e) {
    if (e instanceof Errno) return false;
    throw e;
  }

  dflyFpInit(lp);
  tf[TF_ESP] = frame;
  tf[TF_EIP] = TRAMPOLINE_ADDRESS;
  tf[TF_CS] = UCODE_SEL;
  tf[TF_DS] = UDATA_SEL;
  tf[TF_ES] = UDATA_SEL;
  tf[TF_SS] = UDATA_SEL;
  tf[TF_EFLAGS]! &= ~(PSL_T | PSL_D);
  return true;
}

function encodeContext(lp: Lwp, dv: DataView, at: number, mask: Sigset, onstack: boolean): void {
  dv.setInt32(at + UC.sigmask, mask[0]!, true);
  dv.setInt32(at + UC.sigmask + 4, mask[1]! & NATIVE_HIGH, true);
  dv.setInt32(at + UC.onstack, onstack ? 1 : 0, true);
  for (let i = 0; i < 20; i++) dv.setInt32(at + UC.regs + 4 * i, lp.tf[i]!, true);
  dv.setInt32(at + UC.len, MCONTEXT_SIZE, true);
  dv.setUint32(at + UC.stack, lp.sigstkSp, true);
  dv.setUint32(at + UC.stack + 4, lp.sigstkSize, true);
  dv.setInt32(at + UC.stack + 8, lp.sigstkSize === 0 ? 4 : onstack ? 1 : 0, true);
}

/** siginfo_t, 64 bytes. */
export function encodeSiginfo(dv: DataView, at: number, info: Ksiginfo, code = codeOf(info)): void {
  dv.setInt32(at, info.signo, true);
  dv.setInt32(at + 4, info.errno, true);
  dv.setInt32(at + 8, code, true);
  dv.setInt32(at + 12, info.pid, true);
  dv.setUint32(at + 16, info.uid, true);
  dv.setInt32(at + 20, info.status, true);
  dv.setUint32(at + 24, info.addr, true);
  dv.setInt32(at + 28, info.value, true);
}

/** sigreturn(2): loads registers, FPU and mask from the ucontext at `uaddr`. Throws EINVAL, EFAULT. */
export function dflySigreturn(lp: Lwp, uaddr: number): number {
  const bytes = new Uint8Array(UC_SIZE);
  copyin(lp.proc.vmspace!, uaddr, bytes, 0, UC_SIZE);
  const dv = new DataView(bytes.buffer);
  const word = (i: number): number => dv.getInt32(UC.regs + 4 * i, true);
  const tf = lp.tf;
  if (((word(TF_EFLAGS) ^ tf[TF_EFLAGS]!) & ~(PSL_USERCHANGE | PSL_RF)) !== 0) throw EINVAL;
  if ((word(TF_CS) & 3) !== 3) {
    lwpsignal(lp, SIGBUS);
    throw EINVAL;
  }
  for (let i = 0; i < 20; i++) tf[i] = word(i);
  tf[TF_EFLAGS]! |= PSL_USER;
  if (dv.getInt32(UC.ownedfp, true) === FPOWNED_NONE) dflyFpInit(lp);
  else {
    lp.fp.set(bytes.subarray(UC.fpregs, UC.fpregs + FX_BYTES));
    // Reserved bits of MXCSR would fault when the state is loaded.
    const fp = new DataView(lp.fp.buffer, lp.fp.byteOffset);
    fp.setUint32(24, fp.getUint32(24, true) & 0xffbf, true);
    lp.fpValid = true;
    lp.k.machine.fpRestore(lp);
  }
  lp.sigmask[0] = dv.getInt32(UC.sigmask, true);
  lp.sigmask[1] = dv.getInt32(UC.sigmask + 4, true) & NATIVE_HIGH;
  lp.sigmask[2] = 0;
  lp.sigmask[3] = 0;
  sigcantmask(lp.sigmask);
  sigmaskChanged(lp);
  throw EJUSTRETURN;
}
