// SPDX-License-Identifier: BSD-3-Clause
/** Runs a shell script in an i386 root in several ways, and tells the ways apart that ended differently. */
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { inRoot } from "../../../tooling/namespace.mjs";

const vkernel = fileURLToPath(new URL("../bin/vkernel.js", import.meta.url));
/** Everything compiled at once is slow for large programs, and machines may be busy. */
const LIMIT_MS = 1_800_000;
const ENVIRONMENT = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/root",
  "USER=root",
  "LOGNAME=root",
];

function outcome(how, argv, env) {
  const result = spawnSync(argv[0], argv.slice(1), {
    input: "",
    encoding: "latin1",
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
    env,
  });
  if (result.error && result.error.code !== "ETIMEDOUT") throw result.error;
  const late = result.error?.code === "ETIMEDOUT" ? `stopped after ${LIMIT_MS / 1000} s, ` : "";
  const status = result.status ?? `${late}killed by ${result.signal} (${constants.signals[result.signal]})`;
  return { how, status, stdout: result.stdout, stderr: result.stderr };
}

let nativeWorks;
/** Whether the host can run a root's programs itself; found out once. */
function canRunNatively(root) {
  nativeWorks ??=
    outcome("native", inRoot(root, "/tmp", ["/bin/sh", "-c", "exit 42"]), process.env).status === 42;
  return nativeWorks;
}

/**
 * Outcomes { how, status, stdout, stderr } of a script run by /bin/sh in `root`, in an empty /tmp: natively first where that is wanted
 * and possible, then in a vkernel for each of `modes` { jit, lockstep }: the values of these options, lockstep may be left out.
 */
export function runEverywhere(script, root, modes, native) {
  const argv = ["/bin/sh", "-c", `cd /tmp\n${script}`];
  const outcomes = [];
  if (native && canRunNatively(root)) {
    const bare = `exec env -i ${ENVIRONMENT.join(" ")} "$0" "$@"`;
    outcomes.push(outcome("native", inRoot(root, "/tmp", ["/bin/sh", "-c", bare, ...argv]), process.env));
  }
  for (const { jit, lockstep } of modes) {
    const how = lockstep === undefined ? [] : ["--lockstep", lockstep];
    const run = [
      process.execPath,
      vkernel,
      "run",
      "--root",
      root,
      "-m",
      "1g",
      "--jit",
      jit,
      ...how,
      "--",
      ...argv,
    ];
    outcomes.push(outcome(["jit", jit, ...how].join(" "), run, { PATH: process.env.PATH }));
  }
  return outcomes;
}

const shorten = (text) => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

/** One line for each way that did not end as the first one did: which stream, and its first line that differs. */
export function differences(outcomes) {
  const [first, ...others] = outcomes;
  const lines = [];
  for (const other of others) {
    if (other.status !== first.status)
      lines.push(`${other.how}: status ${other.status}, ${first.how}: ${first.status}`);
    for (const stream of ["stdout", "stderr"]) {
      if (other[stream] === first[stream]) continue;
      const theirs = first[stream].split("\n");
      const ours = other[stream].split("\n");
      const at = ours.findIndex((line, i) => line !== theirs[i]);
      const line = at < 0 ? ours.length : at;
      lines.push(
        `${other.how}: ${stream} line ${line + 1}: ${shorten(ours[line] ?? "(end)")} / ${first.how}: ${shorten(theirs[line] ?? "(end)")}`,
      );
    }
  }
  return lines;
}
