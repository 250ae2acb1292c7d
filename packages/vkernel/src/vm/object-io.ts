// SPDX-License-Identifier: BSD-3-Clause
/**
 * read(2) and write(2) of a file that may have pages resident for mappings: resident pages are the truth (OB1); the rest
 * goes straight between the file system and the caller's memory.
 * @module
 */
import { PAGE_SIZE } from "../sys/mman.ts";
import type { VmObject } from "./object.ts";
import { PG_HELD } from "./page.ts";
import type { Uio } from "./uio.ts";

/** Reads or writes up to `len` bytes at `offset` from or into buf[bufOff…]; returns the count. */
export type DirectIo = (offset: number, buf: Uint8Array, bufOff: number, len: number) => number;

/** Bytes from `offset` on that are in no resident page, at most `len`. */
function gapLength(object: VmObject, offset: number, len: number): number {
  if (object.residentCount === 0) return len;
  let gap = PAGE_SIZE - (offset % PAGE_SIZE);
  while (gap < len && object.resident(Math.floor((offset + gap) / PAGE_SIZE)) === 0) gap += PAGE_SIZE;
  return Math.min(gap, len);
}

/** Copies `n` bytes of a resident page out; making room for where they go must not take the page itself. */
function putHeld(object: VmObject, page: number, inPage: number, uio: Uio, n: number): number {
  const { pages, phys } = object.sys;
  pages.flags[page]! |= PG_HELD;
  try {
    return uio.put(phys.u8, page * PAGE_SIZE + inPage, n);
  } finally {
    pages.flags[page]! &= ~PG_HELD;
  }
}

/**
 * Reads up to `len` bytes at `offset` of the file into `uio`; returns the count, short at the end of the file. `direct` is
 * the file system's read. Throws what it, and copyout, throw.
 */
export function objectRead(
  object: VmObject | null,
  offset: number,
  uio: Uio,
  len: number,
  direct: DirectIo,
): number {
  let moved = 0;
  while (moved < len) {
    const at = offset + moved;
    const page = object === null ? 0 : object.resident(Math.floor(at / PAGE_SIZE));
    if (page !== 0) {
      const inPage = at % PAGE_SIZE;
      const n = Math.min(len - moved, PAGE_SIZE - inPage, object!.size - at);
      if (n <= 0) break;
      const put = putHeld(object!, page, inPage, uio, n);
      moved += put;
      if (put < n) break;
      continue;
    }
    const room = uio.window(true);
    if (room === 0) break;
    const want = Math.min(room, object === null ? len - moved : gapLength(object, at, len - moved));
    const got = direct(at, uio.u8, uio.off, want);
    if (got <= 0) break;
    uio.advance(got);
    moved += got;
    if (got < want) break;
  }
  return moved;
}

/**
 * Writes up to `len` bytes of `uio` at `offset` of the file and brings resident pages up to date; returns the count. `direct`
 * is the file system's write, which extends the file.
 */
export function objectWrite(
  object: VmObject | null,
  offset: number,
  uio: Uio,
  len: number,
  direct: DirectIo,
): number {
  let moved = 0;
  while (moved < len) {
    const at = offset + moved;
    const room = Math.min(uio.window(false), len - moved);
    if (room === 0) break;
    const put = direct(at, uio.u8, uio.off, room);
    if (put <= 0) break;
    if (object !== null && object.residentCount !== 0) updatePages(object, at, uio.u8, uio.off, put);
    uio.advance(put);
    moved += put;
    if (put < room) break;
  }
  return moved;
}

function updatePages(object: VmObject, offset: number, u8: Uint8Array, off: number, len: number): void {
  const { phys } = object.sys;
  for (let done = 0; done < len;) {
    const inPage = (offset + done) % PAGE_SIZE;
    const n = Math.min(len - done, PAGE_SIZE - inPage);
    const page = object.resident(Math.floor((offset + done) / PAGE_SIZE));
    if (page !== 0) {
      const pa = page * PAGE_SIZE + inPage;
      if (u8 === phys.u8) u8.copyWithin(pa, off + done, off + done + n);
      else phys.u8.set(u8.subarray(off + done, off + done + n), pa);
      phys.written(pa, n);
    }
    done += n;
  }
}
