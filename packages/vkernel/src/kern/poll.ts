// SPDX-License-Identifier: BSD-3-Clause
/**
 * select, poll and epoll over one mechanism: ask every file, and if none is ready sleep on all their channels
 * (DragonFly 2.0 sys/kern/sys_generic.c; Linux epoll(7)).
 *
 * Invariants
 *   V1  Between the last look at the files and the sleep nothing happens, so no event is lost.
 *   V2  A poll set holds its files while it sleeps.
 * @module
 */
import { EBADF, EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel } from "../sys/wait.ts";
import type { Vattr } from "../vfs/vnode.ts";
import { VREG } from "../vfs/vnode.ts";
import { closesCircle, fdrop, fhold, File, pseudoVattr } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleepMany } from "./sleep.ts";

/** One descriptor of a poll set. */
export interface PollFd {
  fd: number;
  events: number;
  revents: number;
}

/** Looks at all files once; returns how many have something to report. */
export function pollScan(lp: Lwp, set: readonly PollFd[]): number {
  const files = lp.proc.fd!.files;
  let n = 0;
  for (const p of set) {
    if (p.fd < 0) {
      p.revents = 0;
      continue;
    }
    const fp = p.fd < files.length ? files[p.fd]! : null;
    p.revents = fp === null ? POLLNVAL : fp.poll(p.events);
    if (p.revents !== 0) n++;
  }
  return n;
}

/**
 * Waits until a file of the set is ready; returns how many are, 0 after the timeout (ns; FOREVER for none).
 * Throws EINTR; never restarts.
 */
export function* pollWait(lp: Lwp, set: readonly PollFd[], timeoutNs: number): Generator<void, number, void> {
  const k = lp.k;
  const deadline = timeoutNs === FOREVER ? FOREVER : k.nanouptime() + timeoutNs;
  for (;;) {
    const n = pollScan(lp, set);
    if (n > 0) return n;
    const left = deadline === FOREVER ? FOREVER : deadline - k.nanouptime();
    if (left <= 0) return 0;
    const held: File[] = [];
    const chans: (WaitChannel | null)[] = [];
    for (const p of set) {
      if (p.fd < 0) continue;
      const fp = lp.proc.fd!.files[p.fd]!;
      held.push(fhold(fp));
      addChannels(fp, p.events, chans);
    }
    try {
      if ((yield* tsleepMany(lp, chans, "poll", PCATCH | PNORESTART, left)) === SLEEP_TIMEOUT) return pollScan(lp, set);
    } finally {
      for (const fp of held) fdrop(fp, lp);
    }
  }
}

function addChannels(fp: File, events: number, chans: (WaitChannel | null)[]): void {
  if (fp instanceof EpollFile) {
    fp.channels(chans);
    return;
  }
  // Hangups and errors are announced on the side that the file is open for.
  const reads = (events & (POLLIN | POLLRDNORM | POLLPRI)) !== 0 || (events & POLLOUT) === 0;
  if (reads && (fp.flags & FREAD) !== 0) chans.push(fp.channel(false));
  if (((events & POLLOUT) !== 0 || (fp.flags & FREAD) === 0) && (fp.flags & FWRITE) !== 0) chans.push(fp.channel(true));
}

/** A select set as bit words; null where the caller passed none. */
export interface SelectSets {
  nfds: number;
  read: Int32Array | null;
  write: Int32Array | null;
  except: Int32Array | null;
}

const bit = (set: Int32Array | null, fd: number): boolean => set !== null && (set[fd >> 5]! & (1 << (fd & 31))) !== 0;

/** The descriptors of select's sets as a poll set. Throws EBADF for one that is not open. */
export function selectToPoll(lp: Lwp, s: SelectSets): PollFd[] {
  const set: PollFd[] = [];
  for (let fd = 0; fd < s.nfds; fd++) {
    let events = 0;
    if (bit(s.read, fd)) events |= POLLIN | POLLRDNORM;
    if (bit(s.write, fd)) events |= POLLOUT;
    if (bit(s.except, fd)) events |= POLLPRI;
    if (events === 0) continue;
    if (fd >= lp.proc.fd!.files.length || lp.proc.fd!.files[fd] === null) throw EBADF;
    set.push({ fd, events, revents: 0 });
  }
  return set;
}

/** Turns poll results back into select's sets, in place; returns the number of bits set. */
export function pollToSelect(set: readonly PollFd[], s: SelectSets): number {
  s.read?.fill(0);
  s.write?.fill(0);
  s.except?.fill(0);
  let n = 0;
  const mark = (to: Int32Array | null, fd: number): void => {
    to![fd >> 5]! |= 1 << (fd & 31);
    n++;
  };
  for (const p of set) {
    const r = p.revents;
    if ((r & POLLNVAL) !== 0) throw EBADF;
    if ((p.events & POLLIN) !== 0 && (r & (POLLIN | POLLRDNORM | POLLHUP | POLLERR)) !== 0) mark(s.read, p.fd);
    if ((p.events & POLLOUT) !== 0 && (r & (POLLOUT | POLLERR)) !== 0) mark(s.write, p.fd);
    if ((p.events & POLLPRI) !== 0 && (r & POLLPRI) !== 0) mark(s.except, p.fd);
  }
  return n;
}

// ---------------------------------------------------------------------------------------------------------
// epoll

export const EPOLLET = -0x8000_0000;
export const EPOLLONESHOT = 0x4000_0000;
const EPOLL_MASK = 0x3fff;

interface EpollEntry {
  fd: number;
  fp: File;
  events: number;
  dataLo: number;
  dataHi: number;
  /** Edge triggered: the events reported last that have not gone since, and the channels' wakeups until then. */
  reported: number;
  gen: number;
}

export interface EpollEvent {
  events: number;
  dataLo: number;
  dataHi: number;
}

/** Whether a file may become ready: files and directories of file systems always are, and have nothing to wait at. */
export function canPoll(fp: File): boolean {
  return fp.type !== "vnode" || fp.channel(false) !== null || fp.channel(true) !== null;
}

export class EpollFile extends File {
  readonly type = "epoll";
  readonly entries = new Map<number, EpollEntry>();
  /** Woken when the set changes, so that waiters look again. */
  readonly changed = new WaitChannel("epoll");

  constructor() {
    super(FREAD | FWRITE);
  }
  override read(): number {
    throw EINVAL;
  }
  override write(): number {
    throw EINVAL;
  }
  override stat(): Vattr {
    return pseudoVattr(VREG, 0o600, 0, 0);
  }

  add(fd: number, fp: File, ev: EpollEvent): void {
    this.prune();
    if (this.entries.has(fd)) throw EEXIST;
    if (fp === this) throw EINVAL;
    if (!canPoll(fp)) throw EPERM;
    if (closesCircle(this, fp)) throw ELOOP;
    // An epoll entry does not keep the file open: it vanishes with the last descriptor (prune()).
    this.entries.set(fd, { fd, fp, events: ev.events, dataLo: ev.dataLo, dataHi: ev.dataHi, reported: 0, gen: 0 });
    this.changed.wakeup();
  }

  override watched(): readonly File[] {
    return Array.from(this.entries.values(), ({ fp }) => fp);
  }

  modify(fd: number, fp: File, ev: EpollEvent): void {
    const e = this.entry(fd, fp);
    e.events = ev.events;
    e.dataLo = ev.dataLo;
    e.dataHi = ev.dataHi;
    e.reported = 0;
    this.changed.wakeup();
  }
  delete(fd: number, fp: File): void {
    this.entry(fd, fp);
    this.entries.delete(fd);
  }
  private entry(fd: number, fp: File): EpollEntry {
    const e = this.entries.get(fd);
    if (e === undefined || e.fp !== fp) throw ENOENT;
    return e;
  }

  /** Forgets files that have been closed. */
  private prune(): void {
    for (const [fd, e] of this.entries) if (e.fp.refs <= 0) this.entries.delete(fd);
  }

  /** Ready entries, at most `max`; `consume` applies one-shot and edge state. */
  ready(max: number, consume: boolean): EpollEvent[] {
    this.prune();
    const out: EpollEvent[] = [];
    const reported: EpollEntry[] = [];
    for (const e of this.entries.values()) {
      if (out.length >= max) break;
      const want = e.events & EPOLL_MASK;
      if (want === 0) continue;
      const now = e.fp.poll(want) & (want | POLLERR | POLLHUP);
      const gen = wakeups(e.fp);
      const fresh = (e.events & EPOLLET) === 0 || gen !== e.gen ? now : now & ~e.reported;
      if (consume || now === 0) {
        e.reported = now;
        e.gen = gen;
      }
      if (fresh === 0) continue;
      out.push({ events: now, dataLo: e.dataLo, dataHi: e.dataHi });
      if (!consume) continue;
      if ((e.events & EPOLLONESHOT) !== 0) e.events &= ~EPOLL_MASK;
      reported.push(e);
    }
    // Fairness: what has been reported goes to the end of the line.
    for (const e of reported) {
      this.entries.delete(e.fd);
      this.entries.set(e.fd, e);
    }
    return out;
  }

  channels(out: (WaitChannel | null)[]): void {
    out.push(this.changed);
    for (const e of this.entries.values()) {
      addChannels(e.fp, e.events & EPOLL_MASK, out);
    }
  }

  override poll(events: number): number {
    return (events & (POLLIN | POLLRDNORM)) !== 0 && this.ready(1, false).length > 0 ? events & (POLLIN | POLLRDNORM) : 0;
  }
  override channel(): WaitChannel | null {
    return this.changed;
  }
  override close(): void {
    this.entries.clear();
    this.changed.wakeup();
  }
}

function wakeups(fp: File): number {
  return (fp.channel(false)?.gen ?? 0) + (fp.channel(true)?.gen ?? 0);
}

/** epoll_wait: up to `max` events; an empty list after the timeout. Throws EINTR. */
export function* epollWait(lp: Lwp, ep: EpollFile, max: number, timeoutNs: number): Generator<void, EpollEvent[], void> {
  const k = lp.k;
  const deadline = timeoutNs === FOREVER ? FOREVER : k.nanouptime() + timeoutNs;
  fhold(ep);
  try {
    for (;;) {
      const out = ep.ready(max, true);
      if (out.length > 0) return out;
      const left = deadline === FOREVER ? FOREVER : deadline - k.nanouptime();
      if (left <= 0) return out;
      const chans: (WaitChannel | null)[] = [];
      ep.channels(chans);
      yield* tsleepMany(lp, chans, "epoll", PCATCH | PNORESTART, left);
    }
  } finally {
    fdrop(ep, lp);
  }
}

