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
static int argument(int *stack) { return *(char *)stack[2]; }
__attribute__((used)) void run(int *stack)
{
	if (stack[0] > 1 && argument(stack) == 'l')
		for (;;)
			total++;
	if (stack[0] > 1 && argument(stack) == 'f')
		*(volatile int *)16 = 1;
	int s = 0;
	for (int i = 1; i < 5; i++)
		s = add(s, i);
	__asm__ volatile("int $0x80" : : "a"(1), "b"(s));
}
__asm__(".globl _start\\n_start: mov %esp, %eax\\n push %eax\\n call run\\n");
`;
const folder = mkdtempSync(path.join(tmpdir(), "vkernel-gdb-"));
const program = path.join(folder, "prog");
writeFileSync(path.join(folder, "prog.c"), SOURCE);
const FLAGS = "-m32 -g -O0 -static -nostdlib -fno-pic -no-pie -fno-stack-protector".split(" ");
const built = spawnSync("gcc", [...FLAGS, "-o", program, path.join(folder, "prog.c")]).status === 0;
const hasGdb = spawnSync("gdb", ["--version"]).status === 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));


interface Session {
  /** What gdb printed. */
  readonly out: string;
  /** Exit status of `vkernel run`. */
  readonly status: number;
}

/** Debugs the program, started with `args`, with gdb's `commands`; `interruptAt`: what gdb has printed when it gets ^C. */
async function debug(args: readonly string[], commands: readonly string[], interruptAt?: string): Promise<Session> {
  const guest = spawn(process.execPath, [BIN, "run", "--root", folder, "--gdb", "0", "--", "/prog", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(guest, "exit");
  let said = "";
  guest.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  while (!/:\d+\n/.test(said)) await once(guest.stderr, "data");
  const port = /:(\d+)\n/.exec(said)![1]!;
  const all = [`target remote 127.0.0.1:${port}`, ...commands];
  const gdb = spawn("gdb", ["-batch", "-nx", ...all.flatMap((c) => ["-ex", c]), program]);
  let out = "";
  let interrupted = false;
  const heard = (text: string): void => {
    out += text;
    if (interrupted || interruptAt === undefined || !out.includes(interruptAt)) return;
    interrupted = true;
    setTimeout(() => gdb.kill("SIGINT"), 1000);
  };
  gdb.stdout.setEncoding("utf8").on("data", heard);
  gdb.stderr.setEncoding("utf8").on("data", heard);
  const [[status]] = await Promise.all([ended, once(gdb, "exit")]);
  return { out, status: status as number };
}

const possible = built && hasGdb;

test.skipIf(!possible)("gdb breaks, steps, reads and writes (skipped without gdb and gcc -m32)", async () => {
  const { out, status } = await debug([], [
    "break add", "continue", "printf \"first %d %d\\n\", a, b", "continue",
    "printf \"second %d %d total %d\\n\", a, b, total", "set var b = 32", "stepi", "x/1i $eip", "info registers eip mxcsr", "finish",
    "delete", "continue",
  ]);
  expect(out).toContain("first 0 1");
  expect(out).toContain("second 1 2 total 0");
  expect(out).toMatch(/=> 0x[0-9a-f]+ <add\+\d+>/);
  expect(out).toMatch(/mxcsr\s+0x1f80/);
  expect(out).toContain("Value returned is $1 = 33");
  // add(1, 32) + 3 + 4
  expect(out).toContain("exited with code 050");
  expect(status).toBe(40);
});

test.skipIf(!possible)("a fault stops with its signal and its place, and kills when it goes on", async () => {
  const { out, status } = await debug(["f"], ["continue", "info symbol $eip", "info threads", "continue"]);
  expect(out).toContain("received signal SIGSEGV");
  expect(out).toMatch(/run \+ \d+ in section \.text/);
  expect(out).toMatch(/\* 1 +Thread 1/);
  expect(out).toContain("terminated with signal SIGSEGV");
  expect(status).toBe(139);
});

test.skipIf(!possible)("^C stops a loop, and the program can be killed", async () => {
  const { out, status } = await debug(["l"], ["echo going\\n", "continue", "print total > 0", "thread 1", "kill"], "going");
  expect(out).toContain("received signal SIGINT");
  expect(out).toContain("$1 = 1");
  expect(status).toBe(137);
});

test.skipIf(!possible)("a program that gdb leaves runs on to its end", async () => {
  const { out, status } = await debug([], ["break add", "continue", "detach"]);
  expect(out).toContain("detached");
  // 1 + 2 + 3 + 4
  expect(status).toBe(10);
});
