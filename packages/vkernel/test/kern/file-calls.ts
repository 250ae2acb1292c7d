// SPDX-License-Identifier: BSD-3-Clause
/** File system calls as test programs make them: paths and data go through fixed places of the process's memory. */
import { expect } from "vitest";
import { registerTestFilesystems } from "./mounts.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

/** Where paths, second paths, and data are put. */
export const P = DATA, Q = DATA + 0x2000, B = DATA + 0x4000;
const O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_DIRECTORY = 0o200000;

export async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  registerTestFilesystems(bench.k);
  await bench.run(bench.start(program));
}

/** A call whose first argument is a path. */
export function onPath(u: User, name: string, path: string, ...rest: number[]): Call {
  return sys(name, u.text(P, path), ...rest);
}
export const onPaths = (u: User, name: string, a: string, b: string): Call => sys(name, u.text(P, a), u.text(Q, b));
export const open = (u: User, path: string, flags = 0, mode = 0o644): Call => onPath(u, "open", path, flags, mode);

export function* write(u: User, fd: number, s: string): Generator<Call, number, number> {
  u.text(B, s);
  return yield sys("write", fd, B, s.length);
}
export function* readAll(u: User, fd: number): Generator<Call, string, number> {
  let all = "";
  for (;;) {
    const n = yield sys("read", fd, B, 4096);
    expect(n).toBeGreaterThanOrEqual(0);
    if (n === 0) return all;
    all += u.read(B, n);
  }
}
export function* make(u: User, path: string, contents = ""): Generator<Call, void, number> {
  const fd = yield open(u, path, O_CREAT | O_WRONLY | O_TRUNC);
  expect(fd).toBeGreaterThanOrEqual(0);
  expect(yield* write(u, fd, contents)).toBe(contents.length);
  yield sys("close", fd);
}
/** Fields of stat64. */
export function* stat(u: User, path: string, follow = true): Generator<Call, { mode: number; nlink: number; size: number; ino: number; uid: number; gid: number; rdev: number; mtime: number }, number> {
  expect(yield onPath(u, follow ? "stat64" : "lstat64", path, B)).toBe(0);
  return {
    mode: u.word(B + 16), nlink: u.word(B + 20), size: u.word(B + 44), ino: u.word(B + 88), uid: u.word(B + 24), gid: u.word(B + 28),
    rdev: u.word(B + 32), mtime: u.word(B + 72),
  };
}
export function* list(u: User, path: string): Generator<Call, string[], number> {
  const fd = yield open(u, path, O_DIRECTORY);
  const names: string[] = [];
  for (;;) {
    const n = yield sys("getdents64", fd, B, 128);
    expect(n).toBeGreaterThanOrEqual(0);
    if (n === 0) break;
    for (let at = 0; at < n; at += (u.word(B + at + 16) & 0xffff)) names.push(u.str(B + at + 19));
  }
  yield sys("close", fd);
  return names;
}
