// SPDX-License-Identifier: BSD-3-Clause
/**
 * Control of descriptors: fcntl(2) but for locks, ioctl(2), dup(2) (DragonFly 2.0 sys/kern/kern_descrip.c,
 * sys_generic.c mapped_ioctl). Command words and flags are native.
 */
import { EINVAL } from "../sys/errno.ts";
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_GETOWN,
  F_SETFD,
  F_SETFL,
  F_SETOWN,
  FCNTLFLAGS,
  FD_CLOEXEC,
  FREAD,
  FWRITE,
  O_ACCMODE,
  O_ASYNC,
  O_NONBLOCK,
} from "../sys/fcntl.ts";
import * as ioc from "../sys/ioctl.ts";
import { SIGTTOU } from "../sys/signal.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { Tty } from "../dev/tty.ts";
import type { File } from "./file.ts";
import { fdrop, fhold } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { getOwner, setOwner, setStatusFlags } from "./sigio.ts";
import { FOREVER, PCATCH, tsleep } from "./sleep.ts";
import { ttyOf } from "./sys-file.ts";
import { ioctlNeedsForeground, isBackground, ttyProcessIoctl, waitForeground } from "./tty-jobctl.ts";

/** fcntl(2) except the lock commands. F_GETFL returns open(2) flags: the mode as O_RDONLY… and the status flags. */
export function kernFcntl(lp: Lwp, fd: number, cmd: number, arg: number): number {
  const fdp = lp.proc.fd!;
  switch (cmd) {
    case F_DUPFD:
      return fdp.dupfd(lp, fd, arg, false);
    case F_DUPFD_CLOEXEC:
      return fdp.dupfd(lp, fd, arg, true);
    case F_GETFD:
      fdp.getAny(fd);
      return fdp.cloexec[fd] === 1 ? FD_CLOEXEC : 0;
    case F_SETFD:
      fdp.getAny(fd);
      fdp.cloexec[fd] = arg & FD_CLOEXEC;
      return 0;
    case F_GETFL: {
      const fp = fdp.getAny(fd);
      return (fp.flags & ~O_ACCMODE) | ((fp.flags & (FREAD | FWRITE)) === 0 ? 0 : (fp.flags & (FREAD | FWRITE)) - 1);
    }
    case F_SETFL: {
      const fp = fdp.get(fd);
      setStatusFlags(lp, fd, fp, (fp.flags & ~FCNTLFLAGS) | (arg & FCNTLFLAGS));
      return 0;
    }
    case F_GETOWN:
      return getOwner(fdp.get(fd));
    case F_SETOWN:
      setOwner(lp, fdp.get(fd), arg);
      return 0;
    default:
      throw EINVAL;
  }
}

/** dup(2). */
export function kernDup(lp: Lwp, fd: number): number {
  return lp.proc.fd!.dupfd(lp, fd, 0, false);
}

/** dup2(2), dup3. */
export function kernDup2(lp: Lwp, from: number, to: number, cloexec: boolean): number {
  return lp.proc.fd!.dup2(lp, from, to, cloexec);
}

/**
 * ioctl(2), plain half: `cmd` is native, `data` its argument block. Returns WOULDBLOCK when the process has to be in
 * the terminal's foreground first, or output has to drain.
 */
export function ioctlTry(lp: Lwp, fd: number, cmd: number, data: Uint8Array): number {
  const fp = lp.proc.fd!.get(fd);
  const common = commonIoctl(lp, fd, fp, cmd, data);
  if (common !== null) return common;
  const tty = ttyOf(fp);
  if (tty !== null) {
    if (ioctlNeedsForeground(cmd) && isBackground(lp, tty)) return WOULDBLOCK;
    if (drains(cmd) && !tty.stopped && tty.connected && tty.outq.count > 0) return WOULDBLOCK;
  }
  return finishIoctl(lp, fp, tty, cmd, data);
}

/** ioctl(2), waiting half. */
export function* ioctlSlow(lp: Lwp, fd: number, cmd: number, data: Uint8Array): Generator<void, number, void> {
  const fp = fhold(lp.proc.fd!.get(fd));
  try {
    const tty = ttyOf(fp);
    if (tty !== null) {
      if (ioctlNeedsForeground(cmd)) yield* waitForeground(lp, tty, SIGTTOU);
      while (drains(cmd) && !tty.stopped && tty.connected && tty.outq.count > 0) {
        yield* tsleep(lp, tty.channel(true), PCATCH, FOREVER);
      }
    }
    return finishIoctl(lp, fp, tty, cmd, data);
  } finally {
    fdrop(fp, lp);
  }
}

/** Waits for output to be taken first. */
function drains(cmd: number): boolean {
  return cmd === ioc.TIOCDRAIN || cmd === ioc.TIOCSETAW || cmd === ioc.TIOCSETAF;
}

/** Words that every file knows. */
function commonIoctl(lp: Lwp, fd: number, fp: File, cmd: number, data: Uint8Array): number | null {
  const fdp = lp.proc.fd!;
  const int = (): number => new DataView(data.buffer, data.byteOffset, 4).getInt32(0, true);
  switch (cmd) {
    case ioc.FIOCLEX:
      fdp.cloexec[fd] = 1;
      return 0;
    case ioc.FIONCLEX:
      fdp.cloexec[fd] = 0;
      return 0;
    case ioc.FIONBIO:
      fp.flags = int() !== 0 ? fp.flags | O_NONBLOCK : fp.flags & ~O_NONBLOCK;
      return 0;
    case ioc.FIOASYNC:
      setStatusFlags(lp, fd, fp, int() !== 0 ? fp.flags | O_ASYNC : fp.flags & ~O_ASYNC);
      return 0;
    case ioc.FIOSETOWN:
      setOwner(lp, fp, int());
      return 0;
    case ioc.FIOGETOWN:
      new DataView(data.buffer, data.byteOffset, 4).setInt32(0, getOwner(fp), true);
      return 0;
    default:
      return null;
  }
}

function finishIoctl(lp: Lwp, fp: File, tty: Tty | null, cmd: number, data: Uint8Array): number {
  if (tty !== null) {
    const r = ttyProcessIoctl(lp, tty, false, cmd, data);
    if (r !== null) return r;
  }
  return fp.ioctl(cmd, data, lp);
}
