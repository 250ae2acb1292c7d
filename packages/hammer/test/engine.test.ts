// SPDX-License-Identifier: BSD-3-Clause
/** The engine at its limits: a cache far too small, a full disk, a small UNDO ring, failing devices. */
import { describe, expect, it } from "vitest";
import { MemoryDevice, OverlayDevice, type BlockDevice } from "../src/device.ts";
import { BufferMiss, isBufferMiss, isHammerError } from "../src/error.ts";
import { mount, type HammerMount, type MountOptions } from "../src/mount.ts";
import { newfs } from "../src/newfs.ts";
import { SeededRandom, SimDisk } from "../src/sim-disk.ts";
import { Cursor } from "../src/btree/cursor.ts";
import { Key } from "../src/btree/key.ts";
import { blockmap } from "../src/tools/blockmap.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { show } from "../src/tools/show.ts";
import { Driver, textOf } from "./model.ts";

const MIB = 1 << 20;
/** A fraction of the work by day, all of it by night. */
const DEPTH = process.env["HAMMER_NIGHTLY"] === undefined ? 0.4 : 1;
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;
let clock = 1_700_000_000_000_000n;
const now = (): bigint => (clock += 1000n);

function fresh(mib: number): MemoryDevice {
  const device = new MemoryDevice(mib * MIB);
  newfs([device], { label: "t", force: true, undoBytes: 8 * MIB, now, fsid: new Uint8Array(16).fill(3) });
  return device;
}

function open(device: BlockDevice, options: Partial<MountOptions> = {}): HammerMount {
  return mount([device], { now, ...options });
}

function expectSound(device: BlockDevice): void {
  let bad = "";
  const print = (t: string): void => { if (t.startsWith("B")) bad += t; };
  const s = show([device], print);
  const c = checkmap([device], print);
  expect({ bad, nodes: s.badNodes + c.badNodes, elements: s.badElements, records: s.badRecords, freemap: c.errors })
    .toEqual({ bad: "", nodes: 0, elements: 0, records: 0, freemap: 0 });
}

describe("limits", () => {
  it.each([true, false])("random work with a cache of 1 MiB and files up to 3 MiB (history %s)", (history) => {
    const device = fresh(1024);
    const options = { cacheBytes: MIB, noHistory: !history };
    const driver = new Driver(new SeededRandom(history ? 11 : 12), { maxSize: 3_000_000, names: 40, maxDirs: 12 });
    let m = open(device, options);
    for (let i = 0; i < 500 * DEPTH; i++) {
      driver.step(m);
      if (i % 100 === 99) {
        m.unmount();
        expectSound(device);
        m = open(device, options);
        expect(textOf(m, m.root)).toBe(driver.model.text());
      }
    }
    m.unmount();
    expectSound(device);
  }, 60_000);

  it.each([true, false])("fills the disk, removes everything, fills it again (history %s)", (history) => {
    const device = fresh(96);
    const m = open(device, { noHistory: !history, cacheBytes: 4 * MIB });
    const data = new Uint8Array(40_000).fill(5);
    const fill = (prefix: string): number => {
      for (let n = 0; ; n++) {
        try {
          const ip = m.create(m.root, `${prefix}${n}`, FILE);
          try {
            m.write(ip, 0, data, 0, data.length);
          } finally {
            m.rele(ip);
          }
        } catch (e) {
          expect(isHammerError(e, "ENOSPC"), String(e)).toBe(true);
          m.sync();
          return n;
        }
      }
    };
    const first = fill("a");
    expect(first).toBeGreaterThan(200);
    for (let i = 0; i < first; i++) m.unlink(m.root, `a${i}`);
    m.sync();
    const second = fill("b");
    if (history) expect(second).toBe(0);
    else expect(second).toBeGreaterThan(first / 2);
    m.unmount();
    expectSound(device);
  }, 60_000);

  it("changes more objects than one group's UNDO has room for", () => {
    const FILES = 12_000 * DEPTH;
    const device = fresh(512);
    let m = open(device);
    const names = Array.from({ length: FILES }, (_, i) => `file-${(i * 7919) % FILES}`);
    for (const name of names) m.rele(m.create(m.root, name, FILE));
    m.sync();
    for (const name of names.toSorted()) {
      const ip = m.lookup(m.root, name)!;
      m.setattr(ip, { mode: 0o600 });
      m.write(ip, 0, Uint8Array.of(name.length), 0, 1);
      m.rele(ip);
    }
    m.sync();
    m.unmount();
    expectSound(device);
    m = open(device);
    for (const name of names) {
      const ip = m.lookup(m.root, name)!;
      const buf = new Uint8Array(2);
      expect(m.read(ip, 0, buf, 0, 2)).toBe(1);
      expect(buf[0]).toBe(name.length);
      expect(ip.mode).toBe(0o600);
      m.rele(ip);
    }
    m.unmount();
  }, 60_000);

  it("one write much longer than any limit, read back", () => {
    const device = fresh(512);
    const m = open(device, { cacheBytes: 8 * MIB });
    const data = Uint8Array.from({ length: Math.ceil(100 * DEPTH) * MIB }, (_, i) => (i ^ (i >> 11)) & 0xff);
    const ip = m.create(m.root, "big", FILE);
    expect(m.write(ip, 12_345, data, 0, data.length)).toBe(data.length);
    m.sync();
    const back = new Uint8Array(data.length);
    expect(m.read(ip, 12_345, back, 0, back.length)).toBe(data.length);
    expect(Buffer.compare(back, data)).toBe(0);
    m.rele(ip);
    m.unmount();
    expectSound(device);
  }, 60_000);

  it("truncates a file whose records need more UNDO than the ring holds", () => {
    const device = fresh(512);
    let m = open(device);
    const ip = m.create(m.root, "many", FILE);
    const one = Uint8Array.of(1);
    // One block of 64 KiB each 4 MiB: records, not data, are what it is about.
    const blocks = 3000;
    for (let i = 0; i < blocks; i++) m.write(ip, i * 4 * MIB, one, 0, 1);
    m.sync();
    m.truncate(ip, 5);
    m.rele(ip);
    m.unmount();
    expectSound(device);
    m = open(device);
    const again = m.lookup(m.root, "many")!;
    expect(again.size).toBe(5);
    const buf = new Uint8Array(5);
    m.read(again, 0, buf, 0, 5);
    expect([...buf]).toEqual([1, 0, 0, 0, 0]);
    m.rele(again);
    m.unmount();
  }, 60_000);
});

describe("memory", () => {
  it("data and metadata in memory stay within the bound, dirty or clean, and idle inodes within theirs", () => {
    const device = fresh(512);
    const cacheBytes = 4 * MIB;
    const m = open(device, { cacheBytes });
    const data = new Uint8Array(300_000).fill(3);
    let most = 0, mostInodes = 0;
    const look = (): void => {
      most = Math.max(most, m.cache.count * 16384 + m.blocks.bytes);
      mostInodes = Math.max(mostInodes, m.inodes.count);
    };
    for (let i = 0; i < 6000 * DEPTH; i++) {
      const ip = m.create(m.root, `name-${(i * 7919) % 6000}`, FILE);
      if (i % 40 === 0) m.write(ip, 0, data, 0, data.length);
      m.rele(ip);
      look();
    }
    m.sync();
    const names: string[] = [];
    m.readdir(m.root, 2, (name) => names.push(name) > 0);
    expect(names.length).toBe(6000 * DEPTH);
    for (const name of names) {
      const ip = m.lookup(m.root, name)!;
      if (ip.size > 0) m.read(ip, 0, data, 0, data.length);
      m.rele(ip);
      look();
    }
    // The bound; half of it again and a piece of a write may be dirty besides.
    expect(most).toBeLessThanOrEqual(1.5 * cacheBytes + 2 * MIB);
    expect(most).toBeGreaterThan(0.8 * cacheBytes);
    expect(names.length).toBeGreaterThan(1100);
    m.sync();
    expect(m.inodes.count).toBeLessThanOrEqual(1024 + 2);
    expect(mostInodes).toBeGreaterThan(1000);
    m.unmount();
    const big = open(device, { readOnly: true, cacheBytes: 64 * MIB });
    for (const name of names) big.rele(big.lookup(big.root, name)!);
    const { deviceReads } = big.cache;
    for (const name of names) big.rele(big.lookup(big.root, name)!);
    expect(big.cache.deviceReads).toBe(deviceReads);
    big.unmount();
  }, 60_000);

  it("a cursor moved on over a trim says so instead of reading what is there now", () => {
    const m = open(fresh(128));
    for (let i = 0; i < 200; i++) m.rele(m.create(m.root, `f${i}`, FILE));
    const cursor = new Cursor(m.tree);
    expect(cursor.seek(new Key().set(0, -0x8000_0000, 0, 0, -0x8000_0000, 0))).toBe(true);
    expect(cursor.next()).toBe(true);
    m.sync();
    m.cache.limit = 1;
    m.cache.trim();
    expect(() => cursor.next()).toThrow(/trimmed/);
    m.unmount();
  });
});

it("every allocated big-block of an image of ours is accounted for", () => {
  const device = fresh(512);
  const m = open(device);
  const driver = new Driver(new SeededRandom(3), { maxSize: 300_000, names: 30, maxDirs: 8 });
  for (let i = 0; i < 300 * DEPTH; i++) driver.step(m);
  m.unmount();
  let map = "";
  blockmap([device], (t) => (map += t));
  const owners = new Map<number, number>();
  let used = 0;
  for (const [, zone, append, free] of map.matchAll(/^ +4[0-9a-f]{15} zone=(\d+) +app=(\d+) +free=(-?\d+)/gm)) {
    owners.set(Number(zone), (owners.get(Number(zone)) ?? 0) + 1);
    // What is not free was handed out, and nothing above the append offset was.
    expect(8 * MIB - Number(free)).toBeLessThanOrEqual(Number(zone) === 0 ? 0 : Number(append));
    if (Number(zone) >= 8 && Number(zone) <= 11) used += 8 * MIB - Number(free);
  }
  // Two of freemap, one of UNDO; B-Tree, meta-data, large and small data; the rest is free or does not exist.
  expect([owners.get(4), owners.get(3)]).toEqual([2, 1]);
  expect([...owners.keys()].sort((a, b) => a - b)).toEqual([0, 3, 4, 8, 9, 10, 11]);
  // show walks the tree; what it comes by is all that is used (checkmap compares each big-block).
  let referred = 0;
  const text: string[] = [];
  show([device], (t) => text.push(t));
  for (const [, length] of text.join("").matchAll(/dataoff=[0-9a-f]+\/(\d+)/g)) referred += (Number(length) + 15) & ~15;
  const nodes = [...text.join("").matchAll(/NODE [0-9a-f]{16}/g)].length;
  expect(referred + nodes * 4096).toBe(used);
  expectSound(device);
});

/** A device that has nothing at hand: a read misses until the bytes have been fetched, and they are soon gone again. */
class LazyDevice extends OverlayDevice {
  readonly #there = new Set<number>();
  misses = 0;

  override read(offset: number, buf: Uint8Array): void {
    for (let at = offset - offset % 4096; at < offset + buf.length; at += 4096) {
      if (this.#there.has(at)) continue;
      this.misses++;
      throw BufferMiss.at(this, offset, buf.length);
    }
    super.read(offset, buf);
  }

  forget(): void {
    this.#there.clear();
  }
  fetch(offset: number, length: number): void {
    if (this.#there.size > 400) this.#there.clear();
    for (let at = offset - offset % 4096; at < offset + length; at += 4096) this.#there.add(at);
  }
}

/** A mount whose calls are repeated after each BufferMiss. */
function patient(m: HammerMount, device: LazyDevice): HammerMount {
  return new Proxy(m, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        for (;;) {
          try {
            return value.apply(target, args) as unknown;
          } catch (e) {
            if (!isBufferMiss(e)) throw e;
            device.fetch(e.offset, e.length);
          }
        }
      };
    },
  });
}

/** Recovery and opening read too. */
function openLazily(device: LazyDevice, options: Partial<MountOptions>): HammerMount {
  for (;;) {
    try {
      return patient(open(device, options), device);
    } catch (e) {
      if (!isBufferMiss(e)) throw e;
      device.fetch(e.offset, e.length);
    }
  }
}

describe("a device that is not synchronous", () => {
  it("calls repeated after a BufferMiss do what they would have done at once", () => {
    const base = fresh(512);
    const device = new LazyDevice(base);
    const driver = new Driver(new SeededRandom(21), { maxSize: 200_000, names: 400, maxDirs: 40 });
    let m = openLazily(device, { cacheBytes: MIB });
    for (let i = 0; i < 1500 * DEPTH; i++) {
      const what = driver.step(m);
      if (i % 100 === 99) {
        expect(textOf(m, m.root), what).toBe(driver.model.text());
        m.unmount();
        m = openLazily(device, { cacheBytes: MIB });
        expect(textOf(m, m.root), what).toBe(driver.model.text());
      }
    }
    m.unmount();
    expect(device.misses).toBeGreaterThan(1000 * DEPTH);
    const copy = new MemoryDevice(device.size);
    const chunk = new Uint8Array(MIB);
    for (let at = 0; at < device.size; at += MIB) {
      device.fetch(at, MIB);
      device.read(at, chunk);
      copy.write(at, chunk);
    }
    expectSound(copy);
  }, 60_000);

  it("objects whose end has to wait for bytes are ended once, at the next change or when the file system goes", () => {
    const base = fresh(512);
    const device = new LazyDevice(base);
    let m = openLazily(device, { cacheBytes: MIB });
    const names = ["a", "b", "c"];
    for (const name of names) {
      const ip = m.create(m.root, name, FILE);
      const data = new Uint8Array(3 * MIB).fill(7);
      m.write(ip, 0, data, 0, data.length);
      m.rele(ip);
    }
    for (let i = 0; i < 2000; i++) m.rele(m.create(m.root, `other${i}`, FILE));
    m.unmount();
    m = openLazily(device, { cacheBytes: MIB });
    const held = names.map((name) => m.lookup(m.root, name)!);
    for (const name of names) m.unlink(m.root, name);
    m.sync();
    // What the ends need is no longer in memory.
    for (let i = 0; i < 2000; i++) m.rele(m.lookup(m.root, `other${i}`)!);
    device.forget();
    const before = device.misses;
    for (const ip of held) m.rele(ip);
    expect(device.misses).toBeGreaterThan(before);
    m.unmount();
    m = openLazily(device, { cacheBytes: MIB });
    for (const name of names) expect(m.lookup(m.root, name)).toBeNull();
    m.unmount();
    const copy = new MemoryDevice(device.size);
    const chunk = new Uint8Array(MIB);
    for (let at = 0; at < device.size; at += MIB) {
      device.fetch(at, MIB);
      device.read(at, chunk);
      copy.write(at, chunk);
    }
    expectSound(copy);
  });
});

describe("failing devices", () => {
  it("E2: after a failed write or flush nothing can be changed, and a new mount finds the last durable state", () => {
    const base = fresh(96);
    const probe = new SimDisk(new OverlayDevice(base));
    const work = (m: HammerMount, part: number): void => {
      const ip = m.create(m.root, `f${part}`, FILE);
      m.write(ip, 0, new Uint8Array(20_000).fill(part), 0, 20_000);
      m.rele(ip);
    };
    const m0 = open(probe);
    work(m0, 1);
    m0.sync();
    const before = { ...probe.count };
    work(m0, 2);
    m0.sync();
    const after = { ...probe.count };
    for (const op of ["write", "flush"] as const) {
      for (let nth = before[op] + 1; nth <= after[op]; nth++) {
        const store = new OverlayDevice(base);
        const disk = new SimDisk(store, { faults: [{ op, nth }] });
        const m = open(disk);
        work(m, 1);
        m.sync();
        work(m, 2);
        expect(() => m.sync(), `${op} ${nth}`).toThrow(/injected/);
        expect(() => work(m, 3)).toThrow(/an earlier write failed/);
        expect(() => m.sync()).toThrow(/an earlier write failed/);
        const again = open(store);
        const f1 = again.lookup(again.root, "f1");
        expect(f1).not.toBeNull();
        const f2 = again.lookup(again.root, "f2");
        for (const [ip, value] of [[f1, 1], [f2, 2]] as const) {
          if (ip === null) continue;
          const buf = new Uint8Array(20_000);
          expect(again.read(ip, 0, buf, 0, buf.length)).toBe(20_000);
          expect(buf.every((b) => b === value)).toBe(true);
          again.rele(ip);
        }
        again.unmount();
        expectSound(store);
      }
    }
  }, 60_000);
});
