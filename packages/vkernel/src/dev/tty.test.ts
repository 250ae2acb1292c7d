// SPDX-License-Identifier: BSD-3-Clause
import { beforeEach, describe, expect, it } from "vitest";
import { ENOTTY } from "../sys/errno.ts";
import { POLLHUP, POLLIN } from "../sys/poll.ts";
import { SIGHUP, SIGINT, SIGTSTP, SIGWINCH } from "../sys/signal.ts";
import * as t from "../sys/termios.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import { Devsw } from "./cdev.ts";
import { Ptmx } from "./pty.ts";
import type { TtyDriver } from "./tty.ts";
import { Tty, TTYHOG } from "./tty.ts";
import * as ioc from "../sys/ioctl.ts";

const bytes = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const text = (b: Uint8Array): string => String.fromCharCode(...b);

let now = 0;
let printed = "";
let signals: number[] = [];
let tty: Tty;
const driver: TtyDriver = {
  start: (dev) => {
    printed += text(dev.outq.takeAll());
  },
  unthrottle: () => {},
};
const type = (s: string): number => tty.input(bytes(s), 0, s.length);
function read(len = 100, waited = 0): string | number {
  const buf = new Uint8Array(len);
  const n = tty.read(buf, 0, len, waited);
  return n === WOULDBLOCK ? WOULDBLOCK : text(buf.subarray(0, n));
}
function screen(): string {
  const s = printed;
  printed = "";
  return s;
}
function set(change: Partial<t.Termios>): void {
  tty.setTermios({ ...tty.termios, ...change });
}

beforeEach(() => {
  now = 0;
  printed = "";
  signals = [];
  tty = new Tty(0, driver, () => now);
  tty.open();
  tty.pgrp = { id: 1 };
  tty.post = (_group, sig) => signals.push(sig);
});

describe("canonical mode", () => {
  it("hands out whole lines, echoes and maps CR", () => {
    type("ls -");
    expect(read()).toBe(WOULDBLOCK);
    type("l\r");
    expect(screen()).toBe("ls -l\r\n");
    expect(read(3)).toBe("ls ");
    expect(read()).toBe("-l\n");
    expect(read()).toBe(WOULDBLOCK);
  });

  it("erases characters, words and lines, with what the screen needs", () => {
    type("ab\x7f");
    expect(screen()).toBe("ab\b \b");
    type("c one two\x17\n");
    expect(read()).toBe("ac one \n");
    screen();
    type("x\x01\x7f\x7f\x7f");
    expect(screen()).toBe("x^A\b\b  \b\b\b \b");
    type("a\tb\x15");
    expect(screen()).toBe("a\tb\b \b" + "\b".repeat(7) + "\b \b");
    type("\n");
    expect(read()).toBe("\n");
  });

  it("erases a UTF-8 character as one with IUTF8", () => {
    set({ iflag: tty.termios.iflag | t.IUTF8 });
    type("a\xc3\xa4");
    screen();
    type("\x7f\n");
    expect(screen()).toBe("\b \b\r\n");
    expect(read()).toBe("a\n");
  });

  it("treats VEOF as the end of a line that is not read", () => {
    type("abc\x04");
    expect(read()).toBe("abc");
    type("\x04");
    expect(read()).toBe("");
    expect(read()).toBe(WOULDBLOCK);
    type("xyz\x04");
    expect(read(3)).toBe("xyz");
    expect(read()).toBe(WOULDBLOCK);
  });

  it("takes the next character literally after VLNEXT", () => {
    type("\x16\x03\x16\x7f\n");
    expect(signals).toEqual([]);
    expect(read()).toBe("\x03\x7f\n");
  });

  it("bounds a line without an end and beeps (D20)", () => {
    for (let i = 0; i < 20; i++) type("x".repeat(TTYHOG / 8));
    expect(tty.inq.count).toBeLessThan(TTYHOG);
    expect(screen().endsWith("\x07")).toBe(true);
    type("\n");
    expect(tty.ldisc.lines).toBe(1);
    let total = 0;
    for (let s = read(1000); s !== WOULDBLOCK; s = read(1000)) total += (s as string).length;
    expect(total).toBe(TTYHOG);
  });

  it("does not lose lines when the reader is slow: the driver is told to wait", () => {
    const line = "y".repeat(99) + "\n";
    let sent = 0;
    while (type(line) === line.length) sent++;
    expect(sent).toBeGreaterThan(TTYHOG / 100 - 3);
    expect(tty.throttled).toBe(true);
    expect(type("\x03")).toBe(1);
    expect(signals).toEqual([SIGINT]);
  });
});

describe("signals and flow control", () => {
  it("sends signals to the foreground group, echoes and flushes", () => {
    type("half\x03");
    expect(screen()).toBe("half^C");
    expect(signals).toEqual([SIGINT]);
    type("\x1a\n");
    expect(signals).toEqual([SIGINT, SIGTSTP]);
    expect(read()).toBe("\n");
  });

  it("holds output between VSTOP and VSTART", () => {
    type("\x13");
    expect(tty.write(bytes("hidden"), 0, 6)).toBe(6);
    expect(screen()).toBe("");
    type("\x11");
    expect(screen()).toBe("hidden");
  });

  it("blocks writers when the driver takes nothing", () => {
    tty.setStopped(true);
    const block = new Uint8Array(10_000).fill(0x61);
    expect(tty.write(block, 0, block.length)).toBe(block.length);
    const second = tty.write(block, 0, block.length);
    expect(second).toBeLessThan(block.length);
    expect(tty.write(block, 0, block.length)).toBe(WOULDBLOCK);
    tty.setStopped(false);
    expect(printed.length).toBe(block.length + second);
  });

  it("reports a new window size once", () => {
    tty.setWindow(24, 80, 0, 0);
    tty.setWindow(24, 80, 0, 0);
    expect(signals).toEqual([SIGWINCH]);
    const data = new Uint8Array(8);
    tty.ioctl(ioc.TIOCGWINSZ, data);
    expect([...data]).toEqual([24, 0, 80, 0, 0, 0, 0, 0]);
    expect(() => tty.ioctl(0x2000_4242, data)).toThrow(ENOTTY);
  });
});

describe("raw mode", () => {
  const raw = (min: number, time: number): void => {
    const cc = tty.termios.cc.slice();
    cc[t.VMIN] = min;
    cc[t.VTIME] = time;
    set({ lflag: tty.termios.lflag & ~(t.ICANON | t.ECHO | t.ISIG), cc });
  };

  it("MIN > 0, TIME = 0 waits for MIN bytes", () => {
    raw(3, 0);
    type("ab");
    expect(read()).toBe(WOULDBLOCK);
    expect(read(2)).toBe("ab");
    type("abc\x03");
    expect(read()).toBe("abc\x03");
    expect(signals).toEqual([]);
  });

  it("MIN = 0, TIME = 0 never waits", () => {
    raw(0, 0);
    expect(read()).toBe("");
    expect(read(10, -1)).toBe(WOULDBLOCK);
    type("q");
    expect(read()).toBe("q");
  });

  it("MIN = 0, TIME > 0 waits that long for the first byte", () => {
    raw(0, 5);
    expect(read(10, 0)).toBe(WOULDBLOCK);
    expect(tty.readTimeout(0)).toBe(5e8);
    expect(read(10, 5e8)).toBe("");
  });

  it("MIN > 0, TIME > 0 is a timer between bytes", () => {
    raw(4, 2);
    expect(tty.readTimeout(1e9)).toBe(Infinity);
    now = 1e9;
    type("a");
    expect(read(10, 5e8)).toBe(WOULDBLOCK);
    now += 1e8;
    expect(read(10, 6e8)).toBe(WOULDBLOCK);
    expect(tty.readTimeout(6e8)).toBe(1e8);
    now += 1e8;
    expect(read(10, 7e8)).toBe("a");
  });

  it("keeps what was typed ahead when the mode changes", () => {
    type("first\nsec");
    raw(1, 0);
    expect(read()).toBe("first\nsec");
    type("next\rmore");
    set({ lflag: tty.termios.lflag | t.ICANON });
    expect(read()).toBe("next\n");
    type("!\r");
    expect(read()).toBe("more!\n");
  });

  it("processes output only with OPOST, expanding tabs with OXTABS", () => {
    tty.write(bytes("a\n"), 0, 2);
    expect(screen()).toBe("a\r\n");
    set({ oflag: t.OPOST | t.OXTABS });
    tty.write(bytes("ab\tc\n"), 0, 5);
    expect(screen()).toBe("ab      c\n");
    set({ oflag: 0 });
    tty.write(bytes("\t\n"), 0, 2);
    expect(screen()).toBe("\t\n");
  });
});

describe("pseudo terminals", () => {
  it("connects both sides, and hangs up", () => {
    const devsw = new Devsw();
    const ptmx = new Ptmx(devsw, () => now);
    const master = ptmx.open(3);
    const unit = new Uint8Array(4);
    master.ioctl(ioc.TIOCGPTN, unit);
    expect(unit[0]).toBe(0);
    const slave = [...devsw.all()].find((d) => d.name === "pts/0")!;
    slave.open(3);
    const buf = new Uint8Array(64);
    expect(master.read(0, buf, 0, 64, 0)).toBe(WOULDBLOCK);
    slave.write(0, bytes("hi\n"), 0, 3);
    expect(text(buf.subarray(0, master.read(0, buf, 0, 64, 0)))).toBe("hi\r\n");
    master.write(0, bytes("in\r"), 0, 3);
    expect(text(buf.subarray(0, slave.read(0, buf, 0, 64, 0)))).toBe("in\n");
    const got: number[] = [];
    slave.tty!.session = { sid: 5, leader: { pgrp: { id: 5 } } };
    slave.tty!.post = (_group, sig) => got.push(sig);
    master.close(3);
    expect(got[0]).toBe(SIGHUP);
    expect(slave.read(0, buf, 0, 64, 0)).toBe(0);
    expect(slave.poll(POLLIN) & POLLHUP).toBe(POLLHUP);
    slave.close(3);
    expect([...devsw.all()].length).toBe(0);
  });

  it("tells the master of stops and flushes in packet mode", () => {
    const ptmx = new Ptmx(new Devsw(), () => now);
    const master = ptmx.open(3);
    const on = Uint8Array.of(1, 0, 0, 0);
    master.ioctl(ioc.TIOCPKT, on);
    const slave = (master as unknown as { slave: { open(f: number): void; tty: Tty } }).slave;
    slave.open(3);
    const buf = new Uint8Array(8);
    slave.tty.setStopped(true);
    expect(master.read(0, buf, 0, 8, 0)).toBe(1);
    expect(buf[0]).toBe(ioc.TIOCPKT_STOP);
    slave.tty.setStopped(false);
    master.read(0, buf, 0, 8, 0);
    slave.tty.write(bytes("x"), 0, 1);
    expect(master.read(0, buf, 0, 8, 0)).toBe(2);
    expect([buf[0], buf[1]]).toEqual([ioc.TIOCPKT_DATA, 0x78]);
  });
});
