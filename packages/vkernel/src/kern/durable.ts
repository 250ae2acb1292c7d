// SPDX-License-Identifier: BSD-3-Clause
/**
 * Waiting for stable storage. A file system starts what it has to write; disks that work beside the processor say what is
 * still under way (vfs/mount.ts, Barrier), and only the process that asked waits for it.
 *
 * Invariant
 *   DU1  What was started is waited for, never started again: a write is not repeated because its flush takes time.
 * @module
 */
import { EIO } from "../sys/errno.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { Barrier, Mount } from "../vfs/mount.ts";
import { vnodeSync } from "../vfs/vnode-pager.ts";
import type { Vnode } from "../vfs/vnode.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, tsleep, whenLoaded } from "./sleep.ts";

/** Plain half, after sync() or fsync() of these: 0, or WOULDBLOCK with what is under way left for waitDurable(). */
export function untilDurable(lp: Lwp, mounts: readonly Mount[]): number {
  const pending = mounts.flatMap((m) => m.barriers());
  if (pending.length === 0) return 0;
  lp.carry = pending;
  return WOULDBLOCK;
}

/** Waiting half. Throws EIO when it did not get there. */
export function* waitDurable(lp: Lwp): Generator<void, number, void> {
  yield* waitBarriers(lp, lp.carry as readonly Barrier[]);
  return 0;
}

/** Waits for what is under way. Throws EIO when it did not get there. */
export function* waitBarriers(lp: Lwp, pending: readonly Barrier[]): Generator<void, void, void> {
  for (const barrier of pending) {
    while (!barrier.done) yield* tsleep(lp, barrier.chan, 0, FOREVER);
    if (barrier.failed) throw EIO;
  }
}

/** Brings a file to stable storage, in a call that has written to it and must not be run again. Throws Errno. */
export function* fsyncWaiting(lp: Lwp, vp: Vnode): Generator<void, void, void> {
  yield* whenLoaded(lp, () => vnodeSync(vp));
  yield* waitBarriers(lp, vp.mount.barriers());
}
