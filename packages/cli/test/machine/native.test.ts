// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs that ask the kernel many questions and print its answers: here and on the host's own kernel they must print the same,
 * where the host can build and run programs for i386.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkout, scratch, vkernel } from "./harness.ts";

const SOURCES = path.join(checkout, "packages/cli/test/machine/native");
/** IPC objects of its own, and a parent that collects orphans. */
const UNSHARE = ["--ipc", "--fork", "--kill-child"];

function build(dir: string, source: string, name: string): string {
  const program = path.join(dir, name);
  execFileSync("gcc", ["-m32", "-static", "-O1", "-w", "-pthread", "-o", program, source], { stdio: "pipe" });
  return program;
}

/** Why the native half cannot run here, or null. */
function cannotRun(): string | null {
  const dir = scratch();
  try {
    chmodSync(dir, 0o755);
    writeFileSync(path.join(dir, "empty.c"), "int main(void) { return 0; }\n");
    execFileSync("unshare", [...UNSHARE, build(dir, path.join(dir, "empty.c"), "empty")], { cwd: dir, stdio: "pipe" });
    return null;
  } catch {
    return "needs gcc -m32 with a static C library, a kernel that runs i386 programs, and the right to make namespaces";
  }
}

const reason = cannotRun();
const swap = path.join(scratch(), "swap");
writeFileSync(swap, "");
truncateSync(swap, 128 << 20);

describe.skipIf(reason !== null)(`programs that ask the kernel, as the host's answers them${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  /** What it tells of, its source, the fewest lines it prints, and options of the machine. */
  const programs: readonly (readonly [string, string, number, readonly string[]])[] = [
    ["what may be locked in memory", "memlock", 150, []],
    ["which ends leave core files, and what is in them", "core-files", 45, []],
    ["what datagrams say besides their bytes, and when they came", "datagrams", 300, []],
    ["shared memory, more than there is", "shared", 8, ["-m", "64m", "--swap", swap]],
  ];
  it.each(programs)("%s", (_what, name, lines, options) => {
    const dir = scratch();
    chmodSync(dir, 0o755);
    const program = build(dir, path.join(SOURCES, `${name}.c`), name);
    const native = spawnSync("unshare", [...UNSHARE, program], { cwd: dir, encoding: "latin1", timeout: 60_000, killSignal: "SIGKILL" });
    const here = vkernel(["run", "--root", dir, "-w", "/", ...options, "--", `/${name}`]);
    expect(native.status).toBe(0);
    expect(native.stdout.split("\n").length).toBeGreaterThan(lines);
    expect(here.stdout).toBe(native.stdout);
    expect(here.status).toBe(0);
  });

  it("shared memory that has no room is in swap space", () => {
    const dir = scratch();
    build(dir, path.join(SOURCES, "shared.c"), "shared");
    const here = vkernel(["run", "--root", dir, "-m", "64m", "--swap", swap, "--", "/shared", "where"]);
    expect(here.stdout).toContain("some of it is in swap space: yes\n");
    const without = vkernel(["run", "--root", dir, "-m", "64m", "--", "/shared"]);
    expect(without.stderr).toMatch(/\(shared\), uid 0, was killed: out of memory \(63 MiB, no swap space\)/);
  });
});
