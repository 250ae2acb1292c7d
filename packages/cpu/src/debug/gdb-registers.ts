// SPDX-License-Identifier: BSD-3-Clause
/**
 * gdb's numbering of the i386 registers, and their place in core registers and an FXSAVE image.
 *
 * Source: gdb's features org.gnu.gdb.i386.core, .sse and .linux; FXSAVE image: SDM vol. 1 §10.5.1.
 * @module
 */

/** Where the registers are. */
export interface GdbRegisters {
  /** Core register `n` in gdb's order: EAX ECX EDX EBX ESP EBP ESI EDI EIP EFLAGS CS SS DS ES FS GS. */
  coreRegister(n: number): number;
  /** Sets a core register; segment registers (n ≥ 10) may be left alone. */
  setCoreRegister(n: number, value: number): void;
  /** The FXSAVE image of x87 and SSE, 512 bytes; changes to it count after setFx(). */
  fx(): Uint8Array;
  setFx(image: Uint8Array): void;
}

const CORE_NAMES = "eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs".split(" ");
/** Those of them that are no selectors. */
export const CORE_REGISTERS = 10;
const X87_CONTROL = "fctrl fstat ftag fiseg fioff foseg fooff fop".split(" ");

interface Register {
  readonly name: string;
  readonly bytes: number;
  readonly type: string;
}
const core = CORE_NAMES.map((name): Register => ({
  name,
  bytes: 4,
  type: name === "esp" || name === "ebp" ? "data_ptr" : name === "eip" ? "code_ptr" : "int32",
}));
const x87: readonly Register[] = [
  ...Array.from({ length: 8 }, (_, i) => ({ name: `st${i}`, bytes: 10, type: "i387_ext" })),
  ...X87_CONTROL.map((name) => ({ name, bytes: 4, type: "int" })),
];
const sse: readonly Register[] = [
  ...Array.from({ length: 8 }, (_, i) => ({ name: `xmm${i}`, bytes: 16, type: "vec128" })),
  { name: "mxcsr", bytes: 4, type: "int" },
];
/** Part of gdb's Linux targets: the number of an interrupted system call, −1 for none. */
const linux: readonly Register[] = [{ name: "orig_eax", bytes: 4, type: "int" }];

/** All registers by number. */
export const REGISTERS: readonly Register[] = [...core, ...x87, ...sse, ...linux];
const ST0 = 16;
const FCTRL = 24;
const XMM0 = 32;
const MXCSR = 40;
const ORIG_EAX = 41;

const element = ({ name, bytes, type }: Register): string =>
  `<reg name="${name}" bitsize="${bytes * 8}" type="${type}"/>`;
const VECTORS =
  '<vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>' +
  '<vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/>' +
  '<vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>' +
  '<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>' +
  '<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>' +
  '<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>';

/** The target description. ASCII, without characters that packets must escape. */
export const TARGET_XML =
  '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>i386</architecture>' +
  `<feature name="org.gnu.gdb.i386.core">${[...core, ...x87].map(element).join("")}</feature>` +
  `<feature name="org.gnu.gdb.i386.sse">${VECTORS}${sse.map(element).join("")}</feature>` +
  `<feature name="org.gnu.gdb.i386.linux">${linux.map(element).join("")}</feature></target>`;

function word(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}
function number(bytes: Uint8Array): number {
  return bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
}
function u16(image: Uint8Array, at: number): number {
  return image[at]! | (image[at + 1]! << 8);
}

/** Offset and size in the FXSAVE image of the eight control registers; the tag word is worked out. */
const CONTROL_PLACES: readonly (readonly [number, number])[] = [[0, 2], [2, 2], [4, 1], [12, 2], [8, 4], [20, 2], [16, 4], [6, 2]];
const TAG = 2;

/** The two-bit tags of FSTENV: 0 valid, 1 zero, 2 special, 3 empty; from the image's one bit a register. */
function fullTags(image: Uint8Array): number {
  const top = (u16(image, 2) >> 11) & 7;
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    const physical = (top + i) & 7;
    const at = 32 + 16 * i;
    const exponent = u16(image, at + 8) & 0x7fff;
    const isZero = exponent === 0 && image.subarray(at, at + 8).every((byte) => byte === 0);
    const special = exponent === 0x7fff || exponent === 0 || image[at + 7]! < 0x80;
    const tag = ((image[4]! >> physical) & 1) === 0 ? 3 : isZero ? 1 : special ? 2 : 0;
    tags |= tag << (2 * physical);
  }
  return tags;
}

/** Register `n` in the target's byte order. */
export function readRegister(target: GdbRegisters, n: number): Uint8Array {
  if (n < ST0) return word(target.coreRegister(n));
  if (n === ORIG_EAX) return word(-1);
  const image = target.fx();
  if (n < FCTRL) return image.slice(32 + 16 * (n - ST0), 42 + 16 * (n - ST0));
  if (n >= XMM0) return n === MXCSR ? image.slice(24, 28) : image.slice(160 + 16 * (n - XMM0), 176 + 16 * (n - XMM0));
  if (n === FCTRL + TAG) return word(fullTags(image));
  const [at, size] = CONTROL_PLACES[n - FCTRL]!;
  const bytes = new Uint8Array(4);
  bytes.set(image.subarray(at, at + size));
  return bytes;
}

/** Sets register `n` from bytes in the target's byte order. */
export function writeRegister(target: GdbRegisters, n: number, bytes: Uint8Array): void {
  if (n < ST0) {
    target.setCoreRegister(n, number(bytes));
    return;
  }
  if (n === ORIG_EAX) return;
  const image = target.fx();
  if (n < FCTRL) image.set(bytes, 32 + 16 * (n - ST0));
  else if (n >= XMM0) image.set(bytes, n === MXCSR ? 24 : 160 + 16 * (n - XMM0));
  else if (n === FCTRL + TAG) {
    let tags = 0;
    for (let i = 0; i < 8; i++) if (((number(bytes) >> (2 * i)) & 3) !== 3) tags |= 1 << i;
    image[4] = tags;
  } else {
    const [at, size] = CONTROL_PLACES[n - FCTRL]!;
    image.set(bytes.subarray(0, size), at);
  }
  target.setFx(image);
}
