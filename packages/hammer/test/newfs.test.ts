// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MemoryDevice } from "../src/device.ts";
import { uuidBytes } from "../src/disk/volume.ts";
import { isHammerError } from "../src/error.ts";
import { newfs, type NewfsOptions } from "../src/newfs.ts";
import { fixtureDir, readFixture } from "./fixtures.ts";

const dir = fixtureDir("hammer");
const GENUINE = { now: () => 1_262_304_000_123_456n, fsid: uuidBytes("12345678-9abc-11de-8000-0123456789ab")!, force: true } as const;
const MIB = 1 << 20;

/** The -L of an image, from its own header. */
function labelOf(image: Uint8Array): string {
  return Buffer.from(image.subarray(80, 144)).toString("latin1").replace(/\0.*$/s, "");
}

function sha256(d: MemoryDevice): string {
  const h = createHash("sha256");
  const chunk = new Uint8Array(MIB);
  for (let at = 0; at < d.size; at += MIB) {
    const part = chunk.subarray(0, Math.min(MIB, d.size - at));
    d.read(at, part);
    h.update(part);
  }
  return h.digest("hex");
}

const SETS: [string, string[], Partial<NewfsOptions>][] = [
  ...[1, 2, 3, 4, 5, 6, 7].map((v): [string, string[], Partial<NewfsOptions>] => [`min-v${v}`, [`min-v${v}.img`], { version: v, undoBytes: 8 * MIB }]),
  ["small-v1", ["small-v1.img"], { version: 1, undoBytes: 8 * MIB }],
  ["small-v6", ["small-v6.img"], { version: 6, undoBytes: 8 * MIB }],
  ["small-v7", ["small-v7.img"], { undoBytes: 16 * MIB }],
  ["areas-v7", ["areas-v7.img"], { undoBytes: 8 * MIB, junkBytes: 262144, bootBytes: MIB, memBytes: 2 * MIB }],
  ["twovol-v7", ["twovol-v7.vol0.img", "twovol-v7.vol1.img"], { undoBytes: 8 * MIB }],
  ["threevol-v7", ["threevol-v7.vol0.img", "threevol-v7.vol1.img", "threevol-v7.vol2.img"], { undoBytes: 8 * MIB }],
];

describe.skipIf(dir === null)("against images of the genuine newfs_hammer (needs shared/fixtures/hammer)", () => {
  const sums = new Map((dir === null ? "" : readFileSync(`${dir}/SHA256SUMS`, "utf8")).split("\n").filter(Boolean)
    .map((l) => l.split(/\s+\*?/) as [string, string]).map(([sum, name]) => [name, sum]));

  it.each(SETS)("%s is identical", (_name, files, options) => {
    const genuine = files.map((f) => readFixture(`${dir}/${f}.gz`));
    const devices = genuine.map((g, i) => new MemoryDevice(g.length, { name: files[i]! }));
    newfs(devices, { ...GENUINE, label: labelOf(genuine[0]!), ...options });
    files.forEach((f, i) => expect(sha256(devices[i]!), f).toBe(sums.get(f) ?? sums.get(f.replace(".img", ""))));
  });

  /** Hashing a gibibyte takes its time: by night only. */
  it.skipIf(process.env["HAMMER_NIGHTLY"] === undefined)("default-1g, all defaults with 512 MiB of UNDO, is identical", () => {
    const label = labelOf(readFixture(`${dir}/default-1g.undo-zeroed.img.gz`).subarray(0, 1928));
    const d = new MemoryDevice(1 << 30, { name: "default-1g" });
    const made = newfs([d], { ...GENUINE, label });
    expect(made.undoBytes).toBe(512 * MIB);
    expect(sha256(d)).toBe(sums.get("default-1g.img"));
  }, 60_000);
});

describe("newfs refuses", () => {
  const code = (size: number, o: Partial<NewfsOptions>): string => {
    const d = new MemoryDevice(size);
    try {
      newfs([d], { ...GENUINE, label: "x", ...o });
      return "formatted";
    } catch (e) {
      expect(d.allocated).toBe(0);
      return isHammerError(e) ? e.code : String(e);
    }
  };

  it.each([
    ["a root volume too small for the FIFO", 42500096 - 16384, { undoBytes: 8 * MIB }, "E_TOO_SMALL"],
    ["small volumes unless forced", 128 * MIB, { force: false, undoBytes: 512 * MIB }, "E_TOO_SMALL"],
    ["a small FIFO unless forced", 128 * MIB, { force: false, undoBytes: 8 * MIB }, "EINVAL"],
    ["an unknown version", 128 * MIB, { version: 8 }, "E_VERSION"],
    ["an empty label", 128 * MIB, { label: "" }, "EINVAL"],
    ["sizes off the buffer grid", 128 * MIB, { undoBytes: 8 * MIB, bootBytes: 1000 }, "EINVAL"],
  ] as const)("%s", (_what, size, o, want) => {
    expect(code(size, o)).toBe(want);
  });
});
