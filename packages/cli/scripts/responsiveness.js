#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * How much of the host an idle guest takes, and how soon a keystroke is answered while eight processes compute, and others write
 * files if that is asked for.
 *
 *   node packages/cli/scripts/responsiveness.js --root DIR [--seconds N] [--keys N] [--writers N]
 *
 * DIR holds a Debian system with bash and python3. The first part runs `sleep` and counts the processor time that the whole
 * vkernel process takes from its third second on. The second runs bash on a pseudo-terminal beside eight endless loops: a key is
 * written to the terminal every 50 ms, and the time until bash has shown it is taken in the guest. Writers are processes that write
 * a megabyte at a time to a file in /tmp, and sync it.
 * Prints both figures; exit status 1 when the guest takes 1 % of a core or more, or one key in a hundred is answered after 50 ms.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const vkernel = fileURLToPath(new URL("../bin/vkernel.js", import.meta.url));
const { values } = parseArgs({
  options: { root: { type: "string" }, seconds: { type: "string", default: "20" }, keys: { type: "string", default: "200" }, writers: { type: "string", default: "0" } },
});
if (values.root === undefined) {
  process.stderr.write("usage: responsiveness.js --root DIR [--seconds N] [--keys N] [--writers N]\n");
  process.exit(2);
}
const run = (...command) => [vkernel, "run", "--root", values.root, "--", ...command];

/** Seconds of processor time that a process and its threads have taken. */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
  const TICKS = 100;
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

const START_MS = 3000;
async function idleShare(seconds) {
  const child = spawn(process.execPath, run("/bin/sleep", String(seconds + START_MS / 1000 + 10)), { stdio: "ignore" });
  await sleep(START_MS);
  const before = processorTime(child.pid);
  await sleep(seconds * 1000);
  const share = (processorTime(child.pid) - before) / seconds;
  child.kill("SIGKILL");
  return share;
}

const ECHO = String.raw`
import os, pty, select, signal, sys, time
busy = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        while True: pass
    busy.append(pid)
for i in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        f = os.open("/tmp/written%d" % i, os.O_CREAT | os.O_RDWR)
        while True:
            os.pwrite(f, bytes(1 << 20), 0)
            os.fsync(f)
    busy.append(pid)
pid, fd = pty.fork()
if pid == 0: os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
def drain(wait):
    while select.select([fd], [], [], wait)[0]: os.read(fd, 4096)
drain(3)
times = []
for i in range(int(sys.argv[1])):
    start = time.monotonic()
    os.write(fd, b"x")
    while b"x" not in os.read(fd, 4096): pass
    times.append((time.monotonic() - start) * 1000)
    time.sleep(0.05)
    if i % 60 == 59:
        os.write(fd, b"\x15")
        drain(0.2)
for p in busy + [pid]: os.kill(p, signal.SIGKILL)
times.sort()
print(times[len(times) // 2], times[len(times) * 99 // 100], times[-1])
`;

const share = await idleShare(Number(values.seconds));
process.stdout.write(`idle: ${(100 * share).toFixed(2)} % of a core, over ${values.seconds} s\n`);
const { stdout, stderr, status } = spawnSync(process.execPath, run("/usr/bin/python3", "-c", ECHO, values.keys, values.writers), { encoding: "latin1" });
if (status !== 0) {
  process.stderr.write(`responsiveness: the guest's script ended with ${status}: ${stderr.trim()}\n`);
  process.exit(1);
}
const [median, late, worst] = stdout.trim().split(" ").map(Number);
process.stdout.write(`echo beside 8 busy processes${values.writers === "0" ? "" : ` and ${values.writers} that write`}, ms: median ${median.toFixed(1)}, 99 % below ${late.toFixed(1)}, worst ${worst.toFixed(1)}\n`);
process.exitCode = share < 0.01 && late < 50 ? 0 : 1;
