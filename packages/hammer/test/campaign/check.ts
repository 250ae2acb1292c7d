// SPDX-License-Identifier: BSD-3-Clause
/** What the campaigns share. They run under the test runner and, bundled, by themselves, where code is several times faster. */
import type { BlockDevice } from "../../src/device.ts";
import { mount, type HammerMount, type MountOptions } from "../../src/mount.ts";
import { checkmap } from "../../src/tools/checkmap.ts";
import { show } from "../../src/tools/show.ts";

const quiet = (): void => {};
let clock = 1_700_000_000_000_000n;

/** Mounts a disk for writing, with a clock of its own. */
export function open(device: BlockDevice, options: Partial<MountOptions> = {}): HammerMount {
  return mount([device], { now: () => (clock += 1000n), readOnly: false, ...options });
}

/** Throws unless `ok`. */
export function demand(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(what);
}

/** Throws unless every CRC, the shape of the tree and the freemap of a file system at rest are right. */
export function demandSound(device: BlockDevice, where: string): void {
  const s = show([device], quiet);
  const c = checkmap([device], quiet);
  const bad = [s.badNodes && `${s.badNodes} bad nodes`, s.badElements && `${s.badElements} bad elements`,
    s.badRecords && `${s.badRecords} bad records`, c.errors && `${c.errors} freemap errors`].filter(Boolean).join(", ");
  demand(bad === "", `${where}: ${bad}`);
}
