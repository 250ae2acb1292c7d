// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where a read or write takes its bytes from or puts them: pieces of user memory (iovecs) or of a kernel buffer. User
 * memory is given out as windows of guest RAM, so that a file system copies straight to its destination.
 *
 * Invariants
 *   UI1  window() checks the right that it is asked for in the caller's address space; what it gave out stays valid until
 *        the next call of anything else in the vm folder.
 *   UI2  advance() after a window for writing reports the bytes as written.
 *
 * Counterpart: DragonFly 2.0 sys/sys/uio.h, sys/kern/kern_subr.c (uiomove).
 * @module
 */
import { EFAULT } from "../sys/errno.ts";
import { VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import { copyin, copyout, readablePa, writablePa } from "./copyio.ts";
import { PG_HELD } from "./page.ts";
import type { Vmspace } from "./vmspace.ts";

const NO_BYTES = new Uint8Array(0);

export class Uio {
  /** Bytes left to move. */
  resid: number;
  /** File offset that belongs to the next byte; for the file layer, unused here. */
  offset = 0;
  /** What stopped the last transfer, after it had moved bytes, was only that the disk is slow; for the file layer. */
  waits = false;
  /** The piece last given by window(): `len` bytes at u8[off]. */
  u8: Uint8Array = NO_BYTES;
  off = 0;
  len = 0;

  readonly #vm: Vmspace | null;
  readonly #kernel: Uint8Array;
  readonly #bases: readonly number[];
  readonly #lens: readonly number[];
  #index = 0;
  /** Position in the current piece, and bytes left of it. */
  #base: number;
  #left: number;
  #writing = false;

  private constructor(
    vm: Vmspace | null,
    kernel: Uint8Array,
    bases: readonly number[],
    lens: readonly number[],
  ) {
    this.#vm = vm;
    this.#kernel = kernel;
    this.#bases = bases;
    this.#lens = lens;
    let total = 0;
    for (const len of lens) total += len;
    this.resid = total;
    this.#base = bases[0] ?? 0;
    this.#left = lens[0] ?? 0;
  }

  /** `len` bytes of user memory. Throws EFAULT when they cannot all be user memory. */
  static user(vm: Vmspace, uaddr: number, len: number): Uio {
    const base = uaddr >>> 0;
    if (base + len > VM_MAX_USER_ADDRESS && len > 0) throw EFAULT;
    return new Uio(vm, NO_BYTES, [base], [len]);
  }

  /** Several pieces of user memory, in order. */
  static iov(vm: Vmspace, bases: readonly number[], lens: readonly number[]): Uio {
    const unsigned = bases.map((base) => base >>> 0);
    for (let i = 0; i < unsigned.length; i++) {
      if (lens[i]! > 0 && unsigned[i]! + lens[i]! > VM_MAX_USER_ADDRESS) throw EFAULT;
    }
    return new Uio(vm, NO_BYTES, unsigned, lens);
  }

  /** `len` bytes of a kernel buffer. */
  static kernel(u8: Uint8Array, off: number, len: number): Uio {
    return new Uio(null, u8, [off], [len]);
  }

  /** Finds the piece with the next byte; false at the end. */
  #seek(): boolean {
    while (this.#left === 0) {
      if (++this.#index >= this.#lens.length) return false;
      this.#base = this.#bases[this.#index]!;
      this.#left = this.#lens[this.#index]!;
    }
    return true;
  }

  /**
   * Gives the next contiguous piece in u8, off and len, and returns len; 0 at the end. `write`: the caller is going to store
   * there (read(2)), else it only looks (write(2)). Throws as copyin and copyout do.
   */
  window(write: boolean): number {
    if (this.resid <= 0 || !this.#seek()) {
      this.len = 0;
      return 0;
    }
    this.#writing = write;
    const vm = this.#vm;
    const want = Math.min(this.#left, this.resid);
    if (vm === null) {
      this.u8 = this.#kernel;
      this.off = this.#base;
      this.len = want;
      return want;
    }
    let va = this.#base;
    const pa = write ? writablePa(vm, va) : readablePa(vm, va);
    let len = Math.min(want, 4096 - (va & 0xfff));
    const { flags } = vm.sys.pages;
    const first = pa >>> 12;
    let last = first;
    flags[first]! |= PG_HELD;
    // Pages that happen to lie side by side make one piece; a page that cannot be had ends it here. Making room for one
    // must not take those before it: they are held meanwhile.
    while (len < want && len < 65536) {
      va = this.#base + len;
      let next: number;
      try {
        next = write ? writablePa(vm, va) : readablePa(vm, va);
      } catch {
        // Whoever asks for the next window meets the same error there, with these bytes moved.
        break;
      }
      if (next !== pa + len) break;
      len = Math.min(want, len + 4096);
      flags[++last]! |= PG_HELD;
    }
    for (let pn = first; pn <= last; pn++) flags[pn]! &= ~PG_HELD;
    this.u8 = vm.sys.phys.u8;
    this.off = pa;
    this.len = len;
    return len;
  }

  /** Consumes `n` bytes of the piece last given by window(). */
  advance(n: number): void {
    if (this.#writing && this.#vm !== null) this.#vm.sys.phys.written(this.off, n);
    this.#base += n;
    this.#left -= n;
    this.resid -= n;
    this.off += n;
    this.len -= n;
  }

  /**
   * Copies src[off, off + len) to the next bytes (read(2)); returns how many there was room for. Throws EFAULT, ENOMEM; inside a
   * system call no IoMiss (late-stores.ts).
   */
  put(src: Uint8Array, off: number, len: number): number {
    const vm = this.#vm;
    let moved = 0;
    while (moved < len && this.resid > 0 && this.#seek()) {
      const room = Math.min(this.#left, len - moved);
      const n = vm === null ? room : Math.min(room, 4096 - (this.#base & 0xfff));
      if (vm === null) this.#kernel.set(src.subarray(off + moved, off + moved + n), this.#base);
      else copyout(vm, src, off + moved, this.#base, n);
      this.#base += n;
      this.#left -= n;
      this.resid -= n;
      moved += n;
    }
    return moved;
  }

  /**
   * Copies the next bytes to dst[off, off + len) (write(2)); returns how many there were. What it throws finds no byte taken: it
   * stands where it stood.
   */
  get(dst: Uint8Array, off: number, len: number): number {
    const { resid } = this;
    const index = this.#index;
    const base = this.#base;
    const left = this.#left;
    let moved = 0;
    try {
      while (moved < len) {
        const n = Math.min(this.window(false), len - moved);
        if (n === 0) break;
        if (n <= 16) for (let i = 0; i < n; i++) dst[off + moved + i] = this.u8[this.off + i]!;
        else dst.set(this.u8.subarray(this.off, this.off + n), off + moved);
        this.advance(n);
        moved += n;
      }
    } catch (e) {
      this.resid = resid;
      this.#index = index;
      this.#base = base;
      this.#left = left;
      throw e;
    }
    return moved;
  }

  /** Copies the next bytes like get(), but leaves them to be moved later. */
  peek(dst: Uint8Array, off: number, len: number): number {
    let moved = 0;
    for (let i = this.#index; i < this.#lens.length && moved < len; i++) {
      const base = i === this.#index ? this.#base : this.#bases[i]!;
      const n = Math.min(i === this.#index ? this.#left : this.#lens[i]!, len - moved);
      if (n === 0) continue;
      if (this.#vm === null) dst.set(this.#kernel.subarray(base, base + n), off + moved);
      else copyin(this.#vm, base, dst, off + moved, n);
      moved += n;
    }
    return moved;
  }

  /**
   * Makes all pages present for the access, so that no window() before the process runs again throws. For callers that
   * change something while they copy.
   */
  prefault(write: boolean): void {
    const vm = this.#vm;
    if (vm === null) return;
    for (let i = this.#index; i < this.#lens.length; i++) {
      const base = i === this.#index ? this.#base : this.#bases[i]!;
      const left = i === this.#index ? this.#left : this.#lens[i]!;
      for (let va = base; va < base + left; va += 4096 - (va & 0xfff)) {
        if (write) writablePa(vm, va);
        else readablePa(vm, va);
      }
    }
  }
}
