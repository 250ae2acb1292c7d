// SPDX-License-Identifier: BSD-3-Clause
/** System V IPC through the calls of Linux/i386; errors as shmget(2), semop(2), msgrcv(2) and their kin state them. */
import { ucredOf } from "../../src/sys/ucred.ts";
import { describe, expect, it } from "vitest";
import { SEMMNU } from "../../src/kern/sysv-sem.ts";
import { DATA, type Program, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOENT = -2, EINTR = -4, E2BIG = -7, EAGAIN = -11, EACCES = -13, EFAULT = -14, EEXIST = -17, EINVAL = -22, EFBIG = -27;
const ENOMEM = -12, ERANGE = -34, ENOMSG = -42, EIDRM = -43;
const IPC_CREAT = 0o1000, IPC_EXCL = 0o2000, IPC_NOWAIT = 0o4000, IPC_PRIVATE = 0, IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3;
const SHM_RDONLY = 0o10000, SHM_RND = 0o20000, SHM_REMAP = 0o40000, SEM_UNDO = 0x1000, SHM_HUGETLB = 0o4000;
const GETPID = 11, GETVAL = 12, GETALL = 13, GETNCNT = 14, GETZCNT = 15, SETVAL = 16, SETALL = 17;
const MSG_NOERROR = 0o10000, MSG_EXCEPT = 0o20000, MSG_COPY = 0o40000;
const A = DATA, B = DATA + 0x2000;
const NOBODY = ucredOf(99, 99);

async function run(program: Program, cred?: typeof NOBODY): Promise<UserBench> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program, cred))).toBe(0);
  return bench;
}
/** A sleep of 10 ms, in which the others run until they wait. */
function rest(u: Parameters<Program>[0]): ReturnType<typeof sys> {
  u.words(DATA + 0x3000, 0, 10_000_000);
  return sys("nanosleep", DATA + 0x3000, 0);
}
/** Stores struct sembuf[] and calls semop. */
function semop(u: Parameters<Program>[0], id: number, ...ops: (readonly [number, number, number?])[]): ReturnType<typeof sys> {
  ops.forEach(([num, op, flags = 0], i) => {
    [num & 255, num >> 8, op & 255, (op >> 8) & 255, flags & 255, flags >> 8].forEach((b, j) => u.poke(B + 6 * i + j, b));
  });
  return sys("semtimedop_time64", id, B, ops.length, 0);
}
/** Stores struct msgbuf and calls msgsnd. */
function msgsnd(u: Parameters<Program>[0], id: number, type: number, text: string, flags = 0): ReturnType<typeof sys> {
  u.setWord(B, type);
  u.text(B + 4, text);
  return sys("msgsnd", id, B, text.length, flags);
}

describe("keys and permissions", () => {
  const kinds = [
    ["shmget", 4096, "shmctl"],
    ["semget", 2, "semctl"],
    ["msgget", null, "msgctl"],
  ] as const;
  it.each(kinds)("%s: IPC_CREAT, IPC_EXCL, IPC_PRIVATE, removal", async (get, size, ctl) => {
    const args = (key: number, flags: number): number[] => (size === null ? [key, flags] : [key, size, flags]);
    const remove = (id: number): number[] => (ctl === "semctl" ? [id, 0, IPC_RMID, 0] : [id, IPC_RMID, 0]);
    await run(function* () {
      expect(yield sys(get, ...args(77, 0o600))).toBe(ENOENT);
      const id = yield sys(get, ...args(77, IPC_CREAT | 0o600));
      expect(id).toBeGreaterThanOrEqual(0);
      expect(yield sys(get, ...args(77, IPC_CREAT | 0o600))).toBe(id);
      expect(yield sys(get, ...args(77, 0))).toBe(id);
      expect(yield sys(get, ...args(77, IPC_CREAT | IPC_EXCL | 0o600))).toBe(EEXIST);
      const other = yield sys(get, ...args(IPC_PRIVATE, 0o600));
      expect(other).not.toBe(id);
      expect(yield sys(ctl, ...remove(id))).toBe(0);
      expect(yield sys(ctl, ...remove(id))).toBe(EINVAL);
      const again = yield sys(get, ...args(77, IPC_CREAT | 0o600));
      // The index is used again, the identifier is not.
      expect(again & 0x7fff).toBe(id & 0x7fff);
      expect(again).not.toBe(id);
      expect(yield sys(ctl, ...remove(-1))).toBe(EINVAL);
    });
  });

  it.each([
    [0o600, 99, EACCES, EPERM],
    [0o604, 99, 0, EPERM],
    [0o640, 99, EACCES, EPERM],
  ])("mode %o as user %i: reading %i, removing %i", async (mode, uid, read, rmid) => {
    await run(function* (u) {
      const id = yield sys("semget", 5, 1, IPC_CREAT | mode);
      yield sys("setresgid32", uid, uid, uid);
      yield sys("setresuid32", uid, uid, uid);
      expect(yield sys("semctl", id, 0, GETVAL, 0)).toBe(read);
      expect(yield sys("semctl", id, 0, SETVAL, 1)).toBe(EACCES);
      expect(yield sys("semget", 5, 1, 0o600)).toBe(EACCES);
      expect(yield sys("semctl", id, 0, IPC_RMID, 0)).toBe(rmid);
      u.words(A, 0, 1, 1, 0, 0, 0o666, 0, 0, 0);
      expect(yield sys("semctl", id, 0, IPC_SET, A)).toBe(EPERM);
    });
  });
});

describe("shared memory", () => {
  it("is shared with children, outlives its removal until the last detach, and counts attachments", async () => {
    const bench = await run(function* (u) {
      const id = yield sys("shmget", 120, 5000, IPC_CREAT | 0o600);
      const at = yield sys("shmat", id, 0, 0);
      u.text(at + 4096, "from the parent");
      u.child(function* (c) {
        expect(c.str(at + 4096)).toBe("from the parent");
        c.text(at, "from the child");
        expect(yield sys("shmctl", id, IPC_STAT, A)).toBe(0);
        // struct shmid64_ds: key, size, cpid, lpid, nattch
        expect([A, A + 36, A + 64, A + 68, A + 72].map((w) => c.word(w))).toEqual([120, 5000, 2, 2, 2]);
      });
      const pid = yield sys("fork");
      yield sys("wait4", pid, 0, 0, 0);
      expect(u.str(at)).toBe("from the child");
      expect(yield sys("shmctl", id, IPC_RMID, 0)).toBe(0);
      expect(yield sys("shmget", 120, 5000, 0)).toBe(ENOENT);
      expect(yield sys("shmctl", id, IPC_STAT, A)).toBe(0);
      expect([u.word(A + 20) & 0o1777, u.word(A + 72)]).toEqual([0o1600, 1]);
      expect(u.str(at)).toBe("from the child");
      expect(yield sys("shmdt", at)).toBe(0);
      expect(yield sys("shmctl", id, IPC_STAT, A)).toBe(EINVAL);
      expect(yield sys("shmdt", at)).toBe(EINVAL);
    });
    expect([bench.k.ipc.shm.size, bench.k.ipc.shm.totalPages]).toEqual([0, 0]);
  });

  it("memory comes back with the last mapping of a removed segment", async () => {
    let before = 0;
    const bench = await run(function* (u) {
      before = u.bench.k.vm.freePages();
      const id = yield sys("shmget", IPC_PRIVATE, 64 * 4096, 0o600);
      const at = yield sys("shmat", id, 0, 0);
      for (let i = 0; i < 64; i++) u.setWord(at + 4096 * i, i + 1);
      expect(before - u.bench.k.vm.freePages()).toBeGreaterThanOrEqual(64);
      yield sys("shmctl", id, IPC_RMID, 0);
      expect(before - u.bench.k.vm.freePages()).toBeGreaterThanOrEqual(64);
    });
    expect(bench.k.vm.freePages()).toBeGreaterThanOrEqual(before);
  });

  it("a detach takes every piece that is left", async () => {
    await run(function* (u) {
      const id = yield sys("shmget", IPC_PRIVATE, 4 * 4096, 0o600);
      const at = yield sys("shmat", id, 0, 0);
      expect(yield sys("munmap", at + 4096, 4096)).toBe(0);
      expect(yield sys("mprotect", at + 8192, 4096, 1)).toBe(0);
      yield sys("shmctl", id, IPC_STAT, A);
      expect(u.word(A + 72)).toBe(3);
      expect(yield sys("shmdt", at)).toBe(0);
      yield sys("shmctl", id, IPC_STAT, A);
      expect(u.word(A + 72)).toBe(0);
    });
  });

  it("refuses what shmget(2) and shmat(2) refuse", async () => {
    await run(function* (u) {
      const limit = u.bench.k.vm.totalPages * 4096;
      expect(yield sys("shmget", 1, 0, IPC_CREAT | 0o600)).toBe(EINVAL);
      expect(yield sys("shmget", 1, limit + 4096, IPC_CREAT | 0o600)).toBe(EINVAL);
      expect(yield sys("shmget", 1, 4096, IPC_CREAT | SHM_HUGETLB | 0o600)).toBe(EINVAL);
      const id = yield sys("shmget", 1, 8192, IPC_CREAT | 0o600);
      expect(yield sys("shmget", 1, 8193, 0)).toBe(EINVAL);
      expect(yield sys("shmget", 1, 100, 0)).toBe(id);
      expect(yield sys("shmat", id + 1, 0, 0)).toBe(EINVAL);
      expect(yield sys("shmat", id, DATA + 1, 0)).toBe(EINVAL);
      expect(yield sys("shmat", id, DATA, 0)).toBe(EINVAL);
      expect(yield sys("shmat", id, 0, SHM_REMAP)).toBe(EINVAL);
      expect(yield sys("shmat", id, 0x5000_0123, SHM_RND)).toBe(0x5000_0000);
      const ro = yield sys("shmat", id, 0, SHM_RDONLY);
      expect(() => u.setWord(ro, 1)).toThrow("Bad address");
      expect(yield sys("mprotect", ro, 4096, 3)).toBe(EACCES);
      expect(yield sys("shmctl", id, 99, A)).toBe(EINVAL);
      expect(yield sys("shmctl", id, IPC_STAT, 8)).toBe(EFAULT);
      expect(yield sys("shmctl", 0, IPC_INFO, A)).toBe(0);
      expect([u.word(A), u.word(A + 4), u.word(A + 8)]).toEqual([limit, 1, 4096]);
    });
  });
});

describe("semaphores", () => {
  it("operations of a call happen together or not at all", async () => {
    await run(function* (u) {
      const id = yield sys("semget", IPC_PRIVATE, 3, 0o600);
      expect(yield semop(u, id, [0, 2], [1, 1])).toBe(0);
      expect(yield semop(u, id, [0, -1], [1, -2, IPC_NOWAIT])).toBe(EAGAIN);
      expect(yield semop(u, id, [0, -1], [1, 0, IPC_NOWAIT])).toBe(EAGAIN);
      expect(yield sys("semctl", id, 0, GETALL, A)).toBe(0);
      expect([u.word(A), u.word(A + 4) & 0xffff]).toEqual([2 | (1 << 16), 0]);
      expect(yield semop(u, id, [0, 32766])).toBe(ERANGE);
      expect(yield semop(u, id, [3, 1])).toBe(EFBIG);
      expect(yield sys("semtimedop_time64", id, B, 0, 0)).toBe(EINVAL);
      expect(yield sys("semtimedop_time64", id, B, 501, 0)).toBe(E2BIG);
      expect(yield sys("semtimedop_time64", id + 1, B, 1, 0)).toBe(EINVAL);
      expect(yield sys("semctl", id, 0, GETPID, 0)).toBe(2);
      expect(yield sys("semctl", id, 3, GETVAL, 0)).toBe(EINVAL);
      expect(yield sys("semctl", id, 0, SETVAL, 32768)).toBe(ERANGE);
      u.words(A, 7 | (8 << 16), 9);
      expect(yield sys("semctl", id, 0, SETALL, A)).toBe(0);
      expect(yield sys("semctl", id, 2, GETVAL, 0)).toBe(9);
    });
  });

  it("a waiter goes on when another process makes it possible; both kinds are counted", async () => {
    await run(function* (u) {
      const id = yield sys("semget", IPC_PRIVATE, 2, 0o600);
      yield sys("semctl", id, 1, SETVAL, 1);
      u.child(function* (c) {
        expect(yield semop(c, id, [0, -3])).toBe(0);
      });
      const down = yield sys("fork");
      yield rest(u);
      u.child(function* (c) {
        expect(yield semop(c, id, [1, 0])).toBe(0);
      });
      const zero = yield sys("fork");
      yield rest(u);
      expect(yield sys("semctl", id, 0, GETNCNT, 0)).toBe(1);
      expect(yield sys("semctl", id, 1, GETZCNT, 0)).toBe(1);
      yield semop(u, id, [0, 2]);
      expect(yield sys("wait4", down, 0, 1, 0)).toBe(0);
      yield semop(u, id, [0, 1], [1, -1]);
      expect(yield sys("wait4", down, A, 0, 0)).toBe(down);
      expect(yield sys("wait4", zero, A, 0, 0)).toBe(zero);
      expect(yield sys("semctl", id, 0, GETVAL, 0)).toBe(0);
      expect(yield sys("semctl", id, 0, GETNCNT, 0)).toBe(0);
    });
  });

  it("removal, a timeout and a signal end a wait", async () => {
    await run(function* (u) {
      const id = yield sys("semget", IPC_PRIVATE, 1, 0o600);
      u.words(A, 0, 0, 50_000_000, 0);
      yield semop(u, id, [0, 1]);
      yield semop(u, id, [0, -1]);
      expect(yield sys("semtimedop_time64", id, B, 1, A)).toBe(EAGAIN);
      const handler = u.handler(function* () {});
      yield u.sigaction(14, handler, 0x1000_0000);
      yield sys("alarm", 1);
      expect(yield semop(u, id, [0, -1])).toBe(EINTR);
      u.child(function* (c) {
        expect(yield semop(c, id, [0, -1])).toBe(EIDRM);
      });
      const pid = yield sys("fork");
      yield rest(u);
      expect(yield sys("semctl", id, 0, IPC_RMID, 0)).toBe(0);
      yield sys("wait4", pid, 0, 0, 0);
    });
  });

  it("SEM_UNDO is paid at the end of the process, and forgotten by SETVAL", async () => {
    const bench = await run(function* (u) {
      const id = yield sys("semget", IPC_PRIVATE, 2, 0o600);
      yield sys("semctl", id, 0, SETVAL, 5);
      yield sys("semctl", id, 1, SETVAL, 5);
      u.child(function* (c) {
        expect(yield semop(c, id, [0, -2, SEM_UNDO], [1, 4, SEM_UNDO])).toBe(0);
        expect(yield semop(c, id, [0, -1, SEM_UNDO], [1, -100, IPC_NOWAIT])).toBe(EAGAIN);
        yield sys("exit_group", 0);
      });
      yield sys("wait4", yield sys("fork"), 0, 0, 0);
      expect(yield sys("semctl", id, 0, GETVAL, 0)).toBe(5);
      expect(yield sys("semctl", id, 1, GETVAL, 0)).toBe(5);
      u.child(function* (c) {
        yield semop(c, id, [0, -2, SEM_UNDO]);
        yield sys("semctl", id, 0, SETVAL, 1);
      });
      yield sys("wait4", yield sys("fork"), 0, 0, 0);
      expect(yield sys("semctl", id, 0, GETVAL, 0)).toBe(1);
    });
    expect(bench.k.ipc.sem.undo.size).toBe(0);
  });

  it("SE3: adjustments are made by calls that succeed, and their number is limited", async () => {
    const bench = await run(function* (u) {
      const { sem } = u.bench.k.ipc;
      const id = yield sys("semget", IPC_PRIVATE, 100, 0o600);
      expect(yield semop(u, id, [0, 1, SEM_UNDO], [1, -1, IPC_NOWAIT])).toBe(EAGAIN);
      expect(yield semop(u, id, [0, 32767, SEM_UNDO], [0, 1, SEM_UNDO])).toBe(ERANGE);
      expect([sem.undo.size, sem.undoSems]).toEqual([0, 0]);
      expect(yield semop(u, id, [0, 3, SEM_UNDO], [0, -1, SEM_UNDO])).toBe(0);
      expect([sem.undo.size, sem.undoSems]).toEqual([1, 100]);
      sem.undoSems = SEMMNU;
      const other = yield sys("semget", IPC_PRIVATE, 1, 0o600);
      expect(yield semop(u, other, [0, 1, SEM_UNDO])).toBe(ENOMEM);
      expect(yield sys("semctl", other, 0, GETVAL, 0)).toBe(0);
      expect(yield semop(u, id, [0, 1, SEM_UNDO])).toBe(0);
      sem.undoSems = 100;
    });
    expect(bench.k.ipc.sem.undoSems).toBe(0);
  });
});

describe("message queues", () => {
  it.each([
    [0, 0, 2, "two"],
    [3, 0, 3, "three"],
    [2, MSG_EXCEPT, 3, "three"],
    [-3, 0, 1, "one"],
    [-2, 0, 1, "one"],
    [9, 0, ENOMSG, ""],
  ])("msgrcv of type %i with flags %o", async (type, flags, want, text) => {
    await run(function* (u) {
      const id = yield sys("msgget", IPC_PRIVATE, 0o600);
      yield msgsnd(u, id, 2, "two");
      yield msgsnd(u, id, 3, "three");
      yield msgsnd(u, id, 1, "one");
      const r = yield sys("msgrcv", id, A, 100, type, flags | IPC_NOWAIT);
      if (want < 0) {
        expect(r).toBe(want);
        return;
      }
      expect([r, u.word(A), u.read(A + 4, r)]).toEqual([text.length, want, text]);
      yield sys("msgctl", id, IPC_STAT, A);
      // struct msqid64_ds: cbytes, qnum, qbytes, lspid, lrpid
      expect([60, 64, 68, 72, 76].map((w) => u.word(A + w))).toEqual([11 - text.length, 2, 16384, 2, 2]);
    });
  });

  it("E2BIG leaves the message, MSG_NOERROR cuts it, MSG_COPY leaves it", async () => {
    await run(function* (u) {
      const id = yield sys("msgget", IPC_PRIVATE, 0o600);
      yield msgsnd(u, id, 7, "a long message");
      expect(yield sys("msgrcv", id, A, 4, 0, 0)).toBe(E2BIG);
      expect(yield sys("msgrcv", id, A, 100, 0, MSG_COPY)).toBe(EINVAL);
      expect(yield sys("msgrcv", id, A, 100, 1, MSG_COPY | IPC_NOWAIT)).toBe(ENOMSG);
      expect(yield sys("msgrcv", id, A, 100, 0, MSG_COPY | IPC_NOWAIT)).toBe(14);
      expect(yield sys("msgrcv", id, 8, 100, 0, 0)).toBe(EFAULT);
      expect(yield sys("msgrcv", id, A, 4, 0, MSG_NOERROR)).toBe(4);
      expect(u.read(A + 4, 4)).toBe("a lo");
      expect(yield sys("msgrcv", id, A, 4, 0, IPC_NOWAIT)).toBe(ENOMSG);
    });
  });

  it("a full queue makes the sender wait, an empty one the receiver; removal wakes both", async () => {
    const bench = await run(function* (u) {
      const id = yield sys("msgget", IPC_PRIVATE, 0o600);
      const big = "x".repeat(8000);
      expect(yield msgsnd(u, id, 0, "x")).toBe(EINVAL);
      expect(yield sys("msgsnd", id, B, 8193, 0)).toBe(EINVAL);
      yield msgsnd(u, id, 1, big);
      yield msgsnd(u, id, 1, big);
      expect(yield msgsnd(u, id, 1, big, IPC_NOWAIT)).toBe(EAGAIN);
      u.child(function* (c) {
        expect(yield msgsnd(c, id, 2, big)).toBe(0);
      });
      const sender = yield sys("fork");
      yield rest(u);
      for (const type of [1, 1, 2]) {
        expect(yield sys("msgrcv", id, A, 8000, 0, 0)).toBe(8000);
        expect(u.word(A)).toBe(type);
      }
      yield sys("wait4", sender, 0, 0, 0);
      u.child(function* () {
        expect(yield sys("msgrcv", id, A, 8000, 0, 0)).toBe(EIDRM);
      });
      const receiver = yield sys("fork");
      yield rest(u);
      yield sys("msgctl", id, IPC_RMID, 0);
      yield sys("wait4", receiver, 0, 0, 0);
    });
    expect(bench.k.ipc.msg.poolBytes).toBe(0);
  });

  it("MQ1: a message without bytes is not free", async () => {
    const bench = await run(function* (u) {
      const { msg } = u.bench.k.ipc;
      const id = yield sys("msgget", IPC_PRIVATE, 0o600);
      yield msgsnd(u, id, 1, "");
      yield msgsnd(u, id, 1, "");
      expect(msg.poolBytes).toBeGreaterThan(0);
      const cost = msg.poolBytes;
      yield sys("msgrcv", id, A, 0, 0, 0);
      expect(msg.poolBytes).toBe(cost / 2);
      yield sys("msgctl", id, IPC_RMID, 0);
    });
    expect(bench.k.ipc.msg.poolBytes).toBe(0);
  });

  it("only the superuser makes a queue larger than MSGMNB", async () => {
    await run(function* (u) {
      const id = yield sys("msgget", IPC_PRIVATE, 0o600);
      yield sys("msgctl", id, IPC_STAT, A);
      u.setWord(A + 68, 20_000);
      expect(yield sys("msgctl", id, IPC_SET, A)).toBe(EPERM);
      u.setWord(A + 68, 100);
      expect(yield sys("msgctl", id, IPC_SET, A)).toBe(0);
      expect(yield msgsnd(u, id, 1, "y".repeat(101), IPC_NOWAIT)).toBe(EAGAIN);
    }, NOBODY);
  });
});

it("ipc(2) leads to all of them, with structures of 32-bit ids", async () => {
  await run(function* (u) {
    const shm = yield sys("ipc", 23, IPC_PRIVATE, 4096, 0o600, 0, 0);
    expect(yield sys("ipc", 21, shm, 0, A, 0, 0)).toBe(0);
    const at = u.word(A) >>> 0;
    u.setWord(at, 5);
    expect(yield sys("ipc", 24, shm, 0x100 | IPC_STAT, 0, B, 0)).toBe(0);
    expect(u.word(B + 36)).toBe(4096);
    expect(yield sys("ipc", 24, shm, IPC_STAT, 0, B, 0)).toBe(EINVAL);
    expect(yield sys("ipc", 22, 0, 0, 0, at, 0)).toBe(0);
    const sem = yield sys("ipc", 2, IPC_PRIVATE, 1, 0o600, 0, 0);
    u.setWord(A, 4);
    expect(yield sys("ipc", 3, sem, 0, 0x100 | SETVAL, A, 0)).toBe(0);
    u.words(B, 0xfffc_0000 | 0, 0);
    expect(yield sys("ipc", 1, sem, 1, 0, B, 0)).toBe(0);
    expect(yield sys("ipc", 3, sem, 0, 0x100 | GETVAL, A, 0)).toBe(0);
    const msg = yield sys("ipc", 13, IPC_PRIVATE, 0o600, 0, 0, 0);
    u.setWord(B, 6);
    u.text(B + 4, "kludge");
    expect(yield sys("ipc", 11, msg, 6, 0, B, 0)).toBe(0);
    u.words(A, B + 0x100, 0);
    expect(yield sys("ipc", 12, msg, 6, 0, A, 0)).toBe(6);
    expect(u.read(B + 0x104, 6)).toBe("kludge");
    expect(yield sys("ipc", 99, 0, 0, 0, 0, 0)).toBe(-38);
  });
});
