// SPDX-License-Identifier: BSD-3-Clause
/**
 * Advisory locks: flock(2) and the record locks of fcntl(2) (DragonFly 2.0 sys/kern/kern_descrip.c, kern_lockf.c).
 * The ranges themselves are kept in vfs/lockf.ts.
 */
import { EAGAIN, EBADF, EINVAL, EOVERFLOW } from "../sys/errno.ts";
import {
  F_GETLK,
  F_RDLCK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "../sys/fcntl.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import { LOCK_EOF, Lockf } from "../vfs/lockf.ts";
import type { LockOwner } from "../vfs/lockf.ts";
import type { Vnode } from "../vfs/vnode.ts";
import type { File } from "./file.ts";
import { fdrop, fhold } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, tsleep } from "./sleep.ts";
import { VnodeFile } from "./vnode-file.ts";

/** struct flock, decoded: ABIs lay it out differently. F_GETLK writes its answer back into it. */
export interface FlockRequest {
  type: number;
  whence: number;
  start: number;
  len: number;
  pid: number;
  /** The lock belongs to the open file, not to the process (F_OFD_SETLK). */
  ofd: boolean;
}

function locksOf(vp: Vnode): Lockf {
  return (vp.locks ??= new Lockf());
}

function lockable(lp: Lwp, fd: number): VnodeFile {
  const fp = lp.proc.fd!.get(fd);
  if (!(fp instanceof VnodeFile)) throw EINVAL;
  return fp;
}

/** Takes a whole-file lock for an open file. Throws EAGAIN when it is held elsewhere and `nowait`, else WOULDBLOCK. */
export function flockTry(fp: VnodeFile, exclusive: boolean, nowait: boolean): number {
  const locks = locksOf(fp.vp);
  const blocker = locks.set(locks.whole, fp, exclusive ? F_WRLCK : F_RDLCK, 0, LOCK_EOF, !nowait);
  if (blocker === null) return 0;
  if (nowait) throw EAGAIN;
  return WOULDBLOCK;
}

/** flock(2), plain half. `op` is LOCK_SH, LOCK_EX or LOCK_UN, with LOCK_NB. */
export function flockOpTry(lp: Lwp, fd: number, op: number): number {
  const fp: File = lp.proc.fd!.get(fd);
  if (!(fp instanceof VnodeFile)) throw EINVAL;
  const kind = op & ~LOCK_NB;
  if (kind === LOCK_UN) {
    if (fp.vp.locks !== null) fp.vp.locks.clear(fp.vp.locks.whole, fp, 0, LOCK_EOF);
    return 0;
  }
  if (kind !== LOCK_SH && kind !== LOCK_EX) throw EINVAL;
  return flockTry(fp, kind === LOCK_EX, (op & LOCK_NB) !== 0);
}

/** flock(2), waiting half. */
export function* flockOpSlow(lp: Lwp, fd: number, op: number): Generator<void, number, void> {
  const fp = fhold(lockable(lp, fd));
  try {
    while (flockOpTry(lp, fd, op) === WOULDBLOCK) yield* tsleep(lp, locksOf(fp.vp).chan, PCATCH, FOREVER);
    return 0;
  } finally {
    fp.waitingFor = null;
    fdrop(fp, lp);
  }
}

/** The byte range of a request, [start, end). Throws EINVAL, EOVERFLOW. */
function rangeOf(fp: VnodeFile, lk: FlockRequest): { start: number; end: number } {
  let start = lk.start;
  if (lk.whence === SEEK_CUR) start += fp.offset;
  else if (lk.whence === SEEK_END) start += fp.vp.size();
  else if (lk.whence !== SEEK_SET) throw EINVAL;
  let end = lk.len === 0 ? LOCK_EOF : start + lk.len;
  if (lk.len < 0) [start, end] = [end, start];
  if (start < 0) throw EINVAL;
  if (end > LOCK_EOF) throw EOVERFLOW;
  return { start, end };
}

/** To whom the lock of a request belongs. */
function ownerOf(lp: Lwp, fp: VnodeFile, lk: FlockRequest): LockOwner {
  if (lk.ofd) return fp;
  const table = lp.proc.fd!;
  table.lockPid = lp.proc.pid;
  return table;
}

/** F_GETLK, F_SETLK and the plain half of F_SETLKW. */
export function fcntlLockTry(lp: Lwp, fd: number, cmd: number, lk: FlockRequest): number {
  const fp = lockable(lp, fd);
  const { start, end } = rangeOf(fp, lk);
  const locks = locksOf(fp.vp);
  const owner = ownerOf(lp, fp, lk);
  if (cmd === F_GETLK) {
    if (lk.type !== F_RDLCK && lk.type !== F_WRLCK) throw EINVAL;
    const other = locks.conflict(locks.ranges, owner, lk.type, start, end);
    if (other === null) {
      lk.type = F_UNLCK;
      return 0;
    }
    lk.type = other.type;
    lk.whence = SEEK_SET;
    lk.start = other.start;
    lk.len = other.end === LOCK_EOF ? 0 : other.end - other.start;
    lk.pid = other.owner.lockPid;
    return 0;
  }
  if (lk.type === F_UNLCK) {
    locks.clear(locks.ranges, owner, start, end);
    return 0;
  }
  if (lk.type !== F_RDLCK && lk.type !== F_WRLCK) throw EINVAL;
  if (lk.type === F_RDLCK ? !fp.readable : !fp.writable) throw EBADF;
  const wait = cmd === F_SETLKW;
  // Who waits for an open file's lock is not known, so no circle can be found (Linux fs/locks.c, posix_locks_deadlock).
  const blocker = locks.set(locks.ranges, owner, lk.type, start, end, wait && !lk.ofd);
  if (blocker === null) return 0;
  if (!wait) throw EAGAIN;
  return WOULDBLOCK;
}

/** F_SETLKW, waiting half. */
export function* fcntlLockSlow(lp: Lwp, fd: number, cmd: number, lk: FlockRequest): Generator<void, number, void> {
  const fp = fhold(lockable(lp, fd));
  try {
    while (fcntlLockTry(lp, fd, cmd, lk) === WOULDBLOCK) yield* tsleep(lp, locksOf(fp.vp).chan, PCATCH, FOREVER);
    return 0;
  } finally {
    lp.proc.fd!.waitingFor = null;
    fdrop(fp, lp);
  }
}
