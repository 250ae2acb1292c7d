// SPDX-License-Identifier: BSD-3-Clause
/**
 * The map of an address space: entries sorted by address. It says what may be; the pmap holds what is.
 *
 * Invariants
 *   MA1  Entries are page aligned, not empty, disjoint, ascending, below VM_MAX_USER_ADDRESS.
 *   MA2  `hint` is an entry of the list or null.
 *   MA3  Removing a range removes its page table entries before its entries leave their objects.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_map.c.
 * @module
 */
import { ENOMEM } from "../sys/errno.ts";
import { VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import type { VmMapEntry } from "./map-entry.ts";
import { pmapRemove, type Pmap } from "./pmap.ts";

export class VmMap {
  readonly pmap: Pmap;
  readonly entries: VmMapEntry[] = [];
  #hint: VmMapEntry | null = null;

  constructor(pmap: Pmap) {
    this.pmap = pmap;
  }

  /** The entry that holds `va` (unsigned), or null. */
  find(va: number): VmMapEntry | null {
    const hint = this.#hint;
    if (hint !== null && va >= hint.start && va < hint.end) return hint;
    const i = this.indexAt(va);
    const entry = this.entries[i];
    if (entry === undefined || va < entry.start) return null;
    this.#hint = entry;
    return entry;
  }

  /** Index of the first entry that ends behind `va`; entries.length when there is none. */
  indexAt(va: number): number {
    const entries = this.entries;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (entries[mid]!.end <= va) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Whether [start, end) meets no entry. */
  isFree(start: number, end: number): boolean {
    const entry = this.entries[this.indexAt(start)];
    return entry === undefined || entry.start >= end;
  }

  /** Whether entries cover [start, end) without a hole. */
  isCovered(start: number, end: number): boolean {
    let at = start;
    for (let i = this.indexAt(start); at < end; i++) {
      const entry = this.entries[i];
      if (entry === undefined || entry.start > at) return false;
      at = entry.end;
    }
    return true;
  }

  /** Highest free range of `size` bytes that ends at or below `top` and starts at or above `floor`; −1 when none. */
  findSpaceBelow(top: number, size: number, floor: number): number {
    const entries = this.entries;
    let end = top;
    for (let i = this.indexAt(top - 1); i >= 0; i--) {
      const entry = entries[i];
      if (entry === undefined || entry.start >= end) continue;
      if (entry.end <= end - size) break;
      end = entry.start;
    }
    return end - size >= floor ? end - size : -1;
  }

  /** Lowest free range of `size` bytes at or above `from`; −1 when none ends below `limit`. */
  findSpaceAbove(from: number, size: number, limit = VM_MAX_USER_ADDRESS): number {
    const entries = this.entries;
    let start = from;
    for (let i = this.indexAt(from); i < entries.length && entries[i]!.start < start + size; i++)
      start = entries[i]!.end;
    return start + size <= limit ? start : -1;
  }

  /** Adds an entry to a free range, or lengthens a neighbour by it. Throws ENOMEM at the limit of entries. */
  insert(entry: VmMapEntry): VmMapEntry {
    const entries = this.entries;
    const i = this.indexAt(entry.start);
    const before = entries[i - 1];
    if (before !== undefined && before.continuedBy(entry)) {
      before.end = entry.end;
      this.#joinNext(i - 1);
      return before;
    }
    const after = entries[i];
    if (after !== undefined && entry.continuedBy(after)) {
      after.offset = entry.offset;
      after.start = entry.start;
      return after;
    }
    if (entries.length >= this.pmap.sys.maxMapEntries) throw ENOMEM;
    entries.splice(i, 0, entry);
    entry.attach();
    return entry;
  }

  /** Joins entry `i` with its successor when they continue each other. Returns whether it did. */
  #joinNext(i: number): boolean {
    const entry = this.entries[i]!;
    const next = this.entries[i + 1];
    if (next === undefined || !entry.continuedBy(next)) return false;
    entry.end = next.end;
    this.entries.splice(i + 1, 1);
    if (this.#hint === next) this.#hint = entry;
    next.detach();
    return true;
  }

  /** Makes `at` a border between entries if one spans it. Throws ENOMEM at the limit. */
  clip(at: number): void {
    const i = this.indexAt(at);
    const entry = this.entries[i];
    if (entry === undefined || entry.start >= at) return;
    if (this.entries.length >= this.pmap.sys.maxMapEntries) throw ENOMEM;
    const rest = entry.slice(this.pmap, at, entry.end);
    entry.end = at;
    this.entries.splice(i + 1, 0, rest);
    rest.attach();
  }

  /** Joins neighbours that continue each other around [start, end), after a change there. */
  simplify(start: number, end: number): void {
    let i = Math.max(0, this.indexAt(start) - 1);
    while (i < this.entries.length && this.entries[i]!.start <= end) if (!this.#joinNext(i)) i++;
  }

  /** Removes whatever lies in [start, end). Throws ENOMEM, with the map unchanged or a part gone, without memory. */
  remove(start: number, end: number): void {
    this.clip(start);
    this.clip(end);
    const first = this.indexAt(start);
    let last = first;
    while (last < this.entries.length && this.entries[last]!.start < end) last++;
    if (first === last) return;
    if (!pmapRemove(this.pmap, start, end)) throw ENOMEM;
    this.#hint = null;
    for (const entry of this.entries.splice(first, last - first)) entry.detach();
  }

  /** Bytes mapped. */
  get size(): number {
    let size = 0;
    for (const entry of this.entries) size += entry.end - entry.start;
    return size;
  }
}
