// SPDX-License-Identifier: BSD-3-Clause
/**
 * A file system in plain objects that the real one is compared with, and a driver that does random things to both.
 *
 * A state is printed as lines `path type mode uid size nlinks content attributes`, sorted; two states are equal if their texts are.
 */
import { crc32 } from "../src/crc.ts";
import { isHammerError } from "../src/error.ts";
import type { HammerMount } from "../src/mount.ts";
import type { HammerInode } from "../src/object/inode.ts";
import { xattrValueMax } from "../src/object/xattr.ts";
import type { SeededRandom } from "../src/sim-disk.ts";

interface ModelNode {
  type: "file" | "dir" | "symlink" | "fifo";
  mode: number;
  uid: number;
  nlinks: number;
  content: Uint8Array;
  target: string;
  children: Map<string, ModelNode>;
  attributes: Map<string, Uint8Array>;
}

function node(type: ModelNode["type"], mode: number, uid: number): ModelNode {
  return { type, mode, uid, nlinks: 1, content: new Uint8Array(0), target: "", children: new Map(), attributes: new Map() };
}

function line(
  path: string, type: string, mode: number, uid: number, size: number, nlinks: number, content: string, attributes: ReadonlyMap<string, Uint8Array>,
): string {
  const texts = [...attributes].map(([name, value]) => ` ${name}=${value.length}:${crc32(value).toString(16)}`).sort();
  return `${path} ${type} ${mode.toString(8)} ${uid} ${size} ${nlinks} ${content}${texts.join("")}`;
}

/** The model. */
export class Model {
  readonly root = node("dir", 0o755, 0);

  /** The whole state as text. */
  text(): string {
    const lines: string[] = [];
    const walk = (dir: ModelNode, path: string): void => {
      for (const [name, n] of dir.children) {
        const size = n.type === "file" ? n.content.length : n.type === "symlink" ? n.target.length : 0;
        const content = n.type === "file" ? crc32(n.content).toString(16) : n.target;
        lines.push(line(`${path}/${name}`, n.type, n.mode, n.uid, size, n.nlinks, content, n.attributes));
        if (n.type === "dir") walk(n, `${path}/${name}`);
      }
    };
    walk(this.root, "");
    return lines.sort().join("\n");
  }

  /** Every directory with its path. */
  dirs(): { path: string[]; node: ModelNode }[] {
    const out = [{ path: [] as string[], node: this.root }];
    for (const d of out) for (const [name, n] of d.node.children) if (n.type === "dir") out.push({ path: [...d.path, name], node: n });
    return out;
  }
}

/** The state of a mounted file system under `root`, as Model.text prints it. Checks lookup against readdir on the way. */
export function textOf(m: HammerMount, root: HammerInode): string {
  const lines: string[] = [];
  const walk = (dir: HammerInode, path: string): void => {
    const names: string[] = [];
    m.readdir(dir, 0, (name) => {
      if (name !== "." && name !== "..") names.push(name);
      return true;
    });
    if (new Set(names).size !== names.length) throw new Error(`${path}: a name is listed twice`);
    for (const name of names) {
      const ip = m.lookup(dir, name);
      if (ip === null) throw new Error(`${path}/${name}: listed, but not found`);
      const content = ip.type === "symlink" ? m.readlink(ip) : ip.type === "file" ? crc32(contentOf(m, ip)).toString(16) : "";
      lines.push(line(`${path}/${name}`, ip.type, ip.mode, ip.uid, ip.size, ip.nlinks, content, attributesOf(m, ip, path)));
      if (ip.type === "dir") walk(ip, `${path}/${name}`);
      m.rele(ip);
    }
  };
  walk(root, "");
  return lines.sort().join("\n");
}

function attributesOf(m: HammerMount, ip: HammerInode, path: string): Map<string, Uint8Array> {
  const out = new Map<string, Uint8Array>();
  for (const name of m.listXattr(ip)) {
    const value = m.getXattr(ip, name);
    if (value === null || out.has(name)) throw new Error(`${path}: attribute ${name} is listed ${value === null ? "but not found" : "twice"}`);
    out.set(name, value);
  }
  return out;
}

function contentOf(m: HammerMount, ip: HammerInode): Uint8Array {
  const out = new Uint8Array(ip.size);
  for (let at = 0; at < out.length;) {
    const n = m.read(ip, at, out, at, out.length - at);
    if (n === 0) throw new Error("read returned 0 before the end of the file");
    at += n;
  }
  return out;
}

/** Sizes around which the format changes its mind. */
const EDGES = [0, 1, 15, 16, 17, 8191, 8192, 8193, 16383, 16384, 16385, 32768, 65536, 65537];

/** What the driver may do. */
export interface DriverOptions {
  /** Largest file. */
  maxSize: number;
  /** Names to choose from. */
  names: number;
  /** Highest number of directories. */
  maxDirs: number;
}

/** Does one random thing after another to the model and the real file system, and compares errors. */
export class Driver {
  readonly model = new Model();
  readonly #rnd: SeededRandom;
  readonly #options: DriverOptions;
  #serial = 0;

  constructor(rnd: SeededRandom, options: DriverOptions) {
    this.#rnd = rnd;
    this.#options = options;
  }

  #dir(m: HammerMount, path: string[]): HammerInode {
    let ip = m.lookup(m.root, ".")!;
    for (const name of path) {
      const next = m.lookup(ip, name);
      m.rele(ip);
      if (next === null) throw new Error(`${path.join("/")}: directory lost`);
      ip = next;
    }
    return ip;
  }

  #pick<T>(list: readonly T[]): T { return list[this.#rnd.below(list.length)]!; }

  #name(): string {
    const i = this.#rnd.below(this.#options.names);
    // Colliding hashes, separators, bytes that are no UTF-8, a long one.
    return ["plumless", "buckeroo", "a.b", "b.a", "\xff\xfe", "x".repeat(255)][i] ?? `n${i}`;
  }

  #size(): number {
    return Math.min(this.#options.maxSize, this.#rnd.below(3) === 0 ? this.#rnd.below(this.#options.maxSize + 1) : this.#pick(EDGES));
  }

  #bytes(length: number): Uint8Array {
    const seed = ++this.#serial;
    return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);
  }

  /** Expects `code` from the real file system if the model says so, and success otherwise. */
  #same(code: string | null, what: string, run: () => void): boolean {
    try {
      run();
    } catch (e) {
      if (!isHammerError(e) || code === null || e.code !== code) throw e;
      return false;
    }
    if (code !== null) throw new Error(`${what}: succeeded, expected ${code}`);
    return true;
  }

  /** One random operation. Returns its description, for messages. */
  step(m: HammerMount): string {
    const dirs = this.model.dirs();
    const from = this.#pick(dirs);
    const name = this.#name();
    const dir = this.#dir(m, from.path);
    const old = from.node.children.get(name);
    const where = `${from.path.join("/")}/${name}`;
    try {
      switch (this.#rnd.below(16)) {
        case 0: case 1:
          return this.#create(m, dir, from.node, name, where, old, "file");
        case 2:
          return this.#create(m, dir, from.node, name, where, old, dirs.length < this.#options.maxDirs ? "dir" : "fifo");
        case 3:
          return this.#create(m, dir, from.node, name, where, old, "symlink");
        case 4: case 5: case 6: case 7:
          return this.#write(m, dir, from.node, name, where, old);
        case 8:
          return this.#truncate(m, dir, name, where, old);
        case 9: case 10:
          return this.#remove(m, dir, from.node, name, where, old);
        case 11:
          if (this.#rnd.below(3) === 0) return this.#exchange(m, dir, from, name, where, old, this.#pick(dirs));
          return this.#rename(m, dir, from, name, where, old, this.#pick(dirs));
        case 12:
          return this.#link(m, dir, name, where, old, this.#pick(dirs));
        case 13: case 14:
          return this.#attribute(m, dir, name, where, old);
        default:
          return this.#chmod(m, dir, name, where, old);
      }
    } finally {
      m.rele(dir);
    }
  }

  #create(m: HammerMount, dir: HammerInode, parent: ModelNode, name: string, where: string, old: ModelNode | undefined, type: ModelNode["type"]): string {
    const what = `create ${type} ${where}`;
    const n = node(type, this.#rnd.below(0o1000), this.#rnd.below(3));
    if (type === "symlink") n.target = "t".repeat(1 + this.#rnd.below(40));
    const done = this.#same(old ? "EEXIST" : null, what, () =>
      m.rele(m.create(dir, name, { type, mode: n.mode, uid: n.uid, gid: 0, ...(type === "symlink" ? { target: n.target } : {}) })));
    if (done) parent.children.set(name, n);
    return what;
  }

  /** Writes to a file, making it if there is none. */
  #write(m: HammerMount, dir: HammerInode, parent: ModelNode, name: string, where: string, old: ModelNode | undefined): string {
    if (old && old.type !== "file") return `skip write ${where}`;
    const n = old ?? node("file", 0o644, 0);
    const offset = this.#rnd.below(3) === 0 ? n.content.length : Math.min(this.#size(), this.#options.maxSize - 1);
    const length = Math.min(this.#size(), this.#options.maxSize - offset);
    if (length <= 0) return `skip write ${where}`;
    const bytes = this.#bytes(length);
    const ip = m.lookup(dir, name) ?? m.create(dir, name, { type: "file", mode: 0o644, uid: 0, gid: 0 });
    m.write(ip, offset, bytes, 0, length);
    m.rele(ip);
    const content = new Uint8Array(Math.max(n.content.length, offset + length));
    content.set(n.content);
    content.set(bytes, offset);
    n.content = content;
    parent.children.set(name, n);
    return `write ${where} [${offset}, ${offset + length})`;
  }

  #truncate(m: HammerMount, dir: HammerInode, name: string, where: string, old: ModelNode | undefined): string {
    if (old?.type !== "file") return `skip truncate ${where}`;
    const size = this.#size();
    const ip = m.lookup(dir, name)!;
    m.truncate(ip, size);
    m.rele(ip);
    const content = new Uint8Array(size);
    content.set(old.content.subarray(0, size));
    old.content = content;
    return `truncate ${where} ${size}`;
  }

  #remove(m: HammerMount, dir: HammerInode, parent: ModelNode, name: string, where: string, old: ModelNode | undefined): string {
    if (old?.type === "dir") {
      if (this.#same(old.children.size > 0 ? "ENOTEMPTY" : null, `rmdir ${where}`, () => m.rmdir(dir, name))) parent.children.delete(name);
      return `rmdir ${where}`;
    }
    if (this.#same(old ? null : "ENOENT", `unlink ${where}`, () => m.unlink(dir, name))) {
      parent.children.delete(name);
      old!.nlinks--;
    }
    return `unlink ${where}`;
  }

  #rename(
    m: HammerMount, dir: HammerInode, from: { path: string[]; node: ModelNode }, name: string, where: string,
    old: ModelNode | undefined, to: { path: string[]; node: ModelNode },
  ): string {
    const toName = this.#name();
    const what = `rename ${where} ${to.path.join("/")}/${toName}`;
    const over = to.node.children.get(toName);
    const below = old?.type === "dir" && to.path.join("/").concat("/").startsWith([...from.path, name].join("/").concat("/"));
    const code = !old ? "ENOENT" : below ? "EINVAL" : old === over ? null
      : over && old.type === "dir" && over.type !== "dir" ? "ENOTDIR"
      : over && old.type !== "dir" && over.type === "dir" ? "EISDIR"
      : over?.type === "dir" && over.children.size > 0 ? "ENOTEMPTY" : null;
    const tdir = this.#dir(m, to.path);
    try {
      if (!this.#same(code, what, () => m.rename(dir, name, tdir, toName)) || old === over) return what;
    } finally {
      m.rele(tdir);
    }
    if (over) over.nlinks--;
    from.node.children.delete(name);
    to.node.children.set(toName, old!);
    return what;
  }

  #exchange(
    m: HammerMount, dir: HammerInode, from: { path: string[]; node: ModelNode }, name: string, where: string,
    old: ModelNode | undefined, to: { path: string[]; node: ModelNode },
  ): string {
    const toName = this.#name();
    const what = `exchange ${where} ${to.path.join("/")}/${toName}`;
    const other = to.node.children.get(toName);
    const isBelow = (at: string[], top: string[]): boolean => at.concat("").join("/").startsWith(top.concat("").join("/"));
    const below = (old?.type === "dir" && isBelow(to.path, [...from.path, name])) || (other?.type === "dir" && isBelow(from.path, [...to.path, toName]));
    const code = !old || !other ? "ENOENT" : old === other ? null : below ? "EINVAL" : null;
    const tdir = this.#dir(m, to.path);
    try {
      if (!this.#same(code, what, () => m.exchange(dir, name, tdir, toName))) return what;
    } finally {
      m.rele(tdir);
    }
    from.node.children.set(name, other!);
    to.node.children.set(toName, old!);
    return what;
  }

  #link(m: HammerMount, dir: HammerInode, name: string, where: string, old: ModelNode | undefined, to: { path: string[]; node: ModelNode }): string {
    if (!old) return `skip link ${where}`;
    const toName = this.#name();
    const what = `link ${where} ${to.path.join("/")}/${toName}`;
    const code = old.type === "dir" ? "EPERM" : to.node.children.has(toName) ? "EEXIST" : null;
    const ip = m.lookup(dir, name)!;
    const tdir = this.#dir(m, to.path);
    try {
      if (!this.#same(code, what, () => m.link(ip, tdir, toName))) return what;
    } finally {
      m.rele(ip);
      m.rele(tdir);
    }
    old.nlinks++;
    to.node.children.set(toName, old);
    return what;
  }

  /** Sets or removes an attribute. The first names have the same hash (CRC-32), the third one is as long as can be. */
  #attribute(m: HammerMount, dir: HammerInode, name: string, where: string, old: ModelNode | undefined): string {
    if (!old) return `skip attribute ${where}`;
    const attribute = ["plumless", "buckeroo", `user.${"x".repeat(250)}`, "user.note", "trusted.t"][this.#rnd.below(5)]!;
    const ip = m.lookup(dir, name)!;
    const has = old.attributes.has(attribute);
    const refuses = ip.type === "dir" && m.version < 2;
    try {
      if (this.#rnd.below(3) === 0) {
        const what = `removexattr ${where} ${attribute.slice(0, 20)}`;
        if (this.#same(has ? null : "ENOATTR", what, () => m.removeXattr(ip, attribute))) old.attributes.delete(attribute);
        return what;
      }
      const mode = (["set", "set", "create", "replace"] as const)[this.#rnd.below(4)]!;
      const room = xattrValueMax(attribute.length);
      const value = this.#bytes(this.#rnd.below(8) === 0 ? room + this.#rnd.below(2) : this.#rnd.below(60));
      const code = value.length > room ? "E2BIG" : refuses ? "EOPNOTSUPP" : mode === "create" && has ? "EEXIST" : mode === "replace" && !has ? "ENOATTR" : null;
      const what = `setxattr ${mode} ${where} ${attribute.slice(0, 20)} ${value.length}`;
      if (this.#same(code, what, () => m.setXattr(ip, attribute, value, mode))) old.attributes.set(attribute, value);
      return what;
    } finally {
      m.rele(ip);
    }
  }

  #chmod(m: HammerMount, dir: HammerInode, name: string, where: string, old: ModelNode | undefined): string {
    if (!old) return `skip chmod ${where}`;
    const ip = m.lookup(dir, name)!;
    old.mode = this.#rnd.below(0o1000);
    m.setattr(ip, this.#rnd.below(2) === 0 ? { mode: old.mode } : { mode: old.mode, mtime: 1e15 + this.#serial });
    m.rele(ip);
    return `chmod ${where}`;
  }
}
