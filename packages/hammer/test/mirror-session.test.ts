// SPDX-License-Identifier: BSD-3-Clause
/**
 * Mirroring as a conversation: passes of large transfers, answers of targets, streams that are cut at any byte with the
 * power at the target. HAMMER_MIRROR_CUTS says at how many bytes (by night 10,000), HAMMER_SEED where.
 */
import { describe, expect, it } from "vitest";
import { createPfs, upgradePfs } from "../src/admin/pfs.ts";
import { OverlayDevice } from "../src/device.ts";
import { hi32, lo32 } from "../src/btree/key.ts";
import { mirrorCopy } from "../src/mirror/copy.ts";
import { mirrorHello, MirrorReplies, mirrorTerm, mirrorUpdate, mirrorWindows } from "../src/mirror/session.ts";
import { MirrorReceiver, mirrorWrite } from "../src/mirror/write.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { epochs, imageAt, SeededRandom, SimDisk } from "../src/sim-disk.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { expectSound } from "./sound.ts";

const CUTS = Number(process.env["HAMMER_MIRROR_CUTS"] ?? (process.env["HAMMER_NIGHTLY"] === undefined ? 60 : 10_000));
const SEED = Number(process.env["HAMMER_SEED"] ?? 1);
let clock = 1_800_000_000_000_000n;
const options = { now: () => (clock += 1000n) };
const open = (device: OverlayDevice | SimDisk, readOnly = false): HammerMount => mount([device], { ...options, readOnly });
const random = (b: Uint8Array): void => { b.fill(9); };
const join = (parts: Iterable<Uint8Array>): Uint8Array => Buffer.concat([...parts]);

/** A source with a past of many flushes, and the TIDs at which it was synced. */
function source(steps: number): { m: HammerMount; tids: bigint[]; uuid: string } {
  const m = open(new OverlayDevice(formatted(7, { size: 192 << 20 })));
  const driver = new Driver(new SeededRandom(SEED), { names: 12, maxSize: 60_000, maxDirs: 6 });
  const tids: bigint[] = [];
  for (let n = 0; n < steps; n++) {
    driver.step(m);
    if (n % 10 === 9) tids.push(m.sync());
  }
  tids.push(m.sync());
  return { m, tids, uuid: m.listPfs()[0]!.sharedUuid };
}

function target(uuid: string): { device: OverlayDevice; pfs: number } {
  const device = new OverlayDevice(formatted(7, { size: 192 << 20 }));
  const m = open(device);
  const { id } = createPfs(m, m.root, "slave", { slave: true, sharedUuid: uuid, random });
  m.unmount();
  return { device, pfs: id };
}

/** The tree of a PFS as of a TID. */
function seen(m: HammerMount, pfs: number, tid: bigint): string {
  const root = m.getInode(0, 1, pfs << 16, hi32(tid), lo32(tid));
  if (root === null) return "nothing";
  const text = textOf(m, root);
  m.rele(root);
  return text;
}

describe("a large transfer", () => {
  const { m, tids, uuid } = source(160);

  it.each([1, 20_000, 100_000, 1e12])("in passes of %d bytes and more: they follow each other and bring what one pass brings", (split) => {
    const windows = mirrorWindows(m, { tidBeg: 0n }, split);
    expect(windows[0]!.tidBeg).toBe(0n);
    expect(windows.at(-1)!.tidEnd).toBe(m.info().nextTid);
    windows.forEach((w, i) => {
      expect(w.tidEnd).toBeGreaterThan(w.tidBeg);
      if (i > 0) expect(w.tidBeg).toBe(windows[i - 1]!.tidEnd + 1n);
      if (i < windows.length - 1) expect(w.bytes).toBeGreaterThanOrEqual(split);
    });
    if (split === 1) expect(windows.length).toBeGreaterThan(8);
    if (split === 1e12) expect(windows.length).toBe(1);
    const { device, pfs } = target(uuid);
    const t = open(device);
    for (const w of windows) mirrorCopy({ mount: m, pfs: 0 }, { mount: t, pfs }, { tidEnd: w.tidEnd });
    for (const tid of tids) expect(seen(t, pfs, tid)).toBe(seen(m, 0, tid));
    expect(mirrorWindows(m, { tidBeg: m.info().nextTid }, split)).toEqual([]);
    // What passes ended at need be no state of the source, but a master made of the slave is whole.
    upgradePfs(t, pfs);
    t.unmount();
    expectSound(device);
  });

  it("the estimate is near the stream", () => {
    const [w] = mirrorWindows(m, {}, 1e12);
    const bytes = join(m.mirrorRead()).length;
    expect(w!.bytes / bytes).toBeGreaterThan(0.7);
    expect(w!.bytes / bytes).toBeLessThan(1.6);
  });
});

describe("answers of a target", () => {
  it("are taken apart however they arrive, and what is none is refused", () => {
    const m = open(new OverlayDevice(formatted()));
    const stream = join([mirrorHello(m, 0), mirrorUpdate(0x1234_5678_9abc_def0n), mirrorTerm()]);
    const { sharedUuid, syncEndTid } = m.listPfs()[0]!;
    for (const size of [1, 7, stream.length]) {
      const replies = new MirrorReplies();
      const got: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) {
        replies.feed(stream.subarray(at, at + size));
        for (let r = replies.next(); r !== null; r = replies.next()) got.push(r);
      }
      expect(got).toEqual([{ type: "hello", sharedUuid, syncEndTid }, { type: "update", tid: 0x1234_5678_9abc_def0n }, { type: "term" }]);
    }
    const replies = new MirrorReplies();
    replies.feed([...m.mirrorRead()].at(-1)!);
    expect(() => replies.next()).toThrow("is no answer of a target");
    const damaged = new MirrorReplies();
    damaged.feed(mirrorUpdate(7n).map((b, i) => (i === 20 ? b ^ 1 : b)));
    expect(() => damaged.next()).toThrow("fails its CRC");
    m.unmount();
  });
});

describe("a stream that breaks off", () => {
  it(`at any byte (${CUTS} of them), with the power at the target: nothing is seen of it, and the next brings all`, () => {
    const { m, tids, uuid } = source(60);
    const [half] = tids.slice(tids.length >> 1);
    const base = target(uuid);
    const b = open(base.device);
    mirrorCopy({ mount: m, pfs: 0 }, { mount: b, pfs: base.pfs }, { tidEnd: half! });
    b.unmount();
    const stream = join(m.mirrorRead({ tidBeg: half! + 1n }));
    const before = seen(m, 0, half!), after = seen(m, 0, tids.at(-1)!);
    const rng = new SeededRandom(SEED);
    for (let n = 0; n < CUTS; n++) {
      const cut = rng.below(stream.length);
      const disk = new SimDisk(new OverlayDevice(base.device));
      const t = open(disk);
      const receiver = new MirrorReceiver(t, { pfs: base.pfs });
      for (let at = 0; at < cut;) {
        const size = Math.min(cut - at, 1 + rng.below(200_000));
        receiver.feed(stream.subarray(at, at + size));
        while (receiver.step());
        at += size;
      }
      if (n % 2 === 0) {
        expect(() => receiver.end()).toThrow(/cut short/);
        t.unmount();
      }
      // With the power off, what was written since the last flush of the disk is there or not.
      const left = new OverlayDevice(base.device);
      const all = epochs(disk.log);
      const epoch = n % 2 === 0 ? all.at(-1)! : all[rng.below(all.length)]!;
      imageAt(left, disk.log, epoch, epoch.writes.map(() => n % 2 === 0 || rng.below(2) === 0));
      const r = open(left);
      expect(r.listPfs().find((p) => p.id === base.pfs)!.syncEndTid).toBe(half);
      expect(seen(r, base.pfs, half!)).toBe(before);
      mirrorCopy({ mount: m, pfs: 0 }, { mount: r, pfs: base.pfs });
      expect(seen(r, base.pfs, tids.at(-1)!)).toBe(after);
      expect(seen(r, base.pfs, half!)).toBe(before);
      r.unmount();
      if (n % 20 === 0) expectSound(left);
    }
    m.unmount();
  });

  it("a source that ends in the middle says so: the pass is dropped without an error", () => {
    const { m, uuid } = source(30);
    const { device, pfs } = target(uuid);
    const t = open(device);
    const records = [...m.mirrorRead()];
    const receiver = new MirrorReceiver(t, { pfs });
    receiver.feed(join([...records.slice(0, records.length >> 1), mirrorTerm()]));
    while (receiver.step());
    expect(receiver.end()).toEqual([]);
    expect(receiver).toMatchObject({ ended: true, interrupted: true });
    expect(t.listPfs().find((p) => p.id === pfs)!.syncEndTid).toBe(1n);
    expect(mirrorWrite(t, records, { pfs })).toHaveLength(1);
    t.unmount();
    expectSound(device);
  });
});
