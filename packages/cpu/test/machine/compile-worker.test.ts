// SPDX-License-Identifier: BSD-3-Clause
/** The compiler in a thread of Node, as it is built: it answers, and it does not keep the process. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const entry = (name: string): string => JSON.stringify(new URL(`../../dist/${name}.js`, import.meta.url).href);
const MMU = JSON.stringify(new URL("../../../mmu/dist/index.js", import.meta.url).href);

/** A program that makes a machine with `mov ecx, ROUNDS; l: inc eax; dec ecx; jnz l; int3` and a compiler in a thread. */
const MACHINE = `
import { MessagePort } from "node:worker_threads";
import { Cpu, EAX, ECX, ESP, EXIT_BUDGET, cpuAreaBytes } from ${entry("index")};
import { startCompiler } from ${entry("node")};
import { FlatSpace, MachineMemory, Translation } from ${MMU};
const ramBytes = 1024 * 1024;
function machine() {
  const memory = new MachineMemory({ ramBytes, spaces: 2, cpuBytes: cpuAreaBytes(ramBytes) });
  const space = new FlatSpace(new Translation(memory));
  const cpu = new Cpu(memory, { jit: { compiler: startCompiler, sampleInterval: 2000 } });
  memory.u8.set([0x40, 0x49, 0x75, 0xfc, 0xcc], memory.ramBase + 0x1000);
  const run = (rounds) => {
    cpu.eip = 0x1000;
    cpu.gpr[EAX] = 0;
    cpu.gpr[ECX] = rounds;
    while (cpu.run(space, 100_000) === EXIT_BUDGET);
    return cpu.gpr[EAX];
  };
  return { cpu, run };
}
`;
function execute(program: string, ...options: string[]): string {
  const script = `${MACHINE}\n${program}`;
  return execFileSync(process.execPath, ["--expose-gc", ...options, "--input-type=module", "-e", script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
}

test("replies come while the machine runs, without a turn of the event loop", () => {
  const out = execute(`
    const { cpu, run } = machine();
    const until = performance.now() + 30_000;
    let sum = 0;
    let rounds = 0;
    while (cpu.jitStatistics.regionRetired === 0 && performance.now() < until) {
      sum += run(100_000);
      rounds++;
    }
    const { regions, compileMs } = cpu.jitStatistics;
    console.log(JSON.stringify([sum === rounds * 100_000, regions, compileMs.emit > 0, run(1_000_000)]));
  `);
  expect(JSON.parse(out)).toEqual([true, 1, true, 1_000_000]);
});

test("the thread does not keep the process, whether it is starting, at work or idle", () => {
  for (const wait of [0, 50, 500]) {
    const out = execute(`
      const { cpu, run } = machine();
      run(200_000);
      await new Promise((resolve) => setTimeout(resolve, ${wait}));
      run(200_000);
      process.on("exit", (status) => console.log(JSON.stringify([status, cpu.gpr[EAX]])));
    `);
    expect(JSON.parse(out)).toEqual([0, 200_000]);
  }
});

test("the thread forgets machines that are no more", () => {
  const out = execute(`
    let closed = 0;
    const { close } = MessagePort.prototype;
    MessagePort.prototype.close = function () {
      closed++;
      return close.call(this);
    };
    const sums = [];
    for (let i = 0; i < 50; i++) sums.push(machine().run(200_000));
    for (let i = 0; i < 20 && closed < 40; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    console.log(JSON.stringify([sums.every((sum) => sum === 200_000), closed >= 40]));
  `);
  expect(JSON.parse(out)).toEqual([true, true]);
});

test("where threads are forbidden regions are compiled in place", () => {
  const permission = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const out = execute(
    `
    const { cpu, run } = machine();
    const sum = run(20_000_000);
    console.log(JSON.stringify([sum, cpu.jitStatistics.regions, process.permission.has("worker")]));
  `,
    permission,
    "--allow-fs-read=*",
  );
  expect(JSON.parse(out)).toEqual([20_000_000, 1, false]);
});
