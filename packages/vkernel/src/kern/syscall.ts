// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system call dispatcher (DragonFly 2.0 sys/platform/vkernel/i386/trap.c, syscall2). The one place on a
 * call's path that catches errors.
 *
 * Invariants
 *   D1  A call's arguments are fetched once; a call that is run again after an IoMiss sees the same words.
 *   D2  An exception that is neither an Errno nor an IoMiss is a bug of the kernel and passes through: panic.
 *   D3  While `kcont` is set the thread does not execute user code.
 *   D4  What a call has stored is in the memory of its process before the process goes on, and a store never makes a call begin
 *       anew: stores that have to wait for a disk are put off to its end (late.ts).
 * @module
 */
import { EJUSTRETURN, ERESTART, Errno } from "../sys/errno.ts";
import { IoMiss, WOULDBLOCK } from "../sys/wait.ts";
import { NO_STORES } from "../vm/late-stores.ts";
import { dropLate, keepLate, storeLate } from "./late.ts";
import type { KernelFrame, Lwp } from "./proc.ts";
import { tracedCall } from "./ptrace.ts";
import { waitForLoad } from "./sleep.ts";
import type { Sysent } from "./sysent.ts";

/** One call in this many is timed when calls of its kind are short; long ones are timed always. */
const SAMPLE = 64;
/** Calls that take longer than this on average, ns, are timed always. */
const SHORT_NS = 3000;
/** Numbers up to this have their own slots in the per-ABI tables. */
const NSYSCALL = 1024;

/** Per-ABI state of the dispatcher: counts, and the average duration by number for the sampled accounting. */
export class SyscallMeter {
  readonly counts = new Uint32Array(NSYSCALL);
  readonly avgNs = new Float64Array(NSYSCALL);
  readonly skip = new Uint8Array(NSYSCALL);
}

/**
 * Executes the system call of `lp.tf`. Returns true when the thread may go on towards user mode (after
 * userret() if lp.ast is not zero), false when it must leave the processor: it sleeps or has ended.
 */
export function syscall(lp: Lwp): boolean {
  if (lp.trace !== null) {
    lp.kcont = tracedCall(lp);
    return resumeKernel(lp);
  }
  const abi = lp.proc.abi;
  const meter = abi.meter;
  let row: Sysent;
  try {
    row = abi.fetch(lp);
  } catch (e) {
    if (e instanceof IoMiss) {
      lp.kcont = refetch(lp, e);
      return resumeKernel(lp);
    }
    if (!(e instanceof Errno)) throw e;
    abi.setError(lp, e);
    return true;
  }
  const nr = row.nr & (NSYSCALL - 1);
  lp.sysnr = row.nr;
  meter.counts[nr]!++;
  const k = lp.k;
  if (k.trace !== null) k.trace.enter(lp, row);
  if (meter.skip[nr]! !== 0) {
    meter.skip[nr]!--;
    return invoke(lp, row);
  }
  const start = k.nanouptime();
  const before = lp.sysNs;
  const more = invoke(lp, row);
  const end = k.nanouptime();
  const took = end - start - (lp.sysNs - before);
  const short = meter.avgNs[nr]! < SHORT_NS;
  // A short call that is sampled stands for the ones that were not; an outlier stands for itself alone.
  lp.sysNs += short && took < 4 * SHORT_NS ? took * SAMPLE : took;
  meter.avgNs[nr] = meter.avgNs[nr]! * 0.75 + took * 0.25;
  meter.skip[nr] = short ? SAMPLE - 1 : 0;
  if (more) k.sched.kernelTime(lp, end);
  return more;
}

function invoke(lp: Lwp, row: Sysent): boolean {
  const abi = lp.proc.abi;
  const { late } = lp.k.vm;
  lp.rv1 = 0;
  late.armed = true;
  try {
    const r = row.fn(lp, lp.args);
    if (r === WOULDBLOCK && row.slow !== null) lp.kcont = row.slow(lp, lp.args);
    else if (late.stores.length === 0) {
      late.armed = false;
      abi.setReturn(lp, r);
      if (lp.traced !== null) lp.k.trace!.leave(lp, r);
      return true;
    } else lp.kcont = finish(lp, r, null);
  } catch (e) {
    if (e instanceof Errno) {
      if (late.stores.length === 0) {
        late.armed = false;
        fail(lp, e);
        return true;
      }
      lp.kcont = finish(lp, 0, e);
    } else if (e instanceof IoMiss) {
      dropLate(lp);
      lp.kcont = retry(lp, row, e);
    } else throw e;
  }
  return resumeKernel(lp);
}

/** The end of a call with stores that were put off. */
function* finish(lp: Lwp, value: number, failure: Errno | null): KernelFrame {
  yield* storeLate(lp);
  if (failure !== null) throw failure;
  return value;
}

function fail(lp: Lwp, e: Errno): void {
  const abi = lp.proc.abi;
  if (lp.traced !== null) lp.k.trace!.fail(lp, e);
  if (e === ERESTART) abi.restart(lp);
  else if (e !== EJUSTRETURN) abi.setError(lp, e);
}

/**
 * Continues the thread's kernel frame. Returns true when it has finished and the thread may go on to user mode
 * (after userret()), false when it waits, or has ended.
 */
export function resumeKernel(lp: Lwp): boolean {
  const frame = lp.kcont!;
  const { late } = lp.k.vm;
  late.armed = true;
  try {
    const r = frame.next();
    late.armed = false;
    if (late.stores.length !== 0) keepLate(lp);
    if (r.done !== true) return false;
    if (lp.late !== NO_STORES) {
      lp.kcont = finish(lp, r.value, null);
      return resumeKernel(lp);
    }
    if (lp.kcont === frame) lp.kcont = null;
    lp.proc.abi.setReturn(lp, r.value);
    if (lp.traced !== null) lp.k.trace!.leave(lp, r.value);
  } catch (e) {
    late.armed = false;
    if (lp.kcont === frame) lp.kcont = null;
    if (e instanceof Errno) {
      if (late.stores.length !== 0) keepLate(lp);
      if (lp.late !== NO_STORES) {
        lp.kcont = finish(lp, 0, e);
        return resumeKernel(lp);
      }
      fail(lp, e);
    } else if (e instanceof IoMiss) {
      dropLate(lp);
      lp.kcont = retry(lp, lp.proc.abi.row(lp.sysnr), e);
      return resumeKernel(lp);
    } else throw e;
  }
  return true;
}

/** Waits for the data, then runs the whole call again (Y2, D1). */
function* retry(lp: Lwp, row: Sysent, miss: IoMiss): KernelFrame {
  for (;;) {
    yield* waitForLoad(lp, miss);
    lp.rv1 = 0;
    try {
      const r = row.fn(lp, lp.args);
      if (r !== WOULDBLOCK || row.slow === null) return r;
      return yield* row.slow(lp, lp.args);
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      dropLate(lp);
      miss = e;
    }
  }
}

/** The arguments themselves lie on a page that is not there yet: wait and start the call anew. */
function* refetch(lp: Lwp, miss: IoMiss): KernelFrame {
  yield* waitForLoad(lp, miss);
  throw ERESTART;
}

/**
 * For faults: makes the thread wait for `miss` and then return to user mode with its registers unchanged, so
 * that the instruction runs again. Returns what resumeKernel() returns.
 */
export function waitForFault(lp: Lwp, miss: IoMiss): boolean {
  lp.kcont = faultWait(lp, miss);
  return resumeKernel(lp);
}

function* faultWait(lp: Lwp, miss: IoMiss): KernelFrame {
  yield* waitForLoad(lp, miss);
  throw EJUSTRETURN;
}

