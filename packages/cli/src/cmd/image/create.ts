// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image create`: a new image, empty or filled from a directory or a tar archive. */
import { createReadStream, existsSync, lstatSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { createImage } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { parseSize } from "../../ui/size.ts";
import { Importer } from "./import.ts";
import { withImage } from "./open.ts";

export interface CreateOptions { size?: string; from?: string; label?: string; fsVersion?: string; force?: boolean }

/** The file is sparse, so that room costs nothing until it is used. */
const DEFAULT_SIZE = 8 * 2 ** 30;
const LABEL_MAX = 63;

/** Bytes in the files below a directory. */
function bytesBelow(dir: Buffer): number {
  let sum = 0;
  for (const name of readdirSync(dir, { encoding: "buffer" })) {
    const path = Buffer.concat([dir, Buffer.from("/"), name]);
    const st = lstatSync(path);
    sum += st.isDirectory() ? bytesBelow(path) : st.isFile() ? st.size : 0;
  }
  return sum;
}

/** Room for the content, its metadata and as much again to work in. */
function roomFor(bytes: number): number {
  const gib = 2 ** 30;
  return Math.max(DEFAULT_SIZE, Math.ceil((bytes * 2) / gib) * gib);
}

function source(from: string): { kind: "dir"; path: string; bytes: number } | { kind: "tar"; stream: Readable; bytes: number } {
  if (from === "-") {
    if (process.stdin.isTTY) throw new CliError("standard input", "is a terminal", "pipe a tar archive in");
    return { kind: "tar", stream: process.stdin, bytes: 0 };
  }
  const st = statSync(from);
  if (st.isDirectory()) return { kind: "dir", path: from, bytes: bytesBelow(Buffer.from(from)) };
  return { kind: "tar", stream: createReadStream(from, { highWaterMark: 1 << 18 }), bytes: st.size * (/\.t?gz$/.test(from) ? 4 : 1) };
}

/** Makes the image. If it cannot be filled, no file is left behind. */
export async function create(image: string, options: CreateOptions): Promise<void> {
  const from = options.from === undefined ? null : source(options.from);
  const size = options.size === undefined ? roomFor(from?.bytes ?? 0) : parseSize(options.size, "--size");
  const label = (options.label ?? basename(image).replace(/\.[^.]*$/, "").toUpperCase()).slice(0, LABEL_MAX) || "IMAGE";
  const version = options.fsVersion === undefined ? {} : { version: Number(options.fsVersion) };
  if (options.force) rmSync(image, { force: true });
  else if (existsSync(image)) throw new CliError(image, "the file exists already", "--force replaces it");
  createImage(image, { label, size, ...version });
  if (from === null) return;
  try {
    await withImage(image, { write: true }, async (m) => {
      const importer = new Importer(m);
      const root = m.lookup(m.root, ".")!;
      if (from.kind === "dir") importer.tree(Buffer.from(from.path), root);
      else await importer.tar(from.stream, root);
      importer.finish();
      m.rele(root);
      for (const s of importer.skipped) process.stderr.write(`vkernel: ${image}: left out: ${s}\n`);
    });
  } catch (e) {
    rmSync(image, { force: true });
    throw e;
  }
}
