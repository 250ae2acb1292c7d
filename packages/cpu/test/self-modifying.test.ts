// SPDX-License-Identifier: BSD-3-Clause
/** Code that is written while it is there: what dies, what lives, and that the new bytes run. */
import type { AddressSpace } from "@vkernel/mmu";
import { FlatSpace } from "@vkernel/mmu";
import { describe, expect, test } from "vitest";
import { EAX, EBX, ECX, EDI, EDX, ESI, EXC_BP, EXIT_BUDGET, EXIT_EXCEPTION } from "../src/index.ts";
import { CODE, RAM_BYTES, lateCompiler, machineWith, type Machine } from "./machine-kit.ts";

const le32 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];
const INT3 = 0xcc;
const RET = 0xc3;
/** Where the code that is written lies; the code that writes it stands at CODE. */
const TARGET = 0x5000;

function finish({ cpu, space }: Machine, in_: AddressSpace = space): void {
  let exit: number = EXIT_BUDGET;
  for (let i = 0; i < 10_000 && exit === EXIT_BUDGET; i++) exit = cpu.run(in_, 50_000);
  expect([exit, cpu.vector]).toEqual([EXIT_EXCEPTION, EXC_BP]);
}
/** call TARGET … relative to `at`. */
const callFrom = (at: number, to: number): number[] => [0xe8, ...le32(to - at - 5)];

describe.each([
  ["interpreter", { threshold: Infinity }, 20_000],
  ["compiled at once", { threshold: 0 }, 300],
  ["compiled soon", { threshold: 1, sampleInterval: 500, coldFactor: 0 }, 20_000],
  ["compiled beside", { threshold: 1, sampleInterval: 500, compiler: lateCompiler(3) }, 20_000],
] as const)("%s", (_name, jit, rounds) => {
  const machine = (code: readonly number[]): Machine => machineWith(code, { jit });
  const runAt = (m: Machine, at: number): number => {
    m.cpu.eip = at;
    m.cpu.gpr[EAX] = 0;
    finish(m);
    return m.cpu.gpr[EAX]!;
  };

  test("an immediate patched in another page before each call is the one that counts", () => {
    // l: mov [TARGET+1],ecx; call TARGET; add edx,eax; dec ecx; jnz l; int3
    const code = [0x89, 0x0d, ...le32(TARGET + 1)];
    code.push(...callFrom(CODE + code.length, TARGET), 0x01, 0xc2, 0x49, 0x75, 0xf0, INT3);
    const m = machine(code);
    m.poke(TARGET, [0xb8, 0, 0, 0, 0, RET]); // mov eax,imm32; ret
    m.cpu.gpr[ECX] = rounds;
    finish(m);
    expect(m.cpu.gpr[EDX]).toBe((rounds * (rounds + 1)) / 2);
  });

  test("an opcode byte patched to instructions of every shape and length", () => {
    const m = machine([]);
    const data = 0x7000;
    m.poke(data, le32(77));
    m.cpu.gpr[EBX] = data;
    // Each variant: what is put at TARGET, and EAX after it, starting with 0.
    const variants: [number[], number][] = [
      [[0xb8, ...le32(5)], 5],
      [[0x40], 1],
      [[0x03, 0x03], 77], // add eax,[ebx]
      [[0x3e, 0x03, 0x03], 77], // ds prefix
      [[0x2e, 0x03, 0x03], 77], // cs prefix: checked address
      [[0xeb, 0x00], 0],
      [[0xb8, ...le32(9)], 9],
      [[0x67, 0x03, 0x07], 77], // add eax,[bx]: a 16-bit address
      [[0x0f, 0xa4, 0xd8, 0x08], 0], // shld eax,ebx,8
      [[0x05, ...le32(-3)], -3],
    ];
    for (let round = 0; round < 40; round++) {
      for (const [bytes, result] of variants) {
        m.poke(TARGET, [...bytes, INT3]);
        expect(runAt(m, TARGET), `round ${round}: ${bytes.join(" ")}`).toBe(result);
      }
    }
  });

  test("a jump patched to lead elsewhere, and into something else, and back", () => {
    const m = machine([]);
    m.poke(TARGET + 0x100, [0xb8, ...le32(1), INT3]);
    m.poke(TARGET + 0x200, [0xb8, ...le32(2), INT3]);
    for (let round = 0; round < 30; round++) {
      m.poke(TARGET, [0xe9, ...le32(0x100 - 5), INT3]);
      expect(runAt(m, TARGET)).toBe(1);
      m.poke(TARGET, [0xe9, ...le32(0x200 - 5), INT3]);
      expect(runAt(m, TARGET)).toBe(2);
      m.poke(TARGET, [0x05, ...le32(round), INT3]);
      expect(runAt(m, TARGET)).toBe(round);
    }
  });

  test("an open end of a jump that was patched away does not change what stands there now", () => {
    const m = machine([]);
    // jz far ahead, never taken: its target stays undecoded. Then ENTER with two immediates in its place.
    m.poke(TARGET, [0x40, 0x0f, 0x84, ...le32(0x700), INT3]);
    expect(runAt(m, TARGET)).toBe(1);
    m.poke(TARGET + 1, [0x05, ...le32(0x1000), 0x90]); // add eax,imm32; nop
    expect(runAt(m, TARGET)).toBe(0x1001);
    m.poke(TARGET + 7 + 0x700, [0x40, 0x40, INT3]);
    expect(runAt(m, TARGET + 7 + 0x700)).toBe(2);
    expect(runAt(m, TARGET)).toBe(0x1001);
  });

  test("the second of two instructions that often come together is written, and the first is not", () => {
    const m = machine([]);
    const data = 0x7000;
    m.poke(data, le32(77));
    m.cpu.gpr[EBX] = data;
    // With and without a prefix that needs an address record in front of the first.
    for (const first of [
      [0x8b, 0x03], // mov eax,[ebx]
      [0x2e, 0x8b, 0x03],
    ]) {
      const at = TARGET + first.length;
      m.poke(TARGET, [...first, 0x83, 0xc0, 5, INT3]); // add eax,5
      for (let round = 0; round < 20; round++) {
        m.poke(at, [0x83, 0xc0, 5]);
        expect(runAt(m, TARGET)).toBe(82);
        expect(runAt(m, at)).toBe(5);
        m.poke(at + 2, [7]);
        expect(runAt(m, TARGET)).toBe(84);
        m.poke(at, [0x85, 0xc0, INT3]); // test eax,eax
        expect(runAt(m, TARGET)).toBe(77);
        m.poke(at, [0x40, INT3]); // inc eax
        expect(runAt(m, TARGET)).toBe(78);
        m.poke(at, [INT3]);
        expect(runAt(m, TARGET)).toBe(77);
      }
    }
  });

  test("a store to the very next instruction", () => {
    // l: mov [behind+1],ecx; behind: add eax,imm32; dec ecx; jnz l; int3
    const store = [0x89, 0x0d, ...le32(CODE + 7)];
    const m = machine([...store, 0x05, ...le32(0x1234_5678), 0x49, 0x75, 0xf2, INT3]);
    m.cpu.gpr[ECX] = 300;
    m.cpu.gpr[EAX] = 0;
    finish(m);
    expect(m.cpu.gpr[EAX]).toBe((300 * 301) / 2);
  });

  test("two readings of the same bytes: a write kills those that have them", () => {
    const m = machine([]);
    // mov eax,0x00cc4040 … entered at its start and at its second byte: inc eax; inc eax; int3
    m.poke(TARGET, [0xb8, 0x40, 0x40, INT3, 0x00, INT3]);
    expect(runAt(m, TARGET)).toBe(0x00cc_4040);
    expect(runAt(m, TARGET + 1)).toBe(2);
    m.poke(TARGET, [0xbb]); // mov ebx: the other reading stays
    expect(runAt(m, TARGET)).toBe(0);
    expect(runAt(m, TARGET + 1)).toBe(2);
    m.poke(TARGET + 2, [0x90]);
    expect(runAt(m, TARGET)).toBe(0);
    expect(m.cpu.gpr[EBX]).toBe(0x00cc_9040);
    expect(runAt(m, TARGET + 1)).toBe(1);
    m.poke(TARGET + 1, [0x48]);
    expect(runAt(m, TARGET + 1)).toBe(-1);
  });

  test("a store across two pages hits code at the end of one and the beginning of the other", () => {
    const at = TARGET + 0x1000;
    // mov [at-2],edx; call at-2; add esi,eax; dec ecx; jnz …; int3, the store rewriting inc/dec at both sides
    const code = [0x89, 0x15, ...le32(at - 2)];
    code.push(...callFrom(CODE + code.length, at - 2), 0x01, 0xc6, 0x49, 0x75, 0xf0, INT3);
    const m = machine(code);
    m.poke(at + 2, [RET]);
    const run = (bytes: number[]): number => {
      m.cpu.eip = CODE;
      m.cpu.gpr[ECX] = 200;
      m.cpu.gpr[ESI] = 0;
      m.cpu.gpr[EAX] = 0;
      m.cpu.gpr[EDX] = new DataView(Uint8Array.from(bytes).buffer).getInt32(0, true);
      finish(m);
      return m.cpu.gpr[EAX]!;
    };
    for (let round = 0; round < 5; round++) {
      expect(run([0x40, 0x40, 0x40, 0x40])).toBe(800);
      expect(run([0x40, 0x48, 0x48, 0x48])).toBe(-400);
      expect(run([0x40, 0x40, 0x40, 0x48])).toBe(400);
    }
  });

  test("the tail of an instruction in the next page is rewritten by a store", () => {
    const at = TARGET + 0x1000 - 2;
    const code = [0x89, 0x0d, ...le32(at + 1)];
    code.push(...callFrom(CODE + code.length, at), 0x01, 0xc2, 0x49, 0x75, 0xf0, INT3);
    const m = machine(code);
    m.poke(at, [0xb8, 0, 0, 0, 0, RET]);
    m.cpu.gpr[ECX] = rounds;
    finish(m);
    expect(m.cpu.gpr[EDX]).toBe((rounds * (rounds + 1)) / 2);
    // Only bytes of the second page.
    m.poke(at + 2, [0x34, 0x12, 0]);
    m.poke(at + 5, [INT3]);
    expect(runAt(m, at)).toBe(0x0012_3401);
  });

  test("REP MOVSB and REP STOSD write code in order", () => {
    // rep movsb; call TARGET; … ; mov ecx,3; mov edi,TARGET; mov eax,'inc eax' ×4; rep stosd; jmp TARGET
    const code = [0xf3, 0xa4];
    code.push(...callFrom(CODE + 2, TARGET), 0x89, 0xc2, 0xb9, ...le32(3), 0xbf, ...le32(TARGET), 0xb8);
    code.push(...le32(0x4040_4040), 0xf3, 0xab, 0x31, 0xc0);
    code.push(0xe9, ...le32(TARGET - CODE - code.length - 5));
    const m = machine(code);
    const source = 0x9000;
    m.poke(source, [0xb8, ...le32(40), 0x40, 0x40, RET, 0x90, 0x90, 0x90, 0x90, INT3]);
    for (let round = 0; round < 20; round++) {
      m.poke(source + 1, le32(round));
      m.cpu.gpr[ESI] = source;
      m.cpu.gpr[EDI] = TARGET;
      m.cpu.gpr[ECX] = 13;
      runAt(m, CODE);
      expect([m.cpu.gpr[EDX], m.cpu.gpr[EAX]]).toEqual([round + 2, 12]);
    }
  });

  test("an instruction that overwrites the next one, and one that overwrites itself", () => {
    // mov byte [next],0x48; next: inc eax -> dec eax; mov byte [self+6],…: its own immediate, already fetched
    const next = CODE + 7;
    const self = CODE + 8;
    const code = [0xc6, 0x05, ...le32(next), 0x48, 0x40, 0xc6, 0x05, ...le32(self + 6), 0x55, INT3];
    const m = machine(code);
    expect(runAt(m, CODE)).toBe(-1);
    expect(m.peek(self + 6, 1)).toEqual([0x55]);
    m.poke(next, [0x40]);
    expect(runAt(m, CODE)).toBe(-1);
  });

  test("written through an alias in another space", () => {
    const m = machine([]);
    const alias = new FlatSpace(m.translation, { base: 0x4000_0000, size: RAM_BYTES });
    // In the alias: mov [TARGET+1],ecx; int3
    m.poke(CODE, [0x89, 0x0d, ...le32(0x4000_0000 + TARGET + 1), INT3]);
    m.poke(TARGET, [0xb8, 0, 0, 0, 0, INT3]);
    for (let i = 0; i < 50; i++) {
      m.cpu.eip = 0x4000_0000 + CODE;
      m.cpu.gpr[ECX] = i;
      finish(m, alias);
      expect(runAt(m, TARGET)).toBe(i);
    }
  });

  test("a generator that writes the same place again and again, longer and shorter", () => {
    const m = machine([]);
    for (let round = 0; round < 60; round++) {
      const adds = 1 + ((round * 7) % 23);
      const code: number[] = [0x31, 0xc0];
      for (let i = 0; i < adds; i++) code.push(0x05, ...le32(round + i));
      code.push(INT3);
      code.forEach((byte, i) => m.poke(TARGET + i, [byte]));
      expect(runAt(m, TARGET)).toBe(adds * round + (adds * (adds - 1)) / 2);
      expect(runAt(m, TARGET)).toBe(adds * round + (adds * (adds - 1)) / 2);
    }
  });
});

describe("what a write costs", () => {
  test("a store beside code leaves the decoded page alone", () => {
    // l: inc dword [data]; dec ecx; jnz l; int3
    const data = CODE + 0x800;
    const m = machineWith([0xff, 0x05, ...le32(data), 0x49, 0x75, 0xf7, INT3], { jit: { threshold: Infinity } });
    const seen: number[] = [];
    m.memory.onCodeWritten((_hpn, offset) => seen.push(offset));
    m.cpu.gpr[ECX] = 500;
    finish(m);
    expect(m.peek(data, 4)).toEqual(le32(500));
    expect(seen, "reports of writes that hit no code").toEqual([]);
    expect(m.memory.codePages[CODE >> 12]).toBe(1);
  });

  test("writing the bytes that are there already kills nothing", () => {
    // l: mov [TARGET],eax; call TARGET; dec ecx; jnz l; int3, and at TARGET: inc edx; inc edx; nop; ret
    const bytes = [0x42, 0x42, 0x90, RET];
    const code = [0xa3, ...le32(TARGET)];
    code.push(...callFrom(CODE + code.length, TARGET), 0x49, 0x75, 0xf3, INT3);
    const m = machineWith(code, { jit: { threshold: Infinity } });
    m.poke(TARGET, bytes);
    const seen: number[] = [];
    m.memory.onCodeWritten((_hpn, offset) => seen.push(offset));
    m.cpu.gpr[EAX] = new DataView(Uint8Array.from(bytes).buffer).getInt32(0, true);
    m.cpu.gpr[ECX] = 100;
    finish(m);
    expect([m.cpu.gpr[EDX], seen.length]).toEqual([200, 0]);
  });

  test("a page that only data is written to gives its code up", () => {
    const data = TARGET + 0x800;
    const m = machineWith([0xff, 0x05, ...le32(data), 0x49, 0x75, 0xf7, INT3], { jit: { threshold: Infinity } });
    m.poke(TARGET, [INT3]);
    m.cpu.eip = TARGET;
    finish(m);
    m.cpu.eip = CODE;
    m.cpu.gpr[ECX] = 200_000;
    finish(m);
    expect([m.memory.codePages[TARGET >> 12], m.memory.codePages[CODE >> 12]]).toEqual([0, 1]);
    expect(m.peek(data, 4)).toEqual(le32(200_000));
  });

  test("code that is patched all the time is not compiled all the time (J7)", () => {
    const code = [0x89, 0x0d, ...le32(TARGET + 1)];
    code.push(...callFrom(CODE + code.length, TARGET), 0x01, 0xc2, 0x49, 0x75, 0xf0, INT3);
    const m = machineWith(code, { jit: { threshold: 1, sampleInterval: 500, coldFactor: 0 } });
    m.poke(TARGET, [0xb8, 0, 0, 0, 0, RET]);
    m.cpu.gpr[ECX] = 100_000;
    finish(m);
    expect(m.cpu.jitStatistics.regions).toBeLessThan(30);
  });

  test("compiled code does its stores beside code without leaving, and notices when one hits code", () => {
    // l: mov [edi],al; dec edi; dec ecx; jnz l; jmp TARGET
    const code = [0x88, 0x07, 0x4f, 0x49, 0x75, 0xfa];
    code.push(0xe9, ...le32(TARGET - CODE - code.length - 5));
    const m = machineWith(code, { jit: { threshold: 1, sampleInterval: 500, coldFactor: 0 } });
    const fill = 0xf00;
    for (let round = 0; round < 100; round++) {
      m.poke(TARGET, [0x40, 0x40, INT3, 0x90]);
      m.cpu.eip = TARGET;
      m.cpu.gpr[EAX] = 0;
      finish(m);
      expect(m.cpu.gpr[EAX]).toBe(2);
      // The last store turns the second inc into int3.
      m.cpu.eip = CODE;
      m.cpu.gpr[EAX] = INT3;
      m.cpu.gpr[ECX] = fill;
      m.cpu.gpr[EDI] = TARGET + fill;
      finish(m);
      expect([m.cpu.gpr[EAX], m.cpu.eip]).toEqual([INT3 + 1, TARGET + 2]);
      expect(m.peek(TARGET, fill + 2)).toEqual([0x40, ...Array<number>(fill).fill(INT3), m.peek(TARGET + fill + 1, 1)[0]]);
    }
    const { exits } = m.cpu.jitStatistics;
    expect(exits.slow).toBeLessThan((100 * fill) / 20);
  });

  test("page-crossing stores in bulk reach memory unharmed", () => {
    // l: mov [edi],ecx; mov eax,[edi]; cmp eax,ecx; jne bad; add edi,0x1000 … over pages that are in the table
    const at = 0x2_0ffe;
    const m = machineWith([0x89, 0x0f, 0x8b, 0x07, 0x39, 0xc8, 0x75, 0x03, 0x49, 0x75, 0xf5, INT3], {
      jit: { threshold: Infinity },
    });
    m.cpu.gpr[EDI] = at;
    m.cpu.gpr[ECX] = 0x1_2345;
    finish(m);
    expect([m.cpu.gpr[ECX], m.cpu.gpr[EAX]]).toEqual([0, 1]);
    expect(m.peek(at - 1, 6)).toEqual([0, 1, 0, 0, 0, 0]);
  });
});
