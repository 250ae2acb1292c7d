#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Unmodified Debian i386 programs give in the vkernel, from a HAMMER root, what they give natively.
 *
 *   node packages/cli/scripts/programs.js [--only TEXT]… [--suite NAME,…] [--list] [--no-native] [--verbose] [--keep] [--dir DIR]
 *      [--patience N] [--report FILE]
 *
 * Packages come through apt into DIR (default scratch/programs) once, without rights and without touching the host's apt; each
 * invocation makes a fresh HAMMER image of them. A case is a shell script that runs in an empty folder: natively as on a
 * machine of its own (namespaces, where the host can run i386 programs), then in a vkernel on the image; exit status and what it
 * prints must agree. Without the native half, a case passes when its script ends with its expected status (0).
 *
 * --only TEXT  cases whose name contains TEXT, or is what follows '='; may be repeated
 * --verbose    what both halves printed, on standard error
 * --keep       leave the image for a look
 * --patience   how many times its native limit a case may take in the vkernel (default 3); more on a busy machine
 * --report     writes how each case ended into the table in FILE (docs/programs.md), after each case; rows of other cases stay
 * Exit status 1 when a case was different, or the image did not check clean afterwards; 0 with a line when apt is missing.
 * Needs the built packages.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { imageOf, imageIsSound, prepareRoot } from "./programs-root.js";
import { updateReport } from "./programs-report.js";
import { canRunNatively, compare, runInVkernel, runNatively } from "./programs-run.js";
import { SUITES } from "./programs/suites.js";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const USAGE =
  "usage: programs.js [--only TEXT]… [--suite NAME,…] [--list] [--no-native] [--verbose] [--keep] [--dir DIR] [--patience N] [--report FILE]";

/** Ends with status 2. */
function refuse(why) {
  process.stderr.write(`programs: ${why}\n${USAGE}\n`);
  process.exit(2);
}

const { values } = parseOptions();
function parseOptions() {
  const options = {
    only: { type: "string", multiple: true, default: [""] },
    suite: { type: "string", default: Object.keys(SUITES).join(",") },
    dir: { type: "string", default: path.join(checkout, "scratch/programs") },
    list: { type: "boolean", default: false },
    "no-native": { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    patience: { type: "string", default: "3" },
    report: { type: "string" },
    help: { type: "boolean", default: false },
  };
  try {
    return parseArgs({ options });
  } catch (e) {
    return refuse(e.message);
  }
}
if (values.help) {
  process.stdout.write(`${USAGE}\nThe head of this file tells what each does.\n`);
  process.exit(0);
}

/** The suites asked for, with the cases that are to run. */
function chosen() {
  return values.suite.split(",").map((name) => {
    const suite = SUITES[name];
    if (suite === undefined) refuse(`--suite ${name}: there are ${Object.keys(SUITES).join(", ")}`);
    return {
      ...suite,
      name,
      cases: suite.cases.filter(({ name: each }) =>
        values.only.some((text) => (text.startsWith("=") ? each === text.slice(1) : each.includes(text))),
      ),
    };
  });
}

const patience = Number(values.patience);
if (!(patience > 0)) refuse(`--patience ${values.patience}: not a positive number`);

const tally = { cases: 0, different: 0, known: 0 };

const everyCase = Object.entries(SUITES).flatMap(([suite, { cases }]) => cases.map(({ name }) => `${suite} ${name}`));

/** Enters how a case ended in the table of --report. */
function report(result) {
  if (values.report === undefined) return;
  const day = new Date().toISOString().slice(0, 10);
  writeFileSync(values.report, updateReport(readFileSync(values.report, "utf8"), [{ ...result, day }], everyCase));
}

function runCase(each, suite, root, image, native) {
  const started = Date.now();
  const theirs = native ? runNatively(each, root) : null;
  const between = Date.now();
  const ours = runInVkernel(each, image, patience);
  const found = compare(each, ours, theirs);
  tally.cases++;
  tally.known += found.known.length;
  if (found.lines.length > 0) tally.different++;
  const [nativeMs, vkernelMs] = [theirs === null ? null : between - started, Date.now() - between];
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  const times = theirs === null ? "" : `native ${seconds(nativeMs)}, `;
  const tests = found.tests === "" ? "" : `${found.tests} tests ok, `;
  const word = found.lines.length > 0 ? "DIFFERENT" : theirs === null ? "ended" : "same";
  process.stdout.write(
    `${word}  ${each.name} (${tests}${times}vkernel ${seconds(vkernelMs)})\n`,
  );
  report({ suite, name: each.name, word, nativeMs, vkernelMs, ...found });
  for (const line of found.lines) process.stdout.write(`    ${line}\n`);
  for (const line of found.known) process.stdout.write(`    known: ${line}\n`);
  if (!values.verbose) return;
  for (const end of [theirs, ours].filter((end) => end !== null)) {
    process.stderr.write(
      `--- ${end.how}, status ${end.status}\n${end.stdout}--- its standard error\n${end.stderr}`,
    );
  }
}

function runSuite(suite) {
  const say = (text) => process.stderr.write(`programs: ${text}\n`);
  const root = prepareRoot(path.join(values.dir, suite.name), suite, say);
  const native = !values["no-native"] && canRunNatively(root);
  if (!native && !values["no-native"])
    process.stdout.write("no native half: this host does not run i386 programs in namespaces\n");
  const image = imageOf(root, say);
  for (const each of suite.cases) runCase(each, suite.name, root, image.file, native);
  const trouble = imageIsSound(image.file);
  if (trouble !== null) {
    tally.different++;
    process.stdout.write(`DIFFERENT  image after the suite ${suite.name}: ${trouble}\n`);
  }
  if (values.keep) process.stdout.write(`image: ${image.file}\n`);
  else image.remove();
}

const suites = chosen();
if (values.list) {
  for (const suite of suites) {
    for (const each of suite.cases) process.stdout.write(`${suite.name}  ${each.name}\n`);
  }
} else if (
  spawnSync("apt-get", ["--version"]).status !== 0 ||
  spawnSync("dpkg-deb", ["--version"]).status !== 0
) {
  process.stdout.write("skipped: apt-get and dpkg-deb are needed to fetch Debian packages\n");
} else {
  for (const suite of suites) if (suite.cases.length > 0) runSuite(suite);
  process.stdout.write(
    `${tally.cases} cases, ${tally.different} different, ${tally.known} known differences inside\n`,
  );
  process.exitCode = tally.different === 0 && tally.cases > 0 ? 0 : 1;
}
