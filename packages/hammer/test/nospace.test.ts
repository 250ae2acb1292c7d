// SPDX-License-Identifier: BSD-3-Clause
/**
 * A full disk, met at every allocation there is: the caller gets ENOSPC, each operation happens wholly or not at all, the
 * image stays sound, and what was refused succeeds when there is room.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { dedup } from "../src/admin/dedup.ts";
import { createPfs, updatePfs } from "../src/admin/pfs.ts";
import { prune } from "../src/admin/prune.ts";
import { rebalance } from "../src/admin/rebalance.ts";
import { reblock } from "../src/admin/reblock.ts";
import { addSnapshot, setConfig } from "../src/admin/snapshots.ts";
import { Freemap } from "../src/blockmap.ts";
import { OverlayDevice } from "../src/device.ts";
import { HammerError, isHammerError } from "../src/error.ts";
import { mirrorWrite } from "../src/mirror/write.ts";
import type { HammerMount } from "../src/mount.ts";
import { open } from "./campaign/check.ts";
import { formatted } from "./formatted.ts";
import { textOf } from "./model.ts";
import { expectSound } from "./sound.ts";

afterEach(() => void vi.restoreAllMocks());

const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;
const DIR = { ...FILE, type: "dir" } as const;

/** What one prepare answers for; what is allocated beyond it can fail. */
const PREPARED = 65536;

/** Lets the n-th allocation fail that the code has to reckon with: each prepare, and each allocation no prepare answers for. */
class AllocationFault {
  nth = Infinity;
  forever = false;
  count = 0;
  readonly #left = new Map<number, number>();

  prepared(zone: number): void {
    this.#step();
    this.#left.set(zone, PREPARED);
  }

  allocates(zone: number, bytes: number): void {
    const left = this.#left.get(zone) ?? 0;
    if (left < bytes) this.#step();
    else this.#left.set(zone, left - bytes);
  }

  arm(nth: number, forever: boolean): void {
    this.nth = nth;
    this.forever = forever;
    this.count = 0;
    this.#left.clear();
  }

  get struck(): boolean { return this.count >= this.nth; }

  #step(): void {
    this.count++;
    if (this.count === this.nth || (this.forever && this.count > this.nth)) throw new HammerError("ENOSPC", "injected");
  }
}

/** A fault that all freemaps ask until the test ends. */
function injected(): AllocationFault {
  const fault = new AllocationFault();
  const { prepare, alloc } = Freemap.prototype;
  vi.spyOn(Freemap.prototype, "prepare").mockImplementation(function (this: Freemap, zone) {
    fault.prepared(zone);
    prepare.call(this, zone);
  });
  vi.spyOn(Freemap.prototype, "alloc").mockImplementation(function (this: Freemap, zone, bytes) {
    fault.allocates(zone, bytes);
    return alloc.call(this, zone, bytes);
  });
  return fault;
}

function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
}

/** Runs `body` on an object by name. */
function on(m: HammerMount, name: string, body: (ip: NonNullable<ReturnType<HammerMount["lookup"]>>) => void): void {
  const ip = m.lookup(m.root, name)!;
  try {
    body(ip);
  } finally {
    m.rele(ip);
  }
}

/** Every kind of operation, each of which can be repeated. */
const STEPS: [name: string, run: (m: HammerMount) => void][] = [
  ["create", (m) => m.rele(m.create(m.root, "new", FILE))],
  ["mkdir", (m) => m.rele(m.create(m.root, "dir", DIR))],
  ["short symlink", (m) => m.rele(m.create(m.root, "short", { ...FILE, type: "symlink", target: "new" }))],
  ["long symlink", (m) => m.rele(m.create(m.root, "long", { ...FILE, type: "symlink", target: "t".repeat(300) }))],
  ["write a little", (m) => on(m, "new", (ip) => expect(m.write(ip, 0, bytes(500, 1), 0, 500)).toBe(500))],
  ["sync", (m) => void m.sync()],
  ["write much", (m) => on(m, "old", (ip) => expect(m.write(ip, 1000, bytes(300_000, 2), 0, 300_000)).toBe(300_000))],
  ["fsync", (m) => on(m, "old", (ip) => m.fsync(ip))],
  ["write beyond", (m) => on(m, "old", (ip) => expect(m.write(ip, 2 << 20, bytes(70_000, 3), 0, 70_000)).toBe(70_000))],
  ["fsync again", (m) => on(m, "old", (ip) => m.fsync(ip))],
  ["truncate", (m) => on(m, "old", (ip) => m.truncate(ip, 5000))],
  ["extend", (m) => on(m, "old", (ip) => m.truncate(ip, 40_000))],
  ["link", (m) => on(m, "old", (ip) => on(m, "dir", (dir) => m.link(ip, dir, "linked")))],
  ["rename", (m) => on(m, "dir", (dir) => m.rename(m.root, "new", dir, "moved"))],
  ["rename over", (m) => m.rename(m.root, "f1", m.root, "f2")],
  ["setattr", (m) => on(m, "f2", (ip) => m.setattr(ip, { mode: 0o600, uid: 7 }))],
  ["unlink", (m) => m.unlink(m.root, "f3")],
  ["sync again", (m) => void m.sync()],
  ["snapshot", (m) => addSnapshot(m, m.sync(), "note")],
  ["config", (m) => setConfig(m, "snapshots 1d 60d\n")],
  ["PFS", (m) => void createPfs(m, m.root, "pfs", { random: (b) => b.fill(9) })],
  ["rebalance", (m) => void rebalance(m)],
  ["reblock", (m) => void reblock(m)],
  ["dedup", (m) => void dedup(m)],
  ["prune", (m) => void prune(m, { ranges: "everything" })],
  ["rmdir", (m) => on(m, "dir", (dir) => { m.unlink(dir, "linked"); m.unlink(dir, "moved"); })],
  ["last sync", (m) => void m.sync()],
];

function base(): OverlayDevice {
  const device = new OverlayDevice(formatted(7));
  const m = open(device);
  for (let i = 0; i < 60; i++) m.rele(m.create(m.root, `f${i}`, FILE));
  m.rele(m.create(m.root, "old", FILE));
  on(m, "old", (ip) => m.write(ip, 0, bytes(100_000, 0), 0, 100_000));
  m.unmount();
  return device;
}

/** By day every third allocation, each of them by night. */
const STRIDE = process.env["HAMMER_NIGHTLY"] === undefined ? 3 : 1;

describe("ENOSPC at the n-th allocation", () => {
  it.each([false, true])("leaves every operation done or not done, and the image sound (all later ones fail, too: %s)", (forever) => {
    const start = base();
    const fault = injected();
    const texts: string[] = [];
    fault.arm(Infinity, false);
    {
      const m = open(new OverlayDevice(start));
      texts.push(textOf(m, m.root));
      for (const [, run] of STEPS) {
        run(m);
        texts.push(textOf(m, m.root));
      }
      m.unmount();
    }
    const total = fault.count;
    expect(total).toBeGreaterThan(80);
    for (let nth = forever ? STRIDE : 1; nth <= total; nth += STRIDE) {
      const device = new OverlayDevice(start);
      const m = open(device);
      fault.arm(nth, forever);
      for (const [i, [name, run]] of STEPS.entries()) {
        try {
          run(m);
        } catch (e) {
          if (!isHammerError(e, "ENOSPC")) throw new Error(`${name}, allocation ${nth}`, { cause: e });
          const text = textOf(m, m.root);
          expect([texts[i], texts[i + 1]], `${name}, allocation ${nth}`).toContain(text);
          fault.arm(Infinity, false);
          if (text === texts[i]) run(m); // there is room again
        }
      }
      fault.arm(Infinity, false);
      m.sync();
      expect(textOf(m, m.root), `allocation ${nth}`).toBe(texts.at(-1));
      m.unmount();
      expectSound(device);
      const again = open(device, { readOnly: true });
      expect(textOf(again, again.root), `allocation ${nth}`).toBe(texts.at(-1));
      again.unmount();
    }
  }, 120_000);

  it("mirroring into a slave can be resumed", () => {
    const source = open(base(), { readOnly: true });
    const target = new OverlayDevice(formatted(7));
    const fault = injected();
    fault.arm(Infinity, false);
    const m = open(target);
    const slave = createPfs(m, m.root, "slave", { slave: true, sharedUuid: source.listPfs()[0]!.sharedUuid, random: (b) => b.fill(3) });
    let failed = 0;
    for (let nth = 1; ; nth += 5) {
      fault.arm(nth, false);
      try {
        mirrorWrite(m, source.mirrorRead(), { pfs: slave.id });
        break;
      } catch (e) {
        if (!isHammerError(e, "ENOSPC")) throw e;
        failed++;
      }
    }
    fault.arm(Infinity, false);
    expect(failed).toBeGreaterThan(3);
    updatePfs(m, slave.id, { label: "done" });
    m.unmount();
    expectSound(target);
    const again = open(target, { readOnly: true });
    const { syncEndTid } = again.listPfs().find((p) => p.id === slave.id)!;
    expect(textOf(again, again.asof(syncEndTid, slave.id)!)).toBe(textOf(source, source.root));
  });
});

it("a disk filled with history to the last: deleting goes on, pruning and reblocking give the space back", () => {
  const device = new OverlayDevice(formatted(7, { size: 160 << 20 }));
  const m = open(device, { cacheBytes: 8 << 20 });
  const fill = (prefix: string): number => {
    for (let n = 0; ; n++) {
      try {
        const ip = m.create(m.root, `${prefix}${n}`, FILE);
        try {
          m.write(ip, 0, bytes(700_000, n), 0, 700_000);
        } finally {
          m.rele(ip);
        }
      } catch (e) {
        if (!isHammerError(e, "ENOSPC")) throw e;
        return n;
      }
    }
  };
  const files = fill("a");
  expect(files).toBeGreaterThan(100);
  const full = m.sync();
  const past = m.asof(full)!;
  const text = textOf(m, past);
  const empty = (): void => {
    const names: string[] = [];
    m.readdir(m.root, 2, (name) => names.push(name) > 0);
    for (const name of names) m.unlink(m.root, name);
    m.sync();
    expect(textOf(m, m.root)).toBe("");
  };
  empty();
  expect(textOf(m, past)).toBe(text);
  m.rele(past);
  expect(fill("b")).toBe(0);
  empty();
  prune(m, { ranges: "everything" });
  reblock(m);
  m.sync();
  expect(fill("c")).toBeGreaterThan(files * 0.8);
  m.unmount();
  expectSound(device);
}, 120_000);
