// SPDX-License-Identifier: BSD-3-Clause
/**
 * WebAssembly module under construction. Order of use: imports first, then functions, then encode().
 * Source: WebAssembly core specification §5.5.
 * @module
 */
import { Bytes } from "./bytes.ts";
import type { Callee } from "./expr.ts";
import { Func } from "./func.ts";
import { FUNCREF, type ValType } from "./opcodes.ts";

const MAGIC = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const SECTION_CUSTOM = 0;
const SECTION_TYPE = 1;
const SECTION_IMPORT = 2;
const SECTION_FUNCTION = 3;
const SECTION_TABLE = 4;
const SECTION_EXPORT = 7;
const SECTION_ELEMENT = 9;
const SECTION_CODE = 10;
/** Section of the branch hinting proposal (WebAssembly 3.0), which must precede the code; engines that do not know it skip it. */
const BRANCH_HINTS = "metadata.code.branch_hint";
const KIND_FUNC = 0;
const KIND_TABLE = 1;
const KIND_MEMORY = 2;

export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeBytes = new Bytes();
  readonly #imports = new Bytes();
  #importCount = 0;
  #importedFunctions = 0;
  readonly #functions: Func[] = [];
  readonly #functionTypes: number[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  #table: readonly (Callee | null)[] | null = null;
  #tableName: string | null = null;
  readonly #customs: { name: string; bytes: Uint8Array }[] = [];

  /** Index of a function type, added when new. */
  type(params: readonly ValType[], results: readonly ValType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const out = this.#typeBytes;
    out.u8(0x60);
    for (const list of [params, results]) {
      out.u32(list.length);
      for (const ty of list) out.u8(ty);
    }
    return this.#types.push(key) - 1;
  }

  /** Imports the memory; `pages` and a maximum must suit the memory given at instantiation. */
  importMemory(module: string, name: string, minimum: number, maximum: number, shared: boolean): void {
    const out = this.#import(module, name, KIND_MEMORY);
    out.u8(shared ? 3 : 1);
    out.u32(minimum);
    out.u32(maximum);
  }

  importFunction(
    module: string,
    name: string,
    params: readonly ValType[],
    results: readonly ValType[],
  ): Callee {
    if (this.#functions.length > 0) throw new Error("imports must precede functions");
    return this.#addImport(module, name, params, results);
  }

  /**
   * Imports a function while the module's functions are being written. Their own indexes move, so they may not call each other.
   */
  importLate(module: string, name: string, params: readonly ValType[], results: readonly ValType[]): Callee {
    const callee = this.#addImport(module, name, params, results);
    for (const f of this.#functions) f.index++;
    for (const e of this.#exports) e.index++;
    return callee;
  }

  #addImport(module: string, name: string, params: readonly ValType[], results: readonly ValType[]): Callee {
    this.#import(module, name, KIND_FUNC).u32(this.type(params, results));
    return { index: this.#importedFunctions++, params, results };
  }

  #import(module: string, name: string, kind: number): Bytes {
    const out = this.#imports;
    out.name(module);
    out.name(name);
    out.u8(kind);
    this.#importCount++;
    return out;
  }

  /** A new function; `build` writes its body at once. With a name it is exported. */
  func(
    params: readonly ValType[],
    results: readonly ValType[],
    build: (f: Func) => void,
    name?: string,
  ): Func {
    const f = this.declare(params, results, name);
    build(f);
    return f;
  }

  /** A function whose body is written later (before encode()). */
  declare(params: readonly ValType[], results: readonly ValType[], name?: string): Func {
    const f = new Func(this.#importedFunctions + this.#functions.length, params, results);
    this.#functions.push(f);
    this.#functionTypes.push(this.type(params, results));
    if (name !== undefined) this.#exports.push({ name, index: f.index });
    return f;
  }

  /** Table 0 of this module: its own, filled at instantiation; null entries trap. With a name it is exported. */
  table(entries: readonly (Callee | null)[], name?: string): void {
    this.#table = entries;
    this.#tableName = name ?? null;
  }
  /** Exports a function under a further name. */
  export(name: string, callee: Callee): void {
    this.#exports.push({ name, index: callee.index });
  }

  custom(name: string, bytes: Uint8Array): void {
    this.#customs.push({ name, bytes });
  }

  encode(): Uint8Array {
    const out = new Bytes(64 * 1024);
    const section = new Bytes(64 * 1024);
    const flush = (id: number): void => {
      out.u8(id);
      out.u32(section.length);
      out.append(section.view());
      section.clear();
    };
    out.append(MAGIC);
    section.u32(this.#types.length);
    section.append(this.#typeBytes.view());
    flush(SECTION_TYPE);
    section.u32(this.#importCount);
    section.append(this.#imports.view());
    flush(SECTION_IMPORT);
    section.u32(this.#functions.length);
    for (const type of this.#functionTypes) section.u32(type);
    flush(SECTION_FUNCTION);
    if (this.#table !== null) {
      section.u32(1);
      section.u8(FUNCREF);
      section.u8(0);
      section.u32(this.#table.length);
      flush(SECTION_TABLE);
    }
    section.u32(this.#exports.length + (this.#tableName === null ? 0 : 1));
    if (this.#tableName !== null) {
      section.name(this.#tableName);
      section.u8(KIND_TABLE);
      section.u32(0);
    }
    for (const { name, index } of this.#exports) {
      section.name(name);
      section.u8(KIND_FUNC);
      section.u32(index);
    }
    flush(SECTION_EXPORT);
    if (this.#table !== null) this.#encodeElements(section, flush);
    const hinted = this.#functions.filter((f) => f.hasHints);
    if (hinted.length > 0) {
      section.name(BRANCH_HINTS);
      section.u32(hinted.length);
      for (const f of hinted) f.encodeHints(section);
      flush(SECTION_CUSTOM);
    }
    section.u32(this.#functions.length);
    for (const f of this.#functions) f.encode(section);
    flush(SECTION_CODE);
    for (const { name, bytes } of this.#customs) {
      section.name(name);
      section.append(bytes);
      flush(SECTION_CUSTOM);
    }
    return out.view().slice();
  }

  /** One active segment for each run of non-null table entries. */
  #encodeElements(section: Bytes, flush: (id: number) => void): void {
    const table = this.#table!;
    const runs: { start: number; entries: Callee[] }[] = [];
    table.forEach((entry, i) => {
      if (entry === null) return;
      const last = runs[runs.length - 1];
      if (last !== undefined && last.start + last.entries.length === i) last.entries.push(entry);
      else runs.push({ start: i, entries: [entry] });
    });
    section.u32(runs.length);
    for (const { start, entries } of runs) {
      section.u8(0);
      section.u8(0x41);
      section.s32(start);
      section.u8(0x0b);
      section.u32(entries.length);
      for (const entry of entries) section.u32(entry.index);
    }
    flush(SECTION_ELEMENT);
  }
}
