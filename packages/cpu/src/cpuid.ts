// SPDX-License-Identifier: BSD-3-Clause
/**
 * CPUID: which processor this one says it is. What it announces is what the decoder accepts, nothing else.
 *
 * Invariant CI1: an instruction of an extension that is not announced raises #UD.
 *
 * Source: SDM vol. 2A "CPUID"; family and model numbers of Intel's processors: SDM vol. 4, table 2-1.
 * @module
 */
import { FEATURES, FEATURE_BITS, featureWord, type Feature } from "./isa/feature.ts";

export type { Feature } from "./isa/feature.ts";

/** A processor as CPUID describes it. */
export interface CpuModel {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Text of the extended leaves, up to 47 characters; null = the processor has no extended leaves. */
  readonly brand: string | null;
  /** The extensions it has. */
  readonly features: readonly Feature[];
}

const PENTIUM = ["fpu", "tsc", "cx8"] as const;
const PENTIUM_PRO = [...PENTIUM, "cmov"] as const;
const PENTIUM2 = [...PENTIUM_PRO, "mmx", "fxsr"] as const;
const PENTIUM3 = [...PENTIUM2, "sse"] as const;
const PENTIUM4 = [...PENTIUM3, "clflush", "sse2"] as const;
const PRESCOTT = [...PENTIUM4, "sse3"] as const;
const CORE2 = [...PRESCOTT, "ssse3"] as const;
const PENRYN = [...CORE2, "sse4.1"] as const;
const NEHALEM = [...PENRYN, "sse4.2", "popcnt"] as const;

const BRAND = "vkernel IA-32 virtual processor";

/** The processors that can be asked for by name; the names are those of GCC's -march where it has one. */
export const CPU_MODELS = {
  pentium: { family: 5, model: 2, stepping: 12, brand: null, features: PENTIUM },
  "pentium-mmx": { family: 5, model: 4, stepping: 3, brand: null, features: [...PENTIUM, "mmx"] },
  pentiumpro: { family: 6, model: 1, stepping: 9, brand: null, features: PENTIUM_PRO },
  pentium2: { family: 6, model: 5, stepping: 2, brand: null, features: PENTIUM2 },
  pentium3: { family: 6, model: 8, stepping: 6, brand: null, features: PENTIUM3 },
  pentium4: { family: 15, model: 2, stepping: 4, brand: BRAND, features: PENTIUM4 },
  prescott: { family: 15, model: 3, stepping: 4, brand: BRAND, features: PRESCOTT },
  core2: { family: 6, model: 15, stepping: 11, brand: BRAND, features: CORE2 },
  penryn: { family: 6, model: 23, stepping: 6, brand: BRAND, features: PENRYN },
  nehalem: { family: 6, model: 26, stepping: 5, brand: BRAND, features: NEHALEM },
  /** Everything there is; family and model are the Pentium 4's. */
  max: { family: 15, model: 2, stepping: 4, brand: BRAND, features: FEATURES },
} as const satisfies Record<string, CpuModel>;

export type CpuModelName = keyof typeof CPU_MODELS;

/** A processor by name, described whole, or as `max` with exactly the extensions of a list. */
export type CpuidOption = CpuModelName | CpuModel | readonly Feature[];

/** Resolves the option; throws RangeError naming what is unknown and what is known. */
export function cpuModel(option: CpuidOption): CpuModel {
  const model = typeof option === "string" ? named(option) : isList(option) ? listed(option) : option;
  for (const f of model.features) {
    if (!Object.hasOwn(FEATURE_BITS, f))
      throw new RangeError(`cpuid: no feature '${f}'; there are ${FEATURES.join(", ")}`);
  }
  if (model.brand !== null && model.brand.length > 47)
    throw new RangeError(`cpuid: brand of ${model.brand.length} characters, at most 47 fit`);
  return model;
}
function isList(option: CpuModel | readonly Feature[]): option is readonly Feature[] {
  return Array.isArray(option);
}
function named(name: string): CpuModel {
  if (!Object.hasOwn(CPU_MODELS, name))
    throw new RangeError(`cpuid: no processor '${name}'; there are ${Object.keys(CPU_MODELS).join(", ")}`);
  return CPU_MODELS[name as CpuModelName];
}
function listed(features: readonly Feature[]): CpuModel {
  return { ...CPU_MODELS.max, features };
}

/** Whether instructions of `feature` exist; those of none always do. */
export function hasFeature(model: CpuModel, feature: Feature | undefined): boolean {
  return feature === undefined || model.features.includes(feature);
}

export const VENDOR = "GenuineIntel";
const MAX_LEAF = 2;
const EXTENDED = 0x8000_0000 | 0;
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

/** Leaf 1, EAX: models above 15 have their upper half in the extended field. */
function signature({ family, model, stepping }: CpuModel): number {
  return ((model >> 4) << 16) | (family << 8) | ((model & 15) << 4) | stepping;
}

/** Answers `leaf` into `out`: EAX, EBX, ECX, EDX. Leaves beyond the last basic one are answered as it. */
export function cpuid(leaf: number, model: CpuModel, out: Int32Array): void {
  out.fill(0);
  if (leaf < 0 && leaf <= MAX_EXTENDED_LEAF && model.brand !== null) {
    if (leaf === EXTENDED) out[0] = MAX_EXTENDED_LEAF;
    else if (leaf >= (EXTENDED | 2)) {
      for (let i = 0; i < 4; i++) out[i] = word(model.brand, ((leaf & 0xffff) - 2) * 16 + i * 4);
    }
    return;
  }
  switch (leaf >= 0 && leaf <= MAX_LEAF ? leaf : MAX_LEAF) {
    case 0:
      out.set([MAX_LEAF, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]);
      return;
    case 1: {
      const { features } = model;
      const line = features.includes("clflush") ? CLFLUSH_LINE : 0;
      out.set([signature(model), line, featureWord(features, "ecx"), featureWord(features, "edx")]);
      return;
    }
    default:
      out[0] = CACHE_DESCRIPTORS;
  }
}
