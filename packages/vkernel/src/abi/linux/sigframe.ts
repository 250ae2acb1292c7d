// SPDX-License-Identifier: BSD-3-Clause
/**
 * Linux signal frames on the user stack and the way back (Linux arch/x86/include/asm/sigframe.h,
 * include/uapi/asm/sigcontext.h, kernel/signal_32.c).
 *
 * Invariants
 *   F1  A frame is written to user memory only, with the rights of the process; if it cannot be written the
 *       registers are unchanged.
 *   F2  sigreturn takes registers from user memory, but flags only those that user code may change; selectors of
 *       code and stack are the host's business, which forces them.
 *   F3  At the handler's entry (esp + 4) is a multiple of 16.
 * @module
 */
import { EJUSTRETURN, Errno } from "../../sys/errno.ts";
import { POLLWRBAND } from "../../sys/poll.ts";
import {
  PSL_D,
  PSL_RF,
  PSL_T,
  PSL_USER,
  PSL_USERCHANGE,
  TF_CS,
  TF_DS,
  TF_EAX,
  TF_EBP,
  TF_EBX,
  TF_ECX,
  TF_EDI,
  TF_EDX,
  TF_EFLAGS,
  TF_EIP,
  TF_ES,
  TF_ESI,
  TF_ESP,
  TF_FS,
  TF_GS,
  TF_SS,
  UCODE_SEL,
  UDATA_SEL,
} from "../../sys/frame.ts";
import {
  CLD_EXITED,
  SA_ONSTACK,
  SA_SIGINFO,
  SI_KERNEL,
  SI_QUEUE,
  SI_TIMER,
  SIGBUS,
  SIGCHLD,
  SIGFPE,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  TRAP_BRKPT,
  sigcantmask,
  type Sigset,
} from "../../sys/signal.ts";
import { copyin, copyout } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import type { Ksiginfo, Sigaction } from "../../kern/sig.ts";
import { sigmaskChanged } from "../../kern/sig.ts";
import { trapsignal } from "../../kern/sig-deliver.ts";
import { FSAVE_BYTES, FX_BYTES, fsaveToFx, fxToFsave } from "../../kern/fp-image.ts";
import { INITIAL_FX } from "./fpu.ts";
import { linuxSigno, linuxSigset, nativeSigset } from "./signo.ts";

/* Byte offsets of the two frames. */
const SC_SIZE = 88;
const SIGFRAME = { sig: 4, sc: 8, extramask: 720, retcode: 724, size: 732 };
const RTFRAME = { sig: 4, pinfo: 8, puc: 12, info: 16, uc: 144, retcode: 260, size: 268 };
const UC = { stack: 8, sc: 20, sigmask: 108 };
/* Word indices of struct sigcontext_32. */
const SC_WORDS = SC_SIZE / 4;
const FPSTATE_BYTES = FSAVE_BYTES + FX_BYTES;
/** Room for the larger frame, the gaps that alignment makes, and the FP state. */
const FRAME_ROOM = 1536;
const SC = {
  gs: 0, fs: 1, es: 2, ds: 3, edi: 4, esi: 5, ebp: 6, esp: 7, ebx: 8, edx: 9, ecx: 10, eax: 11, trapno: 12, err: 13, eip: 14, cs: 15,
  eflags: 16, espAtSignal: 17, ss: 18, fpstate: 19, oldmask: 20, cr2: 21,
};
/** pop %eax; mov $119,%eax; int $0x80, and mov $173,%eax; int $0x80: what old programs return through. */
const TRAMPOLINE = Uint8Array.of(0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80);
const RT_TRAMPOLINE = Uint8Array.of(0xb8, 0xad, 0, 0, 0, 0xcd, 0x80, 0);

/** Vector numbers by BSD trap number, for sigcontext.trapno. */
const VECTORS: Readonly<Record<number, number>> = {
  1: 6, 3: 3, 6: 16, 9: 13, 10: 1, 12: 14, 14: 17, 18: 0, 19: 2, 20: 4, 21: 5, 22: 7, 23: 8, 24: 9, 25: 10, 26: 11, 27: 12, 28: 18, 29: 19,
};

/* Valid within one call of the functions below; nothing here lets go of the processor. */
const $scratchFrame = new Uint8Array(FRAME_ROOM);
const $scratchView = new DataView($scratchFrame.buffer);
const $scratchContext = new Int32Array(SC_WORDS);
const $scratchSet = new Int32Array(2);
const $scratchFp = new Uint32Array(FPSTATE_BYTES / 4);
const $scratchFpBytes = new Uint8Array($scratchFp.buffer);
const $scratchFpView = new DataView($scratchFp.buffer);
const $scratchFx = $scratchFpBytes.subarray(FSAVE_BYTES);

/** The FP part of a frame of a thread that has not used floating point. */
const FRESH_FP = new Uint32Array(FPSTATE_BYTES / 4);
const FRESH_FP_BYTES = new Uint8Array(FRESH_FP.buffer);
FRESH_FP_BYTES.set(INITIAL_FX, FSAVE_BYTES);
fxToFsave(INITIAL_FX, new DataView(FRESH_FP.buffer), 0);

/** Is the stack pointer inside the alternate stack? */
export function onSigstack(lp: Lwp, sp: number): boolean {
  const base = lp.sigstkSp >>> 0;
  return lp.sigstkSize !== 0 && sp > base && sp - base <= lp.sigstkSize;
}

/** Writes the frame and enters the handler; false when the stack cannot take it. */
export function linuxSendsig(lp: Lwp, act: Sigaction, sig: number, info: Ksiginfo, mask: Sigset): boolean {
  const tf = lp.tf;
  let sp = tf[TF_ESP]! >>> 0;
  if ((act.flags & SA_ONSTACK) !== 0 && lp.sigstkSize !== 0 && !onSigstack(lp, sp)) sp = (lp.sigstkSp >>> 0) + lp.sigstkSize;
  const rt = (act.flags & SA_SIGINFO) !== 0;
  const fx = Math.floor((sp - FX_BYTES) / 64) * 64;
  const fpstate = fx - FSAVE_BYTES;
  const frameSize = rt ? RTFRAME.size : SIGFRAME.size;
  const frame = Math.floor((fpstate - frameSize + 4) / 16) * 16 - 4;
  if (frame < 4096) return false;
  if (onSigstack(lp, tf[TF_ESP]! >>> 0) && !onSigstack(lp, frame + 1)) return false;

  // One buffer holds frame, gap and FP state, so that a single copy writes it or nothing (F1).
  const bytes = $scratchFrame;
  const dv = $scratchView;
  const length = fx + FX_BYTES - frame;
  bytes.fill(0, 0, fpstate - frame);
  const n = linuxSigno(sig);
  const sc = fillContext(lp, info, fpstate);
  const set = linuxSigset(mask, $scratchSet);
  sc[SC.oldmask] = set[0]!;
  dv.setInt32(4, n, true);
  if (rt) {
    dv.setUint32(RTFRAME.pinfo, frame + RTFRAME.info, true);
    dv.setUint32(RTFRAME.puc, frame + RTFRAME.uc, true);
    encodeSiginfo(dv, RTFRAME.info, info);
    const uc = RTFRAME.uc;
    dv.setUint32(uc + UC.stack, lp.sigstkSp, true);
    dv.setUint32(uc + UC.stack + 4, lp.sigstkSize === 0 ? 2 : onSigstack(lp, tf[TF_ESP]! >>> 0) ? 1 : 0, true);
    dv.setUint32(uc + UC.stack + 8, lp.sigstkSize, true);
    putWords(dv, uc + UC.sc, sc);
    dv.setInt32(uc + UC.sigmask, set[0]!, true);
    dv.setInt32(uc + UC.sigmask + 4, set[1]!, true);
    bytes.set(RT_TRAMPOLINE, RTFRAME.retcode);
    dv.setUint32(0, act.restorer !== 0 ? act.restorer : frame + RTFRAME.retcode, true);
  } else {
    putWords(dv, SIGFRAME.sc, sc);
    dv.setInt32(SIGFRAME.extramask, set[1]!, true);
    bytes.set(TRAMPOLINE, SIGFRAME.retcode);
    dv.setUint32(0, act.restorer !== 0 ? act.restorer : frame + SIGFRAME.retcode, true);
  }
  if (lp.k.machine.fpUsed(lp)) {
    lp.k.machine.fpSave(lp);
    bytes.set(lp.fp, fx - frame);
    fxToFsave(lp.fp, dv, fpstate - frame);
  } else {
    bytes.set(FRESH_FP_BYTES, fpstate - frame);
  }
  try {
    copyout(lp.proc.vmspace!, bytes, 0, frame, length);
  } catch (e) {
    if (e instanceof Errno) return false;
    throw e;
  }

  linuxFpInit(lp);
  tf[TF_ESP] = frame;
  tf[TF_EIP] = act.handler;
  tf[TF_EAX] = n;
  tf[TF_EDX] = rt ? frame + RTFRAME.info : 0;
  tf[TF_ECX] = rt ? frame + RTFRAME.uc : 0;
  tf[TF_CS] = UCODE_SEL;
  tf[TF_DS] = UDATA_SEL;
  tf[TF_ES] = UDATA_SEL;
  tf[TF_SS] = UDATA_SEL;
  tf[TF_EFLAGS]! &= ~(PSL_T | PSL_D | PSL_RF);
  return true;
}

/** Gives the thread a fresh FPU with Linux's control words (extended precision), at its next FP instruction. */
export function linuxFpInit(lp: Lwp): void {
  lp.k.machine.fpReset(lp);
}

function fillContext(lp: Lwp, info: Ksiginfo, fpstate: number): Int32Array {
  const tf = lp.tf;
  const sc = $scratchContext;
  sc[SC.gs] = tf[TF_GS]! & 0xffff;
  sc[SC.fs] = tf[TF_FS]! & 0xffff;
  sc[SC.es] = tf[TF_ES]! & 0xffff;
  sc[SC.ds] = tf[TF_DS]! & 0xffff;
  sc[SC.edi] = tf[TF_EDI]!;
  sc[SC.esi] = tf[TF_ESI]!;
  sc[SC.ebp] = tf[TF_EBP]!;
  sc[SC.esp] = tf[TF_ESP]!;
  sc[SC.ebx] = tf[TF_EBX]!;
  sc[SC.edx] = tf[TF_EDX]!;
  sc[SC.ecx] = tf[TF_ECX]!;
  sc[SC.eax] = tf[TF_EAX]!;
  sc[SC.trapno] = VECTORS[info.trapno] ?? 0;
  sc[SC.err] = info.trapErr;
  sc[SC.eip] = tf[TF_EIP]!;
  sc[SC.cs] = tf[TF_CS]! & 0xffff;
  sc[SC.eflags] = tf[TF_EFLAGS]!;
  sc[SC.espAtSignal] = tf[TF_ESP]!;
  sc[SC.ss] = tf[TF_SS]! & 0xffff;
  sc[SC.fpstate] = fpstate;
  sc[SC.cr2] = info.addr;
  return sc;
}

function putWords(dv: DataView, at: number, words: Int32Array): void {
  for (let i = 0; i < words.length; i++) dv.setInt32(at + 4 * i, words[i]!, true);
}

/** struct siginfo of 128 bytes; `at` is its offset in `dv`, which is zero there. */
export function encodeSiginfo(dv: DataView, at: number, info: Ksiginfo): void {
  dv.setInt32(at, linuxSigno(info.signo), true);
  dv.setInt32(at + 4, info.errno, true);
  // A breakpoint instruction has no code of its own there (arch/x86/kernel/traps.c, do_int3): force_sig() says SI_KERNEL.
  const code = info.signo === SIGTRAP && info.code === TRAP_BRKPT ? SI_KERNEL : info.code;
  dv.setInt32(at + 8, code, true);
  if (code === SI_KERNEL) return;
  if (info.code === SI_TIMER) {
    dv.setInt32(at + 12, info.timerid, true);
    dv.setInt32(at + 16, info.overrun, true);
    dv.setInt32(at + 20, info.value, true);
    return;
  }
  if (isFault(info)) {
    dv.setUint32(at + 12, info.addr, true);
    return;
  }
  if (isPoll(info)) {
    dv.setInt32(at + 12, info.addr | ((info.addr & POLLWRBAND) === 0 ? 0 : LINUX_POLLWRBAND), true);
    dv.setInt32(at + 16, info.value, true);
    return;
  }
  dv.setInt32(at + 12, info.pid, true);
  dv.setInt32(at + 16, info.uid, true);
  if (info.signo === SIGCHLD && info.code >= CLD_EXITED) {
    // Killed, stopped and continued children carry a signal, which is numbered Linux's way.
    dv.setInt32(at + 20, info.code === CLD_EXITED ? info.status : linuxSigno(info.status), true);
    dv.setInt32(at + 24, Math.floor(info.utimeNs / 1e7), true);
    dv.setInt32(at + 28, Math.floor(info.stimeNs / 1e7), true);
  } else if (info.code === SI_QUEUE || info.code < 0) {
    dv.setInt32(at + 20, info.value, true);
  }
}

/** Linux's POLLWRBAND and POLLWRNORM, which always come together. */
const LINUX_POLLWRBAND = 0x300;

/** Codes POLL_IN to POLL_HUP, of any signal that has no meaning of its own for them (kernel/signal.c, siginfo_layout). */
function isPoll(info: Ksiginfo): boolean {
  return info.code >= 1 && info.code <= 6 && info.signo !== SIGCHLD;
}

function isFault(info: Ksiginfo): boolean {
  const s = info.signo;
  return info.code > 0 && info.code < 0x80 && (s === SIGSEGV || s === SIGBUS || s === SIGILL || s === SIGFPE || s === SIGTRAP);
}

/** sigreturn (119): the frame begins two words below esp. rt_sigreturn (173): one word. */
export function linuxSigreturn(lp: Lwp): number {
  const frame = (lp.tf[TF_ESP]! >>> 0) - 8;
  const bytes = $scratchFrame;
  const dv = $scratchView;
  return leaveHandler(lp, () => {
    copyin(lp.proc.vmspace!, frame, bytes, 0, SIGFRAME.size);
    restoreContext(lp, dv, SIGFRAME.sc);
    nativeSigset(dv.getInt32(SIGFRAME.sc + SC.oldmask * 4, true), dv.getInt32(SIGFRAME.extramask, true), lp.sigmask);
  });
}

export function linuxRtSigreturn(lp: Lwp): number {
  const frame = (lp.tf[TF_ESP]! >>> 0) - 4;
  const bytes = $scratchFrame;
  const dv = $scratchView;
  return leaveHandler(lp, () => {
    copyin(lp.proc.vmspace!, frame, bytes, 0, RTFRAME.size);
    const uc = RTFRAME.uc;
    restoreContext(lp, dv, uc + UC.sc);
    nativeSigset(dv.getInt32(uc + UC.sigmask, true), dv.getInt32(uc + UC.sigmask + 4, true), lp.sigmask);
    if (!onSigstack(lp, lp.tf[TF_ESP]! >>> 0)) {
      const flags = dv.getInt32(uc + UC.stack + 4, true);
      lp.sigstkSp = (flags & 2) !== 0 ? 0 : dv.getUint32(uc + UC.stack, true);
      lp.sigstkSize = (flags & 2) !== 0 ? 0 : dv.getUint32(uc + UC.stack + 8, true);
    }
  });
}

/** A frame that cannot be read, or whose FP image is wild, ends in SIGSEGV, as it would on return. */
function leaveHandler(lp: Lwp, restore: () => void): number {
  try {
    restore();
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
    trapsignal(lp, SIGSEGV, 0x80, 0, 0, 0);
    throw EJUSTRETURN;
  }
  sigcantmask(lp.sigmask);
  sigmaskChanged(lp);
  throw EJUSTRETURN;
}

function restoreContext(lp: Lwp, dv: DataView, at: number): void {
  const word = (i: number): number => dv.getInt32(at + 4 * i, true);
  const fpstate = word(SC.fpstate) >>> 0;
  const fp = fpstate === 0 ? null : readFpState(lp, fpstate);
  const tf = lp.tf;
  tf[TF_GS] = word(SC.gs) & 0xffff;
  tf[TF_FS] = word(SC.fs) & 0xffff;
  tf[TF_ES] = word(SC.es) & 0xffff;
  tf[TF_DS] = word(SC.ds) & 0xffff;
  tf[TF_EDI] = word(SC.edi);
  tf[TF_ESI] = word(SC.esi);
  tf[TF_EBP] = word(SC.ebp);
  tf[TF_ESP] = word(SC.esp);
  tf[TF_EBX] = word(SC.ebx);
  tf[TF_EDX] = word(SC.edx);
  tf[TF_ECX] = word(SC.ecx);
  tf[TF_EAX] = word(SC.eax);
  tf[TF_EIP] = word(SC.eip);
  tf[TF_EFLAGS] = (word(SC.eflags) & (PSL_USERCHANGE | PSL_RF)) | PSL_USER;
  if (fp === null) {
    linuxFpInit(lp);
    return;
  }
  lp.fp.set(fp);
  lp.fpValid = true;
  lp.k.machine.fpRestore(lp);
}

/**
 * The FP state of a frame: the FXSAVE image, with the old FSAVE part's x87 registers laid over it; null for that of a thread
 * that has not used floating point.
 */
function readFpState(lp: Lwp, fpstate: number): Uint8Array | null {
  copyin(lp.proc.vmspace!, fpstate, $scratchFpBytes, 0, FPSTATE_BYTES);
  let same = 0;
  while (same < FRESH_FP.length && $scratchFp[same] === FRESH_FP[same]) same++;
  if (same === FRESH_FP.length) return null;
  fsaveToFx($scratchFpView);
  // Reserved bits in MXCSR would fault when the state is loaded.
  const mxcsr = FSAVE_BYTES + 24;
  $scratchFpView.setUint32(mxcsr, $scratchFpView.getUint32(mxcsr, true) & 0xffbf, true);
  return $scratchFx;
}
