// SPDX-License-Identifier: BSD-3-Clause
/**
 * What distinguishes one family of programs from another: system call numbers, how arguments and results
 * travel, errno and signal numbers, the signal frame and the stack that exec leaves. DragonFly calls this a
 * `struct sysentvec` (sys/sys/sysent.h); there is one object for each ABI and kernel, and no state in it that
 * belongs to a process.
 * @module
 */
import type { Errno } from "../sys/errno.ts";
import type { Sigset } from "../sys/signal.ts";
import type { ExecImage } from "./exec.ts";
import type { ElfHeaders, LoadedElf } from "./imgact-elf.ts";
import type { Lwp, Proc } from "./proc.ts";
import type { Ksiginfo, Sigaction } from "./sig.ts";
import type { SyscallMeter } from "./syscall.ts";
import type { Sysent } from "./sysent.ts";

/** What files do differently for the programs of the two families of systems. */
export interface FileRules {
  /** open(2) of a socket's name, unlink(2) of a directory, rmdir(2) of "." where something is mounted fail with these. */
  readonly openSocket: Errno;
  readonly unlinkDirectory: Errno;
  readonly rmdirDot: Errno;
  /** O_CREAT touches no directory, nor what a path names as one. */
  readonly createRefusesDirectories: boolean;
  /** A session leader's open(2) of a terminal makes it the controlling one; otherwise TIOCSCTTY alone does. */
  readonly openTakesTerminal: boolean;
  /** New files get their directory's group whatever its set-gid bit says; otherwise new directories inherit that bit. */
  readonly groupOfDirectory: boolean;
  /** Others than the superuser cannot set the sticky bit of files. */
  readonly stickyIsForRoot: boolean;
  /** chown(2) by the superuser drops set-id bits, too. */
  readonly rootDropsSetId: boolean;
  /** chroot(2) changes the working directory. */
  readonly chrootEnters: boolean;
  /** What terminals have that are opened first by such a program: bits a second, and whether the end-of-file character is echoed. */
  readonly terminal: { readonly speed: number; readonly echoesEof: boolean };
}

export interface Abi {
  readonly name: "dragonfly" | "linux";
  /** Rows by number; a hole is a number that the ABI does not know. */
  readonly sysent: readonly (Sysent | undefined)[];
  /** Counts and durations by number. */
  readonly meter: SyscallMeter;
  /** The row that `fetch` found for number `nr`. */
  row(nr: number): Sysent;

  /**
   * Finds the row of the system call that `lp.tf` makes and copies its arguments into `lp.args`. May throw
   * EFAULT when they lie on an unreadable stack. Numbers outside the table give the row `nosys(nr)`.
   */
  fetch(lp: Lwp): Sysent;
  /** Puts a result in the frame; `lp.rv1` holds the second word of rows that return two. */
  setReturn(lp: Lwp, value: number): void;
  setError(lp: Lwp, errno: Errno): void;
  /** The number that programs know an error by. */
  errno(e: Errno): number;
  /** Points the frame back at the system call instruction, registers as they were at its entry. */
  restart(lp: Lwp): void;
  /** For a traced thread: the number of the call that its registers ask for. */
  callNumber(lp: Lwp): number;
  /** For a traced thread: shows in the registers that the call was interrupted and will be made again. */
  setInterrupted(lp: Lwp, mayRestart: boolean): void;
  /** Takes restart() back: the call has failed with EINTR. */
  unrestart(lp: Lwp): void;
  /** Registers of the new thread after fork or clone: how it learns that it is the child. */
  setForkReturn(child: Lwp): void;

  /** ABI number of a native signal, 0 when the ABI has none, and back. */
  signo(sig: number): number;
  nativeSigno(n: number): number;

  /**
   * Writes a signal frame for `act` to the user stack (or alternate stack) and points `lp.tf` at the handler.
   * `mask` is what sigreturn restores. Returns false when the frame cannot be written: the process then dies
   * of SIGSEGV (Linux) or SIGILL (DragonFly), which the ABI names in `sigframeFault`.
   */
  sendsig(lp: Lwp, act: Sigaction, sig: number, info: Ksiginfo, mask: Sigset): boolean;
  readonly sigframeFault: number;

  /**
   * The notes of a core file of the process of `lp`, which signal `sig` ends: threads are looked at now, the rest when the result is called,
   * which may throw IoMiss. Null for an ABI whose processes leave no core files.
   */
  readonly coreNotes: ((lp: Lwp, sig: number, info: Ksiginfo) => () => Uint8Array) | null;
  /** Native signals whose default leaves a core file in this ABI, beside those that do so everywhere. */
  readonly coreSignals: readonly number[];
  /** Signals that end a process although the others only tell it of them. */
  readonly killSignals: readonly number[];

  readonly files: FileRules;
  /** Whether all that is readable is executable, whatever the image says; for images from before there was such a permission. */
  readonly readImpliesExec: boolean;
  /** Where a position-independent program, and its interpreter, go if there is room. */
  imageBase(elf: ElfHeaders): number;
  interpBase(program: LoadedElf): number;
  /** x87 control word of a new image. */
  readonly npxControl: number;

  /** What sending on a TCP socket that was never connected fails with. */
  readonly unconnectedSend: Errno;
  /** A socket call that waits for a limited time (SO_RCVTIMEO, SO_SNDTIMEO) is EINTR after a signal, whatever the handler says. */
  readonly timedSocketsInterrupt: boolean;

  /** Where exec looks for the ELF interpreter and scripts' interpreters first ("" = nowhere else). */
  readonly prefix: string;
  /** How many scripts may name each other as interpreters, and whether the `#!` line carries one argument only. */
  readonly scriptDepth: number;
  readonly scriptOneArgument: boolean;
  /** Lays out argument strings, vectors and auxv on the new stack; returns the initial stack pointer. */
  execStack(p: Proc, image: ExecImage): number;
  /** Initial registers of a new image. */
  setregs(lp: Lwp, image: ExecImage, sp: number): void;
}
