// SPDX-License-Identifier: BSD-3-Clause
/**
 * Builds a kernel from a record of options, starts its first process, runs it, and takes it down in order.
 *
 * Invariants
 *   B1  Every way to the end that is not a panic signals all processes, writes file systems back and unmounts them.
 *   B2  The host's terminal is given back on every way to the end, a panic included.
 *   B3  Nothing here touches the host but through `platform`.
 * @module
 */
import type { CpuidOption, DebugLink, HostPlatform, HostStats, JitOptions, ProcessorDebugOptions, RegionTraceEvent } from "@vkernel/hostkernel";
import { dragonflyAbi } from "./abi/dragonfly/abi.ts";
import { LinuxAbi } from "./abi/linux/abi.ts";
import { ConsoleSet } from "./boot-console.ts";
import { BootError, bootError, KernelPanic, UnwrittenError, withLoads } from "./boot-error.ts";
import { startFirst, type FirstProgram } from "./boot-first.ts";
import { processList, Spawner, type ProcessInfo, type SpawnedProgram, type SpawnOptions } from "./boot-spawn.ts";
import { addSwap, registerFilesystems } from "./boot-mounts.ts";
import type { Devsw } from "./dev/cdev.ts";
import { addStandardDevices } from "./dev/standard.ts";
import type { Abi } from "./kern/abi.ts";
import { Kernel } from "./kern/kernel.ts";
import type { Proc } from "./kern/proc.ts";
import { P_SYSTEM } from "./kern/proc.ts";
import { panicState } from "./kern/panic.ts";
import { psignal } from "./kern/sig.ts";
import { startSyncer } from "./kern/vfs-syncer.ts";
import { Callout } from "./kern/callout.ts";
import { VkMachine } from "./platform/machine.ts";
import { NFS_PORT } from "./nfs/nfs3-proto.ts";
import type { NfsExportOptions } from "./nfs/export.ts";
import { NfsService } from "./nfs/nfsd.ts";
import { publishPorts, type NetworkOptions } from "./boot-network.ts";
import { ENOENT, ENOSPC, EROFS, Errno } from "./sys/errno.ts";
import { SIGCONT, SIGHUP, SIGINT, SIGKILL, signalText, SIGTERM, SIGUSR1, SIGUSR2 } from "./sys/signal.ts";
import type { BlockDevice } from "./vfs/hammer/devices.ts";
import type { Mount } from "./vfs/mount.ts";
import { mountPoint } from "./vfs/mount-point.ts";
import { cacheDrop } from "./vfs/namecache.ts";
import { vmSync } from "./vm/system.ts";

/** What file systems are made from. */
export interface MountContext {
  readonly kernel: Kernel;
  readonly machine: VkMachine;
  readonly devsw: Devsw;
  /** Wall clock, µs since 1970. */
  readonly now: () => number;
  readonly log: (line: string) => void;
}
export type MountFactory = (ctx: MountContext) => Mount;

export interface MountSpec {
  /** Mount point, a byte string. */
  readonly on: string;
  readonly mount: MountFactory;
  /** Make a mount point that does not exist. */
  readonly create?: boolean;
  /** Pass over a mount point that does not exist, or cannot be made. */
  readonly optional?: boolean;
}

/** The NFS server: version 3, over TCP. */
export interface NfsOptions {
  readonly exports: readonly NfsExportOptions[];
  /** Port of the guest; 2049 unless given. */
  readonly port?: number;
  /** Secret of 16 bytes that file handles depend on: with the same one, clients go on over a restart. */
  readonly key?: Uint8Array;
}

export interface BootOptions extends ProcessorDebugOptions {
  readonly platform: HostPlatform;
  /** Guest RAM in bytes, a multiple of 4 MiB. */
  readonly ramBytes: number;
  /** Which processor the guest finds: a name of CPU_MODELS or a list of extensions; one with everything unless given. */
  readonly cpu?: CpuidOption;
  readonly root: MountFactory;
  /** Further file systems, in the order in which they are mounted. */
  readonly mounts?: readonly MountSpec[];
  /** The first process; its end is the system's. Without one the kernel serves (`nfs`) until it is told to end. */
  readonly first?: FirstProgram;
  /** Disks that pages go to when memory is short; the caller closes them. */
  readonly swap?: readonly BlockDevice[];
  readonly hostname?: string;
  /** Kernel environment (`-e name=value`). */
  readonly kenv?: ReadonlyMap<string, string>;
  /** Receives the kernel's log, line by line. */
  readonly log?: (line: string) => void;
  /** Receives what a user should know at once: a system call that is not there. */
  readonly warn?: (line: string) => void;
  /** ABIs besides DragonFly's and Linux's, made for the kernel. */
  readonly abis?: readonly ((k: Kernel) => Abi)[];
  readonly maxproc?: number;
  /** A debugger that the first program starts under. */
  readonly debug?: DebugLink;
  /** When guest code is compiled: thresholds of the region compiler. */
  readonly jit?: Partial<JitOptions>;
  /** The network; without it there is the loopback interface alone. */
  readonly network?: NetworkOptions;
  /** Directories that the kernel serves to NFS clients. */
  readonly nfs?: NfsOptions;
  /** Receives a line for each system call and signal. */
  readonly trace?: (line: string) => void;
}

export interface RunResult {
  /** Exit code of the first program, or kern.exit_status after a halt. */
  readonly status: number;
  /** Native number of the signal that killed the first program, 0 for none. */
  readonly signal: number;
  /** Its number as the program's own ABI counts (SIGBUS is 7 for Linux), and what shells print for it. */
  readonly guestSignal: number;
  readonly signalText: string;
  readonly how: "exit" | "halt" | "reboot";
}

/** The `--stats` record. Times in seconds, memory in bytes. */
export interface RunStats {
  readonly wall: number;
  readonly user: number;
  readonly system: number;
  readonly instructions: number;
  readonly syscalls: Readonly<Record<string, number>>;
  readonly missingSyscalls: Readonly<Record<string, number>>;
  readonly pageFaults: number;
  readonly contextSwitches: number;
  readonly forks: number;
  readonly execs: number;
  readonly signals: number;
  readonly host: HostStats;
  readonly memory: number;
  readonly peakMemory: number;
}

/** How long processes may take to end after SIGTERM, and after SIGKILL, ns. */
const TERM_GRACE_NS = 3e9;
const KILL_GRACE_NS = 2e9;
/** How long the first process may take to end the system by itself once it has been asked to, ns. */
const FIRST_GRACE_NS = 3e9;

export class VirtualKernel {
  readonly kernel: Kernel;
  readonly machine: VkMachine;
  private readonly consoles: ConsoleSet;
  private readonly startNs: number;
  private readonly nfs: NfsService | null;
  private readonly spawner: Spawner;
  private first: Proc | null = null;
  private ended = false;
  /** How often the system was told to end. */
  private terminations = 0;

  constructor(kernel: Kernel, machine: VkMachine, consoles: ConsoleSet, nfs: NfsService | null) {
    this.nfs = nfs;
    this.kernel = kernel;
    this.machine = machine;
    this.consoles = consoles;
    this.startNs = kernel.nanouptime();
    this.spawner = new Spawner(kernel, machine);
  }

  /** The first process; its end ends the system. */
  watch(p: Proc): void {
    this.first = p;
    p.onExit = (dead) => {
      const k = this.kernel;
      // Once the system has been told to end, it still ends with the status of its first process.
      if ((k.shutdownRequest?.how ?? "exit") === "exit") k.exitStatus = (dead.xstat >> 8) & 0xff;
      this.firstSignal = dead.xstat & 0x7f;
      k.requestShutdown({ how: "exit", nosync: false });
    };
  }
  private firstSignal = 0;

  /** Whether a connection to a published port would find somebody who listens at this port of the guest. */
  listens(port: number): boolean {
    return this.kernel.inet.listens(port);
  }

  /** Ends the system in order, as if it had been asked from within. */
  requestShutdown(how: "halt" | "reboot"): void {
    this.machine.post(() => this.kernel.requestShutdown({ how, nosync: false }));
  }

  /**
   * What SIGTERM of the host means: init is told to halt (boot.md §12), another first process gets the signal, and what does
   * not end in time is ended; without a first process the system ends. Told again, it ends at once: processes are killed,
   * file systems are written back all the same.
   */
  terminate(): void {
    this.machine.post(() => {
      const k = this.kernel;
      const { first } = this;
      this.terminations++;
      if (first === null || this.terminations > 1) {
        k.requestShutdown({ how: first === null ? "halt" : "exit", nosync: false });
        this.hurry?.();
        return;
      }
      psignal(first, first === k.init ? SIGUSR2 : SIGTERM);
      const late = new Callout(() => k.requestShutdown({ how: "exit", nosync: false }));
      k.callouts.reset(late, k.nanouptime() + FIRST_GRACE_NS);
    });
  }
  /** Ends the wait of endProcesses(). */
  private hurry: (() => void) | null = null;

  /** Starts another program, on a terminal or streams of its own. Throws BootError. */
  spawn(options: SpawnOptions): Promise<SpawnedProgram> {
    return this.spawner.spawn(options);
  }
  /** The processes there are. */
  processes(): ProcessInfo[] {
    return processList(this.kernel);
  }

  /** Whether there is a first process, or the kernel alone. */
  get hasFirst(): boolean {
    return this.first !== null;
  }

  /** Sends a native signal to the first process. */
  signalFirst(sig: number): void {
    this.machine.post(() => {
      if (this.first !== null) psignal(this.first, sig);
    });
  }

  /**
   * Runs until the first program ends or the system is halted, then shuts down. Throws KernelPanic, after which file systems are
   * left as after a loss of power, and UnwrittenError, after which those that it names are.
   */
  async run(): Promise<RunResult> {
    const k = this.kernel;
    try {
      await k.sched.run(() => k.shutdownRequest !== null);
      const request = k.shutdownRequest!;
      await this.endProcesses();
      this.nfs?.close();
      const lost = request.nosync ? [] : await this.unmountAll();
      const signal = request.how === "exit" ? this.firstSignal : 0;
      this.machine.debugEnded(k.exitStatus & 0xff, signal);
      if (lost.length > 0) throw new UnwrittenError(lost);
      const guestSignal = signal === 0 || this.first === null ? 0 : this.first.abi.signo(signal);
      return { status: k.exitStatus & 0xff, signal, guestSignal, signalText: signalText(signal), how: request.how };
    } catch (e) {
      if (e instanceof KernelPanic || e instanceof UnwrittenError) throw e;
      throw new KernelPanic(panicState(k), e);
    } finally {
      this.ended = true;
      k.inet.shutdown();
      this.consoles.detach();
    }
  }

  private userProcs(): Proc[] {
    return [...this.kernel.procs.values()].filter((p) => (p.flags & P_SYSTEM) === 0 && p.lwps.size > 0);
  }

  private async endProcesses(): Promise<void> {
    const k = this.kernel;
    for (const [sig, grace] of [[SIGTERM, TERM_GRACE_NS], [SIGKILL, KILL_GRACE_NS]] as const) {
      const left = this.userProcs();
      if (left.length === 0) return;
      // Nobody is protected any more, and nobody is left to reap.
      k.init = null;
      for (const p of left) {
        psignal(p, sig);
        psignal(p, SIGCONT);
        if (sig === SIGTERM) psignal(p, SIGHUP);
      }
      if (sig === SIGTERM && this.terminations > 1) continue;
      let late = false;
      const timer = new Callout(() => (late = true));
      this.hurry = sig === SIGTERM ? () => (late = true) : null;
      k.callouts.reset(timer, k.nanouptime() + grace);
      await k.sched.run(() => late || this.userProcs().length === 0);
      k.callouts.stop(timer);
    }
    this.hurry = null;
    for (const p of this.userProcs()) k.log(`shutdown: pid ${p.pid} (${p.comm}) does not end`);
  }

  /** Writes everything back and unmounts it, the last mounted first. Returns the sources of file systems for which that failed. */
  private async unmountAll(): Promise<string[]> {
    const k = this.kernel;
    const fails = async (step: () => void): Promise<boolean> => {
      try {
        await withLoads(k, step);
        return false;
      } catch (e) {
        if (e instanceof Errno) return true;
        throw e;
      }
    };
    const unsynced = [await fails(() => vmSync(k.vm)), await fails(() => k.mounts.syncAll())].includes(true);
    const lost: string[] = [];
    for (const mount of [...k.mounts.list].reverse()) if (await fails(() => k.mounts.unmount(mount, true))) lost.push(mount.from);
    return unsynced && lost.length === 0 ? ["a file system"] : lost;
  }

  /** The last entries into compiled guest code and exits from it, oldest first; kept when booted with `traceRegions`. */
  regionTrace(): RegionTraceEvent[] {
    return this.machine.host.cpu.trace;
  }

  stats(): RunStats {
    const k = this.kernel;
    let userNs = k.stats.userNs;
    let sysNs = k.stats.sysNs;
    for (const p of k.procs.values()) {
      if (p.lwps.size === 0) continue;
      let run = p.deadRuntimeNs;
      let sys = p.deadSysNs;
      for (const lp of p.lwps.values()) {
        run += lp.runtimeNs;
        sys += Math.min(lp.sysNs, lp.runtimeNs);
      }
      userNs += run - sys;
      sysNs += sys;
    }
    const syscalls: Record<string, number> = {};
    for (const abi of k.abis) {
      abi.meter.counts.forEach((n, nr) => {
        if (n === 0) return;
        const name = abi.row(nr).name;
        const key = k.abis.length > 1 && abi.name !== "linux" ? `${abi.name}:${name}` : name;
        syscalls[key] = (syscalls[key] ?? 0) + n;
      });
    }
    const host = this.machine.stats();
    return {
      wall: (k.nanouptime() - this.startNs) / 1e9,
      user: userNs / 1e9,
      system: sysNs / 1e9,
      instructions: host.instructions,
      syscalls,
      missingSyscalls: Object.fromEntries(k.stats.missing),
      pageFaults: k.stats.pageFaults,
      contextSwitches: k.stats.switches,
      forks: k.stats.forks,
      execs: k.stats.execs,
      signals: k.stats.signals,
      host,
      memory: k.vm.totalPages * 4096,
      peakMemory: k.vm.pages.touchedCount * 4096,
    };
  }

  get hasEnded(): boolean {
    return this.ended;
  }
}

/** Boots: memory, devices, file systems, first process. Throws BootError. */
export async function bootKernel(options: BootOptions): Promise<VirtualKernel> {
  const machine = makeMachine(options);
  const k = new Kernel({
    machine,
    vm: machine.vm,
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.warn === undefined ? {} : { warn: options.warn }),
    ...(options.kenv === undefined ? {} : { env: options.kenv }),
    ...(options.maxproc === undefined ? {} : { maxproc: options.maxproc }),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    ...(options.network === undefined ? {} : { inet: { ...options.network, post: (event) => machine.post(event) } }),
  });
  for (const make of options.abis ?? []) k.abis.push(make(k));
  k.abis.push(dragonflyAbi(), new LinuxAbi());

  const now = (): number => k.microtime();
  addStandardDevices(k.devsw, { entropy: (buf) => machine.entropy(buf), now: () => k.nanouptime(), messages: k.dmesg });
  const consoles = new ConsoleSet(machine.terminal, k.devsw, () => k.nanouptime(), (options.first?.stdio ?? "streams") === "streams");
  const ctx: MountContext = { kernel: k, machine, devsw: k.devsw, now, log: (line) => k.log(line) };
  registerFilesystems(k, ctx);
  try {
    await mountAll(k, ctx, options);
    addSwap(ctx, options.swap ?? []);
    const lp = await startFirst(k, consoles, options);
    const nfs = options.nfs === undefined ? null : await startNfs(k, options.nfs);
    const vk = new VirtualKernel(k, machine, consoles, nfs);
    if (options.network !== undefined) await openPorts(k, options.network);
    if (lp !== null) {
      vk.watch(lp.proc);
      if (options.debug !== undefined) machine.debug(lp, options.debug);
    }
    startSyncer(k);
    handleHostSignals(vk, machine);
    return vk;
  } catch (e) {
    consoles.detach();
    k.inet.shutdown();
    try {
      await withLoads(k, () => k.mounts.unmountAll());
    } catch (later) {
      k.log(`unmount after a failed start: ${String(later)}`);
    }
    throw e;
  }
}

function makeMachine(options: BootOptions): VkMachine {
  try {
    return new VkMachine(options);
  } catch (e) {
    if (!(e instanceof RangeError)) throw e;
    throw new BootError("ENOMEM", e.message, e);
  }
}

async function mountAll(k: Kernel, ctx: MountContext, options: BootOptions): Promise<void> {
  try {
    const root = await withLoads(k, () => options.root(ctx));
    await withLoads(k, () => k.mounts.mountRoot(root));
    k.log(`Mounting root from ${root.fstype}:${root.from}`);
  } catch (e) {
    throw bootError("EROOT", "root mount failed", e);
  }
  for (const { on, mount, create, optional } of options.mounts ?? []) {
    try {
      await withLoads(k, () => {
        const nch = mountPoint(k.mounts.root, on, create === true);
        try {
          k.mounts.mountOn(mount(ctx), nch);
        } finally {
          cacheDrop(nch);
        }
      });
    } catch (e) {
      if (optional === true && (e === ENOENT || e === EROFS || e === ENOSPC)) continue;
      throw bootError("EMOUNT", `mount on ${on} failed`, e);
    }
  }
}

/** Starts the NFS server. Throws BootError with the export's name. */
async function startNfs(k: Kernel, options: NfsOptions): Promise<NfsService> {
  let service: NfsService;
  try {
    service = new NfsService(k, { port: options.port ?? NFS_PORT, ...(options.key === undefined ? {} : { key: options.key }) });
  } catch (e) {
    throw bootError("ENETWORK", "NFS server", e);
  }
  for (const wanted of options.exports) {
    try {
      await withLoads(k, () => service.server.addExport(wanted));
    } catch (e) {
      throw bootError("EEXPORT", `export ${wanted.path}`, e);
    }
  }
  return service;
}

async function openPorts(k: Kernel, network: NetworkOptions): Promise<void> {
  try {
    await publishPorts(k, network);
  } catch (e) {
    throw bootError("ENETWORK", "cannot publish", e);
  }
}

function handleHostSignals(vk: VirtualKernel, machine: VkMachine): void {
  machine.onSignal(["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1"], (name) => {
    if (name === "SIGINT" && vk.hasFirst) vk.signalFirst(SIGINT);
    else if (name === "SIGUSR1") vk.signalFirst(SIGUSR1);
    else vk.terminate();
  });
}

