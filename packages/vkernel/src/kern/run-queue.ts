// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runnable threads in the order of a key: a binary heap, since the scheduler asks for the first one and nothing else.
 *
 * Invariants
 *   RQ1  A thread's `runKey` and `runSeq` do not change while it is in a queue.
 *   RQ2  heap[i] comes before heap[2i+1] and heap[2i+2]: the smaller key first, of equal keys the smaller sequence number.
 * @module
 */
import type { Lwp } from "./proc.ts";

const before = (a: Lwp, b: Lwp): boolean => a.runKey < b.runKey || (a.runKey === b.runKey && a.runSeq < b.runSeq);

export class RunQueue {
  private readonly heap: Lwp[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** The one whose turn is next; null when the queue is empty. */
  get first(): Lwp | null {
    return this.heap.length === 0 ? null : this.heap[0]!;
  }

  push(lp: Lwp): void {
    this.heap.push(lp);
    this.rise(this.heap.length - 1, lp);
  }

  /** Puts `lp` at place i, or as far up from there as it belongs. */
  private rise(at: number, lp: Lwp): void {
    const heap = this.heap;
    let i = at;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const other = heap[parent]!;
      if (!before(lp, other)) break;
      heap[i] = other;
      i = parent;
    }
    heap[i] = lp;
  }

  /** Takes the first one out. */
  shift(): Lwp | null {
    const heap = this.heap;
    const lp = heap.pop();
    if (lp === undefined) return null;
    const n = heap.length;
    if (n === 0) return lp;
    const first = heap[0]!;
    this.sink(0, lp);
    return first;
  }

  /** Takes `lp` out, wherever it is; looks through the whole queue. */
  remove(lp: Lwp): void {
    const heap = this.heap;
    const at = heap.indexOf(lp);
    if (at < 0) throw new Error(`RQ: thread ${lp.tid} is in no queue of its class`);
    const last = heap.pop()!;
    if (last === lp) return;
    if (at > 0 && before(last, heap[(at - 1) >> 1]!)) this.rise(at, last);
    else this.sink(at, last);
  }

  /** Puts `lp` at place i, or as far down from there as it belongs. */
  private sink(at: number, lp: Lwp): void {
    const heap = this.heap;
    const n = heap.length;
    let i = at;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && before(heap[child + 1]!, heap[child]!)) child++;
      const other = heap[child]!;
      if (!before(other, lp)) break;
      heap[i] = other;
      i = child;
    }
    heap[i] = lp;
  }
}
