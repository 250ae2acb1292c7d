// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image cat`: contents of files on standard output. */
import { once } from "node:events";
import type { HammerInode, HammerMount } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { find, withImage } from "./open.ts";

const CHUNK = 1 << 18;

/** The bytes of a file, in pieces of their own. */
export function* contents(m: HammerMount, ip: HammerInode): Generator<Uint8Array> {
  for (let at = 0; ;) {
    const buf = new Uint8Array(Math.min(CHUNK, Math.max(1, ip.size - at)));
    const n = m.read(ip, at, buf, 0, buf.length);
    if (n === 0) return;
    yield n === buf.length ? buf : buf.subarray(0, n);
    at += n;
  }
}

/** Writes files to standard output, no faster than it takes them. */
export function cat(image: string, paths: string[]): Promise<void> {
  return withImage(image, { write: false }, async (m) => {
    for (const path of paths) {
      const ip = find(m, image, path);
      if (ip.type !== "file") throw new CliError(`${image}:${path}`, ip.type === "dir" ? "is a directory" : `is a ${ip.type}, not a file`);
      for (const piece of contents(m, ip)) if (!process.stdout.write(piece)) await once(process.stdout, "drain");
      m.rele(ip);
    }
  });
}
