// SPDX-License-Identifier: BSD-3-Clause
/**
 * How often pages are mapped, for what /proc tells: counted from the page tables when somebody asks, so that faults and forks keep
 * no books.
 *
 * Counterpart: page_mapcount() of Linux (include/linux/mm.h).
 * @module
 */
import { VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import type { VmSystem } from "./system.ts";

const USER_PDES = VM_MAX_USER_ADDRESS >>> 22;

/**
 * For each page, and each slot of swap space, the number of places in address spaces that name it. An entry in a page table that
 * several spaces share counts for each of them.
 */
export function mapCounts(sys: VmSystem): Int32Array {
  const { u32 } = sys.phys;
  const { refs } = sys.pages;
  const counts = new Int32Array(refs.length);
  const seen = new Uint8Array(sys.phys.npages);
  for (const { pmap } of sys.spaces) {
    for (let slot = 0; slot < USER_PDES; slot++) {
      const table = u32[pmap.pdirWord + slot]! >>> 12;
      if (table === 0 || seen[table] === 1) continue;
      seen[table] = 1;
      const sharers = refs[table]!;
      for (let at = table << 10; at < (table + 1) << 10; at++) {
        const pn = u32[at]! >>> 12;
        if (pn !== 0) counts[pn]! += sharers;
      }
    }
  }
  return counts;
}
