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
/** Folders of a checkout with programs of the scenarios here. */
const PROGRAMS = ["testcases/kernel", "testcases/lib"];

/** Tests { name, command } of a scenario of LTP (runtest/syscalls), in its order. Throws when there is none. */
export function testsOf(ltp, scenario) {
  const text = readFileSync(path.join(ltp, "runtest", scenario), "utf8");
  return text
    .split("\n")
    .map((line) => /^\s*([^#\s]\S*)\s+(\S.*?)\s*$/.exec(line))
    .filter((found) => found !== null)
    .map(([, name, command]) => ({ name, command }));
}

/** Null, or why `ltp` cannot be used. */
export function unusable(ltp) {
  if (!existsSync(path.join(ltp, "runtest/syscalls")))
    return `${ltp} is no checkout of the Linux Test Project (no runtest/syscalls)`;
  const first = path.join(ltp, "testcases/kernel/syscalls/getpid/getpid01");
  if (!existsSync(first)) return `${ltp} is not built (no ${path.relative(ltp, first)})`;
  const { 4: wordSize } = readFileSync(first);
  return wordSize === 1 ? null : `${ltp} is not built for i386 (configure it with CFLAGS=-m32 LDFLAGS=-m32)`;
}

const isProgram = (file, stat) => stat.isFile() && (stat.mode & 0o100) !== 0 && !file.endsWith(".in");

/** Copies LTP's built programs, data files of tests among them, into `root`, unless those of this checkout are there. */
export function installLtp(root, ltp, say) {
  const prefix = path.join(root, PREFIX);
  const stamp = path.join(prefix, ".from");
  const from = `${ltp}\n${readFileSync(path.join(ltp, "VERSION"), "utf8")}`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === from) return;
  say("copying LTP's programs");
  const bin = path.join(prefix, "testcases/bin");
  mkdirSync(bin, { recursive: true });
  const programs = [];
  for (const folder of PROGRAMS) {
    for (const entry of readdirSync(path.join(ltp, folder), { recursive: true })) {
      const file = path.join(ltp, folder, entry);
      if (!isProgram(file, statSync(file))) continue;
      copyFileSync(file, path.join(bin, path.basename(file)));
      if (readFileSync(file).readUInt32BE(0) === 0x7f454c46)
        programs.push(path.join(bin, path.basename(file)));
    }
  }
  output("strip", ["-g", ...programs]);
  writeFileSync(stamp, from);
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
