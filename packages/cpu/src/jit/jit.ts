// SPDX-License-Identifier: BSD-3-Clause
/**
 * The region compiler: decides what to compile, puts regions into the interpreter's table, forgets them with their page.
 *
 * A compiled region is entered through the records of its entries, whose handler becomes H_REGION: so the interpreter's loop is
 * the dispatcher, and code that is not compiled goes on being interpreted.
 *
 * Deciding: the interpreter is stopped every `sampleInterval` instructions, at a taken jump. A page seen often enough is hot;
 * the instruction stopped at becomes the start of a region. Nothing is counted while code runs.
 *
 * Invariants
 *   J4  A record has H_REGION exactly while the region of its ENTRY is live; its slot in the table then holds the region.
 *   J5  Regions die with their page (CodeStore.onDrop), before anything of the page is decoded anew.
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import type { CodePage, CodeStore } from "../decode/code-store.ts";
import * as R from "../decode/record.ts";
import { REGION_SLOTS } from "../interp/functions.ts";
import type { InterpreterExports } from "../interp/module-cache.ts";
import type { Runtime } from "../isa/ctx.ts";
import type { FormLookup } from "../isa/forms.ts";
import type { Form } from "../isa/row.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";
import { EA, REGION_ENTRIES } from "../state.ts";
import type { Callee } from "../wasm/expr.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import { I32 } from "../wasm/opcodes.ts";
import { MAX_INSTRUCTIONS, discoverRegion, type Region, type RegionInstruction } from "./discover.ts";
import { RegionEmitter } from "./emitter.ts";
import { JitCtx, NotCompiled, xmmRegisters } from "./jit-ctx.ts";

/** Entries of all live regions: 8 bytes each, {table index, entry number}. */
const MAX_ENTRIES = 0x1_0000;
export const ENTRY_TABLE_BYTES = MAX_ENTRIES * 8;

export interface JitOptions {
  /** How many samples of a page make it hot. 0 = compile whatever is decoded, at once; Infinity = never compile. */
  readonly threshold: number;
  /** Instructions between two samples. */
  readonly sampleInterval: number;
}
/** 20,000 instructions take 50 µs to interpret, and four samples about what compiling a region costs. */
export const DEFAULT_JIT: JitOptions = { threshold: 4, sampleInterval: 20_000 };

export interface JitStatistics {
  readonly regions: number;
  readonly codeBytes: number;
}

export interface JitParts {
  readonly memory: MachineMemory;
  readonly stateBase: number;
  readonly store: CodeStore;
  readonly exports: InterpreterExports;
  readonly forms: FormLookup;
  readonly handlers: Uint16Array;
  readonly signatures: RuntimeSignatures;
  /** Linear-memory address of ENTRY_TABLE_BYTES for the entries. */
  readonly entryTable: number;
  /** Table index of the first place for regions. */
  readonly firstSlot: number;
}

interface LiveRegion {
  readonly region: Region;
  readonly slot: number;
  /** Records that enter it, and the entry numbers they hold. */
  readonly entries: readonly { readonly record: number; readonly entry: number }[];
}

export class Jit {
  readonly options: JitOptions;
  readonly #p: JitParts;
  readonly #freeSlots: number[] = [];
  readonly #freeEntries: number[] = [];
  /** Forms that JitCtx does not compile. */
  readonly #refused = new Set<Form>();
  #nextEntry = 0;
  #regions = 0;
  #codeBytes = 0;
  /** Live regions of each page. */
  readonly #byPage = new Map<CodePage, LiveRegion[]>();

  constructor(parts: JitParts, options: JitOptions) {
    this.#p = parts;
    this.options = options;
    for (let i = REGION_SLOTS - 1; i >= 0; i--) this.#freeSlots.push(parts.firstSlot + i);
    parts.memory.i32[(parts.stateBase + REGION_ENTRIES) >> 2] = parts.entryTable;
    parts.store.onDrop = (page) => this.#dropPage(page);
  }

  get statistics(): JitStatistics {
    return { regions: this.#regions, codeBytes: this.#codeBytes };
  }

  /**
   * Tells that execution stands at `offset` of `page`. Returns whether it is compiled code.
   *
   * @param isLink compiled code of the same page had to leave to get there: the two belong into one region
   */
  sample(page: CodePage, offset: number, isLink: boolean): boolean {
    const record = this.#p.memory.i32[(page.index >> 2) + offset]!;
    if (record === 0) return false;
    const compiled = this.#p.memory.u16[(record + R.R_HANDLER) >> 1] === R.H_REGION;
    if (compiled && !isLink) return true;
    if (++page.samples >= this.options.threshold * (1 + page.compiles / 4)) {
      page.samples = 0;
      page.compiles++;
      if (isLink) this.#join(page, offset);
      else this.compile(page, offset);
    }
    return compiled;
  }

  /**
   * Compiles a region from `offset` of `page`, unless there is none to be had. Regions that share instructions with it are
   * replaced by one with all their starts.
   */
  compile(page: CodePage, offset: number): void {
    const { memory, forms } = this.#p;
    const region = discoverRegion(memory, forms, page, [offset]);
    if (region === null) return;
    const live = this.#byPage.get(page) ?? [];
    const replaced = live.filter((old) => [...old.region.offsets].some((o) => region.offsets.has(o)));
    if (replaced.length === 0) this.#make(region, replaced);
    else this.#makeFrom(page, [offset, ...replaced.flatMap((old) => old.region.starts)], replaced);
  }

  /** One region of all that is compiled of a page and `offset`, as far as it does not become too large. */
  #join(page: CodePage, offset: number): void {
    const live = this.#byPage.get(page) ?? [];
    const size = live.reduce((sum, { region }) => sum + region.offsets.size, 0);
    if (live.length > 1 && size <= MAX_INSTRUCTIONS) {
      this.#makeFrom(page, [offset, ...live.flatMap((old) => old.region.starts)], live);
    } else {
      this.compile(page, offset);
    }
  }

  #makeFrom(page: CodePage, starts: readonly number[], replaced: readonly LiveRegion[]): void {
    const { memory, forms } = this.#p;
    const region = discoverRegion(memory, forms, page, [...new Set(starts)]);
    if (region !== null) this.#make(region, replaced);
  }

  /** Compiles a region in place of others of its page. */
  #make(region: Region, replaced: readonly LiveRegion[]): void {
    const room = this.#freeEntries.length + MAX_ENTRIES - this.#nextEntry;
    const isFull = this.#freeSlots.length === 0 || room < region.entries.length;
    if (isFull) this.#dropAll();
    const slot = this.#freeSlots.pop()!;
    const { bytes, imports } = this.#generate(region, slot);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: imports });
    this.#p.exports.table.set(slot, instance.exports["region"]);
    const made = this.#install(region, slot);
    if (!isFull) for (const old of replaced) this.#drop(old);
    const others = isFull
      ? []
      : (this.#byPage.get(region.page) ?? []).filter((old) => !replaced.includes(old));
    this.#byPage.set(region.page, [...others, made]);
    this.#regions++;
    this.#codeBytes += bytes.length;
  }

  #generate(region: Region, slot: number): { bytes: Uint8Array; imports: Record<string, unknown> } {
    const { memory, stateBase, entryTable, exports, signatures } = this.#p;
    const m = new ModuleBuilder();
    m.importMemory("m", "memory", 1, 0x1_0000, !(memory.buffer instanceof ArrayBuffer));
    const callHandler = m.importFunction("m", "call", [I32, I32, I32], [I32]);
    const imports: Record<string, unknown> = { memory: memory.memory, call: exports.call };
    const f = m.declare([I32, I32], [I32], "region");
    const rt = lateRuntime(m, signatures, exports, imports);
    const emitter = new RegionEmitter(
      f,
      region,
      { stateBase, slot, entryTable, callHandler },
      xmmRegisters(region, memory),
    );
    emitter.generate((insn) => this.#instruction(emitter, insn, rt));
    return { bytes: m.encode(), imports };
  }

  #instruction(emitter: RegionEmitter, insn: RegionInstruction, rt: Runtime): void {
    const x = new JitCtx(emitter, this.#p.memory, insn, rt);
    if (!this.#refused.has(insn.form)) {
      const mark = emitter.f.mark();
      const { kind } = emitter;
      try {
        insn.form.semantics(x);
        return;
      } catch (e) {
        if (!(e instanceof NotCompiled)) throw e;
        this.#refused.add(insn.form);
        emitter.f.undo(mark);
        emitter.kind = kind;
      }
    }
    if (insn.addressRecord !== 0) emitter.putState(EA, x.address(0));
    emitter.callHandler();
  }

  #install(region: Region, slot: number): LiveRegion {
    const { memory, entryTable } = this.#p;
    const entries = region.entries.map((block, number) => {
      const entry = this.#freeEntries.pop() ?? this.#nextEntry++;
      memory.i32[(entryTable + entry * 8) >> 2] = slot;
      memory.i32[(entryTable + entry * 8 + 4) >> 2] = number;
      const record = block.instructions[0]!.first;
      memory.u16[(record + R.R_ENTRY) >> 1] = entry;
      memory.u16[(record + R.R_HANDLER) >> 1] = R.H_REGION;
      return { record, entry };
    });
    return { region, slot, entries };
  }

  #dropPage(page: CodePage): void {
    const list = this.#byPage.get(page);
    if (list === undefined) return;
    this.#byPage.delete(page);
    for (const region of list) this.#drop(region);
  }
  /** Frees a region's slot and entries; records that no other region has taken over get their handlers back. */
  #drop({ slot, entries }: LiveRegion): void {
    const { memory, exports, handlers } = this.#p;
    exports.table.set(slot, null);
    this.#freeSlots.push(slot);
    for (const { record, entry } of entries) {
      this.#freeEntries.push(entry);
      if (memory.u16[(record + R.R_ENTRY) >> 1] !== entry) continue;
      memory.u16[(record + R.R_HANDLER) >> 1] = handlers[memory.u16[(record + R.R_FUNCTION) >> 1]!]!;
    }
  }
  #dropAll(): void {
    for (const page of [...this.#byPage.keys()]) this.#dropPage(page);
  }
}

/** The runtime functions, imported from the interpreter when semantics first name them. */
function lateRuntime(
  m: ModuleBuilder,
  signatures: RuntimeSignatures,
  exports: InterpreterExports,
  imports: Record<string, unknown>,
): Runtime {
  const known = new Map<string, Callee>();
  return new Proxy({} as Runtime, {
    get(_target, name: string): Callee | undefined {
      const callee = known.get(name);
      const signature = signatures[name];
      if (callee !== undefined || signature === undefined) return callee;
      const key = `rt.${name}`;
      imports[key] = exports[key as keyof InterpreterExports];
      const made = m.importLate("m", key, signature.params, signature.results);
      known.set(name, made);
      return made;
    },
  });
}
