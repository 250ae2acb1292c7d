// SPDX-License-Identifier: BSD-3-Clause
/** Power cuts at every place of a workload: campaign/cuts.ts. Those of fsyncs are in redo.test.ts; together more than 2,000. */
import { describe, expect, it } from "vitest";
import { cutEverywhere, cutRecovery, cutWrap, record } from "./campaign/cuts.ts";
import { formatted } from "./formatted.ts";

/** Up to version 3 the FIFO's end is found by the header's index, from 4 on by sequence numbers. */
describe.each([[1, 11], [7, 33]] as const)("version %i", (version, seed) => {
  it("every cut leaves a durable state and a sound image", () => {
    const base = formatted(version);
    const { log, states } = record(base, seed, 10, 11);
    expect(cutEverywhere(base, log, states, seed, { perKind: 9, random: 15 })).toBeGreaterThan(550);
  });

  it("a device that drops flushes is noticed", () => {
    const base = formatted(version);
    const { log, states } = record(base, seed, 4, 10);
    let flushes = 0;
    const lying = log.filter((e) => e.kind !== "flush" || ++flushes % 5 === 0);
    expect(() => cutEverywhere(base, lying, states, seed, { perKind: 10, random: 20 })).toThrow();
  });

  it("a cut during recovery is followed by another recovery to the same state", () => {
    expect(cutRecovery(formatted(version), seed + 1, { perKind: 1, random: 1 })).toBeGreaterThan(250);
  });
});

it("every cut on both sides of the place where the FIFO wraps around leaves a durable state", () => {
  expect(cutWrap(formatted(7), 7, { perKind: 1, random: 1 })).toBeGreaterThan(30);
});
