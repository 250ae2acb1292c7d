// SPDX-License-Identifier: BSD-3-Clause
/**
 * The host kernel: memory images, the set of VM spaces, and the vmspace_* calls with DragonFly's checks in DragonFly's
 * order. One instance is one virtual kernel process with one virtual CPU.
 *
 * Invariants
 *   HK1  Error order of every vmspace_* call: EINVAL while no space was ever created, ENOENT for an unknown id, then the
 *        call's own errors.
 *   HK2  A failed call has changed nothing.
 *
 * Source: DragonFly 2.0 sys/vm/vm_vmspace.c.
 * @module
 */
import { Cpu, LockstepCpu, cpuAreaBytes, type CpuidOption, type JitOptions, type JitStatistics, type RegionDump } from "@vkernel/cpu";
import {
  ACCESS_READ as ACCESS_READ_,
  ACCESS_WRITE as ACCESS_WRITE_,
  LINK_BYTES,
  MachineMemory,
  TABLE_BYTES,
  Translation,
  type AddressSpace,
} from "@vkernel/mmu";
import { HostErrno, MADV_INVAL, VM_MAX_USER_ADDRESS, VMSPACE_CTL_RUN as VMSPACE_CTL_RUN_ } from "./frame.ts";
import { MemoryImage } from "./image.ts";
import { Interrupts } from "./interrupts.ts";
import type { HostPlatform } from "./platform.ts";
import { GuestRunner } from "./run.ts";
import { HostVmspace } from "./vmspace.ts";

const VMSPACE_CTL_RUN = VMSPACE_CTL_RUN_;
const ACCESS_READ = ACCESS_READ_,
  ACCESS_WRITE = ACCESS_WRITE_;

/** Aids for those who look into the processor. */
export interface ProcessorDebugOptions {
  /** Keep the last entries into compiled code and exits from it, see `trace` of Cpu. */
  readonly traceRegions?: boolean;
  /** Told of each region of guest code when it has been compiled. */
  readonly regionCompiled?: (dump: RegionDump) => void;
  /**
   * Execute everything a second time without the compiler, and compare every so many instructions; see LockstepCpu of @vkernel/cpu. A
   * difference is an error thrown out of the run.
   */
  readonly lockstep?: number;
}

export interface HostKernelOptions extends ProcessorDebugOptions {
  readonly platform: HostPlatform;
  /** Bytes of host pages: the sum of all memory images. A multiple of 4096. */
  readonly ramBytes: number;
  /** How many VM spaces keep their cached translations at a time; what fits, up to 64, unless given. */
  readonly spaces?: number;
  /** When guest code is compiled, see @vkernel/cpu. */
  readonly jit?: Partial<JitOptions>;
  /** Which processor guests find, see the `cpuid` option of Cpu; one with everything unless given. */
  readonly cpu?: CpuidOption;
}

export interface HostStats {
  /** Guest instructions retired. */
  readonly instructions: number;
  /** Entries into guests. */
  readonly runs: number;
  /** Accesses resolved by walking mappings and virtual page tables. */
  readonly walks: number;
  /** Spaces that lost their translation table to another. */
  readonly evictions: number;
  /** What the region compiler has done. */
  readonly jit: JitStatistics;
}

const DEFAULT_SPACES = 64;

export class HostKernel {
  readonly platform: HostPlatform;
  readonly memory: MachineMemory;
  readonly cpu: Cpu;
  readonly interrupts: Interrupts;
  /**
   * Beyond DragonFly's calls: compiled code of the running space `id` could be entered if the page at `va` were there. The
   * virtual kernel may enter a page that it has at hand, and then returns true; nothing may wait, and what is not there is no fault.
   */
  pageWanted: (id: number, va: number) => boolean = () => false;
  readonly #translation: Translation;
  readonly #runner: GuestRunner;
  readonly #spaces = new Map<number, HostVmspace>();
  #everCreated = false;
  #last: HostVmspace | null = null;
  #running: HostVmspace | null = null;
  #imagePages = 0;
  #walksOfDead = 0;

  /** Throws RangeError when the machine does not fit a 4 GiB memory, or for an unknown processor. */
  constructor(options: HostKernelOptions) {
    const { platform, ramBytes, lockstep, traceRegions = false, regionCompiled } = options;
    const vcpus = lockstep === undefined ? 1 : 2;
    const cpuBytes = cpuAreaBytes(ramBytes, vcpus);
    const fits = Math.floor((0xfff0_0000 - ramBytes - cpuBytes) / (TABLE_BYTES + LINK_BYTES));
    const spaces = options.spaces ?? Math.max(vcpus, Math.min(DEFAULT_SPACES, fits));
    this.platform = platform;
    this.memory = new MachineMemory({ ramBytes, spaces, vcpus, cpuBytes });
    this.#translation = new Translation(this.memory);
    const clock = (): number => platform.monotonicNs() / 1e6;
    const watch = regionCompiled === undefined ? {} : { regionCompiled };
    // Comparing needs the same code at the same time in every run.
    const compiler = lockstep === undefined ? (platform.startCompiler ?? null) : null;
    const jit = { compiler, ...options.jit };
    const cpuOptions = { clock, jit, cpuid: options.cpu ?? "max", trace: traceRegions, ...watch };
    this.cpu =
      lockstep === undefined
        ? new Cpu(this.memory, cpuOptions)
        : new LockstepCpu(this.memory, this.#translation, { ...cpuOptions, interval: lockstep });
    this.interrupts = new Interrupts(platform);
    this.#runner = new GuestRunner(this.cpu, this.interrupts);
  }

  /** Takes `bytes` (a multiple of 4096) of host pages as a memory image, zero filled. Throws HostErrno ENOMEM. */
  createImage(bytes: number): MemoryImage {
    const pages = bytes / 4096;
    if (!Number.isInteger(pages) || pages < 1)
      throw new RangeError(`memory image: ${bytes} bytes are not whole pages`);
    if (this.#imagePages + pages > this.memory.npages) {
      throw new HostErrno(
        "ENOMEM",
        12,
        `memory image: ${bytes} bytes of ${this.memory.ramBytes - this.#imagePages * 4096} left`,
      );
    }
    const image = new MemoryImage(this.memory, this.memory.pageAddress(this.#imagePages), bytes);
    this.#imagePages += pages;
    return image;
  }

  #lookup(id: number): HostVmspace {
    const last = this.#last;
    if (last !== null && last.id === id) return last;
    if (!this.#everCreated) throw new HostErrno("EINVAL", 22, "no VM space was ever created");
    const space = this.#spaces.get(id);
    if (space === undefined) throw new HostErrno("ENOENT", 2, `no VM space ${id}`);
    this.#last = space;
    return space;
  }

  /** Creates an empty VM space. Throws EEXIST. */
  vmspaceCreate(id: number): void {
    if (this.#spaces.has(id)) throw new HostErrno("EEXIST", 17, `VM space ${id} exists`);
    this.#everCreated = true;
    this.#spaces.set(id, new HostVmspace(id, this.#translation, (space, va) => this.pageWanted(space, va)));
  }

  /** Removes a VM space with all its mappings. Throws EBUSY while a guest runs in it. */
  vmspaceDestroy(id: number): void {
    const space = this.#lookup(id);
    if (space === this.#running) throw new HostErrno("EBUSY", 16, `VM space ${id} is running`);
    this.#spaces.delete(id);
    if (this.#last === space) this.#last = null;
    this.#walksOfDead += space.faults;
    space.destroy();
  }

  /**
   * VMSPACE_CTL_RUN: runs the space from trapframe `tf` (20 words) with the TLS descriptors of `vf` (6 words) until a
   * trap, system call or interrupt, and stores the registers back into `tf` with tf_trapno, tf_err and tf_xflags set
   * (trap number 0: interrupt). Returns 0. Throws EOPNOTSUPP for another command, ENXIO for an illegal TLS descriptor,
   * EBUSY when called from within itself; guest faults are never thrown.
   */
  vmspaceCtl(id: number, cmd: number, tf: Int32Array, vf: Int32Array): number {
    const space = this.#lookup(id);
    if (cmd !== VMSPACE_CTL_RUN) throw new HostErrno("EOPNOTSUPP", 45, `vmspace_ctl command ${cmd}`);
    if (this.#running !== null) throw new HostErrno("EBUSY", 16, `VM space ${this.#running.id} is running`);
    this.#running = space;
    const entered = this.#runner.run(space, tf, vf);
    this.#running = null;
    if (!entered) throw new HostErrno("ENXIO", 6, "illegal TLS descriptor");
    return 0;
  }

  /** mmap in a VM space; see HostVmspace.mmap for rules and errors. */
  vmspaceMmap(
    id: number,
    addr: number,
    len: number,
    prot: number,
    flags: number,
    image: MemoryImage | null,
    offset: number,
  ): number {
    return this.#lookup(id).mmap(addr, len, prot, flags, image, offset);
  }

  vmspaceMunmap(id: number, addr: number, len: number): void {
    this.#lookup(id).munmap(addr, len);
  }

  /** MADV_INVAL and MADV_SETMAP; see HostVmspace.mcontrol. */
  vmspaceMcontrol(id: number, addr: number, len: number, behav: number, value: number): void {
    this.#lookup(id).mcontrol(addr, len, behav, value);
  }

  /**
   * Beyond DragonFly's calls: withdraws cached write permissions of a range and keeps cached reads. Enough, and cheaper
   * than MADV_INVAL, after page table entries have only lost their W bit (fork).
   */
  vmspaceWithdrawWrite(id: number, addr: number, len: number): void {
    this.#lookup(id).withdrawWrite(addr, len);
  }

  /**
   * Beyond DragonFly's calls: walks for an access to `va` now, so that the instruction which faulted there finds it cached.
   * Saves the processor one slow access after a page fault has been resolved; the walk's marks and errors are the same.
   */
  vmspacePrefault(id: number, va: number, write: boolean): void {
    this.#lookup(id).translate(va, write ? ACCESS_WRITE : ACCESS_READ);
  }

  /**
   * Beyond DragonFly's calls, whose host never tests X: from now on fetches in this space need X in the entries of every
   * level, and a page fault for want of it carries PGEX_I. Who takes X from an entry reports the page as written(), so
   * that code already decoded from it is forgotten, besides invalidating.
   */
  vmspaceCheckExecute(id: number): void {
    const space = this.#lookup(id);
    space.checkExecute = true;
    space.mcontrol(0, VM_MAX_USER_ADDRESS, MADV_INVAL, 0);
  }

  /** Declared and never implemented by the original: EINVAL after the lookup. */
  vmspacePread(id: number): never {
    this.#lookup(id);
    throw new HostErrno("EINVAL", 22, "vmspace_pread: copy through the memory image");
  }

  vmspacePwrite(id: number): never {
    this.#lookup(id);
    throw new HostErrno("EINVAL", 22, "vmspace_pwrite: copy through the memory image");
  }

  /** Stores the lwp's FP state into a 512-byte image (FXSAVE format). */
  fpSave(image: Uint8Array): void {
    this.cpu.saveFx(image);
  }

  /** Loads the lwp's FP state from a 512-byte image; reserved MXCSR bits are cleared. */
  fpRestore(image: Uint8Array): void {
    this.cpu.restoreFx(image);
  }

  /** What the processor sees of a space: for debuggers and tests that make accesses without a program. */
  addressSpace(id: number): AddressSpace {
    return this.#lookup(id);
  }

  get spaceCount(): number {
    return this.#spaces.size;
  }

  stats(): HostStats {
    let walks = this.#walksOfDead;
    for (const space of this.#spaces.values()) walks += space.faults;
    return {
      instructions: this.cpu.retired,
      runs: this.#runner.runs,
      walks,
      evictions: this.#translation.evictions,
      jit: this.cpu.jitStatistics,
    };
  }
}
