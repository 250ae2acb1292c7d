// SPDX-License-Identifier: BSD-3-Clause
/**
 * From outlines to functions: asks the compiler and takes its answers in.
 *
 * The compiler is a service beside the machine where there is one (JitOptions.compiler); then the machine goes on interpreting until the
 * answer is there. Without one, when it has failed, and for those who look into modules it works in place.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { RECORD_BYTES } from "../decode/record.ts";
import { regionDump, type RegionDump } from "../debug/region-dump.ts";
import type { RegionTrace } from "../debug/region-trace.ts";
import type { InterpreterExports } from "../interp/module-cache.ts";
import type { FormLookup } from "../isa/forms.ts";
import { RegionCompiler, runtimeImport, type WrittenModule } from "./compiler.ts";
import type { Outline } from "./discover.ts";
import * as Q from "./request.ts";
import type { JitCounters } from "./statistics.ts";

/** Name of the function around a region that notes its entries and exits. */
const TRACED = "traced ";

export interface PipelineParts {
  readonly memory: MachineMemory;
  readonly setup: Q.CompilerSetup;
  readonly exports: InterpreterExports;
  readonly forms: () => FormLookup;
  readonly counters: JitCounters;
  /** Milliseconds, for the statistics. */
  readonly clock: () => number;
  /** Where entries and exits are noted; null = nowhere, which costs nothing. */
  readonly trace: RegionTrace | null;
  /** Told of each region compiled. */
  readonly regionCompiled: ((dump: RegionDump) => void) | null;
}

/** A region to be compiled, its place in the interpreter's table, and where its base page lies. */
export interface PlacedOutline {
  readonly outline: Outline;
  readonly slot: number;
  readonly pageBase: number;
}

/** A region's function. */
export interface CompiledOutline extends Q.CompiledFunction {
  readonly function: unknown;
}

interface Waiting<T> {
  readonly batch: readonly T[];
  readonly request: Q.CompileRequest;
}

/** Told of each batch that is compiled, with what became of each of its regions, in their order. */
export type Compiled<T> = (batch: readonly T[], functions: readonly CompiledOutline[]) => void;

export class RegionPipeline<T extends PlacedOutline> {
  /** First records of instructions that store beside code, see JitCtx. */
  readonly besideCode = new Set<number>();
  readonly #p: PipelineParts;
  readonly #compiled: Compiled<T>;
  readonly #start: Q.StartCompiler | null;
  #service: Q.CompileService | null = null;
  #inPlace: RegionCompiler | null = null;
  /** All that the service has. */
  beside: readonly T[] = [];
  /** The same in batches, by their requests. */
  readonly #waiting = new Map<number, Waiting<T>>();
  #lastId = 0;

  constructor(parts: PipelineParts, start: Q.StartCompiler | null, compiled: Compiled<T>) {
    this.#p = parts;
    this.#compiled = compiled;
    this.#start = parts.trace === null && parts.regionCompiled === null ? start : null;
  }

  /** Whether compiling costs the machine no time. */
  get isBeside(): boolean {
    return this.#start !== null && this.#service?.failed !== true;
  }
  /** The service has something to do. */
  get isBusy(): boolean {
    return this.beside.length > 0;
  }
  /** Has the service ready by the time it is needed. */
  prepare(): void {
    if (this.#start !== null) this.#service ??= this.#start(this.#p.setup);
  }

  /** Compiles regions into one module: beside the machine, or at once. */
  compile(batch: readonly T[]): void {
    const request = { id: ++this.#lastId, regions: batch.map((placed) => this.#requestFor(placed)) };
    this.prepare();
    if (this.#service === null || this.#service.failed) {
      this.#finish(batch, this.#compileHere(batch, request));
      return;
    }
    this.#waiting.set(request.id, { batch, request });
    this.beside = [...this.beside, ...batch];
    this.#service.post(request);
  }

  /** Takes in what the service has done. When it has failed, what it had is compiled in place. */
  poll(): void {
    const service = this.#service;
    if (service === null || !this.isBusy) return;
    for (let reply = service.receive(); reply !== null; reply = service.receive()) {
      const { batch } = this.#waiting.get(reply.id)!;
      this.#waiting.delete(reply.id);
      this.beside = [...this.#waiting.values()].flatMap((waiting) => waiting.batch);
      this.#finish(batch, reply);
    }
    if (!service.failed) return;
    const left = [...this.#waiting.values()];
    this.#waiting.clear();
    this.beside = [];
    for (const { batch, request } of left) this.#finish(batch, this.#compileHere(batch, request));
  }

  #finish(batch: readonly T[], reply: Q.CompileReply): void {
    const { exports, memory, counters, clock } = this.#p;
    const imports: Record<string, unknown> = { memory: memory.memory, call: exports.call };
    for (const name of reply.runtime) {
      const key = runtimeImport(name);
      imports[key] = exports[key as keyof InterpreterExports];
    }
    const began = clock();
    const instance = new WebAssembly.Instance(reply.module, { m: imports });
    counters.emitMs += reply.emitMs;
    counters.moduleMs += reply.moduleMs;
    counters.instanceMs += clock() - began;
    counters.modules++;
    counters.codeBytes += reply.moduleBytes;
    const prefix = this.#p.trace === null ? "" : TRACED;
    this.#compiled(
      batch,
      reply.functions.map((f, i) => ({ ...f, function: instance.exports[`${prefix}${i}`] })),
    );
  }

  #compileHere(batch: readonly PlacedOutline[], request: Q.CompileRequest): Q.CompileReply {
    const { memory, setup, clock, forms, trace, regionCompiled } = this.#p;
    this.#inPlace ??= new RegionCompiler(setup, clock, forms());
    const complete = ({ builder, functions, regions }: WrittenModule): void => {
      if (trace === null) return;
      batch.forEach(({ pageBase }, i) =>
        trace.wrap(builder, functions[i]!, trace.register(regions[i]!, pageBase), setup.stateBase, `${TRACED}${i}`),
      );
    };
    const encoded = ({ regions }: WrittenModule, bytes: Uint8Array): void => {
      if (regionCompiled === null) return;
      batch.forEach(({ pageBase }, i) => regionCompiled(regionDump(memory, regions[i]!, pageBase, bytes, i)));
    };
    return this.#inPlace.compile(request, complete, encoded);
  }

  #requestFor({ outline, slot }: PlacedOutline): Q.RegionRequest {
    const { memory } = this.#p;
    const { pages, offsetOf, starts, leaders, entered, seenTargets } = outline;
    const words = outline.words.slice();
    const records = new Uint8Array(offsetOf.size * Q.RECORDS_BYTES);
    for (let k = 0, at = 0; k < words.length; k += Q.INSTRUCTION_WORDS, at += Q.RECORDS_BYTES) {
      const record = words[k + Q.W_RECORD]!;
      records.set(memory.u8.subarray(record - RECORD_BYTES, record + RECORD_BYTES), at);
      if (this.besideCode.has(words[k + Q.W_FIRST]!)) words[k + Q.W_FLAGS]! |= Q.BESIDE_CODE;
    }
    return {
      slot,
      windows: pages.every(({ page }) => page.windows),
      pages: pages.map(({ page, delta }) => ({ address: memory.pageAddress(page.hpn), delta })),
      starts,
      words,
      records,
      leaders,
      entered,
      seenTargets,
    };
  }
}
