// SPDX-License-Identifier: BSD-3-Clause
/**
 * What `hammer cleanup` keeps in the snapshots directory of a PFS: when which command ran last, where it stopped, and the
 * links of snapshots. Formats: DragonFly sbin/hammer/cmd_cleanup.c, cycle.c.
 * @module
 */
import { resolvePath, toByteString, type HammerInode, type HammerMount, type ScanOutcome, type ScanPosition } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { entriesOf } from "../image/open.ts";
import { decodeCycle, encodeCycle } from "./admin-context.ts";

/** The files in which cleanup keeps its state, in one directory of the image. */
export class State {
  readonly #m: HammerMount;
  readonly path: string;

  constructor(m: HammerMount, path: string) {
    this.#m = m;
    this.path = path;
  }

  /** True if the directory is there. */
  get exists(): boolean {
    const dir = resolvePath(this.#m, toByteString(this.path));
    if (dir !== null) this.#m.rele(dir);
    return dir !== null;
  }

  /** Makes the directory, and those above it. */
  make(): void {
    const m = this.#m;
    let dir = m.root;
    m.ref(dir);
    const names = toByteString(this.path).split("/").filter((n) => n !== "");
    names.forEach((name, i) => {
      // By way of its path: links of PFSs are followed.
      const next = resolvePath(m, names.slice(0, i + 1).join("/")) ?? m.create(dir, name, { type: "dir", mode: 0o755, uid: 0, gid: 0 });
      m.rele(dir);
      dir = next;
    });
    m.rele(dir);
  }

  /** The directory, referenced. */
  #dir(): HammerInode {
    const dir = resolvePath(this.#m, toByteString(this.path));
    if (dir === null) throw new CliError(this.path, "the snapshots directory is gone");
    return dir;
  }

  /** Contents of a file; null if it, or the directory, is not there. */
  read(name: string): Uint8Array | null {
    const m = this.#m;
    if (!this.exists) return null;
    const dir = this.#dir();
    const ip = m.lookup(dir, name);
    m.rele(dir);
    if (ip === null) return null;
    const bytes = new Uint8Array(ip.size);
    m.read(ip, 0, bytes, 0, bytes.length);
    m.rele(ip);
    return bytes;
  }

  /** Writes a file under another name first, so that it is there as a whole or as it was. */
  write(name: string, bytes: Uint8Array): void {
    const m = this.#m;
    const dir = this.#dir();
    const ip = m.create(dir, `${name}.new`, { type: "file", mode: 0o644, uid: 0, gid: 0 });
    m.write(ip, 0, bytes, 0, bytes.length);
    m.rele(ip);
    m.rename(dir, `${name}.new`, dir, name);
    m.rele(dir);
  }

  /** Target of a link, as a byte string. */
  target(name: string): string {
    const dir = this.#dir();
    const ip = this.#m.lookup(dir, name)!;
    const target = this.#m.readlink(ip);
    this.#m.rele(ip);
    this.#m.rele(dir);
    return target;
  }

  /** Moves everything to another directory, which may be in another PFS, and removes this one. */
  moveTo(other: State): void {
    const m = this.#m;
    const from = this.#dir(), to = other.#dir();
    for (const name of entriesOf(m, from)) {
      const ip = m.lookup(from, name)!;
      if (ip.type === "dir") throw new CliError(`${this.path}/${name}`, "a directory is among the snapshots", "move it elsewhere");
      if (ip.type === "symlink") {
        const copy = m.create(to, name, { type: "symlink", mode: ip.mode, uid: ip.uid, gid: ip.gid, target: m.readlink(ip) });
        m.setattr(copy, { mtime: ip.mtime });
        m.rele(copy);
      } else {
        other.write(name, this.read(name)!);
      }
      m.rele(ip);
      m.unlink(from, name);
    }
    m.rele(from);
    m.rele(to);
    const slash = this.path.lastIndexOf("/");
    const parent = resolvePath(m, toByteString(this.path.slice(0, slash + 1)))!;
    m.rmdir(parent, toByteString(this.path.slice(slash + 1)));
    m.rele(parent);
  }

  /** Removes a file or link, if it is there. */
  remove(name: string): void {
    const dir = this.#dir();
    const ip = this.#m.lookup(dir, name);
    if (ip !== null) {
      this.#m.rele(ip);
      this.#m.unlink(dir, name);
    }
    this.#m.rele(dir);
  }

  /** Names of the snapshot links. */
  links(): string[] {
    const m = this.#m;
    if (!this.exists) return [];
    const dir = this.#dir();
    const names = entriesOf(m, dir).filter((name) => {
      if (name.startsWith(".")) return false;
      const ip = m.lookup(dir, name);
      const isLink = ip?.type === "symlink";
      if (ip !== null) m.rele(ip);
      return isLink;
    });
    m.rele(dir);
    return names;
  }

  /** Whether `period` seconds are over since the command ran; whole days, hours and minutes count by the clock on the wall. */
  due(command: string, period: number, now: Date): boolean {
    const text = this.read(`.${command}.period`);
    if (text === null) return true;
    const last = new Date(Number(Buffer.from(text).toString("latin1").trim()) * 1000);
    if (Number.isNaN(last.getTime())) return true;
    const current = new Date(now);
    for (const d of [current, last]) {
      d.setMilliseconds(0);
      if (period % 60 === 0) d.setSeconds(0);
      if (period % 3600 === 0) d.setMinutes(0);
      if (period % 86400 === 0) d.setHours(0);
    }
    return (current.getTime() - last.getTime()) / 1000 >= period;
  }

  ran(command: string, when: Date): void {
    this.write(`.${command}.period`, Buffer.from(`0x${Math.floor(when.getTime() / 1000).toString(16).padStart(8, "0")}\n`));
  }

  /** Runs an operation that may stop before its end, from where it stopped the last time. */
  resumable(name: string, pfs: number, operation: (resume: { resume?: ScanPosition }) => ScanOutcome): void {
    const old = this.read(`.${name}.cycle`);
    const position = old === null ? undefined : decodeCycle(old, pfs);
    const { stoppedAt } = operation(position === undefined ? {} : { resume: position });
    if (stoppedAt !== null) this.write(`.${name}.cycle`, encodeCycle(stoppedAt));
    else if (old !== null) this.remove(`.${name}.cycle`);
  }
}

/** Time in a link's name, yyyymmdd[-HHMM] behind the first - or dot; null if there is none. */
export function linkTime(name: string): number | null {
  const m = /^[^-.]*[-.](\d{4})(\d\d)(\d\d)(?:-(\d\d)(\d\d))?/.exec(name);
  return m ? new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3]), Number(m[4] ?? 0), Number(m[5] ?? 0)).getTime() : null;
}

