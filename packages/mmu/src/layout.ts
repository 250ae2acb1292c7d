// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one map of the machine's linear memory, and the page constants.
 *
 *   0x0000_0000  guard, never valid            64 KiB
 *   0x0001_0000  CPU state blocks              64 KiB for each virtual CPU
 *   cpuBase      the cpu package's own area    cpuBytes (runtime tables, decoded records)
 *   ramBase      host pages                    ramBytes
 *   tablesBase   translation tables            spaces × 8 MiB
 *   linksBase    reverse-map links             spaces × 8 MiB
 *
 * Invariants
 *   L1  Every area starts on a 64 KiB boundary, so every host page is 4 KiB aligned.
 *   L2  ramBase > FLAT_BIAS and no host page lies outside [ramBase, ramBase + ramBytes).
 *   L3  The areas do not overlap and end at or below 4 GiB.
 *
 * Untouched pages of the areas cost address space only, no storage.
 * @module
 */

export const PAGE_SIZE = 4096;
export const PGSHIFT = 12;
/** Offset-in-page bits of an address. */
export const PGMASK = 0xfff;
/** WebAssembly's page: the unit in which a memory is sized. */
export const WASM_PAGE_SIZE = 0x1_0000;

export const GUARD_BYTES = 0x1_0000;
/** Bytes of one virtual CPU's state block. */
export const STATE_BYTES = 0x1_0000;

/** Entries of one flat translation table: one for each 4 KiB page of a 4 GiB space. */
export const TABLE_ENTRIES = 0x10_0000;
/** Bytes of one entry: {read word, write word}. */
export const TABLE_ENTRY_BYTES = 8;
export const TABLE_BYTES = TABLE_ENTRIES * TABLE_ENTRY_BYTES;
/** Bytes of one table's reverse-map links: {next, previous} for each entry. */
export const LINK_BYTES = TABLE_ENTRIES * 8;

/**
 * A translation word is `hostPage − FLAT_BIAS − vaPage` modulo 2³². Both pages are 4 KiB aligned, hence no valid
 * word is 0 and fresh zero memory is an empty table. Generated code adds the bias back through the constant offset
 * of its load or store, which costs nothing.
 */
export const FLAT_BIAS = 64;

export interface MachineLayoutOptions {
  /** Bytes of host pages; a multiple of 4 KiB. */
  readonly ramBytes: number;
  /** How many translation tables exist at once, i.e. VM spaces that keep their cached translations. At least 1. */
  readonly spaces: number;
  /** Bytes of the area that belongs to the cpu package. */
  readonly cpuBytes: number;
  /** Virtual CPUs; 1 unless given. */
  readonly vcpus?: number;
}

export interface MachineLayout {
  readonly stateBase: number;
  readonly cpuBase: number;
  readonly cpuBytes: number;
  readonly ramBase: number;
  readonly ramBytes: number;
  readonly tablesBase: number;
  readonly linksBase: number;
  readonly spaces: number;
  readonly vcpus: number;
  /** Bytes of the whole memory; a multiple of 64 KiB, at most 4 GiB. */
  readonly totalBytes: number;
}

function alignWasm(bytes: number): number {
  return Math.ceil(bytes / WASM_PAGE_SIZE) * WASM_PAGE_SIZE;
}

function requireCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`machine layout: ${name} must be an integer of at least ${least}, not ${value}`);
  }
}

/** Places the areas. Throws RangeError, naming the option, when one is unusable or the sum passes 4 GiB. */
export function machineLayout(options: MachineLayoutOptions): MachineLayout {
  const { ramBytes, spaces, cpuBytes, vcpus = 1 } = options;
  requireCount("ramBytes", ramBytes, PAGE_SIZE);
  requireCount("spaces", spaces, 1);
  requireCount("cpuBytes", cpuBytes, 0);
  requireCount("vcpus", vcpus, 1);
  if (ramBytes % PAGE_SIZE !== 0)
    throw new RangeError(`machine layout: ramBytes ${ramBytes} is not a multiple of 4096`);
  const stateBase = GUARD_BYTES;
  const cpuBase = stateBase + vcpus * STATE_BYTES;
  const ramBase = cpuBase + alignWasm(cpuBytes);
  const tablesBase = ramBase + alignWasm(ramBytes);
  const linksBase = tablesBase + spaces * TABLE_BYTES;
  const totalBytes = linksBase + spaces * LINK_BYTES;
  if (totalBytes > 0x1_0000_0000) {
    throw new RangeError(
      `machine layout: ${totalBytes} bytes pass the 4 GiB of a linear memory; lower ramBytes (${ramBytes}) or spaces (${spaces})`,
    );
  }
  return {
    stateBase,
    cpuBase,
    cpuBytes,
    ramBase,
    ramBytes,
    tablesBase,
    linksBase,
    spaces,
    vcpus,
    totalBytes,
  };
}
