// SPDX-License-Identifier: BSD-3-Clause
/**
 * The syncer: writes modified files back now and then, so that a machine that ends without warning loses little
 * (DragonFly 2.0 sys/kern/vfs_sync.c). What was fsync'd does not depend on it.
 */
import { Errno } from "../sys/errno.ts";
import { IoMiss } from "../sys/wait.ts";
import { Callout } from "./callout.ts";
import type { Kernel } from "./kernel.ts";
import { syncAll } from "./sys-vfs-mount.ts";

/** How long modified data may stay in memory only, ns (syncdelay). */
export const SYNC_INTERVAL_NS = 30e9;

/** Starts it; it goes on until the machine ends. */
export function startSyncer(k: Kernel): void {
  const timer = new Callout(() => {
    try {
      syncAll(k);
    } catch (e) {
      // A miss is loaded and met again next time; errors (a full or failing disk) have been logged where they arose.
      if (e instanceof IoMiss) e.load(() => {});
      else if (e instanceof Errno) k.log(`syncer: ${e.message}`);
      else throw e;
    }
    k.callouts.reset(timer, k.nanouptime() + SYNC_INTERVAL_NS);
  });
  k.callouts.reset(timer, k.nanouptime() + SYNC_INTERVAL_NS);
}
