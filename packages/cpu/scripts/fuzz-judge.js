// SPDX-License-Identifier: BSD-3-Clause
/**
 * Judges the fuzzer's programs: runs them in every tier, compares with the processor at hand, and shows what differs in the
 * smallest program that still does.
 * @module
 */
import { disassemble } from "@vkernel/cpu";
import { FuzzMachine, TIERS, differences } from "./fuzz-machine.js";
import { assemble, makeCase, shrink } from "./fuzz-program.js";

/** Where the capture program itself lives: an access there faults in the tiers only. */
const OWN = [
  [0x0804_0000, 0x0a00_0000],
  [0xf000_0000, 0x1_0000_0000],
];

/**
 * Why the processor's end is no reference for this one, null when it is: the capture program's own memory and end faults there in the
 * tiers only; PUSHA and ENTER write before or after they find that they cannot write everything (SDM leaves it open); random data
 * executed as code leaves undefined flags that something sees.
 */
function excuse(end, machine) {
  if (end.vector === 14 && OWN.some(([from, to]) => end.cr2 >= from && end.cr2 < to)) return "reached the capture program";
  if (machine.ranData()) return "ran data";
  const window = end.eip & 0xf7ff_e000;
  if (window >>> 0 !== 0x1000_0000) return "left its code";
  const opcode = machine.memory.u8[machine.base + (end.eip & 0x1fff)];
  if (end.vector === 14 && (opcode === 0x60 || opcode === 0xc8)) return "fault in PUSHA or ENTER";
  return null;
}

/** What is different between the reference and each tier, and what the reference was: "native", or why it was the first tier. */
function judge(test, machines, native) {
  const first = machines[0].run(test);
  // Endless for our patience; the processor may have more of it.
  if (first === null) return { faults: [], against: "endless" };
  const ends = [first, ...machines.slice(1).map((m) => m.run(test))];
  const why = native === undefined ? "no processor" : excuse(first, machines[0]);
  const reference = why === null ? native : first;
  const name = why === null ? "native" : TIERS[0].name;
  const faults = [];
  TIERS.forEach((tier, i) => {
    const different = differences(reference, ends[i]);
    if (different.length > 0) faults.push(`${name} / ${tier.name}: ${different.join(", ")}`);
  });
  return { faults, against: why ?? "native" };
}

/** A program and what is wrong with it, as text. */
function show(test, faults) {
  const { seed, ip, gpr, flags } = test;
  const hex = (n) => n.toString(16);
  const lines = [`seed ${seed}: ip ${hex(ip)} flags ${hex(flags)} registers ${gpr.map(hex).join(" ")}`];
  const code = assemble(test);
  for (let at = 0; at < code.length; ) {
    const { length, text } = disassemble(code.subarray(at), ip + at);
    lines.push(`    ${hex(ip + at)}  ${Buffer.from(code.subarray(at, at + length)).toString("hex").padEnd(22)} ${text}`);
    at += length;
  }
  lines.push(...faults.map((f) => `  ${f}`));
  return `${lines.join("\n")}\n`;
}

/** What programs were compared with, as one line: how many with the processor, how many only between tiers and why. */
export function tallyLine(tally) {
  const { native = 0, ...others } = tally;
  const rest = Object.entries(others)
    .sort((a, b) => b[1] - a[1])
    .map(([why, n]) => `${n} ${why}`);
  return `compared with the processor: ${native}${rest.length > 0 ? `; between tiers only: ${rest.join(", ")}` : ""}\n`;
}

/** All tiers, and the processor where there is one. */
export class FuzzJudge {
  #machines = TIERS.map((tier) => new FuzzMachine(tier));
  #native;
  /** Programs by what they were compared with: "native", or why not. */
  tally = {};

  /** `native` as openNative() gives it; null compares the tiers with each other only. */
  constructor(native) {
    this.#native = native;
  }

  /** Runs the programs of `count` seeds; returns those that end differently: `{ seed, test, faults }`. */
  run(seed, count) {
    const tests = Array.from({ length: count }, (_, i) => makeCase(seed + i));
    const ends = this.#native?.run(tests);
    const bad = [];
    tests.forEach((test, i) => {
      const { faults, against } = judge(test, this.#machines, ends?.[i]);
      this.tally[against] = (this.tally[against] ?? 0) + 1;
      if (faults.length > 0) bad.push({ seed: test.seed, test, faults });
    });
    for (const [i, machine] of this.#machines.entries()) {
      if (!machine.restIsUntouched()) throw new Error(`${TIERS[i].name}: memory that no program can reach has changed (seeds ${seed} to ${seed + count - 1})`);
    }
    return bad;
  }

  /** The smallest program made of a different one's items that is different too, as text. */
  smallest({ test }) {
    const again = (smaller) => judge(smaller, this.#machines, this.#native?.run([smaller])[0]).faults;
    const small = shrink(test, (smaller) => again(smaller).length > 0);
    return show(small, again(small));
  }
}
