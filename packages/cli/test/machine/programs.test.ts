// SPDX-License-Identifier: BSD-3-Clause
/** Genuine dynamic programs of Debian from a host folder, and genuine static ones, give what they give natively. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { debianRoot, guestPrograms, NO_GUESTS, NO_ROOTS, vkernel } from "./harness.ts";

const root = debianRoot("debian");
const guests = guestPrograms();

describe.skipIf(root === null)(`dynamic bash and coreutils${root === null ? `: ${NO_ROOTS}` : ""}`, () => {
  const bash = (script: string) => vkernel(["run", "--root", root!, "--", "/bin/bash", "-c", script]);

  it("runs a pipeline, lists the root, and dies of SIGTERM with 143", () => {
    const result = bash("for i in 1 2 3; do echo $((i*i)); done | sort -rn; ls -la / | head -3; kill -TERM $$");
    expect(result.stdout).toMatch(/^9\n4\n1\ntotal \d+\ndrwx.* \.\ndrwx.* \.\.\n$/);
    expect(result.status).toBe(143);
  });

  it("has here documents, arrays, traps, subshells and process substitution", () => {
    const result = bash(
      'a=(x y z); echo ${#a[@]} ${a[@]:1}; (exit 4); echo $?; cat <<< here; trap "echo bye" EXIT; ' +
        "cat <(echo sub); wait; printf '%05.2f %x\\n' 3.14159 255; echo {1..3}; exit 9",
    );
    expect(result.stdout).toBe("3 y z\n4\nhere\nsub\n03.14 ff\n1 2 3\nbye\n");
    expect(result.status).toBe(9);
  });

  it("changes stay in memory", () => {
    expect(bash("echo x > /only-here; cat /only-here").stdout).toBe("x\n");
    expect(bash("test -e /only-here; echo $?").stdout).toBe("1\n");
  });
});

describe.skipIf(guests === null)(`static programs${guests === null ? `: ${NO_GUESTS}` : ""}`, () => {
  const run = (program: string, args: string[]) =>
    vkernel(["run", "--root", guests!, "--", `/${program}`, ...args], { timeoutMs: 170_000 });

  it("the processor benchmark computes what the host's processor computes", () => {
    const args = ["-r", "1", "-m", "1", "-o", "cpu."];
    const result = run("cpu", args);
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    const sums = (text: string) => text.split("\n").filter((line) => line.startsWith("C ")).toSorted();
    expect(result.stdout).not.toMatch(/^F /m);
    const native = spawnSync(path.join(guests!, "cpu"), args, { encoding: "utf8" });
    if (native.status === 0) expect(sums(result.stdout)).toEqual(sums(native.stdout));
    else expect(result.stdout).toMatch(/^R cpu\./m);
  });

  it("the boundary benchmark's checks of faults, signals, forks and pipes hold", () => {
    const result = run("boundary", ["-r", "1", "-m", "1"]);
    expect(result.status).toBe(0);
    expect(result.stdout).not.toMatch(/^F /m);
    expect(result.stdout).toMatch(/^R boundary\.segv_mprotect_roundtrip /m);
    expect(result.stdout).toMatch(/^R boundary\.fork_exec_wait /m);
  });
});
