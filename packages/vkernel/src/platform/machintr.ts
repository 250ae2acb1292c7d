// SPDX-License-Identifier: BSD-3-Clause
/**
 * Interrupts of the virtual machine: takes what the host has made pending and calls the handlers, in kernel context, never
 * inside a system call.
 *
 * Counterpart: DragonFly 2.0 sys/platform/vkernel/platform/machintr.c.
 * @module
 */
import type { Interrupts } from "@vkernel/hostkernel";

export class MachIntr {
  readonly interrupts: Interrupts;
  readonly #handlers: (() => void)[][] = [];

  constructor(interrupts: Interrupts) {
    this.interrupts = interrupts;
  }

  /** Adds a handler of interrupt `n`; all handlers of a number run when it is raised. Returns the function that removes it. */
  register(n: number, handler: () => void): () => void {
    const list = (this.#handlers[n] ??= []);
    list.push(handler);
    return () => {
      const at = list.indexOf(handler);
      if (at >= 0) list.splice(at, 1);
    };
  }

  /** Runs the handlers of everything pending (splz). */
  dispatch(): void {
    for (let bits = this.interrupts.take(); bits !== 0; bits &= bits - 1) {
      const list = this.#handlers[31 - Math.clz32(bits & -bits)];
      if (list !== undefined) for (const handler of [...list]) handler();
    }
  }
}
