// SPDX-License-Identifier: BSD-3-Clause
/**
 * Processes, threads, process groups, sessions (DragonFly 2.0 sys/sys/proc.h).
 *
 * Invariants
 *   P1  A process is in k.procs from fork until a parent has waited for it; as a zombie it has no lwps, no
 *       address space and no descriptors.
 *   P2  A thread's tid is unique in the system and never equals the pid of another process; the first thread's
 *       tid is the pid.
 *   P3  A thread is on the run queue exactly while its state is LSRUN and it is not k.curlwp.
 *   P4  A process that is stopped (SSTOP) runs no thread: the scheduler parks them as LSSTOP.
 *   P5  `ast` is non-zero whenever something is to be done before the thread executes user code again.
 * @module
 */
import { CAP_SYS_NICE, capable } from "../sys/capability.ts";
import { EACCES, EPERM } from "../sys/errno.ts";
import type { Klist } from "../sys/event.ts";
import type { Ucred } from "../sys/ucred.ts";
import type { Sigset } from "../sys/signal.ts";
import { sigset } from "../sys/signal.ts";
import type { Sleeper } from "../sys/wait.ts";
import { WaitChannel, WaitNode } from "../sys/wait.ts";
import type { Tty } from "../dev/tty.ts";
import type { Vnode } from "../vfs/vnode.ts";
import { type LateStore, NO_STORES } from "../vm/late-stores.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import type { CoreDump } from "./coredump.ts";
import { CORE_FILTER_DEFAULT } from "./core-elf.ts";
import type { Abi } from "./abi.ts";
import type { Callout } from "./callout.ts";
import type { Filedesc } from "./descrip.ts";
import type { Kernel } from "./kernel.ts";
import type { Profile } from "./profil.ts";
import { Plimit, type Rusage } from "./resource.ts";
import type { Ksiginfo, Sigacts } from "./sig.ts";
import type { Itimers } from "./time.ts";
import type { Tracee } from "./tracee.ts";
import { varsymFind, VarsymSet } from "./varsym.ts";

/** Process states. */
export const SIDL = 1;
export const SACTIVE = 2;
export const SSTOP = 3;
export const SZOMB = 4;

/** Thread states. */
export const LSRUN = 2;
export const LSSTOP = 3;
export const LSSLEEP = 4;
export const LSZOMB = 5;

/** Lwp.ast bits: work to do on the way to user mode (P5). */
export const AST_SIG = 0x01;
export const AST_RESCHED = 0x02;
/** The process exits or another thread of it executes a new image: this thread must end. */
export const AST_EXIT = 0x04;
/** sigsuspend and its kin: `oldmask` is to be reinstated after the signal frame has been built. */
export const AST_OLDMASK = 0x10;

/** Scheduling classes (DragonFly 2.0 sys/sys/rtprio.h). */
export const RTP_PRIO_REALTIME = 0;
export const RTP_PRIO_NORMAL = 1;
export const RTP_PRIO_IDLE = 2;
export const RTP_PRIO_FIFO = 4;
/** Largest priority number in a class. */
export const RTP_PRIO_MAX = 31;
/** Lwp.schedPolicy that weighs as little as nice 19. */
export const SCHED_IDLE = 5;

/** Proc.flags. */
export const P_CONTROLT = 0x00002;
/** Has executed an image since it was forked; setpgid refuses it to its parent. */
export const P_EXEC = 0x00004;
/** The parent waits for exec or exit of this process (vfork). */
export const P_PPWAIT = 0x00010;
/** A set-id image has been executed, or credentials changed: no core dumps, no inspection by others. */
export const P_SUGID = 0x00100;
export const P_WEXIT = 0x02000;
/** Reported by wait(WUNTRACED / WCONTINUED) already. */
export const P_WAITED = 0x04000;
export const P_CONTINUED = 0x08000;
/** Kernel process without user mode. */
export const P_SYSTEM = 0x10000;

/** ioprio_set(2) (DragonFly 2.8 sys/sys/resource.h). */
export const IOPRIO_MIN = 1;
export const IOPRIO_MAX = 10;

/** Proc.personality: readable memory is executable (Linux's number). */
export const READ_IMPLIES_EXEC = 0x40_0000;

/** A continuation of a thread inside the kernel; its result, if any, is the system call's. */
export type KernelFrame = Generator<void, number, void>;

/** What Linux gives its first process, ns. */
const TIMER_SLACK_NS = 50_000;

export class Lwp implements Sleeper {
  readonly k: Kernel;
  readonly proc: Proc;
  /** Unique in the system (P2); exec makes the thread that calls it the first one. */
  tid: number;
  /** DragonFly's lwpid: counts up from 0 in each process. */
  readonly lwpid: number;

  /** User registers: 20 words in the order of struct trapframe. */
  readonly tf = new Int32Array(20);
  /** Three GDT descriptors for TLS, two words each (struct vextframe). */
  readonly vf = new Int32Array(6);
  /** FXSAVE image while the thread does not own the FPU; `fpValid` false means a fresh FPU. */
  readonly fp = new Uint8Array(512);
  fpValid = false;

  /** Arguments of the system call being executed, and its row's number. */
  readonly args = new Int32Array(8);
  sysnr = 0;
  /** Second word of a 64-bit result. */
  rv1 = 0;
  /** The system call being executed, as a trace shows it; null without one. */
  traced: string | null = null;

  /** The thread is traced by another process; null as a rule. */
  trace: Tracee | null = null;

  /** What the plain half of a system call hands to its waiting half. */
  carry: unknown = null;
  /** What its system call has stored and what is not in memory yet (late.ts). */
  late: readonly LateStore[] = NO_STORES;

  state = LSRUN;
  ast = 0;
  /** What to resume in the kernel before going back to user mode, or null. */
  kcont: KernelFrame | null = null;

  // Scheduling
  /** Place in the run queue: key, and number among those with the same key. */
  runKey = 0;
  runSeq = 0;
  /** Processor time by weight, ns: whoever has the least goes first. */
  vtimeNs = 0;
  /** Monotonic time in ns when it last went to sleep. */
  stampNs = 0;
  sliceEndNs = 0;
  /** Scheduling class (RTP_PRIO_*) and the priority in it, 0 the best. */
  rtpType = RTP_PRIO_NORMAL;
  rtpPrio = 0;
  /** Policy that it asked for within the normal class (Linux's numbers): 0 normal, 3 batch, 5 idle. */
  schedPolicy = 0;
  /** A child begins as a normal thread (Linux SCHED_RESET_ON_FORK). */
  schedReset = false;
  /** Up to here the thread's run time is charged, monotonic ns; valid while it is k.curlwp. */
  chargedNs = 0;

  // Sleeping
  readonly waitNode: WaitNode = new WaitNode(this);
  readonly ownNodes: readonly WaitNode[] = [this.waitNode];
  /** Further nodes for a thread that waits at several channels (poll). */
  readonly pollNodes: WaitNode[] = [];
  wmesg = "";
  /** The sleep may be ended by a signal. */
  sleepCatch = false;
  /** The sleep may be ended by a signal that ends the process. */
  sleepKill = false;
  timedOut = false;
  sleepTimer: Callout | null = null;

  // Signals
  readonly sigmask: Sigset = sigset();
  readonly oldmask: Sigset = sigset();
  readonly siglist: Sigset = sigset();
  sigqueue: Ksiginfo[] = [];
  /** Signals that sigtimedwait waits for: these end its sleep although they are blocked. */
  sigwait: Sigset | null = null;
  sigstkSp = 0;
  sigstkSize = 0;
  sigstkFlags = 4; // SS_DISABLE

  // Accounting, ns
  runtimeNs = 0;
  sysNs = 0;
  readonly ru: Rusage;

  // Linux thread attributes
  clearChildTid = 0;
  robustList = 0;
  comm: string;
  /** By how much its sleeps may be late, ns, and what 0 sets that to. They are never late for economy's sake here. */
  slackNs = TIMER_SLACK_NS;
  defaultSlackNs = TIMER_SLACK_NS;

  constructor(k: Kernel, proc: Proc, tid: number, ru: Rusage) {
    this.k = k;
    this.proc = proc;
    this.tid = tid;
    this.lwpid = proc.nextLwpid++;
    this.ru = ru;
    this.comm = proc.comm;
  }

  /** Sleeper: something happened on a channel this thread is on. */
  wake(): void {
    this.k.sched.wake(this);
  }
}

const NO_AUXV = new Uint8Array(0);

export class Proc {
  readonly k: Kernel;
  readonly pid: number;
  parent: Proc | null;
  readonly children = new Set<Proc>();
  pgrp: Pgrp;
  stat = SIDL;
  flags = 0;
  cred: Ucred;
  /** Null once the process has exited. */
  fd: Filedesc | null = null;
  vmspace: Vmspace | null = null;
  readonly lwps = new Map<number, Lwp>();
  nextLwpid = 0;
  sigacts: Sigacts;
  /** Signals sent to the process as a whole. */
  readonly siglist: Sigset = sigset();
  sigqueue: Ksiginfo[] = [];
  abi: Abi;
  /** Last component of the executed path, at most 16 characters, a byte string. */
  comm = "";
  args: readonly string[] = [];
  /** User addresses of the argument and environment strings, for procfs. */
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** The auxiliary vector that the image was started with, for procfs and debuggers. */
  auxv: Uint8Array = NO_AUXV;
  execPath = "";
  textvp: Vnode | null = null;
  limits: Plimit;
  readonly itimers: Itimers;
  nice = 0;
  /** Priority of its input and output, IOPRIO_MIN to IOPRIO_MAX; 0 until it is set. */
  ionice = 0;
  /** What ioprio_set made of it (Linux): class and level; 0 until it is set. */
  ioprio = 0;
  /** -1000 to 1000: thousandths of all memory added to what the process holds when one must end for want of it; -1000 never. */
  oomScoreAdj = 0;
  /** What oomScoreAdj may not be lowered below without CAP_SYS_RESOURCE. */
  oomScoreAdjMin = 0;
  /** Kernel-time start, ns of the monotonic clock. */
  startNs = 0;

  /** Signal the parent gets when this process ends (SIGCHLD except for clone's choice); 0 none. */
  exitSignal = 20;
  /** wait status as DragonFly and Linux encode it: exit code << 8, or signal | 0x80 for a core. */
  xstat = 0;
  /** Signal that stopped the process, reported by wait. */
  stopSig = 0;
  /** Who watches the process, null while nobody does. */
  klist: Klist | null = null;
  /** Woken by each signal to the process (signalfd). */
  readonly sigChan = new WaitChannel("signalfd");
  /** Parent waits here for state changes of its children. */
  readonly waitChan = new WaitChannel("wait");
  /** vfork parents wait here. */
  readonly ppwaitChan = new WaitChannel("ppwait");
  /** A thread that ends the others (exit, exec) waits here. */
  readonly lwpExitChan = new WaitChannel("lwpexit");
  /** Threads that this process traces, and those whose end it has not waited for. */
  readonly tracees = new Set<Tracee>();
  /** The first thread's record when it has ended before the others; the tracer that a zombie waits for before its parent. */
  firstTrace: Tracee | null = null;
  zombieFor: Tracee | null = null;
  /** Set while one thread tears the others down. */
  singleLwp: Lwp | null = null;

  /** Usage of ended threads and of waited-for children. */
  readonly ru: Rusage;
  readonly cru: Rusage;
  deadRuntimeNs = 0;
  deadSysNs = 0;
  childUserNs = 0;
  childSysNs = 0;

  /** Linux personality(2) word, dumpable flag, parent-death signal, no_new_privs, child subreaper. */
  personality = 0;
  dumpable = 1;
  pdeathsig = 0;
  noNewPrivs = false;
  subreaper = false;
  /** Which kinds of memory go into its core file; the file while it is written. */
  coreFilter = CORE_FILTER_DEFAULT;
  coreDump: CoreDump | null = null;
  /** profil(2)'s table, null without profiling. */
  profile: Profile | null = null;
  /** Its accounting record has been written. */
  accounted = false;
  /** Variables of variant symlinks. */
  varsyms = new VarsymSet();
  /** Woken when the process has become a zombie (pidfd); made when somebody looks. */
  endChan: WaitChannel | null = null;
  /** Called when the process has become a zombie: how the machine learns of the end of its first process. */
  onExit: ((p: Proc) => void) | null = null;

  constructor(k: Kernel, pid: number, parent: Proc | null, init: ProcInit) {
    this.k = k;
    this.pid = pid;
    this.parent = parent;
    this.pgrp = init.pgrp;
    this.cred = init.cred;
    this.sigacts = init.sigacts;
    this.abi = init.abi;
    this.limits = init.limits;
    this.ru = init.ru;
    this.cru = init.cru;
    this.itimers = init.itimers;
  }

  /** Parts with processes that share the descriptors. */
  unshareFiles(): void {
    if (this.fd === null || this.fd.refs === 1) return;
    const own = this.fd.copy();
    this.fd.refs--;
    this.fd = own;
  }

  /** Changes a limit; limits are shared with relatives until then. */
  setLimit(which: number, cur: number, max: number): void {
    this.limits = new Plimit(this.limits);
    this.limits.cur[which] = cur;
    this.limits.max[which] = max;
  }

  /** VarsymSource: the process's own variables, then its user's, then the system's. */
  varsym(name: string): string | undefined {
    return varsymFind(this, -1, name);
  }

  /** Sets the nice value on behalf of `by`. Throws EPERM for a stranger, EACCES for a lower value than now. */
  renice(by: Ucred, nice: number): void {
    if (!capable(by, CAP_SYS_NICE)) {
      if (by.uid !== this.cred.ruid && by.uid !== this.cred.uid) throw EPERM;
      if (nice < this.nice) throw EACCES;
    }
    this.nice = nice;
  }

  /** The thread with tid == pid, or the oldest that is left. */
  get firstLwp(): Lwp | null {
    for (const lp of this.lwps.values()) return lp;
    return null;
  }
}

export interface ProcInit {
  pgrp: Pgrp;
  cred: Ucred;
  sigacts: Sigacts;
  abi: Abi;
  limits: Plimit;
  ru: Rusage;
  cru: Rusage;
  itimers: Itimers;
}

/**
 * A process group. Terminals hold it as their foreground group, as the TtyGroup that dev/tty declares.
 */
export class Pgrp {
  readonly id: number;
  readonly session: Session;
  readonly members = new Set<Proc>();
  /** Members whose parent is in another group of the same session; 0 means orphaned. */
  jobc = 0;
  constructor(id: number, session: Session) {
    this.id = id;
    this.session = session;
    session.groups++;
  }
}

export class Session {
  readonly sid: number;
  leader: Proc | null;
  /** Groups that exist in the session. */
  groups = 0;
  /** The controlling terminal. */
  ttyp: Tty | null = null;
  login = "";
  constructor(sid: number, leader: Proc | null) {
    this.sid = sid;
    this.leader = leader;
  }
}

