// SPDX-License-Identifier: BSD-3-Clause
/**
 * WebAssembly functions as text, an instruction a line, for people who look at generated code. Reads modules as ModuleBuilder writes
 * them; an instruction it does not know is an error that names the byte.
 * Source: WebAssembly core specification §5 (binary format), §6 (text format).
 * @module
 */
import { OPCODE_NAMES } from "./names.ts";
import * as W from "./opcodes.ts";

const TYPE_NAMES: Readonly<Record<number, string>> = { [W.I32]: "i32", [W.I64]: "i64", [W.F32]: "f32", [W.F64]: "f64", [W.V128]: "v128" };
const SECTION_TYPE = 1;
const SECTION_IMPORT = 2;
const SECTION_CODE = 10;
const KIND_FUNC = 0;
/** Alignments and lanes: the SIMD accesses of one lane, and extract_lane and replace_lane. */
const FIRST_LANE_ACCESS = 0xfd_0054;
const LAST_LANE_ACCESS = 0xfd_005b;
const FIRST_LANE = 0xfd_0015;
const LAST_LANE = 0xfd_0022;

class Reader {
  at: number;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  u8(): number {
    return this.#view.getUint8(this.at++);
  }
  u32(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
  /** Passes over something that begins with its length. */
  skip(): void {
    const length = this.u32();
    this.at += length;
  }
  /** Signed LEB128 of up to 64 bits. */
  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(Number(shift) + 7, value);
    }
  }
  name(): string {
    const length = this.u32();
    this.at += length;
    return String.fromCharCode(...this.bytes.subarray(this.at - length, this.at));
  }
  float(size: 4 | 8): number {
    this.at += size;
    return size === 4 ? this.#view.getFloat32(this.at - 4, true) : this.#view.getFloat64(this.at - 8, true);
  }
  opcode(): number {
    const byte = this.u8();
    if (byte === 0xfc) return 0xfc00 | this.u32();
    if (byte === 0xfd) return 0xfd_0000 | this.u32();
    return byte;
  }
}

/** What the text of a function names: its module's types and imported functions. */
interface Context {
  readonly types: readonly string[];
  /** Names of imported functions; own ones follow in the order of the index. */
  readonly imports: readonly string[];
}

function types(r: Reader, count: number): string {
  return Array.from({ length: count }, () => TYPE_NAMES[r.u8()]!).join(" ");
}
function limits(r: Reader): void {
  const flags = r.u8();
  r.u32();
  if ((flags & 1) !== 0) r.u32();
}
function readImports(r: Reader): string[] {
  const names: string[] = [];
  for (let n = r.u32(); n > 0; n--) {
    r.name();
    const name = r.name();
    if (r.u8() === KIND_FUNC) {
      r.u32();
      names.push(name);
    } else limits(r);
  }
  return names;
}

/** What follows an opcode, as text with a leading space, or "". */
function operands(r: Reader, op: number, c: Context): string {
  const memory = (op >= W.I32_LOAD && op <= W.I64_STORE32) || (op >= 0xfd_0000 && op <= W.V128_STORE) || op === 0xfd_005c || op === 0xfd_005d;
  if (memory || (op >= FIRST_LANE_ACCESS && op <= LAST_LANE_ACCESS)) {
    r.u32(); // alignment
    const offset = r.u32();
    return (offset === 0 ? "" : ` offset=${offset}`) + (memory ? "" : ` ${r.u8()}`);
  }
  if (op >= FIRST_LANE && op <= LAST_LANE) return ` ${r.u8()}`;
  switch (op) {
    case W.OP_BLOCK:
    case W.OP_LOOP:
    case W.OP_IF: {
      const type = r.u8();
      return type === W.VOID ? "" : ` (result ${TYPE_NAMES[type]})`;
    }
    case W.OP_BR:
    case W.OP_BR_IF:
    case W.OP_LOCAL_GET:
    case W.OP_LOCAL_SET:
    case W.OP_LOCAL_TEE:
      return ` ${r.u32()}`;
    case W.OP_BR_TABLE:
      return ` ${Array.from({ length: r.u32() + 1 }, () => r.u32()).join(" ")}`;
    case W.OP_CALL: {
      const index = r.u32();
      return ` $${c.imports[index] ?? index - c.imports.length}`;
    }
    case W.OP_CALL_INDIRECT: {
      const type = c.types[r.u32()]!;
      r.u8();
      return ` ${type}`;
    }
    case W.OP_I32_CONST:
    case W.OP_I64_CONST:
      return ` ${r.signed()}`;
    case W.OP_F32_CONST:
      return ` ${r.float(4)}`;
    case W.OP_F64_CONST:
      return ` ${r.float(8)}`;
    case W.OP_V128_CONST:
      return ` i8x16 ${Array.from({ length: 16 }, () => r.u8()).join(" ")}`;
    case W.OP_I8X16_SHUFFLE:
      return ` ${Array.from({ length: 16 }, () => r.u8()).join(" ")}`;
    case W.OP_MEMORY_COPY:
      r.at += 2;
      return "";
    case W.OP_MEMORY_FILL:
      r.at += 1;
      return "";
    default:
      return "";
  }
}

function functionText(r: Reader, c: Context, index: number): string {
  const end = r.u32() + r.at;
  const locals: string[] = [];
  for (let n = r.u32(); n > 0; n--) {
    const count = r.u32();
    const type = TYPE_NAMES[r.u8()]!;
    for (let i = 0; i < count; i++) locals.push(type);
  }
  const lines = [`(func $${index}`];
  if (locals.length > 0) lines.push(`  (local ${locals.join(" ")})`);
  let depth = 1;
  while (r.at < end) {
    const at = r.at;
    const op = r.opcode();
    const name = OPCODE_NAMES.get(op);
    if (name === undefined) throw new Error(`wat: unknown instruction 0x${op.toString(16)} at byte ${at}`);
    if (op === W.OP_END && r.at === end) break;
    if (op === W.OP_END || op === W.OP_ELSE) depth--;
    lines.push("  ".repeat(depth) + name + operands(r, op, c));
    if (op === W.OP_BLOCK || op === W.OP_LOOP || op === W.OP_IF || op === W.OP_ELSE) depth++;
  }
  return `${lines.join("\n")})`;
}

/** The text of the `index`-th function that `module` defines itself. Throws RangeError when it has none of that number. */
export function functionToWat(module: Uint8Array, index: number): string {
  const r = new Reader(module, 8);
  let typeNames: string[] = [];
  let imports: string[] = [];
  while (r.at < module.length) {
    const section = r.u8();
    const end = r.u32() + r.at;
    if (section === SECTION_TYPE) {
      typeNames = Array.from({ length: r.u32() }, () => {
        r.u8();
        const params = types(r, r.u32());
        const results = types(r, r.u32());
        return `(param ${params})${results === "" ? "" : ` (result ${results})`}`;
      });
    } else if (section === SECTION_IMPORT) imports = readImports(r);
    else if (section === SECTION_CODE) {
      const count = r.u32();
      if (index >= count) break;
      for (let i = 0; i < index; i++) r.skip();
      return functionText(r, { types: typeNames, imports }, index);
    }
    r.at = end;
  }
  throw new RangeError(`wat: the module has no function ${index}`);
}
