// SPDX-License-Identifier: BSD-3-Clause
/**
 * The ELF image activator: checks headers, finds out for which system a program was made, and maps it
 * (DragonFly 2.0 sys/kern/imgact_elf.c).
 *
 * Invariants
 *   L1  Everything is checked against the file's size before it is used; nothing is allocated by a size that
 *       the file merely claims.
 *   L2  Mapping happens in a new address space: a failure leaves the caller's image alone.
 *   L3  One brand is chosen, in this order: EI_OSABI, ABI note, interpreter's path, kern.fallback_elf_brand.
 *       The environment's default for the last is Linux, since unbranded i386 programs are Linux's in practice
 *       (DragonFly 2.0's default, -1, refuses them).
 * @module
 */
import { ENOEXEC, ENOMEM, type Errno } from "../sys/errno.ts";
import {
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  PAGE_MASK,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  VM_MAX_USER_ADDRESS,
} from "../sys/mman.ts";
import type { VmObject } from "../vm/object.ts";
import { zeroout } from "../vm/copyio.ts";
import { mmap, munmap } from "../vm/mmap.ts";
import type { Vmspace } from "../vm/vmspace.ts";

export const ET_EXEC = 2;
export const ET_DYN = 3;
const EM_386 = 3;
const EM_486 = 6;
export const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_NOTE = 4;
const PT_PHDR = 6;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

export const ELFOSABI_SYSV = 0;
export const ELFOSABI_LINUX = 3;
export const ELFOSABI_FREEBSD = 9;

/** Longest PT_INTERP string with its NUL, largest note segment that is read, most program headers. */
const MAXINTERP = 1024;
const MAXNOTES = 4096;
const MAXPHNUM = 1024;

const trunc = (va: number): number => va - (va % PAGE_SIZE);
const round = (va: number): number => trunc(va + PAGE_MASK);

/** Reads part of the file being executed; a short result means the end of the file. Throws IoMiss, Errno. */
export type ImageReader = (offset: number, len: number) => Uint8Array;

/** Why an image was refused, for the console of whoever started it; the process sees only the errno. */
export class ImageRefused {
  readonly errno: Errno;
  readonly why: string;
  constructor(errno: Errno, why: string) {
    this.errno = errno;
    this.why = why;
  }
}

function refuse(why: string, errno: Errno = ENOEXEC): never {
  throw new ImageRefused(errno, why);
}

export interface ElfSegment {
  vaddr: number;
  offset: number;
  filesz: number;
  memsz: number;
  flags: number;
}

/** What the headers of an ELF file say, checked. */
export interface ElfHeaders {
  type: number;
  osabi: number;
  /** Old FreeBSD style brand name in e_ident[8…], "" if none. */
  brandName: string;
  entry: number;
  phoff: number;
  phnum: number;
  /** Virtual address of the program headers, unbiased; 0 when no segment holds them. */
  phdr: number;
  loads: ElfSegment[];
  /** PT_INTERP, "" for a static program. */
  interp: string;
  /** Name of the ABI note's owner: "DragonFly", "FreeBSD", "GNU", "SuSE", "" when there is none. */
  noteName: string;
  noteDesc: number;
  stackExec: boolean;
}

/** True when the bytes start like an ELF file, whatever its machine. */
export function isElf(head: Uint8Array): boolean {
  return head.length >= 4 && head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

const MACHINES: Readonly<Record<number, string>> = {
  2: "SPARC", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S/390", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V",
};

/** Parses and checks the headers. `size` is the file's size in bytes. Throws ImageRefused, IoMiss. */
export function parseElf(head: Uint8Array, size: number, read: ImageReader): ElfHeaders {
  if (!isElf(head)) refuse("not an ELF file");
  if (head.length < 52) refuse("truncated ELF header");
  const dv = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const machine = dv.getUint16(18, true);
  if (head[4] === 2) refuse(`64-bit ELF (${MACHINES[machine] ?? `machine ${machine}`}): only 32-bit i386 programs can run`);
  if (head[4] !== 1) refuse(`ELF class ${head[4]} is unknown`);
  if (head[5] !== 1) refuse("big-endian ELF: only little-endian i386 programs can run");
  if (head[6] !== 1 || dv.getUint32(20, true) !== 1) refuse("unknown ELF version");
  if (machine !== EM_386 && machine !== EM_486) {
    refuse(`ELF for ${MACHINES[machine] ?? `machine ${machine}`}: only i386 programs can run`);
  }
  const type = dv.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) refuse(`ELF type ${type} is not executable`);
  const entry = dv.getUint32(24, true);
  const phoff = dv.getUint32(28, true);
  const phentsize = dv.getUint16(42, true);
  const phnum = dv.getUint16(44, true);
  if (phentsize !== 32) refuse(`program header size ${phentsize}`);
  if (phnum === 0 || phnum > MAXPHNUM) refuse(`${phnum} program headers`);
  if (phoff + phnum * 32 > size) refuse("program headers lie beyond the end of the file");
  const table = phoff + phnum * 32 <= head.length ? head.subarray(phoff, phoff + phnum * 32) : read(phoff, phnum * 32);
  if (table.length < phnum * 32) refuse("program headers lie beyond the end of the file");

  const h: ElfHeaders = {
    type, osabi: head[7]!, brandName: latin1z(head, 8, 16), entry, phoff, phnum, phdr: 0, loads: [], interp: "", noteName: "",
    noteDesc: 0, stackExec: true,
  };
  const ph = new DataView(table.buffer, table.byteOffset, table.byteLength);
  for (let i = 0; i < phnum; i++) parseProgramHeader(h, ph, i * 32, head, size, read);
  if (h.loads.length === 0) refuse("nothing to load");
  if (h.phdr === 0) {
    for (const s of h.loads) {
      if (phoff >= s.offset && phoff + phnum * 32 <= s.offset + s.filesz) h.phdr = s.vaddr + (phoff - s.offset);
    }
  }
  return h;
}

function parseProgramHeader(
  h: ElfHeaders, ph: DataView, at: number, head: Uint8Array, size: number, read: ImageReader,
): void {
  const type = ph.getUint32(at, true);
  const offset = ph.getUint32(at + 4, true);
  const vaddr = ph.getUint32(at + 8, true);
  const filesz = ph.getUint32(at + 16, true);
  const memsz = ph.getUint32(at + 20, true);
  const flags = ph.getUint32(at + 24, true);
  switch (type) {
    case PT_LOAD:
      if (memsz === 0) return;
      if (filesz > memsz) refuse("a segment is larger in the file than in memory");
      if (offset + filesz > size) refuse("a segment lies beyond the end of the file: the file is truncated");
      if (offset % PAGE_SIZE !== vaddr % PAGE_SIZE) refuse("a segment's address and file offset do not fit together");
      if (vaddr + memsz > VM_MAX_USER_ADDRESS) refuse("a segment lies outside of user memory", ENOMEM);
      h.loads.push({ vaddr, offset, filesz, memsz, flags });
      return;
    case PT_INTERP: {
      if (h.interp !== "") return;
      if (filesz < 2 || filesz > MAXINTERP || offset + filesz > size) refuse("bad interpreter path");
      const bytes = slice(head, offset, filesz, read);
      if (bytes.length < filesz || bytes[filesz - 1] !== 0) refuse("interpreter path is not terminated");
      h.interp = latin1z(bytes, 0, filesz);
      if (h.interp === "") refuse("empty interpreter path");
      return;
    }
    case PT_NOTE:
      if (h.noteName === "" && filesz <= MAXNOTES && offset + filesz <= size) findAbiNote(h, slice(head, offset, filesz, read));
      return;
    case PT_PHDR:
      h.phdr = vaddr;
      return;
    case PT_GNU_STACK:
      h.stackExec = (flags & PF_X) !== 0;
      return;
    default:
  }
}

function slice(head: Uint8Array, offset: number, len: number, read: ImageReader): Uint8Array {
  return offset + len <= head.length ? head.subarray(offset, offset + len) : read(offset, len);
}

function latin1z(bytes: Uint8Array, from: number, to: number): string {
  let s = "";
  for (let i = from; i < to && i < bytes.length && bytes[i] !== 0; i++) s += String.fromCharCode(bytes[i]!);
  return s;
}

/** Scans a note segment for the ABI note: type 1 and a name we know. */
function findAbiNote(h: ElfHeaders, notes: Uint8Array): void {
  const dv = new DataView(notes.buffer, notes.byteOffset, notes.byteLength);
  for (let at = 0; at + 12 <= notes.length; ) {
    const namesz = dv.getUint32(at, true);
    const descsz = dv.getUint32(at + 4, true);
    const type = dv.getUint32(at + 8, true);
    const desc = at + 12 + ((namesz + 3) & ~3);
    if (namesz > MAXNOTES || descsz > MAXNOTES || desc + descsz > notes.length) return;
    const name = latin1z(notes, at + 12, at + 12 + namesz);
    if (type === 1 && descsz >= 4 && ["DragonFly", "FreeBSD", "GNU", "SuSE"].includes(name)) {
      const word = dv.getUint32(desc, true);
      // A GNU note names an operating system in its first word; 0 is Linux.
      if (name !== "GNU" || word === 0) {
        h.noteName = name;
        h.noteDesc = word;
        return;
      }
    }
    at = desc + ((descsz + 3) & ~3);
  }
}

const BSD_INTERPS = ["/usr/libexec/ld-elf.so.2", "/libexec/ld-elf.so.2", "/usr/libexec/ld-elf.so.1", "/libexec/ld-elf.so.1"];

/** Which system a program was made for (L3); null when nothing says so and there is no fallback. */
export function elfBrand(h: ElfHeaders, fallback: number): "dragonfly" | "linux" | null {
  if (h.osabi === ELFOSABI_LINUX) return "linux";
  if (h.osabi === ELFOSABI_FREEBSD) return "dragonfly";
  if (h.brandName.startsWith("Linux")) return "linux";
  if (h.brandName.startsWith("FreeBSD") || h.brandName.startsWith("DragonFly")) return "dragonfly";
  if (h.osabi !== ELFOSABI_SYSV) return null;
  if (h.noteName === "DragonFly" || h.noteName === "FreeBSD") return "dragonfly";
  if (h.noteName === "GNU" || h.noteName === "SuSE") return "linux";
  if (h.interp !== "") {
    if (BSD_INTERPS.includes(h.interp)) return "dragonfly";
    if (/\/ld-(linux|musl|uClibc)[^/]*$/.test(h.interp)) return "linux";
  }
  if (fallback === ELFOSABI_LINUX) return "linux";
  return fallback === ELFOSABI_SYSV || fallback === ELFOSABI_FREEBSD ? "dragonfly" : null;
}

/** Where an image came to lie. */
export interface LoadedElf {
  /** Added to every address in the file. */
  bias: number;
  /** Lowest mapped address; AT_BASE of an interpreter. */
  start: number;
  entry: number;
  /** End of the highest segment, where brk may start. */
  brk: number;
  dataStart: number;
}

/**
 * Maps the segments of an ELF file at `bias` into `vm`, which has nothing there. Throws ENOMEM, IoMiss;
 * ImageRefused when they do not fit into user memory. `readExec`: what is readable is executable too, as in images made
 * for processors without a permission to execute.
 */
export function loadElf(vm: Vmspace, h: ElfHeaders, object: VmObject, bias: number, readExec: boolean): LoadedElf {
  let start = Infinity;
  let brk = 0;
  let dataStart = 0;
  for (const s of h.loads) {
    const va = s.vaddr + bias;
    if (va + s.memsz > VM_MAX_USER_ADDRESS) refuse("a segment lies outside of user memory", ENOMEM);
    start = Math.min(start, trunc(va));
    brk = Math.max(brk, va + s.memsz);
    if ((s.flags & PF_W) !== 0 || dataStart === 0) dataStart = trunc(va);
    loadSegment(vm, s, object, va, readExec);
  }
  return { bias, start, entry: h.entry + bias, brk: round(brk), dataStart };
}

function loadSegment(vm: Vmspace, s: ElfSegment, object: VmObject, va: number, readExec: boolean): void {
  let prot = PROT_NONE;
  if ((s.flags & PF_R) !== 0) prot |= readExec ? PROT_READ | PROT_EXEC : PROT_READ;
  if ((s.flags & PF_W) !== 0) prot |= PROT_WRITE;
  if ((s.flags & PF_X) !== 0) prot |= PROT_EXEC;
  const mapStart = trunc(va);
  const fileEnd = va + s.filesz;
  const anonStart = s.filesz === 0 ? mapStart : round(fileEnd);
  const anonEnd = round(va + s.memsz);
  if (s.filesz !== 0) {
    mmap(vm, {
      addr: mapStart, len: anonStart - mapStart, prot, flags: MAP_PRIVATE | MAP_FIXED, object, offset: trunc(s.offset),
    });
    // What the file holds behind the segment in its last page belongs to nobody: the bss starts with zeros.
    if (s.memsz > s.filesz && (s.flags & PF_W) !== 0 && fileEnd < anonStart) {
      zeroout(vm, fileEnd, anonStart - fileEnd);
    }
  }
  if (anonEnd > anonStart) {
    mmap(vm, {
      addr: anonStart, len: anonEnd - anonStart, prot: prot | PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_FIXED | MAP_ANON,
      object: null, offset: 0,
    });
  }
}

/** Bytes of address space that the segments span, whole pages, and the lowest page's address. */
export function elfSpan(h: ElfHeaders): { low: number; size: number } {
  let low = Infinity;
  let high = 0;
  for (const s of h.loads) {
    low = Math.min(low, trunc(s.vaddr));
    high = Math.max(high, round(s.vaddr + s.memsz));
  }
  return { low, size: high - low };
}

/** Finds free room for a position-independent image at or above `hint`; returns the bias. Throws ENOMEM. */
export function placeElf(vm: Vmspace, h: ElfHeaders, hint: number): number {
  const { low, size } = elfSpan(h);
  const at = mmap(vm, { addr: hint, len: size, prot: PROT_NONE, flags: MAP_PRIVATE | MAP_ANON, object: null, offset: 0 }) >>> 0;
  munmap(vm, at, size);
  return at - low;
}
