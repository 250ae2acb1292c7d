// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it, test } from "vitest";
import { ROWS } from "../src/isa/table.ts";
import { FEATURES, FEATURE_BITS, type Feature } from "../src/isa/feature.ts";
import {
  CPU_MODELS,
  EAX,
  EBX,
  ECX,
  EDX,
  EXC_BP,
  EXC_UD,
  EXIT_EXCEPTION,
  cpuModel,
  type CpuModelName,
  type CpuidOption,
} from "../src/index.ts";
import { CODE, machineWith } from "./machine-kit.ts";

/** An instruction of each extension, on registers. */
const SAMPLES: Readonly<Record<Feature, readonly number[]>> = {
  fpu: [0xd9, 0xe8], // fld1
  tsc: [0x0f, 0x31], // rdtsc
  cx8: [0x0f, 0xc7, 0x0d, 0x00, 0x80, 0x00, 0x00], // cmpxchg8b [0x8000]
  cmov: [0x0f, 0x44, 0xc1], // cmove eax, ecx
  clflush: [0x0f, 0xae, 0x3d, 0x00, 0x80, 0x00, 0x00], // clflush [0x8000]
  mmx: [0x0f, 0xfd, 0xc1], // paddw mm0, mm1
  fxsr: [0x0f, 0xae, 0x05, 0x00, 0x80, 0x00, 0x00], // fxsave [0x8000]
  sse: [0x0f, 0x58, 0xc1], // addps xmm0, xmm1
  sse2: [0x66, 0x0f, 0xfd, 0xc1], // paddw xmm0, xmm1
  sse3: [0xf2, 0x0f, 0x7c, 0xc1], // haddps xmm0, xmm1
  ssse3: [0x66, 0x0f, 0x38, 0x00, 0xc1], // pshufb xmm0, xmm1
  "sse4.1": [0x66, 0x0f, 0x38, 0x17, 0xc1], // ptest xmm0, xmm1
  "sse4.2": [0x66, 0x0f, 0x38, 0x37, 0xc1], // pcmpgtq xmm0, xmm1
  popcnt: [0xf3, 0x0f, 0xb8, 0xc1], // popcnt eax, ecx
};

/** A machine of the model whose code is, one behind the other, CPUID and all samples, each with INT3 behind it. */
function subject(cpuid?: CpuidOption) {
  const programs = [[0x0f, 0xa2], ...FEATURES.map((f) => SAMPLES[f])];
  const code = programs.flatMap((bytes) => [...bytes, ...Array<number>(16 - bytes.length).fill(0xcc)]);
  const { cpu, space } = machineWith(code, cpuid === undefined ? {} : { cpuid });
  const run = (program: number): number => {
    cpu.eip = CODE + 16 * program;
    expect(cpu.run(space, 10)).toBe(EXIT_EXCEPTION);
    return cpu.vector;
  };
  const leaf = (number: number): Record<"eax" | "ebx" | "ecx" | "edx", number> => {
    cpu.gpr[EAX] = number;
    run(0);
    const at = (r: number): number => cpu.gpr[r]! >>> 0;
    return { eax: at(EAX), ebx: at(EBX), ecx: at(ECX), edx: at(EDX) };
  };
  return {
    leaf,
    /** The extensions of which leaf 1 tells. */
    announced(): Feature[] {
      const words = leaf(1);
      return FEATURES.filter((f) => ((words[FEATURE_BITS[f].register] >>> FEATURE_BITS[f].bit) & 1) === 1);
    },
    /** The extensions whose instructions run; a sample raises #UD or goes on to INT3. */
    executed(): Feature[] {
      return FEATURES.filter((_, i) => {
        const vector = run(1 + i);
        expect([EXC_UD, EXC_BP]).toContain(vector);
        if (vector === EXC_UD) expect(cpu.eip).toBe(CODE + 16 * (1 + i));
        return vector === EXC_BP;
      });
    },
  };
}

describe("what is announced runs, and what is not raises #UD", () => {
  test.each(Object.keys(CPU_MODELS) as CpuModelName[])("%s", (name) => {
    const { announced, executed } = subject(name);
    const features = [...CPU_MODELS[name].features].toSorted();
    expect(announced().toSorted()).toEqual(features);
    expect(executed().toSorted()).toEqual(features);
  });
  it("a list is taken as it is", () => {
    const some: Feature[] = ["fpu", "cmov", "sse2"];
    const { announced, executed } = subject(some);
    expect(announced()).toEqual(some);
    expect(executed()).toEqual(some);
  });
  it("everything, unless told otherwise", () => {
    expect(subject().announced()).toEqual([...FEATURES]);
  });
  it("every extension has instructions in the tables", () => {
    const used = new Set(ROWS.map((row) => row.feature));
    expect(FEATURES.filter((f) => !used.has(f))).toEqual([]);
  });
});

describe("identity", () => {
  it("family, model and stepping stand in leaf 1, models above 15 in two fields", () => {
    expect(subject("pentium2").leaf(1).eax).toBe(0x0652);
    expect(subject("penryn").leaf(1).eax).toBe(0x1_0676);
    expect(subject("max").leaf(1).eax).toBe(0x0f24);
  });
  it("the brand is in the extended leaves, which old processors do not have", () => {
    const { leaf } = subject("pentium4");
    const text = [2, 3, 4].flatMap((n) => {
      const { eax, ebx, ecx, edx } = leaf(0x8000_0000 + n);
      return [eax, ebx, ecx, edx].flatMap((w) => [w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24]);
    });
    expect(String.fromCharCode(...text).replace(/\0+$/, "")).toBe("vkernel IA-32 virtual processor");
    const old = subject("pentium3");
    expect(old.leaf(0x8000_0000)).toEqual(old.leaf(2));
  });
  it("own models are possible, and mistakes are named", () => {
    const model = cpuModel({ family: 5, model: 8, stepping: 12, brand: "Winchip", features: ["fpu", "mmx"] });
    expect(subject(model).announced()).toEqual(["fpu", "mmx"]);
    expect(() => cpuModel("pentium5" as CpuModelName)).toThrow(/no processor 'pentium5'.*pentium4/);
    expect(() => cpuModel(["sse9" as Feature])).toThrow(/no feature 'sse9'.*sse3/);
    expect(() => cpuModel({ ...model, brand: "x".repeat(48) })).toThrow(/48 characters/);
  });
});
