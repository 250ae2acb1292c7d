// SPDX-License-Identifier: BSD-3-Clause
/** What a child finds in memory that was given advice about fork (madvise(2)). */
import { expect, it } from "vitest";
import { DATA, sys, UserBench } from "./user-bench.ts";

const EINVAL = -22, EFAULT = -14;
const DONTFORK = 10, DOFORK = 11, WIPEONFORK = 18, KEEPONFORK = 19;

it.each([
  ["nothing", [], 7],
  ["MADV_WIPEONFORK", [WIPEONFORK], 0],
  ["MADV_WIPEONFORK, taken back", [WIPEONFORK, KEEPONFORK], 7],
  ["MADV_DONTFORK", [DONTFORK], EFAULT],
  ["MADV_DONTFORK, taken back", [DONTFORK, DOFORK], 7],
])("after %s", async (_what, advice, want) => {
  const bench = new UserBench();
  const status = await bench.run(
    bench.start(function* (u) {
      const at = yield sys("mmap2", 0, 3 * 4096, 3, 0x22, -1, 0);
      for (const page of [0, 1, 2]) u.setWord(at + 4096 * page, 7);
      for (const a of advice) expect(yield sys("madvise", at + 4096, 4096, a)).toBe(0);
      u.child(function* (c) {
        expect([c.word(at), c.word(at + 8192)]).toEqual([7, 7]);
        if (want === EFAULT) expect(yield sys("sched_getparam", 0, at + 4096)).toBe(EFAULT);
        else {
          expect(c.word(at + 4096)).toBe(want);
          c.setWord(at + 4096, 9);
        }
      });
      yield sys("wait4", yield sys("fork"), 0, 0, 0);
      expect(u.word(at + 4096)).toBe(7);
    }),
  );
  expect(status).toBe(0);
});

it("only private anonymous memory can be wiped", async () => {
  const bench = new UserBench();
  await bench.run(
    bench.start(function* (u) {
      const shared = yield sys("mmap2", 0, 4096, 3, 0x21, -1, 0);
      expect(yield sys("madvise", shared, 4096, WIPEONFORK)).toBe(EINVAL);
      const fd = yield sys("memfd_create", u.text(DATA, "m"), 0);
      yield sys("ftruncate", fd, 4096);
      const file = yield sys("mmap2", 0, 4096, 3, 2, fd, 0);
      expect(yield sys("madvise", file, 4096, WIPEONFORK)).toBe(EINVAL);
      expect(yield sys("madvise", DATA + 1, 4096, WIPEONFORK)).toBe(EINVAL);
    }),
  );
});
