// SPDX-License-Identifier: BSD-3-Clause
/**
 * The Linux/i386 ABI (DragonFly calls its own the linuxulator, sys/emulation/linux). Calls are made with int 0x80:
 * number in eax, arguments in ebx, ecx, edx, esi, edi, ebp; a negative errno comes back in eax, all other
 * registers survive.
 * @module
 */
import { EBUSY, EINTR, EISDIR, ENXIO, EPIPE, type Errno } from "../../sys/errno.ts";
import { TF_EAX, TF_EBP, TF_EBX, TF_ECX, TF_EDI, TF_EDX, TF_EIP, TF_ESI } from "../../sys/frame.ts";
import { SIGIO, SIGSEGV, SIGXCPU, SIGXFSZ } from "../../sys/signal.ts";
import type { Abi } from "../../kern/abi.ts";
import type { ExecImage } from "../../kern/exec.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { SyscallMeter } from "../../kern/syscall.ts";
import { type Sysent, sysentTable, unimplemented } from "../../kern/sysent.ts";
import { linuxCoreNotes } from "./core-notes.ts";
import { linuxErrno } from "./errno.ts";
import { linuxExecStack, linuxSetregs } from "./exec-stack.ts";
import { LINUX_SYSCALL_NAMES } from "./names.ts";
import { linuxSendsig } from "./sigframe.ts";
import { linuxSigno, nativeSigno } from "./signo.ts";
import { FILE_ROWS } from "./file-rows.ts";
import { ID_ROWS } from "./sys-ids.ts";
import { ADJTIMEX_ROWS } from "./sys-adjtimex.ts";
import { INOTIFY_ROWS } from "./sys-inotify.ts";
import { IOPRIO_ROWS } from "./sys-ioprio.ts";
import { KCMP_ROWS } from "./sys-kcmp.ts";
import { IPC_ROWS } from "./sys-ipc.ts";
import { MEMORY_ROWS } from "./sys-memory.ts";
import { MQ_ROWS } from "./sys-mq.ts";
import { AIO_ROWS } from "./sys-aio.ts";
import { POLL_ROWS } from "./sys-poll.ts";
import { PRCTL_ROWS } from "./sys-prctl.ts";
import { PROCESS_ROWS } from "./sys-process.ts";
import { RESOURCE_ROWS } from "./sys-resource.ts";
import { WAIT_ROWS } from "./sys-wait.ts";
import { PIDFD_ROWS } from "./sys-pidfd.ts";
import { PTRACE_ROWS } from "./sys-ptrace.ts";
import { SIGNAL_ROWS } from "./sys-signal.ts";
import { SOCKET_ROWS } from "./sys-socket.ts";
import { SPLICE_ROWS } from "./sys-splice.ts";
import { SCHED_ROWS } from "./sys-sched.ts";
import { SYSTEM_ROWS } from "./sys-system.ts";
import { THREAD_ROWS } from "./sys-thread.ts";
import { TIME_ROWS } from "./sys-time.ts";

/** Length of `int $0x80`. */
const SYSCALL_INSN = 2;
/**
 * Where position-independent programs go: two thirds of the 4 GiB that a 64-bit Linux gives to an i386 program (Linux
 * arch/x86/include/asm/elf.h, ELF_ET_DYN_BASE). Below it emulators of processors find room at the addresses their programs want.
 */
const PIE_BASE = 0x5655_5000;
/** What a tracer sees of interrupted calls (include/linux/errno.h). */
const ERESTARTSYS = 512;
const ERESTARTNOHAND = 514;

/** The complete table: rows that are implemented, and for every other name a row that says so. */
function buildTable(): readonly (Sysent | undefined)[] {
  const table = sysentTable(
    PROCESS_ROWS,
    WAIT_ROWS,
    RESOURCE_ROWS,
    PRCTL_ROWS,
    PTRACE_ROWS,
    PIDFD_ROWS,
    ID_ROWS,
    THREAD_ROWS,
    SIGNAL_ROWS,
    TIME_ROWS,
    MEMORY_ROWS,
    POLL_ROWS,
    AIO_ROWS,
    SCHED_ROWS,
    SYSTEM_ROWS,
    SOCKET_ROWS,
    FILE_ROWS,
    IPC_ROWS,
    SPLICE_ROWS,
    ADJTIMEX_ROWS,
    INOTIFY_ROWS,
    IOPRIO_ROWS,
    KCMP_ROWS,
    MQ_ROWS,
  ).slice();
  LINUX_SYSCALL_NAMES.forEach((name, nr) => {
    if (table[nr] === undefined && name !== "") table[nr] = unimplemented(nr, name);
  });
  return table;
}

export class LinuxAbi implements Abi {
  readonly name = "linux";
  readonly sysent = buildTable();
  readonly meter = new SyscallMeter();
  readonly prefix = "/compat/linux";
  readonly scriptDepth = 4;
  readonly scriptOneArgument = true;
  readonly sigframeFault = SIGSEGV;
  readonly unconnectedSend = EPIPE;
  readonly timedSocketsInterrupt = true;
  readonly files = {
    openSocket: ENXIO,
    unlinkDirectory: EISDIR,
    rmdirDot: EBUSY,
    createRefusesDirectories: true,
    openTakesTerminal: true,
    terminal: { speed: 38_400, echoesEof: false },
    groupOfDirectory: false,
    stickyIsForRoot: false,
    rootDropsSetId: true,
    chrootEnters: false,
  };
  readonly readImpliesExec = false;
  /** All 64 bits of precision. */
  readonly npxControl = 0x37f;
  private readonly unknown = new Map<number, Sysent>();

  fetch(lp: Lwp): Sysent {
    const { tf, args } = lp;
    args[0] = tf[TF_EBX]!;
    args[1] = tf[TF_ECX]!;
    args[2] = tf[TF_EDX]!;
    args[3] = tf[TF_ESI]!;
    args[4] = tf[TF_EDI]!;
    args[5] = tf[TF_EBP]!;
    const row = this.sysent[tf[TF_EAX]!];
    return row === undefined ? this.row(tf[TF_EAX]!) : row;
  }

  row(nr: number): Sysent {
    const row = this.sysent[nr] ?? this.unknown.get(nr);
    if (row !== undefined) return row;
    const made = unimplemented(nr, `syscall_${nr}`);
    // Numbers come from programs: remember a few, not two to the power of 32.
    if (this.unknown.size < 64) this.unknown.set(nr, made);
    return made;
  }

  setReturn(lp: Lwp, value: number): void {
    lp.tf[TF_EAX] = value;
  }
  setError(lp: Lwp, errno: Errno): void {
    lp.tf[TF_EAX] = -linuxErrno(errno);
  }
  errno(e: Errno): number {
    return linuxErrno(e);
  }
  restart(lp: Lwp): void {
    lp.tf[TF_EAX] = lp.sysnr;
    lp.tf[TF_EIP]! -= SYSCALL_INSN;
  }
  callNumber(lp: Lwp): number {
    return lp.tf[TF_EAX]!;
  }
  setInterrupted(lp: Lwp, mayRestart: boolean): void {
    lp.tf[TF_EAX] = mayRestart ? -ERESTARTSYS : -ERESTARTNOHAND;
  }
  unrestart(lp: Lwp): void {
    lp.tf[TF_EIP]! += SYSCALL_INSN;
    lp.tf[TF_EAX] = -linuxErrno(EINTR);
  }
  setForkReturn(child: Lwp): void {
    child.tf[TF_EAX] = 0;
  }

  signo(sig: number): number {
    return linuxSigno(sig);
  }
  nativeSigno(n: number): number {
    return nativeSigno(n);
  }
  readonly sendsig = linuxSendsig;
  readonly coreNotes = linuxCoreNotes;
  readonly coreSignals = [SIGXCPU, SIGXFSZ];
  readonly killSignals = [SIGIO];

  imageBase(): number {
    return PIE_BASE;
  }
  interpBase(): number {
    return 0;
  }
  execStack(p: Proc, image: ExecImage): number {
    return linuxExecStack(p, image);
  }
  setregs(lp: Lwp, image: ExecImage, sp: number): void {
    linuxSetregs(lp, image, sp);
  }
}
