// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image mkdir`, `rm` and `cp`: small changes to an image without booting it. */
import { closeSync, existsSync, mkdirSync, openSync, statSync, symlinkSync, utimesSync, writeSync } from "node:fs";
import { basename, join as hostJoin } from "node:path";
import { resolvePath, splitPath, toByteString, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { contents } from "./cat.ts";
import { removeTree } from "./files.ts";
import { Importer } from "./import.ts";
import { display, entriesOf, find, findDirectory, withImage } from "./open.ts";

export interface MkdirOptions { parents?: boolean }
export interface RmOptions { recursive?: boolean; force?: boolean }
export interface CpOptions { recursive?: boolean }

/** Makes directories. */
export function mkdir(image: string, paths: string[], options: MkdirOptions): Promise<void> {
  return withImage(image, { write: true }, (m) => {
    for (const path of paths) {
      const names = toByteString(path).split("/").filter((n) => n !== "");
      names.forEach((name, i) => {
        const parent = names.slice(0, i).join("/");
        const old = resolvePath(m, [...names.slice(0, i), name].join("/"));
        const last = i === names.length - 1;
        if (old !== null) {
          const isDir = old.type === "dir";
          m.rele(old);
          if (last && !options.parents) throw new CliError(`${image}:${path}`, "exists already");
          if (!isDir) throw new CliError(`${image}:${path}`, `'${display(name)}' is not a directory`);
          return;
        }
        if (!last && !options.parents) throw new CliError(`${image}:${path}`, `'${display(name)}' in its path does not exist`, "use -p");
        const dir = resolvePath(m, parent)!;
        m.rele(m.create(dir, name, { type: "dir", mode: 0o755, uid: 0, gid: 0 }));
        m.rele(dir);
      });
    }
  });
}

/** Removes files, and with -r directories. Old versions stay in the history. */
export function rm(image: string, paths: string[], options: RmOptions): Promise<void> {
  return withImage(image, { write: true }, (m) => {
    for (const path of paths) {
      const { dir: parent, name } = splitPath(toByteString(path));
      const dir = resolvePath(m, parent);
      const ip = dir === null ? null : m.lookup(dir, name === "" ? "." : name);
      if (dir === null || ip === null) {
        if (options.force) continue;
        throw new CliError(`${image}:${path}`, "no such file or directory");
      }
      if (name === "") throw new CliError(`${image}:${path}`, "the root directory cannot be removed");
      const isDir = ip.type === "dir";
      m.rele(ip);
      if (isDir && !options.recursive) throw new CliError(`${image}:${path}`, "is a directory", "use -r");
      removeTree(m, dir, name);
      m.rele(dir);
    }
  });
}

/** One end of a copy: a path in the image, or one of the host. */
interface End { inImage: boolean; path: string }

/**
 * Takes the operands of cp apart. A path in the image is written with a colon before it, `:/etc/motd`; if none is, the
 * last one is meant. `IMAGE:/path` in place of a separate IMAGE operand works, too.
 */
export function copyOperands(operands: string[]): { image: string; from: End[]; to: End } {
  const joined = operands.map((o) => {
    const colon = o.indexOf(":/");
    return colon > 0 && existsSync(o.slice(0, colon)) ? { image: o.slice(0, colon), path: o.slice(colon + 1) } : null;
  });
  const named = joined.find((j) => j !== null);
  const image = named?.image ?? operands[0]!;
  const rest = named ? operands : operands.slice(1);
  const ends = rest.map((o, i): End => {
    const j = named ? joined[i] : null;
    if (j) return { inImage: true, path: j.path };
    return o.startsWith(":") ? { inImage: true, path: o.slice(1) } : { inImage: false, path: o };
  });
  if (ends.length < 2) throw new CliError("cp", "a source and a destination are needed", "vkernel image cp IMAGE FILE :/path");
  if (ends.every((e) => !e.inImage)) ends[ends.length - 1]!.inImage = true;
  const to = ends.pop()!;
  return { image, from: ends, to };
}

/** Copies between the host and the image, in either direction, or inside the image's host side only by way of the host. */
export function cp(operands: string[], options: CpOptions): Promise<void> {
  const { image, from, to } = copyOperands(operands);
  if (from.some((f) => f.inImage === to.inImage))
    throw new CliError("cp", "one side is the image, the other the host", "paths in the image start with a colon: ':/etc/motd'");
  return to.inImage ? copyIn(image, from, to.path, options) : copyOut(image, from, to.path, options);
}

function copyIn(image: string, from: End[], to: string, options: CpOptions): Promise<void> {
  return withImage(image, { write: true }, (m) => {
    const importer = new Importer(m);
    const target = resolvePath(m, toByteString(to));
    const into = target?.type === "dir";
    if (target !== null) m.rele(target);
    if (!into && from.length > 1) throw new CliError(`${image}:${to}`, "is not a directory, and there are several sources");
    for (const { path } of from) {
      if (!existsSync(path)) throw new CliError(path, "no such file or directory");
      if (statSync(path).isDirectory() && !options.recursive) throw new CliError(path, "is a directory", "use -r");
      const place = splitPath(toByteString(to));
      const dir = into ? findDirectory(m, image, to) : findDirectory(m, image, splitPath(to).dir);
      importer.add(Buffer.from(path), dir, into ? toByteString(basename(path)) : place.name);
      m.rele(dir);
    }
    importer.finish();
    for (const s of importer.skipped) process.stderr.write(`vkernel: not copied: ${s}\n`);
  });
}

function copyOut(image: string, from: End[], to: string, options: CpOptions): Promise<void> {
  return withImage(image, { write: false }, (m) => {
    const into = existsSync(to) && statSync(to).isDirectory();
    if (!into && from.length > 1) throw new CliError(to, "is not a directory, and there are several sources");
    for (const { path } of from) {
      const ip = find(m, image, path, { follow: !options.recursive });
      if (ip.type === "dir" && !options.recursive) throw new CliError(`${image}:${path}`, "is a directory", "use -r");
      // The past of a file is copied under the file's name.
      const name = path.replace(/\/+$/, "").split("/").at(-1)!.replace(/@@.*$/, "");
      extract(m, ip, into ? hostJoin(to, name === "" ? "root" : name) : to);
      m.rele(ip);
    }
  });
}

function extract(m: HammerMount, ip: HammerInode, host: string): void {
  if (ip.type === "dir") {
    mkdirSync(host, { recursive: true, mode: ip.mode | 0o700 });
    for (const name of entriesOf(m, ip)) {
      const child = m.lookup(ip, name)!;
      extract(m, child, hostJoin(host, Buffer.from(name, "latin1").toString()));
      m.rele(child);
    }
  } else if (ip.type === "symlink") {
    symlinkSync(Buffer.from(m.readlink(ip), "latin1"), host);
  } else if (ip.type === "file") {
    const fd = openSync(host, "w", ip.mode & 0o777);
    try {
      for (const piece of contents(m, ip)) for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
    } finally {
      closeSync(fd);
    }
    const time = (ip.historical ? ip.ctime : ip.mtime) / 1e6;
    utimesSync(host, time, time);
  } else {
    process.stderr.write(`vkernel: not copied: ${host}: a ${ip.type}\n`);
  }
}
