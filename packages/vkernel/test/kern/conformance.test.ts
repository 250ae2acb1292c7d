// SPDX-License-Identifier: BSD-3-Clause
/** What the Linux Test Project and the Open POSIX test suite find, and Linux's manual pages say: errors and small effects of calls. */
import { expect, it } from "vitest";
import { linuxProcfs } from "../../src/abi/linux/procfs.ts";
import { B, make, onPath, open, P, readAll, run, write } from "./file-calls.ts";
import { type Call, DATA as A, sys, type User } from "./user-bench.ts";

const EPERM = -1, EBADF = -9, EAGAIN = -11, ENOMEM = -12, EFAULT = -14, EBUSY = -16, EINVAL = -22, EOVERFLOW = -75;
const O_RDWR = 2, O_CREAT = 0o100, O_APPEND = 0o2000, O_NONBLOCK = 0o4000, O_NOATIME = 0o1000000, O_PATH = 0o10000000;
const SIGUSR1 = 10, SIGCONT = 18, SIGRTMIN = 34;

it("a descriptor that only names its file is none for calls that use files", () =>
  run(function* (u) {
    yield* make(u, "/f", "text");
    const fd = yield open(u, "/f", O_PATH);
    const refused: Call[] = [
      sys("read", fd, B, 1), sys("write", fd, B, 1), sys("pread64", fd, B, 1, 0, 0), sys("_llseek", fd, 0, 0, B, 0),
      sys("ioctl", fd, 0x5401, B), sys("ioctl", fd, 0x5421, B), sys("mmap2", 0, 4096, 1, 2, fd, 0), sys("fchmod", fd, 0o600),
      sys("fchown32", fd, 0, 0), sys("fsync", fd), sys("ftruncate", fd, 0), sys("flock", fd, 1), sys("fcntl64", fd, 4, O_APPEND),
      sys("fcntl64", fd, 9, 0), sys("getdents64", fd, B, 100),
    ];
    for (const call of refused) expect(yield call).toBe(EBADF);
    const copy = yield sys("dup", fd);
    expect(copy).toBeGreaterThan(fd);
    expect(yield sys("fstat64", copy, B)).toBe(0);
    expect(yield sys("fstatfs64", copy, 84, B)).toBe(0);
    expect((yield sys("fcntl64", copy, 3, 0)) & O_PATH).toBe(O_PATH);
    expect(yield sys("fcntl64", copy, 2, 1)).toBe(0);
    expect(yield sys("close", copy)).toBe(0);
  }));

it("openat2 refuses what open passes over", () =>
  run(function* (u) {
    const AT_FDCWD = -100;
    const open2 = (flags: number, mode: number): Call => {
      u.words(B, flags, 0, mode, 0, 0, 0);
      return sys("openat2", AT_FDCWD, u.text(P, "/g"), B, 24);
    };
    yield* make(u, "/g");
    expect(yield open2(0, 0o600)).toBe(EINVAL);
    expect(yield open2(O_CREAT, 0o10000)).toBe(EINVAL);
    expect(yield open2(0x4000_0000, 0)).toBe(EINVAL);
    expect(yield open2(O_PATH | O_RDWR, 0)).toBe(EINVAL);
    expect(yield open2(O_CREAT, 0o600)).toBeGreaterThanOrEqual(0);
  }));

it("pwrite appends to a file that is open for appending, and leaves the position", () =>
  run(function* (u) {
    yield* make(u, "/a", "0123456789");
    const fd = yield open(u, "/a", O_RDWR | O_APPEND);
    yield sys("lseek", fd, 4, 0);
    u.text(B, "end");
    expect(yield sys("pwrite64", fd, B, 3, 0, 0)).toBe(3);
    expect(yield sys("lseek", fd, 0, 1)).toBe(4);
    yield sys("lseek", fd, 0, 0);
    expect(yield* readAll(u, fd)).toBe("0123456789end");
  }));

it("O_NOATIME is the owner's and the superuser's", () =>
  run(function* (u) {
    yield* make(u, "/mine", "x");
    yield* make(u, "/his", "x");
    yield onPath(u, "chown32", "/his", 99, 99);
    expect(yield open(u, "/his", O_NOATIME)).toBeGreaterThanOrEqual(0);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield open(u, "/his", O_NOATIME)).toBeGreaterThanOrEqual(0);
    expect(yield open(u, "/mine", O_NOATIME)).toBe(EPERM);
    const fd = yield open(u, "/mine");
    expect(fd).toBeGreaterThanOrEqual(0);
  }));

it("both ends of a pipe tell what waits in it; sendfile does not wait for one that must not", () =>
  run(function* (u) {
    yield sys("pipe2", A, O_NONBLOCK);
    const [r, w] = [u.word(A), u.word(A + 4)];
    yield* write(u, w, "seven b");
    for (const end of [r, w]) {
      expect(yield sys("ioctl", end, 0x541b, A)).toBe(0);
      expect(u.word(A)).toBe(7);
    }
    yield* make(u, "/data", "some text");
    const from = yield open(u, "/data");
    for (const len of [4096, 1]) while ((yield sys("write", w, B, len)) > 0);
    expect(yield sys("sendfile", w, from, 0, 4)).toBe(EAGAIN);
    // Even a count of 0 stores the offset, so it must be possible to.
    const end = yield open(u, "/data");
    expect(yield sys("sendfile", yield open(u, "/copy", O_CREAT | O_RDWR), end, 0x7000_0000, 4)).toBe(EFAULT);
  }));

it("advice and msync look at what is locked, and at what is no private memory", () =>
  run(function* () {
    const [DONTNEED, FREE, MERGEABLE, INVALIDATE, SYNC] = [4, 8, 12, 2, 4];
    const priv = yield sys("mmap2", 0, 8192, 3, 0x22, -1, 0);
    const shared = yield sys("mmap2", 0, 8192, 3, 0x21, -1, 0);
    expect(yield sys("madvise", priv, 8192, FREE)).toBe(0);
    expect(yield sys("madvise", shared, 8192, FREE)).toBe(EINVAL);
    expect(yield sys("madvise", priv, 8192, MERGEABLE)).toBe(EINVAL);
    expect(yield sys("msync", shared, 8192, SYNC | INVALIDATE)).toBe(0);
    yield sys("mlock", shared + 4096, 4096);
    expect(yield sys("msync", shared, 4096, INVALIDATE)).toBe(0);
    expect(yield sys("msync", shared, 8192, INVALIDATE)).toBe(EBUSY);
    expect(yield sys("madvise", shared, 8192, DONTNEED)).toBe(EINVAL);
    yield sys("munlock", shared + 4096, 4096);
    expect(yield sys("madvise", shared, 8192, DONTNEED)).toBe(0);
    expect(yield sys("mmap2", 0, 8192, 3, 0x22, -1, 0xffff_ffff)).toBe(EOVERFLOW);
  }));

it("waitid by a descriptor that does not wait is EAGAIN while the process lives", () =>
  run(function* (u) {
    const [P_PIDFD, WEXITED, SIGKILL] = [3, 4, 9];
    u.child(function* () {
      yield sys("pause");
    });
    const pid = yield sys("fork");
    const fd = yield sys("pidfd_open", pid, O_NONBLOCK);
    expect(yield sys("waitid", P_PIDFD, fd, A, WEXITED, 0)).toBe(EAGAIN);
    yield sys("kill", pid, SIGKILL);
    u.words(A + 256, 0, 1_000_000);
    yield sys("nanosleep", A + 256, 0);
    expect(yield sys("waitid", P_PIDFD, fd, A, WEXITED, 0)).toBe(0);
    expect(u.word(A + 12)).toBe(pid);
  }));

it("SA_RESETHAND takes the handler away and leaves the other flags", () =>
  run(function* (u) {
    const [SA_SIGINFO, SA_RESETHAND] = [4, 0x8000_0000 | 0];
    let n = 0;
    yield u.sigaction(SIGUSR1, u.handler(function* () {
      n++;
      yield sys("getpid");
    }), SA_SIGINFO | SA_RESETHAND);
    yield sys("kill", yield sys("getpid"), SIGUSR1);
    yield sys("rt_sigaction", SIGUSR1, 0, A, 8);
    expect([n, u.word(A), u.word(A + 4) & (SA_SIGINFO | SA_RESETHAND)]).toEqual([1, 0, SA_SIGINFO | SA_RESETHAND]);
  }));

it("the number of a thread names its process to kill and rt_sigqueueinfo", () =>
  run(function* (u) {
    const THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000;
    const got: number[] = [];
    const h = u.handler(function* () {
      got.push(1);
      yield sys("getpid");
    });
    yield u.sigaction(SIGUSR1, h);
    yield u.sigaction(SIGRTMIN, h);
    u.child(function* () {
      yield sys("pause");
    });
    const tid = yield sys("clone", THREAD, A + 0x8000, 0, 0, 0);
    expect(tid).toBeGreaterThan(yield sys("getpid"));
    expect(yield sys("kill", tid, SIGUSR1)).toBe(0);
    u.words(A, SIGRTMIN, 0, -1, 0, 0, 0);
    expect(yield sys("rt_sigqueueinfo", tid, SIGRTMIN, A)).toBe(0);
    yield sys("getpid");
    expect(got.length).toBe(2);
    yield sys("exit_group", 0);
  }));

/** Makes a timer that sends `signo` each `ns` and sleeps `ms` with that blocked; its overruns once it is let through. */
function* overruns(u: User, signo: number, ns: number, ms: number): Generator<Call, number, number> {
  const SIG_BLOCK = 0, SIG_UNBLOCK = 1;
  u.words(A + 64, signo <= 32 ? 1 << (signo - 1) : 0, signo > 32 ? 1 << (signo - 33) : 0);
  yield sys("rt_sigprocmask", SIG_BLOCK, A + 64, 0, 8);
  u.words(A, 0, signo, 0, 0);
  expect(yield sys("timer_create", 1, A, A + 32)).toBe(0);
  const id = u.word(A + 32);
  u.words(A, 0, ns, 0, 1_000_000);
  expect(yield sys("timer_settime", id, 0, A, 0)).toBe(0);
  yield sys("timer_gettime", id, A);
  expect(u.word(A + 4)).toBe(ns);
  u.words(A, 0, ms * 1_000_000 + 1_000_000);
  yield sys("nanosleep", A, 0);
  expect(u.proc.sigqueue.filter((info) => info.signo !== 0).length).toBe(1);
  yield sys("rt_sigprocmask", SIG_UNBLOCK, A + 64, 0, 8);
  const n = yield sys("timer_getoverrun", id);
  expect(yield sys("timer_delete", id)).toBe(0);
  return n;
}

it("a timer's signal waits once, and tells how many periods have passed meanwhile", () =>
  run(function* (u) {
    let n = 0;
    const h = u.handler(function* () {
      n++;
      yield sys("getpid");
    });
    for (const signo of [SIGUSR1, SIGRTMIN]) {
      yield u.sigaction(signo, h);
      n = 0;
      expect(Math.abs((yield* overruns(u, signo, 10_000_000, 75)) - 7)).toBeLessThanOrEqual(1);
      expect(n).toBe(1);
    }
    // Ignored by default, but blocked, so it waits all the same; and periods far shorter than timers here fire.
    expect(Math.abs((yield* overruns(u, SIGCONT, 10, 50)) / 5_000_000 - 1)).toBeLessThan(0.1);
  }));

it("timer slack is a thread's, inherited, and set back by 0", () =>
  run(function* (u) {
    const [SET, GET] = [29, 30];
    expect(yield sys("prctl", GET)).toBe(50_000);
    yield sys("prctl", SET, 70_000);
    u.child(function* () {
      expect(yield sys("prctl", GET)).toBe(70_000);
      yield sys("prctl", SET, 1);
      yield sys("prctl", SET, 0);
      expect(yield sys("prctl", GET)).toBe(70_000);
    });
    yield sys("wait4", yield sys("fork"), 0, 0, 0);
    yield sys("prctl", SET, 0);
    expect(yield sys("prctl", GET)).toBe(50_000);
  }));

it("limits of the machine that can be set are obeyed", () =>
  run(function* (u) {
    const { k } = u.bench;
    yield onPath(u, "mkdir", "/proc", 0o755);
    k.mounts.mountOn(linuxProcfs(k), k.mounts.root.children!.get("proc")!);
    function* set(path: string, text: string): Generator<Call, number, number> {
      const fd = yield open(u, path, O_RDWR);
      const n = yield* write(u, fd, text);
      yield sys("close", fd);
      return n;
    }
    expect(yield* set("/proc/sys/vm/max_map_count", "20")).toBe(2);
    let mapped = 0;
    while ((yield sys("mmap2", 0, 4096, mapped % 2 === 0 ? 1 : 3, 0x22, -1, 0)) !== ENOMEM) mapped++;
    expect(mapped).toBeLessThan(20);
    expect(mapped).toBeGreaterThan(10);
    expect(yield* set("/proc/sys/kernel/shmmax", "8192\n")).toBe(5);
    expect(yield sys("shmget", 0, 8193, 0o600)).toBe(EINVAL);
    const id = yield sys("shmget", 0, 8192, 0o600);
    expect(id).toBeGreaterThanOrEqual(0);
    const [SHM_LOCK, SHM_UNLOCK, IPC_STAT, SHM_STAT, SHM_LOCKED] = [11, 12, 2, 13, 0o2000];
    for (const [cmd, mark] of [[SHM_LOCK, SHM_LOCKED], [SHM_UNLOCK, 0]] as const) {
      yield sys("shmctl", id, cmd, 0);
      yield sys("shmctl", id, IPC_STAT, A);
      expect(u.word(A + 20) & SHM_LOCKED).toBe(mark);
    }
    // An identifier serves as an index, too.
    expect(yield sys("shmctl", id, SHM_STAT, A)).toBe(id);
    yield sys("setresuid32", 99, 99, 99);
    const fd = yield open(u, "/proc/sys/vm/max_map_count", O_RDWR);
    expect(fd).toBeLessThan(0);
  }));

it("sockets: an empty queue of errors, a negative length for the sender's name, forced sizes", () =>
  run(function* (u) {
    const [AF_INET, SOCK_DGRAM, MSG_ERRQUEUE, SOL_SOCKET, SO_SNDBUFFORCE] = [2, 2, 0x2000, 1, 32];
    const s = yield sys("socket", AF_INET, SOCK_DGRAM, 0);
    expect(yield sys("recvfrom", s, B, 10, MSG_ERRQUEUE, 0, 0)).toBe(EAGAIN);
    u.words(A, 0, -1, 0, 0, 0, 0, 0);
    expect(yield sys("recvmsg", s, A, 0)).toBe(EINVAL);
    u.words(A, 65_536);
    expect(yield sys("setsockopt", s, SOL_SOCKET, SO_SNDBUFFORCE, A, 4)).toBe(0);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield sys("setsockopt", s, SOL_SOCKET, SO_SNDBUFFORCE, A, 4)).toBe(EPERM);
  }));
