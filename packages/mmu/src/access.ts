// SPDX-License-Identifier: BSD-3-Clause
/**
 * Loads and stores of 8 to 64 bits and byte copies through an AddressSpace, for TypeScript code that acts for a guest.
 *
 * The fast path reads the space's translation table as generated code does; what the table does not allow, what crosses a
 * page end and what hits a code page goes through the Slow twin. A fault is a value, not an exception: the call
 * returns 0 (or false), `fault` holds the page-fault error code and `faultAddress` the first byte that cannot be
 * reached. Both pages of a crossing access are checked before the first byte is written (I-CROSS).
 * @module
 */
import { FLAT_BIAS as FLAT_BIAS_, PGMASK as PGMASK_ } from "./layout.ts";
import type { MachineMemory } from "./memory.ts";
import { ACCESS_READ as READ_, ACCESS_WRITE as WRITE_, faultCode, type AddressSpace } from "./space.ts";

const FLAT_BIAS = FLAT_BIAS_;
const PGMASK = PGMASK_;
const ACCESS_READ = READ_;
const ACCESS_WRITE = WRITE_;
const PAGE = PGMASK + 1;

export class SpaceAccess {
  /** Error code of the last fault, or −1 when the last call succeeded. */
  fault = -1;
  /** Address of the first byte that could not be reached, valid while fault ≥ 0. */
  faultAddress = 0;
  readonly #memory: MachineMemory;
  readonly #space: AddressSpace;
  readonly #i32: Int32Array;
  readonly #u8: Uint8Array;
  readonly #dv: DataView;
  /** Host addresses of the bytes of a crossing access, found by #pieces(). */
  #host0 = 0;
  #host1 = 0;

  constructor(memory: MachineMemory, space: AddressSpace) {
    this.#memory = memory;
    this.#space = space;
    this.#i32 = memory.i32;
    this.#u8 = memory.u8;
    this.#dv = memory.dv;
  }

  load8(va: number): number {
    const host = this.#fast(va, 1, 0);
    if (host !== 0) return this.#u8[host]!;
    return this.#loadSlow(va, 1);
  }

  load16(va: number): number {
    const host = this.#fast(va, 2, 0);
    if (host !== 0) return this.#dv.getUint16(host, true);
    return this.#loadSlow(va, 2);
  }

  /** Unsigned. */
  load32(va: number): number {
    const host = this.#fast(va, 4, 0);
    if (host !== 0) return this.#dv.getUint32(host, true);
    return this.#loadSlow(va, 4);
  }

  load64(va: number): bigint {
    const host = this.#fast(va, 8, 0);
    if (host !== 0) return this.#dv.getBigUint64(host, true);
    if (!this.#pieces(va, 8, ACCESS_READ)) return 0n;
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(this.#u8[this.#hostOf(va, i)]!);
    return value;
  }

  store8(va: number, value: number): boolean {
    const host = this.#fast(va, 1, 4);
    if (host === 0) return this.#storeSlow(va, 1, value);
    this.#u8[host] = value;
    return true;
  }

  store16(va: number, value: number): boolean {
    const host = this.#fast(va, 2, 4);
    if (host === 0) return this.#storeSlow(va, 2, value);
    this.#dv.setUint16(host, value, true);
    return true;
  }

  store32(va: number, value: number): boolean {
    const host = this.#fast(va, 4, 4);
    if (host === 0) return this.#storeSlow(va, 4, value);
    this.#dv.setUint32(host, value, true);
    return true;
  }

  store64(va: number, value: bigint): boolean {
    const host = this.#fast(va, 8, 4);
    if (host !== 0) {
      this.#dv.setBigUint64(host, value, true);
      return true;
    }
    if (!this.#pieces(va, 8, ACCESS_WRITE)) return false;
    for (let i = 0; i < 8; i++) this.#u8[this.#hostOf(va, i)] = Number((value >> BigInt(8 * i)) & 0xffn);
    this.#written(va, 8);
    return true;
  }

  /**
   * Copies guest bytes [va, va + target.length) into `target`. Returns how many were copied: fewer than asked exactly when
   * `fault` is set.
   */
  copyIn(va: number, target: Uint8Array): number {
    for (let done = 0; done < target.length;) {
      const at = (va + done) >>> 0;
      const host = this.#translate(at, ACCESS_READ);
      if (host < 0) return done;
      const n = Math.min(target.length - done, PAGE - (at & PGMASK));
      target.set(this.#u8.subarray(host, host + n), done);
      done += n;
    }
    this.fault = -1;
    return target.length;
  }

  /** Copies `source` to guest bytes from `va`; returns as copyIn(). */
  copyOut(va: number, source: Uint8Array): number {
    for (let done = 0; done < source.length;) {
      const at = (va + done) >>> 0;
      const host = this.#translate(at, ACCESS_WRITE);
      if (host < 0) return done;
      const n = Math.min(source.length - done, PAGE - (at & PGMASK));
      this.#u8.set(source.subarray(done, done + n), host);
      this.#memory.memoryWritten(host, n);
      done += n;
    }
    this.fault = -1;
    return source.length;
  }

  /** Host address when the table allows the whole access inside one page, else 0. `which`: 0 read word, 4 write word. */
  #fast(va: number, size: number, which: number): number {
    if ((va & PGMASK) > PAGE - size) return 0;
    const word = this.#i32[(this.#space.table + (va >>> 12) * 8 + which) >>> 2]!;
    if (word === 0) return 0;
    this.fault = -1;
    return (va + word + FLAT_BIAS) >>> 0;
  }

  #translate(va: number, access: number): number {
    const host = this.#space.translate(va, access);
    if (host < 0) {
      this.fault = faultCode(host);
      this.faultAddress = va >>> 0;
    }
    return host;
  }

  /** Finds the host addresses of both parts of an access, checking both before anything is moved. */
  #pieces(va: number, size: number, access: number): boolean {
    this.#host0 = this.#translate(va, access);
    if (this.#host0 < 0) return false;
    if ((va & PGMASK) > PAGE - size) {
      this.#host1 = this.#translate(((va | PGMASK) + 1) >>> 0, access);
      if (this.#host1 < 0) return false;
    }
    this.fault = -1;
    return true;
  }

  #hostOf(va: number, i: number): number {
    const inFirst = PAGE - (va & PGMASK);
    return i < inFirst ? this.#host0 + i : this.#host1 + (i - inFirst);
  }

  #loadSlow(va: number, size: number): number {
    if (!this.#pieces(va, size, ACCESS_READ)) return 0;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#u8[this.#hostOf(va, i)]!;
    return value;
  }

  #storeSlow(va: number, size: number, value: number): boolean {
    if (!this.#pieces(va, size, ACCESS_WRITE)) return false;
    for (let i = 0; i < size; i++) this.#u8[this.#hostOf(va, i)] = value >>> (8 * i);
    this.#written(va, size);
    return true;
  }

  #written(va: number, size: number): void {
    const inFirst = Math.min(size, PAGE - (va & PGMASK));
    this.#memory.memoryWritten(this.#host0, inFirst);
    if (inFirst < size) this.#memory.memoryWritten(this.#host1, size - inFirst);
  }
}
