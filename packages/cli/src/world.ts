// SPDX-License-Identifier: BSD-3-Clause
/**
 * The embedded world: a HAMMER file system in memory, formatted at each start and filled with the userland that
 * ships with this package (world/manifest.json and the files beside it).
 * @module
 */
import { readFileSync } from "node:fs";
import { MemoryDevice, mount, newfs, toByteString, type BlockDevice, type HammerInode, type HammerMount } from "@vkernel/hammer";

const WORLD = new URL("../world/", import.meta.url);
/** Bytes of the file system; only what is written takes memory. */
const SIZE = 1 << 30;
const UNDO_BYTES = 8 << 20;

interface Entry {
  readonly path: string;
  readonly type: "dir" | "file" | "hardlink" | "symlink";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** File beside the manifest that holds the contents. */
  readonly source?: string;
  /** Path of the other name of a hard link, or text of a symlink. */
  readonly target?: string;
}

interface Manifest {
  /** Modification time of all files, seconds since 1970. */
  readonly mtime: number;
  readonly entries: readonly Entry[];
}

/** What formatting needs of the outside. */
export interface WorldClock {
  /** µs since 1970. */
  now(): bigint;
  random(bytes: Uint8Array): void;
}

function readManifest(): Manifest {
  return JSON.parse(readFileSync(new URL("manifest.json", WORLD), "utf8")) as Manifest;
}

/** Text of a file of the world as shipped, or null. */
export function worldFile(path: string): string | null {
  const entry = readManifest().entries.find((e) => e.path === path && e.source !== undefined);
  return entry === undefined ? null : readFileSync(new URL(entry.source!, WORLD), "latin1");
}

/** A device with a fresh file system that holds the world. */
export function makeWorld(clock: WorldClock): BlockDevice {
  const device = new MemoryDevice(SIZE, { name: "world" });
  newfs([device], { label: "WORLD", undoBytes: UNDO_BYTES, force: true, now: clock.now, random: clock.random });
  const m = mount([device], { now: clock.now });
  fillWorld(m);
  m.unmount();
  return device;
}

/** Copies the world into an empty file system. */
export function fillWorld(m: HammerMount): void {
  const { mtime, entries } = readManifest();
  const made = new Map<string, HammerInode>([["/", m.root]]);
  for (const entry of entries) {
    const { mode, uid, gid } = entry;
    if (entry.path === "/") {
      m.setattr(m.root, { mode, uid, gid });
      continue;
    }
    const cut = entry.path.lastIndexOf("/");
    const dir = made.get(cut === 0 ? "/" : entry.path.slice(0, cut))!;
    const name = toByteString(entry.path.slice(cut + 1));
    if (entry.type === "hardlink") {
      m.link(made.get(entry.target!)!, dir, name);
      continue;
    }
    const target = entry.type === "symlink" ? { target: toByteString(entry.target!) } : {};
    const ip = m.create(dir, name, { type: entry.type, mode, uid, gid, ...target });
    made.set(entry.path, ip);
    if (entry.type === "file") {
      const bytes = readFileSync(new URL(entry.source!, WORLD));
      m.write(ip, 0, bytes, 0, bytes.length);
    }
  }
  const us = mtime * 1e6;
  for (const ip of made.values()) {
    m.setattr(ip, { mtime: us });
    if (ip !== m.root) m.rele(ip);
  }
}
