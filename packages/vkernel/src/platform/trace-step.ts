// SPDX-License-Identifier: BSD-3-Clause
/**
 * Single steps and debug registers of traced threads (SDM vol. 3B §17.2). The processor has no debug registers: while one is in
 * use the thread runs under TF, and what it watches is compared after each instruction. So a thread with watchpoints runs some
 * hundred times slower, and a store that does not change the value is not noticed.
 *
 * Invariants
 *   TS1  TF is set for user mode only; no register that a tracer or a signal frame shows has it from here.
 *   TS2  An execution breakpoint stops the thread before its instruction, once; going on from there executes it.
 * @module
 */
import { T_TRCTRAP } from "@vkernel/hostkernel";
import type { Lwp } from "../kern/proc.ts";
import { trapsignal } from "../kern/sig-deliver.ts";
import { GO_STEP, type Tracee } from "../kern/tracee.ts";
import { PSL_T, TF_EFLAGS, TF_EIP } from "../sys/frame.ts";
import { SIGTRAP, TRAP_HWBKPT, TRAP_TRACE } from "../sys/signal.ts";
import { Errno } from "../sys/errno.ts";
import { IoMiss } from "../sys/wait.ts";
import { copyin } from "../vm/copyio.ts";

const DR6 = 6;
const DR7 = 7;
/** DR6.BS: a single step. */
const DR6_BS = 0x4000;
const KIND_EXECUTE = 0;
/** Length of what is watched by DR7's LEN field, bytes. */
const LENGTHS = [1, 2, 8, 4];

/** What a watched place held last; undefined when it could not be read. */
const held = new WeakMap<Tracee, (string | undefined)[]>();

const enabled = (dr7: number, n: number): boolean => ((dr7 >>> (2 * n)) & 3) !== 0;
const kindOf = (dr7: number, n: number): number => (dr7 >>> (16 + 4 * n)) & 3;
const lengthOf = (dr7: number, n: number): number => LENGTHS[(dr7 >>> (18 + 4 * n)) & 3]!;

function watches(t: Tracee): boolean {
  return t.debug !== null && (t.debug[DR7]! & 0xff) !== 0;
}

/** The bytes at a watched place as text; undefined where the thread could not read them now. */
function look(lp: Lwp, va: number, length: number): string | undefined {
  const bytes = new Uint8Array(length);
  try {
    copyin(lp.proc.vmspace!, va, bytes, 0, length);
  } catch (e) {
    if (e instanceof Errno || e instanceof IoMiss) return undefined;
    throw e;
  }
  return bytes.join(" ");
}

function trap(lp: Lwp, code: number): void {
  trapsignal(lp, SIGTRAP, code, lp.tf[TF_EIP]!, T_TRCTRAP, 0);
}

/** Before user mode. Returns false when the thread stops instead. */
export function stepEnter(lp: Lwp, t: Tracee): boolean {
  if (t.stepped) {
    t.stepped = false;
    trap(lp, TRAP_TRACE);
    return false;
  }
  if (watches(t)) {
    if (executesBreakpoint(lp, t)) return false;
    remember(lp, t);
  } else if (t.how !== GO_STEP) return true;
  lp.tf[TF_EFLAGS]! |= PSL_T;
  return true;
}

function executesBreakpoint(lp: Lwp, t: Tracee): boolean {
  const debug = t.debug!;
  const eip = lp.tf[TF_EIP]! >>> 0;
  if (t.stoppedAt === eip) return false;
  for (let n = 0; n < 4; n++) {
    if (!enabled(debug[DR7]!, n) || kindOf(debug[DR7]!, n) !== KIND_EXECUTE || debug[n] !== eip) continue;
    t.stoppedAt = eip;
    debug[DR6]! |= 1 << n;
    trap(lp, TRAP_HWBKPT);
    return true;
  }
  return false;
}

function remember(lp: Lwp, t: Tracee): void {
  const debug = t.debug!;
  const values = [0, 1, 2, 3].map((n) =>
    enabled(debug[DR7]!, n) && kindOf(debug[DR7]!, n) !== KIND_EXECUTE ? look(lp, debug[n]!, lengthOf(debug[DR7]!, n)) : undefined,
  );
  held.set(t, values);
}

/** After user mode. Returns whether `trapno` was a step made here, which is done with. */
export function stepLeft(lp: Lwp, t: Tracee, trapno: number): boolean {
  if (t.how !== GO_STEP && !watches(t)) return false;
  lp.tf[TF_EFLAGS]! &= ~PSL_T;
  const changed = watches(t) && changedWatch(lp, t);
  if (trapno !== T_TRCTRAP) return false;
  t.stoppedAt = -1;
  if (t.how === GO_STEP) {
    if (t.debug !== null) t.debug[DR6]! |= DR6_BS;
    trap(lp, changed ? TRAP_HWBKPT : TRAP_TRACE);
  } else if (changed) trap(lp, TRAP_HWBKPT);
  return true;
}

/** Whether a watched place holds something else now; DR6 tells which. */
function changedWatch(lp: Lwp, t: Tracee): boolean {
  const debug = t.debug!;
  const before = held.get(t);
  let hit = false;
  for (let n = 0; n < 4; n++) {
    const was = before?.[n];
    if (was === undefined || look(lp, debug[n]!, lengthOf(debug[DR7]!, n)) === was) continue;
    debug[DR6]! |= 1 << n;
    hit = true;
  }
  return hit;
}
