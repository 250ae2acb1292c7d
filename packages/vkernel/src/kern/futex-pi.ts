// SPDX-License-Identifier: BSD-3-Clause
/**
 * Futexes that have an owner (Linux kernel/futex/pi.c; futex(2), FUTEX_LOCK_PI): the word is the owner's thread id, with bits for
 * waiters and for an owner that has died, and the kernel hands the lock on. Waiters are served in the order in which they came, whatever
 * their priorities, and the owner inherits none.
 *
 * Invariants
 *   PI1  A waiter is in the queue of its key exactly while it sleeps and does not own the lock.
 *   PI2  While there are waiters the word has FUTEX_WAITERS, so that the owner's unlocking comes here.
 *   PI3  When a waiter is woken it owns the lock: nobody can come between.
 *   PI4  A lock whose owner ends goes to the first waiter, with FUTEX_OWNER_DIED; a waiter whose word can no longer be written gets
 *        EFAULT instead.
 * @module
 */
import { EAGAIN, EDEADLK, EFAULT, EPERM, Errno, ESRCH, ETIMEDOUT } from "../sys/errno.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { casuword, fuword, suword, uwordKey } from "../vm/copyio.ts";
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from "./futex.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleep } from "./sleep.ts";

class PiWaiter {
  readonly chan = new WaitChannel("futexpi");
  readonly lp: Lwp;
  readonly uaddr: number;
  owns = false;
  constructor(lp: Lwp, uaddr: number) {
    this.lp = lp;
    this.uaddr = uaddr;
  }
}

/** Waiters by key, first come first. */
export class PiTable {
  readonly queues = new Map<number, PiWaiter[]>();

  add(key: number, w: PiWaiter): void {
    const q = this.queues.get(key);
    if (q === undefined) this.queues.set(key, [w]);
    else q.push(w);
  }
  remove(key: number, w: PiWaiter): void {
    const rest = (this.queues.get(key) ?? []).filter((other) => other !== w);
    if (rest.length === 0) this.queues.delete(key);
    else this.queues.set(key, rest);
  }
}

/**
 * Plain half of FUTEX_LOCK_PI, and FUTEX_TRYLOCK_PI: takes the lock if it is free. Returns 0, or WOULDBLOCK with FUTEX_WAITERS
 * set. Throws EDEADLK (the caller has it), ESRCH (its owner does not exist), EAGAIN (`wait` false), EFAULT.
 */
export function futexLockPiTry(lp: Lwp, uaddr: number, wait: boolean): number {
  const vm = lp.proc.vmspace!;
  const waiters = lp.k.piFutexes.queues.has(uwordKey(vm, uaddr)) ? FUTEX_WAITERS : 0;
  for (let word = fuword(vm, uaddr); ; ) {
    const owner = word & FUTEX_TID_MASK;
    let next: number;
    if (owner === 0) next = lp.tid | (word & FUTEX_OWNER_DIED) | waiters;
    else {
      if (owner === lp.tid) throw EDEADLK;
      if (!lp.k.lwps.has(owner)) throw ESRCH;
      if (!wait) throw EAGAIN;
      next = word | FUTEX_WAITERS;
    }
    const seen = casuword(vm, uaddr, word, next | 0);
    if (seen === word) return owner === 0 ? 0 : WOULDBLOCK;
    word = seen;
  }
}

/** Waiting half of FUTEX_LOCK_PI; `timeoutNs` from now. Throws ETIMEDOUT, EINTR and ERESTART besides; EFAULT also when the word went away (PI4). */
export function* futexLockPi(lp: Lwp, uaddr: number, timeoutNs: number): Generator<void, number, void> {
  if (futexLockPiTry(lp, uaddr, true) === 0) return 0;
  const table = lp.k.piFutexes;
  const key = uwordKey(lp.proc.vmspace!, uaddr);
  const w = new PiWaiter(lp, uaddr);
  table.add(key, w);
  try {
    // Absolute times: the call may be made again.
    const result = yield* tsleep(lp, w.chan, timeoutNs === FOREVER ? PCATCH : PCATCH | PNORESTART, timeoutNs);
    if (w.owns) return 0;
    throw result === SLEEP_TIMEOUT ? ETIMEDOUT : EFAULT;
  } catch (e) {
    // The lock came together with the signal: it must not get lost.
    if (w.owns) return 0;
    throw e;
  } finally {
    if (!w.owns) table.remove(key, w);
  }
}

/** FUTEX_UNLOCK_PI. Throws EPERM unless the caller has the lock, EFAULT. */
export function futexUnlockPi(lp: Lwp, uaddr: number): number {
  const vm = lp.proc.vmspace!;
  if ((fuword(vm, uaddr) & FUTEX_TID_MASK) !== lp.tid) throw EPERM;
  handOn(lp, uwordKey(vm, uaddr), uaddr, 0);
  return 0;
}

/** Gives the lock to the next waiter, or to nobody; `mark` is left in the word. */
function handOn(lp: Lwp, key: number, uaddr: number, mark: number): void {
  const table = lp.k.piFutexes;
  const waiters = table.queues.get(key);
  const next = waiters?.[0];
  const more = waiters !== undefined && waiters.length > 1 ? FUTEX_WAITERS : 0;
  // First of all, because it may fail.
  suword(lp.proc.vmspace!, uaddr, (next === undefined ? mark : next.lp.tid | more | mark) | 0);
  if (next === undefined) return;
  table.remove(key, next);
  next.owns = true;
  next.chan.wakeup();
}

/** A thread ends: what it has locked and others wait for goes to them (PI4). */
export function futexPiThreadExit(lp: Lwp): void {
  const table = lp.k.piFutexes;
  for (const [key, waiters] of [...table.queues]) {
    const [first] = waiters;
    try {
      // Through the waiter's own mapping: the dying thread's may be gone.
      const vm = first!.lp.proc.vmspace!;
      if ((fuword(vm, first!.uaddr) & FUTEX_TID_MASK) === lp.tid) handOn(first!.lp, key, first!.uaddr, FUTEX_OWNER_DIED);
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
      table.remove(key, first!);
      first!.chan.wakeup();
    }
  }
}
