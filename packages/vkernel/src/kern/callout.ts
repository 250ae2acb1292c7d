// SPDX-License-Identifier: BSD-3-Clause
/**
 * Callouts: functions to be called at a time (DragonFly 2.0 sys/kern/kern_timeout.c), on a binary heap, since a
 * tickless kernel needs the earliest deadline and nothing else.
 *
 * Invariants
 *   C1  heap[i].deadline <= heap[2i+1].deadline, heap[2i+2].deadline; callout.index is its place, -1 = not armed.
 *   C2  A callout is disarmed before its function is called, so the function may arm it again.
 *   C3  Of two callouts with one deadline the one armed first runs first.
 * @module
 */

export class Callout {
  readonly fn: () => void;
  /** Monotonic ns. */
  deadline = 0;
  seq = 0;
  index = -1;
  constructor(fn: () => void) {
    this.fn = fn;
  }
  get armed(): boolean {
    return this.index >= 0;
  }
}

export class CalloutQueue {
  private readonly heap: Callout[] = [];
  private readonly earlier: (deadline: number) => void;
  private seq = 0;

  /** `earlier` hears of each earliest deadline that is armed, monotonic ns. */
  constructor(earlier: (deadline: number) => void) {
    this.earlier = earlier;
  }

  get size(): number {
    return this.heap.length;
  }

  /** Earliest deadline in monotonic ns; Infinity when nothing is armed. */
  get nextDeadline(): number {
    return this.heap.length === 0 ? Infinity : this.heap[0]!.deadline;
  }

  /** Arms `c` for `deadline` (monotonic ns), moving it if it is armed. */
  reset(c: Callout, deadline: number): void {
    if (c.index >= 0) this.stop(c);
    c.deadline = deadline;
    c.seq = this.seq++;
    c.index = this.heap.length;
    this.heap.push(c);
    this.up(c.index);
    if (c.index === 0) this.earlier(deadline);
  }

  stop(c: Callout): void {
    const i = c.index;
    if (i < 0) return;
    c.index = -1;
    const last = this.heap.pop()!;
    if (last === c) return;
    this.heap[i] = last;
    last.index = i;
    this.up(i);
    this.down(last.index);
  }

  /** Calls everything that is due at `now`; returns how many were. Callouts armed meanwhile wait for the next run. */
  run(now: number): number {
    let n = 0;
    const limit = this.seq;
    while (this.heap.length > 0) {
      const c = this.heap[0]!;
      if (c.deadline > now || c.seq >= limit) break;
      this.stop(c);
      c.fn();
      n++;
    }
    return n;
  }

  private before(a: Callout, b: Callout): boolean {
    return a.deadline < b.deadline || (a.deadline === b.deadline && a.seq < b.seq);
  }

  private up(i: number): void {
    const heap = this.heap;
    const c = heap[i]!;
    while (i > 0) {
      const p = (i - 1) >> 1;
      const other = heap[p]!;
      if (!this.before(c, other)) break;
      heap[i] = other;
      other.index = i;
      i = p;
    }
    heap[i] = c;
    c.index = i;
  }

  private down(i: number): void {
    const heap = this.heap;
    const c = heap[i]!;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.before(heap[child + 1]!, heap[child]!)) child++;
      const other = heap[child]!;
      if (!this.before(other, c)) break;
      heap[i] = other;
      other.index = i;
      i = child;
    }
    heap[i] = c;
    c.index = i;
  }
}
