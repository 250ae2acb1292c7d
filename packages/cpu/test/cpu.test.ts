// SPDX-License-Identifier: BSD-3-Clause
import {
  ACCESS_WRITE,
  FlatSpace,
  PF_USER,
  PF_WRITE,
  faultResult,
  type AddressSpace,
  type SpaceTable,
  type Translation,
} from "@vkernel/mmu";
import { describe, expect, test } from "vitest";
import {
  CS,
  DS,
  EAX,
  ECX,
  EDI,
  EDX,
  ESI,
  ESP,
  EXC_BP,
  EXC_GP,
  EXC_PF,
  EXC_UD,
  EXIT_BUDGET,
  EXIT_CALLGATE,
  EXIT_EXCEPTION,
  EXIT_INTERRUPT,
  EXIT_SOFTINT,
  FLAT_DATA,
  FLAT_DESCRIPTORS,
  GS,
  SS,
  type CpuOptions,
  type DescriptorSource,
} from "../src/index.ts";
import { CODE, RAM_BYTES, STACK, machineWith as makeMachine, type Machine } from "./machine-kit.ts";

/** Everything holds in both tiers: interpreter alone, and whatever is decoded compiled at once. */
const TIERS = [
  ["interpreter", { threshold: Infinity }],
  ["compiler", { threshold: 0 }],
] as const;

describe.each(TIERS)("%s", (_name, jit) => {
  const machineWith = (code: readonly number[], options: CpuOptions = {}): Machine =>
    makeMachine(code, { jit, ...options });
  const le32 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];

  describe("exits", () => {
    test("INT n through an open gate leaves with the number and the next address", () => {
      const { cpu, space } = machineWith([0xcd, 0x80]);
      cpu.softInterruptGates[0x80] = 1;
      expect(cpu.run(space, 100)).toBe(EXIT_SOFTINT);
      expect(cpu.vector).toBe(0x80);
      expect(cpu.eip).toBe(CODE + 2);
      expect(cpu.retired).toBe(1);
    });

    test("INT n in a loop leaves with registers, flags and count, and goes on behind it", () => {
      // l: add eax, -1 (carry but for eax 0); int 0x80; adc edx, 0; dec ecx; jnz l; int3
      const { cpu, space } = machineWith([0x83, 0xc0, 0xff, 0xcd, 0x80, 0x83, 0xd2, 0x00, 0x49, 0x75, 0xf5, 0xcc]);
      cpu.softInterruptGates[0x80] = 1;
      cpu.gpr[EAX] = 30;
      cpu.gpr[ECX] = 40;
      for (let round = 0; round < 40; round++) {
        while (cpu.run(space, 1000) !== EXIT_SOFTINT);
        expect([cpu.gpr[EAX], cpu.eip, cpu.eflags & 1, cpu.retired]).toEqual([29 - round, CODE + 5, round === 30 ? 0 : 1, 5 * round + 2]);
        cpu.gpr[EAX] = 29 - round;
      }
      expect(cpu.run(space, 1000)).toBe(EXIT_EXCEPTION);
      expect([cpu.gpr[EDX], cpu.retired]).toEqual([39, 201]);
    });

    test("INT n through a closed gate is #GP with the gate's error code at the instruction", () => {
      const { cpu, space } = machineWith([0x66, 0xcd, 0x21]);
      expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.errorCode, cpu.eip, cpu.retired]).toEqual([EXC_GP, 8 * 0x21 + 2, CODE, 0]);
    });

    test("the budget counts instructions and ends at a taken jump", () => {
      const { cpu, space } = machineWith([0x40, 0xeb, 0xfd]); // inc eax; jmp to it
      expect(cpu.run(space, 1000)).toBe(EXIT_BUDGET);
      expect(cpu.retired).toBe(1000);
      expect(cpu.gpr[EAX]).toBe(500);
      expect(cpu.eip).toBe(CODE);
      expect(cpu.run(space, 1)).toBe(EXIT_BUDGET);
      expect(cpu.retired).toBe(1002);
    });

    test("a budget of one at a time gives the same result as one run", () => {
      // mov ecx,10; l: add eax,ecx; dec ecx; jnz l; int3
      const code = [0xb9, 10, 0, 0, 0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0xcc];
      const { cpu, space } = machineWith(code);
      let exit: number = EXIT_BUDGET;
      for (let i = 0; i < 100 && exit === EXIT_BUDGET; i++) exit = cpu.run(space, 1);
      expect([exit, cpu.vector, cpu.gpr[EAX], cpu.retired]).toEqual([EXIT_EXCEPTION, EXC_BP, 55, 32]);
    });

    test("a pending interrupt ends a run before it starts", () => {
      const { cpu, space } = machineWith([0xeb, 0xfe]);
      cpu.interruptPending = true;
      expect(cpu.run(space, 1000)).toBe(EXIT_INTERRUPT);
      expect(cpu.retired).toBe(0);
      cpu.interruptPending = false;
      expect(cpu.run(space, 1000)).toBe(EXIT_BUDGET);
    });

    test("I-STOP: a repeated string instruction that never ends uses up the budget", () => {
      const { cpu, space } = machineWith([0xf3, 0xac, 0xcc]); // rep lodsb
      cpu.gpr[ECX] = 0x7000_0000;
      cpu.setSegment(DS, { ...FLAT_DATA, limit: 0xffff_ffff });
      cpu.gpr[ESI] = 0;
      expect(cpu.run(space, 100_000)).toBe(EXIT_BUDGET);
      expect(cpu.eip).toBe(CODE);
      expect(cpu.gpr[ECX]! + cpu.gpr[ESI]!).toBe(0x7000_0000);
    });

    test("an undefined opcode is #UD and named", () => {
      const { cpu, space } = machineWith([0x90, 0x0f, 0xff, 0xc0]);
      expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.eip]).toEqual([EXC_UD, CODE + 1]);
      expect(cpu.undefinedInstruction).toBe("undefined instruction 0f ff at 0x00001001");
    });

    test("a fetch outside the space is a page fault with its address", () => {
      const { cpu, space } = machineWith([0xe9, ...le32(RAM_BYTES)]);
      expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.cr2, cpu.eip]).toEqual([EXC_PF, RAM_BYTES + CODE + 5, RAM_BYTES + CODE + 5]);
    });

    test("RDTSC reads the injected counter", () => {
      const { cpu, space } = machineWith([0x0f, 0x31, 0xcc], { timestamp: () => 0x12_3456_789a });
      cpu.run(space, 100);
      expect([cpu.gpr[EDX], cpu.gpr[EAX]]).toEqual([0x12, 0x3456_789a]);
    });
  });

  describe("code that changes (I-CODE)", () => {
    const inc = 0x40;
    const dec = 0x48;

    test("written by the kernel: the new code runs", () => {
      const { cpu, space, poke } = machineWith([inc, 0xcc]);
      cpu.run(space, 100);
      poke(CODE, [dec]);
      cpu.eip = CODE;
      cpu.run(space, 100);
      expect(cpu.gpr[EAX]).toBe(0);
    });

    test("written through an alias of the page: the new code runs", () => {
      const { cpu, space, memory, translation } = machineWith([inc, 0xcc]);
      cpu.run(space, 100);
      const alias = new FlatSpace(translation, { base: 0x4000_0000, size: RAM_BYTES });
      // mov byte [0x40001000], dec; int3, from another page
      memory.u8.set([0xc6, 0x05, ...le32(0x4000_0000 + CODE), dec, 0xcc], memory.ramBase + 0x3000);
      cpu.eip = 0x4000_3000;
      expect(cpu.run(alias, 100)).toBe(EXIT_EXCEPTION);
      expect(cpu.vector).toBe(EXC_BP);
      cpu.eip = CODE;
      cpu.run(space, 100);
      expect(cpu.gpr[EAX]).toBe(0);
    });

    test("an instruction across two pages is decoded anew when only the second changes", () => {
      const at = 0x2000 - 2;
      const { cpu, space, poke } = machineWith([]);
      poke(at, [0xb8, 1, 0, 0, 0, 0xcc]); // mov eax, imm32, the immediate mostly in the next page
      cpu.eip = at;
      cpu.run(space, 100);
      expect(cpu.gpr[EAX]).toBe(1);
      poke(0x2000, [2]);
      cpu.eip = at;
      cpu.run(space, 100);
      expect(cpu.gpr[EAX]).toBe(0x201);
    });

    test("C7: a loop that rewrites itself many times finishes and keeps its memory bounded", () => {
      // mov ecx,n; l: mov byte [target],cl; target: add al,0 (imm rewritten); dec ecx; jnz l; int3
      const n = jit.threshold === 0 ? 500 : 20_000; // each round compiles when the threshold is 0
      const target = CODE + 5 + 6 + 1;
      const code = [0xb9, ...le32(n), 0x88, 0x0d, ...le32(target), 0x04, 0, 0x49, 0x75, 0xf5, 0xcc];
      const { cpu, space } = machineWith(code, { poolBytes: 2 * 1024 * 1024 });
      expect(cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
      let sum = 0;
      for (let i = n; i > 0; i--) sum = (sum + i) & 0xff;
      expect([cpu.vector, cpu.gpr[EAX]! & 0xff]).toEqual([EXC_BP, sum]);
    });

    test("data beside code in one page is written without losing the code", () => {
      // mov ecx,1000; l: inc dword [data]; dec ecx; jnz l; int3 with data in the code page
      const data = CODE + 0x800;
      const { cpu, space, peek } = machineWith([
        0xb9,
        ...le32(1000),
        0xff,
        0x05,
        ...le32(data),
        0x49,
        0x75,
        0xf7,
        0xcc,
      ]);
      expect(cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
      expect(peek(data, 4)).toEqual(le32(1000));
    });
  });

  describe("segments (I-SEG)", () => {
    /** One more descriptor at 0x33: data, base 0x2000, limit 0xff; and a call gate at 0x3b. */
    const tables: DescriptorSource = {
      read(selector, into) {
        if ((selector & 0xfffc) === 0x30) {
          into.set([0x2000_00ff, 0x0040_f200]);
          return true;
        }
        if ((selector & 0xfffc) === 0x38) {
          into.set([0x0023_0000, 0x0000_ec00]);
          return true;
        }
        return FLAT_DESCRIPTORS.read(selector, into);
      },
    };

    test("base and limit of a data segment apply to an override", () => {
      // mov eax,0x33; mov gs,eax; mov eax,gs:[0xfc]; mov eax,gs:[0xfd]
      const code = [0xb8, ...le32(0x33), 0x8e, 0xe8, 0x65, 0xa1, ...le32(0xfc), 0x65, 0xa1, ...le32(0xfd)];
      const { cpu, space, poke } = machineWith(code, { descriptors: tables });
      poke(0x20fc, [1, 2, 3, 4]);
      expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.errorCode, cpu.eip]).toEqual([EXC_GP, 0, CODE + 13]);
      expect(cpu.gpr[EAX]).toBe(0x0403_0201);
      expect(cpu.segment(GS)).toEqual({ selector: 0x33, base: 0x2000, limit: 0xff, rights: 0x40f3 });
    });

    test("DS with a base moves every plain access, the stack stays", () => {
      // push 0x33; pop ds; mov eax,[0x10]; mov [0x14],eax; int3
      const code = [0x6a, 0x33, 0x1f, 0xa1, ...le32(0x10), 0xa3, ...le32(0x14), 0xcc];
      const { cpu, space, poke, peek } = machineWith(code, { descriptors: tables });
      poke(0x2010, [9, 8, 7, 6]);
      expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.gpr[ESP]]).toEqual([EXC_BP, STACK]);
      expect(peek(0x2014, 4)).toEqual([9, 8, 7, 6]);
    });

    test("A9, A10: loads that are not allowed raise and change nothing", () => {
      const { cpu } = machineWith([], { descriptors: tables });
      const before = cpu.segment(SS);
      expect(cpu.loadSegment(SS, 0)).toBe(EXC_GP << 16);
      expect(cpu.loadSegment(SS, 0x23)).toBe((EXC_GP << 16) | 0x20);
      expect(cpu.loadSegment(DS, 0x43)).toBe((EXC_GP << 16) | 0x40);
      expect(cpu.loadSegment(CS, 0x2b)).toBe((EXC_GP << 16) | 0x28);
      expect(cpu.segment(SS)).toEqual(before);
    });

    test("a far call through a call gate leaves for the owner with both addresses", () => {
      const { cpu, space } = machineWith([0x9a, ...le32(0), 0x3b, 0, 0xcc], { descriptors: tables });
      expect(cpu.run(space, 100)).toBe(EXIT_CALLGATE);
      expect([cpu.errorCode, cpu.eip, cpu.nextEip, cpu.gpr[ESP]]).toEqual([0x3b, CODE, CODE + 7, STACK]);
    });

    test("a far call and return within CPL 3", () => {
      // call 0x23:target; int3; target: retf
      const { cpu, space } = machineWith([0x9a, ...le32(CODE + 8), 0x23, 0, 0xcc, 0xcb], {
        descriptors: tables,
      });
      expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.eip, cpu.gpr[ESP]]).toEqual([EXC_BP, CODE + 8, STACK]);
    });
  });

  describe("string instructions", () => {
    test("REP MOVSB over page ends copies like a byte loop, also onto itself", () => {
      const run = (source: number, destination: number, count: number): number[] => {
        const { cpu, space, poke, peek } = machineWith([0xf3, 0xa4, 0xcc]);
        poke(
          0x1_0000,
          Array.from({ length: 0x3000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff),
        );
        cpu.gpr[ESI] = source;
        cpu.gpr[EDI] = destination;
        cpu.gpr[ECX] = count;
        expect(cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
        expect([cpu.gpr[ESI], cpu.gpr[EDI], cpu.gpr[ECX]]).toEqual([source + count, destination + count, 0]);
        return peek(0x1_0000, 0x3000);
      };
      const model = (source: number, destination: number, count: number): number[] => {
        const bytes = Array.from({ length: 0x3000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
        for (let i = 0; i < count; i++) bytes[destination - 0x1_0000 + i] = bytes[source - 0x1_0000 + i]!;
        return bytes;
      };
      for (const [source, destination, count] of [
        [0x1_0010, 0x1_1f00, 0x1000],
        [0x1_0100, 0x1_0101, 0x1800],
        [0x1_0200, 0x1_0100, 0x1fff],
        [0x1_0000, 0x1_0000, 300],
      ] as const) {
        expect(run(source, destination, count)).toEqual(model(source, destination, count));
      }
    });

    test("REP STOSD fills", () => {
      const { cpu, space, peek } = machineWith([0xf3, 0xab, 0xcc]);
      for (const value of [0, 0x0101_0101, 0x1234_5678]) {
        cpu.eip = CODE;
        cpu.gpr[EAX] = value;
        cpu.gpr[EDI] = 0x1_0ffe;
        cpu.gpr[ECX] = 0x500;
        cpu.run(space, 1_000_000);
        const bytes = peek(0x1_0ffe, 0x1400);
        expect(bytes.every((b, i) => b === le32(value)[i & 3])).toBe(true);
      }
    });
  });
});

describe("regions of several pages", () => {
  /** A space of single pages over RAM. */
  class PagedSpace implements AddressSpace {
    readonly #pages: ReadonlyMap<number, number>;
    readonly #table: SpaceTable;
    constructor(translation: Translation, pages: ReadonlyMap<number, number>) {
      this.#pages = pages;
      this.#table = translation.createTable();
    }
    get table(): number {
      return this.#table.address;
    }
    translate(va: number, access: number): number {
      const host = this.#pages.get((va >>> 0) & ~0xfff);
      if (host === undefined) return faultResult(PF_USER | (access === ACCESS_WRITE ? PF_WRITE : 0));
      this.#table.fill(va, host, true, true, true);
      return host + (va & 0xfff);
    }
  }

  test("a hot loop over two pages is right in every space, also where the second page is another one", () => {
    const { cpu, memory, translation, poke } = makeMachine([], {
      jit: { threshold: 1, sampleInterval: 200, coldFactor: 0 },
    });
    const le32 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];
    // Page A: l: add eax, 1; jmp B. Page B and C: add edx, imm; dec ecx; jnz l; int3.
    const jump = [0x83, 0xc0, 1, 0xe9, ...le32(0x1000 - 8)];
    const tail = (imm: number): number[] => [0x83, 0xc2, imm, 0x49, 0x0f, 0x85, ...le32(-0x1000 - 10), 0xcc];
    poke(0x4000, jump);
    poke(0x6000, tail(2));
    poke(0x9000, tail(5));
    const host = (offset: number): number => memory.ramBase + offset;
    const spaces = [0x6000, 0x9000].map(
      (second) =>
        new PagedSpace(
          translation,
          new Map([
            [0x10_0000, host(0x4000)],
            [0x10_1000, host(second)],
          ]),
        ),
    );
    const rounds = 200_000;
    for (const turn of [0, 1, 0, 1, 1, 0]) {
      cpu.gpr.fill(0);
      cpu.gpr[ECX] = rounds;
      cpu.eip = 0x10_0000;
      let exit: number = EXIT_BUDGET;
      for (let i = 0; i < 1000 && exit === EXIT_BUDGET; i++) exit = cpu.run(spaces[turn]!, 5000);
      expect([exit, cpu.vector, cpu.gpr[EAX], cpu.gpr[EDX]]).toEqual([
        EXIT_EXCEPTION,
        EXC_BP,
        rounds,
        rounds * (turn === 0 ? 2 : 5),
      ]);
    }
    expect(cpu.jitStatistics.regions).toBeGreaterThan(0);
  });

  test("a jump farther than offsets in a region reach: a slow access behind it resumes where it stands", () => {
    const { cpu, space, poke, peek } = makeMachine([], {
      jit: { threshold: 1, sampleInterval: 200, coldFactor: 0 },
    });
    const le32 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];
    const near = 0x1000;
    const far = 0xe_0000;
    // near: add eax, 1; jmp far. far: mov [0x42ffe], eax; add edx, 2; dec ecx; jnz near; int3. The store over a page end
    // leaves the region at its instruction.
    const store = [0x89, 0x05, ...le32(0x4_2ffe)];
    const back = near - (far + 6 + 3 + 1 + 6);
    poke(near, [0x83, 0xc0, 1, 0xe9, ...le32(far - (near + 8))]);
    poke(far, [...store, 0x83, 0xc2, 2, 0x49, 0x0f, 0x85, ...le32(back), 0xcc]);
    const rounds = 50_000;
    cpu.gpr[ECX] = rounds;
    cpu.eip = near;
    let exit: number = EXIT_BUDGET;
    for (let i = 0; i < 1000 && exit === EXIT_BUDGET; i++) exit = cpu.run(space, 5000);
    expect([exit, cpu.vector, cpu.eip]).toEqual([EXIT_EXCEPTION, EXC_BP, far + 17]);
    expect([cpu.gpr[EAX], cpu.gpr[EDX]]).toEqual([rounds, 2 * rounds]);
    expect(peek(0x4_2ffe, 4)).toEqual(le32(rounds));
    expect(cpu.jitStatistics.regions).toBeGreaterThan(0);
  });
});
