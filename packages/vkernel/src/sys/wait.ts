// SPDX-License-Identifier: BSD-3-Clause
/**
 * Wait channels: what a thread sleeps on and what wakes it. Everything below the system-call layer is plain
 * code that never waits; it only wakes. Sleeping itself (`tsleep`) is in kern/sleep.ts.
 *
 * Invariants
 *   W1  A node is on at most one channel.
 *   W2  wakeup() takes every node off the channel before it calls the first sleeper.
 *   W3  A sleeper may be woken more than once before it runs; waking is idempotent.
 * @module
 */

/** Something that sleeps: an Lwp, or a poller registered on several channels. */
export interface Sleeper {
  /** Makes the sleeper runnable. Must not run it. */
  wake(): void;
}

/** A sleeper's place on one channel; reusable. */
export class WaitNode {
  readonly sleeper: Sleeper;
  /** The channel the node is on, or null. */
  channel: WaitChannel | null = null;
  next: WaitNode | null = null;
  prev: WaitNode | null = null;
  constructor(sleeper: Sleeper) {
    this.sleeper = sleeper;
  }
}

/** A point to wait at: a pipe's "has data", a child's exit, a terminal's input, a page under I/O. */
export class WaitChannel {
  /** Short name shown by ps as the wait message ("ttyin", "piperd", "wait"). */
  readonly wmesg: string;
  /** Counts wakeups, so that an edge-triggered poller notices one that it did not sleep through. */
  gen = 0;
  /** The wakeup, by `gen`, that a sleeper has taken for itself and others of its kind leave alone (epoll's exclusive entries). */
  claimed = 0;
  private head: WaitNode | null = null;
  constructor(wmesg: string) {
    this.wmesg = wmesg;
  }

  get hasSleepers(): boolean {
    return this.head !== null;
  }

  add(node: WaitNode): void {
    if (node.channel !== null) node.channel.remove(node);
    node.channel = this;
    node.prev = null;
    node.next = this.head;
    if (this.head !== null) this.head.prev = node;
    this.head = node;
  }

  remove(node: WaitNode): void {
    if (node.channel !== this) return;
    if (node.prev !== null) node.prev.next = node.next;
    else this.head = node.next;
    if (node.next !== null) node.next.prev = node.prev;
    node.channel = null;
    node.next = null;
    node.prev = null;
  }

  /** Wakes every sleeper. */
  wakeup(): void {
    this.gen++;
    let node = this.head;
    this.head = null;
    for (let n = node; n !== null; n = n.next) n.channel = null;
    while (node !== null) {
      const next: WaitNode | null = node.next;
      node.next = null;
      node.prev = null;
      node.sleeper.wake();
      node = next;
    }
  }

  /** Wakes the sleeper that has waited longest; returns whether there was one. */
  wakeupOne(): boolean {
    this.gen++;
    let last = this.head;
    if (last === null) return false;
    while (last.next !== null) last = last.next;
    this.remove(last);
    last.sleeper.wake();
    return true;
  }
}

/**
 * Result of a plain operation that would have to wait. The system-call layer then sleeps on the operation's
 * channel and tries again, or fails with EAGAIN on a non-blocking descriptor. No byte count is negative.
 */
export const WOULDBLOCK = -1;

/**
 * Thrown by a plain operation that needs data from outside (a disk block that is not cached). It is thrown only
 * while the operation has modified nothing, so that the dispatcher can wait for `load` and run the whole
 * operation again. One instance for each source, reused.
 */
export abstract class IoMiss {
  /** Starts bringing the data in; calls `done` (with the failure, if any) from the host's event loop. */
  abstract load(done: (failure: unknown) => void): void;
}
