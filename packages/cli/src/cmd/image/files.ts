// SPDX-License-Identifier: BSD-3-Clause
/** Small text files of a mounted image, read and written whole. Paths and contents are byte strings. */
import { resolvePath, splitPath, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { entriesOf } from "./open.ts";

/** The directory at `path`, referenced; it and its parents are made where they are missing. Links on the way are followed. */
export function makeDirectories(m: HammerMount, path: string): HammerInode {
  const found = resolvePath(m, path);
  if (found !== null) return found;
  const { dir, name } = splitPath(path);
  const parent = makeDirectories(m, dir);
  try {
    return m.create(parent, name, { type: "dir", mode: 0o755, uid: 0, gid: 0 });
  } finally {
    m.rele(parent);
  }
}

/** Contents of a file, or null when there is none. */
export function readText(m: HammerMount, path: string): string | null {
  const ip = resolvePath(m, path);
  if (ip === null) return null;
  const bytes = Buffer.alloc(ip.size);
  m.read(ip, 0, bytes, 0, bytes.length);
  m.rele(ip);
  return bytes.toString("latin1");
}

/** Opens a file for changes, made with its directories when it is not there. Referenced. */
function open(m: HammerMount, path: string, mode: number): HammerInode {
  const found = resolvePath(m, path);
  if (found !== null) return found;
  const { dir, name } = splitPath(path);
  const parent = makeDirectories(m, dir);
  try {
    return m.create(parent, name, { type: "file", mode, uid: 0, gid: 0 });
  } finally {
    m.rele(parent);
  }
}

/** Makes a file, or replaces its contents. */
export function writeText(m: HammerMount, path: string, text: string, mode = 0o644): void {
  const ip = open(m, path, mode);
  const bytes = Buffer.from(text, "latin1");
  m.truncate(ip, 0);
  m.write(ip, 0, bytes, 0, bytes.length);
  m.setattr(ip, { mode });
  m.rele(ip);
}

/** Adds to the end of a file. */
export function appendText(m: HammerMount, path: string, text: string): void {
  const ip = open(m, path, 0o644);
  const bytes = Buffer.from(text, "latin1");
  m.write(ip, ip.size, bytes, 0, bytes.length);
  m.rele(ip);
}

/** Removes the entry `name`, which is there, and all that is below it. */
export function removeTree(m: HammerMount, dir: HammerInode, name: string): void {
  const ip = m.lookup(dir, name)!;
  const isDir = ip.type === "dir";
  if (isDir) for (const entry of entriesOf(m, ip)) removeTree(m, ip, entry);
  m.rele(ip);
  if (isDir) m.rmdir(dir, name);
  else m.unlink(dir, name);
}

/** Removes a file or a directory with all that is below it, if it is there. */
export function removePath(m: HammerMount, path: string): void {
  const { dir: where, name } = splitPath(path);
  const dir = resolvePath(m, where);
  if (dir === null) return;
  const ip = m.lookup(dir, name);
  if (ip !== null) {
    m.rele(ip);
    removeTree(m, dir, name);
  }
  m.rele(dir);
}
