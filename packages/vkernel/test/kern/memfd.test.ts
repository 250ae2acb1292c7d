// SPDX-License-Identifier: BSD-3-Clause
/** Files without a name, and reads and writes with flags; error numbers as Linux has them. */
import { expect, it } from "vitest";
import { DATA, sys, UserBench } from "./user-bench.ts";

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
