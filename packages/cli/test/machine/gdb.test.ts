// SPDX-License-Identifier: BSD-3-Clause
/** The distribution's gdb debugs a guest program through `vkernel run --gdb`. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../../bin/vkernel.js", import.meta.url));
const SOURCE = `
volatile int total;
__attribute__((noinline)) int add(int a, int b) { total += a; return a + b; }
void _start(void)
{
	int s = 0;
	for (int i = 1; i < 5; i++)
		s = add(s, i);
	__asm__ volatile("int $0x80" : : "a"(1), "b"(s));
}
`;
const folder = mkdtempSync(path.join(tmpdir(), "vkernel-gdb-"));
const program = path.join(folder, "prog");
writeFileSync(path.join(folder, "prog.c"), SOURCE);
const FLAGS = "-m32 -g -O0 -static -nostdlib -fno-pic -no-pie -fno-stack-protector".split(" ");
const built = spawnSync("gcc", [...FLAGS, "-o", program, path.join(folder, "prog.c")]).status === 0;
const hasGdb = spawnSync("gdb", ["--version"]).status === 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.skipIf(!built || !hasGdb)("gdb breaks, steps, reads and writes (skipped without gdb and gcc -m32)", async () => {
  const guest = spawn(process.execPath, [BIN, "run", "--root", folder, "--gdb", "0", "--", "/prog"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  guest.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  while (!/:\d+\n/.test(said)) await once(guest.stderr, "data");
  const port = /:(\d+)\n/.exec(said)![1]!;
  const commands = [
    `target remote 127.0.0.1:${port}`, "break add", "continue", "printf \"first %d %d\\n\", a, b", "continue",
    "printf \"second %d %d total %d\\n\", a, b, total", "set var b = 32", "stepi", "x/1i $eip", "info registers eip mxcsr", "finish",
    "delete", "continue",
  ];
  const debuggerRun = spawn("gdb", ["-batch", "-nx", ...commands.flatMap((c) => ["-ex", c]), program]);
  let out = "";
  debuggerRun.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  debuggerRun.stderr.setEncoding("utf8").on("data", (text: string) => (out += text));
  const [[status]] = await Promise.all([once(guest, "exit"), once(debuggerRun, "exit")]);
  expect(out).toContain("first 0 1");
  expect(out).toContain("second 1 2 total 0");
  expect(out).toMatch(/=> 0x[0-9a-f]+ <add\+\d+>/);
  expect(out).toMatch(/mxcsr\s+0x1f80/);
  expect(out).toContain("Value returned is $1 = 33");
  // add(1, 32) + 3 + 4
  expect(out).toContain("exited with code 050");
  expect(status).toBe(40);
});
