// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system call table of DragonFly 2.0 with the later additions up to 3.8 (numbers: sys/kern/syscalls.master). Every
 * number that DragonFly ever gave to a call has a row; the others end in SIGSYS (abi.ts, A3).
 */
import { type Sysent, sysentTable, unimplemented } from "../../kern/sysent.ts";
import { ADMIN_ROWS } from "./sys-admin.ts";
import { FH_ROWS } from "./sys-fh.ts";
import { FILE_ROWS } from "./sys-file.ts";
import { IPC_ROWS } from "./sys-ipc.ts";
import { KEVENT_ROWS } from "./sys-kevent.ts";
import { KLD_ROWS } from "./sys-kld.ts";
import { MEMORY_ROWS } from "./sys-memory.ts";
import { MISC_ROWS } from "./sys-misc.ts";
import { MQ_ROWS } from "./sys-mq.ts";
import { OLD_ROWS } from "./sys-old.ts";
import { POLL_ROWS } from "./sys-poll.ts";
import { PROCESS_ROWS } from "./sys-process.ts";
import { PTRACE_ROWS } from "./sys-ptrace.ts";
import { SCHED_ROWS } from "./sys-sched.ts";
import { SIGNAL_ROWS } from "./sys-signal.ts";
import { SOCKET_ROWS } from "./sys-socket.ts";
import { SPECIAL_ROWS } from "./sys-special.ts";
import { TIME_ROWS } from "./sys-time.ts";
import { VARSYM_ROWS } from "./sys-varsym.ts";
import { VFS_ROWS } from "./sys-vfs.ts";
import { VMSPACE_ROWS } from "./sys-vmspace.ts";

/** One more than the highest number. */
export const SYSENT_SIZE = 536;

/** Calls whose result is two words, the second in edx: fork and its kin (0 in the parent), pipe, the old wait, 64-bit offsets. */
export const TWO_WORDS: readonly number[] = [2, 42, 66, 84, 199, 251];

/** Calls that are not implemented. */
const MISSING_ROWS: readonly Sysent[] = [unimplemented(155, "nfssvc")];

export const DRAGONFLY_SYSENT = sysentTable(
  PROCESS_ROWS,
  SIGNAL_ROWS,
  TIME_ROWS,
  MEMORY_ROWS,
  FILE_ROWS,
  VFS_ROWS,
  POLL_ROWS,
  KEVENT_ROWS,
  SOCKET_ROWS,
  MISC_ROWS,
  SCHED_ROWS,
  PTRACE_ROWS,
  FH_ROWS,
  MQ_ROWS,
  IPC_ROWS,
  OLD_ROWS,
  ADMIN_ROWS,
  VARSYM_ROWS,
  KLD_ROWS,
  VMSPACE_ROWS,
  SPECIAL_ROWS,
  MISSING_ROWS,
);
