// SPDX-License-Identifier: BSD-3-Clause
/** Descriptors that stand for events: eventfd, timerfd, signalfd (Linux fs/eventfd.c, timerfd.c, signalfd.c). */
import { EINVAL } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { sigfirst, type Sigset } from "../sys/signal.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import type { Vattr } from "../vfs/vnode.ts";
import { VREG } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { Callout } from "./callout.ts";
import { File, pseudoVattr } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import { type Ksiginfo, takeSignal } from "./sig.ts";

/** Largest count of an eventfd, 2^64 - 2; a bigint because programs read and write all 64 bits. */
const EVENTFD_MAX = 0xffff_ffff_ffff_fffen;

export class EventFile extends File {
  readonly type = "eventfd";
  private count: bigint;
  private readonly semaphore: boolean;
  private readonly readChan = new WaitChannel("eventrd");
  private readonly writeChan = new WaitChannel("eventwr");

  constructor(flags: number, initial: number, semaphore: boolean) {
    super(flags | FREAD | FWRITE);
    this.count = BigInt(initial >>> 0);
    this.semaphore = semaphore;
  }
  override read(uio: Uio): number {
    if (uio.resid < 8) throw EINVAL;
    if (this.count === 0n) return WOULDBLOCK;
    const value = this.semaphore ? 1n : this.count;
    const buf = new Uint8Array(8);
    new DataView(buf.buffer).setBigUint64(0, value, true);
    uio.put(buf, 0, 8);
    this.count -= value;
    this.writeChan.wakeup();
    return 8;
  }
  override write(uio: Uio): number {
    if (uio.resid < 8) throw EINVAL;
    // Looked at first, so that a write that would block keeps its bytes.
    const buf = new Uint8Array(8);
    uio.peek(buf, 0, 8);
    const add = new DataView(buf.buffer).getBigUint64(0, true);
    if (add > EVENTFD_MAX) throw EINVAL;
    if (this.count + add > EVENTFD_MAX) return WOULDBLOCK;
    uio.get(buf, 0, 8);
    this.count += add;
    this.readChan.wakeup();
    return 8;
  }
  /** Counts `n` more, as far as the count goes (Linux eventfd_signal). */
  add(n: bigint): void {
    this.count = this.count + n > EVENTFD_MAX ? EVENTFD_MAX : this.count + n;
    this.readChan.wakeup();
  }
  override poll(events: number): number {
    let r = 0;
    if (this.count > 0n) r |= events & (POLLIN | POLLRDNORM);
    if (this.count < EVENTFD_MAX) r |= events & POLLOUT;
    return r;
  }
  override channel(write: boolean): WaitChannel {
    return write ? this.writeChan : this.readChan;
  }
  override stat(): Vattr {
    return pseudoVattr(VREG, 0o600, 0, 0);
  }
  override close(): void {}
}

export class TimerFile extends File {
  readonly type = "timerfd";
  /** CLOCK_REALTIME or CLOCK_MONOTONIC of kern/time.ts. */
  readonly clock: number;
  private readonly k: Kernel;
  readonly callout: Callout;
  intervalNs = 0;
  private expired = 0;
  /** When it fired and nobody has looked since, ns; 0 otherwise. Until then it need not fire again (Linux fs/timerfd.c). */
  private firedAt = 0;
  private readonly chan = new WaitChannel("timerfd");

  constructor(k: Kernel, flags: number, clock: number) {
    super(flags | FREAD);
    this.k = k;
    this.clock = clock;
    this.callout = new Callout(() => this.fire());
  }

  private fire(): void {
    this.expired++;
    this.firedAt = this.callout.deadline;
    this.chan.wakeup();
  }

  /** Counts the periods that have passed since it fired, and goes on. */
  private settle(): void {
    const { firedAt, intervalNs } = this;
    this.firedAt = 0;
    if (firedAt === 0 || intervalNs === 0) return;
    const missed = Math.max(0, Math.floor((this.k.nanouptime() - firedAt) / intervalNs));
    this.expired += missed;
    this.k.callouts.reset(this.callout, firedAt + (missed + 1) * intervalNs);
  }

  /** Arms it for a monotonic time in ns; 0 stops it. */
  set(atNs: number, intervalNs: number): void {
    this.expired = 0;
    this.firedAt = 0;
    this.intervalNs = intervalNs;
    if (atNs === 0) this.k.callouts.stop(this.callout);
    else this.k.callouts.reset(this.callout, atNs);
  }
  /** Time until it fires, ns; 0 when it is stopped. */
  remaining(): number {
    this.settle();
    return this.callout.armed ? Math.max(1, this.callout.deadline - this.k.nanouptime()) : 0;
  }

  override read(uio: Uio): number {
    if (uio.resid < 8) throw EINVAL;
    if (this.expired === 0) return WOULDBLOCK;
    this.settle();
    const buf = new Uint8Array(8);
    new DataView(buf.buffer).setBigUint64(0, BigInt(this.expired), true);
    uio.put(buf, 0, 8);
    this.expired = 0;
    return 8;
  }
  override write(): number {
    throw EINVAL;
  }
  override poll(events: number): number {
    return this.expired > 0 ? events & (POLLIN | POLLRDNORM) : 0;
  }
  override channel(): WaitChannel {
    return this.chan;
  }
  override stat(): Vattr {
    return pseudoVattr(VREG, 0o600, 0, 0);
  }
  override close(): void {
    this.k.callouts.stop(this.callout);
  }
}

/** Signals of a set, read as structures that the ABI encodes. They must be blocked, or they are delivered instead. */
export class SignalFile extends File {
  readonly type = "signalfd";
  readonly set: Sigset;
  private readonly k: Kernel;
  private readonly recordSize: number;
  private readonly encode: (info: Ksiginfo) => Uint8Array;

  constructor(k: Kernel, flags: number, set: Sigset, recordSize: number, encode: (info: Ksiginfo) => Uint8Array) {
    super(flags | FREAD);
    this.k = k;
    this.set = set;
    this.recordSize = recordSize;
    this.encode = encode;
  }

  private next(lp: Lwp): number {
    return sigfirst(lp.siglist, lp.proc.siglist, this.set.map((w) => ~w));
  }

  override read(uio: Uio, lp: Lwp): number {
    if (uio.resid < this.recordSize) throw EINVAL;
    let done = 0;
    while (uio.resid >= this.recordSize) {
      const sig = this.next(lp);
      if (sig === 0) break;
      done += uio.put(this.encode(takeSignal(lp, sig)), 0, this.recordSize);
    }
    return done === 0 ? WOULDBLOCK : done;
  }
  override write(): number {
    throw EINVAL;
  }
  override poll(events: number): number {
    const lp = this.k.curlwp;
    return lp !== null && this.next(lp) !== 0 ? events & (POLLIN | POLLRDNORM) : 0;
  }
  /** Whoever asks waits for a signal to its process. */
  override channel(): WaitChannel | null {
    return this.k.curlwp === null ? null : this.k.curlwp.proc.sigChan;
  }
  override stat(): Vattr {
    return pseudoVattr(VREG, 0o600, 0, 0);
  }
  override close(): void {}
}
