// SPDX-License-Identifier: BSD-3-Clause
/** pidfds, execveat's errors, lseek for holes, attributes of scheduling: Linux's values. */
import { expect, it } from "vitest";
import { linuxProcfs } from "../../src/abi/linux/procfs.ts";
import { ROOT_CRED } from "../../src/sys/ucred.ts";
import { NLC_FOLLOW, Nlookup, nlookup } from "../../src/vfs/nlookup.ts";
import { DATA, type Program, sys, UserBench } from "./user-bench.ts";

const ENOENT = -2, ESRCH = -3, ENXIO = -6, EBADF = -9, ECHILD = -10, EACCES = -13, EFAULT = -14, EINVAL = -22, ELOOP = -40;
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

it("clone gives a pidfd of the child, which the child has not; clone3 takes handlers away", async () => {
  const PIDFD = 0x1000, THREAD = 0x10d00, PARENT_SETTID = 0x10_0000, SIGHAND = 0x900, CLEAR_SIGHAND = 1;
  const SIG_IGN = 1, SIGUSR1 = 10, SIGUSR2 = 12, SIGCHLD = 17;
  await run(function* (u) {
    u.words(A + 256, 1234, 0, 0, 0, 0);
    yield sys("rt_sigaction", SIGUSR1, A + 256, 0, 8);
    u.words(A + 256, SIG_IGN, 0, 0, 0, 0);
    yield sys("rt_sigaction", SIGUSR2, A + 256, 0, 8);
    expect(yield sys("clone", PIDFD | PARENT_SETTID | SIGCHLD, 0, A, 0, 0)).toBe(EINVAL);
    expect(yield sys("clone", PIDFD | THREAD, 0, A, 0, 0)).toBe(EINVAL);
    expect(yield sys("clone", PIDFD | SIGCHLD, 0, 16, 0, 0)).toBe(EFAULT);
    u.child(function* (c) {
      expect(yield sys("fcntl64", c.word(A), 1, 0)).toBe(EBADF);
      yield sys("rt_sigaction", SIGUSR1, 0, A + 256, 8);
      expect(c.word(A + 256)).toBe(1234);
      yield sys("exit_group", 3);
    });
    const pid = yield sys("clone", PIDFD | SIGCHLD, 0, A, 0, 0);
    const fd = u.word(A);
    expect(yield sys("fcntl64", fd, 1, 0)).toBe(1);
    u.words(A + 32, fd, POLLIN);
    expect(yield sys("poll", A + 32, 1, -1)).toBe(1);
    expect(yield sys("waitid", P_PIDFD, fd, A + 64, WEXITED, 0)).toBe(0);
    expect([u.word(A + 64 + 12), u.word(A + 64 + 20)]).toEqual([pid, 3]);
    expect(yield sys("close", fd)).toBe(0);

    const clone3 = (low: number, high: number): number[] => [low, high, A, 0, 0, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 0, 0];
    u.words(A + 512, ...clone3(SIGHAND, CLEAR_SIGHAND));
    expect(yield sys("clone3", A + 512, 64)).toBe(EINVAL);
    u.child(function* (c) {
      yield sys("rt_sigaction", SIGUSR1, 0, A + 256, 8);
      yield sys("rt_sigaction", SIGUSR2, 0, A + 300, 8);
      expect([c.word(A + 256), c.word(A + 300)]).toEqual([0, SIG_IGN]);
      yield sys("exit_group", 0);
    });
    u.words(A + 512, ...clone3(PIDFD, CLEAR_SIGHAND));
    const second = yield sys("clone3", A + 512, 64);
    expect(u.word(A)).toBe(fd);
    expect(yield sys("waitid", P_PIDFD, fd, A + 64, WEXITED, 0)).toBe(0);
    expect(u.word(A + 64 + 12)).toBe(second);
    yield sys("rt_sigaction", SIGUSR1, 0, A + 256, 8);
    expect(u.word(A + 256)).toBe(1234);
  });
});

it("the child is there although its id cannot be stored", async () => {
  const PARENT_SETTID = 0x10_0000, CHILD_SETTID = 0x100_0000, SIGCHLD = 17;
  await run(function* (u) {
    u.child(function* () {
      yield sys("exit_group", 5);
    });
    const pid = yield sys("clone", PARENT_SETTID | CHILD_SETTID | SIGCHLD, 0, 16, 0, 16);
    expect(pid).toBeGreaterThan(0);
    expect(yield sys("wait4", pid, A, 0, 0)).toBe(pid);
    expect(u.word(A) >>> 8).toBe(5);
  });
});

it("a directory of /proc stands for its process when a signal is sent", async () => {
  const bench = new UserBench();
  const proc = linuxProcfs(bench.k);
  await bench.run(
    bench.start(function* (u) {
      yield sys("mkdir", u.text(PATH, "/proc"), 0o755);
      const { root } = bench.k.mounts;
      bench.k.mounts.mountOn(proc, nlookup(new Nlookup(ROOT_CRED, root, root), "/proc", NLC_FOLLOW));
      u.child(function* () {
        yield sys("pause");
      });
      const pid = yield sys("fork");
      const dir = yield sys("open", u.text(PATH, `/proc/${pid}`), O_RDONLY);
      const thread = yield sys("open", u.text(PATH, `/proc/${pid}/task/${pid}`), O_RDONLY);
      const other = yield sys("open", u.text(PATH, "/proc/sys"), O_RDONLY);
      expect(Math.min(dir, thread, other)).toBeGreaterThanOrEqual(0);
      for (const fd of [thread, other]) expect(yield sys("pidfd_send_signal", fd, 15, 0, 0)).toBe(EBADF);
      expect(yield sys("pidfd_send_signal", dir, 15, 0, 0)).toBe(0);
      expect(yield sys("waitid", P_PIDFD, dir, A + 64, WEXITED, 0)).toBe(EBADF);
      expect(yield sys("wait4", pid, A, 0, 0)).toBe(pid);
      expect(u.word(A)).toBe(15);
      expect(yield sys("pidfd_send_signal", dir, 15, 0, 0)).toBe(ESRCH);
    }),
  );
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
    // A real-time policy needs a priority.
    expect(yield sys("sched_setattr", 0, A, 0)).toBe(EINVAL);
    u.setWord(A + 20, 9);
    expect(yield sys("sched_setattr", 0, A, 0)).toBe(0);
    expect([yield sys("sched_getscheduler", 0), yield sys("sched_getattr", 0, A, 48, 0), u.word(A + 20)]).toEqual([1, 0, 9]);
    expect(yield sys("sched_getaffinity", -1, 4, A)).toBe(ESRCH);
    expect(yield sys("sched_getaffinity", 1, 4, A)).toBe(4);
    expect(u.word(A)).toBe(1);
    expect(yield sys("ioprio_get", 1, 0)).toBe(0);
    expect(yield sys("ioprio_get", 4, 0)).toBe(EINVAL);
    expect(yield sys("ioprio_set", 1, 0, 4 << 13)).toBe(EINVAL);
    expect(yield sys("ioprio_set", 1, 99, 2 << 13)).toBe(ESRCH);
  });
});
