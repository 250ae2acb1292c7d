// SPDX-License-Identifier: BSD-3-Clause
/** fcntl, flock, dup and ioctl for Linux programs (Linux fs/fcntl.c, fs/locks.c, fs/ioctl.c, drivers/tty). */
import { CAP_SYS_RAWIO, CAP_SYS_RESOURCE } from "../../sys/capability.ts";
import { EBUSY, EINVAL, ENOMEM, ENOTTY, EOPNOTSUPP } from "../../sys/errno.ts";
import * as n from "../../sys/fcntl.ts";
import * as ioc from "../../sys/ioctl.ts";
import { defaultTermios, TERMIOS_SIZE, readTermios, writeTermios } from "../../sys/termios.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { PIPE_HARD_MAX, PipeFile } from "../../kern/pipe.ts";
import { SocketFile } from "../../kern/socket-file.ts";
import { OWNER_GROUP, OWNER_THREAD, sigioOf } from "../../kern/sigio.ts";
import { ttyOf } from "../../kern/sys-file.ts";
import { ioctlSlow, ioctlTry, kernDup, kernDup2, kernFcntl } from "../../kern/sys-file-ctl.ts";
import {
  fcntlLockSlow,
  fcntlLockTry,
  flockOpSlow,
  flockOpTry,
  type FlockRequest,
} from "../../kern/sys-file-lock.ts";
import { kernAddSeals, kernGetSeals } from "../../kern/sys-memfd.ts";
import { fd, hex, int, partial, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { need } from "../../kern/prot.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { VREG } from "../../vfs/vnode.ts";
import { copyin, copyinWords, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import { isNetdevIoctl, netdevIoctl } from "./netdev-ioctl.ts";
import { isStampIoctl, stampIoctl } from "./packet-fields.ts";
import { LINUX_O_CLOEXEC, linuxOpenFlags, nativeOpenFlags, off64Arg } from "./file-flags.ts";
import { linuxSigno, nativeSigno } from "./signo.ts";
import {
  decodeTermio,
  decodeTermios,
  encodeTermio,
  encodeTermios,
  LINUX_TERMIO_SIZE,
  LINUX_TERMIOS2_SIZE,
  LINUX_TERMIOS_SIZE,
} from "./file-termios.ts";

// fcntl

const F_GETLK = 5;
const F_SETLK = 6;
const F_SETLKW = 7;
const F_SETOWN = 8;
const F_GETOWN = 9;
const F_SETSIG = 10;
const F_GETSIG = 11;
const F_SETOWN_EX = 15;
const F_GETOWN_EX = 16;
const F_GETLK64 = 12;
const F_SETLK64 = 13;
const F_SETLKW64 = 14;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;

/** Linux's lock types 0, 1, 2 and the native ones. */
const NATIVE_TYPE: readonly number[] = [n.F_RDLCK, n.F_WRLCK, n.F_UNLCK];

interface LockCommand {
  readonly cmd: number;
  readonly is64: boolean;
  readonly ofd: boolean;
}
const lockCmd = (cmd: number, is64: boolean, ofd = false): LockCommand => ({ cmd, is64, ofd });
const LOCK_COMMANDS = new Map<number, LockCommand>([
  [F_GETLK, lockCmd(n.F_GETLK, false)],
  [F_SETLK, lockCmd(n.F_SETLK, false)],
  [F_SETLKW, lockCmd(n.F_SETLKW, false)],
  [F_GETLK64, lockCmd(n.F_GETLK, true)],
  [F_SETLK64, lockCmd(n.F_SETLK, true)],
  [F_SETLKW64, lockCmd(n.F_SETLKW, true)],
  [F_OFD_GETLK, lockCmd(n.F_GETLK, true, true)],
  [F_OFD_SETLK, lockCmd(n.F_SETLK, true, true)],
  [F_OFD_SETLKW, lockCmd(n.F_SETLKW, true, true)],
]);

/** struct flock (16 bytes) or flock64 (24 bytes, i386: no padding). */
function getFlock(lp: Lwp, uaddr: number, { is64, ofd }: LockCommand): FlockRequest {
  const data = new Uint8Array(is64 ? 24 : 16);
  copyin(lp.proc.vmspace!, uaddr, data, 0, data.length);
  const dv = new DataView(data.buffer);
  const type = NATIVE_TYPE[dv.getInt16(0, true)];
  if (type === undefined) throw EINVAL;
  if (ofd && dv.getInt32(20, true) !== 0) throw EINVAL;
  return {
    type,
    whence: dv.getInt16(2, true),
    start: is64 ? off64Arg(dv.getInt32(4, true), dv.getInt32(8, true)) : dv.getInt32(4, true),
    len: is64 ? off64Arg(dv.getInt32(12, true), dv.getInt32(16, true)) : dv.getInt32(8, true),
    pid: 0,
    ofd,
  };
}
function putFlock(lp: Lwp, uaddr: number, is64: boolean, lk: FlockRequest): void {
  const data = new Uint8Array(is64 ? 24 : 16);
  const dv = new DataView(data.buffer);
  copyin(lp.proc.vmspace!, uaddr, data, 0, data.length);
  dv.setInt16(0, NATIVE_TYPE.indexOf(lk.type), true);
  if (lk.type !== n.F_UNLCK) {
    dv.setInt16(2, lk.whence, true);
    if (is64) {
      dv.setInt32(4, lk.start | 0, true);
      dv.setInt32(8, Math.floor(lk.start / 4294967296), true);
      dv.setInt32(12, lk.len | 0, true);
      dv.setInt32(16, Math.floor(lk.len / 4294967296), true);
      dv.setInt32(20, lk.pid, true);
    } else {
      dv.setInt32(4, lk.start, true);
      dv.setInt32(8, lk.len, true);
      dv.setInt32(12, lk.pid, true);
    }
  }
  copyout(lp.proc.vmspace!, data, 0, uaddr, data.length);
}

function pipeSize(lp: Lwp, d: number, cmd: number, arg: number): number {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof PipeFile)) throw EINVAL;
  const ring = fp.from ?? fp.to!;
  if (cmd === F_GETPIPE_SZ) return ring.size;
  if (arg < 0) throw EINVAL;
  let size = 4096;
  while (size < arg) size *= 2;
  if (size > ring.size && size > lp.k.tunables.pipeMaxSize) {
    need(lp.proc, CAP_SYS_RESOURCE);
    if (size > PIPE_HARD_MAX) throw ENOMEM;
  }
  if (size < ring.len) throw EBUSY;
  ring.resize(size);
  return size;
}

function sysFcntl(lp: Lwp, a: Int32Array): number {
  const [d, cmd, arg] = [a[0]!, a[1]!, a[2]!];
  const lock = LOCK_COMMANDS.get(cmd);
  if (lock !== undefined) {
    lp.proc.fd!.get(d);
    const lk = getFlock(lp, arg, lock);
    const r = fcntlLockTry(lp, d, lock.cmd, lk);
    if (lock.cmd === n.F_GETLK) putFlock(lp, arg, lock.is64, lk);
    return r;
  }
  switch (cmd) {
    case n.F_DUPFD:
    case n.F_GETFD:
    case n.F_SETFD:
      return kernFcntl(lp, d, cmd, arg);
    case n.F_GETFL:
      return linuxOpenFlags(kernFcntl(lp, d, n.F_GETFL, 0));
    case n.F_SETFL:
      return kernFcntl(lp, d, n.F_SETFL, nativeOpenFlags(arg));
    case F_GETOWN:
      return kernFcntl(lp, d, n.F_GETOWN, 0);
    case F_SETOWN:
      return kernFcntl(lp, d, n.F_SETOWN, arg);
    case F_GETSIG:
      return linuxSigno(lp.proc.fd!.get(d).sigio?.signo ?? 0);
    case F_SETSIG: {
      const fp = lp.proc.fd!.get(d);
      const signo = nativeSigno(arg);
      if (arg !== 0 && signo === 0) throw EINVAL;
      sigioOf(lp, fp).signo = signo;
      return 0;
    }
    case F_SETOWN_EX: {
      const fp = lp.proc.fd!.get(d);
      const w = new Int32Array(2);
      copyinWords(lp.proc.vmspace!, arg, w, 2);
      if (w[0]! < OWNER_THREAD || w[0]! > OWNER_GROUP) throw EINVAL;
      sigioOf(lp, fp).setOwner(lp, w[0]!, w[1]!);
      return 0;
    }
    case F_GETOWN_EX: {
      const { sigio } = lp.proc.fd!.get(d);
      copyoutWords(lp.proc.vmspace!, Int32Array.of(sigio?.kind ?? OWNER_THREAD, sigio?.id ?? 0), arg, 2);
      return 0;
    }
    case F_DUPFD_CLOEXEC:
      return kernFcntl(lp, d, n.F_DUPFD_CLOEXEC, arg);
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
      return pipeSize(lp, d, cmd, arg);
    case F_ADD_SEALS:
      return kernAddSeals(lp, d, arg);
    case F_GET_SEALS:
      return kernGetSeals(lp, d);
    default:
      lp.proc.fd!.get(d);
      throw EINVAL;
  }
}

/** Only F_SETLKW waits. */
function* sysFcntlSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const lock = LOCK_COMMANDS.get(a[1]!)!;
  return yield* fcntlLockSlow(lp, a[0]!, lock.cmd, getFlock(lp, a[2]!, lock));
}

function sysDup3(lp: Lwp, a: Int32Array): number {
  if (a[0] === a[1] || (a[2]! & ~LINUX_O_CLOEXEC) !== 0) throw EINVAL;
  return kernDup2(lp, a[0]!, a[1]!, a[2] !== 0);
}

// ioctl

interface IoctlMap {
  readonly native: number;
  /** How the argument travels: not at all, as the value of an int in or out, or as the same bytes. */
  readonly arg: "none" | "int-in" | "int-out" | "value-in" | "bytes-in" | "bytes-out";
}
const map = (native: number, arg: IoctlMap["arg"]): IoctlMap => ({ native, arg });

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TCSETSF = 0x5404;
const TCGETA = 0x5405;
const TCSETA = 0x5406;
const TCSETAF = 0x5408;
const TCSBRK = 0x5409;
const TCXONC = 0x540a;
const TCFLSH = 0x540b;
const TCSBRKP = 0x5425;
const TCGETS2 = 0x802c542a | 0;
const TCSETS2 = 0x402c542b;
const TCSETSF2 = 0x402c542d;
const FICLONE = 0x40049409;
const FICLONERANGE = 0x4020940d;

/** Words whose arguments look the same on both sides. */
const IOCTLS = new Map<number, IoctlMap>([
  [0x540c, map(ioc.TIOCEXCL, "none")],
  [0x540d, map(ioc.TIOCNXCL, "none")],
  [0x540e, map(ioc.TIOCSCTTY, "none")],
  [0x540f, map(ioc.TIOCGPGRP, "int-out")],
  [0x5410, map(ioc.TIOCSPGRP, "int-in")],
  [0x5411, map(ioc.TIOCOUTQ, "int-out")],
  [0x5412, map(ioc.TIOCSTI, "bytes-in")],
  [0x5413, map(ioc.TIOCGWINSZ, "bytes-out")],
  [0x5414, map(ioc.TIOCSWINSZ, "bytes-in")],
  [0x541b, map(ioc.FIONREAD, "int-out")],
  [0x5420, map(ioc.TIOCPKT, "int-in")],
  [0x5421, map(ioc.FIONBIO, "int-in")],
  [0x5422, map(ioc.TIOCNOTTY, "none")],
  [0x5423, map(ioc.TIOCSETD, "int-in")],
  [0x5424, map(ioc.TIOCGETD, "int-out")],
  [0x5427, map(ioc.TIOCSBRK, "none")],
  [0x5428, map(ioc.TIOCCBRK, "none")],
  [0x5429, map(ioc.TIOCGSID, "int-out")],
  [0x5450, map(ioc.FIONCLEX, "none")],
  [0x5451, map(ioc.FIOCLEX, "none")],
  [0x5452, map(ioc.FIOASYNC, "int-in")],
  [0x8901, map(ioc.FIOSETOWN, "int-in")],
  [0x8902, map(ioc.FIOSETOWN, "int-in")],
  [0x8903, map(ioc.FIOGETOWN, "int-out")],
  [0x8904, map(ioc.FIOGETOWN, "int-out")],
  [0x8905, map(ioc.SIOCATMARK, "int-out")],
  [0x80045430 | 0, map(ioc.TIOCGPTN, "int-out")],
  [0x40045431, map(ioc.TIOCSPTLCK, "int-in")],
  [0x80045439 | 0, map(ioc.TIOCGPTLCK, "int-out")],
  [0x40045436, map(ioc.TIOCSIG, "value-in")],
]);

/** A translated call: the native word, its block, and what to copy out afterwards. */
interface Translated {
  cmd: number;
  data: Uint8Array;
  finish: ((lp: Lwp) => void) | null;
}

const BLKGETSIZE = 0x1260;
const BLKSSZGET = 0x1268;
const BLKGETSIZE64 = 0x8004_1272 | 0;
/** Sizes of a disk out of its struct partinfo: its bytes (64 bits), its sectors of 512 bytes, bytes of one of its own. */
function diskSize({ proc }: Lwp, cmd: number, arg: number): Translated {
  const data = new Uint8Array(ioc.iocparmLen(ioc.DIOCGPART));
  const dv = new DataView(data.buffer);
  const finish = (): void => {
    const out = new Uint8Array(cmd === BLKGETSIZE64 ? 8 : 4);
    const bytes = dv.getBigUint64(8, true);
    if (cmd === BLKGETSIZE64) new DataView(out.buffer).setBigUint64(0, bytes, true);
    else new DataView(out.buffer).setUint32(0, cmd === BLKSSZGET ? dv.getInt32(24, true) : Number(bytes / 512n), true);
    copyout(proc.vmspace!, out, 0, arg, out.length);
  };
  return { cmd: ioc.DIOCGPART, data, finish };
}

const isTermioSet = (cmd: number): boolean => cmd >= TCSETA && cmd <= TCSETAF;
const isTermiosSet = (cmd: number): boolean =>
  (cmd >= TCSETS && cmd <= TCSETSF) || (cmd >= TCSETS2 && cmd <= TCSETSF2);

/** Translates a call. Throws ENOTTY for words that no device knows, EFAULT for a bad argument. */
function translate(lp: Lwp, d: number, cmd: number, arg: number): Translated {
  const vm = lp.proc.vmspace!;
  if (cmd === TCGETS || cmd === TCGETS2) {
    const data = new Uint8Array(TERMIOS_SIZE);
    const size = cmd === TCGETS ? LINUX_TERMIOS_SIZE : LINUX_TERMIOS2_SIZE;
    return {
      cmd: ioc.TIOCGETA,
      data,
      finish: () => {
        const out = new Uint8Array(size);
        encodeTermios(readTermios(data), out);
        copyout(vm, out, 0, arg, size);
      },
    };
  }
  if (cmd === TCGETA) {
    const data = new Uint8Array(TERMIOS_SIZE);
    return {
      cmd: ioc.TIOCGETA,
      data,
      finish: () => {
        const out = new Uint8Array(LINUX_TERMIO_SIZE);
        encodeTermio(readTermios(data), out);
        copyout(vm, out, 0, arg, LINUX_TERMIO_SIZE);
      },
    };
  }
  if (isTermioSet(cmd)) {
    const given = new Uint8Array(LINUX_TERMIO_SIZE);
    copyin(vm, arg, given, 0, given.length);
    const data = new Uint8Array(TERMIOS_SIZE);
    writeTermios(decodeTermio(given, ttyOf(lp.proc.fd!.get(d))?.termios ?? defaultTermios()), data);
    // TCSETA, TCSETAW and TCSETAF
    return { cmd: [ioc.TIOCSETA, ioc.TIOCSETAW, ioc.TIOCSETAF][cmd - TCSETA]!, data, finish: null };
  }
  if (isTermiosSet(cmd)) {
    const is2 = cmd >= TCSETS2;
    const given = new Uint8Array(is2 ? LINUX_TERMIOS2_SIZE : LINUX_TERMIOS_SIZE);
    copyin(vm, arg, given, 0, given.length);
    const tty = ttyOf(lp.proc.fd!.get(d));
    const data = new Uint8Array(TERMIOS_SIZE);
    writeTermios(decodeTermios(given, tty === null ? defaultTermios() : tty.termios), data);
    const words = [ioc.TIOCSETA, ioc.TIOCSETAW, ioc.TIOCSETAF];
    return { cmd: words[cmd - (is2 ? TCSETS2 : TCSETS)]!, data, finish: null };
  }
  const intBlock = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
  switch (cmd) {
    case TCSBRK:
      // 0 sends a break; anything else is tcdrain().
      return { cmd: arg === 0 ? ioc.TIOCSBRK : ioc.TIOCDRAIN, data: new Uint8Array(0), finish: null };
    case TCSBRKP:
      return { cmd: ioc.TIOCSBRK, data: new Uint8Array(0), finish: null };
    case TCXONC:
      if (arg < 0 || arg > 3) throw EINVAL;
      // 2 and 3 would send flow control characters to the other end of a line; there is none.
      return { cmd: arg === 0 ? ioc.TIOCSTOP : arg === 1 ? ioc.TIOCSTART : ioc.TIOCCBRK, data: new Uint8Array(0), finish: null };
    case TCFLSH:
      if (arg < 0 || arg > 2) throw EINVAL;
      return { cmd: ioc.TIOCFLUSH, data: intBlock(arg === 0 ? n.FREAD : arg === 1 ? n.FWRITE : n.FREAD | n.FWRITE), finish: null };
    case BLKGETSIZE64:
    case BLKGETSIZE:
    case BLKSSZGET:
      return diskSize(lp, cmd, arg);
    case FICLONE:
    case FICLONERANGE:
      throw EOPNOTSUPP;
    default:
  }
  const entry = IOCTLS.get(cmd);
  if (entry === undefined) throw ENOTTY;
  const size = ioc.iocparmLen(entry.native);
  switch (entry.arg) {
    case "none":
      return { cmd: entry.native, data: new Uint8Array(0), finish: null };
    case "value-in":
      return { cmd: entry.native, data: intBlock(arg), finish: null };
    case "int-in":
    case "bytes-in": {
      const data = new Uint8Array(size);
      copyin(vm, arg, data, 0, size);
      return { cmd: entry.native, data, finish: null };
    }
    default: {
      const data = new Uint8Array(size);
      return { cmd: entry.native, data, finish: () => copyout(vm, data, 0, arg, size) };
    }
  }
}

const FIBMAP = 1;
const FIGETBSZ = 2;
/** What any file of a file system answers: its block size; where its blocks lie, which nobody is told here. Null for other words. */
function blockIoctl(lp: Lwp, fp: VnodeFile, cmd: number, arg: number): number | null {
  if (cmd === FIGETBSZ) {
    suword(lp.proc.vmspace!, arg, fp.vp.getattr().blocksize);
    return 0;
  }
  if (cmd !== FIBMAP || fp.vp.type !== VREG) return null;
  need(lp.proc, CAP_SYS_RAWIO);
  throw EINVAL;
}

function sysIoctl(lp: Lwp, a: Int32Array): number {
  const fp = lp.proc.fd!.get(a[0]!);
  if ((a[1] === FIBMAP || a[1] === FIGETBSZ) && fp instanceof VnodeFile && fp.dev === null) {
    const r = blockIoctl(lp, fp, a[1], a[2]!);
    if (r !== null) return r;
  }
  if (fp instanceof SocketFile && isNetdevIoctl(a[1]!)) return netdevIoctl(lp, a[1]!, a[2]!);
  if (fp instanceof SocketFile && isStampIoctl(a[1]!)) return stampIoctl(lp, fp.socket, a[1]!, a[2]!);
  const call = translate(lp, a[0]!, a[1]!, a[2]!);
  const r = ioctlTry(lp, a[0]!, call.cmd, call.data);
  if (r !== WOULDBLOCK) call.finish?.(lp);
  return r;
}
function* sysIoctlSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const call = translate(lp, a[0]!, a[1]!, a[2]!);
  const r = yield* ioctlSlow(lp, a[0]!, call.cmd, call.data);
  call.finish?.(lp);
  return r;
}

export const FILE_CTL_ROWS: readonly Sysent[] = [
  plain(41, "dup", [fd], (lp, a) => kernDup(lp, a[0]!)),
  partial(sleeps(54, "ioctl", [fd, hex, uptr], sysIoctl, sysIoctlSlow), "terminals, descriptors, file sizes, network interfaces"),
  sleeps(55, "fcntl", [fd, int, hex], sysFcntl, sysFcntlSlow),
  plain(63, "dup2", [fd, fd], (lp, a) => kernDup2(lp, a[0]!, a[1]!, false)),
  sleeps(143, "flock", [fd, int], (lp, a) => flockOpTry(lp, a[0]!, a[1]!), (lp, a) => flockOpSlow(lp, a[0]!, a[1]!)),
  sleeps(221, "fcntl64", [fd, int, hex], sysFcntl, sysFcntlSlow),
  plain(330, "dup3", [fd, fd, hex], sysDup3),
];
