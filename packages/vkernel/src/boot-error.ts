// SPDX-License-Identifier: BSD-3-Clause
/** How a system fails to start, or to go on; and waiting for the disk where no process does. */
import type { Kernel } from "./kern/kernel.ts";
import { Errno } from "./sys/errno.ts";
import { IoMiss } from "./sys/wait.ts";

export type BootErrorCode = "ENOENT" | "EACCES" | "ENOEXEC" | "EROOT" | "EMOUNT" | "EEXPORT" | "ENETWORK" | "ENOMEM" | "EOTHER";

const MARK = Symbol.for("@vkernel/vkernel:error");

/** The system could not be started; `code` says what kind of failure it was. */
export class BootError extends Error {
  readonly code: BootErrorCode;
  readonly [MARK] = "BootError";
  constructor(code: BootErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "BootError";
    this.code = code;
  }
}

/** Tells a BootError of any copy of this package apart. */
export function isBootError(e: unknown): e is BootError {
  return e instanceof Error && (e as { [MARK]?: unknown })[MARK] === "BootError";
}
/** Tells a KernelPanic of any copy of this package apart. */
export function isKernelPanic(e: unknown): e is KernelPanic {
  return e instanceof Error && (e as { [MARK]?: unknown })[MARK] === "KernelPanic";
}

/** The kernel found itself in a state that must not be. `state` describes the moment. */
export class KernelPanic extends Error {
  readonly state: string;
  readonly [MARK] = "KernelPanic";
  constructor(state: string, cause: unknown) {
    super(`panic: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "KernelPanic";
    this.state = state;
  }
}

/** The system has ended in order, but what programs had written could not all be brought to disk. */
export class UnwrittenError extends Error {
  /** Sources of the file systems that lack something. */
  readonly mounts: readonly string[];
  constructor(mounts: readonly string[]) {
    super(`${mounts.join(", ")}: not everything could be written back`);
    this.name = "UnwrittenError";
    this.mounts = mounts;
  }
}

/** How a plain operation outside of any process waits until a load has arrived. */
export type LoadWait = (k: Kernel, miss: IoMiss) => Promise<void>;

/** While the system comes up or goes down: nothing runs but what the disk reports, which comes as an interrupt. */
export const waitAlone: LoadWait = async (k, miss) => {
  let arrived = false;
  miss.load(() => (arrived = true));
  while (!arrived) await k.machine.idle(Infinity);
};

/** While processes run: only the scheduler may put the machine to sleep, and the disk's report reaches it there. */
export const waitBeside: LoadWait = (_k, miss) => new Promise((resolve) => miss.load(() => resolve()));

/** Runs a plain operation that may have to wait for the disk, outside of any process. */
export async function withLoads<T>(k: Kernel, operation: () => T, wait: LoadWait = waitAlone): Promise<T> {
  for (;;) {
    try {
      return operation();
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      await wait(k, e);
    }
  }
}

/** The BootError for a failure of `what`. */
export function bootError(code: BootErrorCode, what: string, e: unknown): BootError {
  const why = e instanceof Errno ? e.message : e instanceof Error ? e.message : String(e);
  return new BootError(code, `${what}: ${why}`, e);
}
