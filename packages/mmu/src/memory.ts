// SPDX-License-Identifier: BSD-3-Clause
/**
 * Machine memory: owns the WebAssembly.Memory, its views, and what is known about each host page.
 *
 * Invariants
 *   M1  The memory is sized at construction and never grows, so the views stay valid for the object's life.
 *   M2  codePages[hpn] is the number of holders of decoded or compiled code of that host page. While it is not 0 no
 *       translation word grants writing to the page: every write either passes the slow path of the CPU or is made
 *       by kernel-side code, which reports it with memoryWritten().
 *   M3  tableEpochs[slot] changes whenever an entry of translation table `slot` that let a code page be read is emptied or
 *       names another page. No value is given out twice (within 2³¹ changes), not even to different tables.
 *
 * A host page is named by its linear-memory address ("host address") or by its number `hpn`, counted from ramBase.
 * @module
 */
import { PGMASK, PGSHIFT, STATE_BYTES, TABLE_BYTES, WASM_PAGE_SIZE, machineLayout } from "./layout.ts";
import type { MachineLayout, MachineLayoutOptions } from "./layout.ts";

export interface MachineMemoryOptions extends MachineLayoutOptions {
  /** Create the memory shared between workers; false unless given. */
  readonly shared?: boolean;
}

/** Told that bytes [offset, offset + length) of a code page changed; length stays inside the page. */
export type CodeWrittenListener = (hpn: number, offset: number, length: number) => void;
/**
 * Told that a host page has become a code page: withdraw every cached permission to write to it. Or that it is none any
 * more, and the permissions may come back.
 */
export type ProtectListener = (hpn: number, isCode: boolean) => void;

export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly layout: MachineLayout;
  readonly buffer: ArrayBuffer;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  /** For accesses of unknown alignment. Always pass `true` (little-endian). */
  readonly dv: DataView;
  /** Linear-memory address of the first host page. */
  readonly ramBase: number;
  readonly ramBytes: number;
  /** Number of host pages. */
  readonly npages: number;
  /** One byte for each host page, see M2. Read it freely; change it through protectCode() and unprotectCode(). */
  readonly codePages: Uint8Array;
  /** One word for each translation table, see M3: what was learnt by following its entries to code holds while it stays. */
  readonly tableEpochs: Int32Array;
  #lastEpoch = 0;

  readonly #codeWritten: CodeWrittenListener[] = [];
  readonly #protect: ProtectListener[] = [];

  /** Throws RangeError for an impossible layout, and what the engine throws when it has no room for the memory. */
  constructor(options: MachineMemoryOptions) {
    const layout = machineLayout(options);
    const wasmPages = layout.totalBytes / WASM_PAGE_SIZE;
    this.layout = layout;
    this.memory = new WebAssembly.Memory({
      initial: wasmPages,
      maximum: wasmPages,
      shared: options.shared ?? false,
    });
    const buffer = this.memory.buffer;
    this.buffer = buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.dv = new DataView(buffer);
    this.ramBase = layout.ramBase;
    this.ramBytes = layout.ramBytes;
    this.npages = layout.ramBytes >>> PGSHIFT;
    this.codePages = new Uint8Array(this.npages);
    this.tableEpochs = new Int32Array(layout.spaces);
    this.renewEpochs();
  }

  /** Index of the translation table at linear-memory address `table`. */
  tableSlot(table: number): number {
    return (table - this.layout.tablesBase) / TABLE_BYTES;
  }
  /** Gives translation table `slot` a new epoch, never 0. */
  renewEpoch(slot: number): void {
    this.#lastEpoch = (this.#lastEpoch % 0x7fff_ffff) + 1;
    this.tableEpochs[slot] = this.#lastEpoch;
  }
  /** Gives every table a new epoch. */
  renewEpochs(): void {
    for (let slot = 0; slot < this.layout.spaces; slot++) this.renewEpoch(slot);
  }

  /** Linear-memory address of virtual CPU `vcpu`'s state block. */
  stateBlock(vcpu: number): number {
    if (vcpu < 0 || vcpu >= this.layout.vcpus) {
      throw new RangeError(`machine memory: vcpu ${vcpu} of ${this.layout.vcpus}`);
    }
    return this.layout.stateBase + vcpu * STATE_BYTES;
  }

  /** Host page number of a host address inside RAM. */
  hpnOf(hostAddress: number): number {
    return (hostAddress - this.ramBase) >>> PGSHIFT;
  }

  /** Host address of host page `hpn`. */
  pageAddress(hpn: number): number {
    return this.ramBase + hpn * 4096;
  }

  /** Whether [hostAddress, hostAddress + length) lies inside the host pages. */
  inRam(hostAddress: number, length: number): boolean {
    return hostAddress >= this.ramBase && hostAddress + length <= this.ramBase + this.ramBytes;
  }

  /** One more holder of decoded or compiled code of a page; the first withdraws write permission in every alias (M2). */
  protectCode(hpn: number): void {
    if (this.codePages[hpn]!++ !== 0) return;
    for (const listener of this.#protect) listener(hpn, true);
  }

  /** One holder less; after the last the permissions may come back. */
  unprotectCode(hpn: number): void {
    if (this.codePages[hpn] === 0) throw new Error(`machine memory: page ${hpn} has no holder of code`);
    if (--this.codePages[hpn]! !== 0) return;
    for (const listener of this.#protect) listener(hpn, false);
  }

  /**
   * Reports a write by other means than guest instructions (copyout, file read, page zeroing…). Cheap when the pages hold
   * no code. Call it after the bytes have changed and before the guest runs again.
   */
  memoryWritten(hostAddress: number, length: number): void {
    if (length <= 0) return;
    const first = this.hpnOf(hostAddress);
    const last = this.hpnOf(hostAddress + length - 1);
    for (let hpn = first; hpn <= last; hpn++) {
      if (this.codePages[hpn] === 0) continue;
      const from = hpn === first ? hostAddress & PGMASK : 0;
      const to = hpn === last ? ((hostAddress + length - 1) & PGMASK) + 1 : PGMASK + 1;
      for (const listener of this.#codeWritten) listener(hpn, from, to - from);
    }
  }

  /** Registers a holder of decoded or compiled code. */
  onCodeWritten(listener: CodeWrittenListener): void {
    this.#codeWritten.push(listener);
  }

  /** Registers a cache of write permissions. */
  onProtect(listener: ProtectListener): void {
    this.#protect.push(listener);
  }
}
