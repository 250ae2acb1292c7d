// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as disk from "../src/disk/index.ts";
import { layout, u32, u8 } from "../src/disk/layout.ts";
import { fixtureDir } from "./fixtures.ts";

const dir = fixtureDir("hammer");
const LAYOUTS = (Object.values(disk) as unknown[])
  .filter((x): x is disk.Layout<object> => typeof x === "object" && x !== null && "fields" in x && "off" in x);

describe.skipIf(dir === null)("structures against a compiler's view of hammer_disk.h (fixtures/hammer)", () => {
  const vectors = JSON.parse(dir === null ? "{}" : readFileSync(`${dir}/vectors.json`, "utf8")) as {
    sizeof: Record<string, number>;
    offsets: { struct: string; field: string; offset: number; size: number }[];
  };

  it.each(Object.entries(vectors.sizeof ?? {})
    .filter(([name]) => name !== "hammer_symlink_data" && name !== "hammer_ioc_mrecord_sync"))("%s is %i bytes", (name, size) => {
    expect(LAYOUTS.find((l) => l.name === name)?.size).toBe(size);
  });

  it("every field has its offset and size", () => {
    const got = new Set(LAYOUTS.flatMap((l) => l.fields.map(([f, at, n]) => `${f} ${at} ${n}`)));
    const missing = vectors.offsets.map((o) => `${o.field} ${o.offset} ${o.size}`).filter((s) => !got.has(s));
    expect(missing).toEqual([]);
  });

  it.each(LAYOUTS.map((l) => [l.name, l] as const))("%s: L2, writing what was read changes nothing", (_name, l) => {
    const from = Uint8Array.from({ length: l.size }, (_, i) => (i * 37 + 11) & 0xff);
    const to = from.slice();
    const view = disk.viewOf(to);
    l.write(view, 0, l.read(view, 0));
    // Text stops at the first NUL and there is none in the pattern's first 64 bytes of any text field but one.
    for (const [field, at, size] of l.fields) {
      const nul = from.subarray(at, at + size).indexOf(0);
      const keep = nul < 0 || typeof (l.read(view, 0) as Record<string, unknown>)[field] !== "string" ? size : nul;
      expect(to.subarray(at, at + keep), field).toEqual(from.subarray(at, at + keep));
    }
  });
});

describe("layout", () => {
  it("L1: refuses overlap and overrun", () => {
    expect(() => layout("x", 8, { a: [0, u32], b: [3, u8] })).toThrow(/overlaps a/);
    expect(() => layout("x", 4, { a: [1, u32] })).toThrow(/past the structure/);
  });
});

describe("offsets", () => {
  it.each([
    [0x8000_0000_0180_0000n, 8, 0x180_0000],
    [0xa010_0000_0000_4000n, 10, disk.VOLUME_STRIDE + 0x4000],
    [0xbff0_1fff_ffff_fff0n, 11, 256 * disk.VOLUME_STRIDE - 16],
  ])("%x splits and joins", (offset, zone, address) => {
    expect(disk.address64(offset)).toBe(address);
    expect(disk.zone64(offset)).toBe(zone);
    expect(disk.offset64(zone, address)).toBe(offset);
    expect(disk.volumeOf(address) * disk.VOLUME_STRIDE + disk.byteOf(address)).toBe(address);
  });

  it("an offset beyond 32 TiB of a volume has no address", () => {
    expect(disk.address64(0x8000_2000_0000_0000n)).toBe(disk.NO_ADDRESS);
    expect(disk.address64(disk.OFFSET_UNAVAIL)).toBe(disk.NO_ADDRESS);
  });

  it("UUID text and bytes", () => {
    expect(disk.uuidText(disk.FSTYPE_HAMMER)).toBe("61dc63ac-6e38-11dc-8513-01301bb8a9f5");
    expect(disk.uuidBytes("61dc63ac-6e38-11dc-8513-01301bb8a9f5")).toEqual(disk.FSTYPE_HAMMER);
    expect(disk.uuidBytes("not one")).toBeNull();
  });
});
