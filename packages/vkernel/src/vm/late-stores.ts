// SPDX-License-Identifier: BSD-3-Clause
/**
 * Stores into the memory of processes that have to wait for a disk, made by a system call that has had its effect: it must not
 * begin anew, so what it was to store is kept until the page is there.
 *
 * Invariants
 *   LS1  Stores are put off only while a system call runs (`armed`), and made in their order before its thread goes back to user
 *        mode (kern/late.ts).
 *   LS2  A store that cannot be made in the end is the call's EFAULT, as it would have been at once.
 * @module
 */
import type { Vmspace } from "./vmspace.ts";

export interface LateStore {
  readonly vm: Vmspace;
  readonly uaddr: number;
  readonly bytes: Uint8Array;
}

/** A thread that has none. */
export const NO_STORES: readonly LateStore[] = [];

export class LateStores {
  armed = false;
  /** Of the call that runs, since the dispatcher looked last. */
  readonly stores: LateStore[] = [];
}
