// SPDX-License-Identifier: BSD-3-Clause
/**
 * Terminals: queues, attributes, window size and the life of one tty (DragonFly 2.0 sys/kern/tty.c). What is done
 * with each character is in dev/tty-ldisc.ts; who may read and write (job control) is decided in kern/.
 *
 * Invariants
 *   Y1  `inq` holds at most TTYHOG bytes; in canonical mode `lines` counts its delimiters, and the bytes behind the
 *       last delimiter (from `lineStart` on) are the line that can still be edited.
 *   Y2  `outq` holds what the line discipline produced and the driver has not taken. Writers stop at OUTQ_HIGH;
 *       echo may use the rest and is dropped beyond.
 *   Y3  `session` and `pgrp` are set and cleared together with the session's ttyp.
 *   Y4  After hangup() reads give 0 and writes EIO until the tty is opened anew.
 * @module
 */
import { EBUSY, EIO, ENOTTY, ENXIO } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import * as ioc from "../sys/ioctl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { SIGCONT, SIGHUP, SIGWINCH } from "../sys/signal.ts";
import type { Termios } from "../sys/termios.ts";
import {
  defaultTermios,
  ICANON,
  readTermios,
  VMIN,
  VTIME,
  writeTermios,
} from "../sys/termios.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { ByteQueue } from "./byte-queue.ts";
import { LineDiscipline } from "./tty-ldisc.ts";

export const TTYHOG = 8192;
export const OUTQ_HIGH = 16384;
const OUTQ_SIZE = 32768;

/** The foreground process group, as far as a terminal knows it. */
export interface TtyGroup {
  readonly id: number;
}

/** The session that a terminal controls. */
export interface TtySession {
  readonly sid: number;
  /** The session's first process, null once it has exited. */
  readonly leader: { readonly pgrp: TtyGroup } | null;
}

/** The hardware side of a terminal: the host's console, or the master of a pseudo terminal. */
export interface TtyDriver {
  /** There is output in tty.outq, and it is not stopped: take it. */
  start(tty: Tty): void;
  /** The input queue has room again. */
  unthrottle(tty: Tty): void;
  /** TIOCPKT events of a pseudo terminal (ioc.TIOCPKT_*). */
  event?(tty: Tty, bits: number): void;
}

export class Tty {
  readonly rdev: number;
  readonly driver: TtyDriver;
  /** Monotonic clock, ns. */
  readonly now: () => number;
  termios: Termios = defaultTermios();
  readonly inq = new ByteQueue(TTYHOG);
  readonly outq = new ByteQueue(OUTQ_SIZE);
  readonly ldisc: LineDiscipline;
  readonly readChan = new WaitChannel("ttyin");
  readonly writeChan = new WaitChannel("ttyout");

  session: TtySession | null = null;
  pgrp: TtyGroup | null = null;
  rows = 0;
  cols = 0;
  xpixel = 0;
  ypixel = 0;
  /** Open files on it; `exclusive` refuses more of them (TIOCEXCL). */
  opens = 0;
  exclusive = false;
  /** The end-of-file character is shown where control characters are. */
  echoesEof = true;
  private isNew = true;
  /** Output is held by VSTOP or TIOCSTOP. */
  stopped = false;
  /** False after hangup (Y4). */
  connected = true;
  /** When the last byte came in, monotonic ns. */
  lastInputNs = 0;
  /** A driver had to be told to wait: the queue was full. */
  throttled = false;
  /** Sends a signal to a group; set by who sets `pgrp`. */
  post: (group: TtyGroup, sig: number) => void = () => {};
  /** Prints a line about the foreground job (VSTATUS); set by the kernel. */
  status: (() => string) | null = null;

  constructor(rdev: number, driver: TtyDriver, now: () => number) {
    this.rdev = rdev;
    this.driver = driver;
    this.now = now;
    this.ldisc = new LineDiscipline(this);
  }

  get canonical(): boolean {
    return (this.termios.lflag & ICANON) !== 0;
  }

  /** Takes on what a system's terminals have when it is opened for the first time. */
  adopt({ speed, echoesEof }: { readonly speed: number; readonly echoesEof: boolean }): void {
    if (!this.isNew) return;
    this.isNew = false;
    this.echoesEof = echoesEof;
    this.termios = { ...this.termios, ispeed: speed, ospeed: speed };
  }

  open(): void {
    if (this.exclusive && this.opens > 0) throw EBUSY;
    this.connected = true;
    this.opens++;
  }

  /** Returns true when this was the last open file. */
  close(): boolean {
    if (--this.opens > 0) return false;
    this.exclusive = false;
    this.stopped = false;
    this.inq.clear();
    this.ldisc.reset();
    this.throttled = false;
    return true;
  }

  // Input

  /** Bytes from the driver. Returns how many were taken; fewer when the queue is full (unthrottle() follows). */
  input(bytes: Uint8Array, off: number, len: number): number {
    this.lastInputNs = this.now();
    let n = 0;
    for (; n < len; n++) {
      if (this.inq.count >= TTYHOG - 2 && (!this.canonical || this.ldisc.lines > 0) && !this.ldisc.isControl(bytes[off + n]!)) {
        this.throttled = true;
        break;
      }
      this.ldisc.input(bytes[off + n]!);
    }
    this.start();
    if (this.readable() > 0 || this.ldisc.lines > 0) this.readChan.wakeup();
    return n;
  }

  /** Bytes that a read would get now (FIONREAD). */
  readable(): number {
    return this.canonical ? this.ldisc.completeBytes() : this.inq.count;
  }

  /** How many bytes a non-canonical read of `len` waits for. */
  private wanted(len: number): number {
    const { cc } = this.termios;
    if (cc[VTIME] !== 0) return 1;
    return Math.max(1, Math.min(cc[VMIN]!, len));
  }

  /**
   * Reads up to `len` bytes. `waited` is how long the caller has waited in this read already, ns; -1 for a caller
   * that never waits. Returns the count, 0 at end of file or when VTIME has run out, or WOULDBLOCK.
   */
  read(buf: Uint8Array, off: number, len: number, waited: number): number {
    if (!this.connected) return 0;
    const n = this.canonical ? this.ldisc.readLine(buf, off, len) : this.readRaw(buf, off, len, waited);
    if (n >= 0 && this.throttled && this.inq.count < TTYHOG / 2) {
      this.throttled = false;
      this.driver.unthrottle(this);
    }
    return n;
  }

  private readRaw(buf: Uint8Array, off: number, len: number, waited: number): number {
    const { cc } = this.termios;
    const min = cc[VMIN]!;
    const timeNs = cc[VTIME]! * 1e8;
    const count = this.inq.count;
    if (count === 0) {
      if (waited < 0) return WOULDBLOCK;
      if (min === 0 && waited >= timeNs) return 0;
      return WOULDBLOCK;
    }
    if (waited >= 0 && count < Math.min(min, len)) {
      // Between bytes the timer runs, if there is one; it starts with the first byte or with the read.
      if (timeNs === 0) return WOULDBLOCK;
      if (Math.min(waited, this.now() - this.lastInputNs) < timeNs) return WOULDBLOCK;
    }
    return this.ldisc.readRaw(buf, off, len);
  }

  /** For how long a read that would block is to wait for input at most, ns (Infinity: until it comes). */
  readTimeout(waited: number): number {
    if (this.canonical) return Infinity;
    const timeNs = this.termios.cc[VTIME]! * 1e8;
    if (timeNs === 0) return Infinity;
    if (this.inq.count > 0) return Math.max(1, timeNs - Math.min(waited, this.now() - this.lastInputNs));
    return this.termios.cc[VMIN] === 0 ? Math.max(1, timeNs - waited) : Infinity;
  }

  // Output

  /** Writes through output processing; returns the bytes taken (short when the queue is full) or WOULDBLOCK. */
  write(buf: Uint8Array, off: number, len: number): number {
    if (!this.connected) throw EIO;
    let done = 0;
    while (done < len) {
      const n = this.ldisc.output(buf, off + done, len - done, OUTQ_HIGH);
      done += n;
      this.start();
      if (n === 0 && this.outq.count >= OUTQ_HIGH) break;
    }
    return done === 0 && len > 0 ? WOULDBLOCK : done;
  }

  /** Lets the driver take output, unless it is stopped. */
  start(): void {
    if (this.stopped || this.outq.count === 0) return;
    this.driver.start(this);
    if (this.outq.count < OUTQ_HIGH / 2) this.writeChan.wakeup();
  }

  /** The driver has taken output some time after start(). */
  outputTaken(): void {
    if (this.outq.count < OUTQ_HIGH / 2) this.writeChan.wakeup();
  }

  setStopped(stopped: boolean): void {
    if (this.stopped === stopped) return;
    this.stopped = stopped;
    this.driver.event?.(this, stopped ? ioc.TIOCPKT_STOP : ioc.TIOCPKT_START);
    if (!stopped) this.start();
  }

  poll(events: number): number {
    if (!this.connected) return POLLHUP | (events & (POLLIN | POLLRDNORM));
    let ready = 0;
    const input = this.canonical ? this.ldisc.lines > 0 : this.inq.count >= this.wanted(TTYHOG);
    if (input) ready |= events & (POLLIN | POLLRDNORM);
    if (this.outq.count < OUTQ_HIGH) ready |= events & POLLOUT;
    return ready;
  }

  channel(write: boolean): WaitChannel {
    return write ? this.writeChan : this.readChan;
  }

  /** Discards queued input (FREAD) and output (FWRITE). */
  flush(which: number): void {
    if ((which & FREAD) !== 0) {
      this.inq.clear();
      this.ldisc.reset();
      if (this.throttled) {
        this.throttled = false;
        this.driver.unthrottle(this);
      }
    }
    if ((which & FWRITE) !== 0) {
      this.outq.clear();
      this.writeChan.wakeup();
    }
    this.driver.event?.(
      this,
      ((which & FREAD) !== 0 ? ioc.TIOCPKT_FLUSHREAD : 0) | ((which & FWRITE) !== 0 ? ioc.TIOCPKT_FLUSHWRITE : 0),
    );
  }

  setTermios(t: Termios): void {
    const wasCanonical = this.canonical;
    this.termios = t;
    if (wasCanonical !== this.canonical) this.ldisc.modeChanged();
    this.readChan.wakeup();
  }

  setWindow(rows: number, cols: number, xpixel: number, ypixel: number): void {
    if (rows === this.rows && cols === this.cols && xpixel === this.xpixel && ypixel === this.ypixel) return;
    this.rows = rows;
    this.cols = cols;
    this.xpixel = xpixel;
    this.ypixel = ypixel;
    this.signal(SIGWINCH);
  }

  /** Sends a signal to the foreground process group. */
  signal(sig: number): void {
    if (this.pgrp !== null) this.post(this.pgrp, sig);
  }

  // Sessions

  /** The session has lost its leader or given the terminal up; returns the group that was in the foreground. */
  sessionGone(session: TtySession): TtyGroup | null {
    if (this.session !== session) return null;
    const { pgrp } = this;
    this.session = null;
    this.pgrp = null;
    return pgrp;
  }

  /** A group has lost its last member. */
  groupGone(pgrp: TtyGroup): void {
    if (this.pgrp === pgrp) this.pgrp = null;
  }

  /** The line was cut: SIGHUP and SIGCONT to the session's leader; reads end, writes fail (Y4). */
  hangup(): void {
    if (!this.connected) return;
    this.connected = false;
    const leader = this.session?.leader ?? null;
    for (const group of new Set([leader?.pgrp ?? null, this.pgrp])) {
      if (group === null) continue;
      this.post(group, SIGHUP);
      this.post(group, SIGCONT);
    }
    this.flush(FREAD | FWRITE);
    this.readChan.wakeup();
    this.writeChan.wakeup();
  }

  /** Control words that concern the terminal alone. Those of sessions and job control are handled in kern/. */
  ioctl(cmd: number, data: Uint8Array): number {
    const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
    switch (cmd) {
      case ioc.TIOCGETA:
        writeTermios(this.termios, data);
        return 0;
      case ioc.TIOCSETAF:
        this.flush(FREAD);
        this.setTermios(readTermios(data));
        return 0;
      case ioc.TIOCSETA:
      case ioc.TIOCSETAW:
        this.setTermios(readTermios(data));
        return 0;
      case ioc.TIOCGWINSZ:
        dv.setUint16(0, this.rows, true);
        dv.setUint16(2, this.cols, true);
        dv.setUint16(4, this.xpixel, true);
        dv.setUint16(6, this.ypixel, true);
        return 0;
      case ioc.TIOCSWINSZ:
        this.setWindow(dv.getUint16(0, true), dv.getUint16(2, true), dv.getUint16(4, true), dv.getUint16(6, true));
        return 0;
      case ioc.TIOCOUTQ:
        dv.setInt32(0, this.outq.count, true);
        return 0;
      case ioc.FIONREAD:
        dv.setInt32(0, this.readable(), true);
        return 0;
      case ioc.TIOCFLUSH: {
        const which = dv.getInt32(0, true) & (FREAD | FWRITE);
        this.flush(which === 0 ? FREAD | FWRITE : which);
        return 0;
      }
      case ioc.TIOCSTOP:
        this.setStopped(true);
        return 0;
      case ioc.TIOCSTART:
        this.setStopped(false);
        return 0;
      case ioc.TIOCSTI:
        this.input(data, 0, 1);
        return 0;
      case ioc.TIOCEXCL:
        this.exclusive = true;
        return 0;
      case ioc.TIOCNXCL:
        this.exclusive = false;
        return 0;
      case ioc.TIOCGETD:
        dv.setInt32(0, 0, true);
        return 0;
      case ioc.TIOCSETD:
        // TTYDISC is the only discipline.
        if (dv.getInt32(0, true) !== 0) throw ENXIO;
        return 0;
      // No line to condition: break, DTR and modem lines exist in name only, as on a pseudo terminal.
      case ioc.TIOCDRAIN:
      case ioc.TIOCSBRK:
      case ioc.TIOCCBRK:
      case ioc.TIOCSDTR:
      case ioc.TIOCCDTR:
      case ioc.FIONBIO:
      case ioc.FIOASYNC:
        return 0;
      case ioc.TIOCSTAT:
        this.ldisc.printStatus();
        this.start();
        return 0;
      default:
        throw ENOTTY;
    }
  }
}
