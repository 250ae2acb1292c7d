// SPDX-License-Identifier: BSD-3-Clause
/** getfh, fhopen, fhstat and their kin on a HAMMER file system: a handle lasts as long as the file, whatever it is called. */
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { expect, it } from "vitest";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import { DATA, dfly, UserBench } from "./user-bench.ts";

const EPERM = -1, ESTALE = -70;
const FH = DATA + 0x100, OUT = DATA + 0x1000, PATH = DATA + 0x3000, OTHER = DATA + 0x3100;

it("a handle finds its file after a rename, until the file is no more", async () => {
  const bench = new UserBench(32 * 1024 * 1024);
  const now = (): number => bench.k.microtime();
  const device = new MemoryDevice(256 << 20);
  newfs([device], {
    label: "FH", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(3),
  });
  const mount = new HammerfsMount("memory", [device], { now, log: () => {} });
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
