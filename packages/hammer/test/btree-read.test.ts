// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BTree, Cursor } from "../src/btree/cursor.ts";
import { cmpKey, hi32, int64, Key, lo32, makeSeparator, uint64, visible } from "../src/btree/key.ts";
import { BufferCache } from "../src/buffer.ts";
import { W_TYPES } from "../src/disk/btree.ts";
import { MemoryDevice, type OverlayDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";
import { openVolumes } from "../src/io.ts";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";

const dir = fixtureDir("hammer");

interface VectorKey { localization: string; obj_id: string; rec_type: string; key: string; create_tid: string; delete_tid: string }

function keyOf(v: VectorKey): Key {
  const obj = BigInt(v.obj_id), key = BigInt(v.key), tid = BigInt(v.create_tid);
  return new Key().set(Number(v.localization), hi32(obj), lo32(obj), Number(v.rec_type), hi32(key), lo32(key))
    .setTid(hi32(tid), lo32(tid));
}

function elementOf(v: VectorKey): Int32Array {
  const w = new Int32Array(16);
  keyOf(v).store(w, 0, 0, 0);
  w[6] = lo32(BigInt(v.delete_tid));
  w[7] = hi32(BigInt(v.delete_tid));
  return w;
}

describe.skipIf(dir === null)("keys against the genuine functions (fixtures/hammer/vectors.json)", () => {
  const v = JSON.parse(dir === null ? "{}" : readFileSync(`${dir}/vectors.json`, "utf8")) as {
    btree_elements: VectorKey[]; btree_cmp: number[][];
    separators: { left: VectorKey; right: VectorKey; separator: VectorKey }[];
    asof_visibility: { asof: string; create_tid: string; delete_tid?: string; visible: boolean }[];
  };

  it("comparison matrix", () => {
    const got = v.btree_elements.map((a) => v.btree_elements.map((b) => cmpKey(keyOf(a), elementOf(b), 0)));
    expect(got).toEqual(v.btree_cmp);
  });

  it("separators", () => {
    for (const s of v.separators) {
      const out = makeSeparator(keyOf(s.left), keyOf(s.right), new Key());
      expect(out).toEqual(keyOf(s.separator));
    }
  });

  it("visibility", () => {
    for (const t of v.asof_visibility) {
      const w = elementOf({ localization: "0", obj_id: "0", rec_type: "0", key: "0", create_tid: t.create_tid, delete_tid: t.delete_tid ?? "0" });
      const asof = BigInt(t.asof);
      // The vectors' function treats an as-of of 0 as "not deleted", as ours does.
      expect(visible(w, 0, hi32(asof), lo32(asof)), JSON.stringify(t)).toBe(t.visible);
    }
  });
});

const load = (name: string): OverlayDevice => loadImage(`${dir}/${name}.img.gz`);

function open(name: string): { tree: BTree; cursor: Cursor } {
  const tree = new BTree(new BufferCache(openVolumes([load(name)]), 1 << 20));
  return { tree, cursor: new Cursor(tree) };
}

const ALL_BEGIN = new Key().set(0, -2147483648, 0, 0, -2147483648, 0);
const ALL_END = new Key().set(-1, 0x7fff_ffff, -1, 0xffff, 0x7fff_ffff, -1);

describe.skipIf(dir === null)("cursor over genuine and synthesised images", () => {
  it.each(["populated-v1", "populated-v6", "populated-v7"])("%s: iterates every leaf element of `hammer show`, both ways", (name) => {
    const show = readFixture(`${dir}/${name}.show.txt.gz`).toString("latin1");
    const want = [...show.matchAll(/ELM +\d+ R lo=([0-9a-f]{8}) objid=([0-9a-f]{16}) rt=([0-9a-f]{2,4}) key=([0-9a-f]{16}) tid=([0-9a-f]{16})/g)]
      .map((m) => m.slice(1).map((x) => BigInt(`0x${x}`)).join(" "));
    expect(want.length).toBeGreaterThan(2000);
    const { cursor } = open(name);
    const k = new Key();
    const text = (): string => {
      k.load(cursor.words, cursor.at);
      return [BigInt(k.localization >>> 0), uint64(k.objHi, k.objLo), k.recType, uint64(k.keyHi, k.keyLo), uint64(k.tidHi, k.tidLo)].join(" ");
    };
    const got: string[] = [];
    for (let ok = cursor.firstAny(ALL_BEGIN, ALL_END); ok; ok = cursor.nextInRange()) got.push(text());
    expect(got).toEqual(want);
    const back: string[] = [];
    cursor.seek(new Key().copy(ALL_END).setTid(0, 0));
    while (cursor.prev()) back.push(text());
    expect(back.reverse()).toEqual(want);
  });

  it("finds each version of an inode as of every TID at which it changed", () => {
    const { cursor } = open("populated-v7");
    const versions: { key: Key; create: bigint; del: bigint }[] = [];
    for (let ok = cursor.firstAny(ALL_BEGIN, ALL_END); ok; ok = cursor.nextInRange()) {
      const w = cursor.words, at = cursor.at;
      if ((w[at + W_TYPES]! & 0xffff) === 1) versions.push({ key: new Key().load(w, at), create: uint64(w[at + 5]!, w[at + 4]!), del: uint64(w[at + 7]!, w[at + 6]!) });
    }
    expect(versions.filter((x) => x.del !== 0n).length).toBeGreaterThan(100);
    const other = new Cursor(cursor.tree);
    for (const v of versions) {
      for (const asof of [v.create, v.del === 0n ? 0xffff_ffff_ffff_ffffn : v.del - 1n]) {
        expect(other.lookup(v.key, hi32(asof), lo32(asof))).toBe(true);
        expect(uint64(other.words[other.at + 5]!, other.words[other.at + 4]!)).toBe(v.create);
      }
      const older = other.lookup(v.key, hi32(v.create - 1n), lo32(v.create - 1n));
      if (older) expect(uint64(other.words[other.at + 5]!, other.words[other.at + 4]!)).toBeLessThan(v.create);
    }
    expect(int64(-1, -1)).toBe(-1n);
  });

  it("names a node with a bad CRC", () => {
    const volumes = openVolumes([load("small-v7")]);
    const root = new BTree(new BufferCache(volumes, 1 << 20)).root;
    const v = volumes.root;
    const byte = new Uint8Array(1);
    v.device.read(v.bufBeg + root + 100, byte);
    v.device.write(v.bufBeg + root + 100, Uint8Array.of(byte[0]! ^ 1));
    const cursor = new Cursor(new BTree(new BufferCache(volumes, 1 << 20)));
    let error: unknown;
    try { cursor.seek(ALL_BEGIN); } catch (e) { error = e; }
    expect(isHammerError(error, "EBADCRC")).toBe(true);
    expect(String(error)).toMatch(/volume 0: B-Tree node at 0x80000000.* fails its CRC/);
  });
});

describe.skipIf(dir === null)("opening volumes", () => {
  const code = (f: () => unknown): unknown => { try { f(); return "opened"; } catch (e) { return (e as { code: string }).code; } };

  it("accepts volumes in any order and refuses wrong sets", () => {
    const [a, b, c] = [0, 1, 2].map((i) => load(`threevol-v7.vol${i}`)) as [OverlayDevice, OverlayDevice, OverlayDevice];
    expect(openVolumes([c, a, b]).list.map((v) => v.number)).toEqual([0, 1, 2]);
    expect(code(() => openVolumes([a, b]))).toBe("E_VOLUME_MISSING");
    expect(code(() => openVolumes([b, c]))).toBe("E_VOLUME_MISSING");
    expect(code(() => openVolumes([a, b, b]))).toBe("E_VOLUME_DUPLICATE");
    expect(code(() => openVolumes([new MemoryDevice(1 << 20)]))).toBe("E_NOT_HAMMER");
    expect(code(() => openVolumes([]))).toBe("EINVAL");
    const header = new Uint8Array(16384);
    load("small-v7").read(0, header);
    expect(code(() => openVolumes([new MemoryDevice(load("small-v7").size - 16384, { content: header })]))).toBe("E_BAD_VOLUME");
  });
});
