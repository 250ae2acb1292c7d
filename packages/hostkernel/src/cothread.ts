// SPDX-License-Identifier: BSD-3-Clause
/**
 * Co-threads: work that waits on the outside runs beside the virtual CPU and ends in an interrupt. A co-thread owns a
 * queue of finished requests; the kernel drains it in its own context.
 *
 * Invariants
 *   CT1  A completion never runs kernel code: it queues and raises INTR_IO.
 *   CT2  Requests complete in the order in which the host finished them, each exactly once.
 *
 * Counterpart: DragonFly 2.0 sys/platform/vkernel/platform/cothread.c; the host's asynchronous calls take the place of
 * the POSIX thread.
 * @module
 */
import { INTR_IO, type Interrupts } from "./interrupts.ts";

export class Cothread<Result> {
  readonly name: string;
  readonly #interrupts: Interrupts;
  #done: Result[] = [];
  /** Requests begun and not yet completed. */
  outstanding = 0;

  constructor(interrupts: Interrupts, name: string) {
    this.#interrupts = interrupts;
    this.name = name;
  }

  /**
   * Starts one request: calls `start` at once with the function that completes it (from the host's event loop).
   * A second completion of the same request is a defect of the caller and throws.
   */
  begin(start: (complete: (result: Result) => void) => void): void {
    let open = true;
    this.outstanding++;
    start((result) => {
      if (!open) throw new Error(`co-thread ${this.name}: a request completed twice`);
      open = false;
      this.outstanding--;
      this.#done.push(result);
      this.#interrupts.raise(INTR_IO);
    });
  }

  /** Takes the finished requests, oldest first. Called by the kernel on INTR_IO. */
  drain(): Result[] {
    const done = this.#done;
    if (done.length !== 0) this.#done = [];
    return done;
  }
}
