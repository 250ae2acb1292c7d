// SPDX-License-Identifier: BSD-3-Clause
/**
 * Maps of sparse files in tar archives: which parts of a file are stored, in GNU tar's four ways to say so. GNU tar manual, "Storing
 * Sparse Files": the old format (type S), and formats 0.0, 0.1 and 1.0 in PAX archives.
 * @module
 */

/** A stored part of a file. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Entries in a header of the old format, and in each block that continues it; 24 bytes each. */
const HEADER_AT = 386;
const HEADER_ENTRIES = 4;
const HEADER_MORE_AT = 482;
const HEADER_SIZE_AT = 483;
const BLOCK_ENTRIES = 21;
const BLOCK_MORE_AT = 504;
const FIELD = 12;

type NumberField = (block: Uint8Array, at: number, length: number) => number;

function entries(block: Uint8Array, at: number, count: number, number: NumberField): Extent[] {
  const list: Extent[] = [];
  for (let i = 0; i < count && block[at + 2 * FIELD * i] !== 0; i++) {
    const entry = at + 2 * FIELD * i;
    list.push({ offset: number(block, entry, FIELD), length: number(block, entry + FIELD, FIELD) });
  }
  return list;
}

/** What the header of an entry of type S says; `more`: the next block goes on with the map. */
export function headerMap(block: Uint8Array, number: NumberField): { extents: Extent[]; size: number; more: boolean } {
  return { extents: entries(block, HEADER_AT, HEADER_ENTRIES, number), size: number(block, HEADER_SIZE_AT, FIELD), more: block[HEADER_MORE_AT] !== 0 };
}

/** A block behind such a header. */
export function continuedMap(block: Uint8Array, number: NumberField): { extents: Extent[]; more: boolean } {
  return { extents: entries(block, 0, BLOCK_ENTRIES, number), more: block[BLOCK_MORE_AT] !== 0 };
}

/** Offsets and lengths in turn. */
export function extentsOf(numbers: readonly number[]): Extent[] {
  const list: Extent[] = [];
  for (let i = 0; i < numbers.length; i += 2) list.push({ offset: numbers[i]!, length: numbers[i + 1] ?? Number.NaN });
  return list;
}

/** Whether a map makes sense: parts in order, none beyond the end, all of what is stored and no more. */
export function isMap(extents: readonly Extent[], size: number, stored: number): boolean {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of extents) {
    if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length)) || offset < end || length < 0) return false;
    end = offset + length;
    sum += length;
  }
  return Number.isSafeInteger(size) && end <= size && sum === stored;
}
