// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sleeping on a word of user memory: Linux futexes and DragonFly's umtx calls over one table.
 *
 * Invariants
 *   X1  A waiter is in the queue of its key exactly while it sleeps and has not been woken; keys name the word
 *       (vm's uwordKey), so that processes that share memory meet.
 *   X2  Queues are first come, first served; requeuing keeps that order.
 *   X3  The comparison with the expected value and the enqueuing happen without anything in between.
 * @module
 */
import { EAGAIN, EINVAL, Errno, ETIMEDOUT } from "../sys/errno.ts";
import { WaitChannel } from "../sys/wait.ts";
import { casuword, fuword, suword, uwordKey } from "../vm/copyio.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleep } from "./sleep.ts";

export const FUTEX_BITSET_ALL = -1;

class FutexWaiter {
  readonly chan = new WaitChannel("futex");
  key: number;
  readonly bitset: number;
  woken = false;
  constructor(key: number, bitset: number) {
    this.key = key;
    this.bitset = bitset;
  }
}

export class FutexTable {
  private readonly queues = new Map<number, FutexWaiter[]>();

  add(w: FutexWaiter): void {
    const q = this.queues.get(w.key);
    if (q === undefined) this.queues.set(w.key, [w]);
    else q.push(w);
  }

  remove(w: FutexWaiter): void {
    const q = this.queues.get(w.key);
    if (q === undefined) return;
    const i = q.indexOf(w);
    if (i >= 0) q.splice(i, 1);
    if (q.length === 0) this.queues.delete(w.key);
  }

  /** Wakes up to `count` waiters whose bitset meets `bitset`; returns how many. */
  wake(key: number, count: number, bitset: number): number {
    const q = this.queues.get(key);
    if (q === undefined) return 0;
    let n = 0;
    for (let i = 0; i < q.length && n < count; ) {
      const w = q[i]!;
      if ((w.bitset & bitset) === 0) {
        i++;
        continue;
      }
      q.splice(i, 1);
      w.woken = true;
      w.chan.wakeup();
      n++;
    }
    if (q.length === 0) this.queues.delete(key);
    return n;
  }

  /** Moves up to `count` waiters from one key to another; returns how many. */
  requeue(from: number, to: number, count: number): number {
    const q = this.queues.get(from);
    if (q === undefined || from === to) return 0;
    const moved = q.splice(0, count);
    if (q.length === 0) this.queues.delete(from);
    for (const w of moved) {
      w.key = to;
      this.add(w);
    }
    return moved.length;
  }

  /** Sleeping waiters, for tests and leak checks. */
  get size(): number {
    let n = 0;
    for (const q of this.queues.values()) n += q.length;
    return n;
  }
}

/**
 * FUTEX_WAIT: sleeps while the word is `expected`. Throws EAGAIN when it is not, ETIMEDOUT, EINTR or ERESTART
 * (only without a timeout, since a relative one would start anew).
 */
export function* futexWait(
  lp: Lwp,
  uaddr: number,
  expected: number,
  bitset: number,
  timeoutNs: number,
): Generator<void, number, void> {
  if (bitset === 0) throw EINVAL;
  const vm = lp.proc.vmspace!;
  const key = uwordKey(vm, uaddr);
  if (fuword(vm, uaddr) !== (expected | 0)) throw EAGAIN;
  const table = lp.k.futexes;
  const w = new FutexWaiter(key, bitset);
  table.add(w);
  try {
    const flags = timeoutNs === FOREVER ? PCATCH : PCATCH | PNORESTART;
    const r = yield* tsleep(lp, w.chan, flags, timeoutNs);
    if (!w.woken && r === SLEEP_TIMEOUT) throw ETIMEDOUT;
    return 0;
  } finally {
    if (!w.woken) table.remove(w);
  }
}

export function futexWake(lp: Lwp, uaddr: number, count: number, bitset: number): number {
  if (bitset === 0) throw EINVAL;
  return lp.k.futexes.wake(uwordKey(lp.proc.vmspace!, uaddr), count, bitset);
}

/** FUTEX_REQUEUE and, with `cmp` not null, FUTEX_CMP_REQUEUE. Returns the number woken plus moved. */
export function futexRequeue(
  lp: Lwp,
  from: number,
  to: number,
  wake: number,
  move: number,
  cmp: number | null,
): number {
  if (wake < 0 || move < 0) throw EINVAL;
  const vm = lp.proc.vmspace!;
  const fromKey = uwordKey(vm, from);
  const toKey = uwordKey(vm, to);
  if (cmp !== null && fuword(vm, from) !== (cmp | 0)) throw EAGAIN;
  const table = lp.k.futexes;
  const woken = table.wake(fromKey, wake, FUTEX_BITSET_ALL);
  return woken + table.requeue(fromKey, toKey, move);
}

/** FUTEX_WAKE_OP (Linux include/uapi/linux/futex.h, FUTEX_OP). */
export function futexWakeOp(lp: Lwp, uaddr: number, uaddr2: number, n1: number, n2: number, op: number): number {
  const vm = lp.proc.vmspace!;
  const key1 = uwordKey(vm, uaddr);
  const key2 = uwordKey(vm, uaddr2);
  let oparg = (op << 8) >> 20;
  const cmparg = (op << 20) >> 20;
  if (((op >>> 28) & 8) !== 0) oparg = 1 << (oparg & 31);
  let old = fuword(vm, uaddr2);
  for (;;) {
    const next = applyOp((op >>> 28) & 7, old, oparg);
    const seen = casuword(vm, uaddr2, old, next);
    if (seen === old) break;
    old = seen;
  }
  const table = lp.k.futexes;
  let n = table.wake(key1, n1, FUTEX_BITSET_ALL);
  if (compare((op >>> 24) & 15, old, cmparg)) n += table.wake(key2, n2, FUTEX_BITSET_ALL);
  return n;
}

function applyOp(op: number, old: number, arg: number): number {
  switch (op) {
    case 0:
      return arg;
    case 1:
      return (old + arg) | 0;
    case 2:
      return old | arg;
    case 3:
      return old & ~arg;
    case 4:
      return old ^ arg;
    default:
      throw EINVAL;
  }
}

function compare(cmp: number, old: number, arg: number): boolean {
  switch (cmp) {
    case 0:
      return old === arg;
    case 1:
      return old !== arg;
    case 2:
      return old < arg;
    case 3:
      return old <= arg;
    case 4:
      return old > arg;
    case 5:
      return old >= arg;
    default:
      throw EINVAL;
  }
}

/** Bits of a word that names its owner. */
export const FUTEX_WAITERS = 0x8000_0000;
export const FUTEX_OWNER_DIED = 0x4000_0000;
export const FUTEX_TID_MASK = 0x3fff_ffff;
/** Longest robust list that is walked. */
const ROBUST_LIMIT = 2048;

/**
 * A thread ends: its robust mutexes are handed on, then its tid word is cleared and woken (set_tid_address). Pointers of the
 * dying thread may be wild: EFAULT ends the one or the other. Where memory has to be waited for (IoMiss) it is called again: each half is
 * done with when its pointer is 0, and mutexes that have been handed on name the thread no more.
 */
export function futexThreadExit(lp: Lwp): void {
  if (lp.proc.vmspace === null) return;
  if (lp.robustList !== 0) {
    quietly(walkRobustList, lp, lp.robustList);
    lp.robustList = 0;
  }
  if (lp.clearChildTid !== 0) {
    quietly(clearTid, lp, lp.clearChildTid);
    lp.clearChildTid = 0;
  }
}

function quietly(what: (lp: Lwp, uaddr: number) => void, lp: Lwp, uaddr: number): void {
  try {
    what(lp, uaddr);
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
  }
}

function clearTid(lp: Lwp, uaddr: number): void {
  const vm = lp.proc.vmspace!;
  if (vm.refs + lp.proc.lwps.size <= 2) return;
  suword(vm, uaddr, 0);
  futexWake(lp, uaddr, 1, FUTEX_BITSET_ALL);
}

function walkRobustList(lp: Lwp, head: number): void {
  const vm = lp.proc.vmspace!;
  const offset = fuword(vm, head + 4);
  const pending = fuword(vm, head + 8) >>> 0;
  let entry = fuword(vm, head) >>> 0;
  for (let n = 0; n < ROBUST_LIMIT && (entry & ~1) !== (head | 0) && (entry & ~1) >>> 0 !== head >>> 0; n++) {
    const next = fuword(vm, entry & ~1) >>> 0;
    if (entry !== pending) ownerDied(lp, (entry & ~1) + offset, (entry & 1) !== 0);
    entry = next;
  }
  if (pending !== 0) ownerDied(lp, (pending & ~1) + offset, (pending & 1) !== 0);
}

/** `pi`: whoever waits is served by futexPiThreadExit(). */
function ownerDied(lp: Lwp, uaddr: number, pi: boolean): void {
  const vm = lp.proc.vmspace!;
  const word = fuword(vm, uaddr);
  if ((word & FUTEX_TID_MASK) !== lp.tid) return;
  suword(vm, uaddr, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
  if ((word & FUTEX_WAITERS) !== 0 && !pi) futexWake(lp, uaddr, 1, FUTEX_BITSET_ALL);
}
