// SPDX-License-Identifier: BSD-3-Clause
import { beforeEach, describe, expect, it } from "vitest";
import { EACCES, EBUSY, ELOOP, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY } from "../sys/errno.ts";
import type { Ucred } from "../sys/ucred.ts";
import { ROOT_CRED, ucredOf } from "../sys/ucred.ts";
import { Mountlist } from "./mountlist.ts";
import type { Nchandle } from "./namecache.ts";
import { cacheDrop, cacheFullpath, Namecache } from "./namecache.ts";
import { MAXSYMLINKS, NLC_COVERED, NLC_CREATE, NLC_FOLLOW, NLC_NOSYMLINK, Nlookup, nlookup } from "./nlookup.ts";
import { TmpfsMount } from "./tmpfs/tmpfs.ts";
import type { Vnode } from "./vnode.ts";
import { VDIR, VLNK, VREG, vrele } from "./vnode.ts";

const USER: Ucred = ucredOf(7, 7);
let clock = 1e15;
const newTmpfs = (maxBytes = 1 << 22): TmpfsMount => new TmpfsMount("tmpfs", 0, { maxBytes, now: () => clock++, rootMode: 0o755 });

let mounts: Mountlist;
let nd: Nlookup;

function make(path: string, type: typeof VREG | typeof VDIR | typeof VLNK, mode = 0o755, target = ""): void {
  const nch = nlookup(nd, path, NLC_CREATE);
  expect(nch.vp).toBeNull();
  const dir = nch.parent!.vp!;
  nch.cache.setVnode(nch, dir.create(nch.name, { type, mode, uid: 0, gid: 0, target }));
  cacheDrop(nch);
}
/** Resolves a path and gives back its full path; throws what nlookup throws. */
function where(path: string, flags = NLC_FOLLOW): string | null {
  const nch = nlookup(nd, path, flags);
  const full = cacheFullpath(nch, nd.rdir);
  cacheDrop(nch);
  return full;
}
const withName = <T>(path: string, f: (nch: Nchandle, vp: Vnode) => T): T => {
  const nch = nlookup(nd, path, 0);
  try {
    return f(nch, nch.vp!);
  } finally {
    cacheDrop(nch);
  }
};

beforeEach(() => {
  mounts = new Mountlist(new Namecache(8));
  mounts.mountRoot(newTmpfs());
  nd = new Nlookup(ROOT_CRED, mounts.root, mounts.root);
  make("/usr", VDIR);
  make("/usr/bin", VDIR);
  make("/usr/bin/ls", VREG);
});

describe("nlookup", () => {
  it("walks names, dots and slashes", () => {
    expect(where("/usr/bin/ls")).toBe("/usr/bin/ls");
    expect(where("//usr/./bin/../bin//ls")).toBe("/usr/bin/ls");
    expect(where("/usr/bin/")).toBe("/usr/bin");
    expect(where("/..")).toBe("/");
    expect(() => where("/usr/bin/ls/")).toThrow(ENOTDIR);
    expect(() => where("/usr/bin/ls/x")).toThrow(ENOTDIR);
    expect(() => where("/usr/nothing/x")).toThrow(ENOENT);
    expect(() => where("")).toThrow(ENOENT);
  });

  it("follows links, relative and absolute, and counts them", () => {
    make("/usr/l", VLNK, 0o777, "bin/ls");
    make("/abs", VLNK, 0o777, "/usr/bin");
    expect(where("/usr/l")).toBe("/usr/bin/ls");
    expect(where("/usr/l", 0)).toBe("/usr/l");
    expect(() => where("/usr/l", NLC_NOSYMLINK)).toThrow(ELOOP);
    expect(where("/abs/ls")).toBe("/usr/bin/ls");
    expect(where("/abs/", 0)).toBe("/usr/bin");
    let target = "/usr/bin";
    for (let i = 1; i <= MAXSYMLINKS + 1; i++) {
      make(`/chain${i}`, VLNK, 0o777, target);
      target = `/chain${i}`;
    }
    expect(where(`/chain${MAXSYMLINKS}`)).toBe("/usr/bin");
    expect(() => where(`/chain${MAXSYMLINKS + 1}`)).toThrow(ELOOP);
    make("/loop", VLNK, 0o777, "loop");
    expect(() => where("/loop")).toThrow(ELOOP);
  });

  it("asks every directory for VEXEC", () => {
    make("/secret", VDIR, 0o700);
    make("/secret/file", VREG);
    nd.cred = USER;
    expect(() => where("/secret/file")).toThrow(EACCES);
    expect(() => where("/secret/../usr")).toThrow(EACCES);
    expect(where("/secret")).toBe("/secret");
  });

  it("crosses mount points both ways and stays below the root directory", () => {
    make("/mnt", VDIR);
    const other = newTmpfs();
    withName("/mnt", (nch) => mounts.mountOn(other, nch));
    make("/mnt/inner", VDIR);
    expect(where("/mnt/inner")).toBe("/mnt/inner");
    expect(where("/mnt/inner/../../usr")).toBe("/usr");
    expect(nlookup(nd, "/mnt", NLC_COVERED).mount).toBe(mounts.list[0]);
    nd.rdir = nlookup(nd, "/mnt", 0);
    expect(where("/../..")).toBe("/");
    expect(where("/inner")).toBe("/inner");
    expect(() => where("/usr")).toThrow(ENOENT);
    nd.rdir = mounts.root;
  });

  it("holds nothing when it throws (L1)", () => {
    const before = mounts.root.refs;
    expect(() => where("/usr/bin/none")).toThrow(ENOENT);
    const bin = nlookup(nd, "/usr/bin", 0);
    expect(() => where("/usr/bin/none/x")).toThrow(ENOENT);
    expect(bin.refs).toBe(1 + bin.children!.size);
    cacheDrop(bin);
    expect(mounts.root.refs).toBe(before);
  });
});

describe("namecache", () => {
  it("remembers absent names and gives them a file when one is made (N2)", () => {
    expect(() => where("/usr/new")).toThrow(ENOENT);
    const misses = mounts.cache.misses;
    expect(() => where("/usr/new")).toThrow(ENOENT);
    expect(mounts.cache.misses).toBe(misses);
    make("/usr/new", VREG);
    expect(where("/usr/new")).toBe("/usr/new");
  });

  it("keeps the limit of idle names and drops its vnodes (N1, N5)", () => {
    for (let i = 0; i < 40; i++) make(`/usr/f${i}`, VREG);
    expect(mounts.cache.idle).toBeLessThanOrEqual(8);
    const root = mounts.list[0] as TmpfsMount;
    withName("/usr", (_nch, usr) => {
      let held = 0;
      for (let i = 0; i < 40; i++) {
        const vp = usr.lookup(`f${i}`)!;
        if (vp.refs > 1) held++;
        vrele(vp);
      }
      expect(held).toBeLessThanOrEqual(8);
    });
    expect(root.nodes).toBe(1 + 3 + 40);
  });

  it("keeps a removed file for its holders, without a path", () => {
    const nch = nlookup(nd, "/usr/bin/ls", 0);
    const vp = nch.vp!;
    nch.parent!.vp!.unlink("ls", vp);
    mounts.cache.detach(nch);
    expect(nch.vp).toBe(vp);
    expect(cacheFullpath(nch, nd.rdir)).toBeNull();
    expect(() => where("/usr/bin/ls")).toThrow(ENOENT);
    const nodes = (mounts.list[0] as TmpfsMount).nodes;
    cacheDrop(nch);
    expect((mounts.list[0] as TmpfsMount).nodes).toBe(nodes - 1);
  });

  it("moves names with rename, so that a working directory follows", () => {
    const bin = nlookup(nd, "/usr/bin", 0);
    const to = nlookup(nd, "/sbin", NLC_CREATE);
    bin.parent!.vp!.rename("bin", bin.vp!, to.parent!.vp!, "sbin", null);
    mounts.cache.rename(bin, to);
    cacheDrop(to);
    expect(cacheFullpath(bin, nd.rdir)).toBe("/sbin");
    expect(where("/sbin/ls")).toBe("/sbin/ls");
    nd.cdir = bin;
    expect(where("../usr")).toBe("/usr");
  });
});

describe("mountlist", () => {
  it("refuses to unmount what is in use (M2)", () => {
    make("/mnt", VDIR);
    const other = newTmpfs();
    withName("/mnt", (nch) => mounts.mountOn(other, nch));
    make("/mnt/file", VREG);
    const held = nlookup(nd, "/mnt/file", 0);
    expect(() => mounts.unmount(other, false)).toThrow(EBUSY);
    cacheDrop(held);
    mounts.unmount(other, false);
    expect(() => where("/mnt/file")).toThrow(ENOENT);
    expect(mounts.list.length).toBe(1);
    mounts.unmountAll();
    expect(mounts.list.length).toBe(0);
    expect(mounts.cache.entries).toBe(0);
  });
});

describe("tmpfs", () => {
  const file = (): Vnode => withName("/usr/bin/ls", (_n, vp) => vp);

  it("reads back what was written, with holes as zeros", () => {
    const vp = file();
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i * 7);
    expect(vp.write(100_000, bytes, 0, bytes.length)).toBe(bytes.length);
    const back = new Uint8Array(300_000).fill(0xaa);
    expect(vp.read(0, back, 0, back.length)).toBe(300_000);
    expect(back.subarray(0, 100_000).every((b) => b === 0)).toBe(true);
    expect(back.subarray(100_000)).toEqual(bytes);
    vp.setattr({ size: 150_001 });
    vp.setattr({ size: 300_000 });
    expect(vp.read(150_000, back, 0, 3)).toBe(3);
    expect([...back.subarray(0, 3)]).toEqual([bytes[50_000], 0, 0]);
    expect(vp.read(300_000, back, 0, 3)).toBe(0);
  });

  it("stops at its limit with a short write, then ENOSPC, and gives memory back (TF2)", () => {
    const small = newTmpfs(200_000);
    const root = small.root();
    const vp = root.create("big", { type: VREG, mode: 0o644, uid: 0, gid: 0 });
    const used = small.budget.used;
    const bytes = new Uint8Array(300_000);
    const n = vp.write(0, bytes, 0, bytes.length);
    expect(n).toBeGreaterThan(100_000);
    expect(n).toBeLessThan(200_000);
    expect(() => vp.write(n, bytes, 0, 100_000)).toThrow(ENOSPC);
    root.unlink("big", vp);
    expect(small.budget.used).toBeGreaterThan(used);
    vrele(vp);
    expect(small.budget.used).toBeLessThan(used);
  });

  it("keeps directory positions while entries come and go (TD1)", () => {
    withName("/usr", (_nch, usr) => {
      for (let i = 0; i < 100; i++) vrele(usr.create(`n${i}`, { type: VREG, mode: 0o644, uid: 0, gid: 0 }));
      const seen: string[] = [];
      let cookie = 0;
      let done = false;
      while (!done) {
        let room = 7;
        done = usr.readdir(cookie, (name, _id, _type, next) => {
          if (room-- === 0) return false;
          seen.push(name);
          cookie = next;
          return true;
        });
        // Everything already seen is removed while the listing goes on.
        for (const name of seen) {
          if (!name.startsWith("n")) continue;
          const vp = usr.lookup(name);
          if (vp === null) continue;
          usr.unlink(name, vp);
          vrele(vp);
        }
      }
      expect(seen.filter((n) => n.startsWith("n"))).toEqual(Array.from({ length: 100 }, (_, i) => `n${i}`));
      expect(seen.slice(0, 3)).toEqual([".", "..", "bin"]);
    });
  });

  it("renames over files and refuses full directories", () => {
    make("/d1", VDIR);
    make("/d2", VDIR);
    make("/d2/x", VREG);
    const root = mounts.root.vp!;
    const [d1, d2] = [root.lookup("d1")!, root.lookup("d2")!];
    expect(() => root.rename("d1", d1, root, "d2", d2)).toThrow(ENOTEMPTY);
    root.rename("d2", d2, root, "d1", d1);
    expect(root.lookup("d1")).toBe(d2);
    expect(root.getattr().nlink).toBe(2 + 2);
    expect(() => root.rmdir("d1", d2)).toThrow(ENOTEMPTY);
  });
});
