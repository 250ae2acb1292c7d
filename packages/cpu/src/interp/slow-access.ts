// SPDX-License-Identifier: BSD-3-Clause
/**
 * Memory accesses of step functions: pages not in the table, page crossings, code pages, devices, faults.
 *
 * Invariant I-CROSS: all pages of an access are checked before anything is transferred; CR2 is the first byte that
 * cannot be reached.
 * @module
 */
import { ACCESS_READ, ACCESS_WRITE, DEVICE_PAGE as DEVICE_PAGE_, PGMASK, faultCode } from "@vkernel/mmu";
import type { AddressSpace, DeviceAccess, MachineMemory } from "@vkernel/mmu";
import { EXC_PF } from "../exception.ts";
import * as S from "../state.ts";

const DEVICE_PAGE = DEVICE_PAGE_;

export class SlowAccess {
  space!: AddressSpace;
  readonly #memory: MachineMemory;
  readonly #words: Int32Array;
  readonly #buffer: number;
  /** What the last check found: host address of the first byte, and of the following page when the access reaches it, or DEVICE_PAGE. */
  #first = 0;
  #second = 0;

  constructor(memory: MachineMemory, stateBase: number) {
    this.#memory = memory;
    this.#words = memory.i32.subarray(stateBase >> 2, (stateBase >> 2) + 0x4000);
    this.#buffer = stateBase + S.SLOW_BUFFER;
  }

  /** Records a page fault at `va`; returns 1. */
  fault(va: number, code: number): number {
    this.#words[S.EXIT_VECTOR >> 2] = EXC_PF;
    this.#words[S.EXIT_ERROR >> 2] = code;
    this.#words[S.CR2 >> 2] = va;
    return 1;
  }

  /** Checks [va, va + n); returns 0 or 1 with the fault recorded. */
  #check(va: number, n: number, access: number): number {
    const first = this.space.translate(va >>> 0, access);
    if (first < 0 && first !== DEVICE_PAGE) return this.fault(va, faultCode(first));
    this.#first = first;
    if ((va & PGMASK) + n <= PGMASK + 1) return 0;
    const nextPage = ((va | PGMASK) + 1) >>> 0;
    const second = this.space.translate(nextPage, access);
    if (second < 0 && second !== DEVICE_PAGE) return this.fault(nextPage, faultCode(second));
    this.#second = second;
    return 0;
  }
  /** How many of the `n` bytes lie in the first page. */
  #head(va: number, n: number): number {
    return Math.min(n, PGMASK + 1 - (va & PGMASK));
  }

  read(va: number, n: number): number {
    if (this.#check(va, n, ACCESS_READ) !== 0) return 1;
    const head = this.#head(va, n);
    this.#load(this.#first, va, this.#buffer, head);
    if (head < n) this.#load(this.#second, va + head, this.#buffer + head, n - head);
    return 0;
  }
  #load(host: number, va: number, to: number, n: number): void {
    if (host === DEVICE_PAGE) this.#device.load(va >>> 0, n, to);
    else this.#memory.u8.copyWithin(to, host, host + n);
  }
  get #device(): DeviceAccess {
    const { device } = this.space;
    if (device === undefined) throw new TypeError("cpu: the address space answers DEVICE_PAGE and has no `device`");
    return device;
  }

  probe(va: number, n: number): number {
    return this.#check(va, n, ACCESS_WRITE);
  }

  /** Writes what a probe has allowed. */
  write(va: number, n: number): void {
    if (this.#check(va, n, ACCESS_WRITE) !== 0)
      throw new Error("cpu: memory changed its rights within one instruction");
    const head = this.#head(va, n);
    this.#store(this.#first, va, this.#buffer, head);
    if (head < n) this.#store(this.#second, va + head, this.#buffer + head, n - head);
  }
  #store(host: number, va: number, from: number, n: number): void {
    if (host === DEVICE_PAGE) {
      this.#device.store(va >>> 0, n, from);
      return;
    }
    const memory = this.#memory;
    memory.u8.copyWithin(host, from, from + n);
    if (memory.codePages[memory.hpnOf(host)] !== 0) memory.memoryWritten(host, n);
  }
}
