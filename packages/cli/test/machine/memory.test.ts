// SPDX-License-Identifier: BSD-3-Clause
/** The host's memory is bounded by the machine's: a guest that takes all it can get costs at most 256 MiB more (R9). */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkout, debianRoot, NO_ROOTS, scratch } from "./harness.ts";

const root = debianRoot("busybox");
const reason =
  root === null ? NO_ROOTS : existsSync("/proc/self/status") ? null : "the host has no /proc/PID/status";

/** Runs a script; resolves to its output and the highest resident memory of the command, MiB. */
function run(
  script: string,
  memoryMib: number,
  options: string[] = [],
): Promise<{ output: string; status: number | null; peakMib: number }> {
  return new Promise((resolve, reject) => {
    const command = path.join(checkout, "packages/cli/bin/vkernel.js");
    const args = [
      command,
      "run",
      "--root",
      root!,
      "-m",
      `${memoryMib}m`,
      ...options,
      "--",
      "/bin/busybox",
      "sh",
      "-c",
      script,
    ];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    let peakKib = 0;
    child.stdout.setEncoding("latin1").on("data", (text: string) => (output += text));
    const timer = setInterval(() => {
      try {
        const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"));
        if (peak !== null) peakKib = Number(peak[1]);
      } catch (error) {
        // it has just ended
        if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? ""))
          reject(error as Error);
      }
    }, 20);
    child.on("error", reject);
    child.on("close", (status) => {
      clearInterval(timer);
      resolve({ output, status, peakMib: peakKib / 1024 });
    });
  });
}

describe.skipIf(reason !== null)(`host memory${reason === null ? "" : `: ${reason}`}`, () => {
  it("a process that wants all memory is ended, the others live, and the host stays within the bound", async () => {
    const greedy = "busybox tail /dev/zero 2>/dev/null; echo ended $?";
    const script = `export PATH=/bin; for i in 1 2; do ${greedy}; done; busybox seq 1 1000 | busybox sort -n | busybox tail -n 1; exit 4`;
    const { output, status, peakMib } = await run(script, 128);
    expect(output).toMatch(/^(ended (1|137)\n){2}1000\n$/);
    expect(status).toBe(4);
    expect(peakMib).toBeGreaterThan(128);
    expect(peakMib).toBeLessThan(128 + 256);
  });

  it("with --swap what has no room goes to the disk image", async () => {
    const file = path.join(scratch(), "swap");
    writeFileSync(file, "");
    truncateSync(file, 256 << 20);
    const script = "export PATH=/bin; busybox dd if=/dev/zero bs=120M count=1 2>/dev/null | busybox wc -c; busybox grep -E 'Swap(Total|Free)' /proc/meminfo";
    const without = await run(script, 64);
    expect(without.output).toMatch(/^0\nSwapTotal: +0 kB\n/m);
    const { output, peakMib } = await run(script, 64, ["--swap", file]);
    expect(output).toMatch(/^125829120\nSwapTotal: +262144 kB\nSwapFree: +262144 kB\n$/);
    expect(peakMib).toBeLessThan(64 + 256);
  });
});
