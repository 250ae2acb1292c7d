// SPDX-License-Identifier: BSD-3-Clause
/** Files without a name, and reads and writes with flags; error numbers as Linux has them. */
import { expect, it } from "vitest";
import { type Call, DATA, sys, type User, UserBench } from "./user-bench.ts";

const EINVAL = -22, EFAULT = -14, EOPNOTSUPP = -95;
const A = DATA, BUF = DATA + 0x1000, IOV = DATA + 0x800;

it("a file without a name is read, written, mapped and gone with its last descriptor", async () => {
  const bench = new UserBench();
  const status = await bench.run(
    bench.start(function* (u) {
      u.text(A, "scratch");
      expect(yield sys("memfd_create", A, 0x100)).toBe(EINVAL);
      expect(yield sys("memfd_create", 8, 0)).toBe(EFAULT);
      const fd = yield sys("memfd_create", A, 1);
      expect(yield sys("fcntl64", fd, 1, 0)).toBe(1);
      u.text(BUF, "some bytes");
      expect(yield sys("write", fd, BUF, 10)).toBe(10);
      expect(yield sys("ftruncate", fd, 8192)).toBe(0);
      const at = yield sys("mmap2", 0, 8192, 3, 1, fd, 0);
      expect(u.read(at, 10)).toBe("some bytes");
      u.text(at + 4096, "through the map");
      // struct iovec[2]
      u.words(IOV, BUF + 0x100, 7, BUF + 0x200, 8);
      expect(yield sys("preadv2", fd, IOV, 2, 4096, 0, 0)).toBe(15);
      expect(u.read(BUF + 0x100, 7) + u.read(BUF + 0x200, 8)).toBe("through the map");
      // At offset −1 it goes on where the file stands, which is behind the bytes written.
      expect(yield sys("pwritev2", fd, IOV, 1, -1, -1, 2)).toBe(7);
      expect(yield sys("lseek", fd, 0, 1)).toBe(17);
      expect(u.read(at + 10, 7)).toBe("through");
      expect(yield sys("preadv2", fd, IOV, 2, 0, 0, 0x8000)).toBe(EOPNOTSUPP);
      expect(yield sys("preadv2", fd, IOV, 2, -2, -1, 0)).toBe(EINVAL);
      yield sys("close", fd);
      expect(u.read(at, 4)).toBe("some");
      yield sys("munmap", at, 8192);
    }),
  );
  expect(status).toBe(0);
  expect(bench.k.memfs!.nodes).toBe(1);
});

const EPERM = -1, EBUSY = -16;
const ADD_SEALS = 1033, GET_SEALS = 1034, SEAL = 1, SHRINK = 2, GROW = 4, WRITE = 8, FUTURE_WRITE = 16;
async function sealed(program: (u: User, fd: number) => Generator<Call, void, number>): Promise<void> {
  const bench = new UserBench();
  const status = await bench.run(
    bench.start(function* (u) {
      const fd = yield sys("memfd_create", u.text(A, "m"), 2);
      yield sys("write", fd, u.text(BUF, "0123456789"), 10);
      yield* program(u, fd);
    }),
  );
  expect(status).toBe(0);
}

it("seals against shrinking, growing and writing hold, and add up", async () => {
  await sealed(function* (_u, fd) {
    expect(yield sys("fcntl64", fd, GET_SEALS, 0)).toBe(0);
    expect(yield sys("fcntl64", fd, ADD_SEALS, SHRINK)).toBe(0);
    expect(yield sys("ftruncate", fd, 5)).toBe(EPERM);
    expect(yield sys("ftruncate", fd, 20)).toBe(0);
    expect(yield sys("fcntl64", fd, ADD_SEALS, GROW)).toBe(0);
    expect(yield sys("ftruncate", fd, 30)).toBe(EPERM);
    expect(yield sys("pwrite64", fd, BUF, 10, 15, 0)).toBe(EPERM);
    expect(yield sys("pwrite64", fd, BUF, 5, 15, 0)).toBe(5);
    expect(yield sys("fcntl64", fd, ADD_SEALS, WRITE)).toBe(0);
    expect(yield sys("pwrite64", fd, BUF, 1, 0, 0)).toBe(EPERM);
    expect(yield sys("pread64", fd, BUF, 20, 0, 0)).toBe(20);
    expect(yield sys("fcntl64", fd, ADD_SEALS, SEAL)).toBe(0);
    expect(yield sys("fcntl64", fd, ADD_SEALS, FUTURE_WRITE)).toBe(EPERM);
    expect(yield sys("fcntl64", fd, GET_SEALS, 0)).toBe(15);
    expect(yield sys("fcntl64", fd, ADD_SEALS, 64)).toBe(EINVAL);
  });
});

it("a writable mapping stands against the write seal; afterwards only reading ones are made", async () => {
  await sealed(function* (u, fd) {
    const at = yield sys("mmap2", 0, 4096, 3, 1, fd, 0);
    expect(yield sys("fcntl64", fd, ADD_SEALS, WRITE)).toBe(EBUSY);
    expect(yield sys("fcntl64", fd, ADD_SEALS, FUTURE_WRITE)).toBe(0);
    u.text(at, "through");
    expect(yield sys("write", fd, BUF, 1)).toBe(EPERM);
    expect(yield sys("munmap", at, 4096)).toBe(0);
    expect(yield sys("fcntl64", fd, ADD_SEALS, WRITE)).toBe(0);
    expect(yield sys("mmap2", 0, 4096, 3, 1, fd, 0)).toBe(EPERM);
    const ro = yield sys("mmap2", 0, 4096, 1, 1, fd, 0);
    expect(u.read(ro, 7)).toBe("through");
    expect(yield sys("mprotect", ro, 4096, 3)).toBe(-13);
    // A private copy is the process's own.
    const copy = yield sys("mmap2", 0, 4096, 3, 2, fd, 0);
    u.text(copy, "mine");
  });
});

it("only a file made for it can be sealed", async () => {
  const bench = new UserBench();
  await bench.run(
    bench.start(function* (u) {
      const fd = yield sys("memfd_create", u.text(A, "m"), 0);
      expect(yield sys("fcntl64", fd, GET_SEALS, 0)).toBe(SEAL);
      expect(yield sys("fcntl64", fd, ADD_SEALS, WRITE)).toBe(EPERM);
      yield sys("pipe", A);
      expect(yield sys("fcntl64", u.word(A), GET_SEALS, 0)).toBe(EINVAL);
      expect(yield sys("fcntl64", 77, GET_SEALS, 0)).toBe(-9);
    }),
  );
});
