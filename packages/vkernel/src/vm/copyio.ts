// SPDX-License-Identifier: BSD-3-Clause
/**
 * The only ways in which the kernel touches the memory of a process: every address is looked up in the caller's page
 * tables, with the right that the access needs, and faulted in where it is missing (I-PTR).
 *
 * User addresses may be given signed or unsigned. All functions throw EFAULT for memory that the process could not access
 * so itself, ENOMEM when a page could not be had, and IoMiss when a mapped file has to be read first; what has been
 * copied until then stays copied. Stores of a system call that would have to wait are put off instead (late-stores.ts): the
 * call need not ask before it changes anything whether its results can be stored.
 *
 * Counterpart: DragonFly 2.0 sys/platform/vkernel/platform/copyio.c.
 * @module
 */
import { EFAULT, ENAMETOOLONG, ENOMEM, Errno } from "../sys/errno.ts";
import { PROT_WRITE, VM_MAX_USER_ADDRESS as VM_MAX_USER_ADDRESS_ } from "../sys/mman.ts";
import { IoMiss } from "../sys/wait.ts";
import { FAULT_NOMEM, FAULT_OK, vmFault, vmFaultForced } from "./fault.ts";
import { pmapOwnPte, VPTE_A, VPTE_FRAME as VPTE_FRAME_, VPTE_M, VPTE_MANAGED, VPTE_R, VPTE_V, VPTE_W } from "./pmap.ts";
import type { Vmspace } from "./vmspace.ts";

const VM_MAX_USER_ADDRESS = VM_MAX_USER_ADDRESS_;
const FRAME = VPTE_FRAME_;
const READABLE = VPTE_V | VPTE_R;
const WRITABLE = VPTE_V | VPTE_W;
const MARKS = VPTE_A | VPTE_M;
/** Up to here bytes are moved one by one; the call of a typed array method costs more. */
const BYTEWISE = 24;

/** Physical address of the user byte at `va` (unsigned) for reading. */
export function readablePa(vm: Vmspace, va: number): number {
  const pm = vm.pmap;
  const u32 = vm.sys.phys.u32;
  const pde = u32[pm.pdirWord + (va >>> 22)]!;
  if ((pde & READABLE) === READABLE && va < VM_MAX_USER_ADDRESS) {
    const pte = u32[((pde >>> 12) << 10) + ((va >>> 12) & 0x3ff)]!;
    if ((pte & READABLE) === READABLE) return ((pte & FRAME) >>> 0) + (va & 0xfff);
  }
  faultSlow(vm, va, false);
  return readablePa(vm, va);
}

/** Physical address of the user byte at `va` (unsigned) for writing; the page is marked modified. */
export function writablePa(vm: Vmspace, va: number): number {
  const pa = presentPa(vm, va);
  if (pa >= 0) return pa;
  faultSlow(vm, va, true);
  return writablePa(vm, va);
}

/** writablePa() where the process may write without a fault, else −1. */
function presentPa(vm: Vmspace, va: number): number {
  const pm = vm.pmap;
  const u32 = vm.sys.phys.u32;
  const pde = u32[pm.pdirWord + (va >>> 22)]!;
  if ((pde & WRITABLE) === WRITABLE && va < VM_MAX_USER_ADDRESS) {
    const at = ((pde >>> 12) << 10) + ((va >>> 12) & 0x3ff);
    const pte = u32[at]!;
    if ((pte & WRITABLE) === WRITABLE) {
      if ((pte & MARKS) !== MARKS) u32[at] = pte | MARKS;
      return ((pte & FRAME) >>> 0) + (va & 0xfff);
    }
  }
  return -1;
}

/**
 * writablePa(), or −1 when the `len` bytes at src[off…] are to be stored later: their page has to come from a disk, or others are
 * to be stored before them.
 */
function storablePa(vm: Vmspace, va: number, src: Uint8Array, off: number, len: number): number {
  const { late } = vm.sys;
  if (!late.armed) return writablePa(vm, va);
  if (late.stores.length === 0) {
    try {
      return writablePa(vm, va);
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
    }
  }
  late.stores.push({ vm, uaddr: va, bytes: src.slice(off, off + len) });
  return -1;
}

function faultSlow(vm: Vmspace, va: number, write: boolean): void {
  const result = vmFault(vm, va, write);
  if (result !== FAULT_OK) throw result === FAULT_NOMEM ? ENOMEM : EFAULT;
}

/** Throws EFAULT unless [va, va + len) lies in user memory; no page is looked at. */
function checkRange(va: number, len: number): void {
  if (len < 0 || va + len > VM_MAX_USER_ADDRESS) throw EFAULT;
}

/** Copies `len` user bytes at `uaddr` to dst[off…]. */
export function copyin(vm: Vmspace, uaddr: number, dst: Uint8Array, off: number, len: number): void {
  let va = uaddr >>> 0;
  checkRange(va, len);
  const u8 = vm.sys.phys.u8;
  while (len > 0) {
    const pa = readablePa(vm, va);
    const n = Math.min(len, 4096 - (va & 0xfff));
    if (n <= BYTEWISE) for (let i = 0; i < n; i++) dst[off + i] = u8[pa + i]!;
    else dst.set(u8.subarray(pa, pa + n), off);
    va += n;
    off += n;
    len -= n;
  }
}

/** Copies src[off…] to `len` user bytes at `uaddr`. */
export function copyout(vm: Vmspace, src: Uint8Array, off: number, uaddr: number, len: number): void {
  let va = uaddr >>> 0;
  checkRange(va, len);
  const phys = vm.sys.phys;
  const u8 = phys.u8;
  while (len > 0) {
    let pa = presentPa(vm, va);
    if (pa < 0) pa = storablePa(vm, va, src, off, len);
    if (pa < 0) return;
    const n = Math.min(len, 4096 - (va & 0xfff));
    if (n <= BYTEWISE) for (let i = 0; i < n; i++) u8[pa + i] = src[off + i]!;
    else u8.set(src.subarray(off, off + n), pa);
    phys.written(pa, n);
    va += n;
    off += n;
    len -= n;
  }
}

/**
 * As copyout, for debuggers: stores into private mappings that forbid it, too, and only this process sees them. Throws EFAULT
 * where nothing is mapped, or a shared mapping forbids stores.
 */
export function copyoutForced(vm: Vmspace, src: Uint8Array, off: number, uaddr: number, len: number): void {
  let va = uaddr >>> 0;
  checkRange(va, len);
  const { phys, pages } = vm.sys;
  while (len > 0) {
    const entry = vm.map.find(va);
    const n = Math.min(len, 4096 - (va & 0xfff));
    const at = pmapOwnPte(vm.pmap, va);
    if (at === 0) throw ENOMEM;
    const pte = phys.u32[at]!;
    const own = pte >>> 12 !== 0 && (pte & (VPTE_V | VPTE_MANAGED)) === VPTE_V && pages.refs[pte >>> 12] === 1;
    if (entry !== null && (entry.prot & PROT_WRITE) !== 0) copyout(vm, src, off, va, n);
    else if (own) {
      const pa = ((pte & FRAME) >>> 0) + (va & 0xfff);
      phys.u8.set(src.subarray(off, off + n), pa);
      phys.written(pa, n);
    } else {
      const result = vmFaultForced(vm, va);
      if (result !== FAULT_OK) throw result === FAULT_NOMEM ? ENOMEM : EFAULT;
      continue;
    }
    va += n;
    off += n;
    len -= n;
  }
}

/** Stores zeros into `len` user bytes. */
export function zeroout(vm: Vmspace, uaddr: number, len: number): void {
  let va = uaddr >>> 0;
  checkRange(va, len);
  const phys = vm.sys.phys;
  while (len > 0) {
    const pa = writablePa(vm, va);
    const n = Math.min(len, 4096 - (va & 0xfff));
    phys.u8.fill(0, pa, pa + n);
    phys.written(pa, n);
    va += n;
    len -= n;
  }
}

/**
 * Reads a NUL-terminated byte string of at most `max` bytes, NUL included. Throws ENAMETOOLONG when there is no NUL among
 * them, EFAULT when the memory ends first.
 */
export function copyinstr(vm: Vmspace, uaddr: number, max: number): string {
  const u8 = vm.sys.phys.u8;
  let va = uaddr >>> 0;
  let text = "";
  while (max > 0) {
    checkRange(va, 1);
    const pa = readablePa(vm, va);
    const n = Math.min(max, 4096 - (va & 0xfff));
    for (let i = 0; i < n; i++) {
      const byte = u8[pa + i]!;
      if (byte === 0) return text;
      text += String.fromCharCode(byte);
    }
    va += n;
    max -= n;
  }
  throw ENAMETOOLONG;
}

/**
 * For calls that are going to look at `len` bytes at `uaddr` when they have changed something: throws IoMiss when that would have to
 * wait for a disk. What is not there is no concern of this.
 */
export function bringIn(vm: Vmspace, uaddr: number, len: number): void {
  const start = uaddr >>> 0;
  try {
    for (let va = start; va < start + len; va += 4096 - (va & 0xfff)) readablePa(vm, va);
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
  }
}

const $scratchWord = new Uint8Array(4);
const $scratchView = new DataView($scratchWord.buffer);

/** Reads a 32-bit user word, signed. */
export function fuword(vm: Vmspace, uaddr: number): number {
  const va = uaddr >>> 0;
  if ((va & 3) === 0) return vm.sys.phys.i32[readablePa(vm, va) >>> 2]!;
  copyin(vm, va, $scratchWord, 0, 4);
  return $scratchView.getInt32(0, true);
}

/** Stores a 32-bit user word. */
export function suword(vm: Vmspace, uaddr: number, value: number): void {
  const va = uaddr >>> 0;
  if ((va & 3) === 0) {
    const pa = presentPa(vm, va);
    if (pa >= 0) {
      vm.sys.phys.i32[pa >>> 2] = value;
      vm.sys.phys.written(pa, 4);
      return;
    }
  }
  $scratchView.setInt32(0, value, true);
  copyout(vm, $scratchWord, 0, va, 4);
}

/** Reads a 16-bit user word, unsigned. */
export function fuhalf(vm: Vmspace, uaddr: number): number {
  copyin(vm, uaddr, $scratchWord, 0, 2);
  return $scratchView.getUint16(0, true);
}

export function suhalf(vm: Vmspace, uaddr: number, value: number): void {
  $scratchView.setUint16(0, value, true);
  copyout(vm, $scratchWord, 0, uaddr, 2);
}

/** Reads a user byte, unsigned. */
export function fubyte(vm: Vmspace, uaddr: number): number {
  return vm.sys.phys.u8[readablePa(vm, uaddr >>> 0)]!;
}

export function subyte(vm: Vmspace, uaddr: number, value: number): void {
  $scratchWord[0] = value;
  copyout(vm, $scratchWord, 0, uaddr, 1);
}

/** Copies `words` 32-bit words in. */
export function copyinWords(vm: Vmspace, uaddr: number, dst: Int32Array, words: number): void {
  for (let i = 0; i < words; i++) dst[i] = fuword(vm, uaddr + i * 4);
}

/** Copies `words` 32-bit words out. */
export function copyoutWords(vm: Vmspace, src: Int32Array, uaddr: number, words: number): void {
  for (let i = 0; i < words; i++) suword(vm, uaddr + i * 4, src[i]!);
}

/** Compare and set of an aligned user word: stores `value` if the word is `old`; returns the word as it was (signed). */
export function casuword(vm: Vmspace, uaddr: number, old: number, value: number): number {
  const va = uaddr >>> 0;
  if ((va & 3) !== 0) throw EFAULT;
  const pa = writablePa(vm, va);
  const i32 = vm.sys.phys.i32;
  const was = i32[pa >>> 2]!;
  if (was === (old | 0)) {
    i32[pa >>> 2] = value;
    vm.sys.phys.written(pa, 4);
  }
  return was;
}

/**
 * What a futex or umtx sleeper waits for: a number that is the same for two user addresses exactly when they name the same
 * word of shared memory, or the same private address of one address space. Throws EFAULT when nothing is mapped.
 */
export function uwordKey(vm: Vmspace, uaddr: number): number {
  const va = uaddr >>> 0;
  const entry = vm.map.find(va);
  if (entry === null) throw EFAULT;
  const { object } = entry;
  if (!entry.shared || object === null) return vm.serial * 0x1_0000_0000 + va;
  return -(object.id * 0x1_0000_0000 + ((entry.offset + (va - entry.start)) % 0x1_0000_0000));
}
