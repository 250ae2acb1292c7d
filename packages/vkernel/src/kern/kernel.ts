// SPDX-License-Identifier: BSD-3-Clause
/**
 * One kernel: everything that a BSD kernel keeps in globals hangs off here, so that several kernels may live in
 * one process.
 *
 * Invariants
 *   K1  Nothing in kern/, vfs/, vm/, dev/ keeps mutable state at module level.
 *   K2  `curlwp` is the thread on whose behalf kernel code runs, null in callouts and host events.
 *   K3  Clock, entropy, timers and the processor are reached through `machine` only.
 * @module
 */
import { Devsw } from "../dev/cdev.ts";
import { Mountlist } from "../vfs/mountlist.ts";
import type { TmpfsMount } from "../vfs/tmpfs/tmpfs.ts";
import type { VmSystem } from "../vm/system.ts";
import type { Vnode } from "../vfs/vnode.ts";
import type { CoreNaming } from "./coredump.ts";
import type { Abi } from "./abi.ts";
import { Accounting } from "./acct.ts";
import { AioTable } from "./aio.ts";
import { CalloutQueue } from "./callout.ts";
import { FutexTable } from "./futex.ts";
import { PiTable } from "./futex-pi.ts";
import { Dmesg } from "./dmesg.ts";
import type { Lwp, Pgrp, Proc } from "./proc.ts";
import { SocketTable } from "./socket-file.ts";
import { InetDomain, type InetOptions } from "../net/inet/domain.ts";
import { UnixDomain } from "../net/unix/domain.ts";
import { Scheduler } from "./sched.ts";
import { MqTable } from "./posix-mq.ts";
import type { MountMaker } from "./sys-vfs-mount.ts";
import { MsgTable } from "./sysv-msg.ts";
import { SemTable } from "./sysv-sem.ts";
import { ShmTable } from "./sysv-shm.ts";
import { KernelStats } from "./stats.ts";
import { Tunables } from "./tunables.ts";
import { Trace } from "./trace.ts";
import { Varsyms } from "./varsym.ts";

/** What the processor says of itself through CPUID. */
export interface Processor {
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly name: string;
  /** Its extensions, by the names of Linux's /proc/cpuinfo. */
  readonly flags: readonly string[];
  /** Leaf 1, EDX. */
  readonly hwcap: number;
}

/** The machine as the kernel sees it; platform/ implements it over the host kernel. */
export interface Machine {
  readonly processor: Processor;
  /** Monotonic clock, ns since some fixed moment; never decreases. */
  nanouptime(): number;
  /** Wall clock, µs since 1970. */
  microtime(): number;
  /** Fills `buf` with unpredictable bytes (or, for a simulated machine, reproducible ones). */
  entropy(buf: Uint8Array): void;
  /**
   * Executes the thread in user mode, handling its page faults and calling syscall(), trapsignal(), userret()
   * and hardclock(), until it must give up the processor.
   */
  userland(lp: Lwp): void;
  /** Makes user mode stop at this monotonic time (ns) at the latest, so that hardclock() is called. */
  setTimer(deadlineNs: number): void;
  /** Nothing is runnable: resolves at `deadlineNs` (Infinity: never) or after an event of the host. */
  idle(deadlineNs: number): Promise<void>;
  /** Lets the host's event loop run once. */
  breathe(): Promise<void>;
  /** Floating point: the child starts with the parent's state; a new image with a fresh one. */
  fpFork(parent: Lwp, child: Lwp): void;
  fpReset(lp: Lwp): void;
  /** Whether the thread has used floating point since its state was last fresh. */
  fpUsed(lp: Lwp): boolean;
  /** Brings `lp.fp` up to date (FXSAVE image) for a signal frame; and loads the thread's state from it. */
  fpSave(lp: Lwp): void;
  fpRestore(lp: Lwp): void;
  /** The thread is gone: forgets that it owns the FPU. */
  lwpExit(lp: Lwp): void;
}

export interface KernelOptions {
  machine: Machine;
  vm: VmSystem;
  hostname?: string;
  /** Receives each line of the kernel's log as it is written, without the newline. */
  log?: (line: string) => void;
  /** Receives what a user should know at once: a program asked for a system call that is not there. */
  warn?: (line: string) => void;
  /** Kernel environment: `-e name=value`. */
  env?: ReadonlyMap<string, string>;
  /** Largest number of processes. */
  maxproc?: number;
  /** The network; without it there is the loopback interface. */
  inet?: InetOptions;
  /** Receives a line for each system call and signal. */
  trace?: (line: string) => void;
}

/** Missing calls that are said: programs can give themselves any number of names. */
const REPORTS = 256;

const NO_NETWORK: InetOptions = { host: null, outgoing: false, post: (event) => event() };

export class Kernel {
  readonly machine: Machine;
  readonly vm: VmSystem;
  readonly callouts = new CalloutQueue((deadline) => this.sched.calloutsChanged(deadline));
  readonly sched: Scheduler;
  readonly futexes = new FutexTable();
  readonly aio = new AioTable();
  readonly piFutexes = new PiTable();
  readonly sockets = new SocketTable();
  readonly unixDomain = new UnixDomain();
  /** POSIX message queues. */
  readonly mqueues = new MqTable();
  /** System V IPC. */
  readonly ipc: { readonly shm: ShmTable; readonly sem: SemTable; readonly msg: MsgTable };
  readonly inet: InetDomain;
  readonly varsyms = new Varsyms();
  readonly acct = new Accounting();
  /** How core files are named. */
  readonly core: CoreNaming = { pattern: "core", usesPid: false };
  /** Programs registered by exec_sys_register(2), with their numbers. */
  readonly residents = new Map<Vnode, number>();
  readonly dmesg: Dmesg;
  readonly stats = new KernelStats();
  readonly tunables = new Tunables();
  /** Shows system calls, when it was asked for. */
  readonly trace: Trace | null;
  readonly env: Map<string, string>;

  /** Processes by pid, zombies included; threads by tid; process groups by id. */
  readonly procs = new Map<number, Proc>();
  readonly lwps = new Map<number, Lwp>();
  readonly pgrps = new Map<number, Pgrp>();
  nextPid = 1;
  /** Inode numbers of files that are on no file system (pipes, sockets). */
  nextPseudoIno = 1;
  readonly maxproc: number;
  private renames = 0;
  private readonly warn: ((line: string) => void) | null;
  private readonly reported = new Set<string>();
  /** Adopts orphans; pid 1. */
  init: Proc | null = null;
  curlwp: Lwp | null = null;

  /** File system of files without a name, made with the first of them. */
  memfs: TmpfsMount | null = null;
  /** Mounted file systems, and devices by number. */
  readonly mounts = new Mountlist();
  readonly devsw = new Devsw();
  /** File systems that mount(2) can make, by type name. */
  readonly vfsops = new Map<string, MountMaker>();
  /** ABIs in the order in which exec asks them about an image. */
  readonly abis: Abi[] = [];

  hostname: string;
  domainname = "";
  /** settimeofday(2)'s time zone: minutes west, kind of summer time. */
  readonly timezone = new Int32Array(2);
  /** gethostid(2). */
  hostid = 0;
  /** Wall clock minus monotonic clock, µs; clock_settime moves it. */
  bootTimeUs: number;
  /** Status the machine ends with on a halt (kern.exit_status). */
  exitStatus = 0;
  /** Why the last image was refused, for whoever started the first program. */
  execRefusal = "";
  /** Set by reboot(2) or the end of the first process: what run() is to do. */
  shutdownRequest: ShutdownRequest | null = null;

  constructor(options: KernelOptions) {
    this.machine = options.machine;
    this.vm = options.vm;
    this.ipc = { shm: new ShmTable(this.vm), sem: new SemTable(), msg: new MsgTable() };
    this.hostname = options.hostname ?? "vkernel";
    this.dmesg = new Dmesg(options.log ?? null, () => this.nanouptime());
    this.env = new Map(options.env);
    this.maxproc = options.maxproc ?? 4000;
    this.trace = options.trace === undefined ? null : new Trace(options.trace);
    this.inet = new InetDomain(options.inet ?? NO_NETWORK);
    this.warn = options.warn ?? null;
    this.bootTimeUs = this.machine.microtime() - this.machine.nanouptime() / 1000;
    this.sched = new Scheduler(this);
  }

  /** The thread on whose behalf the kernel runs; only for code that is reached from a system call or fault. */
  get curproc(): Proc | null {
    return this.curlwp === null ? null : this.curlwp.proc;
  }

  /** What joins the two events of a rename; never 0. */
  nextRenameCookie(): number {
    return (this.renames = (this.renames % 0x7fff_ffff) + 1);
  }

  nanouptime(): number {
    return this.machine.nanouptime();
  }
  /** Wall clock, µs since 1970, as settable by clock_settime. */
  microtime(): number {
    return this.bootTimeUs + this.machine.nanouptime() / 1000;
  }

  /** Sets the wall clock, µs since 1970; the monotonic clock and everything that waits on it stay. */
  settime(us: number): void {
    this.bootTimeUs = us - this.machine.nanouptime() / 1000;
  }

  /** Writes a line to the kernel's message buffer and log. */
  log(line: string): void {
    this.dmesg.write(line);
  }

  /** log() for what a program can bring about at will: at most one line of it a second. */
  logRated(line: string): void {
    const now = this.nanouptime();
    if (now - this.ratedNs < 1e9) return;
    this.ratedNs = now;
    this.log(line);
  }
  private ratedNs = -Infinity;

  /** Asks the main loop to end the system; the first request counts. */
  requestShutdown(request: ShutdownRequest): void {
    this.shutdownRequest ??= request;
  }

  /** Mean number of runnable threads over the last 1, 5 and 15 minutes. */
  loadAverages(): readonly number[] {
    return this.sched.loadAverages(this.nanouptime());
  }

  /** What a user should know at once, beside the log. */
  tell(line: string): void {
    this.log(line);
    if (this.warn !== null) this.warn(line);
  }

  /**
   * A program used a system call that is not there: counted always, said once for each program and call, however many
   * processes run it. `stats.missing` grows with the table's calls and 64 unknown numbers, `reported` up to a bound.
   */
  reportMissing(lp: Lwp, name: string, nr: number): void {
    const p = lp.proc;
    const key = `${p.abi.name} ${name}`;
    this.stats.missing.set(key, (this.stats.missing.get(key) ?? 0) + 1);
    const report = `${p.comm} ${key}`;
    if (this.reported.has(report) || this.reported.size >= REPORTS) return;
    this.reported.add(report);
    this.tell(`pid ${p.pid} (${p.comm}): ${p.abi.name} system call ${name} (${nr}) is not implemented`);
  }
}

export interface ShutdownRequest {
  how: "halt" | "reboot" | "exit";
  /** Skip writing file systems back (RB_NOSYNC). */
  nosync: boolean;
}
