// SPDX-License-Identifier: BSD-3-Clause
/**
 * System V semaphores (DragonFly 2.0 sys/kern/sysv_sem.c; Linux ipc/sem.c).
 *
 * Invariants
 *   SE1  0 <= value <= SEMVMX; the operations of one call happen together or not at all.
 *   SE2  ncnt[i] and zcnt[i] count the threads that sleep because of semaphore i.
 *   SE3  `undoSems` is the number of semaphores in all arrays of adjustments, at most SEMMNU; an array is made by the first call
 *        with SEM_UNDO that succeeds.
 *   SE4  A process's adjustments name existing sets; they are applied once, when its last thread ends, and forgotten for
 *        a semaphore that is set by SETVAL or SETALL.
 * @module
 */
import { E2BIG, EAGAIN, EFBIG, EIDRM, EINVAL, ENOMEM, ENOSPC, type Errno, ERANGE } from "../sys/errno.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import type { Lwp, Proc } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleep } from "./sleep.ts";
import { IPC_NOWAIT, IPC_R, IPC_W, type IpcInit, IpcObject, IpcTable } from "./sysv-ipc.ts";

export const SEM_UNDO = 0x1000;
/** Limits: sets, semaphores of a set and of all sets, operations of a call, largest value. */
export const SEMMNI = 4096;
export const SEMMSL = 32_000;
export const SEMMNS = 1_024_000;
export const SEMOPM = 500;
export const SEMVMX = 32_767;
/** Semaphores in the adjustments of all processes together, which lie outside the machine's memory. */
export const SEMMNU = 1_024_000;

/** struct sembuf. */
export interface SemOp {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}

export class SemSet extends IpcObject {
  readonly values: Int32Array;
  readonly pids: Int32Array;
  readonly ncnt: Int32Array;
  readonly zcnt: Int32Array;
  otime = 0;
  readonly chan = new WaitChannel("semop");
  /** The semaphore that kept the last call that could not go on waiting, and whether it waited for zero. */
  blockedOn = 0;
  blockedForZero = false;

  constructor(init: IpcInit, nsems: number) {
    super(init);
    this.values = new Int32Array(nsems);
    this.pids = new Int32Array(nsems);
    this.ncnt = new Int32Array(nsems);
    this.zcnt = new Int32Array(nsems);
  }

  get nsems(): number {
    return this.values.length;
  }
}

/** What one process owes the semaphores of each set: added to their values at its end. */
export type SemUndo = Map<SemSet, Int32Array>;

export class SemTable extends IpcTable<SemSet> {
  totalSems = 0;
  undoSems = 0;
  /** Processes with adjustments. */
  readonly undo = new Map<Proc, SemUndo>();
  constructor() {
    super(SEMMNI);
  }
}

const now = (lp: Lwp): number => Math.floor(lp.k.microtime() / 1e6);

/** semget: the set of a key, or a new one of `nsems` zeros. Throws EINVAL, ENOSPC and what IpcTable.get throws. */
export function semget(lp: Lwp, key: number, nsems: number, flags: number): SemSet {
  const table = lp.k.ipc.sem;
  if (nsems < 0 || nsems > SEMMSL) throw EINVAL;
  const set = table.get(key, flags, lp.proc.cred, now(lp), (init) => {
    if (nsems === 0) throw EINVAL;
    if (table.totalSems + nsems > SEMMNS) throw ENOSPC;
    table.totalSems += nsems;
    return new SemSet(init, nsems);
  });
  if (nsems > set.nsems) throw EINVAL;
  return set;
}

/** IPC_RMID: whoever sleeps on the set gets EIDRM. Throws EPERM. */
export function semRemove(lp: Lwp, set: SemSet): void {
  const table = lp.k.ipc.sem;
  set.control(lp.proc.cred);
  table.remove(set);
  table.totalSems -= set.nsems;
  for (const [p, undo] of table.undo) {
    if (undo.delete(set)) table.undoSems -= set.nsems;
    if (undo.size === 0) table.undo.delete(p);
  }
  set.chan.wakeup();
}

/** The set of a semop call, checked against its operations. Throws EINVAL, E2BIG, EFBIG, EACCES. */
function semopSet(lp: Lwp, id: number, ops: readonly SemOp[]): SemSet {
  if (ops.length === 0) throw EINVAL;
  if (ops.length > SEMOPM) throw E2BIG;
  const set = lp.k.ipc.sem.find(id);
  let want = 0;
  for (const op of ops) {
    if (op.num >= set.nsems) throw EFBIG;
    want |= op.op === 0 ? IPC_R : IPC_W;
  }
  set.access(want, lp.proc.cred);
  return set;
}

/** The adjustments of the process for a set, made now if there are none. Throws ENOMEM. */
function undoOf(lp: Lwp, set: SemSet): Int32Array {
  const table = lp.k.ipc.sem;
  let mine = table.undo.get(lp.proc);
  let adjust = mine?.get(set);
  if (adjust !== undefined) return adjust;
  if (table.undoSems + set.nsems > SEMMNU) throw ENOMEM;
  table.undoSems += set.nsems;
  if (mine === undefined) table.undo.set(lp.proc, (mine = new Map()));
  mine.set(set, (adjust = new Int32Array(set.nsems)));
  return adjust;
}

/** Does all operations or none (SE1): 0, or WOULDBLOCK with `blockedOn` set. Throws ERANGE, EAGAIN (IPC_NOWAIT), ENOMEM. */
function perform(lp: Lwp, set: SemSet, ops: readonly SemOp[]): number {
  const { values } = set;
  const before = lp.k.ipc.sem.undo.get(lp.proc)?.get(set);
  /** Adjustments as they will be, by semaphore. */
  const owed = new Map<number, number>();
  let done = 0;
  let failure: Errno | null = null;
  for (; done < ops.length; done++) {
    const { num, op, flags } = ops[done]!;
    const value = values[num]! + op;
    if (op === 0 ? value !== 0 : value < 0) {
      if ((flags & IPC_NOWAIT) !== 0) failure = EAGAIN;
      set.blockedOn = num;
      set.blockedForZero = op === 0;
      break;
    }
    if (value > SEMVMX) failure = ERANGE;
    else if ((flags & SEM_UNDO) !== 0) {
      const next = (owed.get(num) ?? before?.[num] ?? 0) - op;
      if (next < -SEMVMX - 1 || next > SEMVMX) failure = ERANGE;
      else owed.set(num, next);
    }
    if (failure !== null) break;
    values[num] = value;
  }
  const all = done === ops.length;
  let adjust = before;
  try {
    if (all && owed.size > 0) adjust = undoOf(lp, set);
  } catch (e) {
    if (e !== ENOMEM) throw e;
    failure = ENOMEM;
  }
  if (!all || failure !== null) {
    while (--done >= 0) values[ops[done]!.num]! -= ops[done]!.op;
    if (failure !== null) throw failure;
    return WOULDBLOCK;
  }
  for (const [num, next] of owed) adjust![num] = next;
  let changed = false;
  for (const { num, op } of ops) {
    set.pids[num] = lp.proc.pid;
    changed ||= op !== 0;
  }
  set.otime = now(lp);
  if (changed) set.chan.wakeup();
  return 0;
}

/** Plain half of semop and semtimedop: 0 or WOULDBLOCK. Throws as semop(2). */
export function semopTry(lp: Lwp, id: number, ops: readonly SemOp[]): number {
  return perform(lp, semopSet(lp, id, ops), ops);
}

/** Waiting half: sleeps until all operations can be done. Throws EIDRM, EAGAIN (timeout), EINTR; never restarts. */
export function* semopSlow(
  lp: Lwp,
  id: number,
  ops: readonly SemOp[],
  timeoutNs: number,
): Generator<void, number, void> {
  const set = semopSet(lp, id, ops);
  const deadline = timeoutNs === FOREVER ? FOREVER : lp.k.nanouptime() + timeoutNs;
  for (;;) {
    if (perform(lp, set, ops) !== WOULDBLOCK) return 0;
    const count = set.blockedForZero ? set.zcnt : set.ncnt;
    const num = set.blockedOn;
    const left = deadline === FOREVER ? FOREVER : deadline - lp.k.nanouptime();
    count[num]!++;
    let result: number;
    try {
      result = yield* tsleep(lp, set.chan, PCATCH | PNORESTART, left);
    } finally {
      count[num]!--;
    }
    if (set.removed) throw EIDRM;
    if (result === SLEEP_TIMEOUT) throw EAGAIN;
  }
}

/** SETVAL and SETALL: new values from semaphore `first` on. Throws ERANGE. The caller has checked the rest. */
export function semSetValues(lp: Lwp, set: SemSet, first: number, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) if (values[i]! < 0 || values[i]! > SEMVMX) throw ERANGE;
  for (let i = 0; i < values.length; i++) {
    set.values[first + i] = values[i]!;
    set.pids[first + i] = lp.proc.pid;
  }
  for (const undo of lp.k.ipc.sem.undo.values()) undo.get(set)?.fill(0, first, first + values.length);
  set.ctime = now(lp);
  set.chan.wakeup();
}

/** A process ends: pays what it owes (SE4). */
export function semExit(lp: Lwp): void {
  const table = lp.k.ipc.sem;
  const mine = table.undo.get(lp.proc);
  if (mine === undefined) return;
  table.undo.delete(lp.proc);
  for (const [set, adjust] of mine) {
    table.undoSems -= set.nsems;
    for (let i = 0; i < adjust.length; i++) {
      if (adjust[i] === 0) continue;
      set.values[i] = Math.min(SEMVMX, Math.max(0, set.values[i]! + adjust[i]!));
      set.pids[i] = lp.proc.pid;
    }
    set.otime = now(lp);
    set.chan.wakeup();
  }
}
