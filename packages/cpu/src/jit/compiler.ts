// SPDX-License-Identifier: BSD-3-Clause
/**
 * From requests to modules: one WebAssembly module for a batch of regions.
 *
 * A module of its own costs a region some 300 µs and 20 KB more than sharing one with a dozen others (docs/ARCHITECTURE.md). The
 * same code runs in place and in a thread beside the machine (compile-worker.ts), so both write the same modules.
 * @module
 */
import { formsOf } from "../decode/decode-table.ts";
import type { Runtime } from "../isa/ctx.ts";
import { FormLookup, restoreForms } from "../isa/forms.ts";
import type { Form } from "../isa/row.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";
import { ROWS } from "../isa/table.ts";
import { EA } from "../state.ts";
import type { Callee } from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import { I32 } from "../wasm/opcodes.ts";
import { makeRegion, type Region, type RegionInstruction } from "./blocks.ts";
import { RegionEmitter } from "./emitter.ts";
import { JitCtx, NotCompiled, xmmRegisters } from "./jit-ctx.ts";
import type { CompileReply, CompileRequest, CompilerSetup, RegionRequest } from "./request.ts";

/** 4 GiB in pages of WebAssembly: any memory of the machine suits. */
const MAX_MEMORY_PAGES = 0x1_0000;

/** A module as it is written, for those who want to add to it or to look into it. */
export interface WrittenModule {
  readonly builder: ModuleBuilder;
  readonly functions: readonly Func[];
  readonly regions: readonly Region[];
}

export class RegionCompiler {
  readonly #setup: CompilerSetup;
  readonly #clock: () => number;
  readonly #forms: FormLookup;
  /** Forms that JitCtx does not compile. */
  readonly #refused = new Set<Form>();

  /** `clock`: milliseconds, for the statistics. `forms`: made from the setup unless given. */
  constructor(setup: CompilerSetup, clock: () => number, forms?: FormLookup) {
    this.#setup = setup;
    this.#clock = clock;
    this.#forms = forms ?? new FormLookup(restoreForms(ROWS, (row) => formsOf(setup.decodeTable, row)));
  }

  /** Compiles a request; `complete` may add to the module before it is encoded, `encoded` sees its bytes. */
  compile(
    request: CompileRequest,
    complete: (written: WrittenModule) => void = () => {},
    encoded: (written: WrittenModule, bytes: Uint8Array) => void = () => {},
  ): CompileReply {
    const began = this.#clock();
    const builder = new ModuleBuilder();
    builder.importMemory("m", "memory", 1, MAX_MEMORY_PAGES, this.#setup.shared);
    const callHandler = builder.importFunction("m", "call", [I32, I32, I32], [I32]);
    const runtime = new Map<string, Callee>();
    const rt = lateRuntime(builder, this.#setup.signatures, runtime);
    const regions: Region[] = [];
    const functions = request.regions.map((asked, i) => {
      const region = makeRegion(asked, this.#forms);
      regions.push(region);
      return this.#emit(builder, region, asked, `${i}`, callHandler, rt);
    });
    const written = { builder, functions, regions };
    complete(written);
    const bytes = builder.encode();
    const emitted = this.#clock();
    const module = new WebAssembly.Module(bytes);
    const moduleMs = this.#clock() - emitted;
    encoded(written, bytes);
    return {
      id: request.id,
      module,
      moduleBytes: bytes.length,
      runtime: [...runtime.keys()],
      functions: functions.map((f, i) => ({
        bytes: f.body.length,
        entries: regions[i]!.entries.map(({ offset }) => offset),
      })),
      emitMs: emitted - began,
      moduleMs,
    };
  }

  /** Writes the function of one region. */
  #emit(
    m: ModuleBuilder,
    region: Region,
    { slot, windows }: RegionRequest,
    name: string,
    callHandler: Callee,
    rt: Runtime,
  ): Func {
    const { stateBase, jumpCache } = this.#setup;
    const f = m.declare([I32, I32], [I32], name);
    const emitter = new RegionEmitter(f, region, { stateBase, slot, jumpCache, windows, callHandler }, xmmRegisters(region));
    emitter.generate((insn) => this.#instruction(emitter, insn, rt));
    return f;
  }

  #instruction(emitter: RegionEmitter, insn: RegionInstruction, rt: Runtime): void {
    const x = new JitCtx(emitter, insn, rt);
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
    if (insn.hasAddressRecord) emitter.putState(EA, x.address(0));
    emitter.callHandler();
  }
}

/** What the import of a runtime function is called. */
export function runtimeImport(name: string): string {
  return `rt.${name}`;
}

/** The runtime functions, imported from the interpreter when semantics first name them; then they are in `known`. */
function lateRuntime(m: ModuleBuilder, signatures: RuntimeSignatures, known: Map<string, Callee>): Runtime {
  return new Proxy({} as Runtime, {
    get(_target, name: string): Callee | undefined {
      const callee = known.get(name);
      const signature = signatures[name];
      if (callee !== undefined || signature === undefined) return callee;
      const made = m.importLate("m", runtimeImport(name), signature.params, signature.results);
      known.set(name, made);
      return made;
    },
  });
}
