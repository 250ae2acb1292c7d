// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from "vitest";
import { MemoryDevice } from "../src/device.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt } from "../src/sim-disk.ts";

const fill = (value: number, length = 1024) => new Uint8Array(length).fill(value);

function sample(): SimDisk {
  const d = new SimDisk(new MemoryDevice(8192));
  d.write(0, fill(1));
  d.flush();
  d.write(1024, fill(2));
  d.write(0, fill(3));
  return d;
}

/** First byte of each sector. */
function sectors(d: MemoryDevice, n: number): number[] {
  const b = new Uint8Array(n * 512);
  d.read(0, b);
  return Array.from({ length: n }, (_, i) => b[i * 512]!);
}

it("splits the log at flushes", () => {
  expect(epochs(sample().log).map((e) => e.writes)).toEqual([[0], [2, 3]]);
});

it("builds images of every subset and tear of the last epoch", () => {
  const d = sample();
  const last = epochs(d.log)[1]!;
  const build = (cut: (boolean | boolean[])[]) => {
    const m = new MemoryDevice(8192);
    imageAt(m, d.log, last, cut);
    return sectors(m, 4);
  };
  expect(build([false, false])).toEqual([1, 1, 0, 0]);
  expect(build([true, true])).toEqual([3, 3, 2, 2]);
  expect(build([false, [false, true]])).toEqual([1, 3, 0, 0]);
  const seen = new Set([...cutsOfEpoch(d.log, last, new SeededRandom(1))].map((c) => build(c as boolean[]).join("")));
  // every combination of two writes, and tears of each
  for (const want of ["1100", "3300", "1122", "3322", "1120", "3122"]) expect(seen).toContain(want);
});

it("the same seed gives the same cuts", () => {
  const cuts = () => JSON.stringify([...cutsOfEpoch(sample().log, epochs(sample().log)[1]!, new SeededRandom(7))]);
  expect(cuts()).toBe(cuts());
});

it("fails the n-th operation once, or from then on", () => {
  const d = new SimDisk(new MemoryDevice(8192), { faults: [{ op: "write", nth: 2 }, { op: "flush", nth: 2, forever: true }] });
  d.write(0, fill(1));
  expect(() => d.write(0, fill(2))).toThrowError(expect.objectContaining({ code: "EIO" }));
  d.write(0, fill(3));
  d.flush();
  expect(() => d.flush()).toThrowError(expect.objectContaining({ code: "EIO" }));
  expect(() => d.flush()).toThrowError(expect.objectContaining({ code: "EIO" }));
  expect(d.log.filter((e) => e.kind === "write").length).toBe(2);
});
