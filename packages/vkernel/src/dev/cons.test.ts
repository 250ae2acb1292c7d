// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { ENOTTY } from "../sys/errno.ts";
import * as ioc from "../sys/ioctl.ts";
import { POLLIN, POLLOUT } from "../sys/poll.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { ConsoleInput, ConsoleOutput, ConsoleTerminal } from "./cons.ts";
import { CONSOLE_RDEV, StreamDev, TtyConsole } from "./cons.ts";

const bytes = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const text = (b: Uint8Array): string => String.fromCharCode(...b);

class FakeHost implements ConsoleTerminal {
  sink: (bytes: Uint8Array | null) => void = () => {};
  drained: () => void = () => {};
  resized: () => void = () => {};
  paused = true;
  raw = false;
  rows = 24;
  out = "";
  accepts = true;
  readonly input: ConsoleInput = {
    onInput: (sink) => (this.sink = sink),
    pause: () => (this.paused = true),
    resume: () => (this.paused = false),
  };
  readonly output: ConsoleOutput = {
    write: (b) => {
      this.out += text(b);
      return this.accepts;
    },
    onDrain: (f) => (this.drained = f),
  };
  size = (): { rows: number; cols: number } => ({ rows: this.rows, cols: 80 });
  onResize(f: () => void): void {
    this.resized = f;
  }
  setRaw(raw: boolean): void {
    this.raw = raw;
  }
}

describe("console with a terminal", () => {
  it("CO1: makes the host raw while it is open, and follows its size", () => {
    const host = new FakeHost();
    const dev = new TtyConsole(host, () => 0);
    expect(host.raw).toBe(false);
    dev.open(3);
    expect([host.raw, host.paused, dev.tty.rows]).toEqual([true, false, 24]);
    host.rows = 50;
    host.resized();
    expect(dev.tty.rows).toBe(50);
    host.sink(bytes("echo\r"));
    expect(host.out).toBe("echo\r\n");
    dev.detach();
    expect([host.raw, host.paused]).toEqual([false, true]);
  });

  it("CO3: input that has no room stays with the host and loses nothing; output waits for the drain", () => {
    const host = new FakeHost();
    const dev = new TtyConsole(host, () => 0);
    dev.open(3);
    host.accepts = false;
    const line = `${"z".repeat(60)}\n`;
    let sent = 0;
    while (!host.paused) {
      host.sink(bytes(line));
      sent++;
    }
    let got = "";
    const buf = new Uint8Array(4096);
    for (;;) {
      const n = dev.read(0, buf, 0, buf.length, 0);
      if (n === WOULDBLOCK) break;
      got += text(buf.subarray(0, n));
    }
    expect(got).toBe(line.repeat(sent));
    expect(host.paused).toBe(false);
    expect(dev.tty.outq.count).toBeGreaterThan(0);
    host.accepts = true;
    host.drained();
    expect(dev.tty.outq.count).toBe(0);
  });

  it("the end of the host's input hangs the terminal up", () => {
    const host = new FakeHost();
    const dev = new TtyConsole(host, () => 0);
    dev.open(3);
    host.sink(null);
    expect(dev.read(0, new Uint8Array(1), 0, 1, 0)).toBe(0);
  });
});

describe("console as a stream", () => {
  it("CO2: bytes as they are, an end for ever, no terminal controls", () => {
    const host = new FakeHost();
    const dev = new StreamDev("console", CONSOLE_RDEV, host.input, host.output);
    const buf = new Uint8Array(10);
    expect(host.paused).toBe(true);
    expect(dev.read(0, buf, 0, 10)).toBe(WOULDBLOCK);
    expect(host.paused).toBe(false);
    host.sink(bytes("a\r\x03"));
    host.sink(bytes("bc"));
    host.sink(null);
    expect(dev.poll(POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT);
    expect(text(buf.subarray(0, dev.read(0, buf, 0, 4)))).toBe("a\r\x03b");
    expect(text(buf.subarray(0, dev.read(0, buf, 0, 4)))).toBe("c");
    expect(dev.read(0, buf, 0, 4)).toBe(0);
    expect(dev.read(0, buf, 0, 4)).toBe(0);
    expect(() => dev.ioctl(ioc.TIOCGETA, new Uint8Array(44))).toThrow(ENOTTY);
    dev.write(0, bytes("x\n"), 0, 2);
    expect(host.out).toBe("x\n");
  });

  it("CO3: pauses the host when nobody reads, and stops writers when it is slow", () => {
    const host = new FakeHost();
    const dev = new StreamDev("console", CONSOLE_RDEV, host.input, host.output);
    const buf = new Uint8Array(65536);
    dev.read(0, buf, 0, 1);
    host.sink(new Uint8Array(70_000));
    expect(host.paused).toBe(true);
    dev.read(0, buf, 0, 65536);
    expect(host.paused).toBe(false);
    host.accepts = false;
    expect(dev.write(0, buf, 0, 10)).toBe(10);
    expect(dev.write(0, buf, 0, 10)).toBe(WOULDBLOCK);
    expect(dev.poll(POLLOUT)).toBe(0);
    host.drained();
    expect(dev.write(0, buf, 0, 10)).toBe(10);
  });
});
