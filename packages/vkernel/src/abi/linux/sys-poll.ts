// SPDX-License-Identifier: BSD-3-Clause
/** Linux pipes, select, poll, epoll, eventfd, timerfd, signalfd (Linux fs/select.c, eventpoll.c). */
import { EFAULT, EINVAL, EPERM } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { POLLOUT } from "../../sys/poll.ts";
import type { Sigset } from "../../sys/signal.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyin, copyinWords, copyout, copyoutWords } from "../../vm/copyio.ts";
import { EventFile, SignalFile, TimerFile } from "../../kern/event-files.ts";
import { fdrop, type File } from "../../kern/file.ts";
import { makePipe } from "../../kern/pipe.ts";
import { canPoll, EpollFile, epollWait, type EpollEvent, type Report } from "../../kern/epoll.ts";
import {
  type PollFd,
  pollScan,
  pollToSelect,
  pollWait,
  type SelectSets,
  selectToPoll,
} from "../../kern/poll.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { AST_OLDMASK } from "../../kern/proc.ts";
import { RLIMIT_NOFILE } from "../../kern/resource.ts";
import { type Ksiginfo, sigmaskChanged } from "../../kern/sig.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { fd, hex, int, partial, plain, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, clockNow } from "../../kern/time.ts";
import { getSigset, getTimespec, getTimespec64, NS, putTimespec, putTimespec64 } from "./guest-struct.ts";
import { linuxSigno } from "./signo.ts";
import { suspendMask } from "./sys-signal.ts";

const LINUX_O_NONBLOCK = 0o4000;
const LINUX_O_CLOEXEC = 0o2000000;

/** Installs a new file; drops it when there is no descriptor for it. */
function installFile(lp: Lwp, fp: File, cloexec: boolean): number {
  try {
    return lp.proc.fd!.install(lp, fp, cloexec);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

function checkFlags(flags: number, allowed: number): { nonblock: number; cloexec: boolean } {
  if ((flags & ~allowed) !== 0) throw EINVAL;
  return { nonblock: (flags & LINUX_O_NONBLOCK) !== 0 ? O_NONBLOCK : 0, cloexec: (flags & LINUX_O_CLOEXEC) !== 0 };
}

// ---------------------------------------------------------------------------------------------------------
// pipe

const LINUX_O_DIRECT = 0o40000;
function pipe2(lp: Lwp, uaddr: number, flags: number): number {
  const f = checkFlags(flags & ~LINUX_O_DIRECT, LINUX_O_NONBLOCK | LINUX_O_CLOEXEC);
  const fdp = lp.proc.fd!;
  fdp.reserve(lp, 2);
  const [r, w] = makePipe(lp, f.nonblock, false);
  const rfd = fdp.install(lp, r, f.cloexec);
  const wfd = fdp.install(lp, w, f.cloexec);
  try {
    copyoutWords(lp.proc.vmspace!, Int32Array.of(rfd, wfd), uaddr, 2);
  } catch (e) {
    fdp.close(rfd, lp);
    fdp.close(wfd, lp);
    throw e;
  }
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// poll

/** Linux's POLLWRNORM, POLLWRBAND and POLLRDHUP have numbers of their own. */
const LINUX_POLLWRNORM = 0x100;
const LINUX_POLLWRBAND = 0x200;

const POLLFD_BYTES = 8;

function copyinPollfds(lp: Lwp, uaddr: number, n: number): PollFd[] {
  if (n >>> 0 > lp.proc.limits.cur[RLIMIT_NOFILE]!) throw EINVAL;
  if (n === 0) return [];
  const bytes = new Uint8Array(n * POLLFD_BYTES);
  copyin(lp.proc.vmspace!, uaddr, bytes, 0, bytes.length);
  const dv = new DataView(bytes.buffer);
  const set: PollFd[] = [];
  for (let i = 0; i < n; i++) {
    const asked = dv.getUint16(i * 8 + 4, true);
    let events = asked & ~(LINUX_POLLWRNORM | LINUX_POLLWRBAND);
    if ((asked & LINUX_POLLWRNORM) !== 0) events |= POLLOUT;
    set.push({ fd: dv.getInt32(i * 8, true), events, revents: 0 });
  }
  return set;
}

function copyoutPollfds(lp: Lwp, uaddr: number, set: readonly PollFd[]): number {
  if (set.length === 0) return 0;
  const bytes = new Uint8Array(set.length * POLLFD_BYTES);
  copyin(lp.proc.vmspace!, uaddr, bytes, 0, bytes.length);
  const dv = new DataView(bytes.buffer);
  let n = 0;
  set.forEach((p, i) => {
    const asked = dv.getUint16(i * 8 + 4, true);
    let r = p.revents;
    if ((r & POLLOUT) !== 0 && (asked & LINUX_POLLWRNORM) !== 0) r |= LINUX_POLLWRNORM;
    if ((asked & POLLOUT) === 0) r &= ~POLLOUT;
    dv.setUint16(i * 8 + 6, r, true);
    if (r !== 0) n++;
  });
  copyout(lp.proc.vmspace!, bytes, 0, uaddr, bytes.length);
  return n;
}

const msNs = (ms: number): number => (ms < 0 ? FOREVER : ms * 1e6);

function sysPoll(lp: Lwp, a: Int32Array): number {
  const set = copyinPollfds(lp, a[0]!, a[1]!);
  const n = pollScan(lp, set);
  if (n === 0 && a[2] !== 0) return WOULDBLOCK;
  return copyoutPollfds(lp, a[0]!, set);
}
function* sysPollSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const set = copyinPollfds(lp, a[0]!, a[1]!);
  yield* pollWait(lp, set, msNs(a[2]!));
  return copyoutPollfds(lp, a[0]!, set);
}

/** Reinstates the mask of before a call with a temporary one, unless a signal is to be handled under it. */
export function restoreMask(lp: Lwp): void {
  if ((lp.ast & AST_OLDMASK) === 0) return;
  lp.ast &= ~AST_OLDMASK;
  lp.sigmask.set(lp.oldmask);
  sigmaskChanged(lp);
}

function timeoutArg(lp: Lwp, uaddr: number, read: (lp: Lwp, uaddr: number) => number): number {
  return uaddr === 0 ? FOREVER : read(lp, uaddr);
}

/** ppoll and pselect store the time that is left, as Linux does. */
function storeLeft(lp: Lwp, uaddr: number, until: number, put: (lp: Lwp, uaddr: number, ns: number) => void): void {
  if (uaddr !== 0) put(lp, uaddr, Math.max(0, until - lp.k.nanouptime()));
}

type Get = (lp: Lwp, uaddr: number) => number;
type Put = (lp: Lwp, uaddr: number, ns: number) => void;

const ppoll = (get: Get, put: Put) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    const timeout = timeoutArg(lp, a[2]!, get);
    const until = lp.k.nanouptime() + timeout;
    const set = copyinPollfds(lp, a[0]!, a[1]!);
    if (a[3] !== 0) {
      if (a[4] !== 8) throw EINVAL;
      suspendMask(lp, getSigset(lp, a[3]!));
    }
    try {
      yield* pollWait(lp, set, timeout);
    } finally {
      storeLeft(lp, a[2]!, until, put);
    }
    restoreMask(lp);
    return copyoutPollfds(lp, a[0]!, set);
  };

// ---------------------------------------------------------------------------------------------------------
// select

/** Largest set in descriptors. */
const FD_MAX = 65536;

function copyinSets(lp: Lwp, nfds: number, r: number, w: number, x: number): SelectSets {
  if (nfds < 0) throw EINVAL;
  const n = Math.min(nfds, FD_MAX);
  const words = (n + 31) >> 5;
  const get = (uaddr: number): Int32Array | null => {
    if (uaddr === 0) return null;
    const set = new Int32Array(words);
    copyinWords(lp.proc.vmspace!, uaddr, set, words);
    return set;
  };
  return { nfds: n, read: get(r), write: get(w), except: get(x) };
}

function copyoutSets(lp: Lwp, s: SelectSets, r: number, w: number, x: number): void {
  const vm = lp.proc.vmspace!;
  if (s.read !== null) copyoutWords(vm, s.read, r, s.read.length);
  if (s.write !== null) copyoutWords(vm, s.write, w, s.write.length);
  if (s.except !== null) copyoutWords(vm, s.except, x, s.except.length);
}

/** select's timeval: unlike others it may carry more than a second in its microseconds. */
function selectTimeout(lp: Lwp, uaddr: number): number {
  if (uaddr === 0) return FOREVER;
  const w = new Int32Array(2);
  copyinWords(lp.proc.vmspace!, uaddr, w, 2);
  if (w[0]! < 0 || w[1]! < 0) throw EINVAL;
  return w[0]! * NS + w[1]! * 1000;
}
function putSelectLeft(lp: Lwp, uaddr: number, ns: number): void {
  const us = Math.floor(ns / 1000);
  copyoutWords(lp.proc.vmspace!, Int32Array.of(Math.floor(us / 1e6), us % 1e6), uaddr, 2);
}

function* select(lp: Lwp, a: Int32Array, timeout: number, put: Put): KernelFrame {
  const until = lp.k.nanouptime() + timeout;
  const sets = copyinSets(lp, a[0]!, a[1]!, a[2]!, a[3]!);
  const set = selectToPoll(lp, sets);
  try {
    yield* pollWait(lp, set, timeout);
  } finally {
    storeLeft(lp, a[4]!, until, put);
  }
  const n = pollToSelect(set, sets);
  copyoutSets(lp, sets, a[1]!, a[2]!, a[3]!);
  return n;
}

function sysSelect(lp: Lwp, a: Int32Array): number {
  const sets = copyinSets(lp, a[0]!, a[1]!, a[2]!, a[3]!);
  const set = selectToPoll(lp, sets);
  if (pollScan(lp, set) === 0) return WOULDBLOCK;
  const n = pollToSelect(set, sets);
  if (n === 0) return WOULDBLOCK;
  copyoutSets(lp, sets, a[1]!, a[2]!, a[3]!);
  return n;
}
function* sysSelectSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* select(lp, a, selectTimeout(lp, a[4]!), putSelectLeft);
}
/** The oldest select passes its arguments in memory. */
function* sysOldSelect(lp: Lwp, a: Int32Array): KernelFrame {
  const w = new Int32Array(5);
  copyinWords(lp.proc.vmspace!, a[0]!, w, 5);
  return yield* select(lp, w, selectTimeout(lp, w[4]!), putSelectLeft);
}

const pselect = (get: Get, put: Put) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    const timeout = timeoutArg(lp, a[4]!, get);
    if (a[5] !== 0) {
      const w = new Int32Array(2);
      copyinWords(lp.proc.vmspace!, a[5]!, w, 2);
      if (w[0] !== 0) {
        if (w[1] !== 8) throw EINVAL;
        suspendMask(lp, getSigset(lp, w[0]!));
      }
    }
    const n = yield* select(lp, a, timeout, put);
    restoreMask(lp);
    return n;
  };

// ---------------------------------------------------------------------------------------------------------
// epoll

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_EVENT_BYTES = 12;

function sysEpollCreate(lp: Lwp, a: Int32Array): number {
  if (a[0]! <= 0) throw EINVAL;
  return installFile(lp, new EpollFile(), false);
}
function sysEpollCreate1(lp: Lwp, a: Int32Array): number {
  const f = checkFlags(a[0]!, LINUX_O_CLOEXEC);
  return installFile(lp, new EpollFile(), f.cloexec);
}

function epollOf(lp: Lwp, d: number): EpollFile {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof EpollFile)) throw EINVAL;
  return fp;
}

function sysEpollCtl(lp: Lwp, a: Int32Array): number {
  const w = new Int32Array(3);
  if (a[1] !== EPOLL_CTL_DEL) copyinWords(lp.proc.vmspace!, a[3]!, w, 3);
  lp.proc.fd!.get(a[0]!);
  const target = lp.proc.fd!.get(a[2]!);
  if (!canPoll(target)) throw EPERM;
  const ep = epollOf(lp, a[0]!);
  const ev: EpollEvent = { events: w[0]!, dataLo: w[1]!, dataHi: w[2]! };
  switch (a[1]) {
    case EPOLL_CTL_ADD:
      ep.add(a[2]!, target, ev);
      return 0;
    case EPOLL_CTL_DEL:
      ep.delete(a[2]!, target);
      return 0;
    case EPOLL_CTL_MOD:
      ep.modify(a[2]!, target, ev);
      return 0;
    default:
      throw EINVAL;
  }
}

/** Stores what there is to report and tells the file that it has been (EP4). */
function putEvents(lp: Lwp, ep: EpollFile, uaddr: number, reports: readonly Report[]): number {
  const n = reports.length;
  if (n === 0) return 0;
  const w = new Int32Array(n * 3);
  for (let i = 0; i < n; i++) {
    const { entry, events } = reports[i]!;
    w[3 * i] = events;
    w[3 * i + 1] = entry.dataLo;
    w[3 * i + 2] = entry.dataHi;
  }
  copyoutWords(lp.proc.vmspace!, w, uaddr, w.length);
  ep.consume(reports);
  return n;
}

function checkEpollWait(a: Int32Array): void {
  if (a[2]! <= 0 || a[2]! > 0x7fff_ffff / EPOLL_EVENT_BYTES) throw EINVAL;
  if (a[1] === 0) throw EFAULT;
}

function sysEpollWait(lp: Lwp, a: Int32Array): number {
  checkEpollWait(a);
  const ep = epollOf(lp, a[0]!);
  const reports = ep.collect(a[2]!);
  return reports.length === 0 && a[3] !== 0 ? WOULDBLOCK : putEvents(lp, ep, a[1]!, reports);
}
function* sysEpollWaitSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const ep = epollOf(lp, a[0]!);
  return putEvents(lp, ep, a[1]!, yield* epollWait(lp, ep, a[2]!, msNs(a[3]!)));
}

function* epollPwait(lp: Lwp, a: Int32Array, timeout: number): KernelFrame {
  checkEpollWait(a);
  const ep = epollOf(lp, a[0]!);
  if (a[4] !== 0) suspendMask(lp, getSigset(lp, a[4]!));
  const reports = yield* epollWait(lp, ep, a[2]!, timeout);
  restoreMask(lp);
  return putEvents(lp, ep, a[1]!, reports);
}
function* sysEpollPwait(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* epollPwait(lp, a, msNs(a[3]!));
}
function* sysEpollPwait2(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* epollPwait(lp, a, timeoutArg(lp, a[3]!, getTimespec64));
}

// ---------------------------------------------------------------------------------------------------------
// eventfd, timerfd, signalfd

const EFD_SEMAPHORE = 1;
function eventfd(lp: Lwp, initial: number, flags: number): number {
  const f = checkFlags(flags, EFD_SEMAPHORE | LINUX_O_NONBLOCK | LINUX_O_CLOEXEC);
  return installFile(lp, new EventFile(f.nonblock, initial, (flags & EFD_SEMAPHORE) !== 0), f.cloexec);
}

function sysTimerfdCreate(lp: Lwp, a: Int32Array): number {
  const f = checkFlags(a[1]!, LINUX_O_NONBLOCK | LINUX_O_CLOEXEC);
  const clocks: Readonly<Record<number, number>> = { 0: CLOCK_REALTIME, 1: CLOCK_MONOTONIC, 7: CLOCK_MONOTONIC, 8: CLOCK_REALTIME, 9: CLOCK_MONOTONIC };
  const clock = clocks[a[0]!];
  if (clock === undefined) throw EINVAL;
  return installFile(lp, new TimerFile(lp.k, f.nonblock, clock), f.cloexec);
}
function timerFile(lp: Lwp, d: number): TimerFile {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof TimerFile)) throw EINVAL;
  return fp;
}
const TFD_TIMER_ABSTIME = 1;
const timerfdSettime = (bytes: number, get: Get, put: Put) => (lp: Lwp, a: Int32Array): number => {
  const interval = get(lp, a[2]!);
  const value = get(lp, a[2]! + bytes);
  if ((a[1]! & ~3) !== 0) throw EINVAL;
  const t = timerFile(lp, a[0]!);
  const oldInterval = t.intervalNs;
  const oldValue = t.remaining();
  const now = lp.k.nanouptime();
  let at = 0;
  if (value !== 0) at = (a[1]! & TFD_TIMER_ABSTIME) !== 0 ? Math.max(1, now + value - clockNow(lp, t.clock)) : now + value;
  t.set(at, interval);
  if (a[3] !== 0) {
    put(lp, a[3]!, oldInterval);
    put(lp, a[3]! + bytes, oldValue);
  }
  return 0;
};
const timerfdGettime = (bytes: number, put: Put) => (lp: Lwp, a: Int32Array): number => {
  const t = timerFile(lp, a[0]!);
  put(lp, a[1]!, t.intervalNs);
  put(lp, a[1]! + bytes, t.remaining());
  return 0;
};

const SIGNALFD_BYTES = 128;
/** struct signalfd_siginfo */
function encodeSignalfd(info: Ksiginfo): Uint8Array {
  const out = new Uint8Array(SIGNALFD_BYTES);
  const dv = new DataView(out.buffer);
  dv.setUint32(0, linuxSigno(info.signo), true);
  dv.setInt32(4, info.errno, true);
  dv.setInt32(8, info.code, true);
  dv.setUint32(12, info.pid, true);
  dv.setUint32(16, info.uid, true);
  dv.setUint32(24, info.timerid, true);
  dv.setUint32(32, info.overrun, true);
  dv.setInt32(40, info.status, true);
  dv.setInt32(44, info.value, true);
  dv.setUint32(48, info.value, true);
  dv.setUint32(72, info.addr, true);
  return out;
}
function signalfd(lp: Lwp, d: number, mask: number, maskBytes: number, flags: number): number {
  const f = checkFlags(flags, LINUX_O_NONBLOCK | LINUX_O_CLOEXEC);
  if (maskBytes !== 8) throw EINVAL;
  const set: Sigset = getSigset(lp, mask);
  if (d === -1) return installFile(lp, new SignalFile(lp.k, f.nonblock, set, SIGNALFD_BYTES, encodeSignalfd), f.cloexec);
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof SignalFile)) throw EINVAL;
  fp.set.set(set);
  lp.proc.sigChan.wakeup();
  return d;
}

export const POLL_ROWS: readonly Sysent[] = [
  plain(42, "pipe", [uptr], (lp, a) => pipe2(lp, a[0]!, 0)),
  sleeps(82, "select", [uptr], () => WOULDBLOCK, sysOldSelect),
  sleeps(142, "_newselect", [int, uptr, uptr, uptr, uptr], sysSelect, sysSelectSlow),
  sleeps(168, "poll", [uptr, int, int], sysPoll, sysPollSlow),
  plain(254, "epoll_create", [int], sysEpollCreate),
  plain(255, "epoll_ctl", [fd, int, fd, uptr], sysEpollCtl),
  sleeps(256, "epoll_wait", [fd, uptr, int, int], sysEpollWait, sysEpollWaitSlow),
  sleeps(308, "pselect6", [int, uptr, uptr, uptr, uptr, uptr], () => WOULDBLOCK, pselect(getTimespec, putTimespec)),
  sleeps(309, "ppoll", [uptr, int, uptr, uptr, size], () => WOULDBLOCK, ppoll(getTimespec, putTimespec)),
  sleeps(319, "epoll_pwait", [fd, uptr, int, int, uptr, size], () => WOULDBLOCK, sysEpollPwait),
  plain(321, "signalfd", [fd, uptr, size], (lp, a) => signalfd(lp, a[0]!, a[1]!, a[2]!, 0)),
  plain(322, "timerfd_create", [int, hex], sysTimerfdCreate),
  plain(323, "eventfd", [int], (lp, a) => eventfd(lp, a[0]!, 0)),
  partial(plain(325, "timerfd_settime", [fd, hex, uptr, uptr], timerfdSettime(8, getTimespec, putTimespec)), "no TFD_TIMER_CANCEL_ON_SET"),
  plain(326, "timerfd_gettime", [fd, uptr], timerfdGettime(8, putTimespec)),
  plain(327, "signalfd4", [fd, uptr, size, hex], (lp, a) => signalfd(lp, a[0]!, a[1]!, a[2]!, a[3]!)),
  plain(328, "eventfd2", [int, hex], (lp, a) => eventfd(lp, a[0]!, a[1]!)),
  plain(329, "epoll_create1", [hex], sysEpollCreate1),
  plain(331, "pipe2", [uptr, hex], (lp, a) => pipe2(lp, a[0]!, a[1]!)),
  plain(410, "timerfd_gettime64", [fd, uptr], timerfdGettime(16, putTimespec64)),
  partial(plain(411, "timerfd_settime64", [fd, hex, uptr, uptr], timerfdSettime(16, getTimespec64, putTimespec64)), "no TFD_TIMER_CANCEL_ON_SET"),
  sleeps(413, "pselect6_time64", [int, uptr, uptr, uptr, uptr, uptr], () => WOULDBLOCK, pselect(getTimespec64, putTimespec64)),
  sleeps(414, "ppoll_time64", [uptr, int, uptr, uptr, size], () => WOULDBLOCK, ppoll(getTimespec64, putTimespec64)),
  sleeps(441, "epoll_pwait2", [fd, uptr, int, uptr, uptr, size], () => WOULDBLOCK, sysEpollPwait2),
];
