// SPDX-License-Identifier: BSD-3-Clause
/**
 * Disassembler derived from the instruction tables, in Intel syntax. For traces and messages; it knows exactly what the
 * processor knows, so what it calls undefined raises #UD.
 * @module
 */
import { MEM_NONE, restoreForms } from "../isa/forms.ts";
import type { OperandSpec } from "../isa/row.ts";
import { ROWS } from "../isa/table.ts";
import { DECODE_OK, Instruction, NO_REGISTER } from "./instruction.ts";
import { OpcodeMap } from "./opcode-map.ts";

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

let shared: Instruction | null = null;

function decoder(): Instruction {
  shared ??= new Instruction(new OpcodeMap(restoreForms(ROWS, new Uint16Array(0))));
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
  const { row } = insn.row!;
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
  const insn = decoder();
  if (insn.decode(bytes, 0, bytes.length, code32) !== DECODE_OK) {
    return { length: 1, text: bytes.length === 0 ? "(no byte)" : `db ${hex(bytes[0]!)}` };
  }
  const { row } = insn.row!;
  const immediates = [insn.imm, insn.imm2];
  const operands = row.operands.map((o) => operandText(insn, o, address, immediates));
  const head = `${insn.lock ? "lock " : ""}${mnemonic(insn)}`;
  return { length: insn.length, text: operands.length === 0 ? head : `${head} ${operands.join(", ")}` };
}
