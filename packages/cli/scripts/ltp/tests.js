// SPDX-License-Identifier: BSD-3-Clause
/** What ltp.js takes out of a built checkout of the Linux Test Project: which tests there are, and their programs. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { output } from "../../../../tooling/apt.mjs";

/** Where LTP is in a root: what `./configure --prefix` takes for granted. */
const PREFIX = "opt/ltp";
const SCENARIO = "runtest/syscalls";
/** Folders of a checkout with programs of the scenarios here. */
const PROGRAMS = ["testcases/kernel", "testcases/lib"];

/** Tests { name, command } of LTP's scenario for system calls, in its order. Throws when there is none. */
export function testsOf(ltp) {
  const text = readFileSync(path.join(ltp, SCENARIO), "utf8");
  return text
    .split("\n")
    .map((line) => /^\s*([^#\s]\S*)\s+(\S.*?)\s*$/.exec(line))
    .filter((found) => found !== null)
    .map(([, name, command]) => ({ name, command }));
}

/** Null, or why `ltp` cannot be used. */
export function unusable(ltp) {
  if (!existsSync(path.join(ltp, SCENARIO)))
    return `${ltp} is no checkout of the Linux Test Project (no ${SCENARIO})`;
  const first = path.join(ltp, "testcases/kernel/syscalls/getpid/getpid01");
  if (!existsSync(first)) return `${ltp} is not built (no ${path.relative(ltp, first)})`;
  const { 4: wordSize } = readFileSync(first);
  return wordSize === 1 ? null : `${ltp} is not built for i386 (configure it with CFLAGS=-m32 LDFLAGS=-m32)`;
}

const isProgram = (file, stat) => stat.isFile() && (stat.mode & 0o100) !== 0 && !file.endsWith(".in");

/**
 * Copies `files` of the checkout `ltp` into `folder`, without symbols, unless they are there; `stamp` is a file that says so
 * once all are.
 */
export function copyPrograms(folder, stamp, ltp, files) {
  const from = `${ltp}\n${readFileSync(path.join(ltp, "VERSION"), "utf8")}`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === from) return;
  mkdirSync(folder, { recursive: true });
  const programs = [];
  for (const file of files) {
    const copy = path.join(folder, path.basename(file));
    copyFileSync(file, copy);
    if (readFileSync(file).readUInt32BE(0) === ELF_MAGIC) programs.push(copy);
  }
  output("strip", ["-g", ...programs]);
  writeFileSync(stamp, from);
}
const ELF_MAGIC = 0x7f454c46;

/** Copies LTP's built programs, data files of tests among them, into `root`, unless those of this checkout are there. */
export function install(root, ltp) {
  const prefix = path.join(root, PREFIX);
  const files = PROGRAMS.flatMap((folder) =>
    readdirSync(path.join(ltp, folder), { recursive: true }).map((entry) => path.join(ltp, folder, entry)),
  ).filter((file) => isProgram(file, statSync(file)));
  copyPrograms(path.join(prefix, "testcases/bin"), path.join(prefix, ".from"), ltp, files);
}

/** How a test ended: { status, passed, failed, broken, skipped, lines }; LTP's words are counted wherever they stand. */
export function outcomeOf(status, lines) {
  const count = (word) => lines.filter((line) => new RegExp(`\\b${word}\\b`).test(line)).length;
  return {
    status,
    passed: count("TPASS"),
    failed: count("TFAIL"),
    broken: count("TBROK"),
    skipped: count("TCONF"),
    lines,
  };
}

/**
 * Whether a test ended worse than natively: more failures, or nothing passed where something did, or another status. What a
 * kernel does not have (TCONF, in the status 32) is no failure when nothing passes natively either.
 */
export function isWorse(ours, theirs) {
  if (ours.failed > theirs.failed || ours.broken > theirs.broken) return true;
  if (theirs.passed > 0 && ours.passed === 0) return true;
  return (ours.status & ~TCONF_STATUS) > (theirs.status & ~TCONF_STATUS);
}
const TCONF_STATUS = 32;

/** `ours` without a native half. */
export const hasFailed = ({ status, failed, broken }) =>
  failed > 0 || broken > 0 || (status & ~TCONF_STATUS) !== 0;

export const summary = ({ status, passed, failed, broken, skipped }) =>
  `${passed} passed, ${failed} failed, ${broken} broken, ${skipped} skipped, status ${status}`;
