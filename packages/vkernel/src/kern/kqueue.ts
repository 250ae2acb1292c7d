// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel queues: programs register what they wait for once, and fetch what has happened (DragonFly 2.0
 * sys/kern/kern_event.c). What an event is, the filters say (kqueue-filters.ts).
 *
 * Invariants
 *   KQ1  A note is in `notes` under its identifier and filter, exactly while its filter is attached. Notes of a
 *        descriptor end when the descriptor is closed, whatever else refers to the file.
 *   KQ2  `queued` holds the notes that may have something to report; whether they do, the scan asks. A note that is
 *        neither queued nor disabled is woken through its filter: no event is lost between a scan and the next.
 *   KQ3  A queue belongs to the descriptor table in which it was made: fork does not copy it.
 * @module
 */
import { EBADF, EINVAL, ENOENT, ENXIO, Errno } from "../sys/errno.ts";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_ENABLE,
  EV_ONESHOT,
  EV_SYSFLAGS,
} from "../sys/event.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel } from "../sys/wait.ts";
import type { Vattr } from "../vfs/vnode.ts";
import { VFIFO } from "../vfs/vnode.ts";
import type { Filedesc } from "./descrip.ts";
import type { Readiness } from "./file.ts";
import { fdrop, fhold, File, pseudoVattr } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Filter, FilterOps } from "./kqueue-filters.ts";
import { filterOps } from "./kqueue-filters.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, tsleepMany } from "./sleep.ts";

/** struct kevent: a change that a program asks for, and an event that it gets. */
export interface Kevent {
  ident: number;
  filter: number;
  flags: number;
  fflags: number;
  data: number;
  udata: number;
}

/** One registration. */
export class Knote {
  readonly kq: KqueueFile;
  readonly fp: File | null;
  /** What will be reported. */
  readonly event: Kevent;
  /** What the program asked for. */
  sfflags: number;
  sdata: number;
  disabled = false;
  /** Has happened and was not reported, for a note that is disabled meanwhile. */
  active = false;
  filter!: Filter;

  constructor(kq: KqueueFile, fp: File | null, ev: Kevent) {
    this.kq = kq;
    this.fp = fp;
    this.sfflags = ev.fflags;
    this.sdata = ev.data;
    this.event = { ...ev, fflags: 0, data: 0 };
  }

  /** Something may have happened: the next scan looks. */
  activate(): void {
    this.active = true;
    if (!this.disabled) this.kq.enqueue(this);
  }
}

/** Identifiers are words, filters small negative numbers: together they fit a number. */
const keyOf = (filter: number, ident: number): number => (ident >>> 0) * 8 + ~filter;

export class KqueueFile extends File {
  readonly type = "kqueue";
  readonly k: Kernel;
  readonly fdp: Filedesc;
  private readonly notes = new Map<number, Knote>();
  private readonly queued = new Set<Knote>();
  /** Woken when a note is queued. */
  private readonly chan = new WaitChannel("kqread");
  /** Timers among the notes. */
  timers = 0;

  constructor(k: Kernel, fdp: Filedesc) {
    super(FREAD | FWRITE);
    this.k = k;
    this.fdp = fdp;
    (fdp.kqueues ??= new Set()).add(this);
  }

  /** Number of notes. */
  get size(): number {
    return this.notes.size;
  }

  enqueue(kn: Knote): void {
    if (this.queued.has(kn)) return;
    this.queued.add(kn);
    this.chan.wakeup();
  }

  /**
   * Makes one change. Throws EINVAL for a filter that does not exist, EBADF, ENOENT for a note that does not, and what
   * the filter throws for a file or process that it cannot watch.
   */
  register(lp: Lwp | null, ev: Kevent): void {
    ev.flags &= ~EV_SYSFLAGS;
    const ops = filterOps(ev.filter);
    if (ops === null) throw EINVAL;
    let fp: File | null = null;
    if (ops.isFd) fp = this.fdp.get(ev.ident | 0);
    const key = keyOf(ev.filter, ev.ident);
    let kn = this.notes.get(key) ?? null;
    if (kn === null && (ev.flags & EV_ADD) === 0) throw ENOENT;
    if ((ev.flags & EV_ADD) !== 0) kn = this.add(lp, ops, fp, kn, key, ev);
    else if ((ev.flags & EV_DELETE) !== 0) {
      this.drop(kn!);
      return;
    }
    if ((ev.flags & EV_DISABLE) !== 0) kn!.disabled = true;
    if ((ev.flags & EV_ENABLE) !== 0 && kn!.disabled) {
      kn!.disabled = false;
      if (kn!.active) this.enqueue(kn!);
    }
  }

  private add(lp: Lwp | null, ops: FilterOps, fp: File | null, old: Knote | null, key: number, ev: Kevent): Knote {
    let kn = old;
    if (kn === null) {
      kn = new Knote(this, fp, ev);
      kn.filter = ops.attach(kn, lp);
      this.notes.set(key, kn);
    } else {
      // What has been triggered already stays.
      kn.sfflags = ev.fflags;
      kn.sdata = ev.data;
      kn.event.udata = ev.udata;
    }
    kn.filter.arm();
    if (kn.filter.test()) kn.activate();
    return kn;
  }

  /** Forgets a note. */
  drop(kn: Knote): void {
    kn.filter.detach();
    this.queued.delete(kn);
    this.notes.delete(keyOf(kn.event.filter, kn.event.ident));
  }

  /** A descriptor of the table was closed (KQ1). */
  fdClosed(fd: number): void {
    for (const filter of FD_FILTERS) {
      const kn = this.notes.get(keyOf(filter, fd));
      if (kn !== undefined) this.drop(kn);
    }
  }

  /** Takes up to `max` events. Notes that stay true go to the end of the line. */
  take(max: number): Kevent[] {
    const out: Kevent[] = [];
    // The iteration goes on to what is queued behind: each note is looked at once.
    let left = this.queued.size;
    for (const kn of this.queued) {
      if (left-- === 0 || out.length >= max) break;
      this.queued.delete(kn);
      if (kn.disabled) continue;
      const oneshot = (kn.event.flags & EV_ONESHOT) !== 0;
      kn.filter.arm();
      if (!kn.filter.test() && !oneshot) {
        kn.active = false;
        continue;
      }
      out.push({ ...kn.event });
      if ((kn.event.flags & EV_ONESHOT) !== 0) this.drop(kn);
      else if ((kn.event.flags & EV_CLEAR) !== 0) {
        kn.event.data = 0;
        kn.event.fflags = 0;
        kn.active = false;
      } else this.queued.add(kn);
    }
    return out;
  }

  /** Drops notes from the queue that have nothing to report; whether any has. */
  private get pending(): boolean {
    for (const kn of [...this.queued]) {
      if (kn.disabled) this.queued.delete(kn);
      else {
        kn.filter.arm();
        if (kn.filter.test() || (kn.event.flags & EV_ONESHOT) !== 0) return true;
        kn.active = false;
        this.queued.delete(kn);
      }
    }
    return false;
  }

  /**
   * Fetches up to `max` events, waiting for the first one until `deadline` (monotonic ns; FOREVER: no limit). `prepare`
   * is called each time before events are taken, and may throw. Throws EINTR; never restarts.
   */
  *wait(lp: Lwp, max: number, deadline: number, prepare: () => void): Generator<void, Kevent[], void> {
    fhold(this);
    try {
      for (;;) {
        prepare();
        const out = this.take(max);
        if (out.length > 0) return out;
        const left = deadline === FOREVER ? FOREVER : deadline - this.k.nanouptime();
        if (left <= 0) return out;
        yield* tsleepMany(lp, [this.chan], "kqread", PCATCH | PNORESTART, left);
      }
    } finally {
      fdrop(this, lp);
    }
  }

  override read(): number {
    throw ENXIO;
  }
  override write(): number {
    throw ENXIO;
  }
  override poll(events: number): number {
    return (events & (POLLIN | POLLRDNORM)) !== 0 && this.pending ? events & (POLLIN | POLLRDNORM) : 0;
  }
  override channel(): WaitChannel {
    return this.chan;
  }
  override readiness(write: boolean): Readiness {
    if (write) return super.readiness(true);
    const ready = this.pending;
    return { ready, data: this.queued.size, eof: false, error: 0 };
  }
  override watched(): readonly File[] {
    return [...this.notes.values()].flatMap(({ fp }) => fp ?? []);
  }
  override stat(): Vattr {
    const va = pseudoVattr(VFIFO, 0, 0, 0);
    va.size = this.queued.size;
    va.blocksize = KEVENT_SIZE;
    return va;
  }
  override close(): void {
    for (const kn of [...this.notes.values()]) this.drop(kn);
    this.fdp.kqueues?.delete(this);
  }
}

/** Bytes of a struct kevent. */
export const KEVENT_SIZE = 20;

const FD_FILTERS = [-1, -2, -4, -8];

/** The queue of a descriptor. Throws EBADF, also for descriptors of other kinds. */
export function kqueueOf(lp: Lwp, fd: number): KqueueFile {
  const fp = lp.proc.fd!.get(fd);
  if (!(fp instanceof KqueueFile)) throw EBADF;
  return fp;
}

/** kqueue(2): a new queue; returns its descriptor. */
export function kernKqueue(lp: Lwp): number {
  const fdp = lp.proc.fd!;
  fdp.reserve(lp, 1);
  return fdp.install(lp, new KqueueFile(lp.k, fdp), false);
}

/**
 * The change list of kevent(2). A change that fails goes to `report` with its error when that has room for one more,
 * and stops the call otherwise. Returns how many were reported.
 */
export function applyChanges(lp: Lwp, kq: KqueueFile, changes: Iterable<Kevent>, report: (ev: Kevent, e: Errno) => boolean): number {
  let failed = 0;
  for (const ev of changes) {
    try {
      kq.register(lp, ev);
    } catch (e) {
      if (!(e instanceof Errno) || !report(ev, e)) throw e;
      failed++;
    }
  }
  return failed;
}
