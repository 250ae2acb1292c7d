// SPDX-License-Identifier: BSD-3-Clause
/**
 * Advisory locks of one file: byte ranges owned by processes or open files (fcntl) and whole-file locks owned by open
 * files (flock), which do not see each other (DragonFly 2.0 sys/kern/kern_lockf.c).
 *
 * Invariants
 *   A1  Locks of one owner never overlap; neighbours of one kind are merged.
 *   A2  Locks of two owners overlap only when both are shared.
 *   A3  An owner waits for at most one lock; `waitingFor` edges between owners form no cycle (EDEADLK).
 * @module
 */
import { EDEADLK, ENOLCK } from "../sys/errno.ts";
import { F_RDLCK, F_WRLCK } from "../sys/fcntl.ts";
import { WaitChannel } from "../sys/wait.ts";

/** Most locks on one file. */
export const LOCKS_PER_FILE = 4096;
/** Past the last byte of a range that extends to the end, whatever that will be. */
export const LOCK_EOF = Number.MAX_SAFE_INTEGER;

/** Whoever may own locks: a process's descriptor table for fcntl, an open file for flock and F_OFD_SETLK. */
export interface LockOwner {
  /** For F_GETLK; -1 when the owner is no process. */
  readonly lockPid: number;
  /** The owner this one waits for (A3). */
  waitingFor: LockOwner | null;
}

export interface LockRange {
  owner: LockOwner;
  /** F_RDLCK or F_WRLCK */
  type: number;
  start: number;
  /** Exclusive. */
  end: number;
}

export class Lockf {
  /** fcntl and flock locks are kept apart by their lists. */
  readonly ranges: LockRange[] = [];
  readonly whole: LockRange[] = [];
  /** Woken whenever a lock goes or weakens. */
  readonly chan = new WaitChannel("lockf");

  /** The lock of another owner that conflicts and begins first, or null. */
  conflict(list: readonly LockRange[], owner: LockOwner, type: number, start: number, end: number): LockRange | null {
    let first: LockRange | null = null;
    for (const r of list) {
      if (r.owner === owner || r.start >= end || start >= r.end || (type !== F_WRLCK && r.type !== F_WRLCK)) continue;
      if (first === null || r.start < first.start) first = r;
    }
    return first;
  }

  /**
   * Sets a lock of F_RDLCK or F_WRLCK. Returns null when it is held now, else the lock that is in the way; with
   * `wait` the caller is entered as waiting (EDEADLK when that closes a circle).
   */
  set(list: LockRange[], owner: LockOwner, type: number, start: number, end: number, wait: boolean): LockRange | null {
    const other = this.conflict(list, owner, type, start, end);
    if (other !== null) {
      if (wait) {
        for (let o: LockOwner | null = other.owner; o !== null; o = o.waitingFor) if (o === owner) throw EDEADLK;
        owner.waitingFor = other.owner;
      }
      return other;
    }
    owner.waitingFor = null;
    if (list.length >= LOCKS_PER_FILE) throw ENOLCK;
    const weakened = this.cut(list, owner, start, end, type);
    const lock: LockRange = { owner, type, start, end };
    for (let i = list.length - 1; i >= 0; i--) {
      const r = list[i]!;
      if (r.owner === owner && r.type === type && (r.end === lock.start || r.start === lock.end)) {
        lock.start = Math.min(lock.start, r.start);
        lock.end = Math.max(lock.end, r.end);
        list.splice(i, 1);
      }
    }
    list.push(lock);
    if (weakened) this.chan.wakeup();
    return null;
  }

  /** Removes the owner's locks in a range; throws ENOLCK when splitting a lock would exceed the limit. */
  clear(list: LockRange[], owner: LockOwner, start: number, end: number): void {
    if (this.cut(list, owner, start, end, 0)) this.chan.wakeup();
  }

  /** Cuts the range out of the owner's locks; returns whether somebody else may be able to go on. */
  private cut(list: LockRange[], owner: LockOwner, start: number, end: number, newType: number): boolean {
    let weakened = false;
    for (let i = list.length - 1; i >= 0; i--) {
      const r = list[i]!;
      if (r.owner !== owner || r.start >= end || start >= r.end) continue;
      if (newType === 0 || (r.type === F_WRLCK && newType === F_RDLCK)) weakened = true;
      if (r.start < start && r.end > end) {
        if (list.length >= LOCKS_PER_FILE) throw ENOLCK;
        list.push({ owner, type: r.type, start: end, end: r.end });
        r.end = start;
      } else if (r.start < start) r.end = start;
      else if (r.end > end) r.start = end;
      else list.splice(i, 1);
    }
    return weakened;
  }
}
