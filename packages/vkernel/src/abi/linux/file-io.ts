// SPDX-License-Identifier: BSD-3-Clause
/** Reading, writing, positioning and closing for Linux programs (Linux fs/read_write.c, fs/open.c, fs/readdir.c). */
import { E2BIG, EAGAIN, EBADF, EINVAL, EISDIR, ENOENT, ENOTDIR, EOPNOTSUPP, EOVERFLOW, ESPIPE } from "../../sys/errno.ts";
import { AT_FDCWD, FREAD, O_APPEND, O_NONBLOCK, SEEK_CUR, SEEK_END, SEEK_SET } from "../../sys/fcntl.ts";
import { FULL_RDEV, NULL_RDEV, RANDOM_RDEV, URANDOM_RDEV, ZERO_RDEV } from "../../dev/mem.ts";
import { VTTODT } from "../../sys/stat.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { fdrop, fhold, type File } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER, PCATCH, tsleep } from "../../kern/sleep.ts";
import { waitDurable } from "../../kern/durable.ts";
import {
  finishTransfer,
  isUnfinished,
  kernClose,
  kernLseek,
  kernPread,
  kernPwrite,
  readableFile,
  readSlow,
  readTry,
  writableFile,
  writeSlow,
  writeTry,
} from "../../kern/sys-file.ts";
import { kernMemfd } from "../../kern/sys-memfd.ts";
import { kernFallocate, kernFsync, kernFtruncate } from "../../kern/sys-vfs-attr.ts";
import { openSlow, openTry } from "../../kern/sys-vfs-open.ts";
import { fd, hex, int, octal, off64, partial, path, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { NLC_BENEATH, NLC_INROOT, NLC_NOLINKS, NLC_NOMAGIC, NLC_NOXDEV } from "../../vfs/nlookup.ts";
import { VBLK, VCHR, VDIR, VLNK, type Vnode, VREG } from "../../vfs/vnode.ts";
import { PAGE_SIZE } from "../../sys/mman.ts";
import { copyin, copyinWords, copyout, copyoutWords } from "../../vm/copyio.ts";
import { Uio } from "../../vm/uio.ts";
import { checkOpenHow, dirFd, nativeOpenFlags, off64Arg, pathArg, requireFd, textArg } from "./file-flags.ts";
import { ino32 } from "./file-stat.ts";

/** Longest transfer of one call (Linux MAX_RW_COUNT). */
const MAX_RW_COUNT = 0x7fff_f000;
const IOV_MAX = 1024;

function userUio(lp: Lwp, uaddr: number, len: number): Uio {
  return Uio.user(lp.proc.vmspace!, uaddr, Math.min(len >>> 0, MAX_RW_COUNT));
}

/** struct iovec[count]. Throws EINVAL for too many, or lengths that do not add up to a count. */
export function iovUio(lp: Lwp, uaddr: number, count: number): Uio {
  const { bases, lens } = iovecs(lp, uaddr, count);
  return Uio.iov(lp.proc.vmspace!, bases, lens);
}
/** The pieces of memory that they name. */
export function iovecs(lp: Lwp, uaddr: number, count: number): { readonly bases: readonly number[]; readonly lens: readonly number[] } {
  if (count < 0 || count > IOV_MAX) throw EINVAL;
  const words = new Int32Array(count * 2);
  copyinWords(lp.proc.vmspace!, uaddr, words, words.length);
  const bases: number[] = [];
  const lens: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const len = words[2 * i + 1]! >>> 0;
    if (len > 0x7fffffff) throw EINVAL;
    const kept = Math.min(len, MAX_RW_COUNT - total);
    total += kept;
    bases.push(words[2 * i]!);
    lens.push(kept);
  }
  return { bases, lens };
}

const sysRead = (lp: Lwp, a: Int32Array): number => readTry(lp, a[0]!, userUio(lp, a[1]!, a[2]!));
const sysReadSlow = (lp: Lwp, a: Int32Array): KernelFrame => readSlow(lp, a[0]!, userUio(lp, a[1]!, a[2]!));
const sysWrite = (lp: Lwp, a: Int32Array): number => writeTry(lp, a[0]!, userUio(lp, a[1]!, a[2]!));
const sysWriteSlow = (lp: Lwp, a: Int32Array): KernelFrame => writeSlow(lp, a[0]!, userUio(lp, a[1]!, a[2]!));
/** No bytes are there at once, whatever the file is. */
function readNothing(lp: Lwp, d: number): number {
  if ((lp.proc.fd!.get(d).flags & FREAD) === 0) throw EBADF;
  return 0;
}
function sysReadv(lp: Lwp, a: Int32Array): number {
  requireFd(lp, a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  return uio.resid === 0 ? readNothing(lp, a[0]!) : readTry(lp, a[0]!, uio);
}
const sysReadvSlow = (lp: Lwp, a: Int32Array): KernelFrame =>
  isUnfinished(lp) ? finishTransfer(lp) : readSlow(lp, a[0]!, iovUio(lp, a[1]!, a[2]!));
function sysWritev(lp: Lwp, a: Int32Array): number {
  requireFd(lp, a[0]!);
  return writeTry(lp, a[0]!, iovUio(lp, a[1]!, a[2]!));
}
const sysWritevSlow = (lp: Lwp, a: Int32Array): KernelFrame =>
  isUnfinished(lp) ? finishTransfer(lp) : writeSlow(lp, a[0]!, iovUio(lp, a[1]!, a[2]!));

/** The offset of a positioned call. Throws EINVAL, EBADF, ESPIPE: before it matters which way the descriptor is open. */
function position(lp: Lwp, a: Int32Array): number {
  const offset = off64Arg(a[3]!, a[4]!);
  if (offset < 0) throw EINVAL;
  if (!lp.proc.fd!.get(a[0]!).positioned) throw ESPIPE;
  return offset;
}
const sysPread = (lp: Lwp, a: Int32Array): number => {
  const offset = position(lp, a);
  return kernPread(lp, a[0]!, userUio(lp, a[1]!, a[2]!), offset);
};
/** As position(), to write at: Linux's pwrite appends to a file that is open for appending (pwrite(2), BUGS). */
function writePosition(lp: Lwp, a: Int32Array): number {
  const offset = position(lp, a);
  const fp = lp.proc.fd!.get(a[0]!);
  return fp instanceof VnodeFile && (fp.flags & O_APPEND) !== 0 ? fp.vp.size() : offset;
}
const sysPwrite = (lp: Lwp, a: Int32Array): number => {
  const offset = writePosition(lp, a);
  return kernPwrite(lp, a[0]!, userUio(lp, a[1]!, a[2]!), offset);
};

// preadv2 and pwritev2 have flags besides, and the file's own position at offset −1
const RWF_HIPRI = 0x1;
const RWF_DSYNC = 0x2;
const RWF_SYNC = 0x4;

/** Throws EOPNOTSUPP for flags that it does not know, NOWAIT and APPEND among them. */
function checkRwFlags(flags: number): void {
  if ((flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC)) !== 0) throw EOPNOTSUPP;
}
function preadv(lp: Lwp, a: Int32Array, flags: number): number {
  const offset = position(lp, a);
  readableFile(lp, a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  if (uio.resid === 0) return 0;
  checkRwFlags(flags);
  return kernPread(lp, a[0]!, uio, offset);
}
function pwritev(lp: Lwp, a: Int32Array, flags: number): number {
  const offset = writePosition(lp, a);
  writableFile(lp, a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  if (uio.resid === 0) return 0;
  checkRwFlags(flags);
  return kernPwrite(lp, a[0]!, uio, offset, (flags & (RWF_DSYNC | RWF_SYNC)) !== 0);
}
const sysPreadv = (lp: Lwp, a: Int32Array): number => preadv(lp, a, 0);
const sysPwritev = (lp: Lwp, a: Int32Array): number => pwritev(lp, a, 0);

const sysOpen = (lp: Lwp, a: Int32Array): number =>
  openTry(lp, AT_FDCWD, pathArg(lp, a[0]!), nativeOpenFlags(a[1]!), a[2]!);
const sysOpenSlow = (lp: Lwp, a: Int32Array): KernelFrame =>
  openSlow(lp, AT_FDCWD, pathArg(lp, a[0]!), nativeOpenFlags(a[1]!), a[2]!);
const sysOpenat = (lp: Lwp, a: Int32Array): number =>
  openTry(lp, dirFd(a[0]!), pathArg(lp, a[1]!), nativeOpenFlags(a[2]!), a[3]!);
const sysOpenatSlow = (lp: Lwp, a: Int32Array): KernelFrame =>
  openSlow(lp, dirFd(a[0]!), pathArg(lp, a[1]!), nativeOpenFlags(a[2]!), a[3]!);
/** O_CREAT | O_WRONLY | O_TRUNC */
const CREAT_FLAGS = 0o1101;
const sysCreat = (lp: Lwp, a: Int32Array): number =>
  openTry(lp, AT_FDCWD, pathArg(lp, a[0]!), nativeOpenFlags(CREAT_FLAGS), a[1]!);
const sysCreatSlow = (lp: Lwp, a: Int32Array): KernelFrame =>
  openSlow(lp, AT_FDCWD, pathArg(lp, a[0]!), nativeOpenFlags(CREAT_FLAGS), a[1]!);

/** Bits of open_how.resolve that restrict the walk, RESOLVE_NO_XDEV first (Linux include/uapi/linux/openat2.h). */
const RESOLVE = [NLC_NOXDEV, NLC_NOMAGIC, NLC_NOLINKS | NLC_NOMAGIC, NLC_BENEATH, NLC_INROOT];
/** Fail where the walk would have to look at the disk. */
const RESOLVE_CACHED = 0x20;

const OPEN_HOW_BYTES = 24;
/**
 * struct open_how: flags, mode, resolve, 64 bits each. Throws EINVAL for bits that are not known, E2BIG for fields that are not,
 * EAGAIN for RESOLVE_CACHED.
 */
function openHow(lp: Lwp, uaddr: number, len: number): { flags: number; mode: number; resolve: number } {
  const bytes = len >>> 0;
  if (bytes < OPEN_HOW_BYTES) throw EINVAL;
  if (bytes > PAGE_SIZE) throw E2BIG;
  const given = new Uint8Array(bytes);
  copyin(lp.proc.vmspace!, uaddr, given, 0, bytes);
  // A longer structure is of a later kernel: what it would ask for besides must be nothing.
  if (given.subarray(OPEN_HOW_BYTES).some((b) => b !== 0)) throw E2BIG;
  const w = new Int32Array(given.buffer, 0, OPEN_HOW_BYTES / 4);
  const [flags, flagsHigh, mode, modeHigh, asked, askedHigh] = w as unknown as [number, number, number, number, number, number];
  if (flagsHigh !== 0 || modeHigh !== 0 || askedHigh !== 0 || (asked & ~0x3f) !== 0) throw EINVAL;
  let resolve = 0;
  RESOLVE.forEach((nlc, bit) => {
    if ((asked & (1 << bit)) !== 0) resolve |= nlc;
  });
  if ((resolve & NLC_BENEATH) !== 0 && (resolve & NLC_INROOT) !== 0) throw EINVAL;
  checkOpenHow(flags, mode);
  if ((asked & RESOLVE_CACHED) !== 0) throw EAGAIN;
  return { flags, mode, resolve };
}
function sysOpenat2(lp: Lwp, a: Int32Array): number {
  const how = openHow(lp, a[2]!, a[3]!);
  return openTry(lp, dirFd(a[0]!), pathArg(lp, a[1]!), nativeOpenFlags(how.flags), how.mode, how.resolve);
}
function sysOpenat2Slow(lp: Lwp, a: Int32Array): KernelFrame {
  const how = openHow(lp, a[2]!, a[3]!);
  return openSlow(lp, dirFd(a[0]!), pathArg(lp, a[1]!), nativeOpenFlags(how.flags), how.mode, how.resolve);
}

const ENDLESS: ReadonlySet<number> = new Set([NULL_RDEV, ZERO_RDEV, FULL_RDEV, RANDOM_RDEV, URANDOM_RDEV]);
/** As kernLseek; a position beyond what files can have is EINVAL in Linux. */
function seek(lp: Lwp, d: number, offset: number, whence: number): number {
  const fp = lp.proc.fd!.get(d);
  // These have one position.
  if (fp instanceof VnodeFile && fp.dev !== null && ENDLESS.has(fp.dev.rdev) && whence >= SEEK_SET && whence <= SEEK_END) return 0;
  try {
    return kernLseek(lp, d, offset, whence);
  } catch (e) {
    throw e === EOVERFLOW ? EINVAL : e;
  }
}
/** The position moves also when the result has no room in 32 bits. */
function sysLseek(lp: Lwp, a: Int32Array): number {
  const at = seek(lp, a[0]!, a[1]!, a[2]!);
  if (at > 0x7fff_ffff) throw EOVERFLOW;
  return at;
}
/** _llseek(fd, high, low, result, whence) */
function sysLlseek(lp: Lwp, a: Int32Array): number {
  const at = seek(lp, a[0]!, off64Arg(a[2]!, a[1]!), a[4]!);
  copyoutWords(lp.proc.vmspace!, Int32Array.of(at | 0, Math.floor(at / 4294967296)), a[3]!, 2);
  return 0;
}

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;
/**
 * close_range(first, last, flags): CLOSE_RANGE_CLOEXEC marks instead of closing. CLOSE_RANGE_UNSHARE changes nothing where
 * descriptors are one process's alone; threads cannot part with what they share.
 */
function sysCloseRange(lp: Lwp, a: Int32Array): number {
  const first = a[0]! >>> 0;
  const last = a[1]! >>> 0;
  if (first > last || (a[2]! & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) !== 0) throw EINVAL;
  if ((a[2]! & CLOSE_RANGE_UNSHARE) !== 0 && lp.proc.lwps.size > 1) throw EINVAL;
  if ((a[2]! & CLOSE_RANGE_UNSHARE) !== 0) lp.proc.unshareFiles();
  const fdp = lp.proc.fd!;
  for (let d = first; d <= last && d < fdp.files.length; d++) {
    if (fdp.files[d] === null) continue;
    if ((a[2]! & CLOSE_RANGE_CLOEXEC) !== 0) fdp.cloexec[d] = 1;
    else kernClose(lp, d);
  }
  return 0;
}

/** Collects directory entries in one of Linux's two forms until the buffer is full. */
function getdents(lp: Lwp, d: number, uaddr: number, len: number, is64: boolean): number {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof VnodeFile)) throw ENOTDIR;
  const out = new Uint8Array(Math.min(len >>> 0, 65536));
  const dv = new DataView(out.buffer);
  let used = 0;
  let seen = false;
  const next = fp.readdir((name, fileid, type, cookie) => {
    seen = true;
    const head = is64 ? 19 : 10;
    const reclen = is64 ? (head + name.length + 1 + 7) & ~7 : (head + name.length + 2 + 3) & ~3;
    if (used + reclen > out.length) return false;
    if (is64) {
      dv.setUint32(used, ino32(fileid), true);
      dv.setUint32(used + 4, 0, true);
      dv.setUint32(used + 8, cookie % 4294967296, true);
      dv.setUint32(used + 12, Math.floor(cookie / 4294967296), true);
      dv.setUint16(used + 16, reclen, true);
      out[used + 18] = VTTODT[type]!;
    } else {
      dv.setUint32(used, ino32(fileid), true);
      dv.setUint32(used + 4, cookie, true);
      dv.setUint16(used + 8, reclen, true);
      out[used + reclen - 1] = VTTODT[type]!;
    }
    for (let i = 0; i < name.length; i++) out[used + head + i] = name.charCodeAt(i);
    used += reclen;
    return true;
  });
  if (used === 0 && seen) throw EINVAL;
  if (used > 0) {
    copyout(lp.proc.vmspace!, out, 0, uaddr, used);
    fp.offset = next;
  } else if (fp.nch.detached && fp.nch.mount.rootNch !== fp.nch) throw ENOENT;
  return used;
}

// Copying between descriptors inside the kernel

const COPY_BUFFER = 65536;
/**
 * Most bytes moved by one call, which nothing interrupts: signals and other processes wait no longer than that takes. A short count is
 * the caller's sign to go on, and ends a file that is appended to itself.
 */
const COPY_MOST = 16 * 1024 * 1024;

/** Moves up to `len` bytes from one file to another through a buffer; both must not block. Returns the count. */
function copyFiles(
  lp: Lwp,
  from: File,
  to: File,
  len: number,
  fromAt: { offset: number } | null,
  toAt: { offset: number } | null,
): number {
  const buf = new Uint8Array(Math.min(len, COPY_BUFFER));
  let moved = 0;
  while (moved < len) {
    const want = Math.min(buf.length, len - moved);
    const start = fromAt !== null ? fromAt.offset : from.seek(0, SEEK_CUR);
    let got: number;
    let put: number;
    // What has been moved has been moved: whatever ends it then, a wait for the disk included, the call must not begin anew.
    try {
      got = from.pread(Uio.kernel(buf, 0, want), start, lp);
      if (got <= 0) break;
      const out = Uio.kernel(buf, 0, got);
      put = toAt !== null ? to.pwrite(out, toAt.offset, lp) : to.write(out, lp);
    } catch (e) {
      if (moved > 0) break;
      throw e;
    }
    if (put === WOULDBLOCK) return moved > 0 ? moved : WOULDBLOCK;
    if (fromAt !== null) fromAt.offset += put;
    else from.seek(start + put, 0);
    if (toAt !== null) toAt.offset += put;
    moved += put;
    if (put < got) break;
  }
  return moved;
}

export function getOffset(lp: Lwp, uaddr: number, is64: boolean): { offset: number } {
  const w = new Int32Array(is64 ? 2 : 1);
  copyinWords(lp.proc.vmspace!, uaddr, w, w.length);
  const offset = is64 ? off64Arg(w[0]!, w[1]!) : w[0]!;
  if (offset < 0) throw EINVAL;
  return { offset };
}
export function putOffset(lp: Lwp, uaddr: number, at: { offset: number }, is64: boolean): void {
  const w = is64 ? Int32Array.of(at.offset | 0, Math.floor(at.offset / 4294967296)) : Int32Array.of(at.offset | 0);
  copyoutWords(lp.proc.vmspace!, w, uaddr, w.length);
}

/** sendfile(out, in, offset, count): from a file that can be positioned to anything. */
const sendfile =
  (is64: boolean) =>
  (lp: Lwp, a: Int32Array): number => {
    const at = a[2] === 0 ? null : getOffset(lp, a[2]!, is64);
    const from = readableFile(lp, a[1]!);
    if (at !== null && !from.positioned) throw ESPIPE;
    const to = writableFile(lp, a[0]!);
    if (!(from instanceof VnodeFile) || from.dev !== null || from.vp.type === VDIR) throw EINVAL;
    const moved = copyFiles(lp, from, to, Math.min(a[3]! >>> 0, COPY_MOST), at, null);
    if (moved === WOULDBLOCK) {
      if ((to.flags & O_NONBLOCK) !== 0) throw EAGAIN;
      return WOULDBLOCK;
    }
    if (at !== null) putOffset(lp, a[2]!, at, is64);
    return moved;
  };
const sendfileSlow = (is64: boolean) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    const to = fhold(writableFile(lp, a[0]!));
    try {
      for (;;) {
        const moved = sendfile(is64)(lp, a);
        if (moved !== WOULDBLOCK) return moved;
        yield* tsleep(lp, to.channel(true), PCATCH, FOREVER);
      }
    } finally {
      fdrop(to, lp);
    }
  };

/** copy_file_range(in, *offIn, out, *offOut, len, 0): between regular files. */
function sysCopyFileRange(lp: Lwp, a: Int32Array): number {
  const from = lp.proc.fd!.get(a[0]!);
  const to = lp.proc.fd!.get(a[2]!);
  const fromAt = a[1] === 0 ? null : getOffset(lp, a[1]!, true);
  const toAt = a[3] === 0 ? null : getOffset(lp, a[3]!, true);
  if (a[5] !== 0) throw EINVAL;
  const files = [from, to].map((fp) => (fp instanceof VnodeFile ? fp.vp : null));
  if (files.some((vp) => vp?.type === VDIR)) throw EISDIR;
  if (files.some((vp) => vp?.type !== VREG)) throw EINVAL;
  readableFile(lp, a[0]!);
  if ((writableFile(lp, a[2]!).flags & O_APPEND) !== 0) throw EBADF;
  const len = a[4]! >>> 0;
  const start = fromAt?.offset ?? from.seek(0, SEEK_CUR);
  const target = toAt?.offset ?? to.seek(0, SEEK_CUR);
  if (files[0] === files[1] && start < target + len && target < start + len) throw EINVAL;
  const moved = copyFiles(lp, from, to, Math.min(len, COPY_MOST), fromAt, toAt);
  if (fromAt !== null) putOffset(lp, a[1]!, fromAt, true);
  if (toAt !== null) putOffset(lp, a[3]!, toAt, true);
  return moved;
}

function sysFallocate(lp: Lwp, a: Int32Array): number {
  const KEEP_SIZE = 1;
  if ((a[1]! & ~KEEP_SIZE) !== 0) throw EOPNOTSUPP;
  return kernFallocate(lp, a[0]!, off64Arg(a[2]!, a[3]!), off64Arg(a[4]!, a[5]!), a[1] === KEEP_SIZE);
}

const POSIX_FADV_NOREUSE = 5;
/**
 * Advice about access patterns: checked, and of no effect on a cache that needs none. Places of the length's upper half, if it
 * has one, and of the advice.
 */
const fadvise =
  (lengthHigh: number | null, advice: number) =>
  (lp: Lwp, a: Int32Array): number => {
    const fp = lp.proc.fd!.get(a[0]!);
    if (fp.type === "pipe" || fp.type === "fifo") throw ESPIPE;
    if ((lengthHigh !== null && a[lengthHigh]! < 0) || a[advice]! >>> 0 > POSIX_FADV_NOREUSE) throw EINVAL;
    return 0;
  };
function sysReadahead(lp: Lwp, a: Int32Array): number {
  const fp = lp.proc.fd!.get(a[0]!);
  if ((fp.flags & FREAD) === 0) throw EBADF;
  if (!(fp instanceof VnodeFile) || fp.vp.type !== VREG) throw EINVAL;
  return 0;
}

const SYNC_FILE_RANGE_FLAGS = 7;
/** Durable is what the whole file has, not only the range. */
/** Whether there is something that a file's bytes are written back to. */
function isStored(lp: Lwp, vp: Vnode): boolean {
  if (vp.type === VCHR || vp.type === VBLK) return lp.k.devsw.find(vp.getattr().rdev)?.isDisk === true;
  return vp.type === VREG || vp.type === VDIR || vp.type === VLNK;
}
function sysSyncFileRange(lp: Lwp, a: Int32Array): number {
  const fp = lp.proc.fd!.get(a[0]!);
  if (a[2]! < 0 || a[4]! < 0 || (a[5]! & ~SYNC_FILE_RANGE_FLAGS) !== 0) throw EINVAL;
  if (!(fp instanceof VnodeFile) || !isStored(lp, fp.vp)) throw ESPIPE;
  return kernFsync(lp, a[0]!);
}

const atOwnPosition = (a: Int32Array): boolean => a[3] === -1 && a[4] === -1;

function sysPreadv2(lp: Lwp, a: Int32Array): number {
  if (!atOwnPosition(a)) return preadv(lp, a, a[5]!);
  requireFd(lp, a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  if (uio.resid === 0) return readNothing(lp, a[0]!);
  checkRwFlags(a[5]!);
  return readTry(lp, a[0]!, uio);
}
function sysPwritev2(lp: Lwp, a: Int32Array): number {
  if (!atOwnPosition(a)) return pwritev(lp, a, a[5]!);
  requireFd(lp, a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  if (uio.resid > 0) checkRwFlags(a[5]!);
  const sync = (a[5]! & (RWF_DSYNC | RWF_SYNC)) !== 0;
  return writeTry(lp, a[0]!, uio, sync);
}

const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
const MFD_NOEXEC_SEAL = 0x8;
const MFD_EXEC = 0x10;
const MFD_NAME_MOST = 249;

/** (name, flags) */
function sysMemfdCreate(lp: Lwp, a: Int32Array): number {
  if ((a[1]! & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)) !== 0) throw EINVAL;
  const name = textArg(lp, a[0]!, MFD_NAME_MOST, EINVAL);
  return kernMemfd(lp, name, (a[1]! & MFD_CLOEXEC) !== 0, (a[1]! & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) !== 0);
}

export const FILE_IO_ROWS: readonly Sysent[] = [
  sleeps(3, "read", [fd, uptr, size], sysRead, sysReadSlow),
  sleeps(4, "write", [fd, uptr, size], sysWrite, sysWriteSlow),
  sleeps(5, "open", [path, hex, octal], sysOpen, sysOpenSlow),
  plain(6, "close", [fd], (lp, a) => kernClose(lp, a[0]!)),
  sleeps(8, "creat", [path, octal], sysCreat, sysCreatSlow),
  plain(19, "lseek", [fd, int, int], sysLseek),
  plain(93, "ftruncate", [fd, int], (lp, a) => kernFtruncate(lp, a[0]!, a[1]!)),
  sleeps(118, "fsync", [fd], (lp, a) => kernFsync(lp, a[0]!), waitDurable),
  plain(140, "_llseek", [fd, int, int, uptr, int], sysLlseek),
  plain(141, "getdents", [fd, uptr, size], (lp, a) => getdents(lp, a[0]!, a[1]!, a[2]!, false)),
  sleeps(145, "readv", [fd, uptr, int], sysReadv, sysReadvSlow),
  sleeps(146, "writev", [fd, uptr, int], sysWritev, sysWritevSlow),
  sleeps(148, "fdatasync", [fd], (lp, a) => kernFsync(lp, a[0]!), waitDurable),
  sleeps(180, "pread64", [fd, uptr, size, off64], sysPread, finishTransfer),
  sleeps(181, "pwrite64", [fd, uptr, size, off64], sysPwrite, finishTransfer),
  sleeps(187, "sendfile", [fd, fd, uptr, size], sendfile(false), sendfileSlow(false)),
  plain(194, "ftruncate64", [fd, off64], (lp, a) => kernFtruncate(lp, a[0]!, off64Arg(a[1]!, a[2]!))),
  plain(220, "getdents64", [fd, uptr, size], (lp, a) => getdents(lp, a[0]!, a[1]!, a[2]!, true)),
  plain(225, "readahead", [fd, off64, size], sysReadahead),
  sleeps(239, "sendfile64", [fd, fd, uptr, size], sendfile(true), sendfileSlow(true)),
  plain(250, "fadvise64", [fd, off64, size, int], fadvise(null, 4)),
  plain(272, "fadvise64_64", [fd, off64, off64, int], fadvise(4, 5)),
  sleeps(295, "openat", [fd, path, hex, octal], sysOpenat, sysOpenatSlow),
  sleeps(314, "sync_file_range", [fd, off64, off64, hex], sysSyncFileRange, waitDurable),
  partial(plain(324, "fallocate", [fd, hex, off64, off64], sysFallocate), "mode 0 and KEEP_SIZE; storage is not reserved"),
  sleeps(333, "preadv", [fd, uptr, int, off64], sysPreadv, finishTransfer),
  sleeps(334, "pwritev", [fd, uptr, int, off64], sysPwritev, finishTransfer),
  partial(plain(356, "memfd_create", [path, hex], sysMemfdCreate), "no huge pages, no execution seal"),
  sleeps(378, "preadv2", [fd, uptr, int, off64, hex], sysPreadv2, sysReadvSlow),
  sleeps(379, "pwritev2", [fd, uptr, int, off64, hex], sysPwritev2, sysWritevSlow),
  plain(377, "copy_file_range", [fd, uptr, fd, uptr, size, hex], sysCopyFileRange),
  plain(436, "close_range", [uint, uint, hex], sysCloseRange),
  sleeps(437, "openat2", [fd, path, uptr, size], sysOpenat2, sysOpenat2Slow),
];
