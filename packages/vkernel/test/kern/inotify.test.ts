// SPDX-License-Identifier: BSD-3-Clause
/** inotify: which call gives which events, with which names; error numbers as inotify_add_watch(2) states them. */
import { expect, it } from "vitest";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EBADF = -9, EAGAIN = -11, EEXIST = -17, EACCES = -13, EINVAL = -22, ENOENT = -2, ENOTDIR = -20;
const O_RDWR = 2, O_CREAT = 0o100, O_TRUNC = 0o1000, NONBLOCK = 0o4000, CLOEXEC = 0o2000000;
const ALL = 0xfff, ISDIR = 0x4000_0000, ONESHOT = 0x8000_0000, ONLYDIR = 0x0100_0000, MASK_ADD = 0x2000_0000, MASK_CREATE = 0x1000_0000;
const NAMES = new Map([
  [1, "access"], [2, "modify"], [4, "attrib"], [8, "close_write"], [16, "close_nowrite"], [32, "open"], [64, "moved_from"],
  [128, "moved_to"], [256, "create"], [512, "delete"], [1024, "delete_self"], [2048, "move_self"], [0x4000, "overflow"], [0x8000, "ignored"],
]);
const P = DATA, Q = DATA + 0x400, BUF = DATA + 0x1000;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
}
/** The events that are waiting: "wd name,dir file", cookies apart. */
function* events(u: User, fd: number): Generator<Call, string[], number> {
  const n = yield sys("read", fd, BUF, 8192);
  if (n < 0) return [String(n)];
  const out: string[] = [];
  for (let at = BUF; at < BUF + n; at += 16 + u.word(at + 12)) {
    const mask = u.word(at + 4);
    const name = u.word(at + 12) === 0 ? "" : ` ${u.str(at + 16)}`;
    out.push(`${u.word(at)} ${NAMES.get(mask & ~ISDIR)}${(mask & ISDIR) !== 0 ? ",dir" : ""}${name}`);
  }
  return out;
}
function* open(u: User, path: string, flags = O_RDWR | O_CREAT): Generator<Call, number, number> {
  return yield sys("open", u.text(P, path), flags, 0o644);
}

it("names that come and go in a directory, and what is done to their files", async () => {
  await run(function* (u) {
    yield sys("mkdir", u.text(P, "/d"), 0o755);
    const i = yield sys("inotify_init1", NONBLOCK | CLOEXEC);
    expect(yield sys("inotify_add_watch", i, P, ALL)).toBe(1);
    expect(yield* events(u, i)).toEqual([`${EAGAIN}`]);
    const f = yield* open(u, "/d/file");
    yield sys("write", f, u.text(BUF, "bytes"), 5);
    yield sys("write", f, BUF, 5);
    yield sys("fchmod", f, 0o600);
    yield sys("close", f);
    expect(yield* events(u, i)).toEqual([
      "1 create file", "1 open file", "1 modify file", "1 attrib file", "1 close_write file",
    ]);
    const r = yield* open(u, "/d/file", 0);
    yield sys("read", r, BUF, 3);
    yield sys("close", r);
    expect(yield* events(u, i)).toEqual(["1 open file", "1 access file", "1 close_nowrite file"]);
    yield sys("mkdir", u.text(P, "/d/sub"), 0o755);
    yield sys("rename", u.text(P, "/d/file"), u.text(Q, "/d/other"));
    yield sys("link", u.text(P, "/d/other"), u.text(Q, "/d/second"));
    yield sys("unlink", u.text(P, "/d/other"));
    yield sys("rmdir", u.text(P, "/d/sub"));
    expect(yield* events(u, i)).toEqual([
      "1 create,dir sub", "1 moved_from file", "1 moved_to other", "1 create second", "1 delete other", "1 delete,dir sub",
    ]);
  });
});

it("both halves of a rename carry one cookie", async () => {
  await run(function* (u) {
    yield sys("mkdir", u.text(P, "/a"), 0o755);
    yield sys("mkdir", u.text(Q, "/b"), 0o755);
    const i = yield sys("inotify_init");
    expect(yield sys("inotify_add_watch", i, P, 64)).toBe(1);
    expect(yield sys("inotify_add_watch", i, Q, 128)).toBe(2);
    yield sys("close", yield* open(u, "/a/f"));
    yield sys("rename", u.text(P, "/a/f"), u.text(Q, "/b/a-longer-name-of-more-than-16"));
    expect(yield sys("ioctl", i, 0x541b, P)).toBe(0);
    expect(u.word(P)).toBe(16 + 16 + 16 + 32);
    expect(yield sys("read", i, BUF, 31)).toBe(EINVAL);
    expect(yield sys("read", i, BUF, 40)).toBe(32);
    const cookie = u.word(BUF + 8);
    expect(yield sys("read", i, BUF, 4096)).toBe(48);
    expect([u.word(BUF), u.word(BUF + 8)]).toEqual([2, cookie]);
    expect(cookie).not.toBe(0);
  });
});

it("a watched file tells of itself; with its last name the watch ends", async () => {
  await run(function* (u) {
    yield sys("close", yield* open(u, "/f"));
    const i = yield sys("inotify_init1", NONBLOCK);
    yield sys("inotify_add_watch", i, u.text(P, "/f"), ALL);
    yield sys("close", yield* open(u, "/f", O_RDWR | O_TRUNC));
    yield sys("rename", u.text(P, "/f"), u.text(Q, "/g"));
    expect(yield* events(u, i)).toEqual(["1 modify", "1 open", "1 close_write", "1 move_self"]);
    yield sys("unlink", Q);
    expect(yield* events(u, i)).toEqual(["1 attrib", "1 delete_self", "1 ignored"]);
    expect(yield sys("inotify_rm_watch", i, 1)).toBe(EINVAL);
  });
});

it("masks: replaced, added to, one-shot; removal says so", async () => {
  await run(function* (u) {
    yield sys("close", yield* open(u, "/f"));
    const i = yield sys("inotify_init1", NONBLOCK);
    const add = (mask: number): Call => sys("inotify_add_watch", i, u.text(P, "/f"), mask);
    expect(yield add(32)).toBe(1);
    expect(yield add(8 | MASK_CREATE)).toBe(EEXIST);
    expect(yield add(8 | MASK_ADD)).toBe(1);
    yield sys("close", yield* open(u, "/f"));
    expect(yield* events(u, i)).toEqual(["1 open", "1 close_write"]);
    expect(yield add(8)).toBe(1);
    yield sys("close", yield* open(u, "/f"));
    expect(yield* events(u, i)).toEqual(["1 close_write"]);
    expect(yield sys("inotify_rm_watch", i, 1)).toBe(0);
    expect(yield* events(u, i)).toEqual(["1 ignored"]);
    expect(yield add(32 | ONESHOT)).toBe(2);
    yield sys("close", yield* open(u, "/f"));
    yield sys("close", yield* open(u, "/f"));
    expect(yield* events(u, i)).toEqual(["2 open", "2 ignored"]);
  });
});

it("a reader sleeps until something happens, and poll sees it", async () => {
  await run(function* (u) {
    const i = yield sys("inotify_init");
    yield sys("inotify_add_watch", i, u.text(P, "/"), 256);
    u.child(function* (c) {
      c.words(Q, 0, 10_000_000);
      yield sys("nanosleep", Q, 0);
      yield sys("mkdir", c.text(P, "/new"), 0o755);
    });
    yield sys("fork");
    expect(yield* events(u, i)).toEqual(["1 create,dir new"]);
    u.words(Q, i, 1);
    expect(yield sys("poll", Q, 1, 0)).toBe(0);
    yield sys("mkdir", u.text(P, "/newer"), 0o755);
    expect(yield sys("poll", Q, 1, 0)).toBe(1);
  });
});

it("the queue is bounded: the last event says that some were lost", async () => {
  await run(function* (u) {
    const i = yield sys("inotify_init1", NONBLOCK);
    yield sys("inotify_add_watch", i, u.text(P, "/"), 256 | 512);
    u.text(P, "/x");
    for (let n = 0; n < 9000; n++) {
      yield sys("mkdir", P, 0o755);
      yield sys("rmdir", P);
    }
    let last: string[] = [];
    let count = 0;
    for (;;) {
      const some = yield* events(u, i);
      if (some[0] === `${EAGAIN}`) break;
      count += some.length;
      last = some;
    }
    expect(count).toBe(16384);
    expect(last.at(-1)).toBe("-1 overflow");
  });
});

it.each<[string, (u: User, i: number) => number[], number]>([
  ["no events asked for", (u, i) => [i, u.text(P, "/"), 0], EINVAL],
  ["an unknown bit", (u, i) => [i, u.text(P, "/"), 0x0800_0001], EINVAL],
  ["both of add and create", (u, i) => [i, u.text(P, "/"), 1 | MASK_ADD | MASK_CREATE], EINVAL],
  ["a descriptor of something else", (u) => [0, u.text(P, "/"), 1], EINVAL],
  ["no descriptor", (u) => [77, u.text(P, "/"), 1], EBADF],
  ["no such file", (u, i) => [i, u.text(P, "/none"), 1], ENOENT],
  ["not a directory", (u, i) => [i, u.text(P, "/f"), 1 | ONLYDIR], ENOTDIR],
  ["a file that may not be read", (u, i) => [i, u.text(P, "/secret"), 1], EACCES],
])("inotify_add_watch: %s", async (_what, args, want) => {
  await run(function* (u) {
    yield* open(u, "/f");
    yield sys("close", yield sys("open", u.text(P, "/secret"), O_RDWR | O_CREAT, 0));
    const i = yield sys("inotify_init");
    yield sys("setresuid32", 99, 99, 99);
    expect(yield sys("inotify_add_watch", ...args(u, i))).toBe(want);
  });
});
