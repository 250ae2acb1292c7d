// SPDX-License-Identifier: BSD-3-Clause
/** Reading genuine and hostile images: names, views of the past, PFSs, damage. */
import { describe, expect, it } from "vitest";
import { crc32c } from "../src/crc.ts";
import { OverlayDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";
import { mount, type HammerMount, type MountOptions } from "../src/mount.ts";
import { resolvePath } from "../src/path.ts";
import { recover } from "../src/recover.ts";
import { blockmap } from "../src/tools/blockmap.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { volumeHeaders } from "../src/tools/raw.ts";
import { showUndo } from "../src/tools/show-undo.ts";
import { show } from "../src/tools/show.ts";
import type { BlockDevice } from "../src/device.ts";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";

const dir = fixtureDir("hammer");
const open = (device: BlockDevice, options: Partial<MountOptions> = {}): HammerMount => mount([device], { readOnly: true, now: () => 0n, ...options });

function textOfFile(m: HammerMount, path: string): string | null {
  const ip = resolvePath(m, path);
  if (ip === null) return null;
  const b = new Uint8Array(ip.size);
  m.read(ip, 0, b, 0, b.length);
  m.rele(ip);
  return Buffer.from(b).toString("latin1");
}

function printed(tool: (devices: readonly BlockDevice[], print: (text: string) => void) => unknown, device: BlockDevice): string {
  let text = "";
  tool([device], (t) => (text += t));
  return text;
}

describe.skipIf(dir === null)("populated images (need shared/fixtures/hammer)", () => {
  const image = dir === null ? null : loadImage(`${dir}/populated-v7.img.gz`);

  it("prints what the original tools print", () => {
    expect(printed(show, image!)).toBe(readFixture(`${dir}/populated-v7.show.txt.gz`).toString("latin1"));
    expect(printed(blockmap, image!)).toBe(readFixture(`${dir}/populated-v7.blockmap.txt`).toString("latin1"));
    expect(printed(checkmap, image!)).toBe(readFixture(`${dir}/populated-v7.checkmap.txt`).toString("latin1"));
  });

  it("@@ names lead into the past, and stay there", () => {
    const m = open(image!);
    expect(textOfFile(m, "history.txt@@0x0000000100002db0")).toBe("version one\n");
    expect(textOfFile(m, "@@0x0000000100002db0/history.txt")).toBe("version one\n");
    expect(textOfFile(m, "removed.txt")).toBeNull();
    expect(textOfFile(m, "@@0x0000000100002de0/removed.txt")).toBe("was here");
    const old = resolvePath(m, "history.txt@@0x0000000100002db0")!;
    expect([old.historical, old.asof]).toEqual([true, 0x1_0000_2db0n]);
    expect(m.lookup(m.root, "history.txt@@nonsense")).toBeNull();
    m.unmount();
  });

  it("links to PFSs lead into them; a slave is seen as of its synchronisation", () => {
    const m = open(image!);
    expect(textOfFile(m, "pfs1/in-pfs.txt")).not.toBeNull();
    expect(m.readlink(resolvePath(m, "pfs2", { follow: false })!)).toBe("@@0x00000001000037b0:00002");
    expect(resolvePath(m, "pfs2/too-new.txt")).toBeNull();
    expect(resolvePath(m, "@@-1:00002/too-new.txt")).not.toBeNull();
    m.unmount();
  });

  it("a cookie of readdir continues where it was taken", () => {
    const m = open(image!);
    const all: [string, bigint][] = [];
    m.readdir(m.root, 0, (name, _id, _type, next) => {
      all.push([name, next]);
      return true;
    });
    expect(all.slice(0, 2).map(([n]) => n)).toEqual([".", ".."]);
    const rest: string[] = [];
    m.readdir(m.root, all[10]![1], (name) => {
      rest.push(name);
      return true;
    });
    expect(rest).toEqual(all.slice(11).map(([n]) => n));
    m.unmount();
  });

  it("M2: a read-only mount refuses changes and writes nothing", () => {
    const device = new OverlayDevice(image!);
    const m = open(device);
    expect(() => m.create(m.root, "x", { type: "file", mode: 0, uid: 0, gid: 0 })).toThrowError(expect.objectContaining({ code: "EROFS" }));
    m.unmount();
    expect(device.allocated).toBe(0);
  });

  it("M1: the past cannot be changed on a read-write mount", () => {
    const m = open(new OverlayDevice(image!), { readOnly: false });
    const old = m.lookup(m.root, "@@0x0000000100002db0")!;
    expect(() => m.unlink(old, "history.txt")).toThrowError(expect.objectContaining({ code: "EROFS" }));
    m.rele(old);
    m.unmount();
  });

  it("damage in file data is an EBADCRC at that place, and nowhere else", () => {
    const device = new OverlayDevice(image!);
    const m0 = open(image!);
    const want = textOfFile(m0, "hello.txt");
    m0.unmount();
    // The 64 KiB block of /big at 1 MiB: its data offset as `show` prints it.
    const line = /dataoff=a([0-9a-f]{15})\/65536/.exec(printed(show, image!))!;
    const at = volumeHeaders([image!])[0]!.bufBeg + Number.parseInt(line[1]!, 16);
    device.write(at + 100, Uint8Array.of(0x55));
    const m = open(device);
    const big = resolvePath(m, "big")!;
    const b = new Uint8Array(65536);
    expect(m.read(big, 0, b, 0, 65536)).toBe(65536);
    expect(() => m.read(big, 1 << 20, b, 0, 65536)).toThrowError(expect.objectContaining({ code: "EBADCRC" }));
    expect(textOfFile(m, "hello.txt")).toBe(want);
    m.unmount();
    expect(show([device], () => {}).badRecords).toBe(1);
  });

  it("C3: a maze of nodes with good CRCs ends in an error, not in an endless walk", () => {
    const device = new OverlayDevice(image!);
    const { bufBeg, btreeRoot } = volumeHeaders([image!])[0]!;
    const at = bufBeg + Number(btreeRoot & 0xf_ffff_ffff_ffffn);
    const root = new Uint8Array(4096);
    device.read(at, root);
    const v = new DataView(root.buffer);
    const count = v.getInt32(16, true);
    // Every slot of the root leads to the root's first child.
    for (let i = 1; i < count; i++) root.copyWithin(64 + i * 64 + 40, 64 + 40, 64 + 64);
    v.setUint32(0, crc32c(root, 4, 4096), true);
    device.write(at, root);
    expect(show([device], () => {}).badNodes).toBeGreaterThan(0);
    expect(checkmap([device], () => {}).badNodes).toBeGreaterThan(0);
    const m = open(device);
    expect(() => {
      m.readdir(m.root, 0, () => true);
      for (const piece of m.mirrorRead()) expect(piece.length).toBeGreaterThan(0);
    }).toThrowError(expect.objectContaining({ code: "EIO" }));
    m.unmount();
  });
});

describe.skipIf(dir === null)("refusals (need shared/fixtures/hammer)", () => {
  const volumes = (): OverlayDevice[] => [0, 1, 2].map((i) => new OverlayDevice(loadImage(`${dir}/threevol-v7.vol${i}.img.gz`)));
  const code = (devices: BlockDevice[]): string => {
    try {
      mount(devices, { readOnly: true, now: () => 0n });
      return "mounted";
    } catch (e) {
      if (!isHammerError(e)) throw e;
      return e.code;
    }
  };

  it("volumes that do not belong together are refused by name, whatever their order", () => {
    const [a, b, c] = volumes() as [OverlayDevice, OverlayDevice, OverlayDevice];
    const [other] = [new OverlayDevice(loadImage(`${dir}/twovol-v7.vol1.img.gz`))];
    expect(code([c, a, b])).toBe("mounted");
    expect(code([a, b])).toBe("E_VOLUME_MISSING");
    expect(code([b, c])).toBe("E_VOLUME_MISSING");
    expect(code([a, b, c, new OverlayDevice(b)])).toBe("E_VOLUME_DUPLICATE");
    b.write(48, Uint8Array.of(0xff));
    expect(code([a, b, c])).toBe("E_VOLUME_FOREIGN");
    a.write(0, Uint8Array.of(0));
    expect(code([a, other])).toBe("E_NOT_HAMMER");
    expect(code([])).toBe("EINVAL");
  });

  it("a version that is not known is refused", () => {
    const [a, b, c] = volumes() as [OverlayDevice, OverlayDevice, OverlayDevice];
    a.write(152, Uint8Array.of(8, 0, 0, 0));
    expect(code([a, b, c])).toBe("E_VERSION");
  });
});

describe.skipIf(dir === null).each(["dirty-v1", "dirty-v7"])("recovery of %s (needs shared/fixtures/hammer)", (name) => {
  const image = dir === null ? null : loadImage(`${dir}/${name}.img.gz`);
  const expected = dir === null ? null : JSON.parse(readFixture(`${dir}/${name}.expect.json`).toString());

  it("finds the span, restores what it names, and is idempotent (R2)", () => {
    const device = new OverlayDevice(image!);
    for (let round = 0; round < 2; round++) {
      const r = recover([device]);
      expect(`0x3${r.last.toString(16).padStart(15, "0")}`).toBe(expected.recovered_last);
      expect(`0x${r.nextSeq.toString(16)}`).toBe(expected.next_seq);
    }
    const inodes = expected.restored.find((x: { what: string }) => x.what === "vol0_stat_inodes");
    const b = new Uint8Array(inodes.length);
    device.read(inodes.image_offset, b);
    expect(Buffer.from(b).toString("hex")).toBe(inodes.hex);
    expect(show([device], () => {})).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
  });

  it("read-only, the device stays as it is and the overlay is sound", () => {
    const device = new OverlayDevice(image!);
    const r = recover([device], { readOnly: true });
    expect(device.allocated).toBe(0);
    expect(show(r.devices, () => {})).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
  });

  it("R1: a bad record inside the span refuses the mount and changes nothing", () => {
    const device = new OverlayDevice(image!);
    const fifo = volumeHeaders([image!])[0]!.bufBeg + 0x100_0000;
    device.write(fifo + 0x400 + 40, Uint8Array.of(0xaa, 0xbb));
    const before = device.allocated;
    expect(() => recover([device])).toThrowError(expect.objectContaining({ code: "EIO", message: expect.stringContaining("3000000000000400") }));
    expect(device.allocated).toBe(before);
  });

  it("show-undo lists the records", () => {
    const head = readFixture(`${dir}/${name}.show-undo-head.txt`).toString("latin1");
    const text = printed(showUndo, image!);
    const from = text.indexOf(head.slice(0, head.indexOf("\n")));
    expect(text.slice(from, from + head.length)).toBe(head);
  });
});
