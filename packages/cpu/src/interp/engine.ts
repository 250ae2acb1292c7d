// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs decoded code: drives the generated interpreter, decodes on demand, resolves slow accesses, turns what stops the
 * interpreter into exits.
 *
 * Invariants
 *   E1  Whatever run() returns, EIP, registers and flags are in the state block and the instruction counter is right.
 *   E2  A budget slice ends after at most SLICE instructions, so an interrupt word set by another thread is seen soon (I-STOP).
 *   E3  Every way round the loop of run() either retires an instruction, or decodes code that was not decoded, or returns.
 *
 * @module
 */
import { ACCESS_EXEC, FLAT_BIAS, PGMASK, PGSHIFT, TABLE_ENTRY_BYTES, faultCode } from "@vkernel/mmu";
import type { AddressSpace, MachineMemory } from "@vkernel/mmu";
import { hasFeature, type CpuModel } from "../cpuid.ts";
import { CodeStore, MODE_CODE16, MODE_GENERAL, type CodePage } from "../decode/code-store.ts";
import { removeRows } from "../decode/decode-table.ts";
import { DECODER_BYTES, DECODE_FETCH_FAULT, DECODE_OK, DECODE_TOO_LONG } from "../decode/decode-words.ts";
import { Decoder } from "../decode/decoder.ts";
import * as R from "../decode/record.ts";
import type { RegionDump } from "../debug/region-dump.ts";
import { RegionTrace, TRACE_BYTES } from "../debug/region-trace.ts";
import {
  EXC_BP,
  EXC_DB,
  EXC_GP,
  EXC_OF,
  EXC_UD,
  EXIT_BUDGET,
  EXIT_CALLGATE,
  EXIT_EXCEPTION,
  EXIT_INTERRUPT,
  EXIT_SOFTINT,
} from "../exception.ts";
import type { ExitReason } from "../exception.ts";
import {
  DEFAULT_JIT,
  ENTRY_TABLE_BYTES,
  Jit,
  type AddressToPage,
  type JitOptions,
  type RegionPlaceInSpace,
} from "../jit/jit.ts";
import { JUMP_CACHE_BYTES } from "./dispatch.ts";
import { JitCounters, type JitStatistics } from "../jit/statistics.ts";
import { SegmentLoader } from "../isa/segment-load.ts";
import { ROWS } from "../isa/table.ts";
import type { DescriptorSource } from "../segment.ts";
import { RIGHTS_DB } from "../segment.ts";
import * as S from "../state.ts";
import * as X from "./exits.ts";
import { interpreterFor, type InterpreterExports } from "./module-cache.ts";
import { Services } from "./services.ts";
import { SlowAccess } from "./slow-access.ts";

export interface EngineOptions {
  readonly timestamp?: () => number;
  readonly poolBytes?: number;
  readonly jit?: Partial<JitOptions>;
  readonly trace?: boolean;
  readonly regionCompiled?: (dump: RegionDump) => void;
  readonly clock?: () => number;
  /** What CPUID tells, and so which instructions there are. */
  readonly model: CpuModel;
}

/** Instructions between two looks at the interrupt word: 1–2 ms. */
const SLICE = 1 << 20;
/** The ring of a trace, so that what follows is aligned. */
const TRACE_ROOM = Math.ceil(TRACE_BYTES / 64) * 64;
/** What a slice of a repeated string instruction costs of the budget: about the time of as many instructions. */
const REPEAT_COST = 4096;
/** Pool for decoded code, as much as the largest programs execute: a page takes 16 KiB and 40 bytes for each instruction. */
const POOL_BYTES = 128 * 1024 * 1024;
/** Code and data segments of these rights, base 0 and limit 4 GiB need no checks: accessed, type, S, DPL 3, P, D/B, G. */
const FLAT_DATA_MASK = 0x409e;
const FLAT_DATA_RIGHTS = 0x4092;
const FLAT_CODE_RIGHTS = 0x409a;

/** How much less often compiled code is looked at. */
const COMPILED_INTERVAL = 2;

const EIP_W = S.EIP >> 2;
const ECX_W = (S.GPR >> 2) + S.ECX;
const EPOCH_W = S.EPOCH >> 2;
const COUNTER_W = S.COUNTER >> 2;
const PENDING_W = S.PENDING >> 2;
const TABLE_W = S.TABLE >> 2;
const CODE_DIR_W = S.CODE_DIR >> 2;
const SYSFLAGS_W = S.SYSFLAGS >> 2;
const VECTOR_W = S.EXIT_VECTOR >> 2;
const ERROR_W = S.EXIT_ERROR >> 2;

export class Engine {
  readonly segments: SegmentLoader;
  readonly trace: RegionTrace | null;
  /** After EXIT_CALLGATE: address behind the call. */
  nextEip = 0;
  undefinedInstruction: string | null = null;
  retired = 0;
  readonly #memory: MachineMemory;
  readonly #words: Int32Array;
  readonly #gates: Uint8Array;
  readonly #services: Services;
  readonly #slow: SlowAccess;
  readonly #store: CodeStore;
  readonly #decoder: Decoder;
  readonly #exports: InterpreterExports;
  readonly #enterRecord: number;
  readonly #jit: Jit;
  readonly #counters: JitCounters;
  readonly #compiles: boolean;
  /** Instructions until the compiler wants to see where execution stands. */
  #sampleLeft: number;
  /** State of the linear congruential generator that spreads the samples. */
  #random = 1;
  #space!: AddressSpace;
  /** Its translation table, and the number of that. */
  #table = -1;
  #tableSlot = 0;
  #mode = 0;
  /** ECX after the last element of a repeated string instruction that was executed alone. */
  #elementsLeft = 0;
  /** Linear address of the instruction found by #recordAt. */
  #linear = 0;

  constructor(
    memory: MachineMemory,
    stateBase: number,
    gates: Uint8Array,
    descriptors: DescriptorSource,
    options: EngineOptions,
  ) {
    this.#memory = memory;
    this.#words = memory.i32.subarray(stateBase >> 2, (stateBase >> 2) + 0x4000);
    this.#gates = gates;
    this.segments = new SegmentLoader(memory, stateBase, descriptors);
    const timestamp = options.timestamp ?? ((): number => this.retired);
    this.#services = new Services(memory, stateBase, this.segments, options.model, timestamp);
    this.#slow = new SlowAccess(memory, stateBase);
    const { layout } = memory;
    const share = Math.floor(layout.cpuBytes / layout.vcpus / 64) * 64;
    const area = layout.cpuBase + ((stateBase - layout.stateBase) / 0x1_0000) * share;
    this.#enterRecord = area;
    memory.u8.fill(0, area, area + R.RECORD_BYTES);
    memory.u16[(area + R.R_HANDLER) >> 1] = R.H_ENTER;
    const entryTable = area + 64;
    const decodeTables = entryTable + ENTRY_TABLE_BYTES;
    const jumpCache = decodeTables + DECODER_BYTES;
    memory.u8.fill(0, jumpCache, jumpCache + JUMP_CACHE_BYTES);
    this.#words[S.JUMP_CACHE >> 2] = jumpCache;
    const ring = jumpCache + JUMP_CACHE_BYTES;
    this.trace = options.trace === true ? new RegionTrace(memory, ring) : null;
    const storeBase = ring + (this.trace === null ? 0 : TRACE_ROOM);
    const available = share - (storeBase - area);
    const wanted = CodeStore.directoryBytes(memory.npages) + (options.poolBytes ?? available);
    this.#store = new CodeStore(memory, storeBase, Math.min(available, wanted));
    this.#words[S.LINKS >> 2] = layout.linksBase - layout.tablesBase;
    this.#words[S.COVERS >> 2] = this.#store.coversOrigin;
    this.#words[S.ALONE >> 2] = layout.vcpus === 1 ? 1 : 0;
    const interpreter = interpreterFor(memory, stateBase);
    const { handlers, signatures } = interpreter;
    this.#store.handlers = handlers;
    const decodeTable = memory.u8.subarray(decodeTables, decodeTables + interpreter.decodeTable.length);
    decodeTable.set(interpreter.decodeTable);
    removeRows(decodeTable, (row) => hasFeature(options.model, ROWS[row]!.feature));
    const decoderExports = interpreter.instantiateDecoder();
    this.#decoder = new Decoder(memory, this.#store, decoderExports, decodeTables, interpreter.flows);
    this.#exports = interpreter.instantiate({
      slowRead: (va, n) => this.#slow.read(va, n),
      slowProbe: (va, n) => this.#slow.probe(va, n),
      slowWrite: (va, n) => this.#slow.write(va, n),
      codeWritten: (host, n) => memory.memoryWritten(host >>> 0, n),
      service: (id, a, b) => this.#services.call(id, a, b),
    });
    const jitOptions = { ...DEFAULT_JIT, ...options.jit };
    this.#counters = new JitCounters(this.#words);
    this.#jit = new Jit(
      {
        memory,
        stateBase,
        store: this.#store,
        exports: this.#exports,
        forms: interpreter.forms,
        flows: interpreter.flows,
        handlers,
        setup: {
          decodeTable: interpreter.decodeTable,
          signatures,
          stateBase,
          jumpCache,
          shared: !(memory.buffer instanceof ArrayBuffer),
        },
        entryTable,
        firstSlot: 2 * handlers.length,
        counters: this.#counters,
        clock: options.clock ?? ((): number => 0),
        trace: this.trace,
        regionCompiled: options.regionCompiled ?? null,
      },
      jitOptions,
    );
    this.#sampleLeft = jitOptions.sampleInterval;
    this.#compiles = jitOptions.threshold !== Infinity;
  }

  /** Bytes of cpu area for one virtual CPU of a machine with `ramBytes` of host pages. */
  static areaBytes(ramBytes: number): number {
    const directories = CodeStore.directoryBytes(ramBytes >>> PGSHIFT);
    return POOL_BYTES + directories + ENTRY_TABLE_BYTES + DECODER_BYTES + JUMP_CACHE_BYTES + 64;
  }

  get jitStatistics(): JitStatistics {
    return this.#jit.statistics(this.retired);
  }

  invalidateCode(hpn: number): void {
    this.#store.invalidate(hpn);
  }

  #enter(space: AddressSpace): void {
    this.#space = space;
    this.#slow.space = space;
    const { table } = space;
    if (table !== this.#table) {
      this.#table = table;
      this.#tableSlot = this.#memory.tableSlot(table);
    }
    this.#words[TABLE_W] = table;
    this.#enterMode();
  }

  /** Executes one instruction, or one element of a repeated string instruction. EXIT_BUDGET when nothing else happened. */
  step(space: AddressSpace): ExitReason {
    this.#enter(space);
    if (this.#words[PENDING_W] !== 0) return EXIT_INTERRUPT;
    const exit = (this.#words[SYSFLAGS_W]! & S.TF) !== 0 ? this.#trace() : this.#stepAndTell();
    return exit >= 0 ? (exit as ExitReason) : EXIT_BUDGET;
  }

  run(space: AddressSpace, budget: number): ExitReason {
    const w = this.#words;
    this.#enter(space);
    let left = budget;
    for (;;) {
      if (w[PENDING_W] !== 0) return EXIT_INTERRUPT;
      if (left <= 0) return EXIT_BUDGET;
      const before = this.retired;
      const exit = (w[SYSFLAGS_W]! & S.TF) !== 0 ? this.#trace() : this.#slice(Math.min(left, SLICE));
      if (exit >= 0) return exit as ExitReason;
      left -= this.retired - before;
      if (exit === REPEATING) left -= REPEAT_COST;
      else if (exit === ELEMENT) left--;
    }
  }

  /** Runs decoded code for up to `count` instructions. Returns an exit, or a negative value to go on. */
  #slice(most: number): number {
    if (this.#jit.traceLeft > 0) return this.#traced();
    const count = this.#compiles ? Math.min(most, this.#sampleLeft) : most;
    return this.#runFor(count);
  }
  /** Runs up to the next taken jump, and shows the compiler what ran. */
  #traced(): number {
    const jit = this.#jit;
    jit.traceLeft = this.#mode === 0 ? jit.traceLeft - 1 : 0;
    const before = this.retired;
    const from = this.#words[EIP_W]!;
    const page = this.#pageOf(from);
    const result = this.#runFor(1);
    const count = this.retired - before;
    if (page !== undefined && page.live && count > 0) jit.trace(page, from, count, this.#words[EIP_W]!);
    return result;
  }
  #runFor(count: number): number {
    const w = this.#words;
    this.trace?.mark(this.retired + count);
    w[COUNTER_W] = -count * R.RECORD_BYTES;
    w[EPOCH_W] = this.#memory.tableEpochs[this.#tableSlot]!;
    let code: number;
    try {
      code = this.#exports.run(this.#enterRecord);
    } finally {
      // Also when a device's callback has thrown through the generated code: it is called at an instruction's start (E1).
      const retired = count + (w[COUNTER_W]! >> R.RECORD_SHIFT);
      this.retired += retired;
      this.#sampleLeft -= retired;
    }
    switch (code) {
      case X.X_BUDGET:
        if (this.#compiles && this.#sampleLeft <= 0) this.#sample();
        return GO_ON;
      case X.X_SLOW:
        return this.#stepAndTell();
      case X.X_MISS:
        return this.#resolveMiss();
      case X.X_STALE:
        return this.#resolveStale();
      case X.X_QUIET_STORE: {
        const page = this.#pageOf(w[S.QUIET_STORE_EIP >> 2]!);
        if (page !== undefined) this.#jit.storesBesideCode(page, w[S.QUIET_STORE_EIP >> 2]!);
        return GO_ON;
      }
      case X.X_CROSSING:
        this.#jit.crossing(w[S.REGION_FROM_SLOT >> 2]!);
        return this.#stepAndTell();
      case X.X_HOT:
        this.#tellHot();
        return GO_ON;
      case X.X_PASSAGE:
        this.#jit.passage(w[EIP_W]!, this.#leftRegion(), this.#pageFinder);
        return GO_ON;
      default:
        return this.#exit(code);
    }
  }

  /** Shows the compiler an address that compiled code has left for again and again. */
  #tellHot(): void {
    const w = this.#words;
    const eip = w[EIP_W]!;
    const page = this.#pageOf(eip);
    if (page === undefined) return;
    this.#jit.hotTarget(page, eip, this.#leftRegion(), this.#pageFinder);
  }
  /** The region that was left with X_HOT or X_PASSAGE. */
  #leftRegion(): RegionPlaceInSpace {
    const w = this.#words;
    return { slot: w[S.REGION_FROM_SLOT >> 2]!, pageBase: w[S.REGION_FROM >> 2]! };
  }
  /** Shows the compiler where execution stands. Compiled code is looked at less often. */
  #sample(): void {
    const w = this.#words;
    const { sampleInterval } = this.#jit.options;
    this.#sampleLeft = this.#jitter(sampleInterval);
    this.#counters.collect();
    w[S.CROSSINGS >> 2] = 0;
    if (this.#mode !== 0) return;
    const eip = w[EIP_W]!;
    const page = this.#pageOf(eip);
    if (page !== undefined && this.#jit.sample(page, eip, this.#pageFinder)) {
      this.#sampleLeft = this.#jitter(COMPILED_INTERVAL * sampleInterval);
    }
  }
  /** A number around `interval`: samples at a fixed distance would always meet a program's rounds at the same place. */
  #jitter(interval: number): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return interval - (interval >> 2) + Math.floor((this.#random / 0x8000_0000) * (interval >> 1));
  }
  /** The decoded page at a flat address of the running space, as far as the table knows it. */
  #pageOf(address: number): CodePage | undefined {
    const linear = address >>> 0;
    const word = this.#memory.i32[(this.#space.table + (linear >>> PGSHIFT) * TABLE_ENTRY_BYTES) >> 2]!;
    return word === 0
      ? undefined
      : this.#store.page(this.#memory.hpnOf((linear + word + FLAT_BIAS) >>> 0), 0);
  }
  readonly #pageFinder: AddressToPage = (address) => this.#pageOf(address) ?? null;

  /** A region did not find its pages in the running space: looks for them, and executes one instruction without it. */
  #resolveStale(): number {
    const eip = this.#words[EIP_W]!;
    const record = this.#recordAt(eip);
    if (record < 0) return EXIT_EXCEPTION;
    // A process that has just begun has not touched all pages of what others made hot.
    this.#jit.stale(record, eip, (address) => {
      const va = address >>> 0;
      let host = this.#space.translate(va, ACCESS_EXEC);
      if (host < 0 && this.#space.populate?.(va) === true) host = this.#space.translate(va, ACCESS_EXEC);
      return host < 0 ? null : (this.#store.page(this.#memory.hpnOf(host), 0) ?? null);
    });
    return this.#stepAndTell();
  }

  /** EIP has no record the loop could find: decodes, or executes one instruction where the loop cannot see the page. */
  #resolveMiss(): number {
    const record = this.#recordAt(this.#words[EIP_W]!);
    if (record < 0) return EXIT_EXCEPTION;
    const word = this.#memory.i32[(this.#space.table + (this.#linear >>> PGSHIFT) * TABLE_ENTRY_BYTES) >> 2]!;
    return word !== 0 ? GO_ON : this.#stepAndTell();
  }

  /** Executes one instruction with slow access. */
  #stepAndTell(): number {
    const alone = this.#words[ECX_W] === this.#elementsLeft;
    const code = this.#step();
    if (code === X.X_AGAIN) {
      this.#elementsLeft = this.#words[ECX_W]!;
      return alone ? ELEMENT : REPEATING;
    }
    if (code !== X.X_EXCEPTION) this.retired++;
    return code === X.X_NEXT || code === X.X_JUMP ? GO_ON : this.#exit(code);
  }

  /** Single step under TF: one instruction, then #DB unless it ended otherwise or has just loaded SS. */
  #trace(): number {
    this.#services.stackLoaded = false;
    const exit = this.#stepAndTell();
    if (exit >= 0 || this.#services.stackLoaded) return exit;
    this.#words[VECTOR_W] = EXC_DB;
    this.#words[ERROR_W] = 0;
    return EXIT_EXCEPTION;
  }

  /** What an interpreter exit means to the caller of run(); negative: go on. */
  #exit(code: number): number {
    const w = this.#words;
    switch (code) {
      case X.X_EXCEPTION:
        if (this.#services.callGate === 0) return EXIT_EXCEPTION;
        w[ERROR_W] = this.#services.callGate;
        this.#services.callGate = 0;
        this.nextEip = this.#addressBehind(w[EIP_W]!);
        return EXIT_CALLGATE;
      case X.X_TRAP:
        return EXIT_EXCEPTION;
      case X.X_SOFTINT:
        return this.#softwareInterrupt();
      case X.X_LEAVE:
        this.#enterMode();
        return GO_ON;
      case X.X_AGAIN:
        return REPEATING;
      case X.X_ELEMENT: {
        const alone = w[ECX_W] === this.#elementsLeft - 1;
        this.#elementsLeft = w[ECX_W]!;
        return alone ? ELEMENT : REPEATING;
      }
      default:
        throw new Error(`cpu: interpreter returned ${code}`);
    }
  }

  /** INT n: an exit through an open gate, else #GP with the gate's error code. SDM vol. 3A §6.12.1.2. */
  #softwareInterrupt(): ExitReason {
    const w = this.#words;
    const n = w[VECTOR_W]!;
    w[ERROR_W] = 0;
    if (this.#gates[n] !== 0) return n === EXC_BP || n === EXC_OF ? EXIT_EXCEPTION : EXIT_SOFTINT;
    w[EIP_W] = w[S.SERVICE_RESULT >> 2]!;
    this.retired--;
    return this.#raise(EXC_GP, 8 * n + 2);
  }

  #raise(vector: number, errorCode: number): ExitReason {
    this.#words[VECTOR_W] = vector;
    this.#words[ERROR_W] = errorCode;
    return EXIT_EXCEPTION;
  }

  // ------------------------------------------------------------------ mode

  #segmentWord(segment: number, field: number): number {
    return this.#words[(S.SEG + segment * S.SEG_BYTES + field) >> 2]!;
  }
  #isFlat(segment: number, rights: number): boolean {
    return (
      (this.#segmentWord(segment, S.SEG_RIGHTS) & FLAT_DATA_MASK) === rights &&
      this.#segmentWord(segment, S.SEG_BASE) === 0 &&
      this.#segmentWord(segment, S.SEG_LIMIT) === -1
    );
  }
  /** Chooses the directory of decoded code that suits the segments. */
  #enterMode(): void {
    const flat =
      this.#isFlat(S.DS, FLAT_DATA_RIGHTS) &&
      this.#isFlat(S.SS, FLAT_DATA_RIGHTS) &&
      this.#isFlat(S.ES, FLAT_DATA_RIGHTS) &&
      this.#isFlat(S.CS, FLAT_CODE_RIGHTS);
    const code16 = (this.#segmentWord(S.CS, S.SEG_RIGHTS) & RIGHTS_DB) === 0;
    this.#mode = (flat ? 0 : MODE_GENERAL) | (code16 ? MODE_CODE16 : 0);
    this.#words[CODE_DIR_W] = this.#store.directoryOrigin(this.#mode);
  }

  // ------------------------------------------------- one instruction, slowly

  /** Executes the instruction at EIP with its step function; returns an interpreter exit. */
  #step(): number {
    const eip = this.#words[EIP_W]!;
    let record = this.#recordAt(eip);
    if (record < 0) return X.X_EXCEPTION;
    const pageBase = (eip - (this.#linear & PGMASK)) | 0;
    const { u16 } = this.#memory;
    for (;;) {
      if (u16[(record + R.R_HANDLER) >> 1] !== R.H_CROSS) {
        const code = this.#exports.step(u16[(record + R.R_FUNCTION) >> 1]!, record, pageBase);
        if (code !== X.X_PREFIX) return code;
      }
      record += R.RECORD_BYTES;
    }
  }

  /** Record of the instruction at `eip`, decoded if need be; −1 with the fault recorded when it cannot be fetched. */
  #recordAt(eip: number): number {
    const limit = this.#segmentWord(S.CS, S.SEG_LIMIT) >>> 0;
    if (eip >>> 0 > limit) {
      this.#raise(EXC_GP, 0);
      return -1;
    }
    const linear = (eip + this.#segmentWord(S.CS, S.SEG_BASE)) >>> 0;
    this.#linear = linear;
    const host = this.#space.translate(linear, ACCESS_EXEC);
    if (host < 0) {
      this.#slow.fault(linear, faultCode(host));
      return -1;
    }
    const known = this.#lookup(host);
    if (known !== 0) {
      const valid = this.#checkCross(known, linear);
      if (valid < 0) return -1;
      if (valid > 0) return known;
      this.#store.invalidate(this.#memory.hpnOf(host));
    }
    return this.#decodeAt(linear, host);
  }
  #lookup(host: number): number {
    const { i32 } = this.#memory;
    const index = i32[(this.#store.directory(this.#mode) >> 2) + this.#memory.hpnOf(host)]!;
    return index === 0 ? 0 : i32[(index >> 2) + (host & PGMASK)]!;
  }
  /** For an instruction that crosses its page: 1 = the following page is the one it was decoded with, 0 = not, −1 = fault. */
  #checkCross(record: number, linear: number): number {
    if (this.#memory.u16[(record + R.R_HANDLER) >> 1] !== R.H_CROSS) return 1;
    const nextPage = ((linear | PGMASK) + 1) >>> 0;
    const host = this.#space.translate(nextPage, ACCESS_EXEC);
    if (host < 0) {
      this.#slow.fault(nextPage, faultCode(host));
      return -1;
    }
    return host === this.#memory.u32[(record + R.R_IMM) >> 2] ? 1 : 0;
  }
  #decodeAt(linear: number, host: number): number {
    const decoder = this.#decoder;
    const result = decoder.decode(this.#space, linear, host, this.#mode);
    switch (result) {
      case DECODE_OK:
        if (this.#jit.options.threshold === 0 && this.#mode === 0) this.#compileAt(linear);
        return this.#lookup(host);
      case DECODE_FETCH_FAULT:
        this.#slow.fault(decoder.faultAddress, decoder.faultCode);
        return -1;
      case DECODE_TOO_LONG:
        this.#raise(EXC_GP, 0);
        return -1;
      default:
        this.undefinedInstruction = this.#describe(linear, host, decoder.insn.length);
        this.#raise(EXC_UD, 0);
        return -1;
    }
  }
  #compileAt(linear: number): void {
    const page = this.#pageOf(linear);
    if (page !== undefined) this.#jit.compile(page, linear, this.#pageFinder);
  }
  #describe(linear: number, host: number, length: number): string {
    const inPage = Math.min(length, PGMASK + 1 - (host & PGMASK));
    const bytes = [...this.#memory.u8.subarray(host, host + inPage)].map((b) =>
      b.toString(16).padStart(2, "0"),
    );
    return `undefined instruction ${bytes.join(" ")} at 0x${linear.toString(16).padStart(8, "0")}`;
  }
  /** Address behind the instruction at `eip`. */
  #addressBehind(eip: number): number {
    const record = this.#recordAt(eip);
    if (record < 0) throw new Error("cpu: the instruction just executed cannot be fetched");
    return (eip - (this.#linear & PGMASK) + this.#memory.u16[(record + R.R_NEXT) >> 1]!) >>> 0;
  }
}

const GO_ON = -1;
/** A repeated string instruction has used up its slice. */
const REPEATING = -2;
/** One element of a repeated string instruction was done, and none before it since the last. */
const ELEMENT = -3;
