// SPDX-License-Identifier: BSD-3-Clause
/**
 * Making room when memory is exhausted: object pages that nobody maps go first, then anonymous pages that were not used of late, where
 * there is swap space, then file pages that are mapped. When nothing can go the fault reports FAULT_NOMEM and a process has to end.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_pageout.c, reduced to its second chance clock.
 * @module
 */
import { PG_HELD } from "./page.ts";
import { PageOut } from "./pageout.ts";
import type { VmSystem } from "./system.ts";

/** Pages freed by one round. */
const BATCH = 64;

/** Installs reclaim for `sys`: called by VmPages.alloc() when no page is free. */
export function installReclaim(sys: VmSystem): void {
  const { pages } = sys;
  const pageOut = new PageOut(sys);
  let hand = 1;
  pages.reclaim = () => {
    let freed = 0;
    sys.swap.retry();
    for (let mapped = 0; mapped < 2 && freed < BATCH; mapped++) {
      if (mapped === 1) freed += pageOut.run(BATCH - freed);
      for (let step = 0; step < pages.total && freed < BATCH; step++) {
        const pn = hand;
        hand = hand < pages.total ? hand + 1 : 1;
        const owner = pages.objectOf[pn];
        if (owner === null || owner === undefined || (pages.flags[pn]! & PG_HELD) !== 0) continue;
        if (mapped === 0 && pages.refs[pn] !== 1) continue;
        if (owner.reclaimPage(pages.pindexOf[pn]!)) freed++;
      }
    }
    return pages.freeCount !== 0;
  };
}
