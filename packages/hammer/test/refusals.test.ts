// SPDX-License-Identifier: BSD-3-Clause
/** Sets of devices that are no file system, or not one that can be written: refused by name, with nothing written to any. */
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryDevice, type BlockDevice } from "../src/device.ts";
import type { HammerError } from "../src/error.ts";
import { mount, type MountOptions } from "../src/mount.ts";
import { newfs } from "../src/newfs.ts";
import { createImage, openImage } from "../src/node/image.ts";
import { SimDisk } from "../src/sim-disk.ts";

const now = (): bigint => 1_700_000_000_000_000n;
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;

/** A file system of some volumes, as disks that count what is done to them. */
function volumes(count: number, id: number): SimDisk[] {
  const disks = Array.from({ length: count }, (_, i) => new SimDisk(new MemoryDevice(96 << 20, { name: `fs${id}-vol${i}` })));
  newfs(disks, { label: `FS${id}`, force: true, undoBytes: 8 << 20, now, fsid: new Uint8Array(16).fill(id) });
  return disks;
}

/** The error of mounting, after making sure that nothing was written. */
function refusal(devices: readonly BlockDevice[], options: Partial<MountOptions> = {}): { code: string; message: string } {
  const written = devices.map((d) => (d instanceof SimDisk ? d.count.write : 0));
  try {
    mount(devices, { now, readOnly: false, ...options });
  } catch (e) {
    expect(devices.map((d) => (d instanceof SimDisk ? d.count.write : 0))).toEqual(written);
    const { code, message } = e as HammerError;
    return { code, message };
  }
  throw new Error("mounted");
}

describe("volumes", () => {
  const [a0, a1, a2] = volumes(3, 1) as [SimDisk, SimDisk, SimDisk];
  const [b0, b1] = volumes(3, 2) as [SimDisk, SimDisk];

  it("are taken in any order", () => {
    const m = mount([a2, a0, a1], { now, readOnly: true });
    expect(m.info().volumes).toBe(3);
    m.unmount();
  });

  it.each<[string, readonly BlockDevice[], string, RegExp]>([
    ["none", [], "EINVAL", /name the volumes/],
    ["one missing", [a0, a2], "E_VOLUME_MISSING", /has 3 volumes, 2 were given: 0 \(fs1-vol0\), 2 \(fs1-vol2\)/],
    ["the root volume missing", [a1, a2], "E_VOLUME_MISSING", /root volume 0 .* is missing: given were 1 \(fs1-vol1\)/],
    ["one of another file system", [a0, b1, a2], "E_VOLUME_FOREIGN", /fs2-vol1 belongs to file system .* fs1-vol0 to/],
    ["one twice", [a0, a1, a1], "E_VOLUME_DUPLICATE", /fs1-vol1 and fs1-vol1 are both volume 1/],
    ["two roots", [a0, b0, a1], "E_VOLUME_FOREIGN", /fs2-vol0/],
  ])("%s", (_what, devices, code, message) => {
    expect(refusal(devices)).toEqual({ code, message: expect.stringMatching(message) as string });
  });
});

describe("a device", () => {
  it("that is not one, or is too short", () => {
    expect(refusal([new MemoryDevice(100, { name: "tiny" })])).toEqual({ code: "E_NOT_HAMMER", message: expect.stringContaining("tiny: 100 bytes are too few") as string });
    expect(refusal([new MemoryDevice(1 << 20, { name: "zeros" })])).toEqual({ code: "E_NOT_HAMMER", message: expect.stringContaining("zeros: not a HAMMER volume") as string });
    const [whole] = volumes(1, 3) as [SimDisk];
    const content = new Uint8Array(80 << 20);
    whole.read(0, content);
    expect(refusal([new MemoryDevice(content.length, { name: "short", content })])).toEqual(
      { code: "E_BAD_VOLUME", message: expect.stringMatching(/^short: .* the device has only 83886080: it was cut short$/) as string });
  });

  it("that is read-only is mounted so, and for writing refused", () => {
    const [whole] = volumes(1, 4) as [SimDisk];
    const content = new Uint8Array(whole.size);
    whole.read(0, content);
    const sealed = new MemoryDevice(content.length, { name: "sealed", content, readOnly: true });
    expect(refusal([sealed])).toEqual({ code: "EROFS", message: expect.stringContaining("sealed: opened read-only") as string });
    const m = mount([sealed], { now });
    expect(m.readOnly).toBe(true);
    expect(() => m.create(m.root, "f", FILE)).toThrowError(expect.objectContaining({ code: "EROFS" }));
    m.unmount();
  });
});

describe("image files", () => {
  const dir = mkdtempSync(join(tmpdir(), "hammer-refusals-"));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("missing, a folder, cut while mounted, in use", () => {
    const image = join(dir, "image");
    expect(() => openImage(join(dir, "no such file"))).toThrowError(/no such file/);
    expect(() => openImage(dir)).toThrowError(/directory/i);
    writeFileSync(join(dir, "text"), "hello");
    expect(() => openImage(join(dir, "text"))).toThrowError(expect.objectContaining({ code: "E_NOT_HAMMER" }));
    createImage(image, { label: "I", size: 128 << 20, force: true, undoBytes: 8 << 20 });
    const m = openImage(image, { readOnly: false });
    expect(() => openImage(image, { readOnly: false })).toThrowError(expect.objectContaining({ code: "E_LOCKED", message: expect.stringContaining(image) as string }));
    const ip = m.create(m.root, "f", FILE);
    m.write(ip, 0, new Uint8Array(1 << 20), 0, 1 << 20);
    m.sync();
    m.rele(ip);
    const { size } = statSync(image);
    truncateSync(image, 32 << 20);
    m.write(ip, 0, new Uint8Array(1 << 20), 0, 1 << 20);
    expect(() => m.sync()).toThrowError(expect.objectContaining({ code: "EIO", message: expect.stringContaining(image) as string }));
    expect(statSync(image).size).toBe(32 << 20);
    expect(size).toBe(128 << 20);
    expect(() => m.unmount()).toThrowError(expect.objectContaining({ code: "EIO" }));
  });
});
