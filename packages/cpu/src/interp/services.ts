// SPDX-License-Identifier: BSD-3-Clause
/**
 * The TypeScript side of the services that generated code asks for (isa/services.ts).
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { cpuid, type CpuModel } from "../cpuid.ts";
import { CALL_GATE, type SegmentLoader } from "../isa/segment-load.ts";
import {
  SERVICE_CPUID,
  SERVICE_FAR_RETURN,
  SERVICE_FAR_TRANSFER,
  SERVICE_LAR,
  SERVICE_LOAD_SEGMENT,
  SERVICE_LSL,
  SERVICE_RDTSC,
  SERVICE_VERR,
  SERVICE_VERW,
} from "../isa/services.ts";
import { RIGHTS_CODE, RIGHTS_DPL_SHIFT, RIGHTS_EC, RIGHTS_RW, RIGHTS_S } from "../segment.ts";
import * as S from "../state.ts";

const EDX_W = (S.GPR >> 2) + S.EDX;
const EAX_W = S.GPR >> 2;
/** System descriptors that LAR and LSL know at any privilege: TSS, LDT; LAR also call and task gates. SDM vol. 2A. */
const LSL_TYPES = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 9) | (1 << 11);
const LAR_TYPES = LSL_TYPES | (1 << 4) | (1 << 5) | (1 << 12);

export class Services {
  readonly segments: SegmentLoader;
  /** The last far transfer met a call gate with this selector; 0 = none. Cleared by the engine. */
  callGate = 0;
  /** SS has been loaded: the next instruction boundary takes no trap. Cleared by the engine. */
  stackLoaded = false;
  readonly #words: Int32Array;
  readonly #model: CpuModel;
  readonly #timestamp: () => number;
  readonly #leaf = new Int32Array(4);

  constructor(
    memory: MachineMemory,
    stateBase: number,
    segments: SegmentLoader,
    model: CpuModel,
    timestamp: () => number,
  ) {
    this.segments = segments;
    this.#words = memory.i32.subarray(stateBase >> 2, (stateBase >> 2) + 0x4000);
    this.#model = model;
    this.#timestamp = timestamp;
  }

  /** Does service `id`. Returns 0, or 1 with vector and error code recorded. */
  call(id: number, a: number, b: number): number {
    switch (id) {
      case SERVICE_LOAD_SEGMENT:
        if (a === S.SS) this.stackLoaded = true;
        return this.#outcome(this.segments.load(a, b));
      case SERVICE_FAR_TRANSFER: {
        const result = this.segments.loadCode(a, false);
        if (result === CALL_GATE) this.callGate = a;
        return this.#outcome(result);
      }
      case SERVICE_FAR_RETURN:
        return this.#outcome(this.segments.loadCode(a, true));
      case SERVICE_CPUID: {
        const w = this.#words;
        cpuid(w[EAX_W]!, this.#model, this.#leaf);
        [w[EAX_W], w[EAX_W + S.EBX], w[EAX_W + S.ECX], w[EAX_W + S.EDX]] = this.#leaf as unknown as [
          number,
          number,
          number,
          number,
        ];
        return 0;
      }
      case SERVICE_RDTSC: {
        const now = this.#timestamp();
        this.#words[EAX_W] = now % 0x1_0000_0000;
        this.#words[EDX_W] = now / 0x1_0000_0000;
        return 0;
      }
      case SERVICE_LAR:
        return this.#loadRights(a);
      case SERVICE_LSL:
        return this.#loadLimit(a);
      case SERVICE_VERR:
      case SERVICE_VERW:
        return this.#verify(a, id === SERVICE_VERW);
      default:
        throw new Error(`cpu: unknown service ${id}`);
    }
  }

  #outcome(fault: number): number {
    if (fault === 0) return 0;
    this.#words[S.EXIT_VECTOR >> 2] = (fault >> 16) & 0xff;
    this.#words[S.EXIT_ERROR >> 2] = fault & 0xffff;
    return 1;
  }

  #answer(ok: boolean, result = 0): number {
    this.#words[S.SERVICE_OK >> 2] = ok ? 1 : 0;
    this.#words[S.SERVICE_RESULT >> 2] = result;
    return 0;
  }
  /** Whether CPL 3 with the selector's RPL may see a descriptor with these rights. */
  #visible(selector: number, rights: number): boolean {
    if ((rights & RIGHTS_S) !== 0 && (rights & RIGHTS_CODE) !== 0 && (rights & RIGHTS_EC) !== 0) return true;
    return ((rights >> RIGHTS_DPL_SHIFT) & 3) === 3 && (selector & 0xfffc) !== 0;
  }
  #loadRights(selector: number): number {
    const rights = this.segments.attributes(selector);
    if (rights < 0 || !this.#visible(selector, rights)) return this.#answer(false);
    if ((rights & RIGHTS_S) === 0 && ((LAR_TYPES >> (rights & 15)) & 1) === 0) return this.#answer(false);
    return this.#answer(true, rights << 8);
  }
  #loadLimit(selector: number): number {
    const rights = this.segments.attributes(selector);
    if (rights < 0 || !this.#visible(selector, rights)) return this.#answer(false);
    if ((rights & RIGHTS_S) === 0 && ((LSL_TYPES >> (rights & 15)) & 1) === 0) return this.#answer(false);
    return this.#answer(true, this.segments.lastLimit);
  }
  #verify(selector: number, isWrite: boolean): number {
    const rights = this.segments.attributes(selector);
    if (rights < 0 || (rights & RIGHTS_S) === 0 || !this.#visible(selector, rights))
      return this.#answer(false);
    const isCode = (rights & RIGHTS_CODE) !== 0;
    const rw = (rights & RIGHTS_RW) !== 0;
    return this.#answer(isWrite ? !isCode && rw : !isCode || rw);
  }
}
