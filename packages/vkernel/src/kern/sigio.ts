// SPDX-License-Identifier: BSD-3-Clause
/**
 * Signals that files send to who owns them: SIGIO when something can be read or written (O_ASYNC), SIGURG when an urgent byte comes
 * (DragonFly 2.0 sys/kern/kern_descrip.c, fsetown, pgsigio; Linux fs/fcntl.c, send_sigio, send_sigurg).
 *
 * Invariants
 *   SG1  Each watcher is on its file's channel while the file has O_ASYNC, and on none afterwards.
 *   SG2  Whether a signal may be sent is decided by the ids of the process that set the owner, as they were then.
 * @module
 */
import { ESRCH } from "../sys/errno.ts";
import { FREAD, FWRITE, O_ASYNC } from "../sys/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRBAND } from "../sys/poll.ts";
import { SI_KERNEL, SIGIO, SIGURG } from "../sys/signal.ts";
import type { Ucred } from "../sys/ucred.ts";
import { type Sleeper, WaitNode } from "../sys/wait.ts";
import type { File } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp, Proc } from "./proc.ts";
import { isQueueFull, ksiginfo, lwpsignal, psignal } from "./sig.ts";

/** Kinds of owners (Linux F_OWNER_*). */
export const OWNER_THREAD = 0;
export const OWNER_PROCESS = 1;
export const OWNER_GROUP = 2;

/** Reasons, as siginfo codes. */
const POLL_IN = 1;
const POLL_OUT = 2;
const POLL_ERR = 4;
const POLL_HUP = 6;
const BAND: Readonly<Record<number, number>> = {
  [POLL_IN]: POLLIN | POLLRDNORM,
  [POLL_OUT]: POLLOUT | POLLWRBAND,
  [POLL_ERR]: POLLERR,
  [POLL_HUP]: POLLHUP | POLLERR,
};

/** Sits on one of a file's two channels. */
class Watcher implements Sleeper {
  readonly node: WaitNode = new WaitNode(this);
  readonly #sigio: Sigio;
  readonly #write: boolean;
  constructor(sigio: Sigio, write: boolean) {
    this.#sigio = sigio;
    this.#write = write;
  }
  /** Back onto the channel, which may be another one by now. */
  watch(): void {
    this.#sigio.fp.channel(this.#write)?.add(this.node);
  }
  wake(): void {
    this.watch();
    this.#sigio.stirred(this.#write);
  }
}

export class Sigio {
  readonly fp: File;
  readonly #k: Kernel;
  kind = OWNER_PROCESS;
  /** Thread, process or group; 0 for nobody. */
  id = 0;
  /** Native number of the signal to send instead of SIGIO, which carries no reason; 0 for none. */
  signo = 0;
  #cred: Ucred | null = null;
  /** Descriptor that O_ASYNC was set through: what the signal names. */
  #fd = 0;
  /** Nothing could be written: room is news. */
  #full = false;
  readonly #watchers: Watcher[] = [];

  constructor(k: Kernel, fp: File) {
    this.#k = k;
    this.fp = fp;
  }

  /** Sets who gets the signals. Throws ESRCH. */
  setOwner(lp: Lwp, kind: number, id: number): void {
    const k = this.#k;
    const there = kind === OWNER_GROUP ? k.pgrps.has(id) : kind === OWNER_PROCESS ? k.procs.has(id) : k.lwps.has(id);
    if (id !== 0 && !there) throw ESRCH;
    this.kind = kind;
    this.id = id;
    this.#cred = lp.proc.cred;
  }

  /** O_ASYNC was switched on through descriptor `fd`, or off. */
  setAsync(fd: number, on: boolean): void {
    this.#fd = fd;
    if (!on) this.end();
    else if (this.#watchers.length === 0) {
      if ((this.fp.flags & FREAD) !== 0) this.#watchers.push(new Watcher(this, false));
      if ((this.fp.flags & FWRITE) !== 0) this.#watchers.push(new Watcher(this, true));
      for (const w of this.#watchers) w.watch();
    }
  }

  /** The file is closed, or O_ASYNC switched off (SG1). */
  end(): void {
    for (const { node } of this.#watchers.splice(0)) node.channel?.remove(node);
  }

  /** A call would have had to wait to write, or to connect. */
  expectRoom(): void {
    this.#full = true;
  }

  /** Something happened on a channel of the file. */
  stirred(write: boolean): void {
    const { fp } = this;
    if ((fp.flags & O_ASYNC) === 0) return;
    const now = fp.poll(write ? POLLOUT : POLLIN | POLLRDNORM | POLLPRI);
    if (write) {
      if (!this.#full || (now & (POLLOUT | POLLERR)) === 0) return;
      this.#full = false;
      this.#post((now & POLLERR) === 0 ? POLL_OUT : POLL_ERR);
    } else if ((now & POLLERR) !== 0) this.#post(POLL_ERR);
    else if ((now & (POLLIN | POLLRDNORM)) !== 0) this.#post(POLL_IN);
    else if ((now & POLLHUP) !== 0) this.#post(POLL_HUP);
  }

  #post(reason: number): void {
    const { signo } = this;
    if (signo === 0) {
      this.#send(SIGIO, SI_KERNEL, 0);
      return;
    }
    this.#send(signo, reason, BAND[reason]!);
  }
  /** An urgent byte has come; nobody needs O_ASYNC for that. */
  urgent(): void {
    this.#send(SIGURG, SI_KERNEL, 0);
  }

  #send(signo: number, code: number, band: number): void {
    for (const [p, thread] of this.#receivers()) {
      if (!this.#may(p)) continue;
      // What cannot be queued with its reason is said without one.
      const lost = code !== SI_KERNEL && isQueueFull(p);
      const info = ksiginfo(lost ? SIGIO : signo, lost ? SI_KERNEL : code);
      info.addr = band;
      info.value = this.#fd;
      if (thread === null) psignal(p, info.signo, info);
      else lwpsignal(thread, info.signo, info);
    }
  }

  *#receivers(): Generator<[Proc, Lwp | null]> {
    const k = this.#k;
    if (this.id === 0) return;
    if (this.kind === OWNER_GROUP) for (const p of k.pgrps.get(this.id)?.members ?? []) yield [p, null];
    else if (this.kind === OWNER_PROCESS) {
      const p = k.procs.get(this.id);
      if (p !== undefined) yield [p, null];
    } else {
      const lp = k.lwps.get(this.id);
      if (lp !== undefined) yield [lp.proc, lp];
    }
  }

  #may(p: Proc): boolean {
    const [c, t] = [this.#cred!, p.cred];
    return c.uid === 0 || c.uid === t.svuid || c.uid === t.ruid || c.ruid === t.svuid || c.ruid === t.ruid;
  }
}

/** The record of who gets signals of `fp`, made when it is first needed. */
export function sigioOf(lp: Lwp, fp: File): Sigio {
  fp.sigio ??= new Sigio(lp.k, fp);
  return fp.sigio;
}

/** fcntl(F_SETOWN), ioctl(FIOSETOWN): a process, or a group as a negative number; 0 for nobody. Throws ESRCH. */
export function setOwner(lp: Lwp, fp: File, arg: number): void {
  sigioOf(lp, fp).setOwner(lp, arg < 0 ? OWNER_GROUP : OWNER_PROCESS, arg < 0 ? -arg : arg);
}

/** fcntl(F_GETOWN), ioctl(FIOGETOWN). */
export function getOwner(fp: File): number {
  const { sigio } = fp;
  if (sigio === null) return 0;
  return sigio.kind === OWNER_GROUP ? -sigio.id : sigio.id;
}

/** Sets the status flags of an open file; O_ASYNC begins or ends. */
export function setStatusFlags(lp: Lwp, fd: number, fp: File, flags: number): void {
  const changed = fp.flags ^ flags;
  fp.flags = flags;
  if ((changed & O_ASYNC) !== 0) sigioOf(lp, fp).setAsync(fd, (flags & O_ASYNC) !== 0);
}
