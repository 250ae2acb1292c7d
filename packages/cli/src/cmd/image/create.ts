// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image create`: a new image, empty or filled from a directory or a tar archive. */
import { createReadStream, existsSync, lstatSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { isHammerError } from "@vkernel/hammer";
import { createImage, ImageLock } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { ByteProgress } from "../../ui/progress.ts";
import { formatSize, parseSize } from "../../ui/size.ts";
import { ramBytes } from "../../machine.ts";
import { fillWorld } from "../../world.ts";
import { createDebian } from "./debian/create.ts";
import { Importer } from "./import.ts";
import { withImage } from "./open.ts";

export interface CreateOptions {
  size?: string;
  from?: string[];
  world?: boolean;
  debian?: string[];
  sources?: string;
  cache?: string;
  memory: string;
  verbose?: boolean;
  label?: string;
  fsVersion?: string;
  force?: boolean;
}

/** The file is sparse, so that room costs nothing until it is used. */
const DEFAULT_SIZE = 8 * 2 ** 30;
const LABEL_MAX = 63;

const MIB = 2 ** 20;
/** Below this, next to nothing is left beside the UNDO FIFO and the three big-blocks kept for removals. */
const MINIMUM = 96 * MIB;
/** Inode, directory entry, and their share of the B-Tree. */
const BYTES_PER_OBJECT = 1024;

/** Bytes that a file of this size takes: its last block is stored whole. */
function stored(size: number): number {
  const block = size <= 16384 ? 16 : size <= MIB ? 16384 : 65536;
  return Math.ceil(size / block) * block;
}

/** Bytes that the files below a directory take in an image, with all that belongs to them. */
function bytesBelow(dir: Buffer): number {
  let sum = 0;
  for (const name of readdirSync(dir, { encoding: "buffer" })) {
    const path = Buffer.concat([dir, Buffer.from("/"), name]);
    const st = lstatSync(path);
    sum += BYTES_PER_OBJECT + name.length + (st.isDirectory() ? bytesBelow(path) : st.isFile() ? stored(st.size) : 0);
  }
  return sum;
}

/** Size of an image that surely holds this much. */
function sizeFor(bytes: number): number {
  return MINIMUM + Math.ceil(bytes * 1.05 / (8 * MIB)) * 8 * MIB;
}

/** Room for the content, its metadata and as much again to work in. */
function roomFor(bytes: number): number {
  const gib = 2 ** 30;
  return Math.max(DEFAULT_SIZE, Math.ceil((bytes * 2) / gib) * gib);
}

type Source = { kind: "dir"; path: string; bytes: number } | { kind: "tar"; stream: Readable; bytes: number };

function source(from: string): Source {
  if (from === "-") {
    if (process.stdin.isTTY) throw new CliError("standard input", "is a terminal", "pipe a tar archive in");
    return { kind: "tar", stream: process.stdin, bytes: 0 };
  }
  const st = statSync(from);
  if (st.isDirectory()) return { kind: "dir", path: from, bytes: bytesBelow(Buffer.from(from)) };
  return { kind: "tar", stream: createReadStream(from, { highWaterMark: 1 << 18 }), bytes: st.size * (/\.t?gz$/.test(from) ? 4 : 1) };
}

/** The packages asked for; each in Debian's own spelling (Debian Policy 5.6.1). */
function packageNames(lists: readonly string[]): string[] {
  const names = lists.flatMap((list) => list.split(",")).map((name) => name.trim()).filter((name) => name !== "");
  for (const name of names)
    if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name)) throw new CliError("--debian", `'${name}' is no package name`, "small letters, digits, '+', '-' and '.', several with commas between");
  return names;
}

/** An image that a process writes to is not taken away from under it. */
function refuseInUse(image: string): void {
  const holder = ImageLock.holder(image);
  if (holder !== null) throw new CliError(image, `is in use by process ${holder.pid} (${holder.command})`, "end it first");
}

async function importLayers(file: string, image: string, layers: readonly Source[]): Promise<void> {
  await withImage(file, { write: true }, async (m) => {
    const progress = new ByteProgress("create");
    const importer = new Importer(m, { progress: (n) => progress.add(n) });
    const root = m.lookup(m.root, ".")!;
    for (const layer of layers) {
      if (layer.kind === "dir") importer.tree(Buffer.from(layer.path), root);
      else await importer.tar(layer.stream, root);
    }
    progress.end();
    importer.finish();
    m.rele(root);
    for (const s of importer.skipped) process.stderr.write(`vkernel: ${image}: left out: ${s}\n`);
  });
}

/**
 * Makes the image, which is IMAGE.new until it is whole. If it cannot be filled, no file is left behind, and one that was there stays
 * what it was.
 */
export async function create(image: string, options: CreateOptions): Promise<void> {
  const kinds = [options.world === true ? "--world" : "", options.from === undefined ? "" : "--from", options.debian === undefined ? "" : "--debian"].filter((k) => k !== "");
  if (kinds.length > 1) throw new CliError(kinds[0]!, `goes without ${kinds[1]}`, "one source at a time");
  const layers = (options.from ?? []).map((name) => ({ name, ...source(name) }));
  const bytes = layers.reduce((sum, l) => sum + l.bytes, 0);
  const size = options.size === undefined ? roomFor(bytes) : parseSize(options.size, "--size");
  if (size < MINIMUM)
    throw new CliError("--size", `${options.size} leaves no room for files`, `the minimum is ${MINIMUM / MIB}m; the file is sparse, so more costs nothing until it is used`);
  const label = (options.label ?? basename(image).replace(/\.[^.]*$/, "").toUpperCase()).slice(0, LABEL_MAX) || "IMAGE";
  const version: { version?: number } = options.fsVersion === undefined ? {} : { version: Number(options.fsVersion) };
  if (options.force !== true && existsSync(image)) throw new CliError(image, "the file exists already", "--force replaces it");
  if (existsSync(image)) refuseInUse(image);
  if (options.debian !== undefined) {
    const names = packageNames(options.debian);
    await createDebian(image, {
      names, sources: options.sources, cache: options.cache, size, label, version: version.version, ramBytes: ramBytes(options.memory), verbose: options.verbose === true, force: options.force === true,
    });
    return;
  }
  // What has the name is whole, also after an interruption.
  const file = `${image}.new`;
  if (existsSync(file)) refuseInUse(file);
  rmSync(file, { force: true });
  try {
    createImage(file, { label, size, ...version });
    if (options.world === true) await withImage(file, { write: true }, fillWorld);
    else if (layers.length > 0) await importLayers(file, image, layers);
    renameSync(file, image);
  } catch (e) {
    rmSync(file, { force: true });
    if (!isHammerError(e, "ENOSPC")) throw e;
    const [first] = layers;
    const known = layers.length === 1 && first?.kind === "dir";
    throw new CliError(image, known ? `${first.name} does not fit into ${formatSize(size)}` : `the content does not fit into ${formatSize(size)}`,
      known ? `it needs --size ${sizeFor(first.bytes) / MIB}m` : "a larger --size is needed; the file is sparse, so more costs nothing until it is used",
      undefined, e);
  }
}
