// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the maintenance commands share: the image opened for writing, paths and pseudo file systems in it, questions,
 * time limit, cycle file, progress.
 * @module
 */
import { existsSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { OverlayDevice, mount, resolvePath, splitPath, toByteString, type HammerInode, type HammerMount, type PfsInfo, type ScanPosition } from "@vkernel/hammer";
import { openDevices, openImage, systemNow } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { secondsOption, verbosity, type GlobalOptions } from "./options.ts";

export type { GlobalOptions } from "./options.ts";

/** Options of single commands. */
export interface CommandOptions { json?: boolean; dryRun?: boolean }

/** 64 bits in hex. */
export const hex = (n: bigint): string => BigInt.asUintN(64, n).toString(16).padStart(16, "0");

/** Opens the image for writing, runs `body`, unmounts; what `body` did before it failed stays done. */
export function maintain<T>(volumes: string[], body: (m: HammerMount) => T, options: { readOnly?: boolean } = {}): T {
  const m = openImage(volumes, { readOnly: options.readOnly ?? false });
  let result: T;
  try {
    result = body(m);
  } catch (e) {
    try {
      m.unmount();
    } catch (unmountError) {
      throw new AggregateError([e, unmountError], (e as Error).message, { cause: e });
    }
    throw e;
  }
  m.unmount();
  return result;
}

/** As maintain, but whatever `body` changes is changed in memory only, and gone afterwards: for --dry-run. */
export function rehearse<T>(volumes: string[], body: (m: HammerMount) => T): T {
  const devices = openDevices(volumes, { readOnly: true });
  try {
    return body(mount(devices.map((d) => new OverlayDevice(d)), { now: systemNow, readOnly: false }));
  } finally {
    for (const d of devices) d.close();
  }
}

/** The object at a path of the image, referenced. */
export function find(m: HammerMount, path: string, options: { follow?: boolean } = {}): HammerInode {
  const ip = resolvePath(m, toByteString(path), options);
  if (ip === null) throw new CliError(path, "no such file or directory in the file system");
  return ip;
}

/** Directory and name of a path whose last component need not exist; the directory is referenced. */
export function findParent(m: HammerMount, path: string): { dir: HammerInode; name: string } {
  const { dir: dirPath, name } = splitPath(toByteString(path));
  if (name === "") throw new CliError(path, "names no entry");
  const dir = resolvePath(m, dirPath);
  if (dir === null) throw new CliError(path, "no such directory in the file system");
  return { dir, name };
}

const PFS_NAME = /@@[^/]*:(\d{5})$/;

/** Number of the pseudo file system that a path leads to: by its link, which may lead nowhere yet, or by what is there. */
export function pfsIdAt(m: HammerMount, path: string): number {
  const trimmed = path.replace(/\/+$/, "");
  const direct = PFS_NAME.exec(trimmed);
  if (direct) return Number(direct[1]);
  const ip = find(m, path, { follow: false });
  try {
    if (ip.type !== "symlink") return ip.pfs;
    const link = PFS_NAME.exec(m.readlink(ip));
    if (link) return Number(link[1]);
  } finally {
    m.rele(ip);
  }
  const followed = find(m, path);
  m.rele(followed);
  return followed.pfs;
}

/** As pfsIdAt, with its record. */
export function pfsAt(m: HammerMount, path: string): PfsInfo {
  const id = pfsIdAt(m, path);
  const info = m.listPfs().find((p) => p.id === id);
  if (info === undefined) throw new CliError(path, `PFS#${id} does not exist`);
  return info;
}

/** Reads an answer from standard input, which need not be a terminal: true for yes. */
export function answer(): boolean {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  while (bytes.length < 64 && readSync(0, one, 0, 1, null) === 1 && one[0] !== 0x0a) bytes.push(one[0]!);
  return /^\s*y/i.test(String.fromCharCode(...bytes));
}

/** Asks on the terminal; -y answers yes. Throws where nobody can be asked. */
export function confirm(g: GlobalOptions, question: string): boolean {
  if (g.y) return true;
  if (!process.stdin.isTTY) throw new CliError("this destroys data", "nobody is there to be asked", "-y before the command answers yes");
  process.stderr.write(`${question} [y/n] `);
  return answer();
}

/** A progress function that shows a count on a terminal and ends the operation when -t seconds are over. */
export function pacing(g: GlobalOptions, what: string): { progress: (seen: number) => boolean; end(): void } {
  const limit = secondsOption(g.t, "-t", 0);
  const deadline = limit > 0 ? Date.now() + limit * 1000 : Infinity;
  const terminal = process.stderr.isTTY && verbosity(g) >= 0;
  let shown = 0;
  return {
    progress(seen) {
      const now = Date.now();
      if (terminal && now - shown > 200) {
        shown = now;
        process.stderr.write(`\r${what}: ${seen} records\u001b[K`);
      }
      return now < deadline;
    },
    end() {
      if (shown !== 0) process.stderr.write("\r\u001b[K");
    },
  };
}

const CYCLE_BYTES = 48;

/** A position as a cycle file holds it; the format is the original's. */
export function encodeCycle(p: ScanPosition): Uint8Array {
  const b = Buffer.alloc(CYCLE_BYTES);
  [p.objLo, p.objHi, p.keyLo, p.keyHi, p.tidLo, p.tidHi].forEach((half, i) => b.writeInt32LE(half | 0, i * 4));
  b.writeUInt16LE(p.recType, 32);
  b.writeUInt32LE(p.localization >>> 0, 36);
  return b;
}

/** The position in a cycle file of an operation on `pfs`; undefined if it holds none. */
export function decodeCycle(bytes: Uint8Array, pfs: number): ScanPosition | undefined {
  if (bytes.length < CYCLE_BYTES - 8) return undefined;
  const b = Buffer.from(bytes);
  const localization = b.readUInt32LE(36);
  return {
    objLo: b.readInt32LE(0), objHi: b.readInt32LE(4), keyLo: b.readInt32LE(8), keyHi: b.readInt32LE(12),
    tidLo: b.readInt32LE(16), tidHi: b.readInt32LE(20), recType: b.readUInt16LE(32),
    // The original stores the localization without its PFS.
    localization: localization > 0xffff ? localization : ((pfs << 16) | localization) >>> 0,
  };
}

/** Where an earlier run stopped, from the -c file; undefined if there is none. */
export function readCycle(g: GlobalOptions, pfs: number): ScanPosition | undefined {
  if (g.c === undefined || !existsSync(g.c)) return undefined;
  const position = decodeCycle(readFileSync(g.c), pfs);
  if (position === undefined) throw new CliError(g.c, "not a cycle file: it is too short", "remove it to start over");
  return position;
}

/** Notes in the -c file where the operation stopped, or removes it when all is done. */
export function writeCycle(g: GlobalOptions, stoppedAt: ScanPosition | null): void {
  if (g.c === undefined) return;
  if (stoppedAt === null) rmSync(g.c, { force: true });
  else writeFileSync(g.c, encodeCycle(stoppedAt));
}

/** An answer as JSON with its head (none for a part of one), 64-bit numbers as hex texts. */
export function jsonText(command: string | null, value: object, indent = 2): string {
  const head = command === null ? {} : { output_version: { command, major: 1, minor: 0 } };
  return `${JSON.stringify({ ...head, ...value }, (_, v: unknown) => (typeof v === "bigint" ? `0x${hex(v)}` : v), indent)}\n`;
}

/** Prints an answer as JSON. */
export function printJson(command: string, value: object): void { process.stdout.write(jsonText(command, value)); }
