// SPDX-License-Identifier: BSD-3-Clause
/**
 * One range of an address space: its protection and what stands behind it.
 *
 * Invariants
 *   ME1  An entry with an object holds one reference on it and is in its `mappings`, from attach() to detach().
 *   ME2  `shared` without an object does not exist: shared anonymous memory has an object. A private entry without an
 *        object is anonymous memory, whose pages live in the page tables alone.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_map.h, struct vm_map_entry.
 * @module
 */
import { INHERIT_COPY, PAGE_SIZE } from "../sys/mman.ts";
import type { ObjectMapping, VmObject } from "./object.ts";
import { pmapCollectModified, pmapRemoveObjectPages, type Pmap } from "./pmap.ts";

/** Pages of an entry may go out; are brought in and stay; stay once they have come in. */
export const UNWIRED = 0;
export const WIRED = 1;
export const WIRED_ONFAULT = 2;
export type Wired = typeof UNWIRED | typeof WIRED | typeof WIRED_ONFAULT;

export class VmMapEntry implements ObjectMapping {
  readonly pmap: Pmap;
  /** First address, and first address behind; page aligned, unsigned. */
  start: number;
  end: number;
  /** PROT_* now, and the most that mprotect may grant. */
  prot: number;
  readonly maxProt: number;
  readonly shared: boolean;
  readonly object: VmObject | null;
  /** Byte offset in the object that belongs to `start`; page aligned. */
  offset: number;
  /** What fork does with it: INHERIT_COPY, INHERIT_NONE or INHERIT_ZERO. */
  inherit = INHERIT_COPY;
  /** Its pages stay in memory: mlock(2), MLOCK_ONFAULT. */
  wired: Wired = UNWIRED;
  /** It is left out of core files: MADV_NOCORE. */
  noCore = false;
  /** The heap (brk) or a stack, for /proc/PID/maps. */
  tag: "" | "heap" | "stack" = "";

  constructor(
    pmap: Pmap,
    start: number,
    end: number,
    prot: number,
    maxProt: number,
    shared: boolean,
    object: VmObject | null,
    offset: number,
  ) {
    this.pmap = pmap;
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.maxProt = maxProt;
    this.shared = shared;
    this.object = object;
    this.offset = offset;
  }

  /** Enters the object's list of mappings; ME1. */
  attach(): void {
    if (this.object === null) return;
    this.object.ref();
    this.object.mappings.add(this);
  }

  /** Leaves it; the page tables hold nothing of the range any more. */
  detach(): void {
    if (this.object === null) return;
    this.object.mappings.delete(this);
    this.object.detached?.();
    this.object.unref();
  }

  /** A copy for [start, end) inside this range, in `pmap`; not attached. */
  slice(pmap: Pmap, start: number, end: number): VmMapEntry {
    const offset = this.object === null ? 0 : this.offset + (start - this.start);
    const copy = new VmMapEntry(pmap, start, end, this.prot, this.maxProt, this.shared, this.object, offset);
    copy.inherit = this.inherit;
    copy.tag = this.tag;
    copy.wired = this.wired;
    copy.noCore = this.noCore;
    return copy;
  }

  /** Whether `next`, which starts where this ends, could be one entry with it. */
  continuedBy(next: VmMapEntry): boolean {
    return (
      this.end === next.start &&
      this.prot === next.prot &&
      this.maxProt === next.maxProt &&
      this.shared === next.shared &&
      this.object === next.object &&
      this.inherit === next.inherit &&
      this.tag === next.tag &&
      this.wired === next.wired &&
      this.noCore === next.noCore &&
      (this.object === null || this.offset + (this.end - this.start) === next.offset)
    );
  }

  /** Address range of object pages [first, first + count) in this entry, clipped, as [from, to); empty if from ≥ to. */
  #range(first: number, count: number): [number, number] {
    const from = this.start + first * PAGE_SIZE - this.offset;
    return [Math.max(this.start, from), Math.min(this.end, from + count * PAGE_SIZE)];
  }

  unmapObjectPages(first: number, count: number, copies: boolean): void {
    const [from, to] = this.#range(first, count);
    if (from < to) pmapRemoveObjectPages(this.pmap, from, to, copies);
  }

  collectModified(first: number, count: number): void {
    if (!this.shared) return;
    const [from, to] = this.#range(first, count);
    if (from < to) pmapCollectModified(this.pmap, from, to);
  }
}
