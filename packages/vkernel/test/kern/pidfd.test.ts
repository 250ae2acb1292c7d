// SPDX-License-Identifier: BSD-3-Clause
/** pidfds, execveat's errors, lseek for holes, attributes of scheduling: Linux's values. */
import { expect, it } from "vitest";
import { DATA, type Program, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOENT = -2, ESRCH = -3, ENXIO = -6, EBADF = -9, ECHILD = -10, EACCES = -13, EINVAL = -22, ELOOP = -40;
const A = DATA, PATH = DATA + 0x1000, ARGV = DATA + 0x2000;
const POLLIN = 1, P_PIDFD = 3, WEXITED = 4, O_RDWR_CREAT = 0o102, O_RDONLY = 0;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  await bench.run(bench.start(program));
}

it("a pidfd becomes readable at the end, is waited for, and signals", async () => {
  await run(function* (u) {
    u.child(function* () {
      yield sys("pause");
    });
    const pid = yield sys("fork");
    const fd = yield sys("pidfd_open", pid, 0);
    expect(fd).toBeGreaterThanOrEqual(0);
    expect(yield sys("pidfd_open", 99, 0)).toBe(ESRCH);
    expect(yield sys("pidfd_open", pid, 1)).toBe(EINVAL);
    expect(yield sys("pidfd_open", -1, 0)).toBe(EINVAL);
    u.words(A, fd, POLLIN);
    expect(yield sys("poll", A, 1, 0)).toBe(0);
    expect(yield sys("pidfd_send_signal", fd, 0, 0, 0)).toBe(0);
    expect(yield sys("pidfd_send_signal", fd, 99, 0, 0)).toBe(EINVAL);
    expect(yield sys("pidfd_send_signal", 77, 15, 0, 0)).toBe(EBADF);
    expect(yield sys("pidfd_send_signal", fd, 15, 0, 0)).toBe(0);
    expect(yield sys("poll", A, 1, -1)).toBe(1);
    expect(u.word(A + 4) >>> 16).toBe(POLLIN);
    expect(yield sys("waitid", P_PIDFD, fd, A + 64, WEXITED, 0)).toBe(0);
    expect([u.word(A + 64 + 12), u.word(A + 64 + 20)]).toEqual([pid, 15]);
    expect(yield sys("waitid", P_PIDFD, fd, A + 64, WEXITED, 0)).toBe(ECHILD);
    expect(yield sys("pidfd_send_signal", fd, 15, 0, 0)).toBe(ESRCH);
    expect(yield sys("waitid", P_PIDFD, 77, 0, WEXITED, 0)).toBe(EBADF);
  });
});

it("execveat looks its file up from a directory or takes the descriptor itself", async () => {
  await run(function* (u) {
    u.words(ARGV, PATH, 0);
    yield sys("mkdir", u.text(PATH, "/d"), 0o755);
    const dir = yield sys("open", PATH, O_RDONLY);
    const file = yield sys("open", u.text(PATH, "/d/f"), O_RDWR_CREAT, 0o644);
    yield sys("symlink", u.text(PATH, "f"), u.text(PATH + 64, "/d/l"));
    expect(yield sys("execveat", dir, u.text(PATH, "f"), ARGV, 0, 0)).toBe(EACCES);
    expect(yield sys("execveat", dir, u.text(PATH, "none"), ARGV, 0, 0)).toBe(ENOENT);
    expect(yield sys("execveat", dir, u.text(PATH, "l"), ARGV, 0, 0x100)).toBe(ELOOP);
    expect(yield sys("execveat", file, u.text(PATH, ""), ARGV, 0, 0)).toBe(ENOENT);
    expect(yield sys("execveat", file, PATH, ARGV, 0, 0x1000)).toBe(EACCES);
    expect(yield sys("execveat", 77, PATH, ARGV, 0, 0x1000)).toBe(EBADF);
    expect(yield sys("execveat", dir, PATH, ARGV, 0, 1)).toBe(EINVAL);
  });
});

it("SEEK_DATA and SEEK_HOLE: a file is data up to its end", async () => {
  await run(function* (u) {
    const fd = yield sys("open", u.text(PATH, "/f"), O_RDWR_CREAT, 0o644);
    yield sys("write", fd, A, 100);
    expect(yield sys("lseek", fd, 30, 3)).toBe(30);
    expect(yield sys("lseek", fd, 30, 4)).toBe(100);
    expect(yield sys("lseek", fd, 100, 3)).toBe(ENXIO);
    expect(yield sys("lseek", fd, 0, 5)).toBe(EINVAL);
  });
});

it("sched_getattr tells the nice value, sched_setattr sets it; ioprio is checked", async () => {
  await run(function* (u) {
    yield sys("nice", 5);
    expect(yield sys("sched_getattr", 0, A, 48, 0)).toBe(0);
    expect([u.word(A), u.word(A + 4), u.word(A + 16)]).toEqual([48, 0, 5]);
    expect(yield sys("sched_getattr", 0, A, 47, 0)).toBe(EINVAL);
    expect(yield sys("sched_getattr", 99, A, 48, 0)).toBe(ESRCH);
    u.words(A + 16, 7);
    expect(yield sys("sched_setattr", 0, A, 0)).toBe(0);
    expect(yield sys("getpriority", 0, 0)).toBe(13);
    u.words(A + 4, 1);
    expect(yield sys("sched_setattr", 0, A, 0)).toBe(EPERM);
    expect(yield sys("sched_getaffinity", -1, 4, A)).toBe(ESRCH);
    expect(yield sys("ioprio_get", 1, 0)).toBe(0);
    expect(yield sys("ioprio_get", 4, 0)).toBe(EINVAL);
    expect(yield sys("ioprio_set", 1, 0, 4 << 13)).toBe(EINVAL);
    expect(yield sys("ioprio_set", 1, 99, 2 << 13)).toBe(ESRCH);
  });
});
