// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { linuxProcfs } from "../../src/abi/linux/procfs.ts";
import { oomBadness, outOfMemory } from "../../src/kern/oom.ts";
import type { Kernel } from "../../src/kern/kernel.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const ENOENT = -2, EACCES = -13, ESRCH = -3, EPERM = -1, EINVAL = -22, EROFS = -30;
const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_DIRECTORY = 0o200000;
const P = DATA, Q = DATA + 0x2000, B = DATA + 0x4000;

async function run(program: (u: User, k: Kernel) => ReturnType<Program>): Promise<void> {
  const bench = new UserBench();
  await bench.run(
    bench.start(function* (u) {
      yield sys("mkdir", u.text(P, "/proc"), 0o755);
      bench.k.mounts.mountOn(linuxProcfs(bench.k), bench.k.mounts.root.children!.get("proc")!);
      yield* program(u, bench.k);
    }),
  );
}
function* cat(u: User, path: string, piece = 4096): Generator<Call, string | number, number> {
  const fd = yield sys("open", u.text(P, path), 0);
  if (fd < 0) return fd;
  let text = "";
  for (;;) {
    const n = yield sys("read", fd, B, piece);
    if (n < 0) return n;
    if (n === 0) break;
    text += u.read(B, n);
  }
  yield sys("close", fd);
  return text;
}
function* link(u: User, path: string): Generator<Call, string | number, number> {
  const n = yield sys("readlink", u.text(P, path), B, 500);
  return n < 0 ? n : u.read(B, n);
}
function* list(u: User, path: string): Generator<Call, string[], number> {
  const fd = yield sys("open", u.text(P, path), O_DIRECTORY);
  expect(fd).toBeGreaterThanOrEqual(0);
  const names: string[] = [];
  for (;;) {
    const n = yield sys("getdents64", fd, B, 200);
    if (n <= 0) break;
    for (let p = 0; p < n; p += u.word(B + p + 16) & 0xffff) names.push(u.str(B + p + 19));
  }
  yield sys("close", fd);
  return names;
}

describe("/proc/PID", () => {
  it("gives a process its own descriptors whoever it has become, and others' to no one else", () =>
    run(function* (u) {
      yield sys("mkdir", u.text(P, "/d"), 0o755);
      const fd = yield sys("open", u.text(P, "/d"), O_DIRECTORY);
      expect(yield sys("open", u.text(P, `/proc/self/fd/${fd}`), O_DIRECTORY)).toBeGreaterThan(fd);
      yield sys("setresuid32", -1, 1000, -1);
      expect(yield sys("open", u.text(P, `/proc/self/fd/${fd}`), O_DIRECTORY)).toBeGreaterThan(fd);
      u.child(function* (c) {
        expect(yield sys("setresuid32", 1001, 1001, 1001)).toBe(EPERM);
        expect(yield sys("setresuid32", -1, 0, -1)).toBe(0);
        expect(yield sys("setresuid32", 1001, 1001, 1001)).toBe(0);
        expect(yield sys("open", c.text(P, "/proc/self/fd"), O_DIRECTORY)).toBeGreaterThan(0);
        const parent = yield sys("getppid");
        expect(yield sys("open", c.text(P, `/proc/${parent}/fd/${fd}`), O_DIRECTORY)).toBe(EACCES);
      });
      yield sys("fork");
      u.words(B, 0);
      yield sys("waitpid", -1, B, 0);
      expect(u.word(B)).toBe(0);
    }));

  it("tells what the process is: the 52 fields of stat, status, statm", () =>
    run(function* (u) {
      const pid = yield sys("getpid");
      const stat = String(yield* cat(u, "/proc/self/stat"));
      const m = /^(\d+) \((.*)\) (\S) (.*)\n$/.exec(stat)!;
      expect(Number(m[1])).toBe(pid);
      const rest = m[4]!.split(" ");
      expect(rest.length).toBe(49);
      expect(m[3]).toBe("R");
      expect(rest.slice(0, 3).map(Number)).toEqual([yield sys("getppid"), yield sys("getpgrp"), yield sys("getsid", 0)]);
      const status = String(yield* cat(u, "/proc/self/status", 17));
      expect(status).toMatch(/^Uid:\t0\t0\t0\t0$/m);
      expect(status).toMatch(new RegExp(`^Pid:\t${pid}$`, "m"));
      expect(String(yield* cat(u, "/proc/self/statm")).split(" ").length).toBe(7);
      expect(yield* cat(u, `/proc/${pid}/stat`)).toMatch(/^\d+ \(/);
    }));

  it("follows signals and their masks", () =>
    run(function* (u) {
      yield u.sigaction(10, 1);
      yield u.sigaction(12, u.handler(function* () {
        yield sys("getpid");
      }));
      u.words(Q, 1 << 14, 0);
      yield sys("rt_sigprocmask", 0, Q, 0, 8);
      const status = String(yield* cat(u, "/proc/self/status"));
      expect(status).toMatch(/^SigIgn:\t0000000000000200$/m);
      expect(status).toMatch(/^SigCgt:\t0000000000000800$/m);
      expect(status).toMatch(/^SigBlk:\t0000000000004000$/m);
    }));

  it("shows memory as mapped", () =>
    run(function* (u) {
      const maps = String(yield* cat(u, "/proc/self/maps"));
      expect(maps).toMatch(/^10000000-10100000 rw-p 00000000 00:00 0 *\n/m);
      for (const line of maps.split("\n").slice(0, -1)) expect(line).toMatch(/^[0-9a-f]{8}-[0-9a-f]{8} [r-][w-][x-][sp] [0-9a-f]{8} \w\w:\w\w \d+ /);
      const smaps = String(yield* cat(u, "/proc/self/smaps"));
      const sizes = /^10000000-10100000 .*\nSize: +(\d+) kB\n(?:.*\n)*?Rss: +(\d+) kB\n/m.exec(smaps)!;
      expect(sizes[1]).toBe("1024");
      expect(Number(sizes[2])).toBeGreaterThan(0);
      expect(smaps.split("\n").filter((line) => maps.includes(`${line}\n`) && line !== "")).toHaveLength(maps.split("\n").length - 1);
    }));

  it("has the process's directories and descriptors as links that lead there", () =>
    run(function* (u) {
      yield sys("mkdir", u.text(P, "/d"), 0o755);
      yield sys("chdir", P);
      expect(yield* link(u, "/proc/self/cwd")).toBe("/d");
      expect(yield* link(u, "/proc/self/root")).toBe("/");
      const fd = yield sys("open", u.text(P, "/d/file"), O_RDWR | O_CREAT, 0o644);
      u.text(B, "contents");
      yield sys("write", fd, B, 8);
      expect(yield* link(u, `/proc/self/fd/${fd}`)).toBe("/d/file");
      // A new open file with its own position, also after the name has gone.
      yield sys("unlink", u.text(P, "/d/file"));
      expect(yield* link(u, `/proc/self/fd/${fd}`)).toBe("/d/file (deleted)");
      expect(yield* cat(u, `/proc/self/fd/${fd}`)).toBe("contents");
      yield sys("pipe", B);
      const [r, w] = [u.word(B), u.word(B + 4)];
      expect(yield* link(u, `/proc/self/fd/${r}`)).toMatch(/^pipe:\[\d+\]$/);
      expect(yield sys("open", u.text(P, `/proc/self/fd/${r}`), O_WRONLY)).toBe(EACCES);
      const again = yield sys("open", u.text(P, `/proc/self/fd/${w}`), O_WRONLY);
      u.text(B, "x");
      expect(yield sys("write", again, B, 1)).toBe(1);
      expect(yield sys("read", r, B, 10)).toBe(1);
      expect(yield* list(u, "/proc/self/fd")).toEqual(expect.arrayContaining([".", "..", String(fd), String(r), String(w)]));
      expect(yield* link(u, "/proc/self/fd/99")).toBe(ENOENT);
      expect(yield* link(u, "/proc/self/fd/01")).toBe(ENOENT);
      expect(yield* cat(u, `/proc/self/fdinfo/${fd}`)).toMatch(/^pos:\t8\nflags:\t0100002\n/);
    }));

  it("comes and goes with its process; a held directory of a dead one is empty of answers", () =>
    run(function* (u) {
      u.child(function* () {
        yield sys("pause");
      });
      const pid = yield sys("fork");
      expect(yield* list(u, "/proc")).toEqual(expect.arrayContaining(["self", "meminfo", String(pid)]));
      const dir = yield sys("open", u.text(P, `/proc/${pid}`), O_DIRECTORY);
      const stat = yield sys("openat", dir, u.text(P, "stat"), 0);
      yield sys("kill", pid, 9);
      expect(String(yield* cat(u, `/proc/${pid}/stat`))).toMatch(/\) [RSZ] /);
      yield sys("waitpid", pid, 0, 0);
      expect(yield* cat(u, `/proc/${pid}/stat`)).toBe(ENOENT);
      expect(yield sys("read", stat, B, 100)).toBe(ESRCH);
      expect(yield* list(u, "/proc")).not.toContain(String(pid));
    }));

  it("leaves no names behind: the cache is as large after many processes as after a few", () =>
    run(function* (u, k) {
      const sizes: number[] = [];
      for (let i = 0; i < 30; i++) {
        u.child(function* (c) {
          expect(String(yield* cat(c, "/proc/self/stat"))).toMatch(/^\d+ /);
          expect((yield* list(c, "/proc/self/fd")).length).toBeGreaterThan(2);
        });
        const pid = yield sys("fork");
        expect(String(yield* cat(u, `/proc/${pid}/task/${pid}/status`))).toMatch(/^Name:/);
        yield sys("waitpid", pid, 0, 0);
        sizes.push(k.mounts.cache.entries);
      }
      expect(sizes.at(-1)).toBe(sizes[3]);
    }));

  it("keeps oom_score_adj for a process and its children, which decides who ends for want of memory", () =>
    run(function* (u, k) {
      const set = function* (c: User, text: string): Generator<Call, number, number> {
        const fd = yield sys("open", c.text(P, "/proc/self/oom_score_adj"), O_WRONLY);
        const n = yield sys("write", fd, c.text(B, text), text.length);
        yield sys("close", fd);
        return n;
      };
      expect(yield* cat(u, "/proc/self/oom_score_adj")).toBe("0\n");
      expect(yield* set(u, "1001")).toBe(EINVAL);
      expect(yield* set(u, "x")).toBe(EINVAL);
      expect(yield* set(u, "-5\n")).toBe(3);
      const before = Number(yield* cat(u, "/proc/self/oom_score"));
      u.child(function* (c) {
        yield sys("setresuid32", 1000, 1000, 1000);
        expect(yield* cat(c, "/proc/self/oom_score_adj")).toBe("-5\n");
        expect(yield* set(c, "300")).toBe(3);
        expect(Number(yield* cat(c, "/proc/self/oom_score"))).toBeGreaterThan(before + 190);
        expect(yield* set(c, "-6")).toBe(EACCES);
        expect(yield* set(c, "-5")).toBe(2);
        yield* set(c, "900");
        yield sys("pause");
      });
      const pid = yield sys("fork");
      for (let i = 0; k.procs.get(pid)!.oomScoreAdj !== 900; i++) {
        expect(i).toBeLessThan(100);
        yield sys("sched_yield");
      }
      outOfMemory(k.curlwp!);
      expect(yield sys("waitpid", pid, Q, 0)).toBe(pid);
      expect(u.word(Q)).toBe(9);
      u.child(function* (c) {
        expect(yield* set(c, "-1000")).toBe(5);
        expect(yield* cat(c, "/proc/self/oom_score")).toBe("0\n");
        yield sys("pause");
      });
      const spared = yield sys("fork");
      while (k.procs.get(spared)!.oomScoreAdj !== -1000) yield sys("sched_yield");
      expect(oomBadness(k.procs.get(spared)!)).toBe(-Infinity);
      yield sys("kill", spared, 9);
      yield sys("waitpid", spared, Q, 0);
    }));

  it("hides descriptors and environment from others, and cannot be changed", () =>
    run(function* (u) {
      const pid = yield sys("getpid");
      u.child(function* (c) {
        yield sys("setresuid32", 1000, 1000, 1000);
        expect(yield sys("open", c.text(P, `/proc/${pid}/fd`), O_DIRECTORY)).toBe(EACCES);
        expect(yield* cat(c, `/proc/${pid}/environ`)).toBe(EACCES);
        expect(yield* cat(c, `/proc/${pid}/status`)).toMatch(/^Name:/);
      });
      yield sys("fork");
      yield sys("waitpid", -1, Q, 0);
      expect(u.word(Q)).toBe(0);
      expect(yield sys("mkdir", u.text(P, "/proc/new"), 0o755)).toBe(EROFS);
      expect(yield sys("unlink", u.text(P, "/proc/meminfo"))).toBe(EROFS);
      expect(yield sys("chmod", u.text(P, "/proc/meminfo"), 0o777)).toBe(EPERM);
    }));
});

describe("/proc", () => {
  it("describes the system", () =>
    run(function* (u) {
      expect(yield* cat(u, "/proc/meminfo")).toMatch(/^MemTotal: +\d+ kB\nMemFree: +\d+ kB\n/);
      expect(yield* cat(u, "/proc/uptime")).toMatch(/^\d+\.\d\d \d+\.\d\d\n$/);
      expect(yield* cat(u, "/proc/stat")).toMatch(/^cpu {2}\d+ 0 \d+ \d+ /);
      expect(yield* cat(u, "/proc/loadavg")).toMatch(/^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+\/\d+ \d+\n$/);
      expect(yield* cat(u, "/proc/mounts")).toBe("root / tmpfs rw,noatime 0 0\nproc /proc proc rw 0 0\n");
      expect(yield* cat(u, "/proc/sys/kernel/ostype")).toBe("Linux\n");
      const uuid = yield* cat(u, "/proc/sys/kernel/random/uuid");
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/);
      const fd = yield sys("open", u.text(P, "/proc/sys/kernel/hostname"), O_WRONLY);
      u.text(B, "renamed\n");
      expect(yield sys("write", fd, B, 8)).toBe(8);
      expect(u.bench.k.hostname).toBe("renamed");
    }));
});

it("sysvipc shows what there is, in Linux's columns", async () => {
  await run(function* (u) {
    const shm = yield sys("shmget", 0x78, 5000, 0o1640);
    const sem = yield sys("semget", 0, 3, 0o600);
    yield sys("msgget", 0x79, 0o1666);
    const rows = function* (name: string): Generator<Call, string[][], number> {
      const text = (yield* cat(u, `/proc/sysvipc/${name}`)) as string;
      return text.trimEnd().split("\n").map((line) => line.trim().split(/ +/));
    };
    const [title, row] = yield* rows("shm");
    expect(title).toEqual("key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap".split(" "));
    expect(row!.slice(0, 11)).toEqual(["120", `${shm}`, "640", "5000", "2", "0", "0", "0", "0", "0", "0"]);
    expect((yield* rows("sem"))[1]!.slice(0, 4)).toEqual(["0", `${sem}`, "600", "3"]);
    expect((yield* rows("msg"))[1]!.slice(0, 5)).toEqual(["121", "0", "666", "0", "0"]);
    expect(yield* cat(u, "/proc/sys/kernel/sem")).toBe("32000\t1024000\t500\t4096\n");
  });
});
