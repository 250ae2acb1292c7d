// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import {
  Cothread,
  INTR_IO,
  INTR_TERM,
  INTR_TIMER,
  Interrupts,
  SimPlatform,
  type HostFileError,
} from "../src/index.ts";

describe("interrupts", () => {
  it("the deadline raises INTR_TIMER once it has passed, and only once", () => {
    const platform = new SimPlatform({ tickNs: 10 });
    const interrupts = new Interrupts(platform);
    interrupts.setDeadline(1000);
    expect(interrupts.poll()).toBe(false);
    for (let i = 0; i < 200; i++) platform.monotonicNs();
    expect(interrupts.poll()).toBe(true);
    expect(interrupts.take()).toBe(1 << INTR_TIMER);
    expect(interrupts.poll()).toBe(false);
  });

  it("idle sleeps to the deadline in virtual time", async () => {
    const platform = new SimPlatform({ tickNs: 0 });
    const interrupts = new Interrupts(platform);
    interrupts.setDeadline(5e9);
    await interrupts.idle();
    expect(platform.monotonicNs()).toBe(5e9);
    expect(interrupts.take()).toBe(1 << INTR_TIMER);
  });

  it("an event ends idle before the deadline", async () => {
    const platform = new SimPlatform({ tickNs: 0 });
    const interrupts = new Interrupts(platform);
    platform.after(1e6, () => interrupts.raise(INTR_TERM));
    interrupts.setDeadline(5e9);
    await interrupts.idle();
    expect(platform.monotonicNs()).toBe(1e6);
    expect(interrupts.take()).toBe(1 << INTR_TERM);
  });
});

describe("co-threads", () => {
  it("completions queue in the host's order and raise INTR_IO; the kernel drains them", async () => {
    const platform = new SimPlatform({ tickNs: 0 });
    const interrupts = new Interrupts(platform);
    const disk = new Cothread<{ tag: string; error: HostFileError | null; count: number }>(
      interrupts,
      "disk",
    );
    const { files } = platform;
    const fd = files.open("disk.img", { create: true, write: true });
    files.write(fd, Uint8Array.from([1, 2, 3, 4]), 0, 4, 0);
    const buf = new Uint8Array(8);
    disk.begin((complete) =>
      files.readAsync(fd, buf, 0, 2, 1, (error, count) => complete({ tag: "read", error, count })),
    );
    disk.begin((complete) =>
      files.readAsync(99, buf, 0, 2, 1, (error, count) => complete({ tag: "bad", error, count })),
    );
    expect(disk.outstanding).toBe(2);
    expect(disk.drain()).toEqual([]);
    await interrupts.idle();
    expect(interrupts.take()).toBe(1 << INTR_IO);
    const done = disk.drain();
    expect(done.map((d) => d.tag)).toEqual(["read", "bad"]);
    expect(done[0]).toMatchObject({ error: null, count: 2 });
    expect(done[1]!.error?.code).toBe("EBADF");
    expect([...buf.subarray(0, 2)]).toEqual([2, 3]);
    expect(disk.outstanding).toBe(0);
  });

  it("a request that completes twice is a defect", () => {
    const interrupts = new Interrupts(new SimPlatform());
    const co = new Cothread<number>(interrupts, "twice");
    let complete: (n: number) => void = () => {};
    co.begin((c) => (complete = c));
    complete(1);
    expect(() => complete(2)).toThrow(/twice/);
  });
});

describe("simulated platform", () => {
  it("the same seed gives the same bytes, another seed others", () => {
    const bytes = (seed: number): string => {
      const buf = new Uint8Array(16);
      new SimPlatform({ seed }).entropy(buf);
      return buf.join();
    };
    expect(bytes(3)).toBe(bytes(3));
    expect(bytes(3)).not.toBe(bytes(4));
  });

  it("an endless sleep with nothing due is reported instead of hanging", async () => {
    await expect(new SimPlatform().sleep(Infinity)).rejects.toThrow(/asleep for ever/);
  });
});
