// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vkernel image export`: a tree of the image as a tar stream.
 *
 * Names in the archive are relative to the directory exported, byte for byte. Hard links stay links, devices and fifos
 * what they are; extended attributes are PAX records. Times have microseconds (PAX records), of the past those the view has. Sockets have no place in an
 * archive and are reported.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { toByteString, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { ByteProgress } from "../../ui/progress.ts";
import { contents } from "./cat.ts";
import { display, entriesOf, find, join, withImage } from "./open.ts";
import { tarEnd, tarHeader, tarPadding, type TarHeader } from "./tar-write.ts";

export interface ExportOptions { output?: string }

const TAR_TYPE: Readonly<Record<HammerInode["type"], TarHeader["type"] | null>> = {
  file: "file", dir: "dir", symlink: "symlink", fifo: "fifo", chardev: "chardev", blockdev: "blockdev", socket: null,
};

class Exporter {
  readonly skipped: string[] = [];
  readonly #m: HammerMount;
  readonly #out: Writable;
  /** First name of each file with several links. */
  readonly #links = new Map<bigint, string>();
  readonly #progress = new ByteProgress("export");
  #written = 0;

  constructor(m: HammerMount, out: Writable) {
    this.#m = m;
    this.#out = out;
  }

  /** Writes no faster than the output takes it. */
  async #write(bytes: Uint8Array): Promise<void> {
    this.#written += bytes.length;
    this.#progress.add(bytes.length);
    if (!this.#out.write(bytes)) await once(this.#out, "drain");
  }

  /** Adds the object and everything below it. */
  async tree(ip: HammerInode, path: string): Promise<void> {
    const m = this.#m;
    const type = TAR_TYPE[ip.type];
    if (type === null) {
      this.skipped.push(`${display(path)}: a ${ip.type}`);
      return;
    }
    const header: TarHeader = {
      name: type === "dir" ? `${path === "" ? "." : path}/` : path, type, size: 0, mode: ip.mode, uid: ip.uid, gid: ip.gid,
      mtime: ip.historical ? ip.ctime : ip.mtime, xattrs: m.listXattr(ip).sort().map((name) => [name, m.getXattr(ip, name)!] as const),
      ...(type === "symlink" ? { linkname: m.readlink(ip) } : {}),
      ...(type === "chardev" || type === "blockdev" ? { devmajor: ip.rmajor, devminor: ip.rminor } : {}),
    };
    const first = ip.nlinks > 1 && type !== "dir" ? this.#links.get(ip.objId) : undefined;
    if (first !== undefined) {
      await this.#write(tarHeader({ ...header, type: "link", linkname: first }));
      return;
    }
    if (type !== "dir") this.#links.set(ip.objId, path);
    await this.#write(tarHeader(type === "file" ? { ...header, size: ip.size } : header));
    if (type === "file") {
      for (const piece of contents(m, ip)) await this.#write(piece);
      await this.#write(tarPadding(ip.size));
    }
    if (type !== "dir") return;
    for (const entry of entriesOf(m, ip)) {
      const child = m.lookup(ip, entry)!;
      await this.tree(child, join(path, entry));
      m.rele(child);
    }
  }

  async end(): Promise<void> {
    await this.#write(tarEnd(this.#written));
    this.#progress.end();
  }
}

/** Writes the tar of `path` to standard output or to a file. */
export function exportTar(image: string, path: string, options: ExportOptions): Promise<void> {
  const output = options.output === "-" ? undefined : options.output;
  if (output === undefined && process.stdout.isTTY)
    throw new CliError("standard output", "is a terminal", "name a file with -o, or pipe into tar");
  return withImage(image, { write: false }, async (m) => {
    const root = find(m, image, path);
    const sink = output === undefined ? process.stdout : createWriteStream(output);
    const failed = once(sink, "error").then(([e]: unknown[]) => { throw e; });
    const exporter = new Exporter(m, sink);
    const work = async (): Promise<void> => {
      await exporter.tree(root, root.type === "dir" ? "" : toByteString(path.split("/").at(-1)!));
      await exporter.end();
      // Standard output is not ours to close.
      if (output !== undefined) await new Promise<void>((resolve) => { sink.end(() => resolve()); });
    };
    await Promise.race([work(), failed]);
    m.rele(root);
    for (const s of exporter.skipped) process.stderr.write(`vkernel: ${image}: left out of the archive: ${s}\n`);
  });
}
