// SPDX-License-Identifier: BSD-3-Clause
/**
 * One writer an image: a lock file beside the image that names its holder.
 *
 * Invariants
 *   L1  Whoever holds the lock of an image has a file `<image>.lock`, made whole and at once (link(2) of a
 *       finished file), with process id, start time, machine and command line.
 *   L2  A lock counts only while its holder lives: same machine boot, a process of that id, started at that
 *       time. What a killed process left is taken over by the next writer; no clean-up is ever needed.
 *   L3  A lock made on another machine, or in another process-id namespace, cannot be judged and is
 *       respected; the message tells what to remove.
 *
 * Node offers no flock(2); this needs nothing but a file system with hard links.
 * @module
 */
import { linkSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { HammerError } from "../error.ts";

interface Holder {
  pid: number;
  /** Start time of the process in the kernel's own unit, "" where the system does not tell. */
  started: string;
  /** Machine and boot, so that a process id of an earlier boot means nothing. */
  machine: string;
  command: string;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // not Linux, or the process is gone: both mean "unknown"
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/**
 * Field 22 of /proc/<pid>/stat, counted behind the command name, which may hold blanks and parentheses. A process that has
 * ended and was not waited for yet has no start time any more: nothing is open in it.
 */
function startTime(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "ended" : fields[19] ?? "";
}

function thisMachine(): string {
  const boot = readText("/proc/sys/kernel/random/boot_id").trim();
  return [hostname(), boot, linkTarget("/proc/self/ns/pid")].join(" ");
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** null if nobody can hold this lock any more (invariant L2), else who holds it in words. */
function liveHolder(text: string): string | null {
  let h: Holder;
  try {
    h = JSON.parse(text) as Holder;
  } catch {
    return "an unreadable lock file"; // L1: never ours
  }
  if (h.machine !== thisMachine()) {
    const [host, boot] = h.machine.split(" ");
    const [myHost, myBoot] = thisMachine().split(" ");
    if (host === myHost && boot !== "" && boot !== myBoot) return null;
    return `process ${h.pid} on ${host}`;
  }
  if (!processExists(h.pid) || (h.started !== "" && startTime(h.pid) !== h.started)) return null;
  return `process ${h.pid}${h.pid === process.pid ? " (this one)" : ""}: ${h.command}`;
}

/** A process that has an image locked. */
export interface LockHolder { pid: number; command: string }

let serial = 0;

/** The lock on one image file. */
export class ImageLock {
  readonly path: string;
  readonly #text: string;
  readonly #dropAtExit = (): void => this.release();

  /** Takes the lock of `image`. Throws E_LOCKED naming the holder, or EIO when no lock file can be made. */
  constructor(image: string) {
    this.path = `${realpathSync(image)}.lock`;
    const me: Holder = {
      pid: process.pid, started: startTime(process.pid), machine: thisMachine(),
      command: [process.title, ...process.argv.slice(1)].join(" "),
    };
    this.#text = `${JSON.stringify({ ...me, serial: ++serial })}\n`;
    this.#take(image);
    process.once("exit", this.#dropAtExit);
  }

  /** Who has the image locked on this machine; null if nobody has. Throws E_LOCKED if that cannot be judged (L3). */
  static holder(image: string): LockHolder | null {
    const path = `${realpathSync(image)}.lock`;
    const text = readText(path);
    if (text === "") return null;
    const who = liveHolder(text);
    if (who === null) return null;
    const h = text.startsWith("{") ? JSON.parse(text) as Holder : null;
    if (h?.machine !== thisMachine()) throw new HammerError("E_LOCKED", `${image}: locked by ${who}`, { path });
    return { pid: h.pid, command: h.command };
  }

  #take(image: string): void {
    const draft = `${this.path}.${process.pid}.${serial}`;
    try {
      writeFileSync(draft, this.#text, { flag: "wx" });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") rmSync(draft, { force: true });
      throw new HammerError("EIO", `${image}: cannot make the lock file that guards against a second writer `
        + `(${(cause as Error).message}); open it read-only, or make its folder writable`, { path: this.path, cause });
    }
    try {
      // A few rounds: between our look and our act another process may take over the same dead lock.
      for (let round = 0; round < 16; round++) {
        try {
          linkSync(draft, this.path);
          return;
        } catch (cause) {
          if ((cause as NodeJS.ErrnoException).code !== "EEXIST")
            throw new HammerError("EIO", `${image}: cannot make the lock file: ${(cause as Error).message}`,
              { path: this.path, cause });
        }
        const text = readText(this.path);
        if (text === "") continue; // released just now
        const holder = liveHolder(text);
        if (holder !== null)
          throw new HammerError("E_LOCKED", `${image}: in use for writing by ${holder} `
            + `(wait for it to end, open read-only, or remove ${this.path} if you know better)`, { path: this.path });
        this.#removeDead(text, `${draft}.dead`);
      }
      throw new HammerError("E_LOCKED", `${image}: other processes keep taking its lock; try again`, { path: this.path });
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** Moves the dead lock aside; if it was a fresh one by then, gives it back to its owner. */
  #removeDead(text: string, aside: string): void {
    try {
      renameSync(this.path, aside);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === "ENOENT") return;
      throw e;
    }
    if (readText(aside) !== text) linkSync(aside, this.path);
    rmSync(aside, { force: true });
  }

  /** Gives the lock up. May be called twice. */
  release(): void {
    process.off("exit", this.#dropAtExit);
    if (readText(this.path) === this.#text) rmSync(this.path, { force: true });
  }
}
