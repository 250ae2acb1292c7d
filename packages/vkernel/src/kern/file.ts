// SPDX-License-Identifier: BSD-3-Clause
/**
 * Open files: what a descriptor refers to (DragonFly 2.0 sys/sys/file.h, struct file and fileops).
 *
 * Invariants
 *   F1  `refs` counts descriptors, messages in flight and system calls that sleep on the file; fdrop() at zero
 *       calls close() exactly once, and nothing uses the file afterwards.
 *   F2  No operation waits. What would wait returns WOULDBLOCK, and channel() names what to wait for.
 *   F3  read and write may throw an Errno or an IoMiss only before they have moved a byte.
 * @module
 */
import { EINVAL, ENOTTY, ESPIPE } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import type { WaitChannel } from "../sys/wait.ts";
import type { LockOwner } from "../vfs/lockf.ts";
import type { Vattr, VattrChange, Vtype } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import type { Lwp } from "./proc.ts";
import type { Sigio } from "./sigio.ts";

/** Kinds of open files, for procfs, fstat and checks of descriptor types. */
export type FileType = "vnode" | "pipe" | "fifo" | "socket" | "epoll" | "eventfd" | "signalfd" | "timerfd" | "kqueue" | "inotify" | "mqueue" | "pidfd";

/** What kevent(2) reports about reading or writing a file. */
export interface Readiness {
  ready: boolean;
  /** Bytes that can be read or written, connections that can be accepted. */
  data: number;
  /** The other side is gone. */
  eof: boolean;
  /** Pending error, native number; 0 without one. */
  error: number;
}

/** How deep files that watch others may watch each other (Linux EP_MAX_NESTS). */
const MAX_NESTS = 5;

/** Whether `watcher` must not watch `fp`, because they would watch each other in a circle, or too deep. */
export function closesCircle(watcher: File, fp: File, depth = 1): boolean {
  const watched = fp.watched();
  if (watched === null) return false;
  if (fp === watcher || depth >= MAX_NESTS) return true;
  return watched.some((other) => closesCircle(watcher, other, depth + 1));
}

/** Who is told of the end of a file. */
export interface FileWatcher {
  fileClosed(): void;
}

export abstract class File {
  abstract readonly type: FileType;
  /** FREAD and FWRITE bits and the O_* status flags (native). */
  flags: number;
  refs = 1;
  /** Who watches the file until it is closed, without holding it; null as a rule. */
  watchers: Set<FileWatcher> | null = null;
  /** Who gets SIGIO and SIGURG; null until somebody asks. */
  sigio: Sigio | null = null;

  constructor(flags: number) {
    this.flags = flags;
  }

  get readable(): boolean {
    return (this.flags & FREAD) !== 0;
  }
  get writable(): boolean {
    return (this.flags & FWRITE) !== 0;
  }

  /** Moves bytes to `uio`, advancing it; returns the count (0 = end of file) or WOULDBLOCK. The mode was checked. */
  abstract read(uio: Uio, lp: Lwp): number;
  /** Moves bytes from `uio`; returns the count or WOULDBLOCK. A short count means that more would block. */
  abstract write(uio: Uio, lp: Lwp): number;

  /** Whether it has positions, so that pread and pwrite make sense; pipes, sockets and terminals have none. */
  get positioned(): boolean {
    return false;
  }
  /** pread/pwrite at a byte offset, leaving the file's own position alone. */
  pread(_uio: Uio, _offset: number, _lp: Lwp): number {
    throw ESPIPE;
  }
  pwrite(_uio: Uio, _offset: number, _lp: Lwp): number {
    throw ESPIPE;
  }
  /** Moves the position (SEEK_*); returns the new one. */
  seek(_offset: number, _whence: number): number {
    throw ESPIPE;
  }

  /** Device control with a native command word; `data` is the argument block, copied in before and out after. */
  ioctl(_cmd: number, _data: Uint8Array, _lp: Lwp): number {
    throw ENOTTY;
  }
  /** Those of `events` that are ready now, and POLLERR, POLLHUP when they apply. */
  poll(events: number): number {
    return events & (POLLIN | POLLOUT | POLLRDNORM);
  }
  /** What kevent reports; files that know how much there is override it. */
  readiness(write: boolean): Readiness {
    const r = this.poll(write ? POLLOUT : POLLIN);
    return { ready: (r & (write ? POLLOUT : POLLIN)) !== 0, data: 0, eof: (r & POLLHUP) !== 0, error: 0 };
  }
  /** The files that this one watches; null for those that watch none, ever. */
  watched(): readonly File[] | null {
    return null;
  }
  /** What to wait at until reading (false) or writing (true) may go on; null when it never blocks. */
  channel(_write: boolean): WaitChannel | null {
    return null;
  }
  /** Attributes for fstat. */
  stat(): Vattr {
    throw EINVAL;
  }
  /** Mode and owners of a pipe or socket, which are on no file system; null for other files. */
  readonly node: PseudoNode | null = null;
  /** What /proc/PID/fd shows for a file without a path, e.g. "pipe:[12]". */
  get name(): string {
    return `anon_inode:[${this.type}]`;
  }
  /** A descriptor of the file was closed: its owner's record locks on the file go (POSIX). */
  dropLocks(_owner: LockOwner): void {}
  /** A reference went away and others are left. */
  dropped(): void {}
  /** The last reference went away. */
  abstract close(lp: Lwp | null): void;
}

export function fhold<T extends File>(fp: T): T {
  fp.refs++;
  return fp;
}

/** Drops a reference. An IoMiss from the last close leaves the reference in place, so that it can be tried again. */
export function fdrop(fp: File, lp: Lwp | null): void {
  if (fp.refs === 1) {
    fp.sigio?.end();
    if (fp.watchers !== null) for (const watcher of [...fp.watchers]) watcher.fileClosed();
    fp.close(lp);
  }
  fp.refs--;
  if (fp.refs > 0) fp.dropped();
}

/** What both ends of a pipe, or a socket, have in the place of a vnode: attributes that fchmod and fchown change. */
export class PseudoNode {
  readonly fileid: number;
  private readonly attributes: Vattr;

  /** `cred`: of who makes it. `timeUs`: now, µs since 1970. */
  constructor(type: Vtype, mode: number, fileid: number, timeUs: number, cred: { readonly uid: number; readonly gid: number }) {
    this.fileid = fileid;
    this.attributes = { ...pseudoVattr(type, mode, fileid, timeUs), uid: cred.uid, gid: cred.gid };
  }
  getattr(): Vattr {
    return { ...this.attributes };
  }
  setattr(change: VattrChange): void {
    Object.assign(this.attributes, change);
  }
}

/** Attributes of a file that is on no file system. `timeUs` is when it was made, µs since 1970. */
export function pseudoVattr(type: Vtype, mode: number, fileid: number, timeUs: number): Vattr {
  const sec = Math.floor(timeUs / 1e6);
  const nsec = Math.floor(timeUs - sec * 1e6) * 1000;
  return {
    type, mode, nlink: 1, uid: 0, gid: 0, fsid: 0, fileid, size: 0, blocksize: 4096, bytes: 0, rdev: 0, flags: 0,
    atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec, ctimeSec: sec, ctimeNsec: nsec,
  };
}
