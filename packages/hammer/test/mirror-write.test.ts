// SPDX-License-Identifier: BSD-3-Clause
/** Mirror streams applied to a slave: the genuine ones of the fixtures, our own of random workloads, damaged and cut ones. */
import { describe, expect, it } from "vitest";
import { createPfs, upgradePfs } from "../src/admin/pfs.ts";
import { crc32 } from "../src/crc.ts";
import { OverlayDevice } from "../src/device.ts";
import { BASE_ELM, MRECORD_HEAD, MRECORD_PFS, MRECORD_REC, PFS_DATA, REC_CONFIG, uuidText } from "../src/disk/index.ts";
import { mirrorCopy } from "../src/mirror/copy.ts";
import { MirrorDump } from "../src/mirror/dump.ts";
import { MirrorParser } from "../src/mirror/stream.ts";
import { MirrorReceiver, mirrorWrite } from "../src/mirror/write.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom } from "../src/sim-disk.ts";
import { compareTree } from "../scripts/fixtures/tree.js";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { expectSound } from "./sound.ts";

const dir = fixtureDir("hammer-real");
let clock = 1_800_000_000_000_000n;
const open = (device: OverlayDevice, readOnly = false): HammerMount => mount([device], { readOnly, now: () => (clock += 1000n) });
const random = (b: Uint8Array): void => { b.fill(7); };

/** Records of a stream, each with its padding. */
function split(stream: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const size = (new DataView(stream.buffer, stream.byteOffset + at).getUint32(MRECORD_HEAD.off.rec_size, true) + 7) & ~7;
    records.push(stream.subarray(at, at + size));
    at += size;
  }
  return records;
}

function sharedUuid(stream: Uint8Array): string {
  const at = MRECORD_PFS.off.pfsd + PFS_DATA.off.shared_uuid;
  return uuidText(stream.slice(at, at + 16));
}

/** A new file system with a slave for this stream in it, as an image that tests overlay. */
function withSlave(uuid: string, version = 7): { device: OverlayDevice; pfs: number } {
  const device = new OverlayDevice(formatted(version));
  const m = open(device);
  const { id } = createPfs(m, m.root, "slave", { slave: true, sharedUuid: uuid, random });
  m.unmount();
  return { device, pfs: id };
}

const recType = (b: Buffer): number => b.readUInt16LE(MRECORD_REC.off.leaf + BASE_ELM.off.rec_type);
/** Elements with data in a stream that a slave takes. */
const mirrored = (stream: Buffer): number =>
  split(stream).filter((r) => r[MRECORD_HEAD.off.type] === 1 && recType(Buffer.from(r)) !== REC_CONFIG).length;

/** All that mirroring is to bring: elements with their data, without what a file system has of its own. */
function elements(m: HammerMount, pfs: number, tidEnd: bigint): string[] {
  return [...m.mirrorRead({ pfs, tidEnd })].slice(2, -1).map((r) => Buffer.from(r)).filter((b) => recType(b) !== REC_CONFIG).map((b) => {
    b.fill(0, 0, MRECORD_HEAD.size);
    const leaf = MRECORD_REC.off.leaf;
    b.writeUInt16LE(0, leaf + 38); // PFS
    b.fill(0, leaf + 48, leaf + 56); // where the data lies
    if (b.readUInt16LE(leaf + 32) === 0x11) {
      b.fill(0, leaf + 60, leaf + 64);
      b.fill(0, leaf + 64 + 8, leaf + 64 + 12); // PFS of the entry, and the CRC with it
    }
    if (b.readBigUInt64LE(leaf + BASE_ELM.off.delete_tid) === 0n) b.fill(0, leaf + 44, leaf + 48); // its time, if deleted later
    // A change of times alone is made in place and no reason to mirror again, as in the original.
    if (b.readUInt16LE(leaf + 32) === 0x01) b.fill(0, leaf + 64 + 112, leaf + 64 + 128);
    return `${b.toString("hex", leaf, leaf + 64)} ${crc32(b, leaf + 64)}`;
  });
}

interface Entry { pfs?: number }
interface Manifest {
  pfs: { id: number; shared_uuid: string; sync_end_tid: string; entries: Entry[]; history: { tid: string; entries: Entry[] }[]; snapshots: { tid: string }[] }[];
}

describe.skipIf(dir === null).each(["v6", "v7"])("genuine streams of %s (need shared/fixtures/hammer-real)", (v) => {
  const version = Number(v[1]);
  const read = (name: string): Buffer => readFixture(`${dir}/pfs-${v}.${name}`);
  const manifest = dir === null ? ({ pfs: [] } as Manifest) : JSON.parse(read("json.gz").toString()) as Manifest;
  const inPfs = (entries: Entry[], pfs: number): Entry[] => entries.map((e) => ({ ...e, pfs }));

  it("a full stream gives tree, history and snapshots of the manifest", () => {
    const full = read("pfs1-full.mirror.gz");
    const { device, pfs } = withSlave(sharedUuid(full), version);
    const m = open(device);
    const [pass] = mirrorWrite(m, [full], { pfs });
    expect(pass).toMatchObject({ inserted: mirrored(full), deleted: 0, damaged: 0, idle: false });
    const want = manifest.pfs.find((p) => p.id === 1)!;
    expect(compareTree(m, m.asof(pass!.tidEnd, pfs)!, inPfs(want.entries, pfs))).toEqual([]);
    for (const h of want.history) expect(compareTree(m, m.asof(BigInt(h.tid), pfs)!, inPfs(h.entries, pfs))).toEqual([]);
    expect(m.listSnapshots(pfs).map((s) => s.tid)).toEqual(want.snapshots.map((s) => BigInt(s.tid)));
    expect(m.listPfs().find((p) => p.id === pfs)).toMatchObject({ slave: true, syncEndTid: pass!.tidEnd });
    expect(m.info().nextTid).toBeGreaterThanOrEqual(pass!.tidEnd);
    const source = open(loadImage(`${dir}/pfs-${v}.img.gz`), true);
    expect(elements(m, pfs, pass!.tidEnd)).toEqual(elements(source, 1, pass!.tidEnd));
    source.unmount();
    m.unmount();
    expectSound(device);
  });

  it("the incremental stream on the genuine slave as it was: nothing is inserted, and it looks the same", () => {
    const device = new OverlayDevice(loadImage(`${dir}/pfs-${v}.img.gz`));
    const m = open(device);
    const before = elements(m, 3, 0x1000402b0n);
    const [pass] = mirrorWrite(m, [read("pfs1-incr.mirror.gz")], { pfs: 3 });
    // PASS records tell of three deletions behind the range: no change as of its end.
    expect(pass).toMatchObject({ inserted: 0, deleted: 3, tidEnd: 0x1000402b0n });
    expect(elements(m, 3, 0x1000402b0n)).toEqual(before);
    const want = manifest.pfs.find((p) => p.id === 3)!;
    expect(compareTree(m, m.asof(BigInt(want.sync_end_tid), 3)!, want.entries)).toEqual([]);
    m.unmount();
    expectSound(device);
  });

  it("a slave that stopped early takes the incremental stream and equals the genuine slave", () => {
    const incr = read("pfs1-incr.mirror.gz");
    const { device, pfs } = withSlave(sharedUuid(incr), version);
    const source = open(loadImage(`${dir}/pfs-${v}.img.gz`), true);
    const m = open(device);
    mirrorWrite(m, source.mirrorRead({ pfs: 1, tidEnd: 0x1000380c0n }), { pfs });
    const [pass] = mirrorWrite(m, [incr], { pfs });
    expect(pass).toMatchObject({ inserted: mirrored(incr) });
    expect(elements(m, pfs, 0x1000402b0n)).toEqual(elements(source, 3, 0x1000402b0n));
    source.unmount();
    m.unmount();
    expectSound(device);
  });

  it("PFS 0 can be mirrored, whose stream has PFS records in it", () => {
    const full = read("pfs0-full.mirror.gz");
    const { device, pfs } = withSlave(sharedUuid(full), 7);
    const m = open(device);
    const [pass] = mirrorWrite(m, [full], { pfs });
    expect(pass!.inserted).toBe(mirrored(full));
    expect(m.listPfs().map((p) => p.id)).toEqual([0, pfs]);
    m.unmount();
    expectSound(device);
  });

  it("stopped behind every record, resumed from the slave's sync_end_tid: the same slave", () => {
    const source = open(loadImage(`${dir}/pfs-${v}.img.gz`), true);
    const incr = read("pfs1-incr.mirror.gz");
    const base = withSlave(sharedUuid(incr), version);
    let m = open(base.device);
    mirrorWrite(m, source.mirrorRead({ pfs: 1, tidEnd: 0x1000380c0n }), { pfs: base.pfs });
    m.unmount();
    const before = open(base.device, true);
    const seen = textOf(before, before.asof(0x1000380c0n, base.pfs)!);
    before.unmount();
    const want = elements(source, 3, 0x1000402b0n);
    const records = split(incr);
    for (let n = 1; n < records.length; n += version === 7 ? 1 : 9) {
      const device = new OverlayDevice(base.device);
      m = open(device);
      expect(() => mirrorWrite(m, records.slice(0, n), { pfs: base.pfs })).toThrow(/cut short/);
      m.unmount();
      m = open(device);
      expect(m.listPfs().find((p) => p.id === base.pfs)!.syncEndTid).toBe(0x1000380c0n);
      expect(textOf(m, m.asof(0x1000380c0n, base.pfs)!)).toBe(seen); // W2
      mirrorCopy({ mount: source, pfs: 3 }, { mount: m, pfs: base.pfs });
      expect(elements(m, base.pfs, 0x1000402b0n)).toEqual(want);
      m.unmount();
      if (n % 40 === 1) expectSound(device);
    }
    source.unmount();
  });

  it("a damaged byte: refused at its record, nothing behind it applied", () => {
    const full = read("pfs1-full.mirror.gz");
    const base = withSlave(sharedUuid(full), version);
    const records = split(full);
    const rng = new SeededRandom(11);
    let at = 0;
    for (const [n, record] of records.entries()) {
      const size = new DataView(record.buffer, record.byteOffset).getUint32(MRECORD_HEAD.off.rec_size, true);
      const byte = n % 3 === 0 ? rng.below(MRECORD_HEAD.size) : rng.below(size);
      const damaged = Uint8Array.from(full);
      damaged[at + byte]! ^= 1 << rng.below(8);
      const m = open(new OverlayDevice(base.device));
      const receiver = new MirrorReceiver(m, { pfs: base.pfs });
      expect(() => {
        for (let from = 0; from < damaged.length; from += 50_000) {
          receiver.feed(damaged.subarray(from, from + 50_000));
          while (receiver.step());
        }
        receiver.end();
      }, `record ${n}, byte ${byte}`).toThrow(expect.objectContaining({ message: expect.stringContaining(`record ${n} at byte ${at} `) as string }));
      expect(() => receiver.step()).toThrow();
      // Ahead of it are two PFSD records and elements, one of them a configuration record.
      const applied = elements(m, base.pfs, 0xffff_ffffn << 16n).length;
      expect(applied).toBeLessThanOrEqual(Math.max(0, n - 2));
      expect(applied).toBeGreaterThanOrEqual(Math.max(0, n - 4));
      m.unmount();
      at += record.length;
    }
  });

  it("records that are doubled, swapped or foreign are refused", () => {
    const full = read("pfs1-full.mirror.gz");
    const base = withSlave(sharedUuid(full), version);
    const records = split(full);
    const refuse = (list: Uint8Array[], why: RegExp): void => {
      const m = open(new OverlayDevice(base.device));
      expect(() => mirrorWrite(m, list, { pfs: base.pfs })).toThrow(why);
      m.unmount();
    };
    refuse([...records.slice(0, 20), records[19]!, ...records.slice(20)], /record 20 .*out of order/);
    refuse([...records.slice(0, 20), records[21]!, records[20]!, ...records.slice(22)], /record 21 .*out of order/);
    refuse(records.slice(2), /record 0 .*description of the source/);
    refuse([records[0]!, ...records.slice(2)], /record 1 .*range of the pass/);
    refuse([...records.slice(0, 9), records[0]!], /record 9 .*middle of a pass/);
    refuse([records[0]!, split(read("pfs0-full.mirror.gz"))[1]!], /record 1 .*shared-uuid/);
    const m = open(new OverlayDevice(base.device));
    expect(() => mirrorWrite(m, records, { pfs: 0 })).toThrow(/PFS #0 is a master/);
    expect(() => mirrorWrite(m, records, { pfs: 9 })).toThrow(/no PFS #9/);
    m.unmount();
    const readOnly = open(base.device, true);
    expect(() => mirrorWrite(readOnly, records, { pfs: base.pfs })).toThrow(expect.objectContaining({ code: "EROFS" }));
    readOnly.unmount();
  });

  it("mirror-dump prints every record", () => {
    const full = read("pfs1-full.mirror.gz");
    let text = "";
    const dump = new MirrorDump((t) => { text += t; });
    for (let at = 0; at < full.length; at += 1000) dump.feed(full.subarray(at, at + 1000));
    dump.end();
    expect(text.match(/^Record lo=[0-9a-f]{8} obj=[0-9a-f]{16} key=[0-9a-f]{16} rt=[0-9a-f]{2} ot=[0-9a-f]{2}\n {7}tids [0-9a-f]{16}:[0-9a-f]{16} data=\d+$/gm)!.length).toBe(split(full).length - 3);
    text = "";
    new MirrorDump((t) => { text += t; }, { header: true }).feed(full);
    expect(text).toContain(`shared-uuid=${manifest.pfs.find((p) => p.id === 1)!.shared_uuid}\n`);
    expect(text).toContain('    label="alpha label"\n');
    expect(text).toContain("operating as a MASTER\n");
  });
});

/** A source with a random past; after each round, the slave is brought up to it. */
function rounds(version: number, targetVersion: number, seed: number, after: (t: { source: HammerMount; target: HammerMount; pfs: number; round: number; past: Map<bigint, string> }) => void): OverlayDevice {
  const from = new OverlayDevice(formatted(version));
  const source = open(from);
  const uuid = source.listPfs()[0]!.sharedUuid;
  const { device, pfs } = withSlave(uuid, targetVersion);
  const target = open(device);
  const driver = new Driver(new SeededRandom(seed), { maxSize: 80_000, names: 14, maxDirs: 5 });
  const past = new Map<bigint, string>();
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 60; i++) {
      driver.step(source);
      if (i % 12 === 11) past.set(source.sync(), driver.model.text());
    }
    past.set(source.sync(), driver.model.text());
    after({ source, target, pfs, round, past });
  }
  source.unmount();
  target.unmount();
  return device;
}

describe("our own streams", () => {
  it.each([[1, 7], [6, 6], [7, 7], [7, 6]])("version %i to version %i: the slave has the source's present and past", (version, targetVersion) => {
    const device = rounds(version, targetVersion, 3, ({ source, target, pfs, round, past }) => {
      const pass = mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs })!;
      expect(pass.inserted).toBeGreaterThan(0);
      if (round > 0) expect(pass.deleted).toBeGreaterThan(0);
      if (version === targetVersion || version < 7)
        expect(elements(target, pfs, pass.tidEnd)).toEqual(elements(source, 0, pass.tidEnd));
      for (const [tid, text] of past) {
        const root = target.asof(tid, pfs)!;
        expect(textOf(target, root)).toBe(text);
        target.rele(root);
      }
      expect(mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs })).toMatchObject({ inserted: 0, deleted: 0 });
    });
    expectSound(device);
  });

  it("what the source destroyed is marked deleted on the slave, up to the end of the range", () => {
    const from = new OverlayDevice(formatted());
    const source = open(from);
    source.setattr(source.root, { uflags: 0x40 }); // nohistory, which entries made below inherit
    const d = source.create(source.root, "d", { type: "dir", mode: 0o755, uid: 0, gid: 0 });
    for (let i = 0; i < 400; i++) {
      const f = source.create(d, `f${i}`, { type: "file", mode: 0o644, uid: 0, gid: 0 });
      source.write(f, 0, new Uint8Array(100).fill(i), 0, 100);
      source.rele(f);
    }
    const { device, pfs } = withSlave(source.listPfs()[0]!.sharedUuid);
    const target = open(device);
    mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs });
    for (let i = 100; i < 400; i++) source.unlink(d, `f${i}`);
    source.rele(d);
    const pass = mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs })!;
    expect(pass.deleted).toBeGreaterThanOrEqual(900);
    const [a, b] = [source.asof(0xffff_ffff_ffff_ffffn)!, target.asof(pass.tidEnd, pfs)!];
    expect(textOf(target, b)).toBe(textOf(source, a));
    source.rele(a);
    target.rele(b);
    source.unmount();
    target.unmount();
    expectSound(device);
  });

  it("within one file system, while the tree changes underneath; then the slave becomes a master and is written to", () => {
    const device = new OverlayDevice(formatted());
    const m = open(device);
    const master = createPfs(m, m.root, "master", { random: (b) => b.fill(3) });
    const root = m.asof(0xffff_ffff_ffff_ffffn, master.id)!;
    for (let i = 0; i < 300; i++) {
      const f = m.create(root, `file ${i}`, { type: "file", mode: 0o644, uid: i, gid: 0 });
      const bytes = new Uint8Array(i * 100).fill(i);
      m.write(f, 0, bytes, 0, bytes.length);
      m.rele(f);
    }
    const { id } = createPfs(m, m.root, "slave", { slave: true, sharedUuid: master.sharedUuid, random });
    const batches: number[] = [];
    const pass = mirrorCopy({ mount: m, pfs: master.id }, { mount: m, pfs: id }, { progress: (n) => { batches.push(n); } })!;
    expect(batches.length).toBeGreaterThan(3);
    const slave = m.asof(pass.tidEnd, id)!;
    const text = textOf(m, root);
    expect(textOf(m, slave)).toBe(text);
    m.rele(slave);
    upgradePfs(m, id);
    const now = m.asof(0xffff_ffff_ffff_ffffn, id)!;
    expect(textOf(m, now)).toBe(text);
    m.rele(m.create(now, "new", { type: "file", mode: 0o644, uid: 0, gid: 0 }));
    m.rele(now);
    m.rele(root);
    m.unmount();
    expectSound(device);
  });

  it("views of the slave stay what they are while a pass is applied", () => {
    rounds(7, 7, 9, ({ source, target, pfs, round }) => {
      if (round === 0) {
        mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs });
        return;
      }
      const since = target.listPfs().find((p) => p.id === pfs)!.syncEndTid;
      const root = target.asof(since, pfs)!;
      const text = textOf(target, root);
      const receiver = new MirrorReceiver(target, { pfs });
      for (const [i, r] of [...source.mirrorRead({ pfs: 0, tidBeg: since + 1n })].entries()) {
        receiver.feed(r);
        while (receiver.step());
        if (i % 20 === 0) expect(textOf(target, root)).toBe(text);
      }
      expect(textOf(target, root)).toBe(text);
      target.rele(root);
    });
  });

  it("a target that fills up says so, stays sound, and keeps what it showed", () => {
    const from = new OverlayDevice(formatted(7, { size: 256 << 20 }));
    const source = open(from);
    const { device, pfs } = withSlave(source.listPfs()[0]!.sharedUuid);
    const target = open(device);
    mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs });
    const f = source.create(source.root, "large", { type: "file", mode: 0o644, uid: 0, gid: 0 });
    const bytes = new Uint8Array(1 << 20);
    for (let i = 0; i < 120; i++) source.write(f, i * bytes.length, bytes.fill(i), 0, bytes.length);
    source.rele(f);
    const before = target.listPfs().find((p) => p.id === pfs)!.syncEndTid;
    expect(() => mirrorCopy({ mount: source, pfs: 0 }, { mount: target, pfs })).toThrow(expect.objectContaining({ code: "ENOSPC" }));
    expect(target.listPfs().find((p) => p.id === pfs)!.syncEndTid).toBe(before);
    source.unmount();
    target.unmount();
    expectSound(device);
  });
});

it("the parser takes pieces of any size and refuses what cannot be a record", () => {
  const m = open(new OverlayDevice(formatted()));
  const stream = Buffer.concat([...m.mirrorRead()]);
  m.unmount();
  for (const step of [1, 7, 24, 100_000]) {
    const parser = new MirrorParser();
    const types: number[] = [];
    for (let at = 0; at < stream.length; at += step) {
      parser.feed(stream.subarray(at, at + step));
      for (let r = parser.peek(); r !== null; r = parser.peek()) {
        types.push(r.type);
        parser.take();
      }
    }
    expect(types).toEqual([2, 2, ...types.slice(2, -1), 4]);
    expect(parser.pending).toBe(false);
  }
  const made = (fill: (v: DataView) => void): MirrorParser => {
    const b = Buffer.from(split(stream)[0]!);
    const v = new DataView(b.buffer, b.byteOffset);
    fill(v);
    const size = v.getUint32(8, true);
    if (size >= 8 && size <= b.length) v.setUint32(4, crc32(b, 8, size), true);
    const parser = new MirrorParser();
    parser.feed(b);
    return parser;
  };
  expect(() => made((v) => v.setUint32(0, 0x7272_d94d, true)).peek()).toThrow(/byte order/);
  expect(() => made((v) => v.setUint32(8, 70_000, true)).peek()).toThrow(/claims to have 70000 bytes/);
  expect(() => made((v) => v.setUint32(8, 8, true)).peek()).toThrow(/claims to have 8 bytes/);
  expect(() => made((v) => v.setUint32(8, 100, true)).peek()).toThrow(/of type 2 has 100 bytes/);
  expect(() => made((v) => v.setUint32(12, 99, true)).peek()).toThrow(/unknown type 63/);
});
