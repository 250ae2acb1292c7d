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
import { ConsoleSet, type StdioKind } from "./boot-console.ts";
import { registerFilesystems } from "./boot-mounts.ts";
import type { Devsw } from "./dev/cdev.ts";
import { addStandardDevices } from "./dev/standard.ts";
import type { Abi } from "./kern/abi.ts";
import { execFirst, makeFirstProcess } from "./kern/init-main.ts";
import { Kernel } from "./kern/kernel.ts";
import type { Lwp, Proc } from "./kern/proc.ts";
import { P_SYSTEM } from "./kern/proc.ts";
import { panicState } from "./kern/panic.ts";
import { psignal } from "./kern/sig.ts";
import { startSyncer } from "./kern/vfs-syncer.ts";
import { Callout } from "./kern/callout.ts";
import { VkMachine } from "./platform/machine.ts";
import { provideNameserver, publishPorts, type NetworkOptions } from "./boot-network.ts";
import { EACCES, ENOENT, ENOSPC, EROFS, Errno } from "./sys/errno.ts";
import { SIGCONT, SIGHUP, SIGINT, SIGKILL, signalText, SIGTERM, SIGUSR1, SIGUSR2 } from "./sys/signal.ts";
import type { Ucred } from "./sys/ucred.ts";
import { IoMiss } from "./sys/wait.ts";
import type { Mount } from "./vfs/mount.ts";
import { NLC_FOLLOW, Nlookup, nlookup } from "./vfs/nlookup.ts";
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

export interface FirstProgram {
  /** Path, or a name that is looked for along PATH of `env`. */
  readonly path: string;
  /** Arguments, the program's name first. */
  readonly argv: readonly string[];
  /** "NAME=value" */
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  /**
   * "console": descriptors 0–2 are the console, a terminal if the host has one; "streams": they are the host's
   * streams and never a terminal; "none": no descriptors (init opens its own).
   */
  readonly stdio: StdioKind;
  /** The program is init: pid 1, and its end is the system's. */
  readonly init?: boolean;
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
  readonly first: FirstProgram;
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
  /** Receives a line for each system call and signal. */
  readonly trace?: (line: string) => void;
}

export type BootErrorCode = "ENOENT" | "EACCES" | "ENOEXEC" | "EROOT" | "EMOUNT" | "ENETWORK" | "ENOMEM" | "EOTHER";

const MARK = Symbol.for("@vkernel/vkernel:error");

/** The system could not be started; `code` says what kind of failure it was. */
export class BootError extends Error {
  readonly code: BootErrorCode;
  readonly [MARK] = "BootError";
  constructor(code: BootErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "BootError";
    this.code = code;
  }
}

/** Tells a BootError of any copy of this package apart. */
export function isBootError(e: unknown): e is BootError {
  return e instanceof Error && (e as { [MARK]?: unknown })[MARK] === "BootError";
}
/** Tells a KernelPanic of any copy of this package apart. */
export function isKernelPanic(e: unknown): e is KernelPanic {
  return e instanceof Error && (e as { [MARK]?: unknown })[MARK] === "KernelPanic";
}

/** The kernel found itself in a state that must not be. `state` describes the moment. */
export class KernelPanic extends Error {
  readonly state: string;
  readonly [MARK] = "KernelPanic";
  constructor(state: string, cause: unknown) {
    super(`panic: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "KernelPanic";
    this.state = state;
  }
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

/** Runs a plain operation that may have to wait for the disk, outside of any process. */
async function withLoads<T>(operation: () => T): Promise<T> {
  for (;;) {
    try {
      return operation();
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      await new Promise<void>((resolve) => {
        e.load(() => {
          resolve();
        });
      });
    }
  }
}

export class VirtualKernel {
  readonly kernel: Kernel;
  readonly machine: VkMachine;
  private readonly consoles: ConsoleSet;
  private readonly startNs: number;
  private first: Proc | null = null;
  private ended = false;

  constructor(kernel: Kernel, machine: VkMachine, consoles: ConsoleSet) {
    this.kernel = kernel;
    this.machine = machine;
    this.consoles = consoles;
    this.startNs = kernel.nanouptime();
  }

  /** The first process; its end ends the system. */
  watch(p: Proc): void {
    this.first = p;
    p.onExit = (dead) => {
      const k = this.kernel;
      if (k.shutdownRequest === null) k.exitStatus = (dead.xstat >> 8) & 0xff;
      this.firstSignal = dead.xstat & 0x7f;
      k.requestShutdown({ how: "exit", nosync: false });
    };
  }
  private firstSignal = 0;

  /** Ends the system in order, as if it had been asked from within. */
  requestShutdown(how: "halt" | "reboot"): void {
    this.machine.post(() => this.kernel.requestShutdown({ how, nosync: false }));
  }

  /** What SIGTERM of the host means: init is told to halt (boot.md §12); without an init the system ends. */
  terminate(): void {
    this.machine.post(() => {
      const k = this.kernel;
      if (this.first !== null && this.first === k.init) psignal(this.first, SIGUSR2);
      else if (this.first !== null) psignal(this.first, SIGTERM);
      else k.requestShutdown({ how: "halt", nosync: false });
    });
  }

  /** Sends a native signal to the first process. */
  signalFirst(sig: number): void {
    this.machine.post(() => {
      if (this.first !== null) psignal(this.first, sig);
    });
  }

  /**
   * Runs until the first program ends or the system is halted, then shuts down. Throws KernelPanic; file systems are
   * then left as after a loss of power.
   */
  async run(): Promise<RunResult> {
    const k = this.kernel;
    try {
      await k.sched.run(() => k.shutdownRequest !== null);
      const request = k.shutdownRequest!;
      await this.endProcesses();
      if (!request.nosync) await this.unmountAll();
      const signal = request.how === "exit" ? this.firstSignal : 0;
      this.machine.debugEnded(k.exitStatus & 0xff, signal);
      const guestSignal = signal === 0 ? 0 : this.first!.abi.signo(signal);
      return { status: k.exitStatus & 0xff, signal, guestSignal, signalText: signalText(signal), how: request.how };
    } catch (e) {
      if (e instanceof KernelPanic) throw e;
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
      let late = false;
      const timer = new Callout(() => (late = true));
      k.callouts.reset(timer, k.nanouptime() + grace);
      await k.sched.run(() => late || this.userProcs().length === 0);
      k.callouts.stop(timer);
    }
    for (const p of this.userProcs()) k.log(`shutdown: pid ${p.pid} (${p.comm}) does not end`);
  }

  private async unmountAll(): Promise<void> {
    const k = this.kernel;
    await withLoads(() => vmSync(k.vm));
    await withLoads(() => k.mounts.syncAll());
    await withLoads(() => k.mounts.unmountAll());
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
  addStandardDevices(k.devsw, { entropy: (buf) => machine.entropy(buf), now: () => k.nanouptime() });
  const consoles = new ConsoleSet(machine.terminal, k.devsw, () => k.nanouptime(), options.first.stdio === "streams");
  const ctx: MountContext = { kernel: k, machine, devsw: k.devsw, now, log: (line) => k.log(line) };
  registerFilesystems(k, ctx);
  const vk = new VirtualKernel(k, machine, consoles);
  try {
    await mountAll(k, ctx, options);
    if (options.network !== undefined) await openPorts(k, options.network);
    const lp = await startFirst(k, consoles, options);
    vk.watch(lp.proc);
    if (options.debug !== undefined) machine.debug(lp, options.debug);
    startSyncer(k);
    handleHostSignals(vk, machine);
    return vk;
  } catch (e) {
    consoles.detach();
    k.inet.shutdown();
    try {
      await withLoads(() => k.mounts.unmountAll());
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
    const root = await withLoads(() => options.root(ctx));
    await withLoads(() => k.mounts.mountRoot(root));
    k.log(`Mounting root from ${root.fstype}:${root.from}`);
  } catch (e) {
    throw bootError("EROOT", "root mount failed", e);
  }
  for (const { on, mount, create, optional } of options.mounts ?? []) {
    try {
      await withLoads(() => {
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

async function startFirst(k: Kernel, consoles: ConsoleSet, { first, network }: BootOptions): Promise<Lwp> {
  const uid = first.uid ?? 0;
  const gid = first.gid ?? 0;
  const cred: Ucred = { uid, ruid: uid, svuid: uid, gid, rgid: gid, svgid: gid, groups: [...(first.groups ?? [])] };
  const lp = makeFirstProcess(k, { cred, abi: k.abis[0]!, asInit: first.init === true });
  const p = lp.proc;
  if (first.cwd !== undefined) {
    try {
      await withLoads(() => {
        const nch = nlookup(new Nlookup(cred, k.mounts.root, k.mounts.root), first.cwd!, NLC_FOLLOW);
        cacheDrop(p.fd!.cdir);
        p.fd!.cdir = nch;
      });
    } catch (e) {
      throw bootError("ENOENT", `working directory ${first.cwd}`, e);
    }
  }
  if (network?.outgoing === true) await withLoads(() => provideNameserver(lp));
  await withLoads(() => consoles.openStdio(lp, first.stdio));

  let denied = false;
  for (const path of candidates(first)) {
    try {
      await withLoads(() => execFirst(lp, { path, argv: [...first.argv], envp: [...first.env] }));
      return lp;
    } catch (e) {
      if (e === EACCES) denied = true;
      // An interpreter that is missing is not a program that is missing: the search ends there.
      if ((e === ENOENT && k.execRefusal === "") || e === EACCES) continue;
      throw execError(k, path, e);
    }
  }
  throw denied
    ? new BootError("EACCES", `${first.path}: permission denied (it is not an executable file, or not for uid ${uid})`)
    : new BootError("ENOENT", `${first.path}: no such program in the guest's file system`);
}

/** Paths to try: the given one, or along PATH. */
function candidates(first: FirstProgram): string[] {
  if (first.path.includes("/")) return [first.path];
  const search = first.env.find((e) => e.startsWith("PATH="))?.slice(5) ?? "/bin:/usr/bin:/sbin:/usr/sbin";
  return search.split(":").map((dir) => (dir === "" ? first.path : `${dir}/${first.path}`));
}

function execError(k: Kernel, path: string, e: unknown): BootError | KernelPanic {
  if (!(e instanceof Errno)) return new KernelPanic(panicState(k), e);
  const why = k.execRefusal === "" ? `${path}: ${e.message}` : k.execRefusal;
  const code = e.name === "ENOENT" || e.name === "EACCES" || e.name === "ENOMEM" ? e.name : "ENOEXEC";
  return new BootError(code, why, e);
}

function bootError(code: BootErrorCode, what: string, e: unknown): BootError {
  const why = e instanceof Errno ? e.message : e instanceof Error ? e.message : String(e);
  return new BootError(code, `${what}: ${why}`, e);
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
    if (name === "SIGINT") vk.signalFirst(SIGINT);
    else if (name === "SIGUSR1") vk.signalFirst(SIGUSR1);
    else vk.terminate();
  });
}

