// SPDX-License-Identifier: BSD-3-Clause
/**
 * A processor that checks its compiler: whatever it executes is executed again by the interpreter alone, from the same registers and
 * the same memory, and both ends are compared. The interpreter's effects are those that stay.
 *
 * Programs are cut in rounds of `interval` instructions. When a round ends differently it is repeated in the smallest rounds
 * there are, from one way out of a region to the next, to find the first that does.
 *
 * Invariants
 *   LS1  A round ends between two instructions, never between two elements of a repeated string instruction.
 *   LS2  Both runs see the same time stamps and the same answers of devices.
 *   LS3  The reference never compiles, and shares no decoded code with the other.
 *
 * @module
 */
import { PGMASK, type AddressSpace, type MachineMemory, type Translation } from "@vkernel/mmu";
import { Cpu, type CpuOptions } from "../cpu.ts";
import { disassemble } from "../decode/disassemble.ts";
import { EXIT_BUDGET, EXIT_EXCEPTION, EXIT_INTERRUPT, type ExitReason } from "../exception.ts";
import type { DescriptorSource } from "../segment.ts";
import * as S from "../state.ts";
import { DeviceMismatch, WatchedSpace } from "./watched-space.ts";

export interface LockstepOptions extends Omit<CpuOptions, "vcpu"> {
  /** Instructions between two comparisons, 1000 unless given; 1 compares at every exit of a region. */
  readonly interval?: number;
}

/** Words of the state block that hold registers, beside general registers, EIP and flags. */
const FIRST_COMPARED = S.SEG >> 2;
const LAST_COMPARED = S.MXCSR >> 2;
const REGISTERS = "eax ecx edx ebx esp ebp esi edi".split(" ");
const SEGMENTS = "es cs ss ds fs gs".split(" ");
const REASONS = ["budget", "interrupt", "exception", "software interrupt", "call gate"];
/** Instructions that an error lists. */
const MOST_SHOWN = 24;

interface Snapshot {
  readonly words: Int32Array;
}
interface End {
  readonly exit: ExitReason;
  readonly retired: number;
}

/** Compiled and interpreted code did not do the same. The message tells where and what, line by line. */
export class LockstepError extends Error {
  /** EIP of the round's first instruction. */
  readonly eip: number;
  /** What differs: compiled / interpreted. */
  readonly differences: readonly string[];

  constructor(eip: number, differences: readonly string[], path: readonly string[]) {
    const head = `lockstep: compiled and interpreted code differ from ${hex(eip)} on (compiled / interpreted)`;
    super([head, ...differences.map((d) => `  ${d}`), ...path.map((line) => `    ${line}`)].join("\n"));
    this.name = "LockstepError";
    this.eip = eip;
    this.differences = differences;
  }
}

export class LockstepCpu extends Cpu {
  readonly #reference: Cpu;
  readonly #watch: WatchedSpace;
  readonly #interval: number;
  readonly #clock: () => number;
  /** Time stamps of the round, and the next to hand out again; −1 = the clock is asked. */
  readonly #stamps: number[];
  #stampsReplayed = -1;
  /** Rounds compared so far. */
  rounds = 0;

  /**
   * The memory needs two virtual CPUs (`vcpus: 2`), cpu area for both (`cpuAreaBytes(ramBytes, 2)`) and one translation table more than its
   * spaces.
   */
  constructor(memory: MachineMemory, translation: Translation, options: LockstepOptions = {}) {
    const stamps: number[] = [];
    let ask = (): number => 0;
    super(memory, { ...options, vcpu: 0, timestamp: () => ask() });
    this.#clock = options.timestamp ?? ((): number => this.retired);
    this.#stamps = stamps;
    ask = () => this.#timestamp();
    this.#interval = Math.max(1, options.interval ?? 1000);
    this.#watch = new WatchedSpace(translation);
    this.#reference = new Cpu(memory, { ...options, vcpu: 1, timestamp: () => ask(), jit: { threshold: Infinity } });
  }

  override set descriptors(source: DescriptorSource) {
    super.descriptors = source;
    this.#reference.descriptors = source;
  }

  /** As of Cpu. Throws LockstepError when compiled code did something else than the interpreter. */
  override run(space: AddressSpace, budget: number): ExitReason {
    this.#watch.reset(space);
    this.#reference.softInterruptGates.set(this.softInterruptGates);
    for (let left = budget; ; ) {
      if (this.interruptPending) return EXIT_INTERRUPT;
      if (left <= 0) return EXIT_BUDGET;
      const before = this.retired;
      const exit = this.#round(Math.min(left, this.#interval));
      left -= Math.max(1, this.retired - before);
      if (exit !== EXIT_BUDGET) return exit;
    }
  }

  /** One round, compared. */
  #round(count: number): ExitReason {
    const start = this.#snapshot();
    this.#stamps.length = 0;
    this.#stampsReplayed = -1;
    this.#watch.begin();
    const end = this.#compiled(count);
    this.rounds++;
    const differences = this.#compare(start, end);
    if (differences.length > 0) throw this.#narrow(start, end, differences);
    return end.exit;
  }

  /** Runs with compiled code to the end of the round. */
  #compiled(count: number): End {
    const before = this.retired;
    let interrupted = false;
    let exit = super.run(this.#watch, count);
    // LS1: a string instruction is brought to its end.
    while ((exit === EXIT_BUDGET || exit === EXIT_INTERRUPT) && this.#atRepeated()) {
      if (exit === EXIT_INTERRUPT) interrupted = true;
      this.interruptPending = false;
      exit = super.run(this.#watch, 1);
    }
    if (interrupted) {
      this.interruptPending = true;
      if (exit === EXIT_BUDGET) exit = EXIT_INTERRUPT;
    }
    return { exit, retired: this.retired - before };
  }

  /** Whether the next instruction is a repeated string instruction, as far as its bytes can be seen. */
  #atRepeated(): boolean {
    const bytes = this.#codeAt(this.eip);
    if (bytes === null) return false;
    let repeated = false;
    for (const byte of bytes) {
      if (byte === 0xf2 || byte === 0xf3) repeated = true;
      else if (byte >= 0xa4 && byte <= 0xaf) return repeated;
      else if (![0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0].includes(byte)) return false;
    }
    return false;
  }
  /** Bytes at an address of the code segment, up to the page end; null when they cannot be read. */
  #codeAt(eip: number): Uint8Array | null {
    const host = this.#watch.translate((eip + this.segment(S.CS).base) >>> 0, 2);
    if (host < 0) return null;
    return this.memory.u8.subarray(host, Math.min(host + 15, (host | PGMASK) + 1));
  }

  /** Goes back to the start of the round and runs it in the reference; what differs at the end, [] when nothing does. */
  #compare(start: Snapshot, end: End): string[] {
    this.#back(start, true);
    let other: End;
    try {
      other = this.#interpreted(start, end);
    } catch (e) {
      if (!(e instanceof DeviceMismatch)) throw e;
      return [e.message];
    }
    const expected = end.exit === EXIT_INTERRUPT ? EXIT_BUDGET : end.exit;
    const differences = this.#registerDifferences(expected === EXIT_EXCEPTION);
    if (other.exit !== expected) differences.unshift(`exit: ${REASONS[expected]} / ${REASONS[other.exit]}`);
    if (other.retired !== end.retired) differences.push(`instructions: ${end.retired} / ${other.retired}`);
    const memory = this.#watch.difference();
    if (memory !== null) differences.push(memory);
    return differences;
  }
  /** Runs the round in the reference, whose state is that of the start. */
  #interpreted(start: Snapshot, end: End): End {
    const reference = this.#reference;
    const within = end.exit === EXIT_BUDGET || end.exit === EXIT_INTERRUPT;
    // An exception ends the round by itself: behind the instructions retired, or, for traps, with the last of them.
    const wanted = within ? end.retired : end.retired + 1;
    const run = (go: (left: number) => ExitReason): End => {
      const before = reference.retired;
      let exit: ExitReason = EXIT_BUDGET;
      while (exit === EXIT_BUDGET && reference.retired - before < wanted) exit = go(wanted - (reference.retired - before));
      return { exit, retired: reference.retired - before };
    };
    const whole = run((left) => reference.run(this.#watch, left));
    if (!within || (whole.exit === EXIT_BUDGET && whole.retired === wanted)) return whole;
    // The interpreter stops at jumps only, compiled code also elsewhere: exactly as many, one by one.
    this.#back(start, false);
    return run(() => reference.step(this.#watch));
  }

  /** The difference of a round as an error: that of the first small round that differs, where it can be found. */
  #narrow(start: Snapshot, end: End, differences: string[]): LockstepError {
    if (end.retired <= 1 || this.#watch.touchedDevices || this.#stamps.length > 0) return this.#error(start, end, differences);
    this.#back(start, false);
    this.#load(this, start);
    for (let left = end.retired; left > 0; ) {
      const smallStart = this.#snapshot();
      this.#watch.begin();
      const small = this.#compiled(1);
      const found = this.#compare(smallStart, small);
      if (found.length > 0) return this.#error(smallStart, small, found);
      if (small.exit !== EXIT_BUDGET) break;
      left -= Math.max(1, small.retired);
    }
    return this.#error(start, end, [...differences, "(not so in smaller rounds)"]);
  }
  #error(start: Snapshot, end: End, differences: string[]): LockstepError {
    const path: string[] = [];
    this.#back(start, false);
    const reference = this.#reference;
    for (let i = 0; i <= end.retired; i++) {
      const bytes = this.#codeAt(reference.eip);
      if (bytes === null) break;
      if (path.length === MOST_SHOWN) path.push(`… ${end.retired - i} more`);
      else if (path.length < MOST_SHOWN) path.push(`${hex(reference.eip)}  ${disassemble(bytes, reference.eip).text}`);
      if (i < end.retired && reference.step(this.#watch) !== EXIT_BUDGET) break;
    }
    return new LockstepError(start.words[S.EIP >> 2]! >>> 0, differences, path);
  }

  // ------------------------------------------------------------------- state

  #snapshot(): Snapshot {
    return { words: this.words.slice(0, LAST_COMPARED + 1) };
  }
  /** Memory and the reference's registers are as at the start of the round. */
  #back(start: Snapshot, note: boolean): void {
    this.#watch.rewind(note);
    this.#stampsReplayed = 0;
    this.#load(this.#reference, start);
  }
  #load(cpu: Cpu, { words }: Snapshot): void {
    cpu.words.set(words);
    cpu.interruptPending = false;
  }

  #registerDifferences(withException: boolean): string[] {
    const other = this.#reference;
    const list: string[] = [];
    const check = (name: string, a: number, b: number): void => {
      if (a !== b) list.push(`${name}: ${hex(a)} / ${hex(b)}`);
    };
    REGISTERS.forEach((name, n) => check(name, this.gpr[n]!, other.gpr[n]!));
    check("eip", this.eip, other.eip);
    check("eflags", this.eflags, other.eflags);
    for (let i = FIRST_COMPARED; i <= LAST_COMPARED; i++) check(stateName(4 * i), this.words[i]!, other.words[i]!);
    if (withException) {
      check("vector", this.vector, other.vector);
      check("error code", this.errorCode, other.errorCode);
      if (this.vector === 14) check("cr2", this.cr2, other.cr2);
    }
    return list;
  }

  #timestamp(): number {
    if (this.#stampsReplayed < 0) {
      const now = this.#clock();
      this.#stamps.push(now);
      return now;
    }
    return this.#stamps[this.#stampsReplayed++] ?? 0;
  }
}

/** Name of the state word at `offset`, from the segment registers on. */
function stateName(offset: number): string {
  if (offset < S.XMM) return `${SEGMENTS[(offset - S.SEG) >> 4]}.${["selector", "base", "limit", "rights"][(offset >> 2) & 3]}`;
  if (offset < S.X87) return `xmm${(offset - S.XMM) >> 4}[${(offset >> 2) & 3}]`;
  if (offset < S.FCW) return `r${(offset - S.X87) >> 4}[${(offset >> 2) & 3}]`;
  const names = "fcw fsw ftw top fop fip fcs fdp fds mxcsr".split(" ");
  return names[(offset - S.FCW) >> 2]!;
}
function hex(n: number): string {
  return `0x${(n >>> 0).toString(16)}`;
}
