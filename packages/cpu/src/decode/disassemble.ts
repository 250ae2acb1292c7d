// SPDX-License-Identifier: BSD-3-Clause
/**
 * Disassembler derived from the instruction tables, in Intel syntax. For traces and messages; it knows exactly what the
 * processor knows, so what it calls undefined raises #UD.
 * @module
 */
import { standaloneDecoder } from "../interp/module-cache.ts";
import { MEM_NONE } from "../isa/forms.ts";
import type { OperandSpec } from "../isa/row.ts";
import { ROWS } from "../isa/table.ts";
import type { DecoderExports } from "./decode-code.ts";
import { DECODER_BYTES, DECODE_OK, MAX_LENGTH, NO_REGISTER } from "./decode-words.ts";
import { Instruction } from "./instruction.ts";

const REG32 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const REG16 = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const REG8 = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
const SIZE_NAMES: Readonly<Record<number, string>> = {
  1: "byte",
  2: "word",
  4: "dword",
  6: "fword",
  8: "qword",
  10: "tbyte",
  16: "xmmword",
};
/** Names that depend on the operand size: [16-bit, 32-bit]. */
const SIZED_NAMES: Readonly<Record<string, readonly [string, string]>> = {
  cbw: ["cbw", "cwde"],
  cwd: ["cwd", "cdq"],
  pusha: ["pushaw", "pusha"],
  popa: ["popaw", "popa"],
  pushf: ["pushfw", "pushf"],
  popf: ["popfw", "popf"],
  iret: ["iretw", "iret"],
};
const STRING_NAMES = ["movs", "cmps", "stos", "lods", "scas"];

export interface Disassembly {
  /** Bytes of the instruction; 1 when it is undefined or cut off. */
  readonly length: number;
  readonly text: string;
}

/** A decoder with a memory of its own: the tables, then the bytes of the instruction. */
interface Standalone {
  readonly insn: Instruction;
  readonly bytes: Uint8Array;
}
let shared: Standalone | null = null;

function standalone(): Standalone {
  if (shared !== null) return shared;
  const { module, table } = standaloneDecoder();
  const memory = new WebAssembly.Memory({ initial: (DECODER_BYTES >>> 16) + 2, maximum: 0x1_0000 });
  new Uint8Array(memory.buffer).set(table);
  const exports = new WebAssembly.Instance(module, { m: { memory } }).exports as unknown as DecoderExports;
  const insn = new Instruction(new Int32Array(memory.buffer), exports, 0);
  shared = { insn, bytes: new Uint8Array(memory.buffer, DECODER_BYTES, 2 * MAX_LENGTH) };
  return shared;
}

function hex(n: number): string {
  return `0x${(n >>> 0).toString(16)}`;
}
/** A displacement with its sign, for behind a register. */
function signedHex(n: number): string {
  return n < 0 ? `-${hex(-n)}` : `+${hex(n)}`;
}

function registerName(o: OperandSpec, n: number, size: number): string {
  switch (o.cls) {
    case "seg":
      return SEGMENTS[n] ?? `seg${n}`;
    case "xmm":
      return `xmm${n}`;
    case "mmx":
      return `mm${n}`;
    case "st":
      return `st(${n})`;
    default:
      return (size === 1 ? REG8 : size === 2 ? REG16 : REG32)[n]!;
  }
}

function memoryText(insn: Instruction, size: number): string {
  const names = insn.addressSize === 2 ? REG16 : REG32;
  const parts: string[] = [];
  if (insn.base !== NO_REGISTER) parts.push(names[insn.base]!);
  if (insn.index !== NO_REGISTER)
    parts.push(insn.scale === 0 ? names[insn.index]! : `${names[insn.index]}*${1 << insn.scale}`);
  const sum = parts.join("+");
  const inside = sum === "" ? hex(insn.disp) : insn.disp === 0 ? sum : sum + signedHex(insn.disp);
  const segment = insn.override >= 0 ? `${SEGMENTS[insn.override]}:` : "";
  const width = SIZE_NAMES[size];
  return `${width === undefined ? "" : `${width} `}${segment}[${inside}]`;
}

function operandText(insn: Instruction, o: OperandSpec, address: number, immediates: number[]): string {
  const size = o.size === 0 ? insn.size : o.size;
  switch (o.place) {
    case "rm":
      return insn.mem === MEM_NONE
        ? registerName(o, insn.modrm & 7, size)
        : memoryText(insn, o.memSize ?? size);
    case "moffs":
      return memoryText(insn, size);
    case "reg":
      return registerName(o, (insn.modrm >> 3) & 7, size);
    case "opcode":
      return registerName(o, insn.opcode & 7, size);
    case "fixed":
      return registerName(o, o.fixed!, size);
    case "imm":
      return o.bytes === -1 ? "1" : hex(immediates.shift()! & (size === 1 ? 0xff : size === 2 ? 0xffff : -1));
    case "far":
      return `${hex(insn.imm2)}:${hex(insn.imm)}`;
    default:
      return hex((address + insn.length + insn.imm) & (insn.size === 2 ? 0xffff : -1));
  }
}

function mnemonic(insn: Instruction): string {
  const row = ROWS[insn.row]!;
  const bare = row.name.replace(/^rep(ne)? /, "");
  if (STRING_NAMES.includes(bare) && row.operands.length === 0) {
    return row.name + (insn.size === 1 ? "b" : insn.size === 2 ? "w" : "d");
  }
  return SIZED_NAMES[row.name]?.[insn.size === 2 ? 0 : 1] ?? row.name;
}

/**
 * Disassembles the first instruction of `bytes`, which lies at `address`.
 *
 * @param code32 whether operands and addresses are 32-bit by default
 */
export function disassemble(bytes: Uint8Array, address: number, code32 = true): Disassembly {
  const { insn, bytes: room } = standalone();
  const length = Math.min(bytes.length, MAX_LENGTH);
  room.set(bytes.subarray(0, length));
  if (insn.decode(DECODER_BYTES, DECODER_BYTES + length, code32) !== DECODE_OK) {
    return { length: 1, text: bytes.length === 0 ? "(no byte)" : `db ${hex(bytes[0]!)}` };
  }
  const row = ROWS[insn.row]!;
  const immediates = [insn.imm, insn.imm2];
  const operands = row.operands.filter((o) => o.implied !== true).map((o) => operandText(insn, o, address, immediates));
  const head = `${insn.lock ? "lock " : ""}${mnemonic(insn)}`;
  return { length: insn.length, text: operands.length === 0 ? head : `${head} ${operands.join(", ")}` };
}
