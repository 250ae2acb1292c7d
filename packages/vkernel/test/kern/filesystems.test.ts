// SPDX-License-Identifier: BSD-3-Clause
/**
 * One random sequence of system calls on every kind of file system: results, and in the end trees, contents and
 * attributes, must be those of tmpfs. The overlay starts on a host tree, which must stay as it was.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { DirfsMount } from "../../src/vfs/dirfs/dirfs.ts";
import { OverlayMount } from "../../src/vfs/dirfs/overlay.ts";
import { CothreadDisk } from "../../src/vfs/hammer/cothread-disk.ts";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import type { Mount } from "../../src/vfs/mount.ts";
import { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { SlowDevice } from "./slow-device.ts";
import { type Call, DATA, sys, type User, UserBench } from "./user-bench.ts";

const O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_DIRECTORY = 0o200000;
const P = DATA, Q = DATA + 0x2000, B = DATA + 0x4000;
const BUFFER = 0x8000;

let host: string;
beforeAll(() => {
  host = mkdtempSync(join(tmpdir(), "vkernel-fs-"));
  mkdirSync(join(host, "direct"));
  mkdirSync(join(host, "lower"));
});
afterAll(() => rmSync(host, { recursive: true, force: true }));

class Random {
  private s: number;
  constructor(seed: number) {
    this.s = seed * 2654435761 >>> 0 || 1;
  }
  next(n: number): number {
    this.s ^= this.s << 13;
    this.s ^= this.s >>> 17;
    this.s ^= this.s << 5;
    return (this.s >>> 0) % n;
  }
}

type Op = readonly [string, ...(string | number)[]];

/** A plausible name, mostly of something that may exist. */
function name(r: Random): string {
  const parts: string[] = [];
  for (let depth = r.next(3); depth >= 0; depth--) parts.push(`${"abcdef"[r.next(6)]!}${r.next(3)}`);
  return parts.join("/");
}

function randomOp(r: Random): Op {
  const a = name(r);
  switch (r.next(16)) {
    case 0:
    case 1:
      return ["mkdir", a, 0o700 | r.next(0o100)];
    case 2:
    case 3:
    case 4:
      return ["write", a, O_CREAT | [0, O_EXCL, O_TRUNC, O_APPEND][r.next(4)]!, r.next(200_000), r.next(70_000), r.next(256)];
    case 5:
      return ["rename", a, name(r)];
    case 6:
      return ["rename", a, name(r)];
    case 7:
      return ["link", a, name(r)];
    case 8:
      return ["symlink", name(r), a];
    case 9:
      return ["unlink", a];
    case 10:
      return ["rmdir", a];
    case 11:
      return ["truncate", a, r.next(150_000)];
    case 12:
      return ["chmod", a, 0o600 | r.next(0o200)];
    case 13:
      return ["read", a, r.next(150_000), r.next(30_000)];
    case 14:
      return ["utime", a, 1_000_000_000 + r.next(1000)];
    default:
      return ["list", a];
  }
}

/** Carries an operation out below `top`; the result is what the process sees. */
function* apply(u: User, top: string, op: Op): Generator<Call, string, number> {
  const at = (p: string | number): string => `${top}/${p}`;
  const [kind, a, b, c, d, e] = op;
  switch (kind) {
    case "rename":
    case "link":
      return String(yield sys(kind, u.text(P, at(a!)), u.text(Q, at(b!))));
    case "symlink":
      return String(yield sys("symlink", u.text(P, String(a)), u.text(Q, at(b!))));
    case "unlink":
    case "rmdir":
      return String(yield sys(kind, u.text(P, at(a!))));
    case "mkdir":
    case "chmod":
    case "truncate":
      return String(yield sys(kind, u.text(P, at(a!)), b as number));
    case "utime":
      u.words(Q, b as number, b as number);
      return String(yield sys("utime", u.text(P, at(a!)), Q));
    case "write": {
      const fd = yield sys("open", u.text(P, at(a!)), O_RDWR | (b as number), 0o644);
      if (fd < 0) return String(fd);
      const len = d as number;
      yield sys("lseek", fd, c as number, 0);
      u.text(B, String.fromCharCode(e as number).repeat(len));
      const n = yield sys("write", fd, B, len);
      yield sys("close", fd);
      return `wrote ${n}`;
    }
    case "read": {
      const fd = yield sys("open", u.text(P, at(a!)), 0);
      if (fd < 0) return String(fd);
      const n = yield sys("pread64", fd, B, c as number, b as number, 0);
      yield sys("close", fd);
      return n <= 0 ? String(n) : digest(u.read(B, n));
    }
    default: {
      const names = yield* list(u, at(a!));
      return typeof names === "number" ? String(names) : names.join(" ");
    }
  }
}

function digest(s: string): string {
  let h = 0;
  for (let i = 0; i < s.length; i++) h = (Math.imul(h, 31) + s.charCodeAt(i)) | 0;
  return `${s.length}:${h}`;
}

function* list(u: User, path: string): Generator<Call, string[] | number, number> {
  const fd = yield sys("open", u.text(P, path), O_DIRECTORY);
  if (fd < 0) return fd;
  const names: string[] = [];
  for (;;) {
    const n = yield sys("getdents64", fd, B, 300);
    if (n <= 0) break;
    for (let p = 0; p < n; p += u.word(B + p + 16) & 0xffff) names.push(u.str(B + p + 19));
  }
  yield sys("close", fd);
  return names.filter((n) => n !== "." && n !== "..").sort();
}

/** Everything below a directory: types, modes, link counts of files, sizes, contents, times that were set. */
function* dump(u: User, path: string, out: string[] = [], rel = ""): Generator<Call, string[], number> {
  const names = yield* list(u, path);
  if (typeof names === "number") throw new Error(`list ${path}: ${names}`);
  for (const n of names) {
    const p = `${path}/${n}`;
    expect(yield sys("lstat64", u.text(P, p), B)).toBe(0);
    const mode = u.word(B + 16);
    const type = mode & 0o170000;
    const size = u.word(B + 44);
    const mtime = u.word(B + 72);
    const shown = mtime < 1_000_002_000 ? mtime : "-";
    if (type === 0o040000) {
      out.push(`${rel}${n}/ ${mode.toString(8)}`);
      yield* dump(u, p, out, `${rel}${n}/`);
    } else if (type === 0o120000) {
      const len = yield sys("readlink", u.text(P, p), B, 200);
      out.push(`${rel}${n} -> ${u.read(B, len)}`);
    } else {
      const nlink = u.word(B + 20);
      const fd = yield sys("open", u.text(P, p), 0);
      let text = "";
      for (let got = yield sys("read", fd, B, BUFFER); got > 0; got = yield sys("read", fd, B, BUFFER)) text += u.read(B, got);
      yield sys("close", fd);
      expect(text.length).toBe(size);
      out.push(`${rel}${n} ${mode.toString(8)} ${nlink} ${digest(text)} ${shown}`);
    }
  }
  return out;
}

function formatted(now: () => number): MemoryDevice {
  const device = new MemoryDevice(1 << 30);
  newfs([device], {
    label: "TEST", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(7),
  });
  return device;
}

/** A disk that makes everybody wait for whatever is not in the cache: calls are run again when it is. */
function slowDisk(bench: UserBench, image: MemoryDevice): CothreadDisk {
  const clock = { extra: 0 };
  const device = new SlowDevice(image, clock);
  bench.hostWork = () => {
    const event = device.pending.shift();
    event?.();
    return event !== undefined;
  };
  return new CothreadDisk(device, { post: (event) => device.pending.push(event), now: () => bench.nanouptime() + clock.extra, awake: () => bench.k.curlwp !== null });
}

/** Mounts made fresh for one run. */
function makeMounts(bench: UserBench, seed: number): Record<string, Mount> {
  const now = (): number => bench.k.microtime();
  const { files } = new NodePlatform();
  const direct = join(host, "direct", String(seed));
  const lower = join(host, "lower", String(seed));
  for (const dir of [direct, lower]) mkdirSync(dir);
  const device = formatted(now);
  return {
    tmpfs: new TmpfsMount("tmpfs", 0, { maxBytes: 64 << 20, now }),
    overlay: new OverlayMount(files, lower, 0, { maxBytes: 64 << 20, now }),
    dirfs: new DirfsMount(files, direct, 0),
    hammer: new HammerfsMount("memory", [device], { now, log: (line) => bench.k.log(line) }),
    waiting: new HammerfsMount("slow", [slowDisk(bench, formatted(now))], { now, log: (line) => bench.k.log(line), cacheBytes: 2 << 20 }),
  };
}

async function runAll(seed: number, steps: number, setup: (bench: UserBench) => Record<string, Mount>): Promise<void> {
  const bench = new UserBench(32 * 1024 * 1024);
  const mounts = setup(bench);
  await bench.run(
    bench.start(function* (u) {
      yield sys("umask", 0);
      for (const [kind, mount] of Object.entries(mounts)) {
        yield sys("mkdir", u.text(P, `/${kind}`), 0o755);
        const nch = bench.k.mounts.root.children!.get(kind)!;
        bench.k.mounts.mountOn(mount, nch);
      }
      const r = new Random(seed);
      for (let step = 0; step < steps; step++) {
        const op = randomOp(r);
        const results: Record<string, string> = {};
        for (const kind of Object.keys(mounts)) results[kind] = yield* apply(u, `/${kind}`, op);
        const want = results["tmpfs"]!;
        for (const [kind, got] of Object.entries(results)) expect({ step, op, kind, got }).toEqual({ step, op, kind, got: want });
      }
      const trees: Record<string, string[]> = {};
      for (const kind of Object.keys(mounts)) trees[kind] = yield* dump(u, `/${kind}`);
      for (const [kind, tree] of Object.entries(trees)) expect({ kind, tree }).toEqual({ kind, tree: trees["tmpfs"] });
      expect(trees["tmpfs"]!.length).toBeGreaterThan(10);
    }),
  );
  // I-REF: with the processes gone, nothing but the mounts themselves holds a file.
  for (const mount of Object.values(mounts).reverse()) bench.k.mounts.unmount(mount, false);
  for (const mount of Object.values(mounts)) expect([mount.fstype, mount.rootNch]).toEqual([mount.fstype, null]);
}

describe("file systems against each other", () => {
  it.each([1, 2, 3, 4])("random calls, seed %i", async (seed) => {
    await runAll(seed, 500, (bench) => makeMounts(bench, seed));
  });
});

describe("removed files", () => {
  it("work on for whoever has them open, on every file system", async () => {
    const bench = new UserBench(32 * 1024 * 1024);
    const mounts = makeMounts(bench, 900);
    await bench.run(
      bench.start(function* (u) {
        for (const [kind, mount] of Object.entries(mounts)) {
          yield sys("mkdir", u.text(P, `/${kind}`), 0o755);
          bench.k.mounts.mountOn(mount, bench.k.mounts.root.children!.get(kind)!);
          const fds: number[] = [];
          // More files than a host may have open at a time for one mount.
          for (let i = 0; i < 100; i++) {
            const fd = yield sys("open", u.text(P, `/${kind}/f${i}`), O_RDWR | O_CREAT, 0o644);
            u.text(B, `file ${i}`);
            yield sys("write", fd, B, `file ${i}`.length);
            fds.push(fd);
          }
          for (let i = 0; i < 100; i++) {
            if (i % 2 === 0) expect(yield sys("unlink", u.text(P, `/${kind}/f${i}`))).toBe(0);
            else expect(yield sys("rename", u.text(P, `/${kind}/f${i}`), u.text(Q, `/${kind}/last`))).toBe(0);
          }
          for (let i = 0; i < 100; i++) {
            expect(yield sys("pwrite64", fds[i]!, u.text(B, "F"), 1, 0, 0)).toBe(1);
            const n = yield sys("pread64", fds[i]!, B, 100, 0, 0);
            expect([kind, u.read(B, Math.max(0, n))]).toEqual([kind, `File ${i}`]);
            expect(yield sys("fstat64", fds[i]!, B)).toBe(0);
            expect([kind, i, u.word(B + 20)]).toEqual([kind, i, i === 99 ? 1 : 0]);
            expect(yield sys("close", fds[i]!)).toBe(0);
          }
          expect(yield* list(u, `/${kind}`)).toEqual(["last"]);
          // A working directory that was removed: it is still there, empty, and ".." leads out of it.
          yield sys("mkdir", u.text(P, `/${kind}/cwd`), 0o755);
          yield sys("chdir", P);
          expect(yield sys("rmdir", P)).toBe(0);
          expect(yield* list(u, ".")).toEqual([]);
          expect([kind, yield sys("open", u.text(P, "new"), O_RDWR | O_CREAT, 0o644)]).toEqual([kind, -2]);
          expect([kind, yield sys("chdir", u.text(P, ".."))]).toEqual([kind, 0]);
          expect(yield sys("getcwd", B, 100)).toBe(kind.length + 2);
          yield sys("chdir", u.text(P, "/"));
        }
      }),
    );
    for (const mount of Object.values(mounts).reverse()) bench.k.mounts.unmount(mount, false);
  });
});

/** The files of a host tree, for comparison. */
function hostTree(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .map((e) => `${e.parentPath}/${e.name} ${e.isFile() ? digest(readFileSync(join(e.parentPath, e.name), "latin1")) : ""}`)
    .sort();
}

describe("overlay", () => {
  it.each([11, 12])("on a populated host tree behaves as tmpfs with the same contents, seed %i (OV1, OV2)", async (seed) => {
    const lower = join(host, `populated${seed}`);
    const fill = (r: Random, write: (path: string, kind: "dir" | "file" | "link", contents: string) => void): void => {
      for (const d of ["a0", "b1", "a0/c2", "a0/b0"]) write(d, "dir", "");
      for (let i = 0; i < 12; i++) {
        const dir = ["", "a0/", "b1/", "a0/c2/"][r.next(4)]!;
        write(`${dir}f${i % 3}`, "file", String.fromCharCode(65 + i).repeat(r.next(140_000)));
      }
      write("e0", "link", "a0");
      write("d1", "link", "b1/f0");
    };
    mkdirSync(lower);
    fill(new Random(seed), (path, kind, contents) => {
      const p = join(lower, path);
      if (kind === "dir") mkdirSync(p, { mode: 0o755 });
      else if (kind === "link") symlinkSync(contents, p);
      else writeFileSync(p, contents, { mode: 0o644 });
    });
    const before = hostTree(lower);
    const bench = new UserBench(32 * 1024 * 1024);
    const now = (): number => bench.k.microtime();
    const mounts: Record<string, Mount> = {
      tmpfs: new TmpfsMount("tmpfs", 0, { maxBytes: 64 << 20, now }),
      overlay: new OverlayMount(new NodePlatform().files, lower, 0, { maxBytes: 64 << 20, now }),
    };
    await bench.run(
      bench.start(function* (u) {
        yield sys("umask", 0);
        for (const [kind, mount] of Object.entries(mounts)) {
          yield sys("mkdir", u.text(P, `/${kind}`), 0o755);
          bench.k.mounts.mountOn(mount, bench.k.mounts.root.children!.get(kind)!);
        }
        const todo: [string, string, string][] = [];
        fill(new Random(seed), (...args) => todo.push(args));
        for (const [path, kind, contents] of todo) {
          const p = `/tmpfs/${path}`;
          if (kind === "dir") yield sys("mkdir", u.text(P, p), 0o755);
          else if (kind === "link") yield sys("symlink", u.text(P, contents), u.text(Q, p));
          else {
            const fd = yield sys("open", u.text(P, p), O_RDWR | O_CREAT | O_TRUNC, 0o644);
            for (let done = 0; done < contents.length; ) {
              const piece = contents.slice(done, done + 100_000);
              u.text(B, piece);
              done += yield sys("write", fd, B, piece.length);
            }
            yield sys("close", fd);
          }
        }
        const r = new Random(seed + 100);
        for (let step = 0; step < 400; step++) {
          const op = randomOp(r);
          const want = yield* apply(u, "/tmpfs", op);
          expect({ step, op, got: yield* apply(u, "/overlay", op) }).toEqual({ step, op, got: want });
        }
        expect(yield* dump(u, "/overlay")).toEqual(yield* dump(u, "/tmpfs"));
      }),
    );
    expect(hostTree(lower)).toEqual(before);
  });
});
