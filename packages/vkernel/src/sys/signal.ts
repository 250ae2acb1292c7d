// SPDX-License-Identifier: BSD-3-Clause
/**
 * Signals: native (DragonFly) numbers, default actions and sets. An ABI with other numbers maps at its edge.
 * Source: DragonFly 2.0 sys/sys/signal.h, sys/kern/kern_sig.c (sigproptbl).
 *
 * Invariants
 *   S1  A native number lies in 1…SIGMAX. 1–34 are DragonFly's own; 64–96 carry the 33 real-time signals that
 *       Linux numbers 32–64; 97 and 98 are Linux's SIGSTKFLT and SIGPWR.
 *   S2  A Sigset is 128 bits in four words, bit n-1 of the whole for signal n, as sigset_t in guest memory.
 * @module
 */

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGEMT = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGBUS = 10;
export const SIGSEGV = 11;
export const SIGSYS = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGURG = 16;
export const SIGSTOP = 17;
export const SIGTSTP = 18;
export const SIGCONT = 19;
export const SIGCHLD = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGIO = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGINFO = 29;
export const SIGUSR1 = 30;
export const SIGUSR2 = 31;
export const SIGTHR = 32;
export const SIGCKPT = 33;
export const SIGCKPTEXIT = 34;
/** First and last native number of the real-time signals (S1); these queue. */
export const SIGRT_FIRST = 64;
export const SIGRT_LAST = 96;
export const SIGSTKFLT = 97;
export const SIGPWR = 98;
export const SIGMAX = 98;
/** Size of tables indexed by signal number. */
export const NSIGTAB = SIGMAX + 1;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_ONSTACK = 0x0001;
export const SA_RESTART = 0x0002;
export const SA_RESETHAND = 0x0004;
export const SA_NOCLDSTOP = 0x0008;
export const SA_NODEFER = 0x0010;
export const SA_NOCLDWAIT = 0x0020;
export const SA_SIGINFO = 0x0040;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 4;

export const SIG_BLOCK = 1;
export const SIG_UNBLOCK = 2;
export const SIG_SETMASK = 3;

/** si_code values, canonical form (Linux's numbers; DragonFly before 2.6 reports raw trap numbers instead). */
export const SI_USER = 0;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_ASYNCIO = -4;
export const SI_TKILL = -6;
export const SI_KERNEL = 0x80;
export const ILL_ILLOPN = 2;
export const ILL_PRVOPC = 5;
export const FPE_INTDIV = 1;
export const FPE_INTOVF = 2;
export const FPE_FLTDIV = 3;
export const FPE_FLTOVF = 4;
export const FPE_FLTUND = 5;
export const FPE_FLTRES = 6;
export const FPE_FLTINV = 7;
export const FPE_FLTSUB = 8;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const BUS_OBJERR = 3;
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;
export const TRAP_HWBKPT = 4;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_TRAPPED = 4;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

/** Default actions. */
export const SA_KILL = 0x01;
export const SA_CORE = 0x02;
export const SA_STOP = 0x04;
/** Stops only when it comes from a terminal and the process group is not orphaned. */
export const SA_TTYSTOP = 0x08;
export const SA_IGNORE = 0x10;
export const SA_CONT = 0x20;

const prop = new Uint8Array(NSIGTAB).fill(SA_IGNORE, 1, 64).fill(SA_KILL, SIGRT_FIRST);
for (const s of [SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2]) {
  prop[s] = SA_KILL;
}
for (const s of [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGEMT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS]) prop[s] = SA_KILL | SA_CORE;
prop[SIGSTOP] = SA_STOP;
for (const s of [SIGTSTP, SIGTTIN, SIGTTOU]) prop[s] = SA_STOP | SA_TTYSTOP;
prop[SIGCONT] = SA_IGNORE | SA_CONT;

/** The default action of a signal, a combination of SA_KILL, SA_CORE, SA_STOP, SA_TTYSTOP, SA_IGNORE, SA_CONT. */
export function sigprop(sig: number): number {
  return prop[sig]!;
}

/** A set of signals (S2). */
export type Sigset = Int32Array;

export function sigset(): Sigset {
  return new Int32Array(4);
}
export function sigaddset(set: Sigset, sig: number): void {
  set[(sig - 1) >> 5]! |= 1 << ((sig - 1) & 31);
}
export function sigdelset(set: Sigset, sig: number): void {
  set[(sig - 1) >> 5]! &= ~(1 << ((sig - 1) & 31));
}
export function sigismember(set: Sigset, sig: number): boolean {
  return (set[(sig - 1) >> 5]! & (1 << ((sig - 1) & 31))) !== 0;
}
export function sigsetFrom(...sigs: number[]): Sigset {
  const set = sigset();
  for (const s of sigs) sigaddset(set, s);
  return set;
}

const CANTMASK = sigsetFrom(SIGKILL, SIGSTOP);
/** Removes SIGKILL and SIGSTOP, which nobody may block. */
export function sigcantmask(set: Sigset): void {
  set[0]! &= ~CANTMASK[0]!;
}

/** The lowest signal that is in `a` or `b` and not in `mask`; 0 when there is none. */
export function sigfirst(a: Sigset, b: Sigset, mask: Sigset): number {
  for (let i = 0; i < 4; i++) {
    const w = (a[i]! | b[i]!) & ~mask[i]!;
    if (w !== 0) return i * 32 + 32 - Math.clz32(w & -w);
  }
  return 0;
}

/** What shells print when a signal has ended a program (DragonFly 2.0 lib/libc/gen/siglist.c). */
const SIGNAL_TEXT: readonly string[] = [
  "", "Hangup", "Interrupt", "Quit", "Illegal instruction", "Trace/BPT trap", "Abort trap", "EMT trap",
  "Floating point exception", "Killed", "Bus error", "Segmentation fault", "Bad system call", "Broken pipe",
  "Alarm clock", "Terminated", "Urgent I/O condition", "Suspended (signal)", "Suspended", "Continued",
  "Child exited", "Stopped (tty input)", "Stopped (tty output)", "I/O possible", "Cputime limit exceeded",
  "Filesize limit exceeded", "Virtual timer expired", "Profiling timer expired", "Window size changes",
  "Information request", "User defined signal 1", "User defined signal 2",
];

/** Text for a native signal number; "" for 0. */
export function signalText(sig: number): string {
  return SIGNAL_TEXT[sig] ?? `Signal ${sig}`;
}

const SIGNAL_NAMES = [
  "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "EMT", "FPE", "KILL", "BUS", "SEGV", "SYS", "PIPE", "ALRM", "TERM", "URG", "STOP",
  "TSTP", "CONT", "CHLD", "TTIN", "TTOU", "IO", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "INFO", "USR1", "USR2", "THR", "CKPT",
  "CKPTEXIT",
];

/** "SIGHUP" for a native signal number; real-time signals count from SIGRT0. */
export function signalName(sig: number): string {
  const name = SIGNAL_NAMES[sig];
  if (name !== undefined && name !== "") return `SIG${name}`;
  if (sig === SIGSTKFLT) return "SIGSTKFLT";
  if (sig === SIGPWR) return "SIGPWR";
  return sig >= SIGRT_FIRST && sig <= SIGRT_LAST ? `SIGRT${sig - SIGRT_FIRST}` : `SIG${sig}`;
}
