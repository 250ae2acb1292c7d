// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from "vitest";
import { GdbStub, type GdbTarget } from "./gdb-stub.ts";

/** A target that records what it is asked, with 256 bytes of memory at 0x1000. */
function session() {
  const memory = Uint8Array.from({ length: 256 }, (_, i) => i);
  const asked: string[] = [];
  const core = Array.from({ length: 16 }, (_, i) => 0x1111_0000 + i);
  const fx = new Uint8Array(512);
  const inside = (at: number, n: number): boolean => at >= 0x1000 && at + n <= 0x1100;
  const target: GdbTarget = {
    coreRegister: (n) => core[n]!,
    setCoreRegister: (n, value) => void (core[n] = value),
    fx: () => fx,
    setFx: (image) => fx.set(image),
    readMemory: (at, n, done) => done(inside(at, n) ? memory.slice(at - 0x1000, at - 0x1000 + n) : null),
    writeMemory(at, bytes, done) {
      if (inside(at, bytes.length)) memory.set(bytes, at - 0x1000);
      done(inside(at, bytes.length));
    },
    setBreakpoint: (at) => void asked.push(`break ${at.toString(16)}`),
    clearBreakpoint: (at) => void asked.push(`clear ${at.toString(16)}`),
    resume: (step) => void asked.push(step ? "step" : "continue"),
    interrupt: () => void asked.push("interrupt"),
    kill: () => void asked.push("kill"),
    detach: () => void asked.push("detach"),
  };
  let sent = "";
  const stub = new GdbStub(target, (bytes) => (sent += String.fromCharCode(...bytes)));
  const raw = (text: string): string => {
    sent = "";
    stub.receive(Uint8Array.from(text, (c) => c.charCodeAt(0)));
    return sent;
  };
  const sum = (text: string): string =>
    ([...text].reduce((s, c) => s + c.charCodeAt(0), 0) & 255).toString(16).padStart(2, "0");
  /** Sends a packet; returns the reply's payload, whose frame and checksum must be right. */
  const ask = (packet: string): string => {
    const reply = raw(`$${packet}#${sum(packet)}`);
    if (reply === "+") return "";
    const payload = /^\+?\$([^#]*)#(..)$/s.exec(reply)!;
    expect(payload[2]).toBe(sum(payload[1]!));
    return payload[1]!;
  };
  return { stub, ask, raw, asked, memory, core, fx };
}

test("a packet with a wrong checksum is asked for again, one in pieces is understood", () => {
  const { raw } = session();
  expect(raw("$?#00")).toBe("-");
  expect(raw("$?#")).toBe("");
  expect(raw("3f")).toBe("+$S05#b8");
});

test("after QStartNoAckMode nothing is acknowledged", () => {
  const { raw, ask } = session();
  expect(ask("QStartNoAckMode")).toBe("OK");
  expect(raw("$?#3f")).toBe("$S05#b8");
});

test("registers: core, x87 tags, SSE; writing", () => {
  const { ask, core, fx } = session();
  expect(ask("p8")).toBe("08001111");
  expect(ask("P0=78563412")).toBe("OK");
  expect(core[0]).toBe(0x1234_5678);
  fx[4] = 0x80; // R7 holds something: with TOP = 7, ST(0)
  fx[3] = 0x38;
  fx.set([0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f], 32);
  expect(ask("p10")).toBe("0000000000000080ff3f");
  expect(ask("p1a")).toBe("ff3f0000");
  expect(ask(`P27=${"ab".repeat(16)}`)).toBe("OK");
  expect([...fx.subarray(272, 288)]).toEqual(Array(16).fill(0xab));
  expect(ask("g").length).toBe(2 * (16 * 4 + 8 * 10 + 8 * 4 + 8 * 16 + 4 + 4));
  expect(ask("p99")).toBe("E01");
  expect(ask("P0=12")).toBe("E01");
});

test("memory: reading, writing in hex and binary, faults", () => {
  const { ask, memory } = session();
  expect(ask("m1010,4")).toBe("10111213");
  expect(ask("m2000,4")).toBe("E0e");
  expect(ask("M1000,2:beef")).toBe("OK");
  expect(ask("X1002,2:\x7d\x03A")).toBe("OK");
  expect([...memory.subarray(0, 4)]).toEqual([0xbe, 0xef, 0x23, 0x41]);
  expect(ask("M1000,2:be")).toBe("E01");
  expect(ask("M5000,1:00")).toBe("E0e");
});

test("the program runs, is interrupted, stops and ends", () => {
  const { ask, raw, stub, asked } = session();
  expect(ask("Z0,1234,1")).toBe("OK");
  expect(ask("z0,1234,1")).toBe("OK");
  expect(ask("Z2,1234,4")).toBe("");
  expect(raw("\x03")).toBe("");
  expect(ask("vCont;s:1;c")).toBe("");
  stub.stopped(5);
  expect(ask("c")).toBe("");
  expect(raw("\x03")).toBe("");
  stub.ended(7, 0);
  expect(ask("?")).toBe("W07");
  expect(asked).toEqual(["break 1234", "clear 1234", "step", "continue", "interrupt"]);
});

test("the target description comes in the pieces asked for and names every register in order", () => {
  const { ask } = session();
  let text = "";
  for (let more = true; more; ) {
    const part = ask(`qXfer:features:read:target.xml:${text.length.toString(16)},400`);
    more = part.startsWith("m");
    text += part.slice(1);
  }
  const names = [...text.matchAll(/<reg name="(\w+)"/g)].map((m) => m[1]);
  expect(names.length).toBe(42);
  expect([names[8], names[16], names[24], names[32], names[40]]).toEqual(["eip", "st0", "fctrl", "xmm0", "mxcsr"]);
  expect(text.endsWith("</target>")).toBe(true);
});
