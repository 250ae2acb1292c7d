// SPDX-License-Identifier: BSD-3-Clause
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostFileError, type HostIoDone } from "@vkernel/hostkernel";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { ENOENT, ENOSPC, ENOTEMPTY, EPERM, EROFS } from "../../sys/errno.ts";
import { type Barrier, MNT_RDONLY } from "../mount.ts";
import type { Vnode } from "../vnode.ts";
import { VDIR, VLNK, VREG, vrele } from "../vnode.ts";
import { DirfsMount } from "./dirfs.ts";
import { type DirfsHost, FdPool } from "./host.ts";
import { OverlayMount } from "./overlay.ts";

const files = new NodePlatform().files;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "vkernel-dirfs-"));
  writeFileSync(join(dir, "file"), "host contents");
  mkdirSync(join(dir, "sub"));
  writeFileSync(join(dir, "sub", "inner"), "inner");
  symlinkSync("/etc/passwd", join(dir, "out"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function read(vp: Vnode, len = 100): string {
  const buf = new Uint8Array(len);
  return String.fromCharCode(...buf.subarray(0, vp.read(0, buf, 0, len)));
}
const bytes = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const put = (vp: Vnode, s: string): number => vp.write(0, bytes(s), 0, s.length);

describe("dirfs", () => {
  it("writes through, and gives links as links (DF2)", () => {
    const root = new DirfsMount(files, dir, 0).root();
    const vp = root.create("new", { type: VREG, mode: 0o640, uid: 0, gid: 0 });
    put(vp, "written by the guest");
    expect(readFileSync(join(dir, "new"), "utf8")).toBe("written by the guest");
    expect(statSync(join(dir, "new")).mode & 0o7777).toBe(0o640);
    const out = root.lookup("out")!;
    expect([out.type, out.readlink()]).toEqual([VLNK, "/etc/passwd"]);
    expect(() => out.read(0, new Uint8Array(10), 0, 10)).toThrow();
  });

  it("follows renames of directories in the paths of what is below (DF1)", () => {
    const root = new DirfsMount(files, dir, 0).root();
    const sub = root.lookup("sub")!;
    const inner = sub.lookup("inner")!;
    root.rename("sub", sub, root, "moved", null);
    expect(read(inner)).toBe("inner");
    put(inner, "INNER");
    expect(readFileSync(join(dir, "moved", "inner"), "utf8")).toBe("INNER");
    expect(() => root.rmdir("moved", sub)).toThrow(ENOTEMPTY);
  });

  it("keeps removed files for their holders (DF3)", () => {
    const mount = new DirfsMount(files, dir, 0);
    const root = mount.root();
    const vp = root.lookup("file")!;
    const second = root.lookup("file")!;
    expect(second).toBe(vp);
    root.unlink("file", vp);
    vrele(second);
    expect(existsSync(join(dir, "file"))).toBe(false);
    expect(root.lookup("file")).toBeNull();
    put(vp, "still");
    expect(read(vp)).toBe("stillcontents");
    expect(vp.getattr().nlink).toBe(0);
    vrele(vp);
  });

  it("DF5: a file is synced beside the machine, and its descriptor outlives that, whatever becomes of the file", () => {
    const calls: string[] = [];
    const done: HostIoDone[] = [];
    const host: DirfsHost = Object.assign(Object.create(files) as typeof files, {
      close: (fd: number): void => {
        calls.push("close");
        files.close(fd);
      },
      fsyncAsync: (_fd: number, then: HostIoDone): void => {
        done.push(then);
      },
    });
    const mount = new DirfsMount(host, dir, 0);
    const vp = mount.root().lookup("file")!;
    vp.fsync();
    vp.fsync();
    const [first, second] = mount.barriers() as [Barrier, Barrier];
    vrele(vp);
    mount.unmount();
    done[0]!(null, 0);
    expect([first.done, first.failed, second.done, calls]).toEqual([true, false, false, []]);
    done[1]!(new HostFileError("EIO", "fsync"), 0);
    expect([second.done, second.failed, calls]).toEqual([true, true, ["close"]]);
    expect(mount.barriers()).toEqual([]);
  });

  it("a removed directory that somebody is in is empty", () => {
    const root = new DirfsMount(files, dir, 0).root();
    const made = root.create("gone", { type: VDIR, mode: 0o755, uid: 0, gid: 0 });
    root.rmdir("gone", made);
    expect(made.getattr()).toMatchObject({ type: VDIR, nlink: 0, mode: 0o755 });
    expect(made.lookup("x")).toBeNull();
    const names: string[] = [];
    expect(made.readdir(0, (name) => names.push(name) > 0)).toBe(true);
    expect(names).toEqual([".", ".."]);
  });

  it("sees what the host does meanwhile", () => {
    const root = new DirfsMount(files, dir, 0).root();
    const before = root.lookup("file")!;
    rmSync(join(dir, "file"));
    expect(root.lookup("file")).toBeNull();
    writeFileSync(join(dir, "file"), "another");
    const after = root.lookup("file")!;
    expect(after).not.toBe(before);
    expect(read(after)).toBe("another");
  });

  it("refuses every change of a read-only mount, and of owners (DF4)", () => {
    const root = new DirfsMount(files, dir, MNT_RDONLY).root();
    const vp = root.lookup("file")!;
    const what = { type: VREG, mode: 0o644, uid: 0, gid: 0 } as const;
    for (const f of [
      () => root.create("x", what),
      () => root.unlink("file", vp),
      () => root.rename("file", vp, root, "y", null),
      () => root.link("z", vp),
      () => vp.setattr({ mode: 0 }),
      () => put(vp, "no"),
    ]) expect(f).toThrow(EROFS);
    const writable = new DirfsMount(files, dir, 0).root().lookup("file")!;
    expect(() => writable.setattr({ uid: 12345 })).toThrow(EPERM);
    expect(() => new DirfsMount(files, join(dir, "nothing"), 0)).toThrow(ENOENT);
  });
});

describe("overlay", () => {
  const now = (): number => 1e15;
  it("shows host contents until they are changed, and changes nothing there (OV1)", () => {
    const root = new OverlayMount(files, dir, 0, { maxBytes: 1 << 20, now }).root();
    const vp = root.lookup("file")!;
    put(vp, "HOST");
    expect(read(vp)).toBe("HOST contents");
    vp.setattr({ size: 6 });
    vp.setattr({ size: 8 });
    expect(read(vp)).toBe("HOST c\0\0");
    const sub = root.lookup("sub")!;
    const inner = sub.lookup("inner")!;
    expect(() => root.rmdir("sub", sub)).toThrow(ENOTEMPTY);
    sub.unlink("inner", inner);
    root.rmdir("sub", sub);
    expect(root.lookup("sub")).toBeNull();
    const again = root.create("sub", { type: VDIR, mode: 0o755, uid: 0, gid: 0 });
    expect(again.lookup("inner")).toBeNull();
    expect(readFileSync(join(dir, "file"), "utf8")).toBe("host contents");
    expect(readFileSync(join(dir, "sub", "inner"), "utf8")).toBe("inner");
  });

  it("gives the names of one host file one node (OV3)", () => {
    linkSync(join(dir, "file"), join(dir, "other"));
    const root = new OverlayMount(files, dir, 0, { maxBytes: 1 << 20, now }).root();
    const a = root.lookup("file")!;
    expect(root.lookup("other")).toBe(a);
    expect(a.getattr().nlink).toBe(2);
  });
});

describe("host descriptors", () => {
  it("are closed when there are too many, the oldest first", () => {
    const opened: string[] = [];
    const closed: number[] = [];
    const pool = new FdPool<{ n: number }>({ ...files, open: (p) => opened.push(p), close: (fd) => closed.push(fd) }, 3);
    const keys = [1, 2, 3, 4].map((n) => ({ n }));
    const get = (i: number): number => pool.get(keys[i]!, () => `f${i}`, false);
    get(0);
    get(1);
    get(2);
    get(0);
    get(3);
    expect(closed).toEqual([2]);
    pool.closeAll();
    expect(closed.toSorted()).toEqual([1, 2, 3, 4]);
  });
});

it("changes to a host directory are bounded: ENOSPC, what fits is kept, the host stays as it is, the owner is told", () => {
  let told = 0;
  const mount = new OverlayMount(files, dir, 0, { maxBytes: 300_000, now: () => 0, full: () => told++ });
  const root = mount.root();
  const vp = root.create("big", { type: VREG, mode: 0o644, uid: 0, gid: 0 });
  const chunk = new Uint8Array(65_536).fill(7);
  let written = 0;
  for (let n = 0; n < 4; n++) written += vp.write(written, chunk, 0, chunk.length);
  expect([written, told]).toEqual([262_144, 0]);
  expect(() => vp.write(written, chunk, 0, chunk.length)).toThrow(ENOSPC.message);
  expect(told).toBeGreaterThan(0);
  const back = new Uint8Array(10);
  expect([vp.read(written - 10, back, 0, 10), back[0], vp.size()]).toEqual([10, 7, written]);
  expect(mount.statfs().bavail).toBeLessThan(16);
  expect(existsSync(join(dir, "big"))).toBe(false);
  expect(read(root.lookup("file")!)).toBe("host contents");
  // Space that is given back may be used again.
  root.unlink("big", vp);
  vrele(vp);
  expect(put(root.create("small", { type: VREG, mode: 0o644, uid: 0, gid: 0 }), "fits")).toBe(4);
});
