// SPDX-License-Identifier: BSD-3-Clause
/** Asynchronous input and output (Linux fs/aio.c, include/uapi/linux/aio_abi.h): io_setup, io_submit and their kin. */
import { EAGAIN, EFAULT, EINPROGRESS, EINVAL, EOPNOTSUPP, Errno } from "../../sys/errno.ts";
import { MAP_ANON, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../sys/mman.ts";
import { IoMiss, WOULDBLOCK } from "../../sys/wait.ts";
import { copyin, copyinWords, copyout, fuword, suword } from "../../vm/copyio.ts";
import { mmap, munmap } from "../../vm/mmap.ts";
import { Uio } from "../../vm/uio.ts";
import {
  AIO_MAX, type AioContext, type Completion, FailedRequest, PollRequest, ReadRequest, type Request, type RequestName, SyncRequest, WriteRequest,
} from "../../kern/aio.ts";
import { canPoll } from "../../kern/epoll.ts";
import { EventFile } from "../../kern/event-files.ts";
import type { File } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { readableFile, writableFile } from "../../kern/sys-file.ts";
import { int, partial, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { linuxErrno } from "./errno.ts";
import { iovecs } from "./file-io.ts";
import { getSigset, getTimespec, getTimespec64 } from "./guest-struct.ts";
import { restoreMask } from "./sys-poll.ts";
import { suspendMask } from "./sys-signal.ts";

/** struct iocb: data, key, rw_flags, opcode, ioprio, fildes, buf, nbytes, offset, reserved, flags, resfd. */
const IOCB_BYTES = 64;
const IOCB_KEY = 8;
/** struct io_event: data, control block, result, second result; 64 bits each. */
const EVENT_BYTES = 32;
const CMD_PREAD = 0;
const CMD_PWRITE = 1;
const CMD_FSYNC = 2;
const CMD_FDSYNC = 3;
const CMD_POLL = 5;
const CMD_PREADV = 7;
const CMD_PWRITEV = 8;
const FLAG_RESFD = 1;
const RWF_HIPRI = 1;
const RWF_SYNC = 2 | 4;
/** Beyond this the size of the ring is nonsense: Linux makes it twice as large, and no larger than 256 MiB. */
const LIMIT_MOST = 0x1000_0000 / EVENT_BYTES / 2;
const TWO32 = 2 ** 32;
const PAGE = 4096;

function sysSetup(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const limit = a[0]! >>> 0;
  const old = fuword(vm, a[1]!);
  if (old !== 0 || limit === 0) throw EINVAL;
  if (limit > LIMIT_MOST) throw EINVAL;
  if (limit > AIO_MAX || !lp.k.aio.hasRoom(limit)) throw EAGAIN;
  // Programs look at the context's name as at an address: a page without the ring's magic number sends them to the call.
  const id = mmap(vm, { addr: 0, len: PAGE, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANON, object: null, offset: 0 });
  try {
    suword(vm, a[1]!, id);
  } catch (e) {
    munmap(vm, id, PAGE);
    throw e;
  }
  lp.k.aio.open(lp.k, vm, id >>> 0, limit);
  return 0;
}

function sysDestroy(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const ctx = lp.k.aio.close(vm, a[0]!);
  munmap(vm, a[0]! >>> 0, PAGE);
  if (ctx.pending.size === 0) return 0;
  lp.carry = ctx;
  return WOULDBLOCK;
}
function* sysDestroySlow(lp: Lwp): KernelFrame {
  const ctx = lp.carry as AioContext;
  lp.carry = null;
  yield* ctx.waitIdle(lp);
  return 0;
}

interface Iocb {
  readonly opcode: number;
  readonly rwFlags: number;
  readonly fd: number;
  readonly buf: number;
  readonly len: number;
  readonly offset: number;
}

/** Makes one request and lets it run as far as it goes. */
function submit(lp: Lwp, ctx: AioContext, control: number): void {
  const vm = lp.proc.vmspace!;
  const bytes = new Uint8Array(IOCB_BYTES);
  copyin(vm, control, bytes, 0, IOCB_BYTES);
  const dv = new DataView(bytes.buffer);
  const word = (at: number): number => dv.getUint32(at, true);
  // Reserved, and addresses and lengths that a 32-bit program has no use for.
  if (word(48) !== 0 || word(52) !== 0 || word(28) !== 0 || word(36) !== 0 || dv.getInt32(32, true) < 0) throw EINVAL;
  if (ctx.isFull) throw EAGAIN;
  const cb: Iocb = {
    opcode: dv.getUint16(16, true), rwFlags: word(12), fd: dv.getInt32(20, true), buf: word(24), len: word(32),
    offset: dv.getInt32(44, true) * TWO32 + word(40),
  };
  const fp = lp.proc.fd!.get(cb.fd);
  let announce: EventFile | null = null;
  if ((word(56) & FLAG_RESFD) !== 0) {
    const file = lp.proc.fd!.get(dv.getInt32(60, true));
    if (!(file instanceof EventFile)) throw EINVAL;
    announce = file;
  }
  suword(vm, control + IOCB_KEY, 0);
  requestOf(lp, ctx, fp, cb, { dataLo: word(0), dataHi: word(4), control: control >>> 0, announce }).run();
}

function requestOf(lp: Lwp, ctx: AioContext, fp: File, cb: Iocb, name: RequestName): Request {
  switch (cb.opcode) {
    case CMD_PREAD:
    case CMD_PREADV: {
      const { to, len } = memory(lp, cb);
      checkTransfer(cb);
      readableFile(lp, cb.fd);
      return new ReadRequest(ctx, lp, fp, name, cb.offset, len, to);
    }
    case CMD_PWRITE:
    case CMD_PWRITEV: {
      const { to, len } = memory(lp, cb);
      checkTransfer(cb);
      writableFile(lp, cb.fd);
      const data = new Uint8Array(len);
      try {
        to().get(data, 0, len);
      } catch (e) {
        if (e !== EFAULT) throw e;
        return new FailedRequest(ctx, lp, fp, name, EFAULT);
      }
      return new WriteRequest(ctx, lp, fp, name, cb.offset, data, (cb.rwFlags & RWF_SYNC) !== 0);
    }
    case CMD_FSYNC:
    case CMD_FDSYNC:
      if (cb.buf !== 0 || cb.offset !== 0 || cb.len !== 0 || cb.rwFlags !== 0 || !(fp instanceof VnodeFile)) throw EINVAL;
      return new SyncRequest(ctx, lp, fp, name);
    case CMD_POLL:
      if (cb.buf > 0xffff || cb.offset !== 0 || cb.len !== 0 || cb.rwFlags !== 0 || !canPoll(fp)) throw EINVAL;
      return new PollRequest(ctx, lp, fp, name, cb.buf);
    default:
      throw EINVAL;
  }
}
/** The program's memory of a transfer; fetched anew whenever it is asked for. */
function memory(lp: Lwp, cb: Iocb): { to: () => Uio; len: number } {
  const vm = lp.proc.vmspace!;
  if (cb.opcode === CMD_PREAD || cb.opcode === CMD_PWRITE) {
    const to = (): Uio => Uio.user(vm, cb.buf, cb.len);
    return { to, len: to().resid };
  }
  const { bases, lens } = iovecs(lp, cb.buf, cb.len);
  const to = (): Uio => Uio.iov(vm, bases, lens);
  return { to, len: to().resid };
}
function checkTransfer(cb: Iocb): void {
  if ((cb.rwFlags & ~(RWF_HIPRI | RWF_SYNC)) !== 0) throw EOPNOTSUPP;
  if (cb.offset < 0) throw EINVAL;
}

function sysSubmit(lp: Lwp, a: Int32Array): number {
  const ctx = lp.k.aio.get(lp.proc.vmspace!, a[0]!);
  if (a[1]! < 0) throw EINVAL;
  let n = 0;
  try {
    for (; n < Math.min(a[1]!, ctx.limit); n++) submit(lp, ctx, fuword(lp.proc.vmspace!, a[2]! + 4 * n));
  } catch (e) {
    // What has been submitted stays so; the program comes again with the rest.
    if (n === 0 || !(e instanceof Errno || e instanceof IoMiss)) throw e;
  }
  return n;
}

function sysCancel(lp: Lwp, a: Int32Array): number {
  if (fuword(lp.proc.vmspace!, a[1]! + IOCB_KEY) !== 0) throw EINVAL;
  lp.k.aio.get(lp.proc.vmspace!, a[0]!).cancel(a[1]!);
  // The result comes as an event, as for all others (since Linux 3.11).
  throw EINPROGRESS;
}

/** Stores completions; those that could not be stored stay. */
function storeDone(lp: Lwp, ctx: AioContext, uaddr: number, most: number): number {
  const n = Math.min(ctx.done.length, most);
  if (n === 0) return 0;
  const bytes = new Uint8Array(n * EVENT_BYTES);
  const dv = new DataView(bytes.buffer);
  for (let i = 0; i < n; i++) putEvent(dv, i * EVENT_BYTES, ctx.done[i]!);
  copyout(lp.proc.vmspace!, bytes, 0, uaddr, bytes.length);
  ctx.done.splice(0, n);
  return n;
}
function putEvent(dv: DataView, at: number, c: Completion): void {
  const result = c.error === null ? c.count : -linuxErrno(c.error);
  dv.setUint32(at, c.dataLo, true);
  dv.setUint32(at + 4, c.dataHi, true);
  dv.setUint32(at + 8, c.control, true);
  dv.setBigInt64(at + 16, BigInt(result), true);
}

type Timespec = (lp: Lwp, uaddr: number) => number;

function eventsContext(lp: Lwp, a: Int32Array): AioContext {
  const ctx = lp.k.aio.get(lp.proc.vmspace!, a[0]!);
  if (a[1]! < 0 || a[1]! > a[2]!) throw EINVAL;
  return ctx;
}
function sysGetevents(lp: Lwp, a: Int32Array): number {
  if (a[4] !== 0) getTimespec(lp, a[4]!);
  const ctx = eventsContext(lp, a);
  return ctx.done.length < a[1]! ? WOULDBLOCK : storeDone(lp, ctx, a[3]!, a[2]!);
}
function* getevents(lp: Lwp, a: Int32Array, time: Timespec): KernelFrame {
  const timeout = a[4] === 0 ? FOREVER : time(lp, a[4]!);
  const ctx = eventsContext(lp, a);
  yield* ctx.waitDone(lp, a[1]!, timeout);
  return storeDone(lp, ctx, a[3]!, a[2]!);
}
const pgetevents = (time: Timespec) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    if (a[5] !== 0) {
      const w = new Int32Array(2);
      copyinWords(lp.proc.vmspace!, a[5]!, w, 2);
      if (w[0] !== 0) {
        if (w[1] !== 8) throw EINVAL;
        suspendMask(lp, getSigset(lp, w[0]!));
      }
    }
    const n = yield* getevents(lp, a, time);
    restoreMask(lp);
    return n;
  };

export const AIO_ROWS: readonly Sysent[] = [
  partial(plain(245, "io_setup", [int, uptr], sysSetup), "the ring of completions cannot be read without a call; exactly as many requests as asked for"),
  sleeps(246, "io_destroy", [uptr], sysDestroy, sysDestroySlow),
  sleeps(247, "io_getevents", [uptr, int, int, uptr, uptr], sysGetevents, (lp, a) => getevents(lp, a, getTimespec)),
  plain(248, "io_submit", [uptr, int, uptr], sysSubmit),
  plain(249, "io_cancel", [uptr, uptr, uptr], sysCancel),
  sleeps(385, "io_pgetevents", [uptr, int, int, uptr, uptr, uptr], () => WOULDBLOCK, pgetevents(getTimespec)),
  sleeps(416, "io_pgetevents_time64", [uptr, int, int, uptr, uptr, uptr], () => WOULDBLOCK, pgetevents(getTimespec64)),
];
