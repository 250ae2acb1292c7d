// SPDX-License-Identifier: BSD-3-Clause
/**
 * The inner loop of the checksums as WebAssembly: same tables, same 16 bytes a step as in crc.ts, without bounds checks.
 * About three times as fast; worth the copy into its memory from some hundred bytes on.
 *
 * Memory: both table sets (16 tables of 256 words each), then the bytes to be summed.
 * @module
 */

/** Bytes that fit behind the tables. */
export const WASM_CHUNK = 65536;

const TABLE_BYTES = 16384;
const DATA_AT = 2 * TABLE_BYTES;
const PAGES = (DATA_AT + WASM_CHUNK) / 65536;

/** A loop over bytes [from, to) of `memory`, from `DATA_AT` on; `crc` is the raw register. */
type Loop = (crc: number, from: number, to: number) => number;

/** The instance: copy bytes to `data`, then call the loop of the wanted polynomial. */
export interface CrcWasm {
  readonly data: Uint8Array;
  readonly dataAt: number;
  readonly crc32: Loop;
  readonly crc32c: Loop;
}

const I32 = 0x7f;
const BLOCK = 0x02, LOOP = 0x03, BR = 0x0c, BR_IF = 0x0d, END = 0x0b, VOID = 0x40;
const GET = 0x20, SET = 0x21, LOAD = 0x28, LOAD8_U = 0x2d, CONST = 0x41;
const GE_U = 0x4f, GT_U = 0x4b, ADD = 0x6a, AND = 0x71, XOR = 0x73, SHL = 0x74, SHR_U = 0x76;
const CRC = 0, FROM = 1, TO = 2, WORD = 3;
const WORDS = 4;

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Operand of i32.const; all of ours are small and positive. */
function constant(value: number): number[] {
  return value < 0x40 ? [CONST, value] : [CONST, (value & 0x7f) | 0x80, value >>> 7];
}

function load(op: number, align: number, offset: number): number[] {
  return [op, align, ...unsigned(offset)];
}

/** One byte of a word, scaled to a table index: bits [8n, 8n + 8) times 4. */
function index(n: number): number[] {
  const shift = n === 0 ? [...constant(2), SHL] : [...constant(8 * n - 2), SHR_U];
  return [...shift, ...constant(0x3fc), AND];
}

function body(tables: number): number[] {
  const step: number[] = [];
  for (let w = 0; w < WORDS; w++) {
    step.push(GET, FROM, ...load(LOAD, 2, 4 * w));
    if (w === 0) step.push(GET, CRC, XOR);
    step.push(SET, WORD + w);
  }
  for (let i = 0; i < 16; i++) {
    step.push(GET, WORD + (i >> 2), ...index(i & 3), ...load(LOAD, 2, tables + (15 - i) * 1024));
    if (i > 0) step.push(XOR);
  }
  const code = [
    1, WORDS, I32,
    BLOCK, VOID, LOOP, VOID,
    GET, FROM, ...constant(16), ADD, GET, TO, GT_U, BR_IF, 1,
    ...step, SET, CRC,
    GET, FROM, ...constant(16), ADD, SET, FROM,
    BR, 0, END, END,
    BLOCK, VOID, LOOP, VOID,
    GET, FROM, GET, TO, GE_U, BR_IF, 1,
    GET, FROM, ...load(LOAD8_U, 0, 0), GET, CRC, XOR, ...index(0), ...load(LOAD, 2, tables),
    GET, CRC, ...constant(8), SHR_U, XOR, SET, CRC,
    GET, FROM, ...constant(1), ADD, SET, FROM,
    BR, 0, END, END,
    GET, CRC, END,
  ];
  return [...unsigned(code.length), ...code];
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function moduleBytes(): Uint8Array {
  const bodies = [...body(0), ...body(TABLE_BYTES)];
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]),
    ...section(3, [2, 0, 0]),
    ...section(5, [1, 0, Math.ceil(PAGES)]),
    ...section(7, [3, 1, 0x6d, 2, 0, 1, 0x61, 0, 0, 1, 0x62, 0, 1]), // m: memory, a and b: functions
    ...section(10, [2, ...bodies]),
  ]);
}

/** Builds the instance for two table sets, or returns null where WebAssembly is not to be had. */
export function crcWasm(crc32Tables: Int32Array, crc32cTables: Int32Array): CrcWasm | null {
  if (typeof WebAssembly !== "object") return null;
  let instance: WebAssembly.Instance;
  try {
    instance = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes() as Uint8Array<ArrayBuffer>));
  } catch {
    return null; // a host may forbid compiling; the JavaScript loop does the same
  }
  const { m, a, b } = instance.exports as unknown as { m: { buffer: ArrayBuffer }; a: Loop; b: Loop };
  new Int32Array(m.buffer, 0, crc32Tables.length).set(crc32Tables);
  new Int32Array(m.buffer, TABLE_BYTES, crc32cTables.length).set(crc32cTables);
  return { data: new Uint8Array(m.buffer, DATA_AT, WASM_CHUNK), dataAt: DATA_AT, crc32: a, crc32c: b };
}
