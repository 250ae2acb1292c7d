// SPDX-License-Identifier: BSD-3-Clause
/**
 * Regular snapshots while the machine runs, as cron(8) and hammer(8) take them on DragonFly.
 */
import { Errno } from "../sys/errno.ts";
import { IoMiss } from "../sys/wait.ts";
import type { SnapshotsMount } from "../vfs/hammer/snapshots.ts";
import { Callout } from "./callout.ts";
import type { Kernel } from "./kernel.ts";
import { syncAll } from "./sys-vfs-mount.ts";

/** After a miss of the disk, ns: what was missing is there by then. */
const RETRY_NS = 1e8;

/**
 * Takes a snapshot at once, and one every `everyNs` in which something has changed, until the file system is unmounted. `note` is a byte
 * string of at most 63 bytes.
 */
export function startSnapshots(k: Kernel, mount: SnapshotsMount, everyNs: number, note: string): void {
  let started = false;
  const timer = new Callout(() => {
    if (started && mount.rootNch === null) return;
    let next = everyNs;
    try {
      if (started) syncAll(k);
      mount.take(note);
      started = true;
    } catch (e) {
      if (e instanceof IoMiss) {
        e.load(() => {});
        next = RETRY_NS;
      } else if (e instanceof Errno) k.log(`snapshots: ${e.message}`);
      else throw e;
    }
    k.callouts.reset(timer, k.nanouptime() + next);
  });
  timer.fn();
}
