// SPDX-License-Identifier: BSD-3-Clause
/** Runs a case of programs.js natively and in a vkernel, and compares how the two ended. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { aloneInRoot } from "../../../tooling/namespace.mjs";

const vkernel = fileURLToPath(new URL("../bin/vkernel.js", import.meta.url));
const LIMIT_SECONDS = 60;
const HOSTNAME = "vkernel";
const ENVIRONMENT = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/tmp/home",
  "USER=root",
  "LOGNAME=root",
  "LC_ALL=C.UTF-8",
  "TZ=UTC",
  "PYTHONDONTWRITEBYTECODE=1",
];
const SETUP_FAILED = 125;
/** Each case begins in an empty folder, and every case in the same one: paths are part of what programs print. Limits are the same in both halves. */
const SETUP = `ulimit -S -n 1024; ulimit -H -n 4096; rm -rf /tmp/* && mkdir /tmp/case /tmp/home && cd /tmp/case || exit ${SETUP_FAILED}\n`;

function outcome(how, argv, seconds) {
  const result = spawnSync(argv[0], argv.slice(1), {
    input: "",
    encoding: "latin1",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
  });
  if (result.error && result.error.code !== "ETIMEDOUT") throw result.error;
  const late = result.error?.code === "ETIMEDOUT" ? `stopped after ${seconds} s, ` : "";
  const status = result.status ?? `${late}killed by ${result.signal} (${constants.signals[result.signal]})`;
  return { how, status, stdout: result.stdout, stderr: result.stderr };
}

const command = (script) => ["/usr/bin/env", "-i", ...ENVIRONMENT, "/bin/sh", "-c", `${SETUP}${script}`];

/** { how, status, stdout, stderr } of a case's script in `root`, run by the host's own kernel in namespaces of its own. */
export function runNatively(each, root) {
  const work = mkdtempSync(path.join(tmpdir(), "programs-"));
  try {
    return outcome(
      "native",
      aloneInRoot(root, work, HOSTNAME, command(each.script)),
      each.limit ?? LIMIT_SECONDS,
    );
  } finally {
    rmdirSync(work);
  }
}

/** The same in a vkernel whose root is the HAMMER image, for at most `patience` times its limit. */
export function runInVkernel(each, image, patience) {
  const options = ["--root", image, "-m", each.memory ?? "1g", ...(each.swap === undefined ? [] : ["--swap", each.swap])];
  return outcome(
    "vkernel",
    [process.execPath, vkernel, "run", ...options, "--", ...command(each.script)],
    (each.limit ?? LIMIT_SECONDS) * patience,
  );
}

/** Whether the host can run a root's programs itself. */
export function canRunNatively(root) {
  return runNatively({ script: "exit 42" }, root).status === 42;
}

const shorten = (text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);

/** First line in which two streams differ. */
function firstDifference(stream, ours, theirs) {
  if (ours === theirs) return [];
  const [mine, native] = [ours.split("\n"), theirs.split("\n")];
  const found = mine.findIndex((line, i) => line !== native[i]);
  const at = found < 0 ? mine.length : found;
  return [
    `${stream} line ${at + 1}: ${shorten(mine[at] ?? "(end)")} / native: ${shorten(native[at] ?? "(end)")}`,
  ];
}

/** Lines `@ result name` of a test runner as a Map from name to result. */
function results(text) {
  const found = new Map();
  for (const [, result, name] of text.matchAll(/^@ (\S+) (.*)$/gm)) found.set(name, result);
  return found;
}

/** The entry [name, cause] of `known` for a test; keys are names, or beginnings that end with `*`. */
export const causeOf = (known, name) =>
  Object.entries(known).find(([key]) => key === name || (key.endsWith("*") && name.startsWith(key.slice(0, -1))));

/** Tests that did not pass, as lines, for want of a native half; skipped ones are no failures. */
function failures(text, known) {
  const all = results(text);
  if (all.size === 0) return ["no test ran"];
  return [...all]
    .filter(([name, result]) => !/^(ok|skip(ped)?|untested|expected)$/.test(result) && causeOf(known, name) === undefined)
    .map(([name, result]) => `${name}: ${result}`);
}

/** Tests whose results differ; `known` maps names (or beginnings that end with `*`) to causes. */
function testDifferences(ours, theirs, known) {
  const [mine, native] = [results(ours), results(theirs)];
  const lines = [];
  const explained = [];
  for (const name of new Set([...native.keys(), ...mine.keys()])) {
    const [a, b] = [mine.get(name) ?? "missing", native.get(name) ?? "missing"];
    if (a === b) continue;
    const cause = causeOf(known, name);
    if (cause === undefined) lines.push(`${name}: ${a} / native: ${b}`);
    else explained.push(`${name}: ${a} / native: ${b}: ${cause[1]}`);
  }
  const tests = `${[...mine.values()].filter((result) => result === "ok").length} of ${mine.size}`;
  return { lines, known: explained, tests };
}

/**
 * What differs between the outcomes of a case, as lines: { lines, known }, and { tests }, how many of how many were right, where there are tests. `theirs` is null without a native half: the
 * case's own expectation (`status`, default 0) then decides. A case with `tests` prints `@ result name` lines that are compared
 * as a set; others must print the same, standard error included unless `stderr: false`.
 */
export function compare(each, ours, theirs) {
  if (theirs === null) {
    const right = ours.status === (each.status ?? 0);
    const failed = each.tests ? failures(ours.stdout, each.known ?? {}) : [];
    return {
      lines: [...(right ? [] : [`status ${ours.status}`, shorten(ours.stderr.trim())]), ...failed],
      known: [],
      tests: "",
    };
  }
  // Two halves that both failed to begin are no proof of anything.
  if (theirs.status === SETUP_FAILED) return { lines: [`the case could not be set up natively: ${shorten(theirs.stderr.trim())}`], known: [], tests: "" };
  if (each.tests && results(theirs.stdout).size === 0) return { lines: ["no test ran natively"], known: [], tests: "" };
  const status = ours.status === theirs.status ? [] : [`status ${ours.status} / native: ${theirs.status}`];
  if (each.tests) {
    const found = testDifferences(ours.stdout, theirs.stdout, each.known ?? {});
    // The status tells whether all passed, which the sets say better; but not a death
    const odd = typeof ours.status === "string" || ours.status > 125 ? status : [];
    return { ...found, lines: [...odd, ...found.lines] };
  }
  return {
    lines: [
      ...status,
      ...firstDifference("stdout", ours.stdout, theirs.stdout),
      ...(each.stderr === false ? [] : firstDifference("stderr", ours.stderr, theirs.stderr)),
    ],
    known: [],
    tests: "",
  };
}
