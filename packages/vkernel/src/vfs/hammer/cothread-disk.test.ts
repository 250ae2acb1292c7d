// SPDX-License-Identifier: BSD-3-Clause
/**
 * The disk beside the processor against a model: a memory device whose background calls end when the test says so, in any
 * order, and that fails when told to.
 */
import { describe, expect, it } from "vitest";
import { type BackgroundDevice, type DeviceDone, HammerError, isBufferMiss, MemoryDevice } from "@vkernel/hammer";
import { BACKLOG_MAX, CothreadDisk, PATIENCE_NS } from "./cothread-disk.ts";

const SIZE = 4 << 20;

/** Writes go to `disk` at once, and count as durable after a flush. */
class SlowDevice implements BackgroundDevice {
  readonly name = "slow";
  readonly size = SIZE;
  readonly readOnly = false;
  readonly disk = new MemoryDevice(SIZE);
  readonly log: string[] = [];
  /** Background calls that have not ended. */
  readonly pending: (() => void)[] = [];
  failReads = false;
  failFlush = false;
  closed = false;
  /** Moves the test's clock: how long plain calls take. */
  onPlain: () => void = () => {};

  read(offset: number, buf: Uint8Array): void {
    this.onPlain();
    this.log.push(`read ${offset}+${buf.length}`);
    if (this.failReads) throw new HammerError("EIO", "slow: read failed");
    this.disk.read(offset, buf);
  }
  write(offset: number, buf: Uint8Array): void {
    this.log.push(`write ${offset}+${buf.length}`);
    this.disk.write(offset, buf);
  }
  flush(): void {
    this.onPlain();
    this.log.push("flush");
    if (this.failFlush) throw new HammerError("EIO", "slow: flush failed");
  }
  close(): void {
    this.closed = true;
  }
  readLater(offset: number, buf: Uint8Array, done: DeviceDone): void {
    this.log.push(`later ${offset}+${buf.length}`);
    // The bytes are taken at the latest moment: what a real disk does at any.
    const load = (): void => {
      if (this.failReads) done(new HammerError("EIO", "slow: read failed"));
      else {
        this.disk.read(offset, buf);
        done(null);
      }
    };
    this.pending.push(load);
  }
  flushLater(done: DeviceDone): void {
    this.log.push("flush begins");
    this.pending.push(() => {
      this.log.push("flush ends");
      done(this.failFlush ? new HammerError("EIO", "slow: flush failed") : null);
    });
  }
}

class Bench {
  readonly device = new SlowDevice();
  now = 0;
  awake = true;
  readonly events: (() => void)[] = [];
  readonly disk: CothreadDisk;
  constructor(slow = true) {
    if (slow) this.device.onPlain = () => (this.now += PATIENCE_NS + 1);
    this.disk = new CothreadDisk(this.device, { post: (e) => this.events.push(e), now: () => this.now, awake: () => this.awake });
  }
  /** Lets the `n`-th background call end, and runs what that posts. */
  end(n = 0): void {
    this.device.pending.splice(n, 1)[0]!();
    this.run();
  }
  run(): void {
    while (this.events.length > 0) this.events.shift()!();
  }
  /** Shows the disk that it is slow: one plain read and one plain flush. */
  warm(): this {
    this.disk.read(SIZE - 512, new Uint8Array(512));
    this.disk.write(SIZE - 512, new Uint8Array(512));
    this.disk.flush();
    this.device.log.length = 0;
    return this;
  }
  /** Reads as the file system does: misses are loaded and met again. */
  read(offset: number, length: number): Uint8Array {
    const buf = new Uint8Array(length);
    for (let tries = 0; ; tries++) {
      try {
        this.disk.read(offset, buf);
        return buf;
      } catch (e) {
        if (!isBufferMiss(e) || tries > 20) throw e;
        let done = false;
        this.disk.load(e.offset, e.length, () => (done = true));
        this.run();
        // Loads only: a flush takes as long as the test says.
        while (!done) this.end(this.device.pending.findIndex((call) => call.name === "load"));
      }
    }
  }
}
/** toEqual() of a megabyte takes seconds. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

it("while nobody could wait, calls are plain however long they take", () => {
  const bench = new Bench();
  bench.awake = false;
  bench.warm();
  const buf = new Uint8Array(512);
  for (let i = 0; i < 3; i++) bench.disk.read(0, buf);
  expect(bench.device.log).toEqual(["read 0+512", "read 0+512", "read 0+512"]);
  bench.awake = true;
  expect(() => bench.disk.read(0, buf)).toThrow();
});
const bytes = (n: number, seed: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 31 + seed) & 255);

describe("reads", () => {
  it("are plain while the disk answers at once, and go to the background when it does not", () => {
    const fast = new Bench(false);
    for (let i = 0; i < 20; i++) fast.read(i * 16384, 16384);
    expect(fast.device.log.every((l) => l.startsWith("read"))).toBe(true);
    const slow = new Bench();
    slow.read(0, 16384);
    expect(slow.device.log).toEqual(["read 0+16384"]);
    slow.read(1 << 20, 16384);
    expect(slow.device.log.slice(1)).toEqual([`later ${1 << 20}+65536`]);
    // Now and then a plain call finds out how the disk is.
    const before = slow.device.log.filter((l) => l.startsWith("read")).length;
    for (let i = 0; i < 300; i++) {
      try {
        slow.disk.read((i % 60) * 65536, new Uint8Array(16));
      } catch (e) {
        expect(isBufferMiss(e)).toBe(true);
      }
    }
    expect(slow.device.log.filter((l) => l.startsWith("read")).length - before).toBe(1);
  });

  it("read ahead of a sequential reader, ever more, without making it wait", () => {
    const b = new Bench().warm();
    b.device.disk.write(0, bytes(SIZE / 2, 7));
    const want = bytes(SIZE / 2, 7);
    let waited = 0;
    for (let at = 0; at < SIZE / 2; at += 16384) {
      const buf = new Uint8Array(16384);
      for (;;) {
        try {
          b.disk.read(at, buf);
          break;
        } catch (e) {
          if (!isBufferMiss(e)) throw e;
          waited++;
          let done = false;
          b.disk.load(e.offset, e.length, () => (done = true));
          b.run();
          while (!done) b.end();
        }
      }
      expect(same(buf, want.subarray(at, at + 16384))).toBe(true);
      // The disk works while the reader does.
      if (b.device.pending.length > 0) b.end();
    }
    expect(waited).toBeLessThan(5);
    const sizes = b.device.log.filter((l) => l.startsWith("later")).map((l) => Number(l.split("+")[1]) / 65536);
    expect(Math.max(...sizes)).toBe(16);
  });

  it("of one block by several wait for one transfer", () => {
    const b = new Bench().warm();
    const done: number[] = [];
    for (let i = 0; i < 3; i++) b.disk.load(i * 100, 100, () => done.push(i));
    expect(b.device.pending.length).toBe(1);
    b.run();
    expect(done).toEqual([]);
    b.end();
    expect(done).toEqual([0, 1, 2]);
    // What is here already is done soon, but not within the call.
    b.disk.load(0, 100, () => done.push(9));
    expect(done.length).toBe(3);
    b.run();
    expect(done).toEqual([0, 1, 2, 9]);
  });

  it("CD5: that fail surface as the disk's error, and are tried again afterwards", () => {
    const b = new Bench().warm();
    b.device.failReads = true;
    expect(() => b.read(0, 512)).toThrow("slow: read failed");
    b.device.failReads = false;
    b.device.disk.write(0, bytes(512, 1));
    expect(b.read(0, 512)).toEqual(bytes(512, 1));
  });

  it("CD4: a load that a write overtakes is thrown away", () => {
    const b = new Bench().warm();
    let done = false;
    b.disk.load(0, 512, () => (done = true));
    b.run();
    b.disk.write(100, bytes(50, 3));
    b.end();
    expect(done).toBe(true);
    expect(b.read(100, 50)).toEqual(bytes(50, 3));
  });
});

describe("flushes", () => {
  it("CD2: later writes wait for a flush that is under way, and are read all the same", () => {
    const b = new Bench().warm();
    b.disk.write(0, bytes(100, 1));
    b.disk.flush();
    const first = b.disk.barrier!;
    b.disk.write(50, bytes(100, 2));
    b.disk.flush();
    const second = b.disk.barrier!;
    b.disk.write(0, bytes(10, 3));
    expect(b.device.log).toEqual(["write 0+100", "flush begins"]);
    const want = bytes(150, 1);
    want.set(bytes(100, 2), 50);
    want.set(bytes(10, 3), 0);
    expect(b.read(0, 150)).toEqual(want);
    b.device.log.length = 0;
    b.end();
    expect([first.done, second.done]).toEqual([true, false]);
    expect(b.device.log).toEqual(["flush ends", "write 50+100", "flush begins"]);
    b.end();
    expect([second.done, second.failed]).toEqual([true, false]);
    expect(b.device.log.slice(3)).toEqual(["flush ends", "write 0+10"]);
    expect(b.disk.barrier).toBeNull();
    expect(b.read(0, 150)).toEqual(want);
  });

  it("without a write before them are nothing", () => {
    const b = new Bench().warm();
    b.disk.flush();
    expect(b.device.log).toEqual([]);
    expect(b.disk.barrier).toBeNull();
  });

  it("that fail end every barrier as failed and refuse all further writes", () => {
    const b = new Bench().warm();
    b.disk.write(0, bytes(10, 1));
    b.disk.flush();
    const first = b.disk.barrier!;
    b.disk.write(0, bytes(10, 2));
    b.disk.flush();
    const second = b.disk.barrier!;
    b.device.failFlush = true;
    b.end();
    expect([first.failed, second.failed, second.done]).toEqual([true, true, true]);
    expect(() => b.disk.write(0, bytes(10, 3))).toThrow("slow: flush failed");
    expect(() => b.disk.close()).toThrow("slow: flush failed");
    expect(b.device.closed).toBe(true);
    expect(b.device.log.filter((l) => l.startsWith("write"))).toEqual(["write 0+10"]);
  });

  it("wake writers when the backlog has been carried out", () => {
    const b = new Bench().warm();
    b.disk.write(0, bytes(10, 1));
    b.disk.flush();
    for (let n = 0; n <= BACKLOG_MAX; n += 1 << 20) b.disk.write(0, new Uint8Array(1 << 20));
    expect(b.disk.backlog).toBeGreaterThan(BACKLOG_MAX);
    const { gen } = b.disk.roomChan;
    b.end();
    expect(b.disk.backlog).toBe(0);
    expect(b.disk.roomChan.gen).toBe(gen + 1);
  });

  it("close() leaves nothing behind, in the right order", () => {
    const b = new Bench().warm();
    b.disk.write(0, bytes(10, 1));
    b.disk.flush();
    b.disk.write(0, bytes(10, 2));
    b.disk.flush();
    const last = b.disk.barrier!;
    b.disk.write(5, bytes(10, 3));
    b.disk.close();
    expect(b.device.log).toEqual(["write 0+10", "flush begins", "flush", "write 0+10", "flush", "write 5+10"]);
    expect([last.done, b.device.closed]).toEqual([true, true]);
    // The flush that was under way ends into nothing.
    b.end();
    expect(b.device.log.length).toBe(7);
  });
});

it("against a model: reads see the last write, and each flush puts down exactly what was written before it", () => {
  for (let seed = 1; seed <= 40; seed++) {
    let state = seed * 2654435761;
    const random = (n: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const b = new Bench().warm();
    const model = new Uint8Array(SIZE);
    const snapshots: { barrier: { done: boolean }; want: Uint8Array }[] = [];
    for (let step = 0; step < 200; step++) {
      const at = random(1 << 19);
      const length = 1 + random(40_000);
      switch (random(5)) {
        case 0:
        case 1: {
          const data = bytes(length, random(256));
          b.disk.write(at, data);
          model.set(data, at);
          break;
        }
        case 2:
          expect(same(b.read(at, length), model.subarray(at, at + length))).toBe(true);
          break;
        case 3:
          b.disk.flush();
          if (b.disk.barrier !== null) snapshots.push({ barrier: b.disk.barrier, want: model.slice(0, 1 << 20) });
          break;
        case 4:
          if (b.device.pending.length > 0) b.end(random(b.device.pending.length));
      }
      // While a flush is under way the disk holds nothing that came after it.
      const open = snapshots.find((s) => !s.barrier.done);
      if (open !== undefined) {
        const have = new Uint8Array(1 << 20);
        b.device.disk.read(0, have);
        expect(same(have, open.want)).toBe(true);
      }
    }
    b.disk.close();
    const have = new Uint8Array(SIZE);
    b.device.disk.read(0, have);
    expect(same(have, model)).toBe(true);
  }
});
