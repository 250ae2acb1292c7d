// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs decoded code: drives the generated interpreter, decodes on demand, resolves slow accesses and exits.
 * @module
 */
import type { AddressSpace, MachineMemory } from "@vkernel/mmu";
import { EXIT_BUDGET } from "../exception.ts";
import type { ExitReason } from "../exception.ts";
import { SegmentLoader } from "../isa/segment-load.ts";
import type { DescriptorSource } from "../segment.ts";

export interface EngineOptions {
  readonly timestamp?: () => number;
  readonly poolBytes?: number;
}

export class Engine {
  readonly segments: SegmentLoader;
  nextEip = 0;
  undefinedInstruction: string | null = null;
  retired = 0;

  constructor(
    memory: MachineMemory, stateBase: number, _gates: Uint8Array, descriptors: DescriptorSource, _options: EngineOptions,
  ) {
    this.segments = new SegmentLoader(memory, stateBase, descriptors);
  }

  static areaBytes(ramBytes: number): number {
    return 32 * 1024 * 1024 + 4 * (ramBytes >>> 12) * 4;
  }

  run(_space: AddressSpace, _budget: number): ExitReason {
    return EXIT_BUDGET;
  }

  invalidateCode(_hpn: number): void {}
}
