// SPDX-License-Identifier: BSD-3-Clause
/** Builds small ELF images, right or wrong in one chosen place. */

export interface Segment {
  type?: number;
  offset?: number;
  vaddr?: number;
  filesz?: number;
  memsz?: number;
  flags?: number;
}

export interface ElfOptions {
  class?: number;
  data?: number;
  osabi?: number;
  type?: number;
  machine?: number;
  entry?: number;
  phoff?: number;
  phentsize?: number;
  phnum?: number;
  segments?: readonly Segment[];
  /** Bytes put at file offsets. */
  contents?: readonly { at: number; bytes: Uint8Array | string }[];
  size?: number;
}

export const BASE = 0x0804_8000;
/** One text segment that is the whole file. */
export const TEXT_SEGMENT: Segment = { type: 1, offset: 0, vaddr: BASE, filesz: 0x1000, memsz: 0x1000, flags: 5 };

export function elf(o: ElfOptions = {}): Uint8Array {
  const segments = o.segments ?? [TEXT_SEGMENT];
  const bytes = new Uint8Array(o.size ?? 0x1000);
  const dv = new DataView(bytes.buffer);
  const put = (at: number, v: number, size: 1 | 2 | 4): void => {
    if (at + size > bytes.length) return;
    if (size === 1) dv.setUint8(at, v);
    else if (size === 2) dv.setUint16(at, v, true);
    else dv.setUint32(at, v, true);
  };
  [0x7f, 0x45, 0x4c, 0x46, o.class ?? 1, o.data ?? 1, 1, o.osabi ?? 3].forEach((b, i) => put(i, b, 1));
  put(16, o.type ?? 2, 2);
  put(18, o.machine ?? 3, 2);
  put(20, 1, 4);
  put(24, o.entry ?? BASE + 0x100, 4);
  put(28, o.phoff ?? 52, 4);
  put(40, 52, 2);
  put(42, o.phentsize ?? 32, 2);
  put(44, o.phnum ?? segments.length, 2);
  segments.forEach((s, i) => {
    const at = 52 + 32 * i;
    put(at, s.type ?? 1, 4);
    put(at + 4, s.offset ?? 0, 4);
    put(at + 8, s.vaddr ?? 0, 4);
    put(at + 12, s.vaddr ?? 0, 4);
    put(at + 16, s.filesz ?? 0, 4);
    put(at + 20, s.memsz ?? 0, 4);
    put(at + 24, s.flags ?? 5, 4);
    put(at + 28, 0x1000, 4);
  });
  for (const { at, bytes: b } of o.contents ?? []) {
    bytes.set(typeof b === "string" ? Uint8Array.from(b, (c) => c.charCodeAt(0)) : b, at);
  }
  return bytes;
}

/** An ABI note: name, type 1 and descriptor words. */
export function note(name: string, ...desc: number[]): Uint8Array {
  const namesz = name.length + 1;
  const bytes = new Uint8Array(12 + ((namesz + 3) & ~3) + desc.length * 4);
  const dv = new DataView(bytes.buffer);
  dv.setUint32(0, namesz, true);
  dv.setUint32(4, desc.length * 4, true);
  dv.setUint32(8, 1, true);
  for (let i = 0; i < name.length; i++) bytes[12 + i] = name.charCodeAt(i);
  desc.forEach((d, i) => dv.setUint32(12 + ((namesz + 3) & ~3) + 4 * i, d, true));
  return bytes;
}
