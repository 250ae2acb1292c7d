// SPDX-License-Identifier: BSD-3-Clause
/** Extended attributes: their records, their history, their end; random ones are part of the model (model.ts), power cuts included. */
import { describe, expect, it } from "vitest";
import { OverlayDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import type { HammerInode } from "../src/object/inode.ts";
import { Salvage } from "../src/salvage/salvage.ts";
import { show } from "../src/tools/show.ts";
import { formatted } from "./formatted.ts";
import { expectSound } from "./sound.ts";

let clock = 1_800_000_000_000_000n;
const open = (device: OverlayDevice, readOnly = false): HammerMount => mount([device], { readOnly, now: () => (clock += 1000n) });
const bytes = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const text = (b: Uint8Array | null): string | null => (b === null ? null : String.fromCharCode(...b));
const file = (m: HammerMount, name: string): HammerInode => m.create(m.root, name, { type: "file", mode: 0o644, uid: 0, gid: 0 });
function codeOf(run: () => void): string | null {
  try {
    run();
  } catch (e) {
    if (!isHammerError(e)) throw e;
    return e.code;
  }
  return null;
}

describe("extended attributes", () => {
  it("each change can be seen as of then, and is in the object's history", () => {
    const device = new OverlayDevice(formatted(7));
    const m = open(device);
    const ip = file(m, "f");
    const seen: [bigint, string | null][] = [];
    for (const value of ["one", "two", null, "three"]) {
      if (value === null) m.removeXattr(ip, "user.a");
      else m.setXattr(ip, "user.a", bytes(value));
      seen.push([m.sync(), value]);
    }
    expect(m.fullHistory(ip).length).toBe(4);
    for (const [tid, value] of seen) {
      const then = m.lookup(m.root, `f@@0x${tid.toString(16).padStart(16, "0")}`)!;
      expect(text(m.getXattr(then, "user.a"))).toBe(value);
      expect(m.listXattr(then)).toEqual(value === null ? [] : ["user.a"]);
      expect(codeOf(() => m.setXattr(then, "user.a", bytes("x")))).toBe("EROFS");
      expect(codeOf(() => m.removeXattr(then, "user.a"))).toBe("EROFS");
      m.rele(then);
    }
    m.rele(ip);
    m.unmount();
    expectSound(device);
  });

  it("fsync makes them durable, also of a file whose writes are logged", () => {
    const device = new OverlayDevice(formatted(7));
    const m = open(device);
    const ip = file(m, "f");
    for (let i = 0; i < 3; i++) {
      m.write(ip, i, bytes("x"), 0, 1);
      m.fsync(ip);
    }
    m.setXattr(ip, "user.a", bytes("durable"));
    m.fsync(ip);
    m.setXattr(ip, "user.a", bytes("not yet"));
    // What the disk holds now, as after a power cut.
    const after = open(new OverlayDevice(device));
    expect(text(after.getXattr(after.lookup(after.root, "f")!, "user.a"))).toBe("durable");
  });

  it("names with one hash live beside each other", () => {
    const device = new OverlayDevice(formatted(7));
    const m = open(device);
    const ip = file(m, "f");
    m.setXattr(ip, "plumless", bytes("1"));
    m.setXattr(ip, "buckeroo", bytes("2"));
    m.sync();
    m.removeXattr(ip, "plumless");
    m.setXattr(ip, "buckeroo", bytes("3"));
    m.setXattr(ip, "plumless", bytes("4"));
    expect([text(m.getXattr(ip, "plumless")), text(m.getXattr(ip, "buckeroo"))]).toEqual(["4", "3"]);
    expect(m.listXattr(ip).sort()).toEqual(["buckeroo", "plumless"]);
    m.rele(ip);
    m.unmount();
    expectSound(device);
  });

  it("limits: 255 bytes of name, a buffer for both", () => {
    const m = open(new OverlayDevice(formatted(7)));
    const ip = file(m, "f");
    const longest = "n".repeat(255);
    m.setXattr(ip, longest, new Uint8Array(16_384 - 8 - 255).fill(7));
    expect(m.getXattr(ip, longest)!.length).toBe(16_384 - 8 - 255);
    expect(codeOf(() => m.setXattr(ip, longest, new Uint8Array(16_384 - 8 - 254)))).toBe("E2BIG");
    for (const name of ["", "a\0b", "n".repeat(256)]) expect(codeOf(() => m.setXattr(ip, name, bytes("x")))).toBe("EINVAL");
    expect(codeOf(() => m.setXattr(ip, "a", bytes("x"), "replace"))).toBe("ENOATTR");
    expect(codeOf(() => m.setXattr(ip, longest, bytes("x"), "create"))).toBe("EEXIST");
    expect(codeOf(() => m.removeXattr(ip, "a"))).toBe("ENOATTR");
  });

  it("a directory of version 1 takes none: DragonFly could not remove it", () => {
    const m = open(new OverlayDevice(formatted(1)));
    expect(codeOf(() => m.setXattr(m.root, "user.a", bytes("x")))).toBe("EOPNOTSUPP");
    const ip = file(m, "f");
    m.setXattr(ip, "user.a", bytes("x"));
    expect(m.listXattr(ip)).toEqual(["user.a"]);
  });

  it("they end with the object, thousands of them in several flush groups", () => {
    const device = new OverlayDevice(formatted(7));
    const m = open(device);
    const dir = m.create(m.root, "d", { type: "dir", mode: 0o755, uid: 0, gid: 0 });
    for (let i = 0; i < 4000; i++) m.setXattr(dir, `user.${i}`, bytes(`${i}`));
    expect(m.listXattr(dir).length).toBe(4000);
    m.sync();
    const live = (): number => {
      let all = "";
      show([device], (t) => (all += t));
      return all.split("\n").filter((line, i, lines) => line.includes("ext-attribute") && / del?=0{16}|tid=[0-9a-f]{16}:0{16}/.test(lines[i - 1]!)).length;
    };
    expect(live()).toBe(4000);
    m.rmdir(m.root, "d");
    m.rele(dir);
    m.sync();
    m.unmount();
    expectSound(device);
    expect(live()).toBe(0);
  });

  it("show names them, salvage brings them back", () => {
    const device = new OverlayDevice(formatted(7));
    const m = open(device);
    const ip = file(m, "f");
    m.setXattr(ip, "user.note", bytes("old"));
    m.sync();
    m.setXattr(ip, "user.note", bytes("new"));
    m.setXattr(ip, "trusted.t", bytes("\0"));
    m.rele(ip);
    m.unmount();
    let shown = "";
    show([device], (t) => (shown += t));
    expect(shown.match(/ext-attribute name="user.note" size=3/g)?.length).toBe(2);
    const found = [...new Salvage([device])].find((o) => o.path.endsWith("/f"))!;
    expect([...found.xattrs].map(([name, value]) => `${name}=${text(value)}`).sort()).toEqual(["trusted.t=\0", "user.note=new"]);
  });
});
