// SPDX-License-Identifier: BSD-3-Clause
/**
 * Expands rows into forms, numbers the distinct ones, and finds the form of a decoded instruction.
 *
 * Invariant W1: forms that differ in nothing a semantic function can see share one number, whatever opcode they come from
 * (the encodings of ADD r, r are one form).
 * @module
 */
import type { Size } from "./ctx.ts";
import type { Flow, Form, OperandKind, OperandSpec, Row, Semantics } from "./row.ts";

/** How an instruction's operands were found. */
export const MEM_NONE = 0;
export const MEM_BASE = 1;
export const MEM_INDEXED = 2;
/** Segment treatment of implicit operands. */
export const VARIANT_FLAT = 0;
export const VARIANT_GENERAL32 = 1;
export const VARIANT_GENERAL16 = 2;

/** Key of a form within its row. */
export function formKey(size: Size, mem: number, variant: number, far: boolean): number {
  return (size === 2 ? 0 : 1) | (mem << 1) | (variant << 3) | (far ? 32 : 0);
}
export const FORM_KEYS = 64;

/** A row made ready for decoding. */
export interface PreparedRow {
  readonly row: Row;
  /** Operand size is chosen by prefix. */
  readonly sized: boolean;
  /** Size of rows that are not sized. */
  readonly fixedSize: Size;
  readonly rm: OperandSpec | null;
  readonly hasRel: boolean;
  /** The indexed address form is the only one generated. */
  readonly indexedOnly: boolean;
  /** Form number by formKey, −1 where there is none. */
  readonly forms: Int16Array;
}

function isSized(row: Row): boolean {
  return row.v === true || row.operands.some((o) => (o.place === "imm" ? o.bytes === 0 : o.size === 0));
}
function sizeOfRow(row: Row): Size {
  const first = row.operands[0]?.size ?? stringSize(row);
  return first === 1 || first === 2 ? first : 4;
}
/** Byte forms of rows without operands: strings with an even opcode, XLAT. */
function stringSize(row: Row): number {
  return row.implicit === true ? 1 : 4;
}

/** What decoding needs to know of a row; `forms` is filled by FormTable or restored. */
export function prepareRow(row: Row): PreparedRow {
  return {
    row,
    sized: isSized(row),
    fixedSize: sizeOfRow(row),
    rm: row.operands.find((o) => o.place === "rm") ?? null,
    hasRel: row.operands.some((o) => o.place === "rel"),
    indexedOnly: row.hot !== true && !row.operands.some((o) => o.place === "moffs"),
    forms: new Int16Array(FORM_KEYS).fill(-1),
  };
}

export class FormTable {
  readonly forms: Form[] = [];
  readonly rows: readonly PreparedRow[];
  readonly #numbers = new Map<string, number>();
  readonly #semantics = new Map<Semantics, number>();

  constructor(rows: readonly Row[]) {
    this.rows = rows.map((row) => this.#prepare(row));
  }

  #prepare(row: Row): PreparedRow {
    const prepared = prepareRow(row);
    const { sized, fixedSize, rm, hasRel, indexedOnly, forms } = prepared;
    const moffs = row.operands.some((o) => o.place === "moffs");
    const sizes: readonly Size[] = sized ? [2, 4] : [fixedSize];
    for (const size of sizes) {
      for (const mem of memoryForms(row, rm !== null, moffs, indexedOnly)) {
        for (const variant of row.implicit === true
          ? [VARIANT_FLAT, VARIANT_GENERAL32, VARIANT_GENERAL16]
          : [VARIANT_FLAT]) {
          const fars = hasRel && isHot(row, size, mem, variant) ? [false, true] : [hasRel];
          for (const far of fars) {
            forms[formKey(size, mem, variant, far)] = this.#number(makeForm(row, size, mem, variant, far));
          }
        }
      }
    }
    return prepared;
  }

  #number(form: Form): number {
    let semantics = this.#semantics.get(form.semantics);
    if (semantics === undefined) {
      semantics = this.#semantics.size;
      this.#semantics.set(form.semantics, semantics);
    }
    const key = [
      semantics,
      form.size,
      form.kinds.join(""),
      form.sizes.join(),
      form.classes.join(),
      form.fields.join(""),
      form.indexed,
      form.flat,
      form.addressSize,
      form.far,
      form.flow,
    ].join("|");
    const known = this.#numbers.get(key);
    if (known !== undefined) {
      if (form.hot && !this.forms[known]!.hot) this.forms[known] = form;
      return known;
    }
    this.#numbers.set(key, this.forms.length);
    return this.forms.push(form) - 1;
  }
}

/** Makes single forms by number, for those who have prepared rows with stored numbers. */
export class FormLookup {
  readonly #rows: readonly PreparedRow[];
  /** Row index × FORM_KEYS + key of one row that has the form, by number. */
  readonly #where: number[] = [];
  readonly #made: (Form | undefined)[] = [];

  constructor(rows: readonly PreparedRow[]) {
    this.#rows = rows;
    rows.forEach(({ forms }, i) => {
      forms.forEach((number, key) => {
        if (number >= 0) this.#where[number] = i * FORM_KEYS + key;
      });
    });
  }

  form(number: number): Form {
    const known = this.#made[number];
    if (known !== undefined) return known;
    const at = this.#where[number]!;
    const key = at % FORM_KEYS;
    const { row, sized, fixedSize } = this.#rows[Math.floor(at / FORM_KEYS)]!;
    const size: Size = !sized ? fixedSize : (key & 1) === 0 ? 2 : 4;
    const made = makeForm(row, size, (key >> 1) & 3, (key >> 3) & 3, (key & 32) !== 0);
    this.#made[number] = made;
    return made;
  }
}

/** Prepared rows with form numbers known already, `formsOf` a row's by formKey, without making the forms themselves. */
export function restoreForms(rows: readonly Row[], formsOf: (row: number) => Int16Array): PreparedRow[] {
  return rows.map((row, i) => ({ ...prepareRow(row), forms: formsOf(i) }));
}

function memoryForms(row: Row, hasRm: boolean, moffs: boolean, indexedOnly: boolean): readonly number[] {
  if (moffs) return [MEM_BASE];
  if (!hasRm) return [MEM_NONE];
  const memory = indexedOnly ? [MEM_INDEXED] : [MEM_BASE, MEM_INDEXED];
  if (row.mod === "mem") return memory;
  return row.mod === "reg" ? [MEM_NONE] : [MEM_NONE, ...memory];
}

/** Whether a form of the row is handled in the dispatch loop. */
function isHot(row: Row, size: Size, mem: number, variant: number): boolean {
  if (size === 2 || variant !== VARIANT_FLAT) return false;
  return row.hot === true || (row.hot === "reg" && mem === MEM_NONE);
}

function makeForm(row: Row, size: Size, mem: number, variant: number, far: boolean): Form {
  const kinds: OperandKind[] = [];
  const fields: number[] = [];
  let registers = 0;
  for (const o of row.operands) {
    const kind = kindOf(o, mem);
    kinds.push(kind);
    fields.push(kind === "r" ? registers++ : 0);
  }
  if (registers > 2) throw new Error(`${row.name}: more than two register operands`);
  const sizes = row.operands.map((o, i) => {
    const own = kinds[i] === "m" ? (o.memSize ?? o.size) : o.size;
    return own === 0 ? size : own;
  });
  return {
    semantics: row.semantics,
    name: row.name,
    size,
    kinds,
    sizes,
    classes: row.operands.map((o) => o.cls),
    fields,
    indexed: mem === MEM_INDEXED,
    flat: variant === VARIANT_FLAT,
    addressSize: variant === VARIANT_GENERAL16 ? 2 : 4,
    far,
    hot: isHot(row, size, mem, variant),
    flow: flowOf(row),
  };
}

function flowOf(row: Row): Flow {
  const direct = row.operands.some((o) => o.place === "rel");
  if (row.returns === true) return direct ? "call" : "away";
  if (row.ends === true) return direct ? "jump" : "stop";
  return direct ? "branch" : "next";
}

function kindOf(o: OperandSpec, mem: number): OperandKind {
  switch (o.place) {
    case "rm":
      return mem === MEM_NONE ? "r" : "m";
    case "moffs":
      return "m";
    case "imm":
    case "rel":
    case "far":
      return "i";
    default:
      return o.constant === true ? "c" : "r";
  }
}
