// SPDX-License-Identifier: BSD-3-Clause
/**
 * What may break into a running guest: one word of pending interrupts and one deadline (the tickless systimer).
 *
 * Invariants
 *   IR1  pending ≠ 0 makes every VMSPACE_CTL_RUN return with trap number 0 at its next look, at once if it was set before.
 *   IR2  Handlers never run inside raise(); the kernel takes the bits with take() in its own context and acts on them.
 *
 * Numbers: DragonFly 2.0 sys/platform/vkernel (boot.md §8): 1 I/O and co-threads, 2 SIGTERM, 3 SIGWINCH.
 * @module
 */
import type { HostPlatform } from "./platform.ts";

/** I/O: terminal input, drained output, completed co-threads. */
export const INTR_IO = 1;
/** The host wants the system to shut down. */
export const INTR_TERM = 2;
/** The window size changed. */
export const INTR_WINCH = 3;
/** The systimer's deadline has passed. */
export const INTR_TIMER = 4;

export class Interrupts {
  /** Bit n set = interrupt n pending. */
  pending = 0;
  /** Monotonic nanoseconds at which INTR_TIMER is due; Infinity = none. */
  deadline = Infinity;
  readonly #platform: HostPlatform;
  /** Told that pending has become non-zero while a guest may be running. */
  onRaise: () => void = () => {};

  constructor(platform: HostPlatform) {
    this.#platform = platform;
  }

  /** Makes interrupt `n` pending and ends an idle sleep. */
  raise(n: number): void {
    this.pending |= 1 << n;
    this.onRaise();
    this.#platform.wake();
  }

  /** Sets the one deadline of the systimer, replacing the earlier one. */
  setDeadline(ns: number): void {
    this.deadline = ns;
  }

  /** Raises INTR_TIMER when the deadline has passed; returns whether anything is pending. */
  poll(): boolean {
    if (this.deadline !== Infinity && this.#platform.monotonicNs() >= this.deadline) {
      this.deadline = Infinity;
      this.pending |= 1 << INTR_TIMER;
    }
    return this.pending !== 0;
  }

  /** Takes and clears the pending bits. */
  take(): number {
    const bits = this.pending;
    this.pending = 0;
    return bits;
  }

  /** Sleeps until something is pending or the deadline passes, using no CPU. Afterwards poll() has been done. */
  async idle(): Promise<void> {
    if (!this.poll()) await this.#platform.sleep(this.deadline);
    this.poll();
  }
}
