// SPDX-License-Identifier: BSD-3-Clause
/** Linux processes: fork, exec, exit. */
import { EINVAL, ESRCH } from "../../sys/errno.ts";
import { copyinExecArgs, type ExecArgs, execve, execveSlow } from "../../kern/exec.ts";
import { exit1, exitStatus, lwpExit } from "../../kern/exit.ts";
import { FORK_PROCESS, fork1, mustSleep, startLwp, waitVfork } from "../../kern/fork.ts";
import type { KernelFrame, Lwp, Proc } from "../../kern/proc.ts";
import { NLC_EMPTY, NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { dirFd } from "./file-flags.ts";
import { fd, hex, int, path, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";

function sysFork(lp: Lwp): number {
  const child = fork1(lp, FORK_PROCESS);
  startLwp(child);
  return child.proc.pid;
}

function* sysVfork(lp: Lwp): KernelFrame {
  const child = fork1(lp, { ...FORK_PROCESS, shareVm: true, vfork: true });
  startLwp(child);
  return yield* waitVfork(lp, child.proc);
}

function sysExecve(lp: Lwp, a: Int32Array): number {
  return execve(lp, copyinExecArgs(lp, a[0]!, a[1]!, a[2]!));
}
function* sysExecveSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const args: ExecArgs = copyinExecArgs(lp, a[0]!, a[1]!, a[2]!);
  return yield* execveSlow(lp, args);
}

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
/** execveat's arguments: dirfd, path, argv, envp, flags. Throws EINVAL for other flags. */
function execveatArgs(lp: Lwp, a: Int32Array): ExecArgs {
  if ((a[4]! & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) throw EINVAL;
  const args = copyinExecArgs(lp, a[1]!, a[2]!, a[3]!);
  const lookup =
    ((a[4]! & AT_SYMLINK_NOFOLLOW) === 0 ? NLC_FOLLOW : 0) | ((a[4]! & AT_EMPTY_PATH) === 0 ? 0 : NLC_EMPTY);
  return { ...args, dirfd: dirFd(a[0]!), lookup };
}
const sysExecveat = (lp: Lwp, a: Int32Array): number => execve(lp, execveatArgs(lp, a));
function* sysExecveatSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* execveSlow(lp, execveatArgs(lp, a));
}

function sysExit(lp: Lwp, a: Int32Array): number {
  if (lp.proc.lwps.size > 1) {
    lwpExit(lp, exitStatus(a[0]!));
    return 0;
  }
  exit1(lp, exitStatus(a[0]!));
  return 0;
}
function sysExitGroup(lp: Lwp, a: Int32Array): number {
  exit1(lp, exitStatus(a[0]!));
  return 0;
}

/** A process by its pid or one of its threads' ids. Throws ESRCH. */
export function findProc(lp: Lwp, n: number): Proc {
  const p = lp.k.procs.get(n) ?? lp.k.lwps.get(n)?.proc;
  if (p === undefined) throw ESRCH;
  return p;
}

export const PROCESS_ROWS: readonly Sysent[] = [
  plain(1, "exit", [int], sysExit),
  plain(2, "fork", [], sysFork),
  sleeps(358, "execveat", [fd, path, uptr, uptr, hex], sysExecveat, sysExecveatSlow),
  sleeps(11, "execve", [path, uptr, uptr], sysExecve, sysExecveSlow),
  sleeps(190, "vfork", [], mustSleep, sysVfork),
  plain(252, "exit_group", [int], sysExitGroup),
];
