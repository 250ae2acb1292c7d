// SPDX-License-Identifier: BSD-3-Clause
/** Files out of damaged images: genuine ones whole, and with root, header, freemap, volumes or any bytes destroyed. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { MemoryDevice, OverlayDevice, type BlockDevice } from "../src/device.ts";
import { BIGBLOCK_SIZE, BLOCKMAP, BUFSIZE, LAYER2, NODE_SIZE, VOLUME, ZONE_FREEMAP } from "../src/disk/index.ts";
import { mount } from "../src/mount.ts";
import { newfs } from "../src/newfs.ts";
import { Salvage, type SalvagedObject, type SalvageOptions } from "../src/salvage/salvage.ts";
import { SeededRandom } from "../src/sim-disk.ts";
import { RawVolumes, readHeader } from "../src/tools/raw.ts";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";

const dir = fixtureDir("hammer-real");
/** Images damaged at random; HAMMER_SALVAGE_ROUNDS asks for more. */
const ROUNDS = Number(process.env["HAMMER_SALVAGE_ROUNDS"] ?? 3);
const LONG = ROUNDS > 3;

interface Entry {
  path?: string; path_hex?: string; type: string; mode: string; size: number; objid: string; target?: string; target_hex?: string; sha256?: string; pfs?: number; mtime_us: number;
}
interface Manifest { entries?: Entry[]; pfs?: { id: number; type?: string; entries?: Entry[] }[] }

const bytes = (text?: string, hex?: string): string => Buffer.from(hex ?? text!, hex === undefined ? "utf8" : "hex").toString("latin1");

/** What a manifest says the present is: path to facts. Links of PFSs are stored as @@PFSnnnnn. */
function wanted(entries: readonly Entry[], pfs = 0): Map<string, string> {
  const root = `PFS${String(pfs).padStart(5, "0")}`;
  return new Map(entries.map((e) => {
    const path = bytes(e.path, e.path_hex);
    const facts = [e.type, e.mode, e.objid, e.type === "file" ? `${e.size} ${e.sha256}` : "", e.type === "symlink" ? bytes(e.target, e.target_hex).replace(/^@@(?:-1|0x[0-9a-f]{16}):(\d{5})$/, "@@PFS$1") : ""];
    return [path === "" ? root : `${root}/${path}`, facts.join(" ")];
  }));
}

function contents(o: SalvagedObject): Buffer {
  const pieces = [...o.pieces()];
  const b = Buffer.alloc(o.size());
  for (const p of pieces) b.set(p.bytes.subarray(0, Math.max(0, b.length - p.offset)), p.offset);
  return b;
}

/** What was recovered, in the same form. */
function got(s: Salvage): Map<string, string> {
  const map = new Map<string, string>();
  for (const o of s) {
    const file = o.type === "file" ? contents(o) : null;
    const facts = [o.type, o.attributes?.mode.toString(8).padStart(4, "0"), `0x${o.objId.toString(16).padStart(16, "0")}`,
      file === null ? "" : `${file.length} ${createHash("sha256").update(file).digest("hex")}`, o.target ?? ""].join(" ");
    for (const path of [o.path, ...o.links]) {
      expect(map.has(path), path).toBe(false);
      expect(path === o.path && !path.includes("/") ? true : map.has(path.slice(0, path.lastIndexOf("/"))), `directory of ${path} before it`).toBe(true);
      map.set(path, facts);
    }
  }
  return map;
}

function inPfs(map: Map<string, string>, pfs: number): Map<string, string> {
  return new Map([...map].filter(([path]) => path.startsWith(`PFS${String(pfs).padStart(5, "0")}`)));
}

const manifest = (name: string): Manifest => JSON.parse(readFixture(`${dir}/${name}.json.gz`).toString()) as Manifest;
const present = (name: string): Map<string, string> => wanted(manifest(name).entries ?? manifest(name).pfs![0]!.entries!);

function expectWhole(s: Salvage, want: Map<string, string>): void {
  const all = got(s);
  expect(Object.fromEntries(inPfs(all, 0))).toEqual(Object.fromEntries(want));
  expect(s.report).toMatchObject({ lostNodes: 0, lostRecords: 0, damagedRecords: 0, damagedBytes: 0 });
}

const zero = (d: BlockDevice, at: number, length: number): void => d.write(at, new Uint8Array(length));
const salvage = (devices: BlockDevice[], options: SalvageOptions = {}): Salvage => new Salvage(devices, options);

describe.skipIf(dir === null)("genuine images (need shared/fixtures/hammer-real)", () => {
  const image = (name: string): BlockDevice => loadImage(`${dir}/${name}.img.gz`);

  it.each(["basic-v1", ...(LONG ? ["basic-v2", "basic-v4", "basic-v6"] : []), "basic-v7", "nohistory-v6", "upgrade-v1-to-v7"])("%s: every object, every byte", (name) => {
    expectWhole(salvage([image(name)]), present(name));
  });

  it.each(["normal", "quick"] as const)("pruned, reblocked, deduplicated; %s scan", (extent) => {
    for (const name of ["maint-v6-pruned", "maint-v7-reblocked", "maint-v6-dedup"]) expectWhole(salvage([image(name)], { extent }), present(name));
  });

  it("a full scan of an image that was never reblocked gives the same", () => {
    expectWhole(salvage([image("basic-v7")], { extent: "full" }), present("basic-v7"));
  });

  it("each PFS gets a directory of its own", () => {
    const all = got(salvage([image("pfs-v7")]));
    for (const p of manifest("pfs-v7").pfs!.filter((x) => x.type !== "slave" && x.entries !== undefined && x.entries.length > 0))
      expect(Object.fromEntries(inPfs(all, p.id))).toEqual(Object.fromEntries(wanted(p.entries!, p.id)));
  });

  it("the root of the B-Tree zeroed", () => {
    const d = image("basic-v7");
    const h = readHeader(d);
    zero(d, h.bufBeg + Number(h.btreeRoot & 0xf_ffff_ffff_ffffn), NODE_SIZE);
    const s = salvage([d]);
    expect(Object.fromEntries(inPfs(got(s), 0))).toEqual(Object.fromEntries(present("basic-v7")));
    expect(s.report).toMatchObject({ lostNodes: 1, lostRecords: 0, damagedRecords: 0 });
  });

  it.each(["basic-v1", "basic-v7"])("%s without its volume header: the place of everything is found by CRCs", (name) => {
    const d = image(name);
    const { bufBeg } = readHeader(d);
    zero(d, 0, BUFSIZE);
    const s = salvage([d]);
    expectWhole(s, present(name));
    expect(s.report.placed).toEqual([{ device: d.name, number: 0, bufBeg }]);
  });

  it("a header with nonsense in it counts as none", () => {
    const d = image("basic-v7");
    const b = new Uint8Array(8);
    new DataView(b.buffer).setBigInt64(0, 0x7fff_ffff_0001n, true);
    d.write(VOLUME.off.vol_buf_beg, b);
    expectWhole(salvage([d]), present("basic-v7"));
  });

  it("freemap torn: every other buffer of it destroyed, or all of it", () => {
    for (const step of [2, 1]) {
      const d = image("basic-v7");
      const h = readHeader(d);
      const raw = new RawVolumes([d]);
      const layer1 = raw.layer1(0)!;
      for (const [offset, bytes] of [[h.blockmap[ZONE_FREEMAP]!.phys, 64 * 32], [layer1.physOffset, 64 * LAYER2.size]] as const)
        for (let at = 0; at < bytes; at += 16 * step) zero(d, h.bufBeg + Number(offset & 0xf_ffff_ffff_ffffn) + at, 8);
      expectWhole(salvage([d]), present("basic-v7"));
    }
  });

  it("the blockmap of the header wiped out", () => {
    const d = image("basic-v6");
    zero(d, VOLUME.off.vol0_blockmap, 16 * BLOCKMAP.size);
    expectWhole(salvage([d]), present("basic-v6"));
  });

  it("several volumes, one without its header", () => {
    const list = [0, 1].map((n) => loadImage(`${dir}/multivol-v7.vol${n}.img.gz`));
    zero(list[0]!, 0, BUFSIZE);
    const s = salvage(list);
    expectWhole(s, present("multivol-v7"));
    expect(s.report.placed.map((p) => p.number)).toEqual([0]);
  });

  it("history that was destroyed does not come back", () => {
    const s = salvage([image("maint-v7-reblocked")]);
    const names = new Set([...s].map((o) => o.path));
    expect(names).toEqual(new Set([...present("maint-v7-reblocked").keys()].filter((p) => [...s].some((o) => o.path === p))));
    expect([...names].some((n) => n.includes("obj_0x"))).toBe(false);
  });

  it("crash images: what recovery would take back is taken back", () => {
    const s = salvage([image("crash-v6-undo")]);
    expect(s.report.lostRecords).toBe(0);
    expect([...got(s).keys()].some((n) => n.includes("obj_0x"))).toBe(false);
  });

  it("random damage: what comes out unremarked is right", () => {
    const want = present("basic-v7");
    const contentsOf = new Map([...want.values()].map((facts) => [facts.split(" ")[2]!, facts]));
    const rng = new SeededRandom(5);
    for (let round = 0; round < ROUNDS; round++) {
      const d = image("basic-v7");
      const { bufBeg } = readHeader(d);
      // Four wounds of 1 to 64 KiB in the first big-blocks, where nearly everything is.
      for (let n = 0; n < 4; n++) {
        const b = new Uint8Array(1024 << rng.below(7));
        for (let i = 0; i < b.length; i++) b[i] = rng.below(256);
        d.write(bufBeg + rng.below(5 * BIGBLOCK_SIZE - b.length), b);
      }
      const s = salvage([d]);
      let wrong = 0;
      for (const o of s) {
        if (o.type !== "file" || o.attributes === null || !o.attributes.newest) continue;
        const before = s.report.damagedRecords;
        const file = contents(o);
        const facts = contentsOf.get(`0x${o.objId.toString(16).padStart(16, "0")}`)!;
        const right = facts.includes(createHash("sha256").update(file).digest("hex"));
        // Wrong without a damaged record only where leaves are lost, which is counted, too.
        if (!right && s.report.damagedRecords === before) wrong++;
      }
      if (s.report.lostNodes === 0) expect(wrong).toBe(0);
    }
  });

  it("data that fails its CRC is left out, or kept on request", () => {
    const d = image("basic-v7");
    const whole = salvage([d]);
    // A file of several blocks that begins with something that can be looked for.
    const big = [...whole].find((o) => o.type === "file" && o.attributes!.size > 50_000 && contents(o).subarray(0, 4096).filter((x) => x !== 0).length > 3000)!;
    const file = contents(big);
    // Changes a byte of its first block, and of older versions that begin like it.
    const raw = Buffer.alloc(d.size);
    d.read(0, raw);
    let found = 0;
    for (let at = raw.indexOf(file.subarray(0, 4096)); at >= 0; at = raw.indexOf(file.subarray(0, 4096), at + 4096), found++)
      d.write(at + 100, Uint8Array.of(file[100]! ^ 0xff));
    expect(found).toBeGreaterThan(0);
    const find = (s: Salvage): SalvagedObject => [...s].find((o) => o.objId === big.objId)!;
    const without = salvage([d]);
    const holed = contents(find(without));
    expect(without.report.damagedRecords).toBeGreaterThan(0);
    expect(holed.length).toBe(file.length);
    expect(holed[100]).toBe(0);
    const kept = contents(find(salvage([d], { keepDamaged: true })));
    expect(kept[100]).toBe(file[100]! ^ 0xff);
    expect(kept.subarray(101).equals(file.subarray(101))).toBe(true);
  });
});

it("a device with nothing on it gives nothing", () => {
  const content = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) & 0xff);
  const s = salvage([new MemoryDevice(content.length, { content })]);
  expect([...s]).toEqual([]);
  expect(s.report).toMatchObject({ nodes: 0, volumesExpected: 0 });
});

describe("three volumes with data on each", () => {
  const newVolumes = (): OverlayDevice[] => $volumes.map((v) => new OverlayDevice(v));
  const $volumes = [0, 1, 2].map((n) => new MemoryDevice(64 << 20, { name: `vol${n}` }));
  let clock = 1_700_000_000_000_000n;
  const now = (): bigint => (clock += 1000n);
  newfs($volumes, { label: "THREE", force: true, undoBytes: 8 << 20, now, fsid: new Uint8Array(16).fill(3) });
  const m = mount($volumes, { now, readOnly: false });
  const rng = new SeededRandom(9);
  const files = new Map<string, string>();
  for (let n = 0; n < 16; n++) {
    const b = new Uint8Array(5_000_000);
    new Int32Array(b.buffer).forEach((_, i, w) => { w[i] = rng.below(2 ** 31); });
    const ip = m.create(m.root, `file${n}`, { type: "file", mode: 0o600, uid: 0, gid: 0 });
    m.write(ip, 0, b, 0, b.length);
    m.rele(ip);
    files.set(`PFS00000/file${n}`, createHash("sha256").update(b).digest("hex"));
  }
  m.unmount();
  const hashes = (s: Salvage): Map<string, string> =>
    new Map([...s].filter((o) => o.type === "file").map((o) => [o.path, createHash("sha256").update(contents(o)).digest("hex")]));

  it("no header is left: all are placed", () => {
    const list = newVolumes();
    for (const d of list) zero(d, 0, BUFSIZE);
    const s = salvage([list[2]!, list[0]!, list[1]!]);
    expect(hashes(s)).toEqual(files);
    expect(s.report.placed.map((p) => p.number)).toEqual([2, 0, 1]);
  });

  it("a volume is missing: what lay elsewhere is whole, and what did not is counted", () => {
    const [a, b] = newVolumes();
    const s = salvage([a!, b!]);
    const found = hashes(s);
    expect(s.report).toMatchObject({ volumesGiven: 2, volumesExpected: 3 });
    const whole = [...files].filter(([path, hash]) => found.get(path) === hash).length;
    expect(whole).toBeGreaterThan(5);
    expect(whole).toBeLessThan(files.size);
    expect(s.report.damagedRecords + s.report.lostNodes).toBeGreaterThan(0);
  });

  it("gives up when the progress function throws", () => {
    expect(() => salvage(newVolumes(), { progress: (done) => { if (done > 7e7) throw new Error("enough"); } })).toThrow("enough");
  });
});
