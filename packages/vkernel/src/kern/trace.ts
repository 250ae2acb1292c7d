// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shows the system calls and signals of all programs, a line each, from the ABI's table: name, arguments by their kinds,
 * result; in the manner of strace(1) and truss(1).
 *
 *   [pid 2] openat(AT_FDCWD, "/etc/passwd", 0x80000, 0) = 3
 *   [pid 2] read(3, 0x804c1a0, 4096) = -1 EISDIR (Is a directory)
 *   [pid 2] --- SIGCHLD (Child exited) ---
 *   [pid 2] +++ exit status 0 +++
 *
 * A line is written when its call ends; arguments are those of its beginning. A call that does not come back (exit, a thread
 * that is killed while it waits) ends with "= ?".
 * @module
 */
import { EJUSTRETURN, ERESTART, Errno } from "../sys/errno.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { signalName, signalText } from "../sys/signal.ts";
import { IoMiss } from "../sys/wait.ts";
import { copyinstr } from "../vm/copyio.ts";
import type { Lwp } from "./proc.ts";
import type { ArgType, Sysent } from "./sysent.ts";

const PATH_SHOWN = 4096;
/** Calls whose results are addresses. */
const RETURNS_ADDRESS = new Set(["brk", "sbrk", "mmap", "mmap2", "mremap", "shmat"]);
/** Linux's AT_FDCWD; DragonFly's is AT_FDCWD. */
const LINUX_AT_FDCWD = -100;

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** A byte string as a C literal. */
function quoted(text: string): string {
  const inside = text.replace(/[^ !#-[\]-~]/g, (c) => {
    if (c === "\n") return "\\n";
    if (c === "\t") return "\\t";
    if (c === '"' || c === "\\") return `\\${c}`;
    return `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
  return `"${inside}"`;
}

function pathText(lp: Lwp, address: number): string {
  if (address === 0) return "NULL";
  try {
    return quoted(copyinstr(lp.proc.vmspace!, address, PATH_SHOWN));
  } catch (e) {
    if (!(e instanceof Errno || e instanceof IoMiss)) throw e;
    // Not readable, or not in memory yet: the call itself will say what is wrong with it.
    return hex(address);
  }
}

function argumentText(lp: Lwp, kind: ArgType["kind"], word: number, high: number): string {
  switch (kind) {
    case "path":
      return pathText(lp, word);
    case "ptr":
    case "addr":
      return word === 0 ? "NULL" : hex(word);
    case "hex":
      return word === 0 ? "0" : hex(word);
    case "octal":
      return `0${(word >>> 0).toString(8)}`;
    case "uint":
    case "size":
      return String(word >>> 0);
    case "off64":
      return String(high * 0x1_0000_0000 + (word >>> 0));
    case "fd":
      return word === AT_FDCWD || word === LINUX_AT_FDCWD ? "AT_FDCWD" : String(word);
    case "signal":
      return word === 0 ? "0" : signalName(lp.proc.abi.nativeSigno(word));
    default:
      return String(word);
  }
}

export class Trace {
  readonly #write: (line: string) => void;

  /** `write` receives lines without their newline. */
  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  #line(lp: Lwp, text: string): void {
    const { pid } = lp.proc;
    this.#write(lp.tid === pid ? `[pid ${pid}] ${text}` : `[pid ${pid}.${lp.tid}] ${text}`);
  }

  /** The thread makes the call of `row`; its arguments are in `lp.args`. */
  enter(lp: Lwp, row: Sysent): void {
    const parts: string[] = [];
    let at = 0;
    for (const { kind, words } of row.args) {
      parts.push(argumentText(lp, kind, lp.args[at]!, words === 2 ? lp.args[at + 1]! : 0));
      at += words;
    }
    lp.traced = `${row.name}(${parts.join(", ")})`;
  }

  #finish(lp: Lwp, result: string): void {
    const call = lp.traced;
    lp.traced = null;
    if (call !== null) this.#line(lp, `${call} = ${result}`);
  }
  leave(lp: Lwp, value: number): void {
    const name = lp.traced?.slice(0, lp.traced.indexOf("(")) ?? "";
    this.#finish(lp, RETURNS_ADDRESS.has(name) ? hex(value) : String(value));
  }
  fail(lp: Lwp, e: Errno): void {
    if (e === EJUSTRETURN) this.#finish(lp, "0");
    else if (e === ERESTART) this.#finish(lp, "? (to be started again)");
    else this.#finish(lp, `-1 ${e.name} (${e.message})`);
  }
  signal(lp: Lwp, sig: number): void {
    this.#line(lp, `--- ${signalName(sig)} (${signalText(sig)}) ---`);
  }
  /** The thread is gone. */
  end(lp: Lwp): void {
    this.#finish(lp, "?");
    const { proc } = lp;
    if (proc.lwps.size > 1) return;
    const sig = proc.xstat & 0x7f;
    this.#line(lp, sig === 0 ? `+++ exit status ${(proc.xstat >> 8) & 0xff} +++` : `+++ killed by ${signalName(sig)} +++`);
  }
}
