#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * The Linux Test Project's tests of system calls end in the vkernel, on a HAMMER root, as they do natively.
 *
 *   node packages/cli/scripts/ltp.js --ltp DIR [--open-posix] [--only TEXT]… [--from N] [--to N] [--list] [--no-native] [--verbose] [--all]
 *      [--keep] [--dir DIR] [--root DIR|IMAGE] [--native FILE] [--patience N]
 *
 * --ltp DIR is a checkout of LTP that was built for i386 (docs/programs.md says how). The packages that its tests need come
 * through apt into --dir once (scratch/ltp); LTP's programs are copied to /opt/ltp there, and each invocation makes a fresh
 * HAMMER image of it. Each test runs natively as on a machine of its own, then in a vkernel, several tests in one. A test is
 * different when it fails more often than natively, or passes nothing where something passes natively; tests that
 * would change the machine have no native half and must not fail. Known differences stand with their causes in ltp/known.js.
 *
 * --open-posix   the Open POSIX test suite in the checkout instead
 * --only TEXT    tests whose name contains TEXT, or is what follows '='; may be repeated
 * --from, --to   tests by their number in runtest/syscalls, or in the order of their names
 * --verbose      what a different test printed; --all: what every test printed in the vkernel
 * --root         a folder or an image made before instead of the fresh image
 * --native FILE  what native runs found, kept in FILE and taken from there the next time
 * --keep         leave the image for a look
 * --patience N   how many times its native limit (30 s) a test may take in the vkernel (default 3)
 * Exit status 1 when a test was different without a known cause, or the image did not check clean afterwards; 0 with a line when LTP or apt is
 * missing. Needs the built packages.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { KNOWN, KNOWN_OPEN_POSIX, NOT_NATIVE, NOT_NATIVE_OPEN_POSIX } from "./ltp/known.js";
import * as openPosix from "./ltp/open-posix.js";
import * as syscalls from "./ltp/tests.js";
import { imageIsSound, imageOf, prepareRoot } from "./programs-root.js";
import { canRunNatively, causeOf, runInVkernel, runNatively } from "./programs-run.js";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const USAGE =
  "usage: ltp.js --ltp DIR [--open-posix] [--only TEXT]… [--from N] [--to N] [--list] [--no-native] [--verbose] [--all] [--keep] [--dir DIR] [--root DIR|IMAGE] [--native FILE] [--patience N]";
/** Programs that tests call. */
const PACKAGES = [
  "bash",
  "dash",
  "coreutils",
  "grep",
  "sed",
  "gawk",
  "mawk",
  "findutils",
  "procps",
  "util-linux",
  "e2fsprogs",
  "mount",
  "hostname",
  "debianutils",
  "libc-bin",
  "kmod",
];
/** Tests of one vkernel: its start costs as much as a few of them. */
const BATCH = 25;
/** The disk for tests that want one: LTP asks for 300 MB. */
const DISK_BYTES = 512 << 20;
const DISK = "/dev/vkd0";
/** Seconds of one test, natively. */
const LIMIT = 30;

/** Ends with status 2. */
function refuse(why) {
  process.stderr.write(`ltp: ${why}\n${USAGE}\n`);
  process.exit(2);
}

/** Ends with status 0: the suite is optional. */
function skip(why) {
  process.stdout.write(`skipped: ${why}\n`);
  process.exit(0);
}

const say = (text) => process.stderr.write(`ltp: ${text}\n`);
const { values } = parseOptions();
function parseOptions() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const options = {
    ...{
      ltp: text,
      root: text,
      native: text,
      from: { ...text, default: "0" },
      to: { ...text, default: "Infinity" },
    },
    ...{ "open-posix": flag, list: flag, "no-native": flag, verbose: flag, all: flag, keep: flag, help: flag },
    only: { type: "string", multiple: true, default: [""] },
    dir: { type: "string", default: path.join(checkout, "scratch/ltp") },
    patience: { type: "string", default: "3" },
  };
  try {
    return parseArgs({ options });
  } catch (e) {
    return refuse(e.message);
  }
}

/** A number given as an option. */
function number(name, least) {
  const value = Number(values[name]);
  return value >= least ? value : refuse(`--${name} ${values[name]}: not a number from ${least} on`);
}

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/**
 * The script that runs `tests`, each of at most `seconds`, and marks where each begins and ends. `device` is a disk for tests
 * that ask for one; null when they may look for a loop device.
 */
function scriptOf(tests, seconds, device) {
  return [
    "export LTPROOT=/opt/ltp PATH=/opt/ltp/testcases/bin:$PATH TMPDIR=/tmp LTP_COLORIZE_OUTPUT=0 LTP_TIMEOUT_MUL=3",
    // There is no configuration of a kernel to look into, and no file system that mkfs makes.
    "export KCONFIG_SKIP_CHECK=1 LTP_SINGLE_FS_TYPE=tmpfs",
    ...(device === null ? [] : [`export LTP_DEV=${device}`]),
    ...tests.map(
      ({ name, command }) =>
        `echo "@@@ ${name}"; timeout -k 5 ${seconds} sh -c ${quoted(command)} </dev/null 2>&1; echo "@@= $?"`,
    ),
  ].join("\n");
}

/** Outcomes of the tests whose marks are in `text`, by name. A test's own words may stand before the mark. */
function outcomesOf(text) {
  const found = {};
  for (const [, name, printed, status] of text.matchAll(/@@@ (\S+)\n([^]*?)(?:@@= (\d+)\n|(?=@@@ )|$)/g)) {
    found[name] = outcomeOf(status === undefined ? 255 : Number(status), printed.split("\n"));
  }
  return found;
}

/** Where tests come from, how they are judged, and what is known about them. */
const suite = values["open-posix"]
  ? { ...openPosix, known: KNOWN_OPEN_POSIX, notNative: NOT_NATIVE_OPEN_POSIX }
  : { ...syscalls, known: KNOWN, notNative: NOT_NATIVE };
const { outcomeOf, summary } = suite;
const MISSING = outcomeOf(255, ["the test did not begin"]);
const matches = (table, name) => causeOf(table, name) !== undefined;

/** Native outcomes of `tests`, those that --native keeps from there. */
function nativeOutcomes(tests, root, kept) {
  const wanted = tests.filter(({ name }) => !matches(suite.notNative, name) && kept[name] === undefined);
  if (wanted.length === 0) return;
  const { stdout } = runNatively(
    { script: scriptOf(wanted, LIMIT, null), limit: wanted.length * LIMIT },
    root,
  );
  Object.assign(kept, outcomesOf(stdout));
}

const tally = { same: 0, known: 0, different: 0 };

/** Tells how one test ended; `theirs` is undefined without a native half. */
function judge(name, ours, theirs) {
  const different = theirs === undefined ? suite.hasFailed(ours) : suite.isWorse(ours, theirs);
  const [, cause] = (different && causeOf(suite.known, name)) || [];
  const word = !different ? "same" : cause === undefined ? "DIFFERENT" : "known";
  tally[word.toLowerCase()]++;
  const native = theirs === undefined ? "" : ` / native: ${summary(theirs)}`;
  if (different) process.stdout.write(`${word}  ${name}: ${cause ?? `${summary(ours)}${native}`}\n`);
  if (!values.all && !(values.verbose && word === "DIFFERENT")) return;
  if (!different) process.stdout.write(`same  ${name}: ${summary(ours)}${native}\n`);
  for (const line of ours.lines.filter((each) => each !== "")) process.stdout.write(`    ${line}\n`);
}

if (values.help) {
  process.stdout.write(`${USAGE}\nThe head of this file tells what each does.\n`);
  process.exit(0);
}
const patience = number("patience", 0.1);
if (values.ltp === undefined) skip("no --ltp DIR, a checkout of the Linux Test Project built for i386");
const trouble = suite.unusable(path.resolve(values.ltp));
if (trouble !== null) skip(trouble);
const chosen = suite
  .testsOf(values.ltp)
  .slice(number("from", 0), number("to", 0))
  .filter(({ name }) =>
    values.only.some((text) => (text.startsWith("=") ? name === text.slice(1) : name.includes(text))),
  );
if (values.list) {
  for (const { name } of chosen) process.stdout.write(`${name}\n`);
  process.exit(0);
}
if (spawnSync("apt-get", ["--version"]).status !== 0) skip("there is no apt-get");

const root = prepareRoot(values.dir, { packages: PACKAGES }, say);
suite.install(root, path.resolve(values.ltp));
const native = !values["no-native"] && canRunNatively(root);
if (!native && !values["no-native"])
  process.stdout.write("no native half: this host does not run i386 programs in namespaces\n");
const kept =
  values.native !== undefined && existsSync(values.native)
    ? JSON.parse(readFileSync(values.native, "utf8"))
    : {};
const image = values.root === undefined ? imageOf(root, say) : { file: values.root, remove: () => {} };

const disk = path.join(values.dir, `disk-${process.pid}`);
writeFileSync(disk, "");
truncateSync(disk, DISK_BYTES);
for (let i = 0; i < chosen.length; i += BATCH) {
  const batch = chosen.slice(i, i + BATCH);
  if (native) nativeOutcomes(batch, root, kept);
  if (values.native !== undefined) writeFileSync(values.native, JSON.stringify(kept, null, 1));
  const limit = LIMIT * patience;
  const { stdout } = runInVkernel(
    { script: scriptOf(batch, limit, DISK), limit: limit * batch.length, swap: disk },
    image.file,
    1,
  );
  const ours = outcomesOf(stdout);
  for (const { name } of batch)
    judge(
      name,
      ours[name] ?? MISSING,
      native && !matches(suite.notNative, name) ? (kept[name] ?? MISSING) : undefined,
    );
}
rmSync(disk);
if (statSync(image.file).isFile()) {
  const unsound = imageIsSound(image.file);
  if (unsound !== null) {
    tally.different++;
    process.stdout.write(`DIFFERENT  image afterwards: ${unsound}\n`);
  }
}
if (values.keep) process.stdout.write(`image: ${image.file}\n`);
else image.remove();
process.stdout.write(
  `${tally.same} same, ${tally.different} different, ${tally.known} different with a known cause\n`,
);
process.exit(tally.different === 0 ? 0 : 1);
