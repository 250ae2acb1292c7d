// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly calls on descriptors: read, write, seek, control, locks, pipes (DragonFly 2.0 sys/kern/{sys_generic,kern_descrip}.c). */
import { EBADF, EINVAL, ENOTDIR, EOPNOTSUPP } from "../../sys/errno.ts";
import {
  AT_FDCWD,
  F_GETLK,
  F_SETLK,
  F_SETLKW,
  O_APPEND,
  O_CREAT,
  O_FAPPEND,
  O_FBLOCKING,
  O_FNONBLOCKING,
  O_NONBLOCK,
  O_PATH,
  O_TRUNC,
  O_WRONLY,
} from "../../sys/fcntl.ts";
import { IOC_IN, IOC_OUT, iocparmLen } from "../../sys/ioctl.ts";
import { VTTODT } from "../../sys/stat.ts";
import { copyin, copyout } from "../../vm/copyio.ts";
import { Uio } from "../../vm/uio.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { makePipe } from "../../kern/pipe.ts";
import { kernClose, kernLseek, kernPread, kernPwrite, readSlow, readTry, writeSlow, writeTry } from "../../kern/sys-file.ts";
import { ioctlSlow, ioctlTry, kernDup, kernDup2, kernFcntl } from "../../kern/sys-file-ctl.ts";
import { fcntlLockSlow, fcntlLockTry, flockOpSlow, flockOpTry, type FlockRequest } from "../../kern/sys-file-lock.ts";
import { waitDurable } from "../../kern/durable.ts";
import { kernFsync, kernFtruncate } from "../../kern/sys-vfs-attr.ts";
import { openSlow, openTry } from "../../kern/sys-vfs-open.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { fd, hex, int, octal, off64, partial, path, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { direntSize, encodeDirent, getIovec, getPath, getWords, off64At, put64, putBytes, putWords, ret64 } from "./guest-struct.ts";

// ---------------------------------------------------------------------------------------------------------
// Opening

/** Flags that a program may pass; O_PATH is the kernel's own. */
const OPEN_FLAGS = ~O_PATH;

function sysOpen(lp: Lwp, a: Int32Array): number {
  return openTry(lp, AT_FDCWD, getPath(lp, a[0]!), a[1]! & OPEN_FLAGS, a[2]!);
}
function* sysOpenSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* openSlow(lp, AT_FDCWD, getPath(lp, a[0]!), a[1]! & OPEN_FLAGS, a[2]!);
}
function sysOpenat(lp: Lwp, a: Int32Array): number {
  return openTry(lp, a[0]!, getPath(lp, a[1]!), a[2]! & OPEN_FLAGS, a[3]!);
}
function* sysOpenatSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* openSlow(lp, a[0]!, getPath(lp, a[1]!), a[2]! & OPEN_FLAGS, a[3]!);
}
const CREAT_FLAGS = O_WRONLY | O_CREAT | O_TRUNC;
function sysCreat(lp: Lwp, a: Int32Array): number {
  return openTry(lp, AT_FDCWD, getPath(lp, a[0]!), CREAT_FLAGS, a[1]!);
}
function* sysCreatSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* openSlow(lp, AT_FDCWD, getPath(lp, a[0]!), CREAT_FLAGS, a[1]!);
}

// ---------------------------------------------------------------------------------------------------------
// Reading and writing

const buffer = (lp: Lwp, uaddr: number, len: number): Uio => {
  if (len < 0) throw EINVAL;
  return Uio.user(lp.proc.vmspace!, uaddr, len);
};

function sysRead(lp: Lwp, a: Int32Array): number {
  return readTry(lp, a[0]!, buffer(lp, a[1]!, a[2]!));
}
function* sysReadSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* readSlow(lp, a[0]!, buffer(lp, a[1]!, a[2]!));
}
function sysWrite(lp: Lwp, a: Int32Array): number {
  return writeTry(lp, a[0]!, buffer(lp, a[1]!, a[2]!));
}
function* sysWriteSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* writeSlow(lp, a[0]!, buffer(lp, a[1]!, a[2]!));
}
function sysReadv(lp: Lwp, a: Int32Array): number {
  return readTry(lp, a[0]!, getIovec(lp, a[1]!, a[2]!));
}
function* sysReadvSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* readSlow(lp, a[0]!, getIovec(lp, a[1]!, a[2]!));
}
function sysWritev(lp: Lwp, a: Int32Array): number {
  return writeTry(lp, a[0]!, getIovec(lp, a[1]!, a[2]!));
}
function* sysWritevSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* writeSlow(lp, a[0]!, getIovec(lp, a[1]!, a[2]!));
}

/** Flags of the ext* calls: they override the open file's for one call. */
function withFlags<T>(lp: Lwp, d: number, override: number, f: () => T): T {
  const fp = lp.proc.fd!.get(d);
  const saved = fp.flags;
  if ((override & O_FNONBLOCKING) !== 0) fp.flags |= O_NONBLOCK;
  if ((override & O_FBLOCKING) !== 0) fp.flags &= ~O_NONBLOCK;
  if ((override & O_FAPPEND) !== 0) fp.flags |= O_APPEND;
  try {
    return f();
  } finally {
    fp.flags = saved;
  }
}
const EXT_FLAGS = 0x7fc_0000;
type MakeUio = (lp: Lwp, a: Int32Array) => Uio;
const oneBuffer: MakeUio = (lp, a) => buffer(lp, a[1]!, a[2]!);
const iovBuffer: MakeUio = (lp, a) => getIovec(lp, a[1]!, a[2]!);

/** (fd, buf, n, flags, offset): offset -1 is the file's own position. */
const extread = (make: MakeUio) => (lp: Lwp, a: Int32Array): number => {
  const offset = off64At(a[4]!, a[5]!);
  if ((a[3]! & ~EXT_FLAGS) !== 0) throw EINVAL;
  if (offset !== -1) return kernPread(lp, a[0]!, make(lp, a), offset);
  return withFlags(lp, a[0]!, a[3]!, () => readTry(lp, a[0]!, make(lp, a)));
};
const extwrite = (make: MakeUio) => (lp: Lwp, a: Int32Array): number => {
  const offset = off64At(a[4]!, a[5]!);
  if ((a[3]! & ~EXT_FLAGS) !== 0) throw EINVAL;
  if (offset !== -1) return kernPwrite(lp, a[0]!, make(lp, a), offset);
  return withFlags(lp, a[0]!, a[3]!, () => writeTry(lp, a[0]!, make(lp, a)));
};
const extreadSlow = (make: MakeUio) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    return yield* readSlow(lp, a[0]!, make(lp, a));
  };
const extwriteSlow = (make: MakeUio) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    return yield* writeSlow(lp, a[0]!, make(lp, a));
  };

/** lseek(fd, pad, offset, whence): a 64-bit result. */
function sysLseek(lp: Lwp, a: Int32Array): number {
  return ret64(lp, kernLseek(lp, a[0]!, off64At(a[2]!, a[3]!), a[4]!));
}
function sysOlseek(lp: Lwp, a: Int32Array): number {
  return kernLseek(lp, a[0]!, a[1]!, a[2]!) | 0;
}

// ---------------------------------------------------------------------------------------------------------
// Control

/** The argument block that a command word describes; a word without one passes its argument itself. */
function ioctlData(lp: Lwp, cmd: number, arg: number): Uint8Array {
  const len = iocparmLen(cmd);
  const data = new Uint8Array(Math.max(len, 4));
  if (len === 0) new DataView(data.buffer).setInt32(0, arg, true);
  else if ((cmd & IOC_IN) !== 0) copyin(lp.proc.vmspace!, arg, data, 0, len);
  return data;
}
function ioctlResult(lp: Lwp, cmd: number, arg: number, data: Uint8Array): void {
  if ((cmd & IOC_OUT) !== 0) copyout(lp.proc.vmspace!, data, 0, arg, iocparmLen(cmd));
}
function sysIoctl(lp: Lwp, a: Int32Array): number {
  const cmd = a[1]! >>> 0;
  const data = ioctlData(lp, cmd, a[2]!);
  const r = ioctlTry(lp, a[0]!, cmd, data);
  if (r >= 0) ioctlResult(lp, cmd, a[2]!, data);
  return r;
}
function* sysIoctlSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const cmd = a[1]! >>> 0;
  const data = ioctlData(lp, cmd, a[2]!);
  const r = yield* ioctlSlow(lp, a[0]!, cmd, data);
  ioctlResult(lp, cmd, a[2]!, data);
  return r;
}

/** struct flock: start, len (64 bits each), pid, type, whence (16 bits each). */
function getFlock(lp: Lwp, uaddr: number): FlockRequest {
  const w = getWords(lp, uaddr, 6);
  return { start: off64At(w[0]!, w[1]!), len: off64At(w[2]!, w[3]!), pid: w[4]!, type: (w[5]! << 16) >> 16, whence: w[5]! >> 16, ofd: false };
}
function putFlock(lp: Lwp, uaddr: number, lk: FlockRequest): void {
  const b = new Uint8Array(24);
  const dv = new DataView(b.buffer);
  put64(dv, 0, lk.start);
  put64(dv, 8, lk.len);
  dv.setInt32(16, lk.pid, true);
  dv.setInt16(20, lk.type, true);
  dv.setInt16(22, lk.whence, true);
  putBytes(lp, uaddr, b);
}
function isLock(cmd: number): boolean {
  return cmd === F_GETLK || cmd === F_SETLK || cmd === F_SETLKW;
}
function sysFcntl(lp: Lwp, a: Int32Array): number {
  if (!isLock(a[1]!)) return kernFcntl(lp, a[0]!, a[1]!, a[2]!);
  const lk = getFlock(lp, a[2]!);
  const r = fcntlLockTry(lp, a[0]!, a[1]!, lk);
  if (a[1] === F_GETLK) putFlock(lp, a[2]!, lk);
  return r;
}
function* sysFcntlSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* fcntlLockSlow(lp, a[0]!, a[1]!, getFlock(lp, a[2]!));
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_UN = 8;
/** Files that are not on a file system cannot be locked; an operation that is none is EBADF. */
function sysFlock(lp: Lwp, a: Int32Array): number {
  const fp = lp.proc.fd!.get(a[0]!);
  if (!(fp instanceof VnodeFile)) throw EOPNOTSUPP;
  if ((a[1]! & (LOCK_SH | LOCK_EX | LOCK_UN)) === 0) throw EBADF;
  return flockOpTry(lp, a[0]!, a[1]!);
}

/** Both ends carry data both ways. */
function sysPipe(lp: Lwp): number {
  const fdp = lp.proc.fd!;
  fdp.reserve(lp, 2);
  const [r, w] = makePipe(lp, 0, true);
  const from = fdp.install(lp, r, false);
  lp.rv1 = fdp.install(lp, w, false);
  return from;
}

function sysClosefrom(lp: Lwp, a: Int32Array): number {
  const fdp = lp.proc.fd!;
  if (a[0]! < 0) throw EINVAL;
  for (let d = a[0]!; d < fdp.files.length; d++) if (fdp.files[d] !== null) fdp.close(d, lp);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Directories

const DIRENT_MIN = direntSize(1);
/** Most bytes that one call returns. */
const DIRBUF_MAX = 65536;

/** Entries never straddle two reads; *basep is the low word of the position before. */
function getdents(lp: Lwp, d: number, uaddr: number, count: number, basep: number): number {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof VnodeFile)) throw ENOTDIR;
  if (count < DIRENT_MIN) throw EINVAL;
  const b = new Uint8Array(Math.min(count, DIRBUF_MAX));
  let at = 0;
  let full = false;
  const next = fp.readdir((name, fileid, type) => {
    if (at + direntSize(name.length) > b.length) {
      full = true;
      return false;
    }
    at += encodeDirent(b, at, name, fileid, VTTODT[type]!);
    return true;
  });
  if (at === 0 && full) throw EINVAL;
  copyout(lp.proc.vmspace!, b, 0, uaddr, at);
  if (basep !== 0) putWords(lp, basep, fp.offset | 0);
  fp.offset = next;
  return at;
}

/**
 * Directory entries of 1.0 to 1.2: 32-bit inode numbers, a record length, at most 16 KB a call. 4.3BSD's have no type
 * but a 16-bit length of the name.
 */
function getdents12(lp: Lwp, d: number, uaddr: number, count: number, basep: number, typed = true): number {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof VnodeFile)) throw ENOTDIR;
  const b = new Uint8Array(Math.min(count, 16384));
  const dv = new DataView(b.buffer);
  let at = 0;
  const next = fp.readdir((name, fileid, type) => {
    const len = (8 + name.length + 1 + 3) & ~3;
    if (at + len > b.length) return false;
    dv.setUint32(at, fileid % 4294967296, true);
    dv.setUint16(at + 4, len, true);
    b[at + 6] = typed ? VTTODT[type]! : name.length;
    b[at + 7] = typed ? name.length : 0;
    for (let i = 0; i < name.length; i++) b[at + 8 + i] = name.charCodeAt(i);
    at += len;
    return true;
  });
  copyout(lp.proc.vmspace!, b, 0, uaddr, at);
  if (basep !== 0) putWords(lp, basep, fp.offset | 0);
  fp.offset = next;
  return at;
}

function sysFtruncate(lp: Lwp, a: Int32Array): number {
  return kernFtruncate(lp, a[0]!, off64At(a[2]!, a[3]!));
}

const EXT_NOTE = "O_F* overrides hold for the attempt; a call that has to wait waits as the file says";

export const FILE_ROWS: readonly Sysent[] = [
  sleeps(3, "read", [fd, uptr, size], sysRead, sysReadSlow),
  sleeps(4, "write", [fd, uptr, size], sysWrite, sysWriteSlow),
  sleeps(5, "open", [path, hex, octal], sysOpen, sysOpenSlow),
  plain(6, "close", [fd], (lp, a) => kernClose(lp, a[0]!)),
  sleeps(8, "creat", [path, octal], sysCreat, sysCreatSlow),
  plain(19, "olseek", [fd, int, int], sysOlseek),
  plain(41, "dup", [fd], (lp, a) => kernDup(lp, a[0]!)),
  plain(42, "pipe", [], sysPipe),
  sleeps(54, "ioctl", [fd, hex, uptr], sysIoctl, sysIoctlSlow),
  plain(90, "dup2", [fd, fd], (lp, a) => kernDup2(lp, a[0]!, a[1]!, false)),
  sleeps(92, "fcntl", [fd, int, hex], sysFcntl, sysFcntlSlow),
  sleeps(95, "fsync", [fd], (lp, a) => kernFsync(lp, a[0]!), waitDurable),
  sleeps(120, "readv", [fd, uptr, uint], sysReadv, sysReadvSlow),
  sleeps(121, "writev", [fd, uptr, uint], sysWritev, sysWritevSlow),
  plain(130, "oftruncate", [fd, int], (lp, a) => kernFtruncate(lp, a[0]!, a[1]!)),
  sleeps(131, "flock", [fd, int], sysFlock, (lp, a) => flockOpSlow(lp, a[0]!, a[1]!)),
  plain(156, "ogetdirentries", [fd, uptr, uint, uptr], (lp, a) => getdents12(lp, a[0]!, a[1]!, a[2]! >>> 0, a[3]!, false)),
  partial(sleeps(173, "extpread", [fd, uptr, size, hex, off64], extread(oneBuffer), extreadSlow(oneBuffer)), EXT_NOTE),
  partial(sleeps(174, "extpwrite", [fd, uptr, size, hex, off64], extwrite(oneBuffer), extwriteSlow(oneBuffer)), EXT_NOTE),
  plain(196, "dfbsd12_getdirentries", [fd, uptr, uint, uptr], (lp, a) => getdents12(lp, a[0]!, a[1]!, a[2]! >>> 0, a[3]!)),
  plain(199, "lseek", [fd, int, off64, int], sysLseek),
  plain(201, "ftruncate", [fd, int, off64], sysFtruncate),
  plain(272, "dfbsd12_getdents", [fd, uptr, size], (lp, a) => getdents12(lp, a[0]!, a[1]!, a[2]! >>> 0, 0)),
  partial(sleeps(289, "extpreadv", [fd, uptr, uint, hex, off64], extread(iovBuffer), extreadSlow(iovBuffer)), EXT_NOTE),
  partial(sleeps(290, "extpwritev", [fd, uptr, uint, hex, off64], extwrite(iovBuffer), extwriteSlow(iovBuffer)), EXT_NOTE),
  plain(474, "closefrom", [fd], sysClosefrom),
  plain(479, "getdirentries", [fd, uptr, uint, uptr], (lp, a) => getdents(lp, a[0]!, a[1]!, a[2]! >>> 0, a[3]!)),
  plain(480, "getdents", [fd, uptr, size], (lp, a) => getdents(lp, a[0]!, a[1]!, a[2]! >>> 0, 0)),
  sleeps(504, "openat", [fd, path, hex, octal], sysOpenat, sysOpenatSlow),
];
