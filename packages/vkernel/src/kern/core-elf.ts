// SPDX-License-Identifier: BSD-3-Clause
/**
 * The shape of a core file: which memory of a process belongs in it, and the ELF headers in front (Linux fs/binfmt_elf.c, elf_core_dump and
 * vma_dump_size; System V ABI, chapters 4 and 5).
 * @module
 */
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../sys/mman.ts";
import { VnodePager } from "../vfs/vnode-pager.ts";
import type { VmMapEntry } from "../vm/map-entry.ts";
import { isSwapped } from "../vm/pageout.ts";
import { pmapPte, VPTE_MANAGED } from "../vm/pmap.ts";
import { mapEntries, type Vmspace } from "../vm/vmspace.ts";

/** Bits of /proc/PID/coredump_filter (core(5)). */
const ANON_PRIVATE = 0x01;
const ANON_SHARED = 0x02;
const MAPPED_PRIVATE = 0x04;
const MAPPED_SHARED = 0x08;
const ELF_HEADERS = 0x10;
export const CORE_FILTER_DEFAULT = 0x33;
export const CORE_FILTER_BITS = 0x1ff;

/** A range of memory, and how much of it from its start is in the file, bytes. */
export interface CoreSegment {
  readonly entry: VmMapEntry;
  readonly start: number;
  readonly end: number;
  readonly filesz: number;
}

const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const ET_CORE = 4;
const EM_386 = 3;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const ELF_MAGIC = 0x464c_457f;

/** Whether some page of a private mapping is the process's own. */
function hasOwnPages(vm: Vmspace, entry: VmMapEntry, start: number): boolean {
  for (let va = start; va < entry.end; va += PAGE_SIZE) {
    const pte = pmapPte(vm.pmap, va);
    if (isSwapped(pte) || (pte >>> 12 !== 0 && (pte & VPTE_MANAGED) === 0)) return true;
  }
  return false;
}

/** Bytes of an entry that go into the file. `firstWord` reads the first word of a file's pages; it may throw IoMiss. */
function dumpSize(vm: Vmspace, entry: VmMapEntry, start: number, filter: number, firstWord: (entry: VmMapEntry) => number): number {
  const size = entry.end - start;
  const has = (bit: number): boolean => (filter & bit) !== 0;
  if (entry.noCore) return 0;
  const pager = entry.object?.pager ?? null;
  const vp = pager instanceof VnodePager ? pager.vp : null;
  if (entry.shared) return has(vp === null || vp.getattr().nlink === 0 ? ANON_SHARED : MAPPED_SHARED) ? size : 0;
  if (has(ANON_PRIVATE) && hasOwnPages(vm, entry, start)) return size;
  if (vp === null) return 0;
  if (has(MAPPED_PRIVATE)) return size;
  if (has(ELF_HEADERS) && entry.offset === 0 && (entry.prot & PROT_READ) !== 0 && firstWord(entry) === ELF_MAGIC) return PAGE_SIZE;
  return 0;
}

/** All mappings of a process in the order of addresses. May throw IoMiss, and be called again. */
export function coreSegments(vm: Vmspace, filter: number, firstWord: (entry: VmMapEntry) => number): CoreSegment[] {
  return mapEntries(vm).map((entry) => {
    const start = vm.usedStart(entry);
    return { entry, start, end: entry.end, filesz: dumpSize(vm, entry, start, filter, firstWord) };
  });
}

/** The file's beginning, in whole pages: ELF header, program headers, notes. The segments' contents follow in order. */
export function coreHeaders(segments: readonly CoreSegment[], notes: Uint8Array): Uint8Array {
  const phnum = segments.length + 1;
  const notesAt = EHDR_BYTES + phnum * PHDR_BYTES;
  const out = new Uint8Array(Math.ceil((notesAt + notes.length) / PAGE_SIZE) * PAGE_SIZE);
  const dv = new DataView(out.buffer);
  // e_ident: magic, 32 bits, little-endian, version 1, System V
  dv.setUint32(0, ELF_MAGIC, true);
  out.set([1, 1, 1, 0], 4);
  dv.setUint16(16, ET_CORE, true);
  dv.setUint16(18, EM_386, true);
  dv.setUint32(20, 1, true);
  dv.setUint32(28, EHDR_BYTES, true);
  dv.setUint16(40, EHDR_BYTES, true);
  dv.setUint16(42, PHDR_BYTES, true);
  dv.setUint16(44, phnum, true);
  const header = (i: number, words: readonly number[]): void =>
    words.forEach((word, n) => dv.setUint32(EHDR_BYTES + i * PHDR_BYTES + 4 * n, word, true));
  // p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align
  header(0, [PT_NOTE, notesAt, 0, 0, notes.length, 0, 0, 4]);
  let offset = out.length;
  segments.forEach(({ entry, start, end, filesz }, i) => {
    const flags = ((entry.prot & PROT_READ) !== 0 ? PF_R : 0) | ((entry.prot & PROT_WRITE) !== 0 ? PF_W : 0) | ((entry.prot & PROT_EXEC) !== 0 ? PF_X : 0);
    header(i + 1, [PT_LOAD, offset, start, 0, filesz, end - start, flags, PAGE_SIZE]);
    offset += filesz;
  });
  out.set(notes, notesAt);
  return out;
}
