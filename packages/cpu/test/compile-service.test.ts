// SPDX-License-Identifier: BSD-3-Clause
/**
 * Compiling beside the machine: what happens between a request and its reply. The service here is the compiler itself, with
 * replies that come when the test says so.
 * @module
 */
import { describe, expect, test } from "vitest";
import { RegionCompiler } from "../src/jit/compiler.ts";
import type { CompileReply, CompileRequest, CompileService, CompilerSetup } from "../src/index.ts";
import { EAX, EBX, ECX, EXC_BP, EXIT_BUDGET, EXIT_EXCEPTION } from "../src/index.ts";
import { CODE, machineWith, type Machine } from "./machine-kit.ts";

const ROUNDS = 400_000;
const SLICE = 20_000;

class HeldService implements CompileService {
  failed = false;
  readonly requests: CompileRequest[] = [];
  readonly #compiler: RegionCompiler;
  readonly #replies: CompileReply[] = [];

  constructor(setup: CompilerSetup) {
    this.#compiler = new RegionCompiler(setup, () => 0);
  }
  post(request: CompileRequest): void {
    // As between threads: nothing is shared.
    this.requests.push(structuredClone(request));
  }
  receive(): CompileReply | null {
    return this.#replies.shift() ?? null;
  }
  /** Answers all that was asked; returns how many regions that were. */
  answer(): number {
    const regions = this.requests.flatMap((request) => request.regions).length;
    for (const request of this.requests.splice(0)) this.#replies.push(this.#compiler.compile(request));
    return regions;
  }
}

/** A machine with a compiler that has to be told to answer; `started` are the services that were asked for. */
function heldMachine(): { readonly m: Machine; readonly started: HeldService[] } {
  const started: HeldService[] = [];
  const compiler = (setup: CompilerSetup): CompileService => {
    const service = new HeldService(setup);
    started.push(service);
    return service;
  };
  return { m: machineWith([], { jit: { compiler, sampleInterval: 2000 } }), started };
}
/** mov ecx, ROUNDS; l: add eax, step; xor ebx, eax; dec ecx; jnz l; int3. */
function putLoop(m: Machine, step: number): void {
  m.poke(CODE, [0xb9, ROUNDS & 0xff, (ROUNDS >> 8) & 0xff, ROUNDS >> 16, 0, 0x83, 0xc0, step, 0x31, 0xc3, 0x49, 0x75, 0xf8, 0xcc]);
}
const STEP = CODE + 7;

/** Runs from CODE to the INT3; calls `look` between slices. Returns EAX. */
function run({ cpu, space }: Machine, look: () => void = () => {}): number {
  cpu.gpr.fill(0, EAX, EBX + 1);
  cpu.eip = CODE;
  let exit: number = EXIT_BUDGET;
  while (exit === EXIT_BUDGET) {
    exit = cpu.run(space, SLICE);
    if (exit === EXIT_BUDGET) look();
  }
  expect([exit, cpu.vector]).toEqual([EXIT_EXCEPTION, EXC_BP]);
  return cpu.gpr[EAX]!;
}

describe("a compiler beside the machine", () => {
  test("the machine interprets until the reply is there, then runs what was compiled", () => {
    const { m, started } = heldMachine();
    putLoop(m, 1);
    let answered = 0;
    let interpreted = 0;
    const eax = run(m, () => {
      const { regions, regionRetired } = m.cpu.jitStatistics;
      if (answered === 0) expect([regions, regionRetired]).toEqual([0, 0]);
      if (answered > 0 || started[0] === undefined || started[0].requests.length === 0) return;
      // Long after it was asked.
      if (++interpreted > 10) answered = started[0].answer();
    });
    expect(eax).toBe(ROUNDS);
    expect(answered).toBeGreaterThan(0);
    expect(started.length).toBe(1);
    const { regions, regionRetired, retired } = m.cpu.jitStatistics;
    expect(regions).toBe(answered);
    expect(regionRetired / retired).toBeGreaterThan(0.5);
  });

  test("it is asked for one batch at a time, and never twice for the same code", () => {
    const { m, started } = heldMachine();
    putLoop(m, 1);
    run(m);
    expect(started[0]!.requests.map(({ regions }) => regions.length)).toEqual([1]);
  });

  test.each(["a store", "the page's end"])("what was changed by %s while it was compiled is not installed", (how) => {
    const { m, started } = heldMachine();
    putLoop(m, 1);
    let changedAt = 0;
    const eax = run(m, () => {
      if (changedAt > 0 || (started[0]?.requests.length ?? 0) === 0) return;
      changedAt = m.cpu.gpr[ECX]!;
      if (how === "a store") m.poke(STEP, [3]);
      else {
        // The page is another one, as after a write by a device that drops it whole.
        m.memory.u8[m.memory.ramBase + STEP] = 3;
        m.cpu.invalidateCode(m.memory.hpnOf(m.memory.ramBase + CODE));
      }
      expect(started[0]!.answer()).toBe(1);
      expect(m.cpu.jitStatistics.regions).toBe(0);
    });
    // Slices end at a taken jump.
    expect(changedAt).toBeGreaterThan(0);
    expect(eax).toBe(ROUNDS - changedAt + 3 * changedAt);
    expect(m.cpu.jitStatistics.regions).toBe(0);
    // The place kept for it is not lost: what is asked for next is installed.
    const next = run(m, () => started[0]!.answer());
    expect(next).toBe(3 * ROUNDS);
    expect(m.cpu.jitStatistics.liveRegions).toBe(1);
  });

  test("when it ends, what it had is compiled in place, and what comes later too", () => {
    const { m, started } = heldMachine();
    putLoop(m, 1);
    const eax = run(m, () => {
      if ((started[0]?.requests.length ?? 0) > 0) started[0]!.failed = true;
    });
    expect(eax).toBe(ROUNDS);
    expect(m.cpu.jitStatistics.regions).toBe(1);
    m.poke(STEP, [5]);
    expect(run(m)).toBe(5 * ROUNDS);
    expect(m.cpu.jitStatistics.regions).toBe(2);
    expect(started[0]!.requests.length).toBe(1);
  });

  test("a service that cannot be started is none", () => {
    const compiler = (): CompileService => ({ failed: true, post: () => expect.unreachable(), receive: () => null });
    const m = machineWith([], { jit: { compiler, sampleInterval: 2000, coldFactor: 0 } });
    putLoop(m, 1);
    expect(run(m)).toBe(ROUNDS);
    expect(m.cpu.jitStatistics.regions).toBe(1);
  });

  test("with threshold 0 code is compiled before it runs, so in place", () => {
    const compiler = (): CompileService => expect.unreachable();
    const m = machineWith([], { jit: { compiler, threshold: 0 } });
    putLoop(m, 1);
    expect(run(m)).toBe(ROUNDS);
    expect(m.cpu.jitStatistics.regions).toBeGreaterThan(0);
  });
});
