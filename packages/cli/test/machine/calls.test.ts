// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every Linux call with wrong arguments and with what the caller has no right to, and every call that waits interrupted by a signal,
 * here and on the host's own kernel: results must be the same, where the host can run programs for i386. What differs with a reason
 * is listed.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { systemCalls } from "@vkernel/vkernel";
import { describe, expect, it } from "vitest";
import { type Case, cases, caseTable } from "./calls/cases.ts";
import { checkout, scratch, vkernel } from "./harness.ts";
import { KNOWN } from "./calls/different.ts";

const SOURCES = path.join(checkout, "packages/cli/test/machine/calls");

/** Builds `name`.c, with the table of cases, in `dir`. */
function build(dir: string, name: string, all: readonly Case[]): string {
  const program = path.join(dir, name);
  writeFileSync(path.join(dir, "cases.h"), caseTable(all));
  const flags = ["-m32", "-O1", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-fno-stack-protector", "-fcf-protection=none"];
  execFileSync("gcc", [...flags, "-I", dir, "-o", program, path.join(SOURCES, `${name}.c`)], { stdio: "pipe" });
  return program;
}

/** Namespaces of its own: processes that are signalled and IPC objects that stay are the test's. */
const UNSHARE = ["--ipc", "--pid", "--net", "--fork", "--kill-child"];

/** Why the native half cannot run here, or null. */
function cannotRun(): string | null {
  const dir = scratch();
  try {
    const program = build(dir, "calls", []);
    chmodSync(dir, 0o755);
    execFileSync("unshare", [...UNSHARE, program], { cwd: dir, stdio: "pipe" });
    return null;
  } catch {
    return "needs gcc -m32, a kernel that runs i386 programs, and the right to make namespaces";
  }
}

function parse(output: string): Map<string, string> {
  return new Map(output.split("\n").filter((line) => line !== "").map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]));
}

const reason = cannotRun();

describe.skipIf(reason !== null)(`Linux calls, as the host's kernel answers them${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  it("errors are the same", () => {
    const all = cases(systemCalls());
    const dir = scratch();
    chmodSync(dir, 0o755);
    const program = build(dir, "calls", all);
    const known = new Map(KNOWN.flatMap(({ cases }) => Object.entries(cases)));
    const compare = (): string[] => {
      const here = vkernel(["run", "--root", dir, "-w", "/", "--", "/calls"], { timeoutMs: 170_000 });
      const native = spawnSync("unshare", [...UNSHARE, program], { cwd: dir, encoding: "latin1", maxBuffer: 1 << 28, timeout: 100_000, killSignal: "SIGKILL" });
      const [ours, theirs] = [parse(here.stdout), parse(native.stdout)];
      expect(theirs.size).toBeGreaterThan(1000);
      return all
        .filter(({ name }) => ours.get(name) !== theirs.get(name) && theirs.get(name) !== "error 38")
        // What gives no answer at all is never excused.
        .filter(({ name }) => !ours.has(name) || known.get(name) !== ours.get(name))
        .map(({ name }) => `${name}: ${ours.get(name) ?? "nothing"}, natively ${theirs.get(name) ?? "nothing"}`);
    };
    let unknown = compare();
    // A timer ends each call after 100 ms, on a busy host also one that does not wait: what that did is not the same the next time.
    for (let i = 0; i < 2 && unknown.length > 0; i++) {
      const again = new Set(compare());
      unknown = unknown.filter((difference) => again.has(difference));
    }
    expect(unknown).toEqual([]);
    const names = new Set(all.map(({ name }) => name));
    expect([...known.keys()].filter((name) => !names.has(name))).toEqual([]);
  });

  it("calls that wait end with EINTR or go on after a signal, as SA_RESTART and the call have it", () => {
    const dir = scratch();
    chmodSync(dir, 0o755);
    const program = build(dir, "restarts", []);
    const here = vkernel(["run", "--root", dir, "-w", "/", "--", "/restarts"], { timeoutMs: 120_000 });
    const native = spawnSync("unshare", [...UNSHARE, program], { cwd: dir, encoding: "latin1", timeout: 60_000, killSignal: "SIGKILL" });
    expect(native.stdout.split("\n").length).toBeGreaterThan(100);
    expect(here.stdout.split("\n")).toEqual(native.stdout.split("\n"));
  });

  it("epoll reports the same after random changes to what it watches", () => {
    const dir = scratch();
    chmodSync(dir, 0o755);
    const program = build(dir, "epoll", []);
    for (const seed of ["1", "2", "3", "4", "5"]) {
      const here = vkernel(["run", "--root", dir, "-w", "/", "--", "/epoll", seed], { timeoutMs: 60_000 });
      const native = spawnSync(program, [seed], { encoding: "latin1", timeout: 60_000, killSignal: "SIGKILL" });
      expect(native.stdout.split("\n").length).toBeGreaterThan(1500);
      expect(here.stdout.split("\n")).toEqual(native.stdout.split("\n"));
    }
  });

  it("asynchronous requests have the same results", () => {
    const dir = scratch();
    chmodSync(dir, 0o755);
    const program = build(dir, "aio", []);
    const here = vkernel(["run", "--root", dir, "-w", "/", "--", "/aio"], { timeoutMs: 60_000 });
    const native = spawnSync(program, [], { cwd: dir, encoding: "latin1", timeout: 60_000, killSignal: "SIGKILL" });
    expect(native.stdout.split("\n").length).toBeGreaterThan(100);
    expect(here.stdout.split("\n")).toEqual(native.stdout.split("\n"));
  });
});
