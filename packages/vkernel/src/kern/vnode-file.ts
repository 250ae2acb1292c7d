// SPDX-License-Identifier: BSD-3-Clause
/**
 * Open files that are vnodes: regular files, directories and devices (DragonFly 2.0 sys/kern/vfs_vnops.c).
 *
 * Invariants
 *   VF1  The file holds its name (nch), which holds the vnode; `offset` is where the next read or write goes.
 *   VF2  A regular file open for writing counts in vp.writeCount, so that nobody executes it meanwhile.
 *   VF3  For a device `dev` is what its open() returned, until it is revoked; every operation but stat goes there.
 *   VF4  Bytes that were moved before an error or a miss are reported. The error comes with the next call; of a miss tells
 *        uio.waits, so that nobody takes the count for the end of the file (SF5).
 * @module
 */
import { CAP_FSETID, capable } from "../sys/capability.ts";
import { EFAULT, EFBIG, EINVAL, EISDIR, ENOTDIR, ENOTTY, ENXIO, EOVERFLOW, ESPIPE } from "../sys/errno.ts";
import { NOTE_CLOSE, NOTE_CLOSE_WRITE, NOTE_EXTEND, NOTE_READ, NOTE_WRITE } from "../sys/event.ts";
import { FWRITE, O_APPEND, O_NONBLOCK, O_PATH, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from "../sys/fcntl.ts";
import { FIONREAD } from "../sys/ioctl.ts";
import { POLLHUP, POLLIN, POLLOUT } from "../sys/poll.ts";
import { SIGXFSZ } from "../sys/signal.ts";
import { S_ISGID, S_ISUID, S_IXGRP } from "../sys/stat.ts";
import type { WaitChannel } from "../sys/wait.ts";
import { IoMiss, WOULDBLOCK } from "../sys/wait.ts";
import type { Cdev } from "../dev/cdev.ts";
import type { LockOwner } from "../vfs/lockf.ts";
import { LOCK_EOF } from "../vfs/lockf.ts";
import type { Nchandle } from "../vfs/namecache.ts";
import { cacheDrop, cacheHold } from "../vfs/namecache.ts";
import { vnodeNote } from "../vfs/notify.ts";
import type { ReaddirSink, Vattr, Vnode } from "../vfs/vnode.ts";
import { VDIR, VREG } from "../vfs/vnode.ts";
import type { DirectIo } from "../vm/object-io.ts";
import { objectRead, objectWrite } from "../vm/object-io.ts";
import type { Uio } from "../vm/uio.ts";
import { File, type Readiness } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { RLIMIT_FSIZE } from "./resource.ts";
import { lwpsignal } from "./sig.ts";

/** Largest file offset: what fits into the numbers that sizes are kept in. */
export const OFF_MAX = Number.MAX_SAFE_INTEGER;
/** Terminals and other streams are read and written through a buffer of at most this size at a time. */
const STREAM_PIECE = 4096;

export class VnodeFile extends File implements LockOwner {
  readonly type = "vnode";
  readonly nch: Nchandle;
  readonly vp: Vnode;
  dev: Cdev | null;
  offset = 0;
  /** Locks of flock and F_OFD_SETLK are owned by the open file, and by no process. */
  readonly lockPid = -1;
  waitingFor: LockOwner | null = null;
  private readonly readDirect: DirectIo;
  private readonly writeDirect: DirectIo;

  /** Holds `nch`. For a device, `dev` is already open. */
  constructor(flags: number, nch: Nchandle, dev: Cdev | null) {
    super(flags);
    this.nch = cacheHold(nch);
    const vp = (this.vp = nch.vp!);
    this.dev = dev;
    if ((flags & FWRITE) !== 0 && vp.type === VREG) vp.writeCount++;
    this.readDirect = (offset, buf, off, len) => vp.read(offset, buf, off, len);
    this.writeDirect = (offset, buf, off, len) => vp.write(offset, buf, off, len);
  }

  private get isStream(): boolean {
    return this.dev !== null && !this.dev.seekable;
  }

  override get positioned(): boolean {
    return !this.isStream;
  }

  override read(uio: Uio, _lp: Lwp): number {
    return this.readWaited(uio, (this.flags & O_NONBLOCK) !== 0 ? -1 : 0);
  }

  /** read() for a caller that has waited `waited` ns in this call already; -1: that never waits. */
  readWaited(uio: Uio, waited: number): number {
    const dev = this.dev;
    if (dev !== null && !dev.seekable) return this.readStream(dev, uio, waited);
    const n = dev !== null ? this.readSeekable(dev, uio, this.offset) : this.readFile(uio, this.offset);
    this.offset += n;
    return n;
  }

  private readFile(uio: Uio, offset: number): number {
    if (this.vp.type === VDIR) throw EISDIR;
    const total = uio.resid;
    let moved: number;
    uio.waits = false;
    try {
      moved = objectRead(this.vp.object, offset, uio, total, this.readDirect);
    } catch (e) {
      moved = total - uio.resid;
      uio.waits = e instanceof IoMiss;
      // At the end of the file nothing is moved, so that the place for it does not matter.
      if (moved === 0 && !(e === EFAULT && this.vp.read(offset, new Uint8Array(1), 0, 1) === 0)) throw e;
    }
    if (moved > 0) vnodeNote(this.vp, NOTE_READ);
    return moved;
  }

  private readSeekable(dev: Cdev, uio: Uio, offset: number): number {
    const total = uio.resid;
    uio.waits = false;
    try {
      return objectRead(null, offset, uio, Math.min(total, dev.readMost), (at, buf, off, len) => dev.read(at, buf, off, len, -1));
    } catch (e) {
      uio.waits = e instanceof IoMiss;
      if (uio.resid === total) throw e;
      return total - uio.resid;
    }
  }

  /** One read of the device makes one read of the caller: a terminal gives a line at a time. */
  private readStream(dev: Cdev, uio: Uio, waited: number): number {
    const want = uio.resid;
    if (want === 0) return 0;
    uio.prefault(true);
    const buf = new Uint8Array(Math.min(want, dev.tty === null ? 65536 : STREAM_PIECE));
    const n = dev.read(0, buf, 0, buf.length, waited);
    if (n > 0) uio.put(buf, 0, n);
    return n;
  }

  override write(uio: Uio, lp: Lwp): number {
    const dev = this.dev;
    if (dev !== null && !dev.seekable) return this.writeStream(dev, uio);
    if (dev !== null) {
      const n = this.writeSeekable(dev, uio, this.offset);
      this.offset += n;
      return n;
    }
    const at = (this.flags & O_APPEND) !== 0 ? this.vp.size() : this.offset;
    const n = this.writeFile(uio, at, lp);
    this.offset = at + n;
    return n;
  }

  private writeFile(uio: Uio, offset: number, lp: Lwp): number {
    const vp = this.vp;
    if (vp.type === VDIR) throw EISDIR;
    let want = uio.resid;
    if (want === 0) return 0;
    const limit = lp.proc.limits.cur[RLIMIT_FSIZE]!;
    if (offset + want > limit) {
      if (offset >= limit) {
        lwpsignal(lp, SIGXFSZ);
        throw EFBIG;
      }
      want = limit - offset;
    }
    if (offset + want > OFF_MAX) throw EFBIG;
    const total = uio.resid;
    const extends_ = vp.klist !== null && offset + want > vp.size();
    let moved: number;
    uio.waits = false;
    try {
      moved = objectWrite(vp.object, offset, uio, want, this.writeDirect);
    } catch (e) {
      moved = total - uio.resid;
      uio.waits = e instanceof IoMiss;
      if (moved === 0) throw e;
    }
    if (moved > 0 && !capable(lp.proc.cred, CAP_FSETID)) clearSetId(vp);
    if (moved > 0) vnodeNote(vp, extends_ ? NOTE_WRITE | NOTE_EXTEND : NOTE_WRITE);
    return moved;
  }

  private writeSeekable(dev: Cdev, uio: Uio, offset: number): number {
    const total = uio.resid;
    uio.waits = false;
    try {
      return objectWrite(null, offset, uio, total, (at, buf, off, len) => dev.write(at, buf, off, len));
    } catch (e) {
      uio.waits = e instanceof IoMiss;
      if (uio.resid === total) throw e;
      return total - uio.resid;
    }
  }

  private writeStream(dev: Cdev, uio: Uio): number {
    let moved = 0;
    for (;;) {
      let n: number;
      let room: number;
      try {
        room = uio.window(false);
        if (room === 0) break;
        n = dev.write(0, uio.u8, uio.off, room);
      } catch (e) {
        if (moved === 0) throw e;
        break;
      }
      if (n === WOULDBLOCK) {
        if (moved === 0) return WOULDBLOCK;
        break;
      }
      uio.advance(n);
      moved += n;
      if (n < room) break;
    }
    return moved;
  }

  override pread(uio: Uio, offset: number, _lp: Lwp): number {
    if (offset < 0) throw EINVAL;
    if (this.isStream) throw ESPIPE;
    return this.dev !== null ? this.readSeekable(this.dev, uio, offset) : this.readFile(uio, offset);
  }
  override pwrite(uio: Uio, offset: number, lp: Lwp): number {
    if (offset < 0) throw EINVAL;
    if (this.isStream) throw ESPIPE;
    if (this.dev !== null) return this.writeSeekable(this.dev, uio, offset);
    return this.writeFile(uio, offset, lp);
  }

  override seek(offset: number, whence: number): number {
    if (this.dev !== null && this.isStream) return this.dev.seek(offset, whence);
    let at: number;
    if (whence === SEEK_SET) at = offset;
    else if (whence === SEEK_CUR) at = this.offset + offset;
    else if (whence === SEEK_DATA || whence === SEEK_HOLE) {
      // No file system here tells holes from zeros: all is data, and the one hole is at the end.
      const size = this.dev !== null ? this.dev.size : this.vp.size();
      if (offset < 0 || offset >= size) throw ENXIO;
      at = whence === SEEK_DATA ? offset : size;
    } else if (whence === SEEK_END) at = (this.dev !== null ? this.dev.size : this.vp.size()) + offset;
    else throw EINVAL;
    if (at < 0) throw EINVAL;
    if (at > OFF_MAX) throw EOVERFLOW;
    this.offset = at;
    return at;
  }

  /** revoke(2): the file has this device from now on, and the one it had is closed. */
  replaceDevice(dev: Cdev): void {
    this.dev!.close(this.flags);
    this.dev = dev;
  }

  /**
   * Lists the directory from the file's position. Returns the position behind the last entry that `sink` took; the
   * caller moves the file there once the entries have reached the process.
   */
  readdir(sink: ReaddirSink): number {
    if (this.vp.type !== VDIR) throw ENOTDIR;
    let next = this.offset;
    this.vp.readdir(next, (name, fileid, type, cookie) => {
      if (!sink(name, fileid, type, cookie)) return false;
      next = cookie;
      return true;
    });
    if (next !== this.offset) vnodeNote(this.vp, NOTE_READ);
    return next;
  }

  override ioctl(cmd: number, data: Uint8Array, _lp: Lwp): number {
    if (this.dev !== null) return this.dev.ioctl(cmd, data);
    if (cmd === FIONREAD && this.vp.type === VREG) {
      const left = Math.max(0, Math.min(0x7fffffff, this.vp.size() - this.offset));
      new DataView(data.buffer, data.byteOffset, 4).setInt32(0, left, true);
      return 0;
    }
    if (this.vp.type !== VREG && this.vp.type !== VDIR) throw ENOTTY;
    return this.vp.ioctl(cmd, data);
  }

  override poll(events: number): number {
    return this.dev !== null ? this.dev.poll(events) : super.poll(events);
  }
  override readiness(write: boolean): Readiness {
    if (this.dev !== null) return this.deviceReadiness(this.dev, write);
    if (write) return { ready: true, data: 0, eof: false, error: 0 };
    const data = Math.max(-0x8000_0000, Math.min(0x7fff_ffff, this.vp.size() - this.offset));
    return { ready: data !== 0, data, eof: false, error: 0 };
  }
  private deviceReadiness(dev: Cdev, write: boolean): Readiness {
    const r = dev.poll(write ? POLLOUT : POLLIN);
    const { tty } = dev;
    const data = tty === null ? 0 : write ? tty.outq.room : tty.readable();
    return { ready: (r & (write ? POLLOUT : POLLIN)) !== 0, data, eof: (r & POLLHUP) !== 0, error: 0 };
  }
  override channel(write: boolean): WaitChannel | null {
    return this.dev !== null ? this.dev.channel(write) : null;
  }
  override stat(): Vattr {
    return this.vp.getattr();
  }

  override dropLocks(owner: LockOwner): void {
    const { locks } = this.vp;
    if (locks !== null && locks.ranges.length > 0) locks.clear(locks.ranges, owner, 0, LOCK_EOF);
  }

  override close(_lp: Lwp | null): void {
    const { vp } = this;
    if (vp.locks !== null) {
      vp.locks.clear(vp.locks.whole, this, 0, LOCK_EOF);
      vp.locks.clear(vp.locks.ranges, this, 0, LOCK_EOF);
    }
    if (this.dev !== null) this.dev.close(this.flags);
    if ((this.flags & FWRITE) !== 0 && vp.type === VREG) vp.writeCount--;
    if ((this.flags & O_PATH) === 0) vnodeNote(vp, (this.flags & FWRITE) !== 0 ? NOTE_CLOSE_WRITE : NOTE_CLOSE);
    cacheDrop(this.nch);
  }
}

/** Someone other than the superuser wrote to a set-id file: the bits go. */
export function clearSetId(vp: Vnode): void {
  const { mode } = vp.getattr();
  const drop = (mode & S_ISUID) | ((mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) ? S_ISGID : 0);
  if (drop !== 0) vp.setattr({ mode: mode & ~drop });
}

/** The open directory of a descriptor, for fchdir and the *at calls. Throws EBADF, ENOTDIR. */
export function directoryOf(lp: Lwp, fd: number): Nchandle {
  const fp = lp.proc.fd!.getAny(fd);
  if (!(fp instanceof VnodeFile) || fp.vp.type !== VDIR) throw ENOTDIR;
  return fp.nch;
}

/** Sets a file's size, in the file system and in the pages of its mappings. Throws as setattr does. */
export function truncateVnode(vp: Vnode, size: number): void {
  const grows = size > vp.size();
  vp.setattr({ size });
  vp.object?.truncate(size);
  vnodeNote(vp, grows ? NOTE_WRITE | NOTE_EXTEND : NOTE_WRITE);
}
