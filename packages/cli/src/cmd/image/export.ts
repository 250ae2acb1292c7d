// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vkernel image export`: a tree of the image as a tar stream.
 *
 * Names in the archive are relative to the directory exported. Hard links stay links. Times have microseconds (PAX
 * records), of the past those the view has. Devices, fifos and sockets keep their type where tar has one; sockets,
 * and names that are no UTF-8, have no place in it and are reported.
 */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fromByteString, toByteString, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { createTarPacker, type TarHeader, type TarPackController } from "modern-tar";
import { CliError } from "../../ui/errors.ts";
import { contents } from "./cat.ts";
import { display, entriesOf, find, join, withImage } from "./open.ts";

export interface ExportOptions { output?: string }

const TAR_TYPE: Partial<Record<HammerInode["type"], NonNullable<TarHeader["type"]>>> = {
  file: "file", dir: "directory", symlink: "symlink", fifo: "fifo",
};

class Exporter {
  readonly skipped: string[] = [];
  readonly #m: HammerMount;
  readonly #tar: TarPackController;
  /** First name of each file with several links. */
  readonly #links = new Map<bigint, string>();

  constructor(m: HammerMount, tar: TarPackController) {
    this.#m = m;
    this.#tar = tar;
  }

  async #add(header: TarHeader, body: Iterable<Uint8Array>): Promise<void> {
    const writer = this.#tar.add(header).getWriter();
    for (const piece of body) {
      await writer.ready;
      await writer.write(piece);
    }
    await writer.close();
  }

  /** Adds the object and everything below it. */
  async tree(ip: HammerInode, path: string): Promise<void> {
    const m = this.#m;
    const type = TAR_TYPE[ip.type];
    const name = fromByteString(path);
    if (type === undefined || toByteString(name) !== path) {
      this.skipped.push(`${display(path)}: ${type === undefined ? `a ${ip.type}` : "the name is not UTF-8"}`);
      return;
    }
    const time = ip.historical ? ip.ctime : ip.mtime;
    const header: TarHeader = {
      name: type === "directory" ? `${name === "" ? "." : name}/` : name, type, size: 0, mode: ip.mode, uid: ip.uid, gid: ip.gid,
      mtime: new Date(Math.floor(time / 1000)),
      pax: { mtime: `${Math.floor(time / 1e6)}.${String(time % 1e6).padStart(6, "0")}` },
    };
    if (type === "symlink") header.linkname = fromByteString(m.readlink(ip));
    const first = ip.type === "file" && ip.nlinks > 1 ? this.#links.get(ip.objId) : undefined;
    if (first !== undefined) {
      await this.#add({ ...header, type: "link", linkname: first }, []);
      return;
    }
    if (type === "file") {
      this.#links.set(ip.objId, name);
      await this.#add({ ...header, size: ip.size }, contents(m, ip));
      return;
    }
    await this.#add(header, []);
    if (ip.type !== "dir") return;
    for (const entry of entriesOf(m, ip)) {
      const child = m.lookup(ip, entry)!;
      await this.tree(child, join(path, entry));
      m.rele(child);
    }
  }
}

/** Writes the tar of `path` to standard output or to a file. */
export function exportTar(image: string, path: string, options: ExportOptions): Promise<void> {
  const output = options.output === "-" ? undefined : options.output;
  if (output === undefined && process.stdout.isTTY)
    throw new CliError("standard output", "is a terminal", "name a file with -o, or pipe into tar");
  return withImage(image, { write: false }, async (m) => {
    const root = find(m, image, path);
    const { readable, controller } = createTarPacker();
    const exporter = new Exporter(m, controller);
    const pack = exporter.tree(root, root.type === "dir" ? "" : toByteString(path.split("/").at(-1)!))
      .then(() => controller.finalize())
      .catch((e: unknown) => {
        controller.error(e);
        throw e;
      });
    const sink = output === undefined ? process.stdout : createWriteStream(output);
    // Standard output is not ours to close.
    await Promise.all([pack, pipeline(Readable.fromWeb(readable as Parameters<typeof Readable.fromWeb>[0]), sink, { end: output !== undefined })]);
    m.rele(root);
    for (const s of exporter.skipped) process.stderr.write(`vkernel: ${image}: left out of the archive: ${s}\n`);
  });
}
