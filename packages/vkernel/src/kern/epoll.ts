// SPDX-License-Identifier: BSD-3-Clause
/**
 * epoll: files that are watched for longer than one call (Linux fs/eventpoll.c; epoll(7)). An entry stays on the channels of its
 * file; what wakes these puts it on the ready list, and only what is there is asked. So waiting costs as much as there
 * is to report, however many files are watched.
 *
 * Invariants
 *   EP1  An entry that is not disabled is on its file's channels all the time: it is put on them before the file is first asked,
 *        goes back at each wakeup, and follows when the file has come to have others. So no event is lost.
 *   EP2  What is on `ready` may have nothing to report: whether it has, whoever waits asks.
 *   EP3  A level-triggered entry stays on `ready`, at the end, while it is reported; an edge-triggered one comes back with the next wakeup.
 *   EP4  Events that could not be stored have not been consumed.
 *   EP5  An entry does not keep its file open: it ends with the file's last descriptor (File.watchers).
 *   EP6  One waiter is woken for each entry that becomes ready, and hands on what it leaves; watchers of the epoll file itself all are.
 *   EP7  Of several exclusive entries on a file one that is waited for hears of a wakeup, unless there is none.
 * @module
 */
import { EEXIST, EINTR, EINVAL, ELOOP, ENOENT, EPERM } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel, WaitNode, type Sleeper } from "../sys/wait.ts";
import type { Vattr } from "../vfs/vnode.ts";
import { VREG } from "../vfs/vnode.ts";
import { closesCircle, fdrop, fhold, File, type FileWatcher, pseudoVattr } from "./file.ts";
import { waitsToRead, waitsToWrite } from "./poll.ts";
import { AST_EXIT, type Lwp } from "./proc.ts";
import { fatalPending } from "./sig.ts";
import { FOREVER, PCATCH, PNORESTART, tsleep } from "./sleep.ts";

export const EPOLLET = -0x8000_0000;
export const EPOLLONESHOT = 0x4000_0000;
export const EPOLLWAKEUP = 0x2000_0000;
export const EPOLLEXCLUSIVE = 0x1000_0000;
/** What else than events' bits an exclusive entry may ask for. */
const EXCLUSIVE_ALLOWED = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
const EVENTS = 0x3fff;
/** Reported whether they were asked for or not; an entry without even these is disabled (EPOLLONESHOT). */
const ALWAYS = POLLERR | POLLHUP;
const READING = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND;
/** Linux's POLLWRNORM, which says the same as POLLOUT. */
const EPOLLWRNORM = 0x100;

export interface EpollEvent {
  events: number;
  dataLo: number;
  dataHi: number;
}

/** Whether a file may become ready: files and directories of file systems always are, and have nothing to wait at. */
export function canPoll(fp: File): boolean {
  return fp.type !== "vnode" || fp.channel(false) !== null || fp.channel(true) !== null;
}

/** One side of a file that an entry waits at. */
class Side implements Sleeper {
  readonly #entry: EpollEntry;
  readonly #node = new WaitNode(this);
  /** The channel that it was put on last. */
  #chan: WaitChannel | null = null;

  constructor(entry: EpollEntry) {
    this.#entry = entry;
  }
  /** Only for errors and hangups: the entry did not ask for what this side is woken for as a rule. */
  #aside = false;

  /** Waits at this channel, or at none. It may have become another one: a socket's with its peer. */
  arm(chan: WaitChannel | null, aside: boolean): void {
    this.#aside = aside;
    const { channel } = this.#node;
    if (channel === chan) return;
    channel?.remove(this.#node);
    this.#chan = chan;
    chan?.add(this.#node);
  }
  wake(): void {
    if (this.#entry.disabled) return;
    const chan = this.#chan!;
    chan.add(this.#node);
    if (!this.#aside || this.#entry.look() !== 0) this.#entry.wake(chan);
  }
}

class EpollEntry implements FileWatcher {
  readonly ep: EpollFile;
  readonly fd: number;
  readonly fp: File;
  events: number;
  dataLo: number;
  dataHi: number;
  /** Another entry for the same number: its file has been closed under that number, and lives on under others. */
  next: EpollEntry | null = null;
  readonly #read = new Side(this);
  readonly #write = new Side(this);

  constructor(ep: EpollFile, fd: number, fp: File, ev: EpollEvent) {
    this.ep = ep;
    this.fd = fd;
    this.fp = fp;
    this.events = ev.events | ALWAYS;
    this.dataLo = ev.dataLo;
    this.dataHi = ev.dataHi;
  }

  /** What it asks the file for, as File.poll has it. */
  private get want(): number {
    const { events } = this;
    return (events & EPOLLWRNORM) !== 0 ? (events & EVENTS & ~EPOLLWRNORM) | POLLOUT : events & EVENTS;
  }
  get disabled(): boolean {
    return (this.events & EVENTS) === 0;
  }

  /** Asks the file; the events that it would report. */
  look(): number {
    if (this.disabled) return 0;
    const { fp, want, events } = this;
    this.#read.arm(waitsToRead(fp, want) ? fp.channel(false) : null, (want & READING) === 0);
    this.#write.arm(waitsToWrite(fp, want) ? fp.channel(true) : null, (want & POLLOUT) === 0);
    let now = fp.poll(want) & want;
    if ((events & EPOLLWRNORM) !== 0 && (now & POLLOUT) !== 0) now |= EPOLLWRNORM;
    return (events & POLLOUT) === 0 ? now & ~POLLOUT : now;
  }

  wake(chan: WaitChannel): void {
    const exclusive = (this.events & EPOLLEXCLUSIVE) !== 0;
    if (exclusive && chan.claimed === chan.gen) return;
    if (this.ep.activate(this) && exclusive) chan.claimed = chan.gen;
  }

  detach(): void {
    this.#read.arm(null, false);
    this.#write.arm(null, false);
    const { watchers } = this.fp;
    watchers!.delete(this);
    if (watchers!.size === 0) this.fp.watchers = null;
  }
  fileClosed(): void {
    this.ep.forget(this);
  }
}

/** What epoll_wait reports of an entry. */
export interface Report {
  readonly entry: EpollEntry;
  readonly events: number;
}

export class EpollFile extends File {
  readonly type = "epoll";
  /** By descriptor number. */
  private readonly entries = new Map<number, EpollEntry>();
  private readonly ready = new Set<EpollEntry>();
  /** Who waits in epoll_wait, and who watches this file. */
  readonly waiters = new WaitChannel("epoll");
  private readonly changed = new WaitChannel("epoll");

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
  override watched(): readonly File[] {
    const files: File[] = [];
    for (let e of this.entries.values()) for (;;) {
      files.push(e.fp);
      if (e.next === null) break;
      e = e.next;
    }
    return files;
  }

  /** EPOLL_CTL_ADD. Throws EEXIST, EINVAL, EPERM, ELOOP. */
  add(fd: number, fp: File, ev: EpollEvent): void {
    if (fp === this) throw EINVAL;
    if ((ev.events & EPOLLEXCLUSIVE) !== 0 && (fp instanceof EpollFile || (ev.events & ~EXCLUSIVE_ALLOWED) !== 0)) throw EINVAL;
    const other = this.entries.get(fd) ?? null;
    for (let e = other; e !== null; e = e.next) if (e.fp === fp) throw EEXIST;
    if (!canPoll(fp)) throw EPERM;
    if (closesCircle(this, fp)) throw ELOOP;
    const entry = new EpollEntry(this, fd, fp, ev);
    entry.next = other;
    this.entries.set(fd, entry);
    (fp.watchers ??= new Set()).add(entry);
    this.start(entry);
  }

  /** EPOLL_CTL_MOD: events that it has now are reported (again). Throws ENOENT, EINVAL. */
  modify(fd: number, fp: File, ev: EpollEvent): void {
    if ((ev.events & EPOLLEXCLUSIVE) !== 0) throw EINVAL;
    const entry = this.entry(fd, fp);
    if ((entry.events & EPOLLEXCLUSIVE) !== 0) throw EINVAL;
    entry.events = ev.events | ALWAYS;
    entry.dataLo = ev.dataLo;
    entry.dataHi = ev.dataHi;
    this.start(entry);
  }

  /** Asks an entry for the first time; one that was on the list already is no news. */
  private start(entry: EpollEntry): void {
    if (entry.look() !== 0 && !this.ready.has(entry)) this.activate(entry);
  }

  /** EPOLL_CTL_DEL. Throws ENOENT. */
  delete(fd: number, fp: File): void {
    this.forget(this.entry(fd, fp));
  }

  private entry(fd: number, fp: File): EpollEntry {
    for (let e = this.entries.get(fd) ?? null; e !== null; e = e.next) if (e.fp === fp) return e;
    throw ENOENT;
  }

  /** Ends an entry. */
  forget(entry: EpollEntry): void {
    entry.detach();
    this.ready.delete(entry);
    const { fd, next } = entry;
    let before = this.entries.get(fd)!;
    if (before === entry) {
      if (next === null) this.entries.delete(fd);
      else this.entries.set(fd, next);
      return;
    }
    while (before.next !== entry) before = before.next!;
    before.next = next;
  }

  /** An entry may have something to report. Whether anybody waits for that. */
  activate(entry: EpollEntry): boolean {
    this.ready.add(entry);
    const waited = this.waiters.wakeupOne();
    const watched = this.changed.hasSleepers;
    this.changed.wakeup();
    return waited || watched;
  }

  /** What there is to report, at most `max` entries; they are not consumed. */
  collect(max: number): readonly Report[] {
    if (this.ready.size === 0) return NOTHING;
    const out: Report[] = [];
    for (const entry of this.ready) {
      const events = entry.look();
      if (events === 0) this.ready.delete(entry);
      else if (out.push({ entry, events }) >= max) break;
    }
    return out;
  }

  /** The program has been told of these (EP3), and another waiter gets what is left (EP6). */
  consume(reports: readonly Report[]): void {
    for (const { entry } of reports) {
      this.ready.delete(entry);
      if ((entry.events & EPOLLONESHOT) !== 0) entry.events &= ~EVENTS;
      else if ((entry.events & EPOLLET) === 0) this.ready.add(entry);
    }
    if (this.ready.size > 0) this.waiters.wakeupOne();
  }

  /** A waiter ends without having taken anything: what it was woken for is another's. */
  handOn(): void {
    if (this.ready.size > 0) this.waiters.wakeupOne();
  }

  override poll(events: number): number {
    return (events & (POLLIN | POLLRDNORM)) !== 0 && this.collect(1).length > 0 ? events & (POLLIN | POLLRDNORM) : 0;
  }
  override channel(): WaitChannel | null {
    return this.changed;
  }
  override close(): void {
    for (const first of [...this.entries.values()]) {
      for (let e: EpollEntry | null = first; e !== null; e = e.next) e.detach();
    }
    this.entries.clear();
    this.ready.clear();
  }
}

const NOTHING: readonly Report[] = [];

/** epoll_wait: up to `max` reports, to be consumed; none after the timeout (ns). Throws EINTR. */
export function* epollWait(lp: Lwp, ep: EpollFile, max: number, timeoutNs: number): Generator<void, readonly Report[], void> {
  const k = lp.k;
  const deadline = timeoutNs === FOREVER ? FOREVER : k.nanouptime() + timeoutNs;
  fhold(ep);
  try {
    for (;;) {
      const out = ep.collect(max);
      if (out.length > 0) return out;
      const left = deadline === FOREVER ? FOREVER : deadline - k.nanouptime();
      if (left <= 0) return out;
      yield* tsleep(lp, ep.waiters, PCATCH | PNORESTART, left);
      // Who has no time left to look at events takes none.
      if ((lp.ast & AST_EXIT) !== 0 || fatalPending(lp)) throw EINTR;
    }
  } catch (e) {
    ep.handOn();
    throw e;
  } finally {
    fdrop(ep, lp);
  }
}
