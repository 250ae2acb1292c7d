// SPDX-License-Identifier: BSD-3-Clause
/**
 * From regions to functions: one WebAssembly module for a batch of regions.
 *
 * A module of its own costs a region some 300 µs and 20 KB more than sharing one with a dozen others (docs/ARCHITECTURE.md).
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import type { CodePage } from "../decode/code-store.ts";
import { regionDump, type RegionDump } from "../debug/region-dump.ts";
import type { RegionTrace } from "../debug/region-trace.ts";
import type { InterpreterExports } from "../interp/module-cache.ts";
import type { Runtime } from "../isa/ctx.ts";
import type { Form } from "../isa/row.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";
import { EA } from "../state.ts";
import type { Callee } from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import { I32 } from "../wasm/opcodes.ts";
import type { Region, RegionInstruction } from "./discover.ts";
import { RegionEmitter } from "./emitter.ts";
import { JitCtx, NotCompiled, xmmRegisters } from "./jit-ctx.ts";
import type { JitCounters } from "./statistics.ts";

/** 4 GiB in pages of WebAssembly: any memory of the machine suits. */
const MAX_MEMORY_PAGES = 0x1_0000;

export interface PipelineParts {
  readonly memory: MachineMemory;
  readonly stateBase: number;
  readonly exports: InterpreterExports;
  readonly signatures: RuntimeSignatures;
  /** Linear-memory address of the jump cache, see interp/dispatch.ts. */
  readonly jumpCache: number;
  readonly counters: JitCounters;
  /** Milliseconds, for the statistics. */
  readonly clock: () => number;
  /** Where entries and exits are noted; null = nowhere, which costs nothing. */
  readonly trace: RegionTrace | null;
  /** Told of each region compiled. */
  readonly regionCompiled: ((dump: RegionDump) => void) | null;
}

/** A region to be compiled, its place in the interpreter's table, and where its base page lies. */
export interface PlacedRegion {
  readonly region: Region;
  readonly slot: number;
  readonly pageBase: number;
}

export class RegionPipeline {
  /** First records of instructions that store beside code, see JitCtx. */
  readonly besideCode = new Set<number>();
  readonly #p: PipelineParts;
  /** Forms that JitCtx does not compile. */
  readonly #refused = new Set<Form>();

  constructor(parts: PipelineParts) {
    this.#p = parts;
  }

  /** Compiles regions into one module. Returns the function and the code size of each, in their order. */
  compile(batch: readonly PlacedRegion[]): { readonly function: unknown; readonly bytes: number }[] {
    const { exports, memory, stateBase, signatures, counters, clock, trace, regionCompiled } = this.#p;
    const began = clock();
    const m = new ModuleBuilder();
    m.importMemory("m", "memory", 1, MAX_MEMORY_PAGES, !(memory.buffer instanceof ArrayBuffer));
    const callHandler = m.importFunction("m", "call", [I32, I32, I32], [I32]);
    const imports: Record<string, unknown> = { memory: memory.memory, call: exports.call };
    const rt = lateRuntime(m, signatures, exports, imports);
    const functions = batch.map((placed, i) => this.#emit(m, placed, `${i}`, callHandler, rt));
    if (trace !== null) {
      batch.forEach(({ region, pageBase }, i) =>
        trace.wrap(m, functions[i]!, trace.register(region, pageBase), stateBase, `traced ${i}`),
      );
    }
    const bytes = m.encode();
    const emitted = clock();
    const module = new WebAssembly.Module(bytes);
    const made = clock();
    const instance = new WebAssembly.Instance(module, { m: imports });
    counters.emitMs += emitted - began;
    counters.moduleMs += made - emitted;
    counters.instanceMs += clock() - made;
    counters.modules++;
    counters.codeBytes += bytes.length;
    if (regionCompiled !== null)
      batch.forEach(({ region, pageBase }, i) => regionCompiled(regionDump(memory, region, pageBase, bytes, i)));
    const prefix = trace === null ? "" : "traced ";
    return functions.map((f, i) => ({ function: instance.exports[`${prefix}${i}`], bytes: f.body.length }));
  }

  /** Writes the function of one region. */
  #emit(m: ModuleBuilder, placed: PlacedRegion, name: string, callHandler: Callee, rt: Runtime): Func {
    const { memory, stateBase, jumpCache } = this.#p;
    const { region, slot } = placed;
    const f = m.declare([I32, I32], [I32], name);
    const pageAddress = (page: CodePage): number => memory.pageAddress(page.hpn);
    const windows = region.pages.every(({ page }) => page.windows);
    const place = { stateBase, slot, jumpCache, windows, pageAddress, callHandler };
    const emitter = new RegionEmitter(f, region, place, xmmRegisters(region, memory));
    emitter.generate((insn) => this.#instruction(emitter, insn, rt));
    return f;
  }

  #instruction(emitter: RegionEmitter, insn: RegionInstruction, rt: Runtime): void {
    const x = new JitCtx(emitter, this.#p.memory, insn, rt, this.besideCode.has(insn.first));
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
        emitter.windows.undo(mark.length);
        emitter.kind = kind;
      }
    }
    if (insn.addressRecord !== 0) emitter.putState(EA, x.address(0));
    emitter.callHandler();
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
