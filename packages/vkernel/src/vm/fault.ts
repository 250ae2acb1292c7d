// SPDX-License-Identifier: BSD-3-Clause
/**
 * Page faults: makes the page at an address present with the rights that the access needs.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_fault.c.
 * @module
 */
import { Errno } from "../sys/errno.ts";
import {
  PAGE_SIZE as PAGE_SIZE_,
  PROT_EXEC as PROT_EXEC_,
  PROT_WRITE as PROT_WRITE_,
  VM_MAX_USER_ADDRESS as VM_MAX_USER_ADDRESS_,
} from "../sys/mman.ts";
import type { VmMapEntry } from "./map-entry.ts";
import { PAGE_BEYOND as PAGE_BEYOND_, type VmObject } from "./object.ts";
import {
  VPTE_M as VPTE_M_,
  VPTE_MANAGED as VPTE_MANAGED_,
  VPTE_W as VPTE_W_,
  VPTE_X,
  pmapOwnPte as pmapOwnPte_,
  pmapPte,
  pteBits as pteBits_,
  pteDrop,
} from "./pmap.ts";
import { isSwapped as isSwapped_, swapIn } from "./pageout.ts";
import type { Vmspace } from "./vmspace.ts";

const PAGE_SIZE = PAGE_SIZE_,
  PROT_EXEC = PROT_EXEC_,
  PROT_WRITE = PROT_WRITE_,
  VM_MAX_USER_ADDRESS = VM_MAX_USER_ADDRESS_;
const PAGE_BEYOND = PAGE_BEYOND_;
const M = VPTE_M_,
  MANAGED = VPTE_MANAGED_,
  W = VPTE_W_;
const isSwapped = isSwapped_;
const pmapOwnPte = pmapOwnPte_,
  pteBits = pteBits_;

/** The access may be repeated now. */
export const FAULT_OK = 0;
/** Nothing is mapped there: SIGSEGV, SEGV_MAPERR. */
export const FAULT_MAPERR = 1;
/** The mapping forbids the access: SIGSEGV, SEGV_ACCERR. */
export const FAULT_ACCERR = 2;
/** Beyond the end of the mapped file, or it could not be read: SIGBUS. */
export const FAULT_BUSERR = 3;
/** Memory is exhausted; a process has to end. */
export const FAULT_NOMEM = 4;

/** Resident neighbours are entered together in windows of this many bytes. */
const FAULT_AROUND = 0x1_0000;

/**
 * Resolves an access to `va` (unsigned): a store if `write`, an instruction fetch if `fetch`. Returns FAULT_OK or another
 * FAULT_*; throws IoMiss, with nothing changed, when a page of a file has to be read first.
 */
export function vmFault(vm: Vmspace, va: number, write: boolean, fetch = false): number {
  if (va >= VM_MAX_USER_ADDRESS) return FAULT_MAPERR;
  const entry = vm.map.find(va);
  if (entry === null) return FAULT_MAPERR;
  const prot = entry.prot;
  if (prot === 0 || (write && (prot & PROT_WRITE) === 0)) return FAULT_ACCERR;
  return resolve(vm, entry, va, write, fetch);
}

/**
 * Gives the process a page of its own at `va` for a debugger to write into, though its mapping may forbid stores: the rights of
 * the process stay what they are. Shared mappings that forbid stores are refused (FAULT_ACCERR). Throws as vmFault.
 */
export function vmFaultForced(vm: Vmspace, va: number): number {
  if (va >= VM_MAX_USER_ADDRESS) return FAULT_MAPERR;
  const entry = vm.map.find(va);
  if (entry === null) return FAULT_MAPERR;
  if (entry.shared && (entry.prot & PROT_WRITE) === 0) return FAULT_ACCERR;
  return resolve(vm, entry, va, true, false);
}

/**
 * Enters the page of a file at `va` that may be executed, and its neighbours, when it is resident, as a fault would. Returns
 * whether the page is there now. Reads nothing and changes nothing else.
 */
export function vmEnterResident(vm: Vmspace, va: number): boolean {
  const entry = va < VM_MAX_USER_ADDRESS ? vm.map.find(va) : null;
  if (entry === null || (entry.prot & PROT_EXEC) === 0 || entry.object === null) return false;
  const pte = pmapPte(vm.pmap, va);
  if (isSwapped(pte)) return false;
  if (pte >>> 12 === 0) {
    const pindex = Math.floor((entry.offset + (va - entry.start)) / PAGE_SIZE);
    if (entry.object.resident(pindex) === 0) return false;
  }
  return resolve(vm, entry, va, false, true) === FAULT_OK;
}

function resolve(vm: Vmspace, entry: VmMapEntry, va: number, write: boolean, fetch: boolean): number {
  const prot = entry.prot;
  if (fetch) {
    if ((prot & PROT_EXEC) === 0) return FAULT_ACCERR;
    const pte = pmapPte(vm.pmap, va);
    if (pte >>> 12 !== 0 && !isSwapped(pte)) return allowFetch(vm, va);
  }
  if (entry.object !== null) return objectFault(vm, entry, entry.object, va, write);

  const sys = vm.sys;
  const at = pmapOwnPte(vm.pmap, va);
  if (at === 0) return FAULT_NOMEM;
  const u32 = sys.phys.u32;
  const pte = u32[at]!;
  if (pte >>> 12 === 0) {
    const pn = sys.pages.allocZeroed();
    if (pn === 0) return FAULT_NOMEM;
    u32[at] = (pn << 12) | pteBits(prot, true) | (write ? M : 0);
    sys.faults++;
    return FAULT_OK;
  }
  if (isSwapped(pte)) return fromSwap(vm, va, prot);
  return write ? anonymousWrite(vm, va, at, pte, prot) : FAULT_OK;
}

/** The page is in swap space. */
function fromSwap(vm: Vmspace, va: number, prot: number): number {
  try {
    if (!swapIn(vm, va, prot)) return FAULT_NOMEM;
  } catch (e) {
    if (e instanceof Errno) return FAULT_BUSERR;
    throw e;
  }
  vm.sys.faults++;
  vm.sys.pageIns++;
  return FAULT_OK;
}

/** The page is there and was entered before its mapping became executable. */
function allowFetch(vm: Vmspace, va: number): number {
  const at = pmapOwnPte(vm.pmap, va);
  if (at === 0) return FAULT_NOMEM;
  vm.sys.phys.u32[at]! |= VPTE_X;
  return FAULT_OK;
}

/** A store into an anonymous page that its entry does not let through: the last holder takes it, others copy. */
function anonymousWrite(vm: Vmspace, va: number, at: number, pte: number, prot: number): number {
  const { pages, phys } = vm.sys;
  if (pages.refs[pte >>> 12] !== 1) return copyPage(vm, va, at, pte, prot);
  phys.u32[at] = pte | ((prot & PROT_WRITE) === 0 ? 0 : W) | M;
  return FAULT_OK;
}

/** Replaces the page that the entry names by a private copy. */
function copyPage(vm: Vmspace, va: number, at: number, pte: number, prot: number): number {
  const sys = vm.sys;
  const { pages, phys } = sys;
  const source = pte >>> 12;
  const pn = allocBeside(vm, source);
  if (pn === 0) return FAULT_NOMEM;
  if (phys.u32[at] !== pte) {
    // Making room took the mapping away; the access repeats and faults anew.
    pages.drop(pn);
    return FAULT_OK;
  }
  phys.copyPage(source, pn);
  phys.u32[at] = (pn << 12) | pteBits(prot, true) | M;
  sys.host.inval(vm.pmap.id, va - (va % PAGE_SIZE), PAGE_SIZE);
  pteDrop(sys, pte);
  sys.cowFaults++;
  return FAULT_OK;
}

/** A page with unspecified contents, or 0; `held` survives the reclaim that this may start. */
function allocBeside(vm: Vmspace, held: number): number {
  const pages = vm.sys.pages;
  pages.refs[held]!++;
  const pn = pages.alloc();
  pages.refs[held]!--;
  return pn;
}

function objectFault(vm: Vmspace, entry: VmMapEntry, object: VmObject, va: number, write: boolean): number {
  const sys = vm.sys;
  const { pages, phys } = sys;
  const { u32 } = phys;
  const prot = entry.prot;
  const present = pmapPte(vm.pmap, va);
  if (present >>> 12 !== 0) {
    if (isSwapped(present)) return fromSwap(vm, va, prot);
    // Present in a table that may be shared: only stores are left to resolve.
    if (!write) return FAULT_OK;
    const at = pmapOwnPte(vm.pmap, va);
    if (at === 0) return FAULT_NOMEM;
    const pte = u32[at]!;
    // Making room for a table took it away; the access repeats.
    if (pte >>> 12 === 0 || isSwapped(pte)) return FAULT_OK;
    if ((pte & MANAGED) === 0) return anonymousWrite(vm, va, at, pte, prot);
    if (!entry.shared) return copyPage(vm, va, at, pte, prot);
    u32[at] = pte | W | M;
    return FAULT_OK;
  }

  const pindex = Math.floor((entry.offset + (va - entry.start)) / PAGE_SIZE);
  let page: number;
  try {
    page = object.page(pindex);
  } catch (e) {
    if (e instanceof Errno) return FAULT_BUSERR;
    throw e;
  }
  if (page === PAGE_BEYOND) return FAULT_BUSERR;
  if (page === 0) return FAULT_NOMEM;
  sys.faults++;
  if (write && !entry.shared) {
    const copy = allocBeside(vm, page);
    if (copy === 0) return FAULT_NOMEM;
    phys.copyPage(page, copy);
    const at = pmapOwnPte(vm.pmap, va);
    if (at === 0) {
      pages.drop(copy);
      return FAULT_NOMEM;
    }
    u32[at] = (copy << 12) | pteBits(prot, true) | M;
    sys.cowFaults++;
    return FAULT_OK;
  }
  pages.refs[page]!++;
  const at = pmapOwnPte(vm.pmap, va);
  if (at === 0) {
    pages.refs[page]!--;
    return FAULT_NOMEM;
  }
  const bits = MANAGED | pteBits(prot, entry.shared);
  u32[at] = (page << 12) | bits | (write ? M : 0);
  if (!write) enterAround(vm, entry, object, va, at, pindex, bits);
  return FAULT_OK;
}

/** Enters resident neighbours of `va` too: programs touch text in runs, and each saves a fault. */
function enterAround(
  vm: Vmspace,
  entry: VmMapEntry,
  object: VmObject,
  va: number,
  at: number,
  pindex: number,
  bits: number,
): void {
  const { pages, phys } = vm.sys;
  const page = va - (va % PAGE_SIZE);
  const window = page - (page % FAULT_AROUND);
  const from = Math.max(window, entry.start);
  const to = Math.min(window + FAULT_AROUND, entry.end);
  for (let near = from; near < to; near += PAGE_SIZE) {
    const distance = (near - page) / PAGE_SIZE;
    // A window lies in one page table, since it is aligned and smaller.
    if (phys.u32[at + distance] !== 0) continue;
    const resident = object.resident(pindex + distance);
    if (resident === 0) continue;
    pages.refs[resident]!++;
    phys.u32[at + distance] = (resident << 12) | bits;
  }
}
