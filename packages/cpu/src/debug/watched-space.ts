// SPDX-License-Identifier: BSD-3-Clause
/**
 * An address space that can take back what a program did: in front of another space, it keeps the old contents of each page
 * before the first write, and what devices answered.
 *
 * Invariants
 *   WS1  An entry of its table grants writing only to a page whose contents are kept.
 *   WS2  Between begin() and the next begin() a device sees each access once: what runs again is answered from the record.
 *   WS3  What the space behind says is valid from reset() to reset(): its owner changes it, and memory, only in between.
 *
 * @module
 */
import { ACCESS_EXEC, ACCESS_WRITE, PGMASK, PGSHIFT, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import type { AddressSpace, DeviceAccess, MachineMemory, SpaceTable, Translation } from "@vkernel/mmu";

const PAGE_WORDS = 1024;
/** A kept page that was not written in as many rounds is let go. */
const IDLE_ROUNDS = 64;

interface KeptPage {
  readonly hpn: number;
  /** Contents at the last begin(). */
  readonly before: Int32Array;
  /** Contents that the first run left, while a second one is compared with it. */
  readonly after: Int32Array;
  /** Pages of the space through which it may be written. */
  readonly aliases: Set<number>;
  idle: number;
}

/** An access to a device: its bytes are what was read or written. */
interface DeviceEvent {
  readonly isWrite: boolean;
  readonly va: number;
  readonly bytes: Uint8Array;
}

/** A device was accessed otherwise when the program ran again. */
export class DeviceMismatch extends Error {}

export class WatchedSpace implements AddressSpace {
  readonly device: DeviceAccess;
  readonly #memory: MachineMemory;
  readonly #handle: SpaceTable;
  #inner!: AddressSpace;
  #innerTable = 0;
  readonly #kept = new Map<number, KeptPage>();
  readonly #events: DeviceEvent[] = [];
  /** The next event to be answered from the record; −1 = the devices are asked. */
  #replay = -1;

  constructor(translation: Translation) {
    this.#memory = translation.memory;
    this.#handle = translation.createTable();
    this.device = {
      load: (va, length, to) => this.#deviceLoad(va, length, to),
      store: (va, length, from) => this.#deviceStore(va, length, from),
    };
  }

  get table(): number {
    return this.#handle.address;
  }

  translate(va: number, access: number): number {
    const host = this.#inner.translate(va, access);
    if (host < 0) return host;
    const { i32 } = this.#memory;
    const entry = ((va >>> PGSHIFT) * TABLE_ENTRY_BYTES) >>> 2;
    const own = (this.table >>> 2) + entry;
    const isWrite = access === ACCESS_WRITE;
    const isFetch = access === ACCESS_EXEC;
    if (isWrite) this.#keep(this.#memory.hpnOf(host), va >>> PGSHIFT);
    // As the space behind has it, but for writing.
    const theirs = (this.#innerTable >>> 2) + entry;
    const read = i32[theirs] !== 0;
    if (isWrite || isFetch || (read && i32[own] === 0)) {
      const write = i32[own + 1] !== 0 || (isWrite && i32[theirs + 1] !== 0);
      this.#handle.fill(va, host - (host & PGMASK), read, write, isFetch);
    }
    return host;
  }

  /** Starts with another space, or with the same after its owner may have changed it. */
  reset(inner: AddressSpace): void {
    this.#inner = inner;
    // A space enters what it translates only in a table that it has.
    this.#innerTable = inner.table;
    this.#handle.wipe();
    this.#kept.clear();
    this.begin();
  }

  /** From here on changes can be taken back. */
  begin(): void {
    this.#events.length = 0;
    this.#replay = -1;
    const words = this.#memory.i32;
    for (const page of this.#kept.values()) {
      const at = this.#memory.pageAddress(page.hpn) >>> 2;
      if (differs(words, at, page.before)) {
        page.before.set(words.subarray(at, at + PAGE_WORDS));
        page.idle = 0;
      } else if (++page.idle > IDLE_ROUNDS) this.#release(page);
    }
  }

  /** Whether devices were accessed since begin(). */
  get touchedDevices(): boolean {
    return this.#events.length > 0;
  }

  /** Takes back all changes to memory since begin(); with `note`, they are remembered for difference(). */
  rewind(note: boolean): void {
    this.#replay = 0;
    for (const page of this.#kept.values()) {
      const at = this.#memory.pageAddress(page.hpn) >>> 2;
      if (note) page.after.set(this.#memory.i32.subarray(at, at + PAGE_WORDS));
      this.#restore(page.hpn, page.before);
    }
  }

  /** What the last run left otherwise than the run before the noting rewind(), as "page offset: value / value"; null when nothing. */
  difference(): string | null {
    for (const page of this.#kept.values()) {
      const at = this.#memory.pageAddress(page.hpn) >>> 2;
      for (let i = 0; i < PAGE_WORDS; i++) {
        const now = this.#memory.i32[at + i]!;
        if (now === page.after[i]) continue;
        const where = [...page.aliases].map((vpn) => hex(vpn * 4096 + 4 * i)).join(" = ");
        return `memory at ${where}: ${hex(page.after[i]!)} / ${hex(now)}`;
      }
    }
    if (this.#replay >= 0 && this.#replay < this.#events.length) return `device access at ${hex(this.#events[this.#replay]!.va)}: made / not made`;
    return null;
  }

  #keep(hpn: number, vpn: number): void {
    let page = this.#kept.get(hpn);
    if (page === undefined) {
      const at = this.#memory.pageAddress(hpn) >>> 2;
      const before = this.#memory.i32.slice(at, at + PAGE_WORDS);
      // A page that only the second run writes should be as it was.
      page = { hpn, before, after: before.slice(), aliases: new Set(), idle: 0 };
      this.#kept.set(hpn, page);
    }
    page.aliases.add(vpn);
  }
  #release(page: KeptPage): void {
    this.#kept.delete(page.hpn);
    for (const vpn of page.aliases) this.#handle.withdrawWrite(vpn * 4096, 4096);
  }

  /** Puts old contents back, reporting no more bytes than change. */
  #restore(hpn: number, contents: Int32Array): void {
    const memory = this.#memory;
    const words = memory.i32;
    const host = memory.pageAddress(hpn);
    const at = host >>> 2;
    for (let i = 0; i < PAGE_WORDS; i++) {
      if (words[at + i] === contents[i]) continue;
      const first = i;
      while (i < PAGE_WORDS && words[at + i] !== contents[i]) words[at + i] = contents[i++]!;
      memory.memoryWritten(host + 4 * first, 4 * (i - first));
    }
  }

  #deviceLoad(va: number, length: number, to: number): void {
    const { u8 } = this.#memory;
    if (this.#replay >= 0) {
      u8.set(this.#expect(false, va, length).bytes, to);
      return;
    }
    this.#inner.device!.load(va, length, to);
    this.#events.push({ isWrite: false, va, bytes: u8.slice(to, to + length) });
  }
  #deviceStore(va: number, length: number, from: number): void {
    const bytes = this.#memory.u8.slice(from, from + length);
    if (this.#replay < 0) {
      this.#inner.device!.store(va, length, from);
      this.#events.push({ isWrite: true, va, bytes });
    } else if (this.#expect(true, va, length).bytes.some((byte, i) => byte !== bytes[i])) {
      throw new DeviceMismatch(`device at ${hex(va)}: other bytes written`);
    }
  }
  #expect(isWrite: boolean, va: number, length: number): DeviceEvent {
    const event = this.#events[this.#replay++];
    if (event === undefined || event.isWrite !== isWrite || event.va !== va || event.bytes.length !== length)
      throw new DeviceMismatch(`device access at ${hex(va)}: not made / made`);
    return event;
  }
}

function differs(words: Int32Array, at: number, page: Int32Array): boolean {
  for (let i = 0; i < PAGE_WORDS; i++) if (words[at + i] !== page[i]) return true;
  return false;
}
function hex(n: number): string {
  return `0x${(n >>> 0).toString(16)}`;
}
