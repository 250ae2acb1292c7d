// SPDX-License-Identifier: BSD-3-Clause
/**
 * kill -9 of the host process in the middle of heavy writes, again and again on one image: it always mounts again,
 * and everything that had been synced is there. VKERNEL_KILL_ROUNDS sets the number of rounds.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkout, hammer, scratch, vkernel } from "./harness.ts";

const ROUNDS = Number(process.env["VKERNEL_KILL_ROUNDS"] ?? 3);

/** Runs the script until it has printed `after` lines and a moment more, kills the process, returns what it printed. */
async function killed(image: string, script: string, after: number, moreMs: number): Promise<string[]> {
  const args = [path.join(checkout, "packages/cli/bin/vkernel.js"), "run", "--root", image, "--", "/bin/sh", "-c", script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  const enough = new Promise<void>((resolve) => {
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      if (text.split("\n").length > after) resolve();
    });
    child.on("exit", () => resolve());
  });
  await enough;
  await new Promise((resolve) => setTimeout(resolve, moreMs));
  const ended = once(child, "close");
  child.kill("SIGKILL");
  await ended;
  return text.split("\n").slice(0, -1);
}

describe("a killed vkernel", () => {
  const image = path.join(scratch(), "kill.img");
  it("makes an image of the embedded world", () => {
    expect(vkernel(["image", "create", image, "--world", "--size", "1g"]).status).toBe(0);
  });

  it.each(Array.from({ length: ROUNDS }, (_, i) => i + 1))("round %i", async (round) => {
    // Every round writes its number into all files again, so a file that fell back to an older round is noticed.
    const script =
      "mkdir -p /w; i=0; while true; do i=$((i+1)); " +
      `echo ${round}-$i > /w/f$i; dd if=/dev/urandom of=/w/big bs=64k count=8 2> /dev/null; ` +
      `if [ $((i % 3)) = 0 ]; then sync; echo ${round}-$i; fi; done`;
    const printed = await killed(image, script, 2 + round, 150 * round);
    expect(printed.length).toBeGreaterThan(2);
    const synced = Number(printed.at(-1)!.split("-")[1]);
    const files = Array.from({ length: synced }, (_, i) => `/w/f${i + 1}`);
    const read = vkernel(["image", "cat", image, ...files]);
    expect(read.stderr).toBe("");
    expect(read.stdout).toBe(files.map((_, i) => `${round}-${i + 1}\n`).join(""));
  });

  it("leaves an image whose accounts are right", () => {
    const check = hammer(["-f", image, "checkmap"]);
    expect(check.status).toBe(0);
    expect(check.stderr).toBe("");
  });
});
