// SPDX-License-Identifier: BSD-3-Clause
/**
 * Address spaces of processes: a map, its pmap, and where the heap and new mappings go.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_map.c (vmspace_alloc, vmspace_fork, vmspace_free).
 * @module
 */
import { ENOMEM } from "../sys/errno.ts";
import { INHERIT_NONE, INHERIT_ZERO, PAGE_SIZE, PROT_READ, PROT_WRITE, VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import { UNWIRED, type VmMapEntry, type Wired } from "./map-entry.ts";
import { VmMap } from "./map.ts";
import { pmapCreate, pmapDestroy, pmapFork, pmapPteIndex, pmapRemove, pmapResidentCount, type Pmap } from "./pmap.ts";
import type { VmSystem } from "./system.ts";

/** Room kept below the top of user memory for the stack and its growth when no exec has said otherwise. */
const DEFAULT_STACK_ROOM = 0x0800_0000;

export class Vmspace {
  readonly sys: VmSystem;
  readonly pmap: Pmap;
  readonly map: VmMap;
  /** Unique in this system; part of futex keys. */
  readonly serial: number;
  /** Processes and other holders. */
  refs = 1;
  /** The heap: set by exec to the end of the program's data; brkEnd moves. Equal while there is no heap. */
  brkBase = 0;
  brkEnd = 0;
  /** Protection of the heap: executable for programs of systems where readable memory is. */
  heapProt = PROT_READ | PROT_WRITE;
  /** New mappings without an address are placed downward from here. */
  mmapTop = VM_MAX_USER_ADDRESS - DEFAULT_STACK_ROOM;

  /** Told when the last reference has gone; null while nobody asks. */
  onEnd: (() => void) | null = null;

  /** Some of it was locked in memory: mlock(2). */
  hasWired = false;
  /** What is mapped from now on is locked, too: mlockall(MCL_FUTURE). */
  wireFuture: Wired = UNWIRED;

  /** Use vmspaceAlloc(). */
  constructor(sys: VmSystem, pmap: Pmap) {
    this.sys = sys;
    this.pmap = pmap;
    this.map = new VmMap(pmap);
    this.serial = sys.nextSerial();
    sys.spaces.add(this);
  }

  /** Id of the host's VM space that runs it. */
  get hostId(): number {
    return this.pmap.id;
  }

  #peakPages = 0;

  /** Pages present in memory; walks the page tables. */
  residentPages(): number {
    const pages = pmapResidentCount(this.pmap);
    if (pages > this.#peakPages) this.#peakPages = pages;
    return pages;
  }

  /** The largest residentPages() seen so far, now included. */
  peakResidentPages(): number {
    this.residentPages();
    return this.#peakPages;
  }

  /** Pages in swap space; walks the page tables. */
  swappedPages(): number {
    return pmapResidentCount(this.pmap, true);
  }

  /**
   * Where an entry begins for those who count memory: a stack is mapped in full length, and has grown as far as it was used.
   */
  usedStart(entry: VmMapEntry): number {
    let { start } = entry;
    if (entry.tag !== "stack") return start;
    const { u32 } = this.sys.phys;
    for (; start < entry.end - PAGE_SIZE; start += PAGE_SIZE) {
      const at = pmapPteIndex(this.pmap, start);
      if (at !== 0 && u32[at] !== 0) break;
    }
    return start;
  }

  /** Bytes of mappings whose pages stay in memory: mlock(2). */
  lockedBytes(): number {
    let bytes = 0;
    for (const entry of this.map.entries) if (entry.wired !== UNWIRED) bytes += entry.end - this.usedStart(entry);
    return bytes;
  }

  /** Bytes mapped, of stacks as far as they have grown. */
  usedBytes(): number {
    let bytes = 0;
    for (const entry of this.map.entries) bytes += entry.end - this.usedStart(entry);
    return bytes;
  }

  /** Bytes mapped. */
  sizeBytes(): number {
    return this.map.size;
  }

  #running = true;

  /** For vmspaceFree() only; may be called again after it has thrown. */
  tearDown(): void {
    if (this.#running) {
      pmapDestroy(this.pmap);
      this.sys.spaces.delete(this);
    }
    this.#running = false;
    const entries = this.map.entries;
    while (entries.length !== 0) entries.pop()!.detach();
  }
}

/** An empty address space with one reference. Throws ENOMEM. */
export function vmspaceAlloc(sys: VmSystem): Vmspace {
  const pmap = pmapCreate(sys);
  if (pmap === null) throw ENOMEM;
  return new Vmspace(sys, pmap);
}

/** Takes another reference. */
export function vmspaceRef(vm: Vmspace): Vmspace {
  vm.refs++;
  return vm;
}

/** A copy of `vm` for a child process: shared mappings shared, private ones copied on write. Throws ENOMEM. */
export function vmspaceFork(vm: Vmspace): Vmspace {
  const child = vmspaceAlloc(vm.sys);
  child.brkBase = vm.brkBase;
  child.brkEnd = vm.brkEnd;
  child.mmapTop = vm.mmapTop;
  child.heapProt = vm.heapProt;
  pmapFork(vm.pmap, child.pmap);
  let dropped = true;
  for (const entry of vm.map.entries) {
    if (entry.inherit === INHERIT_NONE || entry.inherit === INHERIT_ZERO) {
      dropped = pmapRemove(child.pmap, entry.start, entry.end) && dropped;
      if (entry.inherit === INHERIT_NONE) continue;
    }
    const copy = entry.slice(child.pmap, entry.start, entry.end);
    // Locks are not inherited
    copy.wired = UNWIRED;
    child.map.entries.push(copy);
    copy.attach();
  }
  if (!dropped) {
    vmspaceFree(child);
    throw ENOMEM;
  }
  return child;
}

/**
 * Drops a reference; the last one releases everything. Nothing may run in the space then. Giving files back may throw
 * IoMiss: the reference then still exists, and the call is made again.
 */
export function vmspaceFree(vm: Vmspace): void {
  if (vm.refs > 1) {
    vm.refs--;
    return;
  }
  if (vm.refs < 1) throw new Error(`I-REF: vmspace ${vm.serial} was released twice`);
  vm.tearDown();
  vm.refs = 0;
  vm.onEnd?.();
}

/** Entries in ascending order. */
export function mapEntries(vm: Vmspace): readonly VmMapEntry[] {
  return vm.map.entries;
}
