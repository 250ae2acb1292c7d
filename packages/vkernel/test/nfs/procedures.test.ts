// SPDX-License-Identifier: BSD-3-Clause
/** The procedures of NFS version 3, each against what RFC 1813 says of it, on a file system in memory. */
import { beforeEach, describe, expect, it } from "vitest";
import { NFS3, type Fattr3 } from "../../src/nfs/nfs3-proto.ts";
import { nlookup, Nlookup } from "../../src/vfs/nlookup.ts";
import { ROOT_CRED } from "../../src/sys/ucred.ts";
import { cacheDrop, cacheFullpath } from "../../src/vfs/namecache.ts";
import { VREG, vrele } from "../../src/vfs/vnode.ts";
import { Client, Service, UNCHANGED } from "./client.ts";

const NOENT = 2, ACCES = 13, EXIST = 17, NOTDIR = 20, ISDIR = 21, INVAL = 22, FBIG = 27, ROFS = 30, NAMETOOLONG = 63, NOTEMPTY = 66, STALE = 70;
const PERM = 1, BADHANDLE = 10001, NOT_SYNC = 10002, BAD_COOKIE = 10003, TOOSMALL = 10005, BADTYPE = 10007;

let service: Service;
let root: Client;
let user: Client;
/** "/" of the kernel, exported with root's rights. */
let top: Uint8Array;

beforeEach(() => {
  service = new Service([{ path: "/", mapRoot: { uid: 0, gid: 0 } }]);
  root = new Client(service);
  user = new Client(service, { uid: 1000, gid: 100, gids: [200] });
  top = root.mount("/");
});
const attributes = (object: Uint8Array): Fattr3 => root.must("GETATTR", { object }).attributes;

describe("the table", () => {
  it("has all 22 procedures", () => {
    const numbers = Object.values(NFS3).map((row) => row.number);
    expect([0, ...numbers]).toEqual(Array.from({ length: 22 }, (_, i) => i));
  });
});

describe("files", () => {
  it("are written and read at any offset, holes are zeros, and the end is told", () => {
    const file = root.create(top, "file");
    expect(root.write(file, 5, "hello")).toBe(5);
    expect(root.read(file)).toBe("\0\0\0\0\0hello");
    expect(attributes(file)).toMatchObject({ type: 1, mode: 0o644, nlink: 1, size: 10 });
    expect(root.must("READ", { file, offset: 2, count: 4 })).toMatchObject({ count: 4, eof: false });
    expect(root.must("READ", { file, offset: 8, count: 2 })).toMatchObject({ count: 2, eof: true });
    expect(root.must("READ", { file, offset: 50, count: 2 })).toMatchObject({ count: 0, eof: true });
    expect(root.must("READ", { file, offset: 2 ** 62, count: 2 })).toMatchObject({ count: 0, eof: true });
    expect(root.status("READ", { file: top, offset: 0, count: 1 })).toBe(ISDIR);
    expect(root.status("WRITE", { file: top, offset: 0, count: 0, stable: 0, data: new Uint8Array(0) })).toBe(ISDIR);
    expect(root.status("WRITE", { file, offset: 2 ** 60, count: 1, stable: 0, data: new Uint8Array(1) })).toBe(FBIG);
  });

  it("answer with the attributes of before and after", () => {
    const file = root.create(top, "file");
    const before = attributes(file);
    const data = new Uint8Array(100);
    const { wcc, committed, verifier } = root.must("WRITE", { file, offset: 0, count: 100, stable: 0, data });
    expect(wcc.before).toEqual({ size: 0, mtime: before.mtime, ctime: before.ctime });
    expect(wcc.after).toEqual(attributes(file));
    expect(wcc.after!.size).toBe(100);
    expect(committed).toBe(0);
    expect(root.must("WRITE", { file, offset: 0, count: 1, stable: 1, data: data.slice(0, 1) }).committed).toBe(2);
    expect(root.must("COMMIT", { file, offset: 0, count: 0 }).verifier).toEqual(verifier);
  });

  it("are made in three ways", () => {
    const where = { dir: top, name: "f" };
    const attrs = { ...UNCHANGED, mode: 0o600, size: 0 };
    root.must("CREATE", { where, how: { kind: 1, value: attrs } });
    expect(root.status("CREATE", { where, how: { kind: 1, value: attrs } })).toBe(EXIST);
    root.write(root.lookup(top, "f"), 0, "text");
    root.must("CREATE", { where, how: { kind: 0, value: { ...UNCHANGED, mode: 0o777 } } });
    expect(attributes(root.lookup(top, "f"))).toMatchObject({ size: 4, mode: 0o600 });
    root.must("CREATE", { where, how: { kind: 0, value: attrs } });
    expect(attributes(root.lookup(top, "f")).size).toBe(0);

    const verifier = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const exclusive = { where: { dir: top, name: "x" }, how: { kind: 2 as const, value: verifier } };
    const first = root.must("CREATE", exclusive).object;
    expect(root.must("CREATE", exclusive).object).toEqual(first);
    const other = { ...exclusive, how: { kind: 2 as const, value: new Uint8Array(8) } };
    expect(root.status("CREATE", other)).toBe(EXIST);
    root.mkdir(top, "d");
    expect(root.status("CREATE", { where: { dir: top, name: "d" }, how: { kind: 0, value: attrs } })).toBe(EXIST);
  });

  it("go away, and their handles are stale", () => {
    const file = root.create(top, "file");
    const { dirWcc } = root.must("REMOVE", { what: { dir: top, name: "file" } });
    expect(dirWcc.before).not.toBeNull();
    expect(root.status("GETATTR", { object: file })).toBe(STALE);
    expect(root.status("REMOVE", { what: { dir: top, name: "file" } })).toBe(NOENT);
    const dir = root.mkdir(top, "dir");
    expect(root.status("REMOVE", { what: { dir: top, name: "dir" } })).not.toBe(0);
    root.create(dir, "inside");
    expect(root.status("RMDIR", { what: { dir: top, name: "dir" } })).toBe(NOTEMPTY);
    root.must("REMOVE", { what: { dir, name: "inside" } });
    root.must("RMDIR", { what: { dir: top, name: "dir" } });
    expect(root.status("READDIR", { dir, cookie: 0n, verifier: new Uint8Array(8), count: 4096 })).toBe(STALE);
  });
});

describe("names", () => {
  it("are looked up, with . and .. that stay inside", () => {
    const dir = root.mkdir(top, "dir");
    expect(root.lookup(dir, ".")).toEqual(dir);
    expect(root.lookup(dir, "..")).toEqual(top);
    expect(root.lookup(top, "..")).toEqual(top);
    const missing = root.call("LOOKUP", { what: { dir, name: "no" } });
    expect(missing).toMatchObject({ status: NOENT, fail: { dirAttributes: { type: 2 } } });
    expect(root.status("LOOKUP", { what: { dir, name: "a/b" } })).toBe(ACCES);
    expect(root.status("LOOKUP", { what: { dir, name: "" } })).toBe(INVAL);
    expect(root.status("LOOKUP", { what: { dir, name: "n".repeat(256) } })).toBe(NAMETOOLONG);
    expect(root.status("LOOKUP", { what: { dir: root.create(top, "f"), name: "x" } })).toBe(NOTDIR);
  });

  it("move, replace and link", () => {
    const a = root.mkdir(top, "a");
    const b = root.mkdir(top, "b");
    const file = root.create(a, "file");
    root.write(file, 0, "contents");
    root.create(b, "old");
    const moved = root.must("RENAME", { from: { dir: a, name: "file" }, to: { dir: b, name: "old" } });
    expect(moved.fromWcc.after).toEqual(attributes(a));
    expect(moved.toWcc.after).toEqual(attributes(b));
    expect(root.names(a).toSorted()).toEqual([".", ".."]);
    expect(root.read(root.lookup(b, "old"))).toBe("contents");
    root.must("LINK", { file, where: { dir: a, name: "second" } });
    expect(attributes(file).nlink).toBe(2);
    expect(root.lookup(a, "second")).toEqual(file);
    expect(root.status("RENAME", { from: { dir: top, name: "a" }, to: { dir: a, name: "inside" } })).toBe(INVAL);
    expect(root.status("RENAME", { from: { dir: top, name: "." }, to: { dir: a, name: "x" } })).toBe(INVAL);
    expect(root.status("LINK", { file: a, where: { dir: b, name: "dirlink" } })).toBe(PERM);
  });

  it("stay right for the kernel's own path walks", () => {
    const { k } = service.bench;
    const { mounts } = k;
    const walk = (path: string): string => {
      const nch = nlookup(new Nlookup(ROOT_CRED, mounts.root, mounts.root), path, 0);
      try {
        return cacheFullpath(nch, mounts.root)!;
      } finally {
        cacheDrop(nch);
      }
    };
    const dir = root.mkdir(top, "dir");
    expect(() => walk("/dir/new")).toThrow();
    root.create(dir, "new");
    expect(walk("/dir/new")).toBe("/dir/new");
    root.must("RENAME", { from: { dir: top, name: "dir" }, to: { dir: top, name: "moved" } });
    expect(walk("/moved/new")).toBe("/moved/new");
    expect(() => walk("/dir/new")).toThrow();
    root.must("REMOVE", { what: { dir, name: "new" } });
    expect(() => walk("/moved/new")).toThrow();
    // And what processes do is seen by clients.
    vrele(mounts.root.vp!.create("theirs", { type: VREG, mode: 0o600, uid: 0, gid: 0 }));
    expect(attributes(root.lookup(top, "theirs")).mode).toBe(0o600);
  });

  it("of links, fifos and devices", () => {
    const link = root.must("SYMLINK", { where: { dir: top, name: "link" }, attributes: UNCHANGED, target: "/etc/motd" }).object!;
    expect(root.must("READLINK", { object: link }).target).toBe("/etc/motd");
    expect(root.status("READLINK", { object: top })).toBe(INVAL);
    const mknod = (name: string, what: Parameters<typeof root.status<"MKNOD">>[1]["what"]): number =>
      root.status("MKNOD", { where: { dir: top, name }, what });
    expect(mknod("fifo", { kind: 7, value: { ...UNCHANGED, mode: 0o620 } })).toBe(0);
    expect(attributes(root.lookup(top, "fifo"))).toMatchObject({ type: 7, mode: 0o620 });
    expect(mknod("dev", { kind: 4, value: { attributes: { ...UNCHANGED, mode: 0o600 }, spec: { major: 4, minor: 300 } } })).toBe(0);
    expect(attributes(root.lookup(top, "dev"))).toMatchObject({ type: 4, rdev: { major: 4, minor: 300 } });
    expect(mknod("file", { kind: 1, value: null })).toBe(BADTYPE);
    user.who = { uid: 7, gid: 7 };
    expect(user.status("READ", { file: root.lookup(top, "fifo"), offset: 0, count: 1 })).toBe(INVAL);
  });
});

describe("directories", () => {
  it("are listed whole in small pieces, while names come and go", () => {
    const dir = root.mkdir(top, "dir");
    const names = Array.from({ length: 300 }, (_, i) => `file-${i}`);
    for (const name of names) root.create(dir, name);
    expect(root.names(dir, 512).toSorted()).toEqual([".", "..", ...names].toSorted());
    const first = root.must("READDIR", { dir, cookie: 0n, verifier: new Uint8Array(8), count: 1024 });
    for (const { name } of first.entries) if (name.startsWith("f")) root.must("REMOVE", { what: { dir, name } });
    const rest: string[] = [];
    for (let { entries, eof, verifier } = first; !eof; ) {
      ({ entries, eof, verifier } = root.must("READDIR", { dir, cookie: entries.at(-1)!.cookie, verifier, count: 1024 }));
      for (const { name } of entries) rest.push(name);
    }
    expect([...first.entries.map((e) => e.name), ...rest].toSorted()).toEqual([".", "..", ...names].toSorted());
  });

  it("are listed with attributes and handles", () => {
    const file = root.create(top, "file");
    root.write(file, 0, "abc");
    const { entries, eof } = root.must("READDIRPLUS", { dir: top, cookie: 0n, verifier: new Uint8Array(8), dircount: 1000, maxcount: 8192 });
    expect(eof).toBe(true);
    const entry = entries.find((e) => e.name === "file")!;
    expect(entry.handle).toEqual(file);
    expect(entry.attributes).toEqual(attributes(file));
    expect(entry.fileid).toBe(attributes(file).fileid);
    expect(entries.find((e) => e.name === "..")!.fileid).toBe(attributes(top).fileid);
  });

  it("have a least size, and positions that belong to this server", () => {
    const verifier = new Uint8Array(8);
    expect(root.status("READDIR", { dir: top, cookie: 0n, verifier, count: 100 })).toBe(TOOSMALL);
    expect(root.status("READDIR", { dir: top, cookie: 2n, verifier: verifier.fill(9), count: 1000 })).toBe(BAD_COOKIE);
    expect(root.status("READDIR", { dir: root.create(top, "f"), cookie: 0n, verifier, count: 1000 })).toBe(NOTDIR);
  });

  it("never answer with more bytes than asked for", () => {
    for (let i = 0; i < 100; i++) root.create(top, `n${"x".repeat(i)}`);
    for (const count of [256, 500, 1000, 3000]) {
      const zero = new Uint8Array(8);
      for (const name of ["READDIR", "READDIRPLUS"] as const) {
        const args = name === "READDIR" ? { dir: top, cookie: 0n, verifier: zero, count } : { dir: top, cookie: 0n, verifier: zero, dircount: count, maxcount: count };
        const row = NFS3[name];
        const reply = service.send(root.message(100003, 3, row.number, row.args as never, args as never))!;
        // The head of the reply, and the status, are not counted.
        expect(reply.length - 28).toBeLessThanOrEqual(count);
      }
    }
  });
});

describe("attributes", () => {
  it("are changed, guarded, and told before and after", () => {
    const file = root.create(top, "file");
    root.write(file, 0, "0123456789");
    const { ctime } = attributes(file);
    const guard = { seconds: ctime.seconds, nseconds: (ctime.nseconds + 1000) % 1e9 };
    expect(root.status("SETATTR", { object: file, changes: { ...UNCHANGED, mode: 0 }, guard })).toBe(NOT_SYNC);
    const time = (seconds: number): { kind: 2; value: { seconds: number; nseconds: number } } => ({ kind: 2, value: { seconds, nseconds: 5000 } });
    const changes = { mode: 0o4755, uid: 5, gid: 6, size: 4, atime: time(1000), mtime: time(2000) };
    const { wcc } = root.must("SETATTR", { object: file, changes, guard: ctime });
    expect(wcc.before!.size).toBe(10);
    expect(wcc.after).toMatchObject({
      mode: 0o4755, uid: 5, gid: 6, size: 4, atime: { seconds: 1000, nseconds: 5000 }, mtime: { seconds: 2000, nseconds: 5000 },
    });
    root.must("SETATTR", { object: file, changes: { ...UNCHANGED, mtime: { kind: 1, value: null } }, guard: null });
    expect(attributes(file).mtime.seconds).toBeGreaterThan(1_000_000);
    expect(root.status("SETATTR", { object: top, changes: { ...UNCHANGED, size: 1 }, guard: null })).toBe(ISDIR);
  });

  it("lose set-id bits when others write", () => {
    const file = root.create(top, "file", { mode: 0o6777 });
    user.write(file, 0, "x");
    expect(attributes(file).mode).toBe(0o777);
  });

  it("say what the file system holds and can", () => {
    const stat = root.must("FSSTAT", { object: top });
    expect(stat.tbytes).toBe(4 << 20);
    expect(stat.abytes).toBeLessThan(stat.tbytes);
    expect(root.must("FSINFO", { object: top })).toMatchObject({ wtmax: 262_144, rtmax: 262_144, properties: 0x1b });
    expect(root.must("PATHCONF", { object: top })).toMatchObject({ nameMax: 255, noTrunc: true, caseInsensitive: false });
  });
});

describe("rights", () => {
  it("are the caller's", () => {
    const dir = root.mkdir(top, "private", 0o700);
    const file = root.create(dir, "file", { mode: 0o640, gid: 200 });
    expect(user.status("LOOKUP", { what: { dir, name: "file" } })).toBe(ACCES);
    expect(user.status("READDIR", { dir, cookie: 0n, verifier: new Uint8Array(8), count: 4096 })).toBe(ACCES);
    expect(user.read(file)).toBe("");
    expect(user.status("WRITE", { file, offset: 0, count: 1, stable: 0, data: new Uint8Array(1) })).toBe(ACCES);
    expect(user.status("SETATTR", { object: file, changes: { ...UNCHANGED, mode: 0o777 }, guard: null })).toBe(PERM);
    expect(user.status("CREATE", { where: { dir, name: "x" }, how: { kind: 1, value: UNCHANGED } })).toBe(ACCES);
    expect(user.status("REMOVE", { what: { dir, name: "file" } })).toBe(ACCES);
    const asked = 0x3f;
    expect(user.must("ACCESS", { object: file, access: asked }).access).toBe(0x01);
    expect(user.must("ACCESS", { object: dir, access: asked }).access).toBe(0);
    expect(root.must("ACCESS", { object: dir, access: asked }).access).toBe(0x1f);
    expect(new Client(service, null).status("LOOKUP", { what: { dir, name: "file" } })).toBe(ACCES);
  });

  it("let an owner write what it has made read-only, and delete only its own below a sticky directory", () => {
    const tmp = root.mkdir(top, "tmp", 0o1777);
    const file = user.create(tmp, "mine", { mode: 0o400 });
    expect(user.write(file, 0, "still")).toBe(5);
    root.create(tmp, "theirs");
    expect(user.status("REMOVE", { what: { dir: tmp, name: "theirs" } })).toBe(PERM);
    user.must("REMOVE", { what: { dir: tmp, name: "mine" } });
  });

  it("of root are nobody's unless the export says so", () => {
    const squashing = new Service([{ path: "/" }, { path: "/", name: "/all", mapAll: { uid: 7, gid: 8 } }]);
    const client = new Client(squashing);
    const dir = client.mount("/");
    squashing.bench.k.mounts.root.vp!.setattr({ mode: 0o755 });
    expect(client.status("CREATE", { where: { dir, name: "f" }, how: { kind: 1, value: UNCHANGED } })).toBe(ACCES);
    squashing.bench.k.mounts.root.vp!.setattr({ mode: 0o777 });
    expect(client.must("GETATTR", { object: client.create(dir, "f") }).attributes).toMatchObject({ uid: 65534 });
    const all = client.mount("/all");
    expect(client.must("GETATTR", { object: client.create(all, "g") }).attributes).toMatchObject({ uid: 7 });
    expect(client.status("RENAME", { from: { dir, name: "f" }, to: { dir: all, name: "f" } })).toBe(ACCES);
  });

  it("of a read-only export are none to change anything", () => {
    const file = root.create(top, "file");
    service.server.addExport({ path: "/", name: "/ro", readOnly: true, mapRoot: { uid: 0, gid: 0 } });
    const ro = root.mount("/ro");
    const same = root.lookup(ro, "file");
    expect(same).not.toEqual(file);
    const what = { dir: ro, name: "file" };
    expect(root.status("WRITE", { file: same, offset: 0, count: 1, stable: 0, data: new Uint8Array(1) })).toBe(ROFS);
    expect(root.status("SETATTR", { object: same, changes: { ...UNCHANGED, mode: 0 }, guard: null })).toBe(ROFS);
    expect(root.status("REMOVE", { what })).toBe(ROFS);
    expect(root.status("RENAME", { from: what, to: { dir: ro, name: "x" } })).toBe(ROFS);
    expect(root.status("MKDIR", { where: { dir: ro, name: "d" }, attributes: UNCHANGED })).toBe(ROFS);
    expect(root.must("ACCESS", { object: same, access: 0x3f }).access & 0x1c).toBe(0);
  });
});

describe("handles", () => {
  it("that were never given out lead nowhere", () => {
    const file = root.create(top, "file");
    for (let i = 0; i < file.length; i++) {
      const forged = file.slice();
      forged[i]! ^= 1;
      expect([STALE, BADHANDLE]).toContain(root.status("GETATTR", { object: forged }));
    }
    for (const length of [0, 1, 11, 12, 63, 64]) expect([STALE, BADHANDLE]).toContain(root.status("GETATTR", { object: new Uint8Array(length) }));
  });

  it("of one directory do not lead above it", () => {
    const dir = root.mkdir(top, "shared");
    const sub = root.mkdir(dir, "sub");
    const secret = root.create(top, "secret");
    service.server.addExport({ path: "/shared", name: "/s", mapRoot: { uid: 0, gid: 0 } });
    const shared = root.mount("/s");
    expect(root.lookup(shared, "..")).toEqual(shared);
    expect(root.lookup(root.lookup(shared, "sub"), "..")).toEqual(shared);
    // The same file id under the other export's number.
    const forged = secret.slice();
    forged.set(shared.subarray(0, 4));
    expect(root.status("GETATTR", { object: forged })).toBe(STALE);
    expect(root.mount("/s/sub")).toEqual(root.lookup(shared, "sub"));
    expect(() => root.mount("/s/../secret")).toThrow();
    // What is moved out of the export while a client is in it.
    const inside = root.lookup(shared, "sub");
    root.must("RENAME", { from: { dir, name: "sub" }, to: { dir: top, name: "sub" } });
    expect(root.status("LOOKUP", { what: { dir: inside, name: ".." } })).toBe(ACCES);
    expect(root.lookup(sub, "..")).toEqual(top);
  });
});

describe("calls that come twice", () => {
  it("are carried out once", () => {
    const where = { dir: top, name: "d" };
    const first = root.call("MKDIR", { where, attributes: UNCHANGED }, 77);
    expect(first.status).toBe(0);
    expect(root.call("MKDIR", { where, attributes: UNCHANGED }, 77)).toEqual(first);
    expect(root.call("MKDIR", { where, attributes: UNCHANGED }, 78).status).toBe(EXIST);
    expect(root.call("RMDIR", { what: where }, 79).status).toBe(0);
    expect(root.call("RMDIR", { what: where }, 79).status).toBe(0);
    expect(service.server.requests.hits).toBe(2);
  });
});
