// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { startSnapshots } from "../../src/kern/vfs-snapshots.ts";
import { HammerfsMount, type HammerVnode } from "../../src/vfs/hammer/hammer.ts";
import { SnapshotsMount, snapshotName } from "../../src/vfs/hammer/snapshots.ts";
import { type Call, DATA, sys, type User, UserBench } from "./user-bench.ts";

const O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_DIRECTORY = 0o200000;
const EROFS = -30, ENOENT = -2, EXDEV = -18;
const P = DATA, B = DATA + 0x4000, Q = DATA + 0x8000;
const AT_FDCWD = -100;

function* write(u: User, path: string, text: string): Generator<Call, number, number> {
  const fd = yield sys("open", u.text(P, path), O_CREAT | O_WRONLY | O_TRUNC, 0o644);
  if (fd < 0) return fd;
  u.text(B, text);
  yield sys("write", fd, B, text.length);
  return yield sys("close", fd);
}
function* read(u: User, path: string): Generator<Call, string | number, number> {
  const fd = yield sys("open", u.text(P, path), 0);
  if (fd < 0) return fd;
  const n = yield sys("read", fd, B, 4096);
  yield sys("close", fd);
  return u.read(B, n);
}
function* list(u: User, path: string): Generator<Call, string[], number> {
  const fd = yield sys("open", u.text(P, path), O_DIRECTORY);
  const names: string[] = [];
  for (;;) {
    const n = yield sys("getdents64", fd, B, 100);
    if (n <= 0) break;
    for (let p = 0; p < n; p += u.word(B + p + 16) & 0xffff) names.push(u.str(B + p + 19));
  }
  yield sys("close", fd);
  return names.filter((name) => name !== "." && name !== "..");
}
const inode = function* (u: User, path: string): Generator<Call, string, number> {
  expect(yield sys("stat64", u.text(P, path), B), path).toBe(0);
  return `${u.word(B)}:${u.word(B + 88)}`;
};

describe("snapshots as directories", () => {
  it("names every second of the calendar as the host does", () => {
    let ms = Date.UTC(1970, 0, 1);
    for (let i = 0; i < 20_000; i++) {
      expect(snapshotName(ms * 1000)).toBe(new Date(ms).toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "."));
      ms += 86_400_000 * (1 + (i % 3)) + 12_345_678;
    }
  });

  it("SN1-SN3: are taken when something has changed, show what was, and refuse changes", async () => {
    const device = new MemoryDevice(128 << 20);
    let us = Date.UTC(2026, 1, 28, 23, 59, 58) * 1000;
    const now = (): bigint => BigInt(us);
    newfs([device], { label: "PAST", undoBytes: 8 << 20, force: true, now, random: (b) => b.fill(7) });
    const bench = new UserBench();
    const { k } = bench;
    await bench.run(
      bench.start(function* (u) {
        yield sys("mkdir", u.text(P, "/h"), 0o755);
        const hammer = new HammerfsMount("memory", [device], { now: () => us, log: (line) => k.log(line) });
        k.mounts.mountOn(hammer, k.mounts.root.children!.get("h")!);
        for (const dir of ["/h/share", "/h/share/old"]) yield sys("mkdir", u.text(P, dir), 0o755);
        yield* write(u, "/h/share/f", "one");
        const share = k.mounts.root.children!.get("h")!.mountedHere!.rootNch!.children!.get("share")!;
        const snapshots = new SnapshotsMount(share.vp as HammerVnode, us);
        yield sys("mkdir", u.text(P, "/s"), 0o755);
        k.mounts.mountOn(snapshots, k.mounts.root.children!.get("s")!);
        startSnapshots(k, snapshots, 10e9, "test");

        const sleep = function* (seconds: number): Generator<Call, void, number> {
          us += seconds * 1e6;
          u.words(B, seconds, 0);
          yield sys("nanosleep", B, 0);
        };
        const first = "2026-02-28_23.59.58";
        expect(yield* list(u, "/s")).toEqual([first]);
        yield* sleep(11);
        expect(yield* list(u, "/s")).toEqual([first]);
        yield* write(u, "/h/share/f", "two, and longer");
        yield* write(u, "/h/share/g", "new");
        yield* sleep(11);
        const second = "2026-03-01_00.00.20";
        expect(yield* list(u, "/s")).toEqual([first, second]);
        yield* write(u, "/h/share/f", "three");

        expect(yield* read(u, `/s/${first}/f`)).toBe("one");
        expect(yield* read(u, `/s/${second}/f`)).toBe("two, and longer");
        expect(yield* read(u, "/h/share/f")).toBe("three");
        expect(yield* read(u, `/s/${first}/g`)).toBe(ENOENT);
        expect((yield* list(u, `/s/${first}`)).sort()).toEqual(["f", "old"]);
        expect((yield* list(u, `/s/${second}`)).sort()).toEqual(["f", "g", "old"]);
        // The past is another file to programs that compare device and inode.
        const [past, present] = [yield* inode(u, `/s/${first}/f`), yield* inode(u, "/h/share/f")];
        expect(past.split(":")[1]).toBe(present.split(":")[1]);
        expect(past.split(":")[0]).not.toBe(present.split(":")[0]);

        expect(yield* write(u, `/s/${first}/f`, "x")).toBe(EROFS);
        expect(yield* write(u, `/s/${first}/h`, "x")).toBe(EROFS);
        expect(yield sys("unlink", u.text(P, `/s/${first}/f`))).toBe(EROFS);
        expect(yield sys("mkdir", u.text(P, "/s/x"), 0o755)).toBe(EROFS);
        expect(yield sys("renameat", AT_FDCWD, u.text(P, `/s/${first}/f`), AT_FDCWD, u.text(Q, "/h/share/z"))).toSatisfy((r) => r === EROFS || r === EXDEV);
        expect(yield sys("open", u.text(P, "/s/2026-02-28_23.59.59"), 0)).toBe(ENOENT);
        expect(yield sys("chdir", u.text(P, `/s/${first}/old/..`))).toBe(0);
        expect(yield* read(u, "f")).toBe("one");
        expect(yield sys("chdir", u.text(P, "/"))).toBe(0);

        k.mounts.unmount(snapshots, false);
        k.mounts.unmount(hammer, false);
      }),
    );
  });
});
