// SPDX-License-Identifier: BSD-3-Clause
/**
 * A traced thread as its tracer sees it (ptrace(2)); kern/ptrace.ts moves it from state to state.
 *
 *   running ──stop()──> stopped ──resume()──> running ──gone()──> dead
 *                          └── listen() ──> listening ──report()──> stopped
 *
 * Invariants
 *   TE1  lp.trace names the record, and tracer.tracees holds it, from attach to detach; a dead thread's record stays there
 *        until its end has been waited for.
 *   TE2  A thread that is stopped or listening is inside traceStop(), asleep on `chan`.
 *   TE3  `unreported` is set by each stop and by the end, and cleared by the wait that returns it.
 * @module
 */
import { WaitChannel } from "../sys/wait.ts";
import type { Lwp, Proc } from "./proc.ts";
import type { Ksiginfo } from "./sig.ts";

/** Why a thread is stopped besides by a signal (Linux's numbers); SYSCALL is a stop at a system call. */
export const EVENT_FORK = 1;
export const EVENT_VFORK = 2;
export const EVENT_CLONE = 3;
export const EVENT_EXEC = 4;
export const EVENT_VFORK_DONE = 5;
export const EVENT_EXIT = 6;
export const EVENT_STOP = 128;
export const EVENT_SYSCALL = -1;

/** Option bits: SYSGOOD marks stops at system calls, bit n asks for event n, EXITKILL ends with the tracer. */
export const OPTION_SYSGOOD = 1;
export const OPTION_EXITKILL = 0x10_0000;

/** How a thread goes on. */
export const GO_ON = 0;
export const GO_SYSCALL = 1;
export const GO_STEP = 2;
/** As GO_SYSCALL, but the call is not carried out. */
export const GO_SYSEMU = 3;

/** Where the thread stands in a system call. */
export const PHASE_USER = 0;
export const PHASE_ENTRY = 1;
export const PHASE_CALL = 2;
export const PHASE_EXIT = 3;

export class Tracee {
  readonly lp: Lwp;
  tracer: Proc;
  readonly seized: boolean;
  options = 0;
  state: "running" | "stopped" | "listening" | "dead" = "running";
  /** Native signal and EVENT_* of the last stop, and what the signal carries; the wait status of an end. */
  sig = 0;
  event = 0;
  info: Ksiginfo | null = null;
  exitStatus = 0;
  unreported = false;
  /** What an event is about: a pid, an exit status, a former thread id. */
  message = 0;
  /** An event that the thread stops for before its system call ends; 0 none. */
  pending = 0;
  /** The tracer wants a stop as soon as possible (PTRACE_INTERRUPT, a new thread of a seized one). */
  trap = false;
  /** How it goes on, and the native signal that it gets. */
  how = GO_ON;
  resumeSig = 0;
  /** The signal that the tracer has seen and let pass: it is delivered without another stop. */
  passed = 0;
  phase = PHASE_USER;
  /** Number of the system call that the thread is in. */
  sysnr = -1;
  /**
   * The last system call was interrupted and is made again, unless a handler runs first: then it fails with EINTR, if not both
   * the handler and the call (`mayRestart`) allow otherwise.
   */
  restarting = false;
  mayRestart = false;
  /** Until when that call would have slept (kernel time, ns), if it is one that sleeps for a time; 0 for others. */
  sleepUntil = 0;
  /** Debug registers 0–3, 6, 7 as far as somebody has set them. */
  debug: Uint32Array | null = null;
  /** A single step has ended in a system call. */
  stepped = false;
  /** Address of the execution breakpoint that the thread was last stopped for, -1 once it has gone on. */
  stoppedAt = -1;
  /** The stopped thread sleeps here. */
  readonly chan = new WaitChannel("ptrace");

  constructor(lp: Lwp, tracer: Proc, seized: boolean) {
    this.lp = lp;
    this.tracer = tracer;
    this.seized = seized;
  }

  wants(event: number): boolean {
    return (this.options & (1 << event)) !== 0;
  }
  get isStopped(): boolean {
    return this.state === "stopped";
  }
  /** A signal has interrupted the thread's system call in its sleep. */
  interrupted(mayRestart: boolean): void {
    this.restarting = true;
    this.mayRestart = mayRestart;
  }
  /** Makes a stopped thread look again at what it waits for: it has been let go, or is to die. */
  kick(): void {
    this.chan.wakeup();
  }
}
