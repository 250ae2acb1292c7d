// SPDX-License-Identifier: BSD-3-Clause
/**
 * Instruction-set extensions: each row of the tables names the one it belongs to, CPUID announces them.
 *
 * Source: SDM vol. 2A "CPUID", tables 3-10 and 3-11 (leaf 1).
 * @module
 */

/** A bit of CPUID leaf 1, and the name it has in Linux's /proc/cpuinfo. */
interface FeatureBit {
  readonly register: "ecx" | "edx";
  readonly bit: number;
  readonly flag: string;
}

/** Every extension that the tables hold. What none of them claims every processor has that knows CPUID. */
export const FEATURE_BITS = {
  fpu: { register: "edx", bit: 0, flag: "fpu" },
  tsc: { register: "edx", bit: 4, flag: "tsc" },
  cx8: { register: "edx", bit: 8, flag: "cx8" },
  cmov: { register: "edx", bit: 15, flag: "cmov" },
  clflush: { register: "edx", bit: 19, flag: "clflush" },
  mmx: { register: "edx", bit: 23, flag: "mmx" },
  fxsr: { register: "edx", bit: 24, flag: "fxsr" },
  sse: { register: "edx", bit: 25, flag: "sse" },
  sse2: { register: "edx", bit: 26, flag: "sse2" },
  sse3: { register: "ecx", bit: 0, flag: "pni" },
  ssse3: { register: "ecx", bit: 9, flag: "ssse3" },
  "sse4.1": { register: "ecx", bit: 19, flag: "sse4_1" },
  "sse4.2": { register: "ecx", bit: 20, flag: "sse4_2" },
  popcnt: { register: "ecx", bit: 23, flag: "popcnt" },
} as const satisfies Record<string, FeatureBit>;

export type Feature = keyof typeof FEATURE_BITS;

export const FEATURES = Object.keys(FEATURE_BITS) as readonly Feature[];

/** Leaf 1's `register` for a set of features. */
export function featureWord(features: Iterable<Feature>, register: "ecx" | "edx"): number {
  let word = 0;
  for (const f of features) if (FEATURE_BITS[f].register === register) word |= 1 << FEATURE_BITS[f].bit;
  return word;
}
