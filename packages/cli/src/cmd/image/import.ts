// SPDX-License-Identifier: BSD-3-Clause
/**
 * Putting trees into an image: from a directory of the host, or from a tar stream.
 *
 * Modes, owners, times, hard links, symlinks, devices, fifos and (from a directory) sockets are kept. Names are bytes and
 * stay what they are. A directory's time is set after its entries were made. Extended attributes are kept as they stand in tar
 * archives; those of a directory of the host are not seen. What HAMMER cannot hold, access control lists above all, is reported once
 * for each kind.
 *
 * Layers: entries `.wh.NAME`, or character devices 0,0, of a layer remove NAME of the layers before it; `.wh..wh..opq`
 * empties its directory.
 */
import { closeSync, lstatSync, openSync, readdirSync, readSync, readlinkSync, type Stats } from "node:fs";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { isHammerError, resolvePath, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { display, entriesOf } from "./open.ts";
import { TarReader, type TarEntry } from "./tar-read.ts";
import { XATTR_KEY, xattrOfKey } from "./tar-xattr.ts";

const CHUNK = 1 << 20;
const bytesOf = (b: Buffer): string => b.toString("latin1");

function hostType(st: Stats): HammerInode["type"] | null {
  if (st.isFile()) return "file";
  if (st.isDirectory()) return "dir";
  if (st.isSymbolicLink()) return "symlink";
  if (st.isFIFO()) return "fifo";
  if (st.isCharacterDevice()) return "chardev";
  if (st.isBlockDevice()) return "blockdev";
  if (st.isSocket()) return "socket";
  return null;
}

/** Linux's encoding of device numbers. */
function deviceNumbers(rdev: number): { rmajor: number; rminor: number } {
  return { rmajor: (rdev >>> 8) & 0xfff, rminor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

interface Attributes { mode: number; uid: number; gid: number; mtime: number }

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** PAX records that say something HAMMER has no place for, and what it is. */
const UNKEPT: readonly (readonly [RegExp, string])[] = [
  [/^LIBARCHIVE\.xattr\./, "extended attributes in libarchive's own form"], [/^SCHILY\.acl\./, "access control lists"], [/^SCHILY\.fflags$/, "file flags"],
];


/** How objects are added. */
export interface ImportOptions {
  /** Told of bytes written. */
  readonly progress?: (bytes: number) => void;
  /**
   * The archive is a Debian package: nothing in it is a whiteout, and a directory does not replace a link to one (dpkg's rule, on
   * which merged /usr stands). Unless given, an archive is a layer.
   */
  readonly package?: PackageRules;
}

export interface PackageRules {
  /** Told of each entry: its path without a slash in front, "" for the root. */
  entry(path: string): void;
  /** Where an entry that is no directory is put instead, for diversions and new configuration files. */
  place(path: string): string;
}

/** Adds objects to a mounted image. Call `finish` at the end. */
export class Importer {
  /** What could not be taken, with the reason. */
  readonly skipped: string[] = [];
  readonly #m: HammerMount;
  readonly #progress: (bytes: number) => void;
  readonly #package: PackageRules | null;
  readonly #buf = new Uint8Array(CHUNK);
  /** Objects of the host with several links, by device and inode. */
  readonly #links = new Map<string, HammerInode>();
  /** Objects that the present layer has brought or mentioned: its whiteouts are not about those. */
  readonly #layer = new Set<bigint>();
  readonly #dirTimes: { dir: HammerInode; mtime: number }[] = [];

  constructor(m: HammerMount, options: ImportOptions = {}) {
    this.#m = m;
    this.#progress = options.progress ?? (() => {});
    this.#package = options.package ?? null;
  }

  /** Sets the times of directories and lets go of everything held. */
  finish(): void {
    for (const { dir, mtime } of this.#dirTimes.reverse()) {
      this.#m.setattr(dir, { mtime });
      this.#m.rele(dir);
    }
    for (const ip of this.#links.values()) this.#m.rele(ip);
    this.#dirTimes.length = 0;
    this.#links.clear();
  }

  /** Directory `name` in `dir`, made if missing; its attributes are set to `a`. Referenced. */
  #directory(dir: HammerInode, name: string, a: Attributes, where: string): HammerInode {
    const m = this.#m;
    const old = m.lookup(dir, name);
    if (old !== null && old.type !== "dir") {
      m.rele(old);
      throw new CliError(where, "is in the way: not a directory");
    }
    const ip = old ?? m.create(dir, name, { type: "dir", mode: a.mode, uid: a.uid, gid: a.gid });
    if (old !== null) m.setattr(ip, { mode: a.mode, uid: a.uid, gid: a.gid });
    this.#later(ip, a.mtime);
    return ip;
  }

  #later(dir: HammerInode, mtime: number): void {
    this.#m.ref(dir);
    this.#dirTimes.push({ dir, mtime });
  }

  /** Removes what stands at `name`, so that it can be replaced. */
  #clear(dir: HammerInode, name: string, where: string): void {
    const m = this.#m;
    const old = m.lookup(dir, name);
    if (old === null) return;
    const isDir = old.type === "dir";
    m.rele(old);
    if (isDir) throw new CliError(where, "a directory is in the way");
    m.unlink(dir, name);
  }

  /** Copies the entries of a host directory into `dir`, whose own attributes become those of the host's. */
  tree(host: Buffer, dir: HammerInode): void {
    const st = lstatSync(host);
    this.#m.setattr(dir, { mode: st.mode & 0o7777, uid: st.uid, gid: st.gid });
    this.#later(dir, Math.floor(st.mtimeMs * 1000));
    this.#entries(host, dir);
  }

  #entries(host: Buffer, dir: HammerInode): void {
    for (const name of readdirSync(host, { encoding: "buffer" }).sort(Buffer.compare))
      this.add(Buffer.concat([host, Buffer.from("/"), name]), dir, bytesOf(name));
  }

  /** Copies one object of the host, and what is below it, to `name` in `dir`. */
  add(host: Buffer, dir: HammerInode, name: string): void {
    const m = this.#m;
    const st = lstatSync(host);
    const type = hostType(st);
    const where = host.toString();
    if (type === null) {
      this.skipped.push(`${where}: of a type that is not known`);
      return;
    }
    const a: Attributes = { mode: st.mode & 0o7777, uid: st.uid, gid: st.gid, mtime: Math.floor(st.mtimeMs * 1000) };
    if (type === "dir") {
      const ip = this.#directory(dir, name, a, where);
      this.#entries(host, ip);
      m.rele(ip);
      return;
    }
    this.#clear(dir, name, where);
    const key = st.nlink > 1 ? `${st.dev}:${st.ino}` : "";
    const linked = this.#links.get(key);
    if (linked) {
      m.link(linked, dir, name);
      return;
    }
    const ip = m.create(dir, name, {
      type, ...a,
      ...(type === "symlink" ? { target: bytesOf(readlinkSync(host, { encoding: "buffer" })) } : {}),
      ...(type === "chardev" || type === "blockdev" ? deviceNumbers(st.rdev) : {}),
    });
    if (type === "file") this.#fill(host, ip);
    m.setattr(ip, { mtime: a.mtime });
    if (key !== "") this.#links.set(key, ip);
    else m.rele(ip);
  }

  #fill(host: Buffer, ip: HammerInode): void {
    const fd = openSync(host, "r");
    try {
      for (let at = 0; ;) {
        const n = readSync(fd, this.#buf, 0, CHUNK, at);
        if (n === 0) return;
        this.#m.write(ip, at, this.#buf, 0, n);
        this.#progress(n);
        at += n;
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Unpacks a tar stream, plain or gzipped, into `root`. Throws CliError for an archive that is damaged. */
  async tar(source: Readable, root: HammerInode): Promise<void> {
    const reader = new TarReader(await gunzipIfNeeded(source));
    this.#layer.clear();
    const unkept = new Map<string, number>();
    for (let entry = await reader.next(); entry !== null; entry = await reader.next()) {
      for (const key of entry.pax.keys())
        for (const [pattern, what] of UNKEPT) if (pattern.test(key)) unkept.set(what, (unkept.get(what) ?? 0) + 1);
      await this.#tarEntry(entry, reader, root);
    }
    for (const [what, n] of unkept) this.skipped.push(`${what} (${n}): HAMMER cannot hold them`);
  }

  async #tarEntry(h: TarEntry, reader: TarReader, root: HammerInode): Promise<void> {
    const m = this.#m;
    const where = display(h.name);
    let parts = h.name.split("/").filter((p) => p !== "" && p !== ".");
    if (parts.includes("..")) throw new CliError(where, "the archive has a name with '..' in it");
    const a: Attributes = { mode: h.mode, uid: h.uid, gid: h.gid, mtime: h.mtime };
    this.#package?.entry(parts.join("/"));
    if (this.#package !== null && h.type !== "dir") parts = this.#package.place(parts.join("/")).split("/");
    const name = parts.pop();
    const dir = this.#parents(root, parts, where);
    try {
      if (h.type === "dir") {
        if (name === undefined) {
          m.setattr(root, { mode: a.mode, uid: a.uid, gid: a.gid });
          this.#later(root, a.mtime);
        } else if (this.#package === null || !this.#linksToDirectory(root, [...parts, name].join("/"))) {
          const ip = this.#directory(dir, name, a, where);
          this.#layer.add(ip.objId);
          this.#attributes(h, ip, where);
          m.rele(ip);
        }
        return;
      }
      if (name === undefined) throw new CliError(where, "the archive has an entry without a name");
      if (this.#package === null && name.startsWith(WHITEOUT)) {
        this.#whiteout(dir, name);
        return;
      }
      if (h.type === "other") {
        this.skipped.push(`${where}: an entry of type '${h.flag}'`);
        return;
      }
      if (this.#package === null && h.type === "chardev" && h.devmajor === 0 && h.devminor === 0) {
        this.#remove(dir, name);
        return;
      }
      if (h.type === "link") {
        const old = resolvePath(m, h.linkname, { from: root, follow: false });
        if (old === null) throw new CliError(where, `the archive links it to '${display(h.linkname)}', which is not there`);
        this.#clear(dir, name, where);
        m.link(old, dir, name);
        this.#layer.add(old.objId);
        m.rele(old);
        return;
      }
      this.#clear(dir, name, where);
      const ip = m.create(dir, name, {
        type: h.type, ...a,
        ...(h.type === "symlink" ? { target: h.linkname } : {}),
        ...(h.type === "chardev" || h.type === "blockdev" ? { rmajor: h.devmajor, rminor: h.devminor } : {}),
      });
      this.#layer.add(ip.objId);
      if (h.type === "file") {
        for await (const { at, bytes } of reader.located()) {
          m.write(ip, at, bytes, 0, bytes.length);
          this.#progress(bytes.length);
        }
        if (ip.size < h.size) m.truncate(ip, h.size);
      }
      this.#attributes(h, ip, where);
      m.setattr(ip, { mtime: a.mtime, ...(h.atime === null ? {} : { atime: h.atime }) });
      m.rele(ip);
    } finally {
      m.rele(dir);
    }
  }

  /** Gives an object the extended attributes that the archive has for it. */
  #attributes(h: TarEntry, ip: HammerInode, where: string): void {
    for (const [key, value] of h.pax) {
      if (!key.startsWith(XATTR_KEY)) continue;
      try {
        this.#m.setXattr(ip, xattrOfKey(key), Buffer.from(value, "latin1"));
      } catch (e) {
        if (!isHammerError(e, "E2BIG") && !isHammerError(e, "EINVAL")) throw e;
        this.skipped.push(`${where}: ${e.message}`);
      }
    }
  }

  /** Whether a symbolic link to a directory stands at that path. */
  #linksToDirectory(root: HammerInode, path: string): boolean {
    return this.#typeAt(root, path, false) === "symlink" && this.#typeAt(root, path, true) === "dir";
  }

  #typeAt(root: HammerInode, path: string, follow: boolean): HammerInode["type"] | null {
    const ip = resolvePath(this.#m, path, { from: root, follow });
    if (ip === null) return null;
    const { type } = ip;
    this.#m.rele(ip);
    return type;
  }

  /** Takes away what a layer says is gone. */
  #whiteout(dir: HammerInode, name: string): void {
    if (name === OPAQUE) for (const entry of entriesOf(this.#m, dir)) this.#remove(dir, entry);
    else this.#remove(dir, name.slice(WHITEOUT.length));
  }

  /** Removes an entry with all that is below it, if there is one, but for what the layer itself has brought. */
  #remove(dir: HammerInode, name: string): void {
    const m = this.#m;
    const ip = m.lookup(dir, name);
    if (ip === null) return;
    const isDir = ip.type === "dir";
    if (isDir) for (const entry of entriesOf(m, ip)) this.#remove(ip, entry);
    if (this.#layer.has(ip.objId)) {
      m.rele(ip);
      return;
    }
    const at = this.#dirTimes.findIndex((d) => d.dir.objId === ip.objId && d.dir.pfs === ip.pfs);
    if (at >= 0) m.rele(this.#dirTimes.splice(at, 1)[0]!.dir);
    m.rele(ip);
    if (isDir) m.rmdir(dir, name);
    else m.unlink(dir, name);
  }

  /** The directory at `parts` below `root`, referenced; missing ones are made. Symlinks on the way are followed. */
  #parents(root: HammerInode, parts: string[], where: string): HammerInode {
    const m = this.#m;
    let dir = root;
    m.ref(dir);
    parts.forEach((part, i) => {
      const found = resolvePath(m, parts.slice(0, i + 1).join("/"), { from: root });
      const next = found ?? m.create(dir, part, { type: "dir", mode: 0o755, uid: 0, gid: 0 });
      m.rele(dir);
      dir = next;
      if (next.type !== "dir") {
        m.rele(next);
        throw new CliError(where, `'${part}' in its path is not a directory`);
      }
    });
    return dir;
  }
}

/** Unpacks what starts with gzip's magic number; refuses other compressions by name. */
async function gunzipIfNeeded(source: Readable): Promise<Readable> {
  let head: Buffer = Buffer.alloc(0);
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  while (head.length < 6) {
    const next = await iterator.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = Readable.from((async function* () {
    yield head;
    for (;;) {
      const next = await iterator.next();
      if (next.done) return;
      yield next.value;
    }
  })(), { objectMode: false });
  const magic = head.subarray(0, 6).toString("hex");
  if (magic.startsWith("1f8b")) return all.pipe(createGunzip());
  for (const [start, kind] of [["28b52ffd", "zstd"], ["fd377a585a00", "xz"], ["425a68", "bzip2"]] as const)
    if (magic.startsWith(start)) throw new CliError("the archive", `is compressed with ${kind}`, `unpack it first: ${kind} -dc FILE | vkernel image create … --from -`);
  return all;
}
