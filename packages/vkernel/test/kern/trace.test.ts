// SPDX-License-Identifier: BSD-3-Clause
/** The lines of a trace, and the list of system calls. */
import { expect, it } from "vitest";
import { systemCalls } from "../../src/abi/system-calls.ts";
import { Trace } from "../../src/kern/trace.ts";
import { DATA, sys, UserBench } from "./user-bench.ts";

const A = DATA;

it("calls, results, errors, signals and ends, a line each", async () => {
  const lines: string[] = [];
  const bench = new UserBench();
  Object.assign(bench.k, { trace: new Trace((line) => lines.push(line)) });
  const status = await bench.run(
    bench.start(function* (u) {
      u.text(A, '/no "such"\tfile');
      yield sys("openat", -100, A, 0, 0);
      yield sys("open", 8, 0, 0);
      u.text(A, "/dir");
      yield sys("mkdir", A, 0o755);
      yield sys("brk", 0);
      u.child(function* () {
        yield sys("exit_group", 3);
      });
      yield sys("fork");
      yield sys("wait4", -1, A, 0, 0);
      yield sys("kill", 2, 15);
    }),
  );
  expect(status).toBe(15);
  expect(lines.map((line) => line.replace(/brk.*/, "brk"))).toEqual([
    '[pid 2] openat(AT_FDCWD, "/no \\"such\\"\\tfile", 0, 00) = -1 ENOENT (No such file or directory)',
    "[pid 2] open(0x8, 0, 00) = -1 EFAULT (Bad address)",
    '[pid 2] mkdir("/dir", 0755) = 0',
    "[pid 2] brk",
    "[pid 2] fork() = 3",
    "[pid 3] exit_group(3) = ?",
    "[pid 3] +++ exit status 3 +++",
    "[pid 2] wait4(-1, 0x10000000, 0, NULL) = 3",
    "[pid 2] kill(2, SIGTERM) = 0",
    "[pid 2] --- SIGTERM (Terminated) ---",
    "[pid 2] +++ killed by SIGTERM +++",
  ]);
});

it("every call of both tables is listed once", () => {
  const calls = systemCalls();
  expect(new Set(calls.map((call) => `${call.abi} ${call.nr}`)).size).toBe(calls.length);
  expect(calls.find((call) => call.abi === "linux" && call.nr === 4)).toMatchObject({ name: "write", support: "full" });
  for (const call of calls) if (call.support !== "full") expect(call.note, call.name).not.toBe("");
});
