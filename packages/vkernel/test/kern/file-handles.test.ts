// SPDX-License-Identifier: BSD-3-Clause
/**
 * getfh, fhopen, fhstat and their kin on a HAMMER file system, name_to_handle_at and open_by_handle_at on that and in memory: a handle
 * lasts as long as the file, whatever it is called.
 */
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { describe, expect, it } from "vitest";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import type { Mount } from "../../src/vfs/mount.ts";
import { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { DATA, dfly, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESTALE = -70;
function hammer(now: () => number): HammerfsMount {
  const device = new MemoryDevice(256 << 20);
  newfs([device], {
    label: "FH", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(3),
  });
  return new HammerfsMount("memory", [device], { now, log: () => {} });
}
const FH = DATA + 0x100, OUT = DATA + 0x1000, PATH = DATA + 0x3000, OTHER = DATA + 0x3100;

it("a handle finds its file after a rename, until the file is no more", async () => {
  const bench = new UserBench(32 * 1024 * 1024);
  const mount = hammer(() => bench.k.microtime());
  const p = bench.start(
    function* (u) {
      yield dfly("mkdir", u.text(PATH, "/h"), 0o755);
      bench.k.mounts.mountOn(mount, bench.k.mounts.root.children!.get("h")!);
      const d = yield dfly("open", u.text(PATH, "/h/one"), 0x202, 0o640);
      yield dfly("write", d, u.text(OUT, "content"), 7);
      yield dfly("close", d);
      expect(yield dfly("getfh", PATH, FH)).toBe(0);
      expect([yield dfly("stat", PATH, OUT), yield dfly("fhstat", FH, OUT + 256)]).toEqual([0, 0]);
      expect(u.read(OUT + 256, 104)).toBe(u.read(OUT, 104));
      expect([yield dfly("statfs", PATH, OUT), yield dfly("fhstatfs", FH, OUT + 256)]).toEqual([0, 0]);
      expect(u.read(OUT + 256, 256)).toBe(u.read(OUT, 256));
      expect([yield dfly("statvfs", PATH, OUT), yield dfly("fhstatvfs", FH, OUT + 256)]).toEqual([0, 0]);
      expect(u.read(OUT + 256, 140)).toBe(u.read(OUT, 140));

      expect(yield dfly("rename", PATH, u.text(OTHER, "/h/two"))).toBe(0);
      const again = yield dfly("fhopen", FH, 2);
      expect(yield dfly("read", again, OUT, 64)).toBe(7);
      expect(u.read(OUT, 7)).toBe("content");
      yield dfly("close", again);
      expect(yield dfly("fhopen", FH, 0x202)).toBe(-22);

      yield dfly("unlink", OTHER);
      yield dfly("sync");
      expect(yield dfly("fhopen", FH, 0)).toBe(ESTALE);
      expect(yield dfly("fhstat", FH, OUT)).toBe(ESTALE);
      u.words(FH, 9999);
      expect(yield dfly("fhstat", FH, OUT)).toBe(ESTALE);
      yield dfly("setresuid", 1, 1, 1);
      for (const call of ["getfh", "fhstat", "fhstatfs", "fhstatvfs", "dfbsd12_fhstat", "fhopen"]) {
        expect(yield dfly(call, call === "getfh" ? PATH : FH, OUT), call).toBe(EPERM);
      }
    },
    undefined,
    "dragonfly",
  );
  expect(await bench.run(p)).toBe(0);
  bench.k.mounts.unmount(mount, false);
});

const MOUNTS: Readonly<Record<string, (now: () => number) => Mount>> = {
  hammer,
  tmpfs: (now) => new TmpfsMount("tmpfs", 0, { maxBytes: 1 << 20, now }),
};

describe.each(Object.keys(MOUNTS))("Linux's handles on %s", (kind) => {
  it("name files, as long as they are there, for who may read everything", async () => {
    const EBADF = -9, EFAULT = -14, EINVAL = -22, ELOOP = -40, EOVERFLOW = -75, LINUX_ESTALE = -116;
    const AT_FDCWD = -100, O_CREAT = 0o100, O_PATH = 0o10000000, O_RDWR = 2, ID = FH - 8;
    const bench = new UserBench(32 << 20);
    const mount = MOUNTS[kind]!(() => bench.k.microtime());
    const p = bench.start(function* (u) {
      yield sys("mkdir", u.text(PATH, "/h"), 0o755);
      bench.k.mounts.mountOn(mount, bench.k.mounts.root.children!.get("h")!);
      const top = yield sys("open", u.text(PATH, "/h"), 0);
      const d = yield sys("open", u.text(PATH, "/h/one"), O_CREAT | O_RDWR, 0o600);
      yield sys("write", d, u.text(OUT, "content"), 7);
      yield sys("close", d);
      u.words(FH, 0, 0);
      expect(yield sys("name_to_handle_at", AT_FDCWD, PATH, FH, ID, 0)).toBe(EOVERFLOW);
      const size = u.word(FH);
      expect(size % 4).toBe(0);
      expect(yield sys("name_to_handle_at", AT_FDCWD, PATH, FH, ID, 0)).toBe(0);
      expect([u.word(FH), u.word(ID)]).toEqual([size, mount.fsid]);
      expect(yield sys("name_to_handle_at", AT_FDCWD, PATH, FH, ID, 1)).toBe(EINVAL);
      expect(yield sys("name_to_handle_at", AT_FDCWD, PATH, 16, ID, 0)).toBe(EFAULT);
      yield sys("rename", PATH, u.text(OTHER, "/h/two"));
      const again = yield sys("open_by_handle_at", top, FH, O_RDWR);
      expect(yield sys("read", again, OUT, 64)).toBe(7);
      expect(u.read(OUT, 7)).toBe("content");
      // The same file: what is written there is read here.
      expect(yield sys("write", again, u.text(OUT, "!"), 1)).toBe(1);
      yield sys("stat64", OTHER, OUT);
      expect(u.word(OUT + 44)).toBe(8);
      yield sys("close", again);
      // By descriptor; a link itself.
      expect(yield sys("name_to_handle_at", top, u.text(PATH, ""), FH, ID, 0x1000)).toBe(0);
      const dir = yield sys("open_by_handle_at", top, FH, 0o200000);
      expect(yield sys("faccessat", dir, u.text(PATH, "two"), 0)).toBe(0);
      yield sys("symlink", u.text(PATH, "two"), u.text(OUT, "/h/link"));
      expect(yield sys("name_to_handle_at", AT_FDCWD, OUT, FH, ID, 0)).toBe(0);
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(ELOOP);
      expect(yield sys("open_by_handle_at", top, FH, O_PATH)).toBeGreaterThan(0);
      u.text(OUT, "/h/link");
      expect(yield sys("name_to_handle_at", AT_FDCWD, OUT, FH, ID, 0x400)).toBe(0);
      expect(yield sys("open_by_handle_at", 99, FH, 0)).toBe(EBADF);
      expect(yield sys("unlink", OTHER)).toBe(0);
      yield sys("sync");
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(LINUX_ESTALE);
      u.words(FH, 129);
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(EINVAL);
      u.words(FH, 0);
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(EINVAL);
      u.words(FH, 8, 99);
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(LINUX_ESTALE);
      yield sys("setresuid32", 5, 5, 5);
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(EPERM);
      u.words(FH, 4);
      expect(yield sys("name_to_handle_at", AT_FDCWD, u.text(PATH, "/h"), FH, ID, 0)).toBe(EOVERFLOW);
      expect(yield sys("open_by_handle_at", top, FH, 0)).toBe(EPERM);
    });
    expect(await bench.run(p)).toBe(0);
    bench.k.mounts.unmount(mount, true);
  });
});
