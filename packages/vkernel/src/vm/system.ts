// SPDX-License-Identifier: BSD-3-Clause
/**
 * The virtual memory system of one kernel: its RAM, its pages, and the host that runs page tables.
 * @module
 */
import { Errno } from "../sys/errno.ts";
import { LateStores } from "./late-stores.ts";
import type { VmObject } from "./object.ts";
import { VmPages } from "./page.ts";
import { PhysMem, type RamImage } from "./physmem.ts";
import { SwapSpace } from "./swap.ts";
import type { Vmspace } from "./vmspace.ts";

/** What the pmap asks of the host kernel. Ids name VM spaces. */
export interface PmapHost {
  /** Makes a VM space that maps all user addresses through the page directory in page `pdir`. */
  create(pdir: number): number;
  destroy(id: number): void;
  /** Forgets cached translations of [va, va + len). */
  inval(id: number, va: number, len: number): void;
  /** Forgets cached permissions to write to [va, va + len). */
  withdrawWrite(id: number, va: number, len: number): void;
}

/** Something with modified pages that only vmSync() can write back now. */
export interface DirtyObject {
  /** Writes modified pages back. May throw IoMiss or Errno; may be called again. */
  clean(): void;
}

export class VmSystem {
  readonly phys: PhysMem;
  readonly pages: VmPages;
  readonly host: PmapHost;
  readonly swap: SwapSpace;
  readonly late = new LateStores();
  /** All address spaces, oldest first. */
  readonly spaces = new Set<Vmspace>();
  /** Objects that hold modified file pages. */
  readonly dirtyObjects = new Set<DirtyObject>();
  /** Objects of which pages are in swap space. */
  readonly swappedObjects = new Set<VmObject>();
  /** Buffer for reading clusters of pages; valid only within one call. */
  readonly $scratchCluster = new Uint8Array(65536);
  /** Entries of one map, at most (I-LIMIT; Linux vm.max_map_count). */
  maxMapEntries = 65_530;
  #serial = 0;

  /** Page faults resolved for processes, of these by copying, of these by reading a pager. */
  faults = 0;
  cowFaults = 0;
  pageIns = 0;

  constructor(image: RamImage, host: PmapHost) {
    this.phys = new PhysMem(image);
    this.pages = new VmPages(this.phys);
    this.swap = new SwapSpace(this.pages, this.phys);
    this.pages.slotFreed = (slot) => this.swap.free(slot);
    this.host = host;
  }

  get totalPages(): number {
    return this.pages.total;
  }

  freePages(): number {
    return this.pages.freeCount;
  }

  /** A number never used before in this system. */
  nextSerial(): number {
    return ++this.#serial;
  }
}

/** Writes all modified file pages back: sync(2) and unmount. May throw IoMiss (call again) or Errno. */
export function vmSync(sys: VmSystem): void {
  let failure: Errno | null = null;
  for (const object of [...sys.dirtyObjects]) {
    try {
      object.clean();
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
      failure ??= e;
    }
  }
  if (failure !== null) throw failure;
}
