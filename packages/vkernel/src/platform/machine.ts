// SPDX-License-Identifier: BSD-3-Clause
/**
 * The machine under the kernel, over the host kernel: RAM, page tables, processor, clock, interrupts.
 *
 * Invariant
 *   MC1  This folder alone calls the host kernel. The rest of the kernel knows Machine, VmSystem and HostPlatform's parts;
 *        three files hand on the border's constants and types (sys/frame.ts, net/inet/host.ts, vfs/dirfs/host.ts).
 *
 * Counterpart: DragonFly 2.0 sys/platform/vkernel/platform/{init,systimer}.c.
 * @module
 */
import {
  CPUID_VENDOR,
  FEATURE_BITS,
  featureWord,
  HostKernel,
  MADV_INVAL,
  MADV_SETMAP,
  MAP_FIXED,
  MAP_SHARED,
  MAP_VPAGETABLE,
  PROT_READ,
  PROT_WRITE,
  VM_MAX_USER_ADDRESS,
  VPTE_R,
  VPTE_V,
  VPTE_W,
  VPTE_X,
  type CpuidOption,
  type CpuModel,
  type DebugLink,
  type HostFiles,
  type HostPlatform,
  type HostSignalName,
  type HostStats,
  type HostTerminal,
  type MemoryImage,
  type JitOptions,
  type ProcessorDebugOptions,
} from "@vkernel/hostkernel";
import type { Machine, Processor } from "../kern/kernel.ts";
import type { Lwp } from "../kern/proc.ts";
import { installReclaim } from "../vm/reclaim.ts";
import { VmSystem, type PmapHost } from "../vm/system.ts";
import { Debugger } from "./debugger.ts";
import { Fpu } from "./fpu.ts";
import { HostEvents } from "./host-events.ts";
import { MachIntr } from "./machintr.ts";
import { UserMode } from "./trap.ts";

/** A length must be positive as a signed int, so user memory is mapped in pieces of 1 GiB (vpagetable.md §8.2). */
const PIECE = 0x4000_0000;

/** Page tables of guests through vmspace_* calls. */
class HostPmaps implements PmapHost {
  readonly #host: HostKernel;
  readonly #image: MemoryImage;
  #nextId = 1;

  constructor(host: HostKernel, image: MemoryImage) {
    this.#host = host;
    this.#image = image;
  }

  create(pdir: number): number {
    const id = this.#nextId++;
    const host = this.#host;
    host.vmspaceCreate(id);
    for (let start = 0; start < VM_MAX_USER_ADDRESS; start += PIECE) {
      const len = Math.min(PIECE, VM_MAX_USER_ADDRESS - start);
      // Offset = address makes the table index the virtual page number.
      host.vmspaceMmap(
        id,
        start,
        len,
        PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE,
        this.#image,
        start,
      );
      host.vmspaceMcontrol(id, start, len, MADV_SETMAP, (pdir << 12) | VPTE_V | VPTE_R | VPTE_W | VPTE_X);
    }
    host.vmspaceCheckExecute(id);
    return id;
  }

  destroy(id: number): void {
    this.#host.vmspaceDestroy(id);
  }

  inval(id: number, va: number, len: number): void {
    this.#host.vmspaceMcontrol(id, va, len, MADV_INVAL, 0);
  }

  withdrawWrite(id: number, va: number, len: number): void {
    this.#host.vmspaceWithdrawWrite(id, va, len);
  }
}

export interface VkMachineOptions extends ProcessorDebugOptions {
  readonly platform: HostPlatform;
  /** Guest RAM; a multiple of 4 MiB, at least 32 MiB. */
  readonly ramBytes: number;
  /** When guest code is compiled, see @vkernel/cpu. */
  readonly jit?: Partial<JitOptions>;
  /** Which processor guests find; one with everything unless given. */
  readonly cpu?: CpuidOption;
}

function processorOf(model: CpuModel): Processor {
  const { family, stepping, brand, features } = model;
  const flags = features.toSorted((a, b) => position(FEATURE_BITS[a]) - position(FEATURE_BITS[b]));
  return {
    vendor: CPUID_VENDOR,
    family,
    model: model.model,
    stepping,
    name: brand ?? "unknown",
    flags: flags.map((f) => FEATURE_BITS[f].flag),
    hwcap: featureWord(features, "edx"),
  };
}
/** Linux lists the flags of EDX before those of ECX. */
function position({ register, bit }: { readonly register: "ecx" | "edx"; readonly bit: number }): number {
  return (register === "edx" ? 0 : 32) + bit;
}

const RAM_UNIT = 4 * 1024 * 1024;
const RAM_LEAST = 32 * 1024 * 1024;

export class VkMachine implements Machine {
  readonly platform: HostPlatform;
  readonly host: HostKernel;
  readonly processor: Processor;
  readonly vm: VmSystem;
  readonly intr: MachIntr;
  /** The host's terminal and files; their callbacks come in kernel context and end an idle sleep. */
  readonly terminal: HostTerminal;
  readonly files: HostFiles;
  readonly #events: HostEvents;
  readonly #fpu: Fpu;
  readonly #user: UserMode;

  /** Throws RangeError for an unusable size, naming it. */
  constructor(options: VkMachineOptions) {
    const { platform, ramBytes } = options;
    if (ramBytes < RAM_LEAST || ramBytes % RAM_UNIT !== 0) {
      throw new RangeError(`memory size ${ramBytes}: it must be at least 32 MiB and a multiple of 4 MiB`);
    }
    this.platform = platform;
    this.host = new HostKernel(options);
    this.processor = processorOf(this.host.cpu.model);
    const image = this.host.createImage(ramBytes);
    this.vm = new VmSystem(image, new HostPmaps(this.host, image));
    installReclaim(this.vm);
    this.intr = new MachIntr(this.host.interrupts);
    this.#events = new HostEvents(this.intr);
    this.terminal = this.#events.terminal(platform.terminal);
    this.files = this.#events.files(platform.files);
    this.#fpu = new Fpu(this.host);
    this.#user = new UserMode(this.host, this.#fpu, this.intr);
  }

  /** Delivers these signals of the host process to `handler`, in kernel context, instead of their default action. */
  onSignal(names: readonly HostSignalName[], handler: (name: HostSignalName) => void): void {
    this.#events.onSignal(this.platform, names, handler);
  }

  /** A terminal of the host as the kernel may use it: callbacks in kernel context, failures as Errno. */
  inKernel(terminal: HostTerminal): HostTerminal {
    return this.#events.terminal(terminal);
  }

  /** Runs `event` in kernel context soon; for completions of other host calls. Ends an idle sleep. */
  post(event: () => void): void {
    this.#events.post(event);
  }

  /** Puts `lp`, which has not run yet, under the debugger at the other end of `link`; it starts stopped. */
  debug(lp: Lwp, link: DebugLink): void {
    this.#user.debugger = new Debugger(lp, this.#fpu, link, (event) => this.post(event));
  }
  /** Tells the debugger, if there is one, how the program has ended. */
  debugEnded(status: number, signal: number): void {
    this.#user.debugger?.ended(status, signal);
  }

  nanouptime(): number {
    return this.platform.monotonicNs();
  }
  microtime(): number {
    return this.platform.wallClockUs();
  }
  entropy(buf: Uint8Array): void {
    this.platform.entropy(buf);
  }
  userland(lp: Lwp): void {
    this.#user.run(lp);
  }
  setTimer(deadlineNs: number): void {
    this.host.interrupts.setDeadline(deadlineNs);
  }
  async idle(deadlineNs: number): Promise<void> {
    this.host.interrupts.setDeadline(deadlineNs);
    await this.host.interrupts.idle();
    this.intr.dispatch();
  }
  async breathe(): Promise<void> {
    await this.platform.breathe();
    this.intr.dispatch();
  }
  fpFork(parent: Lwp, child: Lwp): void {
    this.#fpu.fork(parent, child);
  }
  fpReset(lp: Lwp): void {
    this.#fpu.reset(lp);
  }
  fpUsed(lp: Lwp): boolean {
    return this.#fpu.used(lp);
  }
  fpSave(lp: Lwp): void {
    this.#fpu.save(lp);
  }
  fpRestore(lp: Lwp): void {
    this.#fpu.restore(lp);
  }
  lwpExit(lp: Lwp): void {
    this.#fpu.forget(lp);
  }
  stats(): HostStats {
    return this.host.stats();
  }
}
