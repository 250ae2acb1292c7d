// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { MemoryDevice } from "../src/device.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { fixtureDir, readFixture } from "./fixtures.ts";

const dir = fixtureDir("hammer");
const IMAGES = ["small-v1", "small-v6", "small-v7"] as const;
const FILE = { type: "file", mode: 0o644, uid: 1, gid: 2 } as const;
const DIRECTORY = { type: "dir", mode: 0o755, uid: 0, gid: 0 } as const;

let clock = 1_300_000_000_000_000n;
const now = (): bigint => (clock += 1000n);

function device(name: string): MemoryDevice {
  const content = readFixture(`${dir}/${name}.img.gz`);
  return new MemoryDevice(content.length, { name, content });
}

function pattern(n: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => (i * 31 + (i >> 8) * 17 + seed) & 0xff);
}

function readAll(m: HammerMount, path: string): Uint8Array | null {
  let ip = m.root;
  m.ref(ip);
  for (const part of path.split("/")) {
    const next = m.lookup(ip, part);
    m.rele(ip);
    if (next === null) return null;
    ip = next;
  }
  const out = new Uint8Array(ip.size);
  expect(m.read(ip, 0, out, 0, out.length)).toBe(out.length);
  m.rele(ip);
  return out;
}

describe.skipIf(dir === null).each(IMAGES)("writing to %s", (image) => {
  it("create, write, sync, remount, read", () => {
    const d = device(image);
    let m = mount([d], { now });
    const sub = m.create(m.root, "sub", DIRECTORY);
    const files: [string, number][] = [["empty", 0], ["tiny", 5], ["half", 8192], ["more", 8193], ["block", 16384], ["two", 20000], ["big", 1048576 + 70000]];
    for (const [name, size] of files) {
      const ip = m.create(sub, name, FILE);
      expect(m.write(ip, 0, pattern(size, size), 0, size)).toBe(size);
      m.rele(ip);
    }
    m.rele(sub);
    for (const [name, size] of files) expect(Buffer.compare(readAll(m, `sub/${name}`)!, pattern(size, size)), name).toBe(0);
    m.unmount();
    m = mount([d], { now });
    expect(m.recovery.clean).toBe(true);
    for (const [name, size] of files) expect(Buffer.compare(readAll(m, `sub/${name}`)!, pattern(size, size)), name).toBe(0);
    m.unmount();
    expect(checkmap([d], () => {})).toEqual({ badNodes: 0, errors: 0 });
  });
});
