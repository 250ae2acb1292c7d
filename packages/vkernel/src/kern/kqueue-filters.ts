// SPDX-License-Identifier: BSD-3-Clause
/**
 * The filters of kernel queues: what each kind of note waits for (DragonFly 2.0 sys/kern/{kern_event,kern_sig,sys_pipe,
 * uipc_socket}.c, sys/vfs/ufs/ufs_vnops.c).
 *
 * Invariants
 *   KF1  attach() leaves nothing behind when it throws; detach() may be called at any time after it, once.
 *   KF2  arm() makes sure that the note is activated by what happens from now on; test() says what has happened.
 * @module
 */
import { ELOOP, ENOMEM, EOPNOTSUPP, EPERM, ESRCH } from "../sys/errno.ts";
import {
  EV_ADD,
  EV_CLEAR,
  EV_ENABLE,
  EV_EOF,
  EV_ONESHOT,
  EVFILT_AIO,
  EVFILT_EXCEPT,
  EVFILT_PROC,
  EVFILT_READ,
  EVFILT_SIGNAL,
  EVFILT_TIMER,
  EVFILT_VNODE,
  EVFILT_WRITE,
  NOTE_CHILD,
  NOTE_EXIT,
  NOTE_FORK,
  NOTE_LOWAT,
  NOTE_OOB,
  NOTE_PCTRLMASK,
  NOTE_PDATAMASK,
  NOTE_REVOKE,
  NOTE_SIGNAL,
  NOTE_TRACK,
  NOTE_TRACKERR,
  NOTE_VNODE,
  unwatch,
  watch,
  type Watcher,
} from "../sys/event.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLPRI } from "../sys/poll.ts";
import type { Sleeper } from "../sys/wait.ts";
import { WaitNode } from "../sys/wait.ts";
import type { Vnode } from "../vfs/vnode.ts";
import { Callout } from "./callout.ts";
import { FifoFile } from "./fifo-file.ts";
import { closesCircle, type File } from "./file.ts";
import type { Knote } from "./kqueue.ts";
import type { Lwp, Proc } from "./proc.ts";
import { SZOMB } from "./proc.ts";
import { VnodeFile } from "./vnode-file.ts";

/** What one note waits for. */
export interface Filter {
  arm(): void;
  /** Brings `kn.event` up to date; whether there is something to report. */
  test(): boolean;
  detach(): void;
}

export interface FilterOps {
  /** The identifier is a descriptor. */
  readonly isFd: boolean;
  /** Throws an Errno when the thing cannot be watched. `lp` is null for notes that the kernel makes itself. */
  attach(kn: Knote, lp: Lwp | null): Filter;
}

// ---------------------------------------------------------------------------------------------------------
// Descriptors

const vnodeOf = (fp: File): Vnode | null => (fp instanceof VnodeFile || fp instanceof FifoFile ? fp.vp : null);

/** EVFILT_READ, EVFILT_WRITE: wakes with the file's channel; regular files have none, and tell through their vnode. */
class Readable implements Filter, Sleeper, Watcher {
  private readonly kn: Knote;
  private readonly write: boolean;
  private readonly node = new WaitNode(this);
  private readonly vp: Vnode | null;

  constructor(kn: Knote, write: boolean) {
    this.kn = kn;
    this.write = write;
    const fp = kn.fp!;
    if (write && fp.type === "kqueue") throw EOPNOTSUPP;
    // Asking one whether it is ready asks those that it watches.
    if (closesCircle(kn.kq, fp)) throw ELOOP;
    this.vp = vnodeOf(fp);
    if (this.vp !== null) watch(this.vp, this);
  }
  wake(): void {
    this.kn.activate();
  }
  note(hint: number): void {
    if ((hint & NOTE_REVOKE) !== 0) this.kn.event.flags |= EV_EOF | EV_ONESHOT;
    this.kn.activate();
  }
  arm(): void {
    const fp = this.kn.fp!;
    if ((fp.flags & (this.write ? FWRITE : FREAD)) === 0) return;
    // The channel may have become another one: a socket's with its peer.
    const chan = fp.channel(this.write);
    if (this.node.channel !== chan) {
      this.node.channel?.remove(this.node);
      chan?.add(this.node);
    }
  }
  test(): boolean {
    const { kn } = this;
    if ((kn.event.flags & (EV_EOF | EV_ONESHOT)) === (EV_EOF | EV_ONESHOT)) return true;
    const r = kn.fp!.readiness(this.write);
    kn.event.data = r.data;
    if (r.eof) {
      kn.event.flags |= EV_EOF;
      kn.event.fflags = r.error;
      return true;
    }
    if (r.error !== 0) return true;
    if ((kn.sfflags & NOTE_LOWAT) !== 0 && kn.fp!.type === "socket") return r.data >= kn.sdata;
    return r.ready;
  }
  detach(): void {
    this.node.channel?.remove(this.node);
    if (this.vp !== null) unwatch(this.vp, this);
  }
}

/** EVFILT_EXCEPT: urgent data of a socket, the only exception that there is. */
class Exception implements Filter, Sleeper {
  private readonly kn: Knote;
  private readonly node = new WaitNode(this);
  constructor(kn: Knote) {
    if (kn.fp!.type !== "socket") throw EOPNOTSUPP;
    this.kn = kn;
  }
  wake(): void {
    this.kn.activate();
  }
  arm(): void {
    const chan = this.kn.fp!.channel(false);
    if (this.node.channel !== chan) {
      this.node.channel?.remove(this.node);
      chan?.add(this.node);
    }
  }
  test(): boolean {
    const { kn } = this;
    if ((kn.sfflags & NOTE_OOB) === 0 || (kn.fp!.poll(POLLPRI) & POLLPRI) === 0) return false;
    kn.event.fflags |= NOTE_OOB;
    return true;
  }
  detach(): void {
    this.node.channel?.remove(this.node);
  }
}

/** EVFILT_VNODE: collects what the program asked for. */
class Changed implements Filter, Watcher {
  private readonly kn: Knote;
  private readonly vp: Vnode;
  constructor(kn: Knote) {
    const vp = vnodeOf(kn.fp!);
    if (vp === null) throw EOPNOTSUPP;
    this.kn = kn;
    this.vp = vp;
    watch(vp, this);
  }
  note(hint: number): void {
    const { kn } = this;
    kn.event.fflags |= kn.sfflags & hint & NOTE_VNODE;
    if ((hint & NOTE_REVOKE) !== 0) kn.event.flags |= EV_EOF;
    if (this.test()) kn.activate();
  }
  arm(): void {}
  test(): boolean {
    return this.kn.event.fflags !== 0 || (this.kn.event.flags & EV_EOF) !== 0;
  }
  detach(): void {
    unwatch(this.vp, this);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Processes

/** EVFILT_PROC: exit, fork, exec; with NOTE_TRACK the children get notes of their own. */
class ProcEvents implements Filter, Watcher {
  private readonly kn: Knote;
  private p: Proc | null;

  constructor(kn: Knote, p: Proc) {
    this.kn = kn;
    this.p = p;
    kn.event.flags |= EV_CLEAR;
    if (p.stat === SZOMB) this.ended(p);
    else watch(p, this);
  }
  note(hint: number): void {
    const { kn } = this;
    const event = hint & NOTE_PCTRLMASK;
    if (event === 0) return;
    kn.event.fflags |= kn.sfflags & event;
    if (event === NOTE_EXIT) this.ended(this.p!);
    else if (event === NOTE_FORK && (kn.sfflags & NOTE_TRACK) !== 0) this.track(hint & NOTE_PDATAMASK);
    if (this.test()) kn.activate();
  }
  /** The last event of all: the note goes when it has been fetched. */
  private ended(p: Proc): void {
    const { event, sfflags } = this.kn;
    unwatch(p, this);
    this.p = null;
    event.fflags |= sfflags & NOTE_EXIT;
    event.flags |= EV_EOF | EV_ONESHOT;
    event.data = p.xstat;
  }
  private track(pid: number): void {
    const { kn } = this;
    const flags = (kn.event.flags & ~EV_EOF) | EV_ADD | EV_ENABLE;
    try {
      kn.kq.register(null, {
        ident: pid, filter: EVFILT_PROC, flags, fflags: kn.sfflags, data: kn.event.ident, udata: kn.event.udata,
      });
    } catch (e) {
      if (e !== ENOMEM && e !== ESRCH) throw e;
      kn.event.fflags |= NOTE_TRACKERR;
    }
  }
  arm(): void {}
  test(): boolean {
    return this.kn.event.fflags !== 0 || (this.kn.event.flags & EV_EOF) !== 0;
  }
  detach(): void {
    if (this.p !== null) unwatch(this.p, this);
  }
}

function attachProc(kn: Knote, lp: Lwp | null): Filter {
  const p = kn.kq.k.procs.get(kn.event.ident | 0);
  if (p === undefined || (p.stat === SZOMB && (kn.sfflags & NOTE_EXIT) === 0)) throw ESRCH;
  const filter = new ProcEvents(kn, p);
  if (lp === null) {
    // A child of a process that is tracked: the first event says whose it is.
    kn.event.fflags = NOTE_CHILD;
    kn.event.data = kn.sdata;
  }
  return filter;
}

/** EVFILT_SIGNAL: counts signals to the own process, ignored ones too. */
class Signals implements Filter, Watcher {
  private readonly kn: Knote;
  private readonly p: Proc;
  constructor(kn: Knote, p: Proc) {
    this.kn = kn;
    this.p = p;
    kn.event.flags |= EV_CLEAR;
    watch(p, this);
  }
  note(hint: number): void {
    if ((hint & NOTE_SIGNAL) === 0 || (hint & ~NOTE_SIGNAL) !== this.kn.event.ident) return;
    this.kn.event.data++;
    this.kn.activate();
  }
  arm(): void {}
  test(): boolean {
    return this.kn.event.data !== 0;
  }
  detach(): void {
    unwatch(this.p, this);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Timers

/** kern.kq_calloutmax: timers of one queue. */
const CALLOUT_MAX = 4096;

/** EVFILT_TIMER: fires every `data` milliseconds, once with EV_ONESHOT. */
class Timer implements Filter {
  private readonly kn: Knote;
  private readonly callout: Callout;
  constructor(kn: Knote) {
    if (kn.kq.timers >= CALLOUT_MAX) throw ENOMEM;
    kn.kq.timers++;
    this.kn = kn;
    kn.event.flags |= EV_CLEAR;
    this.callout = new Callout(() => this.expire());
    this.restart();
  }
  private restart(): void {
    const { k } = this.kn.kq;
    k.callouts.reset(this.callout, k.nanouptime() + Math.max(this.kn.sdata, 1) * 1e6);
  }
  private expire(): void {
    this.kn.event.data++;
    this.kn.activate();
    if ((this.kn.event.flags & EV_ONESHOT) === 0) this.restart();
  }
  arm(): void {}
  test(): boolean {
    return this.kn.event.data !== 0;
  }
  detach(): void {
    this.kn.kq.k.callouts.stop(this.callout);
    this.kn.kq.timers--;
  }
}

const OPS = new Map<number, FilterOps>([
  [EVFILT_READ, { isFd: true, attach: (kn) => new Readable(kn, false) }],
  [EVFILT_WRITE, { isFd: true, attach: (kn) => new Readable(kn, true) }],
  [EVFILT_VNODE, { isFd: true, attach: (kn) => new Changed(kn) }],
  [EVFILT_EXCEPT, { isFd: true, attach: (kn) => new Exception(kn) }],
  [EVFILT_PROC, { isFd: false, attach: attachProc }],
  [EVFILT_SIGNAL, { isFd: false, attach: (kn, lp) => new Signals(kn, lp!.proc) }],
  [EVFILT_TIMER, { isFd: false, attach: (kn) => new Timer(kn) }],
  [
    EVFILT_AIO,
    {
      // Requests register themselves; a program cannot.
      isFd: false,
      attach: () => {
        throw EPERM;
      },
    },
  ],
]);

/** The filter of a number, null when there is none. */
export function filterOps(filter: number): FilterOps | null {
  return OPS.get(filter) ?? null;
}
