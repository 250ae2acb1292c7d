// SPDX-License-Identifier: BSD-3-Clause
/** Every call of the DragonFly table with a bad pointer in each place, and a bad descriptor. */
import { describe, expect, it } from "vitest";
import { DRAGONFLY_SYSENT } from "../../src/abi/dragonfly/sysent.ts";
import type { Sysent } from "../../src/kern/sysent.ts";
import { type Call, dfly, type User, UserBench } from "../kern/user-bench.ts";
import {
  AT, FD, isPointer, KERNEL_ADDRESS, NULL_PAGE, PENDING_SIGNAL, type Place, places, rightArgs, type Shape, TEXTS, wrongArgs,
} from "./probe.ts";
import { DRAGONFLY_SHAPES } from "./dragonfly-shapes.ts";

const EFAULT = 14, EBADF = 9, ENOSYS = 78;

function* setup(u: User): Generator<Call, void, number> {
  for (const [name, text] of Object.entries(TEXTS)) u.text(AT[name as keyof typeof TEXTS], text);
  u.words(AT.sixteen, 16);
  u.words(AT.pointer, AT.more);
  u.words(AT.pending, 1 << (PENDING_SIGNAL - 1), 0, 0, 0);
  u.words(AT.ostype, 1, 1);
  u.words(AT.params, 0, 0, AT.more + 0x1000, 0, 0);
  u.words(AT.jail, 1, AT.root, AT.variable, 0, 0);
  u.words(AT.address, 0x0001 << 8);
  u.text(AT.address + 2, "/s");
  const fds: number[] = [];
  fds.push(yield dfly("open", AT.file, 0x202, 0o644));
  yield dfly("write", fds[0]!, AT.zeros, 100);
  yield dfly("lseek", fds[0]!, 0, 0, 0, 0);
  yield dfly("mkdir", AT.dir, 0o755);
  yield dfly("symlink", AT.file, AT.link);
  yield dfly("chdir", AT.dir);
  yield dfly("link", AT.file, AT.relative);
  yield dfly("symlink", AT.file, AT.relativeLink);
  yield dfly("chdir", AT.root);
  fds.push(yield dfly("open", AT.dir, 0, 0));
  yield dfly("socketpair", 1, 1, 0, AT.zeros);
  fds.push(u.word(AT.zeros), u.word(AT.zeros + 4));
  u.words(AT.zeros, 0, 0);
  fds.push(yield dfly("pipe"));
  fds.push(u.lp.tf[9]!);
  fds.push(yield dfly("kqueue"));
  yield dfly("write", fds[2]!, AT.zeros, 64);
  fds.push(yield dfly("socket", 1, 1, 0), yield dfly("socket", 1, 1, 0));
  yield dfly("bind", fds[7]!, AT.address, 5);
  yield dfly("listen", fds[7]!, 5);
  expect(yield dfly("connect", fds[8]!, AT.address, 5)).toBe(0);
  yield dfly("varsym_set", 1, AT.variable, AT.variable);
  yield dfly("sigprocmask", 1, AT.pending, 0);
  yield dfly("kill", 2, PENDING_SIGNAL);
  // The first objects of their kinds have the identifier 0.
  expect([yield dfly("semget", 0, 2, 0o600), yield dfly("msgget", 0, 0o600), yield dfly("shmget", 0, 4096, 0o600)]).toEqual([0, 0, 0]);
  yield dfly("msgsnd", 0, AT.sixteen, 8, 0);
  fds.push(yield dfly("mq_open", AT.variable, 0x202, 0o600, 0));
  yield dfly("mq_send", fds[9]!, AT.zeros, 16, 0);
  expect(fds).toEqual(Object.values(FD));
}

const rows: Sysent[] = DRAGONFLY_SYSENT.filter((row): row is Sysent => row !== undefined && row.support !== "none" && row.args.length > 0);
const shapeOf = (row: Sysent): Shape => DRAGONFLY_SHAPES[row.name] ?? {};

/** Makes one call after the setup; the result is negative for an error. */
async function call(row: Sysent, args: number[]): Promise<number> {
  const bench = new UserBench();
  let result = Number.NaN;
  await bench.run(
    bench.start(
      function* (u) {
        yield* setup(u);
        result = yield { nr: row.nr, args };
      },
      undefined,
      "dragonfly",
    ),
  );
  return result;
}

function* wrongPlaces(test: (place: Place) => boolean): Generator<[string, Sysent, Place]> {
  for (const row of rows) {
    const { wrong } = shapeOf(row);
    for (const place of places(row)) {
      if (test(place) && typeof wrong?.[place.index] !== "string") yield [`${row.name}, argument ${place.index + 1}`, row, place];
    }
  }
}

describe("a bad pointer is EFAULT", () => {
  it.each([...wrongPlaces((p) => isPointer(p.type))])("%s", async (_what, row, place) => {
    const shape = shapeOf(row);
    const wrong = shape.wrong?.[place.index] as number | undefined;
    for (const address of [KERNEL_ADDRESS, NULL_PAGE]) {
      const r = await call(row, wrongArgs(row, shape, place, address));
      expect(r).toBe(-(wrong ?? EFAULT));
    }
  });
});

describe("a bad descriptor is EBADF", () => {
  it.each([...wrongPlaces((p) => p.type.kind === "fd")])("%s", async (_what, row, place) => {
    const shape = shapeOf(row);
    const wrong = shape.wrong?.[place.index] as number | undefined;
    for (const fd of [-1, 99, 0x7fff_ffff]) {
      const r = await call(row, wrongArgs(row, shape, place, fd));
      expect(r).toBe(-(wrong ?? EBADF));
    }
  });
});

describe("with right pointers and descriptors", () => {
  it.each(rows.filter((row) => shapeOf(row).notRight === undefined).map((row) => [row.name, row] as const))("%s finds no fault", async (_name, row) => {
    const r = await call(row, rightArgs(row, shapeOf(row)));
    expect([-EFAULT, -EBADF, -ENOSYS]).not.toContain(r);
  });
});
