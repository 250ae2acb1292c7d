// SPDX-License-Identifier: BSD-3-Clause
/** The calls of calls.c: each call of the kernel's table, with ordinary arguments and then with one after the other wrong. */
import type { SystemCall } from "@vkernel/vkernel";

/** What is not called, and why. */
export const NOT_CALLED: Readonly<Record<string, string>> = {
  exit: "ends the process that should print", exit_group: "ends the process that should print", fork: "prints twice", vfork: "prints twice",
  clone: "prints twice", clone3: "prints twice", sigreturn: "takes registers from the stack", rt_sigreturn: "takes registers from the stack",
  reboot: "is not asked for where it could be granted", swapon: "is not asked for where it could be granted", swapoff: "is not asked for where it could be granted",
  sync: "waits for the whole machine's disks", syncfs: "waits for the whole machine's disks",
  fallocate: "takes room on the disk", ptrace: "stops the process that should print", seccomp: "is for good",
  unshare: "depends on how the native half is set apart", setns: "depends on how the native half is set apart",
};

/** Ordinary values, as C expressions, by kind of argument. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  fd: ["FD_FILE"], path: ["FILE_PATH"], ptr: ["ZEROS"], addr: ["ZEROS"], size: ["16"], off64: ["0", "0"], octal: ["0644"],
};
/** Ordinary values of single calls, by place: a file is not copied behind itself without end. */
const RIGHT_OF: Readonly<Record<string, Readonly<Record<number, string>>>> = { sendfile: { 0: "FD_PEER" }, sendfile64: { 0: "FD_PEER" } };
/** Values that are tried in a place. */
const TRIED: Readonly<Record<string, readonly string[]>> = {
  fd: ["-1", "99", "FD_DIR", "FD_SOCKET", "FD_READER", "FD_WRITER", "FD_OWNED"],
  path: ["OWNED_PATH", "SECRET_PATH", "CLOSED_PATH", "OWNED_NEW_PATH", "0", "16", "0xc0000000", "EMPTY_PATH", "NONE_PATH", "LONG_PATH", "DIR_PATH", "LINK_PATH", "FREE_PATH"],
  ptr: ["0", "16", "0xc0000000"],
  size: ["0", "-1"],
  off64: ["-1"],
  pid: ["-1", "0x7fffffff", "ROOT_PID"],
  signal: ["-1", "65", "9999"],
};
const NUMBERS = ["-1", "1", "2", "0x7fffffff"];

/** One call: a name that tells what is wrong in it, and its words as C expressions. */
export interface Case {
  readonly name: string;
  readonly nr: number;
  readonly words: readonly string[];
}

function* casesOf(call: SystemCall): Generator<Case> {
  const own = RIGHT_OF[call.name];
  const right = call.args.map((a, i) => (own?.[i] !== undefined ? [own[i]] : (RIGHT[a.kind] ?? ["0"])));
  yield { name: call.name, nr: call.nr, words: right.flat() };
  for (const [i, arg] of call.args.entries()) {
    for (const value of TRIED[arg.kind] ?? NUMBERS) {
      const words = right.map((w, j) => (i !== j ? w : arg.words === 2 ? [value, value] : [value]));
      yield { name: `${call.name}/${i + 1}=${value}`, nr: call.nr, words: words.flat() };
    }
  }
}

/** All cases of the Linux calls that are there. */
export function cases(calls: readonly SystemCall[]): Case[] {
  return calls
    .filter((c) => c.abi === "linux" && c.support !== "none" && NOT_CALLED[c.name] === undefined && c.args.reduce((n, a) => n + a.words, 0) <= 6)
    .flatMap((c) => [...casesOf(c)]);
}

/** The table as calls.c includes it. */
export function caseTable(all: readonly Case[]): string {
  return all.map((c) => `{ ${JSON.stringify(c.name)}, ${c.nr}, { ${c.words.length === 0 ? "0" : c.words.join(", ")} } },\n`).join("");
}
