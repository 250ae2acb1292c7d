// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pseudo terminals: /dev/ptmx hands out masters, their slaves appear as /dev/pts/N (DragonFly 2.0
 * sys/kern/tty_pty.c; packet mode as tty(4) says).
 *
 * Invariants
 *   PT1  A pair exists from the open of ptmx until both sides are closed; the number is free then.
 *   PT2  What the slave prints stands in tty.outq until the master reads it: there is no second buffer.
 *   PT3  Closing the master hangs the slave up; closing the last slave file gives the master EIO until one opens.
 * @module
 */
import { EAGAIN, EINVAL, EIO, ENOSPC } from "../sys/errno.ts";
import * as ioc from "../sys/ioctl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM } from "../sys/poll.ts";
import { makedev } from "../sys/stat.ts";
import { IUTF8 } from "../sys/termios.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { Cdev } from "./cdev.ts";
import type { Devsw } from "./cdev.ts";
import { TtyDev } from "./tty-dev.ts";
import type { Tty, TtyDriver } from "./tty.ts";
import { TTYHOG } from "./tty.ts";

export const PTMX_RDEV = makedev(6, 0xffff);
/** Majors of masters and slaves (DragonFly 2.0 tty_pty.c: 6 and 5). */
const PTC_MAJOR = 6;
export const PTS_MAJOR = 5;
export const MAXPTYS = 1000;

class PtySlave extends TtyDev {
  private readonly master: PtyMaster;
  constructor(unit: number, master: PtyMaster, now: () => number) {
    super(`pts/${unit}`, makedev(PTS_MAJOR, unit), 0o620, master, now);
    this.master = master;
    this.tty.termios.iflag |= IUTF8;
  }
  override open(flags: number): Cdev {
    this.master.slaveOpens();
    return super.open(flags);
  }
  override close(_flags: number): void {
    if (this.tty.close()) this.master.slaveClosed();
  }
}

class PtyMaster extends Cdev implements TtyDriver {
  readonly slave: PtySlave;
  private readonly pool: Ptmx;
  readonly unit: number;
  private open_ = true;
  private locked = false;
  /** The slave has been opened before. */
  private slaveSeen = false;
  private packet = false;
  /** Packet mode: events not yet reported. */
  private events = 0;
  private readonly readChan = new WaitChannel("ptcin");
  private readonly writeChan = new WaitChannel("ptcout");

  constructor(pool: Ptmx, unit: number, now: () => number) {
    super(`ptm/${unit}`, makedev(PTC_MAJOR, unit), 0o600);
    this.pool = pool;
    this.unit = unit;
    this.slave = new PtySlave(unit, this, now);
  }

  // TtyDriver

  start(_tty: Tty): void {
    this.readChan.wakeup();
  }
  unthrottle(_tty: Tty): void {
    this.writeChan.wakeup();
  }
  event(_tty: Tty, bits: number): void {
    if (!this.packet) return;
    // A later start cancels an unreported stop, and the other way round.
    if ((bits & ioc.TIOCPKT_START) !== 0) this.events &= ~ioc.TIOCPKT_STOP;
    if ((bits & ioc.TIOCPKT_STOP) !== 0) this.events &= ~ioc.TIOCPKT_START;
    this.events |= bits;
    this.readChan.wakeup();
  }

  slaveOpens(): void {
    if (this.locked || !this.open_) throw EIO;
    this.slaveSeen = true;
  }
  slaveClosed(): void {
    this.readChan.wakeup();
    this.writeChan.wakeup();
    if (!this.open_) this.pool.release(this);
  }

  // Cdev

  override close(_flags: number): void {
    this.open_ = false;
    const tty = this.slave.tty;
    tty.hangup();
    if (tty.opens === 0) this.pool.release(this);
  }

  override read(_offset: number, buf: Uint8Array, off: number, len: number): number {
    const tty = this.slave.tty;
    if (this.packet && this.events !== 0 && len > 0) {
      buf[off] = this.events;
      this.events = 0;
      return 1;
    }
    const { outq } = tty;
    if (outq.count > 0 && !tty.stopped) {
      const head = this.packet ? 1 : 0;
      if (head === 1) buf[off] = ioc.TIOCPKT_DATA;
      const n = outq.take(buf, off + head, len - head);
      tty.outputTaken();
      return n + head;
    }
    if (this.slaveSeen && tty.opens === 0) throw EIO;
    return WOULDBLOCK;
  }

  override write(_offset: number, buf: Uint8Array, off: number, len: number): number {
    if (this.slaveSeen && this.slave.tty.opens === 0) throw EIO;
    const n = this.slave.tty.input(buf, off, len);
    return n === 0 && len > 0 ? WOULDBLOCK : n;
  }

  override poll(events: number): number {
    const { tty } = this.slave;
    let ready = 0;
    if (tty.outq.count > 0 && !tty.stopped) ready |= events & (POLLIN | POLLRDNORM);
    if (this.packet && this.events !== 0) ready |= events & (POLLIN | POLLRDNORM | POLLPRI);
    if (this.slaveSeen && tty.opens === 0) ready |= POLLHUP | (events & POLLIN);
    if (tty.inq.count < TTYHOG - 2 || (tty.canonical && tty.ldisc.lines === 0)) ready |= events & POLLOUT;
    return ready;
  }

  override channel(write: boolean): WaitChannel {
    return write ? this.writeChan : this.readChan;
  }

  override ioctl(cmd: number, data: Uint8Array): number {
    const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const { tty } = this.slave;
    switch (cmd) {
      case ioc.TIOCISPTMASTER:
        return 0;
      case ioc.TIOCGPTN:
        dv.setInt32(0, this.unit, true);
        return 0;
      case ioc.TIOCSPTLCK:
        this.locked = dv.getInt32(0, true) !== 0;
        return 0;
      case ioc.TIOCGPTLCK:
        dv.setInt32(0, this.locked ? 1 : 0, true);
        return 0;
      case ioc.TIOCPKT:
        this.packet = dv.getInt32(0, true) !== 0;
        this.events = 0;
        return 0;
      case ioc.TIOCSIG: {
        const sig = data.length >= 4 ? dv.getInt32(0, true) : 0;
        if (sig <= 0) throw EINVAL;
        tty.signal(sig);
        return 0;
      }
      case ioc.FIONREAD:
        dv.setInt32(0, tty.outq.count, true);
        return 0;
      case ioc.TIOCGPGRP:
        if (tty.pgrp === null) throw EAGAIN;
        dv.setInt32(0, tty.pgrp.id, true);
        return 0;
      default:
        return tty.ioctl(cmd, data);
    }
  }
}

/** /dev/ptmx: every open makes a new pair. */
export class Ptmx extends Cdev {
  private readonly devsw: Devsw;
  private readonly now: () => number;
  private readonly used: (PtyMaster | null)[] = [];

  constructor(devsw: Devsw, now: () => number) {
    super("ptmx", PTMX_RDEV, 0o666);
    this.devsw = devsw;
    this.now = now;
  }

  override open(_flags: number): Cdev {
    let unit = this.used.indexOf(null);
    if (unit < 0) unit = this.used.length;
    if (unit >= MAXPTYS) throw ENOSPC;
    const master = new PtyMaster(this, unit, this.now);
    this.used[unit] = master;
    this.devsw.add(master.slave);
    return master;
  }

  /** Both sides are closed (PT1). */
  release(master: PtyMaster): void {
    this.used[master.unit] = null;
    this.devsw.remove(master.slave);
  }
}
