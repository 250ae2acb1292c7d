// SPDX-License-Identifier: BSD-3-Clause
/**
 * The Open POSIX test suite, a part of LTP's checkout: one program for each assertion of the standard, which tells by its exit
 * status alone how it ended (include/posixtest.h there). Only tests of interfaces are taken: the others are about headers, and
 * end when they are compiled.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { copyPrograms } from "./tests.js";

const INTERFACES = "testcases/open_posix_testsuite/conformance/interfaces";
const SUFFIX = ".run-test";
/** Where the programs are in a root. */
const PREFIX = "opt/open-posix";

/** What exit statuses say; `timeout` ends with 124, or 137 when it had to kill. Others are deaths. */
const VERDICTS = new Map([
  [0, "passed"],
  [1, "failed"],
  [2, "unresolved"],
  [4, "unsupported"],
  [5, "untested"],
  [124, "hung"],
  [137, "hung"],
]);
/** How bad each is: what a system need not have, then what is wrong, then what did not come to an end by itself. */
const SEVERITY = { passed: 0, unsupported: 1, untested: 1, unresolved: 2, failed: 2 };
const NO_END = 3;

const verdictOf = ({ status }) => VERDICTS.get(status) ?? `status ${status}`;
const severityOf = (outcome) => SEVERITY[verdictOf(outcome)] ?? NO_END;

/** Paths of the built programs below the folder of interfaces, in the order of their names. */
function programsOf(ltp) {
  const folder = path.join(ltp, INTERFACES);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((entry) => entry.endsWith(SUFFIX))
    .toSorted();
}

/** Tests { name, command } of the suite. */
export const testsOf = (ltp) =>
  programsOf(ltp).map((entry) => ({
    name: path.basename(entry, SUFFIX),
    command: `/${PREFIX}/${path.basename(entry)}`,
  }));

/** Null, or why the suite of the checkout `ltp` cannot be used. */
export function unusable(ltp) {
  const [first] = programsOf(ltp);
  if (first === undefined) return `${ltp} has no Open POSIX test suite, or it is not built`;
  const { 4: wordSize } = readFileSync(path.join(ltp, INTERFACES, first));
  return wordSize === 1 ? null : `the Open POSIX test suite of ${ltp} is not built for i386`;
}

/** Copies the suite's programs into `root`, unless those of this checkout are there. */
export function install(root, ltp) {
  const folder = path.join(root, PREFIX);
  const files = programsOf(ltp).map((entry) => path.join(ltp, INTERFACES, entry));
  copyPrograms(folder, path.join(folder, ".from"), ltp, files);
}

/** How a test ended: { status, lines }. */
export const outcomeOf = (status, lines) => ({ status, lines });

/** Whether a test ended worse than natively. One that failed and one that could not be decided are alike. */
export const isWorse = (ours, theirs) => severityOf(ours) > severityOf(theirs);

/** `ours` without a native half. */
export const hasFailed = (ours) => severityOf(ours) >= SEVERITY.failed;

export const summary = verdictOf;
