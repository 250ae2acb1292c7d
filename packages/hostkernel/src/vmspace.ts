// SPDX-License-Identifier: BSD-3-Clause
/**
 * A VM space: a sorted list of mappings of memory images, linear or through virtual page tables, and the translation
 * table that caches what they say.
 *
 * Invariants
 *   VS1  Entries are sorted by address, page aligned, disjoint and below VM_MAX_USER_ADDRESS.
 *   VS2  The translation table holds nothing that the entries and their page tables did not grant when it was filled, and
 *        a read through a virtual page table is entered read-only, so that the first write sets M (I-A/M).
 *   VS3  Whatever narrows a mapping invalidates the table before it returns (I-TLB).
 *   VS4  Only pages of the mapped image are entered (I-VPT).
 *   VS5  Where execution is checked, the right to fetch is entered only after the walk for a fetch has granted it.
 *
 * Source: DragonFly 2.0 sys/vm/{vm_map,vm_mmap,vm_fault}.c.
 * @module
 */
import {
  ACCESS_EXEC as ACCESS_EXEC_,
  ACCESS_WRITE as ACCESS_WRITE_,
  FLAT_BIAS as FLAT_BIAS_,
  PF_PRESENT,
  PF_USER as PF_USER_,
  PF_WRITE as PF_WRITE_,
  type AddressSpace,
  type MachineMemory,
  type SpaceTable,
  type Translation,
} from "@vkernel/mmu";
import {
  HostErrno,
  MADV_INVAL,
  MADV_SETMAP,
  MAP_ANON,
  MAP_FIXED,
  MAP_STACK,
  MAP_VPAGETABLE,
  PGEX_I as PGEX_I_,
  PROT_EXEC as PROT_EXEC_,
  PROT_READ as PROT_READ_,
  PROT_WRITE as PROT_WRITE_,
  VM_MAX_USER_ADDRESS,
} from "./frame.ts";
import type { MemoryImage } from "./image.ts";

const ACCESS_EXEC = ACCESS_EXEC_;
const ACCESS_WRITE = ACCESS_WRITE_;
const FLAT_BIAS = FLAT_BIAS_;
const PF_USER = PF_USER_;
const PF_WRITE = PF_WRITE_;
const PGEX_I = PGEX_I_;
const PROT_EXEC = PROT_EXEC_;
const PROT_READ = PROT_READ_;
const PROT_WRITE = PROT_WRITE_;
const PROT_RW = PROT_READ | PROT_WRITE;

class MapEntry {
  start: number;
  end: number;
  readonly prot: number;
  readonly image: MemoryImage;
  /** Page index in the image (linear) or in the page tables' index space that belongs to `start`. */
  pindex: number;
  readonly vpagetable: boolean;
  /** Master page directory entry; 0 until MADV_SETMAP. */
  master = 0;

  constructor(
    start: number,
    end: number,
    prot: number,
    image: MemoryImage,
    pindex: number,
    vpagetable: boolean,
  ) {
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.image = image;
    this.pindex = pindex;
    this.vpagetable = vpagetable;
  }

  /** Shortens this entry to end at `at` and returns the rest. */
  split(at: number): MapEntry {
    const rest = new MapEntry(
      at,
      this.end,
      this.prot,
      this.image,
      this.pindex + (at - this.start) / 4096,
      this.vpagetable,
    );
    rest.master = this.master;
    this.end = at;
    return rest;
  }
}

function einval(what: string): HostErrno {
  return new HostErrno("EINVAL", 22, what);
}

function roundPage(n: number): number {
  return Math.ceil(n / 4096) * 4096;
}

export class HostVmspace implements AddressSpace {
  /** Chosen by the virtual kernel; opaque. */
  readonly id: number;
  readonly #table: SpaceTable;
  readonly #memory: MachineMemory;
  readonly #i32: Int32Array;
  #entries: MapEntry[] = [];
  #hint: MapEntry | null = null;
  /** Slow accesses that the mappings resolved. */
  faults = 0;
  /** Fetches through virtual page tables need X in the entries of every level. */
  checkExecute = false;
  /** Asked by populate(). */
  readonly #wanted: (id: number, va: number) => boolean;
  /** The page fetched from last and its host address, since the last invalidation; for checkExecute. */
  #fetchPage = -1;
  #fetchHost = 0;

  /** `wanted`: see HostKernel.pageWanted. */
  constructor(id: number, translation: Translation, wanted: (id: number, va: number) => boolean) {
    this.id = id;
    this.#wanted = wanted;
    this.#table = translation.createTable();
    this.#memory = translation.memory;
    this.#i32 = translation.memory.i32;
  }

  get table(): number {
    // A table that is taken anew is empty, and what was fetched last has to be entered again.
    if (!this.#table.resident) this.#fetchPage = -1;
    return this.#table.address;
  }

  translate(address: number, access: number): number {
    const va = address >>> 0;
    if (access === ACCESS_EXEC && this.checkExecute) return this.#translateFetch(va);
    const write = access === ACCESS_WRITE;
    if (!write && this.#table.resident) {
      // A cached read is a right to read and to fetch; walking again would take a cached write away.
      const word = this.#i32[(this.#table.address >>> 2) + (va >>> 12) * 2]!;
      if (word !== 0) return (va + word + FLAT_BIAS) >>> 0;
    }
    const entry = this.#find(va);
    if (entry === null) return -1 - (write ? PF_USER | PF_WRITE : PF_USER);
    if ((entry.prot & (write ? PROT_WRITE : PROT_READ)) === 0)
      return -1 - (PF_PRESENT | (write ? PF_USER | PF_WRITE : PF_USER));
    const image = entry.image;
    let page = entry.pindex + ((va - entry.start) >>> 12);
    let writable = (entry.prot & PROT_WRITE) !== 0;
    if (entry.vpagetable) {
      page = image.walker.walk(entry.master, page, access);
      writable = write;
      if (page < 0) return -1 - (write ? PF_USER | PF_WRITE : PF_USER);
    } else if (page >= image.npages) {
      return -1 - (write ? PF_USER | PF_WRITE : PF_USER);
    }
    this.faults++;
    const host = image.hostBase + page * 4096;
    this.#table.fill(va, host, true, writable, this.#knowsFetch(entry, va, host));
    return host + (va & 0xfff);
  }

  populate(va: number): boolean {
    return this.#wanted(this.id, va >>> 0);
  }

  /** Whether the page at `va` may be executed, as far as it matters: a page without decoded code is asked when it is fetched. */
  #knowsFetch(entry: MapEntry, va: number, host: number): boolean {
    if (!this.checkExecute) return true;
    if (this.#memory.codePages[this.#memory.hpnOf(host)] === 0) return false;
    return this.#walkFetch(entry, va) >= 0;
  }

  #translateFetch(va: number): number {
    const page = va - (va & 0xfff);
    if (page === this.#fetchPage) return this.#fetchHost + (va & 0xfff);
    const entry = this.#find(va);
    const index = entry === null ? -1 : this.#walkFetch(entry, va);
    if (index < 0) return -1 - (PF_USER | PGEX_I);
    this.faults++;
    const host = entry!.image.hostBase + index * 4096;
    // What is cached for reading and writing stays; a write would otherwise have to walk again.
    if (this.#i32[(this.#table.address >>> 2) + (va >>> 12) * 2] === 0)
      this.#table.fill(va, host, true, false, true);
    else this.#table.allowFetch(va);
    this.#fetchPage = page;
    this.#fetchHost = host;
    return host + (va & 0xfff);
  }
  /** Page index in the image of the page to fetch from at `va`; negative when it may not be executed. */
  #walkFetch(entry: MapEntry, va: number): number {
    if ((entry.prot & PROT_EXEC) === 0) return -1;
    const { image } = entry;
    const index = entry.pindex + ((va - entry.start) >>> 12);
    if (entry.vpagetable) return image.fetchWalker.walk(entry.master, index, ACCESS_EXEC);
    return index < image.npages ? index : -1;
  }

  #invalidate(start: number, length: number): void {
    this.#fetchPage = -1;
    this.#table.invalidate(start, length);
  }

  #find(va: number): MapEntry | null {
    const hint = this.#hint;
    if (hint !== null && va >= hint.start && va < hint.end) return hint;
    for (const entry of this.#entries) {
      if (va < entry.start) return null;
      if (va < entry.end) {
        this.#hint = entry;
        return entry;
      }
    }
    return null;
  }

  /**
   * Maps `len` bytes of `image` from byte `offset` on. Returns the address. The rules and their order are those of mmap
   * (vm_mmap.c: kern_mmap); `image` is null for MAP_ANON. Throws HostErrno EINVAL, ENOMEM, EBADF, ENODEV.
   */
  mmap(
    addr: number,
    len: number,
    prot: number,
    flags: number,
    image: MemoryImage | null,
    offset: number,
  ): number {
    if (len < 0 || len > 0x7fff_ffff || ((flags & MAP_ANON) !== 0 && image !== null))
      throw einval("mmap: length or descriptor");
    const vpagetable = (flags & MAP_VPAGETABLE) !== 0;
    if (vpagetable && (flags & MAP_STACK) !== 0) throw einval("mmap: MAP_VPAGETABLE with MAP_STACK");
    if (vpagetable && (prot & PROT_RW) !== PROT_RW)
      throw einval("mmap: MAP_VPAGETABLE needs PROT_READ and PROT_WRITE");
    const pageOffset = offset % 4096;
    const size = roundPage(len + pageOffset);
    let start = addr >>> 0;
    if ((flags & MAP_FIXED) !== 0) {
      start -= pageOffset;
      if (start < 0 || start % 4096 !== 0)
        throw einval("mmap: MAP_FIXED address is not congruent with the offset");
      if (start + size > VM_MAX_USER_ADDRESS) throw einval("mmap: range ends beyond the user limit");
    }
    if ((flags & MAP_ANON) !== 0)
      throw new HostErrno("ENODEV", 19, "mmap: a VM space is backed by a memory image");
    if (image === null) throw new HostErrno("EBADF", 9, "mmap: no memory image given");
    if (size === 0) return start;
    if ((flags & MAP_FIXED) !== 0) this.#remove(start, start + size);
    else start = this.#findSpace(roundPage(start), size);
    // PROT_READ implies execute on i386.
    const granted = (prot & PROT_READ) !== 0 ? prot | PROT_EXEC : prot;
    const entry = new MapEntry(start, start + size, granted, image, (offset - pageOffset) / 4096, vpagetable);
    const at = this.#entries.findIndex((other) => other.start > start);
    this.#entries.splice(at < 0 ? this.#entries.length : at, 0, entry);
    return start + pageOffset;
  }

  #findSpace(from: number, size: number): number {
    let start = from;
    for (const entry of this.#entries) {
      if (entry.end <= start) continue;
      if (entry.start >= start + size) break;
      start = entry.end;
    }
    if (start + size > VM_MAX_USER_ADDRESS)
      throw new HostErrno("ENOMEM", 12, `mmap: no room for ${size} bytes`);
    return start;
  }

  /** Unmaps. Throws EINVAL for a wrap, a range beyond the user limit, or one with a hole. Size 0 is success. */
  munmap(addr: number, len: number): void {
    const pageOffset = addr % 4096;
    const start = addr - pageOffset;
    const end = start + roundPage(len + pageOffset);
    if (len < 0 || end > VM_MAX_USER_ADDRESS) throw einval("munmap: range ends beyond the user limit");
    if (len === 0) return;
    let covered = start;
    for (const entry of this.#entries) {
      if (entry.end <= covered) continue;
      if (entry.start > covered) break;
      covered = entry.end;
      if (covered >= end) break;
    }
    if (covered < end) throw einval("munmap: a hole in the range");
    this.#remove(start, end);
  }

  #clip(at: number): void {
    const i = this.#entries.findIndex((entry) => entry.start < at && at < entry.end);
    if (i >= 0) this.#entries.splice(i + 1, 0, this.#entries[i]!.split(at));
  }

  #remove(start: number, end: number): void {
    this.#clip(start);
    this.#clip(end);
    this.#entries = this.#entries.filter((entry) => entry.end <= start || entry.start >= end);
    this.#hint = null;
    this.#invalidate(start, end - start);
  }

  /**
   * MADV_INVAL drops cached translations of the range; MADV_SETMAP gives its virtual page tables the master entry `value`,
   * clipping at the range's ends. Throws EINVAL for another behaviour, a bad range, or SETMAP on a linear mapping (the
   * other entries of the range are still set).
   */
  mcontrol(addr: number, len: number, behav: number, value: number): void {
    if (behav < 0 || behav > MADV_SETMAP) throw einval(`mcontrol: behaviour ${behav}`);
    const start = addr - (addr % 4096);
    const end = roundPage(addr + len);
    if (len < 0 || end > VM_MAX_USER_ADDRESS) throw einval("mcontrol: range ends beyond the user limit");
    if (behav === MADV_INVAL) {
      this.#invalidate(start, end - start);
    } else if (behav === MADV_SETMAP) {
      this.#clip(start);
      this.#clip(end);
      let refused = false;
      for (const entry of this.#entries) {
        if (entry.end <= start || entry.start >= end) continue;
        if (entry.vpagetable) entry.master = value | 0;
        else refused = true;
      }
      this.#invalidate(start, end - start);
      if (refused) throw einval("mcontrol: MADV_SETMAP on a mapping without a virtual page table");
    }
  }

  /** Drops every cached write permission of the range and keeps the read permissions. */
  withdrawWrite(addr: number, len: number): void {
    this.#table.withdrawWrite(addr, len);
  }

  /** Empties the space and gives its table back. */
  destroy(): void {
    this.#fetchPage = -1;
    this.#entries = [];
    this.#hint = null;
    this.#table.release();
  }
}
