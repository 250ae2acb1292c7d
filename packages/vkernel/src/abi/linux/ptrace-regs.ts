// SPDX-License-Identifier: BSD-3-Clause
/**
 * Registers of a stopped thread as Linux's debuggers see them (Linux arch/x86/include/uapi/asm/ptrace-abi.h, user_32.h,
 * arch/x86/kernel/ptrace.c).
 *
 * Invariant
 *   PR1  Whatever a tracer stores, the thread keeps user selectors and the flags that it could not have changed itself; a bad
 *        address faults when the thread goes on.
 * @module
 */
import { EIO } from "../../sys/errno.ts";
import * as F from "../../sys/frame.ts";
import { PHASE_ENTRY, PHASE_USER, type Tracee } from "../../kern/tracee.ts";

/** Trapframe words in the order of struct user_regs_struct; ORIG_EAX has none. */
const ORDER = [
  F.TF_EBX, F.TF_ECX, F.TF_EDX, F.TF_ESI, F.TF_EDI, F.TF_EBP, F.TF_EAX, F.TF_DS, F.TF_ES, F.TF_FS, F.TF_GS, -1, F.TF_EIP, F.TF_CS,
  F.TF_EFLAGS, F.TF_ESP, F.TF_SS,
];
export const USER_REGS = ORDER.length;
const ENOSYS_RESULT = -38;

/** Register number `n` in that order. */
export function getRegister(t: Tracee, n: number): number {
  const at = ORDER[n]!;
  const { tf } = t.lp;
  if (at === -1) return t.phase === PHASE_USER ? -1 : t.phase === PHASE_ENTRY ? tf[F.TF_EAX]! : t.sysnr;
  // At a call's beginning eax holds what the call would return if it did not exist.
  if (at === F.TF_EAX && t.phase === PHASE_ENTRY) return ENOSYS_RESULT;
  return at <= F.TF_DS || at === F.TF_CS || at === F.TF_SS ? tf[at]! & 0xffff : tf[at]!;
}

/** Throws EIO for a selector that is not of user mode. */
export function setRegister(t: Tracee, n: number, value: number): void {
  const at = ORDER[n]!;
  const { tf } = t.lp;
  if (at === -1) {
    if (t.phase === PHASE_ENTRY) tf[F.TF_EAX] = value;
    else if (value === -1) t.restarting = false;
    return;
  }
  switch (at) {
    case F.TF_CS:
    case F.TF_SS:
      if ((value & 3) !== 3) throw EIO;
      return;
    case F.TF_DS:
    case F.TF_ES:
    case F.TF_FS:
    case F.TF_GS:
      if ((value & 0xffff) !== 0 && (value & 3) !== 3) throw EIO;
      tf[at] = value & 0xffff;
      return;
    case F.TF_EFLAGS:
      tf[at] = (value & (F.PSL_USERCHANGE | F.PSL_RF) & ~F.PSL_T) | F.PSL_USER;
      return;
    case F.TF_EAX:
      if (t.phase === PHASE_ENTRY) return;
      break;
    case F.TF_EIP:
      // Execution breakpoints count anew from another address.
      if (tf[at] !== value) t.stoppedAt = -1;
      break;
    default:
  }
  tf[at] = value;
}

/** struct user_regs_struct of a thread that is not traced; `call` is the number of the call that it is in, or −1. */
export function registersOf(tf: Int32Array, call: number): Int32Array {
  return Int32Array.from(ORDER, (at) => (at === -1 ? call : at <= F.TF_DS || at === F.TF_CS || at === F.TF_SS ? tf[at]! & 0xffff : tf[at]!));
}

export function getRegisters(t: Tracee): Int32Array {
  return Int32Array.from(ORDER, (_at, n) => getRegister(t, n));
}
export function setRegisters(t: Tracee, words: Int32Array): void {
  // Selectors first: a bad one leaves the others as they were.
  const order = ORDER.map((_at, n) => n).toSorted((a, b) => Number(isSelector(b)) - Number(isSelector(a)));
  for (const n of order) setRegister(t, n, words[n]!);
}
function isSelector(n: number): boolean {
  const at = ORDER[n]!;
  return at === F.TF_CS || at === F.TF_SS || (at >= 0 && at <= F.TF_DS);
}
