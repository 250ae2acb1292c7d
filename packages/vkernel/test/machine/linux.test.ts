// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { isBootError } from "@vkernel/vkernel";
import { runProgram } from "./programs.ts";

// Native (DragonFly) signal numbers, as RunResult reports them.
const SIGINT = 2, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGFPE = 8, SIGSEGV = 11;

describe("small static programs", () => {
  it("hello writes a line and exits with its status", async () => {
    const r = await runProgram("/hello");
    expect([r.output, r.status, r.signal, r.how]).toEqual(["hello\n", 7, 0, "exit"]);
    expect(r.stats.syscalls).toEqual({ write: 1, exit_group: 1 });
  });

  it("a name without a slash is looked for along PATH", async () => {
    const r = await runProgram("hello", { env: ["PATH=/none:/"] });
    expect(r.output).toBe("hello\n");
  });

  it("execve passes arguments and environment", async () => {
    const r = await runProgram("/execve");
    expect([r.output, r.status]).toEqual(["/args\none\ntwo words\nNAME=value\n", 3]);
  });

  it.each([
    ["forkwait", 42],
    ["pipes", 0],
    ["signals", 0],
    ["thread", 0],
    ["itimer", 3],
  ])("%s exits with %i", async (name, status) => {
    const r = await runProgram(`/${name}`);
    expect([r.status, r.signal]).toEqual([status, 0]);
  });

  it.each([
    ["kernel memory", "k", SIGSEGV],
    ["page 0", "n", SIGSEGV],
    ["stack overflow", "s", SIGSEGV],
    ["division by zero", "d", SIGFPE],
    ["undefined opcode", "u", SIGILL],
    ["breakpoint", "b", SIGTRAP],
    ["privileged instruction", "h", SIGSEGV],
    ["jump out of user memory", "j", SIGSEGV],
    ["abort", "a", SIGABRT],
  ])("dies of %s", async (_what, letter, signal) => {
    const r = await runProgram("/faults", { argv: ["/faults", letter] });
    expect([r.signal, r.how]).toEqual([signal, "exit"]);
  });

  it("spin: user time is told apart from system time", async () => {
    const r = await runProgram("/spin", { tickNs: 100_000 });
    expect(r.status).toBe(0);
    expect(r.stats.user).toBeGreaterThan(0.05);
    expect(r.stats.system).toBeLessThan(r.stats.user / 2);
  });
});

describe("standard streams", () => {
  it("a program without a terminal reads the host's input to its end", async () => {
    const text = "line one\n\x00\xffbinary\x1b[0m".repeat(500);
    const r = await runProgram("/cat", { input: text });
    expect([r.status, r.output === text]).toEqual([0, true]);
  });

  it("on a terminal lines are edited and echoed, and ^D ends them", async () => {
    const r = await runProgram("/cat", {
      isTTY: true,
      prepare: (platform) => {
        platform.after(0, () => platform.terminal.input.push(Uint8Array.from("ab\x7fc\r\x04", (c) => c.charCodeAt(0))));
      },
    });
    expect(r.status).toBe(0);
    expect(r.output).toContain("ac\r\n");
    expect(r.platform.terminal.raw).toBe(false);
  });

  it("^C on the terminal interrupts the program", async () => {
    const r = await runProgram("/cat", {
      isTTY: true,
      prepare: (platform) => {
        platform.after(0, () => platform.terminal.input.push(Uint8Array.of(3)));
      },
    });
    expect(r.signal).toBe(SIGINT);
  });

  it("the host's SIGTERM ends the program", async () => {
    const r = await runProgram("/cat", { prepare: (platform) => platform.after(1e6, () => platform.signal("SIGTERM")) });
    expect([r.signal, r.how]).toEqual([15, "exit"]);
  });
});

describe("programs that cannot be started", () => {
  const header = (change: (b: Uint8Array) => void): Uint8Array => {
    const b = new Uint8Array(64);
    b.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 3]);
    change(b);
    return b;
  };
  it.each([
    ["missing", "/none", "ENOENT", /no such program/],
    ["missing along PATH", "none", "ENOENT", /no such program/],
    ["64-bit", "/wide", "ENOEXEC", /64-bit ELF \(x86-64\)/],
    ["text", "/text", "ENOEXEC", /neither an ELF program nor a script/],
    ["a script of a missing program", "/script", "ENOENT", /interpreter \/no\/such/],
  ])("%s", async (_what, path, code, why) => {
    const files = {
      wide: header((b) => {
        b[4] = 2;
        b[18] = 62;
      }),
      text: Uint8Array.from("just text\n", (c) => c.charCodeAt(0)),
      script: Uint8Array.from("#!/no/such\n", (c) => c.charCodeAt(0)),
    };
    const failure: unknown = await runProgram(path, { files }).then(() => null, (e: unknown) => e);
    if (!isBootError(failure)) throw failure;
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(why);
  });
});
