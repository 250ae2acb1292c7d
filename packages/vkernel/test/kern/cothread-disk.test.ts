// SPDX-License-Identifier: BSD-3-Clause
/**
 * Processes on a HAMMER file system whose disk takes its time: who waits for it sleeps, the others go on, and what a call
 * promises about stable storage holds when it returns.
 */
import { expect, it } from "vitest";
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { CothreadDisk } from "../../src/vfs/hammer/cothread-disk.ts";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import { SlowDevice } from "./slow-device.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EIO = -5;
const O_RDWR = 2, O_CREAT = 0o100, O_SYNC = 0o4010000, O_APPEND = 0o2000;
const MS_ASYNC = 1, MS_SYNC = 4;
const P = DATA, BUF = DATA + 0x1000;

/** A machine with such a disk on /d, which holds a file "big" of 1 MiB and an empty directory. */
async function machine(program: (u: User, device: SlowDevice) => Generator<Call, void, number>): Promise<UserBench> {
  const bench = new UserBench(32 << 20);
  const image = new MemoryDevice(1 << 30);
  const now = (): number => bench.k.microtime();
  newfs([image], {
    label: "SLOW", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(7),
  });
  const first = new HammerfsMount("image", [image], { now, log: () => {} });
  const root = first.root();
  const big = root.create("big", { type: 1, mode: 0o644, uid: 0, gid: 0 });
  for (let at = 0; at < 1 << 20; at += 65536) big.write(at, new Uint8Array(65536).fill(1 + at / 65536), 0, 65536);
  first.sync();
  const clock = { extra: 0 };
  let awake = false;
  const device = new SlowDevice(image, clock);
  const disk = new CothreadDisk(device, { post: (event) => device.pending.push(event), now: () => bench.nanouptime() + clock.extra, awake: () => awake });
  bench.hostWork = () => {
    if (device.held) return false;
    const event = device.pending.shift();
    event?.();
    return event !== undefined;
  };
  const mountIt = function* (u: User): ReturnType<Program> {
    yield sys("mkdir", u.text(P, "/d"), 0o755);
    bench.k.mounts.mountOn(mounted, bench.k.mounts.root.children!.get("d")!);
    yield* program(u, device);
  };
  // Mounting reads and writes plainly, although the disk has shown that it is slow.
  const mounted = new HammerfsMount("slow", [disk], { now, log: (line) => bench.k.log(line) });
  expect(device.background).toBe(0);
  // Mounting has shown that reads of this disk are worth waiting for elsewhere; this shows it of flushes.
  disk.write(device.size - 512, new Uint8Array(512));
  disk.flush();
  awake = true;
  expect(await bench.run(bench.start(mountIt))).toBe(0);
  return bench;
}

it("a process that reads sleeps; another one runs meanwhile", async () => {
  await machine(function* (u, device) {
    let blocks = 0;
    u.child(function* (c) {
      const fd = yield sys("open", c.text(P, "/d/big"), 0);
      for (; blocks < 16; blocks++) {
        expect(yield sys("read", fd, BUF, 65536)).toBe(65536);
        expect(c.read(BUF, 1).charCodeAt(0)).toBe(1 + blocks);
        expect(c.read(BUF + 65535, 1).charCodeAt(0)).toBe(1 + blocks);
      }
    });
    const before = device.background;
    device.held = true;
    const pid = yield sys("fork");
    u.words(P + 64, 0, 1000);
    yield sys("nanosleep", P + 64, 0);
    expect(device.background).toBeGreaterThan(before);
    const seen = blocks;
    for (let i = 0; i < 100; i++) yield sys("nanosleep", P + 64, 0);
    expect([yield sys("wait4", pid, 0, 1, 0), blocks]).toEqual([0, seen]);
    device.held = false;
    expect(yield sys("wait4", pid, 0, 0, 0)).toBe(pid);
    expect(blocks).toBe(16);
  });
});

it("a mapped file is read in while another process runs", async () => {
  await machine(function* (u, device) {
    const fd = yield sys("open", u.text(P, "/d/big"), 0);
    const at = yield sys("mmap2", 0, 1 << 20, 1, 2, fd, 0);
    const before = device.background;
    // write(2) faults the page in through the kernel: the call is run again when it is there.
    const out = yield sys("open", u.text(P, "/out"), O_RDWR | O_CREAT, 0o644);
    expect(yield sys("write", out, at + 5 * 65536, 10)).toBe(10);
    expect(yield sys("pread64", out, BUF, 10, 0, 0)).toBe(10);
    expect(u.read(BUF, 10)).toBe(String.fromCharCode(6).repeat(10));
    expect(device.background).toBeGreaterThan(before);
  });
});

it.each<[string, (u: User) => Generator<Call, number, number>]>([
  ["fsync", function* (u) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT, 0o644);
    yield sys("write", fd, u.text(BUF, "durable"), 7);
    return yield sys("fsync", fd);
  }],
  ["sync", function* (u) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT, 0o644);
    yield sys("write", fd, u.text(BUF, "durable"), 7);
    return yield sys("sync");
  }],
  ["write to a file opened with O_SYNC", function* (u) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT | O_SYNC | O_APPEND, 0o644);
    return (yield sys("write", fd, u.text(BUF, "durable"), 7)) - 7;
  }],
  ["pwrite to a file opened with O_SYNC", function* (u) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT | O_SYNC, 0o644);
    return (yield sys("pwrite64", fd, u.text(BUF, "durable"), 7, 0, 0)) - 7;
  }],
  ["pwritev2 with RWF_DSYNC", function* (u) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT, 0o644);
    u.text(BUF, "durable");
    u.words(P, BUF, 7);
    return (yield sys("pwritev2", fd, P, 1, -1, -1, 2)) - 7;
  }],
  ["msync with MS_SYNC", function* (u) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT, 0o644);
    yield sys("ftruncate", fd, 7);
    const at = yield sys("mmap2", 0, 4096, 3, 1, fd, 0);
    u.text(at, "durable");
    expect(yield sys("msync", at, 4096, MS_ASYNC)).toBe(0);
    return yield sys("msync", at, 4096, MS_SYNC);
  }],
])("%s returns when the disk has it, having written it once", async (_what, write) => {
  await machine(function* (u, device) {
    yield sys("sync");
    expect(device.volatile).toBe(0);
    const { flushes } = device;
    expect(yield* write(u)).toBe(0);
    expect(device.volatile).toBe(0);
    expect(device.flushes).toBeGreaterThan(flushes);
    const fd = yield sys("open", u.text(P, "/d/f"), 0);
    expect(yield sys("read", fd, BUF + 64, 100)).toBe(7);
    expect(u.read(BUF + 64, 7)).toBe("durable");
  });
});

it("sendfile moves each piece once, wherever it waits for the disk", async () => {
  await machine(function* (u) {
    const from = yield sys("open", u.text(P, "/d/big"), 0);
    const to = yield sys("open", u.text(P, "/out"), O_RDWR | O_CREAT, 0o644);
    u.words(P + 128, 0);
    for (;;) {
      const moved = yield sys("sendfile", to, from, P + 128, 1 << 20);
      expect(moved).toBeGreaterThanOrEqual(0);
      if (moved === 0) break;
    }
    expect([u.word(P + 128), yield sys("lseek", to, 0, 1)]).toEqual([1 << 20, 1 << 20]);
    for (let block = 0; block < 16; block++) {
      expect(yield sys("pread64", to, BUF, 1, block * 65536, 0)).toBe(1);
      expect(u.read(BUF, 1).charCodeAt(0)).toBe(1 + block);
    }
  });
});

it("a process that waits for a flush does not stop another one, which may write meanwhile", async () => {
  await machine(function* (u, device) {
    const fds: number[] = [];
    for (const name of ["/d/a", "/d/b"]) {
      const fd = yield sys("open", u.text(P, name), O_RDWR | O_CREAT, 0o644);
      yield sys("write", fd, u.text(BUF, "first"), 5);
      expect(yield sys("fsync", fd)).toBe(0);
      fds.push(fd);
    }
    const [a, b] = fds as [number, number];
    u.child(function* (c) {
      yield sys("pwrite64", a, c.text(BUF, "aaaa"), 4, 0, 0);
      expect(yield sys("fsync", a)).toBe(0);
    });
    device.held = true;
    const pid = yield sys("fork");
    u.words(P + 64, 0, 1000);
    yield sys("nanosleep", P + 64, 0);
    expect(yield sys("wait4", pid, 0, 1, 0)).toBe(0);
    expect(device.pending.length).toBeGreaterThan(0);
    expect(yield sys("pwrite64", b, u.text(BUF, "bbbb"), 4, 0, 0)).toBe(4);
    expect(yield sys("pread64", b, BUF + 64, 4, 0, 0)).toBe(4);
    expect(u.read(BUF + 64, 4)).toBe("bbbb");
    expect(yield sys("wait4", pid, 0, 1, 0)).toBe(0);
    device.held = false;
    expect(yield sys("wait4", pid, 0, 0, 0)).toBe(pid);
    expect(yield sys("fsync", b)).toBe(0);
    expect(device.volatile).toBe(0);
  });
});

it("a flush that fails is the caller's EIO, and nothing is written any more", async () => {
  await machine(function* (u, device) {
    const fd = yield sys("open", u.text(P, "/d/f"), O_RDWR | O_CREAT, 0o644);
    yield sys("write", fd, u.text(BUF, "lost"), 4);
    device.failing = true;
    expect(yield sys("fsync", fd)).toBe(EIO);
    yield sys("write", fd, BUF, 4);
    expect(yield sys("fsync", fd)).toBe(EIO);
  });
});
