// SPDX-License-Identifier: BSD-3-Clause
/**
 * CPUID: announces what the instruction tables hold, nothing else.
 * Source: SDM vol. 2A "CPUID".
 * @module
 */
/** Leaf 1, EDX. */
const FEATURE_FPU = 1 << 0;
const FEATURE_TSC = 1 << 4;
const FEATURE_CX8 = 1 << 8;
const FEATURE_CMOV = 1 << 15;
const FEATURE_CLFSH = 1 << 19;
const FEATURE_MMX = 1 << 23;
const FEATURE_FXSR = 1 << 24;
const FEATURE_SSE = 1 << 25;
const FEATURE_SSE2 = 1 << 26;
/** Leaf 1, ECX. */
const FEATURE_SSE3 = 1 << 0;
const FEATURE_SSSE3 = 1 << 9;
const FEATURE_POPCNT = 1 << 23;

/** Feature bits of leaf 1, EDX and ECX. */
export interface FeatureBits {
  readonly edx: number;
  readonly ecx: number;
}

/** What isa/table.ts holds. */
export const FEATURES: FeatureBits = {
  edx:
    FEATURE_FPU |
    FEATURE_TSC |
    FEATURE_CX8 |
    FEATURE_CMOV |
    FEATURE_CLFSH |
    FEATURE_MMX |
    FEATURE_FXSR |
    FEATURE_SSE |
    FEATURE_SSE2,
  ecx: FEATURE_SSE3 | FEATURE_SSSE3 | FEATURE_POPCNT,
};

/** Family 15, model 2, stepping 4: a Pentium 4 class processor. */
const SIGNATURE = 0x0000_0f24;
const VENDOR = "GenuineIntel";
const BRAND = "vkernel IA-32 virtual processor";
const MAX_LEAF = 2;
const MAX_EXTENDED_LEAF = 0x8000_0004 | 0;
/** CLFLUSH line of 64 bytes: leaf 1, EBX bits 8–15 in units of 8 bytes. */
const CLFLUSH_LINE = 8 << 8;
/**
 * Leaf 2, EAX: one iteration; instruction cache 32 KiB (30), data cache 32 KiB (2C), second level 2 MiB (7D). Without sizes the C
 * library would take every copy for one too large to cache.
 */
const CACHE_DESCRIPTORS = 0x7d2c_3001;

function word(text: string, at: number): number {
  let w = 0;
  for (let i = 0; i < 4; i++) w |= (at + i < text.length ? text.charCodeAt(at + i) : 0) << (8 * i);
  return w;
}

/** Answers `leaf` into `out`: EAX, EBX, ECX, EDX. Leaves beyond the last basic one are answered as it. */
export function cpuid(leaf: number, features: FeatureBits, out: Int32Array): void {
  out.fill(0);
  if (leaf < 0 && leaf <= MAX_EXTENDED_LEAF) {
    extendedLeaf(leaf, out);
    return;
  }
  switch (leaf >= 0 && leaf <= MAX_LEAF ? leaf : MAX_LEAF) {
    case 0:
      out.set([MAX_LEAF, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]);
      return;
    case 1:
      out.set([SIGNATURE, CLFLUSH_LINE, features.ecx, features.edx]);
      return;
    default:
      out[0] = CACHE_DESCRIPTORS;
  }
}

function extendedLeaf(leaf: number, out: Int32Array): void {
  const n = leaf & 0xffff;
  if (n === 0) {
    out[0] = MAX_EXTENDED_LEAF;
  } else if (n >= 2) {
    for (let i = 0; i < 4; i++) out[i] = word(BRAND, (n - 2) * 16 + i * 4);
  }
}
