// SPDX-License-Identifier: BSD-3-Clause
/**
 * The console: the terminal, or the streams, that the machine was started on (DragonFly 2.0
 * sys/platform/vkernel/platform/console.c).
 *
 * Invariants
 *   CO1  With a terminal on both sides the console is a tty, and the host's terminal is raw while it is open: every
 *        key goes through the guest's line discipline and no other.
 *   CO2  Otherwise it is a plain stream: no echo, no conversion, no terminal controls (ENOTTY); the end of the host's
 *        input is the end of file, for ever.
 *   CO3  Input is taken from the host only as fast as readers take it (pause/resume).
 * @module
 */
import * as ioc from "../sys/ioctl.ts";
import { ENOTTY } from "../sys/errno.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { makedev } from "../sys/stat.ts";
import { IUTF8 } from "../sys/termios.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { Cdev } from "./cdev.ts";
import { TtyDev } from "./tty-dev.ts";
import type { Tty, TtyDriver } from "./tty.ts";

/** DragonFly's console is 0,0, which is also what files that are no devices have; ours is told apart. */
export const CONSOLE_RDEV = makedev(0, 1);

/** What the console needs of the host's streams (a HostTerminal has it). */
export interface ConsoleInput {
  onInput(sink: (bytes: Uint8Array | null) => void): void;
  pause(): void;
  resume(): void;
}
export interface ConsoleOutput {
  write(bytes: Uint8Array): boolean;
  onDrain(callback: () => void): void;
}
export interface ConsoleTerminal {
  readonly input: ConsoleInput;
  readonly output: ConsoleOutput;
  size(): { readonly rows: number; readonly cols: number };
  onResize(callback: () => void): void;
  setRaw(raw: boolean): void;
}

/** Driver of the console tty. */
class ConsoleDriver implements TtyDriver {
  private readonly terminal: ConsoleTerminal;
  /** Host input that the tty had no room for. */
  private readonly pending: Uint8Array[] = [];
  private pendingOff = 0;
  private blocked = false;

  constructor(terminal: ConsoleTerminal) {
    this.terminal = terminal;
  }

  attach(tty: Tty): void {
    const { terminal } = this;
    const size = terminal.size();
    tty.setWindow(size.rows, size.cols, 0, 0);
    terminal.onResize(() => {
      const now = terminal.size();
      tty.setWindow(now.rows, now.cols, 0, 0);
    });
    terminal.input.onInput((bytes) => {
      if (bytes === null) {
        tty.hangup();
        return;
      }
      this.pending.push(bytes);
      this.unthrottle(tty);
      if (this.pending.length > 0) terminal.input.pause();
    });
    terminal.output.onDrain(() => {
      this.blocked = false;
      tty.start();
    });
    terminal.setRaw(true);
    terminal.input.resume();
  }

  start(tty: Tty): void {
    if (this.blocked || tty.outq.count === 0) return;
    if (!this.terminal.output.write(tty.outq.takeAll())) this.blocked = true;
  }

  unthrottle(tty: Tty): void {
    if (this.pending.length === 0) return;
    while (this.pending.length > 0) {
      const bytes = this.pending[0]!;
      this.pendingOff += tty.input(bytes, this.pendingOff, bytes.length - this.pendingOff);
      if (this.pendingOff < bytes.length) return;
      this.pending.shift();
      this.pendingOff = 0;
    }
    this.terminal.input.resume();
  }
}

/** The console as a terminal (CO1). */
export class TtyConsole extends TtyDev {
  private readonly terminal: ConsoleTerminal;
  private readonly driver: ConsoleDriver;
  private attached = false;

  /** `name` and `rdev`: where it is in /dev, for terminals other than the console. */
  constructor(terminal: ConsoleTerminal, now: () => number, name = "console", rdev = CONSOLE_RDEV) {
    const driver = new ConsoleDriver(terminal);
    super(name, rdev, 0o600, driver, now);
    this.terminal = terminal;
    this.driver = driver;
    this.tty.termios.iflag |= IUTF8;
  }

  override open(flags: number): Cdev {
    super.open(flags);
    if (!this.attached) {
      this.attached = true;
      this.driver.attach(this.tty);
    }
    return this;
  }

  /** The machine stops: gives the host its terminal back. */
  detach(): void {
    if (!this.attached) return;
    this.attached = false;
    this.terminal.input.pause();
    this.terminal.setRaw(false);
  }
}

/** Output that a writer may run ahead of the host. */
const STREAM_HIGH = 65536;

/** A host stream as a device: console without a terminal (CO2), or a standard stream of one program. */
export class StreamDev extends Cdev {
  private readonly input: ConsoleInput | null;
  private readonly output: ConsoleOutput | null;
  private readonly pending: Uint8Array[] = [];
  private pendingOff = 0;
  private queued = 0;
  private started = false;
  private ended = false;
  private blocked = false;
  private readonly readChan = new WaitChannel("cnsin");
  private readonly writeChan = new WaitChannel("cnsout");

  constructor(name: string, rdev: number, input: ConsoleInput | null, output: ConsoleOutput | null) {
    super(name, rdev, 0o600);
    this.input = input;
    this.output = output;
    output?.onDrain(() => {
      this.blocked = false;
      this.writeChan.wakeup();
    });
  }

  /** Input is asked for when somebody reads, not before: a program that never reads leaves it to the host. */
  private startInput(): void {
    if (this.started || this.input === null) return;
    this.started = true;
    this.input.onInput((bytes) => {
      if (bytes === null) this.ended = true;
      else {
        this.pending.push(bytes);
        this.queued += bytes.length;
        if (this.queued >= STREAM_HIGH) this.input!.pause();
      }
      this.readChan.wakeup();
    });
    this.input.resume();
  }

  override read(_offset: number, buf: Uint8Array, off: number, len: number): number {
    if (this.input === null) return 0;
    this.startInput();
    let n = 0;
    while (n < len && this.pending.length > 0) {
      const bytes = this.pending[0]!;
      const piece = bytes.subarray(this.pendingOff, this.pendingOff + len - n);
      buf.set(piece, off + n);
      n += piece.length;
      this.pendingOff += piece.length;
      if (this.pendingOff < bytes.length) break;
      this.pending.shift();
      this.pendingOff = 0;
    }
    const wasFull = this.queued >= STREAM_HIGH;
    this.queued -= n;
    if (wasFull && this.queued < STREAM_HIGH && !this.ended) this.input.resume();
    if (n > 0 || len === 0) return n;
    return this.ended ? 0 : WOULDBLOCK;
  }

  override write(_offset: number, buf: Uint8Array, off: number, len: number): number {
    if (this.output === null) return len;
    if (this.blocked) return WOULDBLOCK;
    const n = Math.min(len, STREAM_HIGH);
    if (!this.output.write(buf.slice(off, off + n))) this.blocked = true;
    return n;
  }

  override ioctl(cmd: number, data: Uint8Array): number {
    if (cmd === ioc.FIONREAD) {
      new DataView(data.buffer, data.byteOffset, 4).setInt32(0, this.queued, true);
      return 0;
    }
    if (cmd === ioc.FIONBIO || cmd === ioc.FIOASYNC) return 0;
    throw ENOTTY;
  }

  override poll(events: number): number {
    let ready = 0;
    if (this.input !== null) {
      this.startInput();
      if (this.queued > 0 || this.ended) ready |= events & (POLLIN | POLLRDNORM);
      if (this.ended && this.queued === 0 && this.output === null) ready |= POLLHUP;
    }
    if (this.output !== null && !this.blocked) ready |= events & POLLOUT;
    return ready;
  }

  override channel(write: boolean): WaitChannel {
    return write ? this.writeChan : this.readChan;
  }
}
