// SPDX-License-Identifier: BSD-3-Clause
/**
 * procfs: a file system whose directories and texts are made when they are looked at (DragonFly 2.0 sys/vfs/procfs).
 * What there is, an ABI describes as a tree of ProcNodes; here it becomes vnodes.
 *
 * Invariants
 *   PF1  Two lookups of one path give one vnode while it is in use, unless the node stands for something else by then
 *        (a number used again): `ident` tells.
 *   PF2  A text is made anew when it is read from its start, and stays the same for reads further on.
 *   PF3  Positions in a directory are those that the node gives its entries, so they survive changes.
 * @module
 */
import { EACCES, EINVAL, EPERM } from "../../sys/errno.ts";
import { type Ucred, VWRITE } from "../../sys/ucred.ts";
import type { Statfs } from "../mount.ts";
import { Mount } from "../mount.ts";
import type { Nchandle } from "../namecache.ts";
import type { ReaddirSink, Vattr, VattrChange, Vtype } from "../vnode.ts";
import { VDIR, VLNK, Vnode, VREG, vref, vrele } from "../vnode.ts";

interface ProcCommon {
  /** Permission bits. */
  readonly mode: number;
  /** What the node stands for: two nodes with different values are different files. */
  readonly ident?: unknown;
  readonly owner?: { readonly uid: number; readonly gid: number };
}
export interface ProcFile extends ProcCommon {
  readonly kind: "file";
  /** The contents, a byte string. Throws an Errno. */
  read(): string;
  /** Instead, for files that are no text: bytes from `offset` on, as Vnode.read() and write() have it. */
  readonly bytes?: {
    read(offset: number, buf: Uint8Array, bufOff: number, len: number): number;
    write(offset: number, buf: Uint8Array, bufOff: number, len: number): number;
  };
  /** Takes what was written in one call; without it the file cannot be written. */
  write?(text: string): void;
}
export interface ProcLink extends ProcCommon {
  readonly kind: "link";
  target(): string;
  /** Where following the link leads without its text: a held name, or null to use the text. */
  jump?(): Nchandle | null;
}
export interface ProcDir extends ProcCommon {
  readonly kind: "dir";
  /** Whether the calling process may search and list it whatever the mode says. */
  admits?(): boolean;
  /** The entry of that name, or null. */
  find(name: string): ProcNode | null;
  /** All entries in the order of their positions, which are greater than 2. */
  entries(): Iterable<{ readonly name: string; readonly kind: ProcNode["kind"]; readonly position: number }>;
}
export type ProcNode = ProcFile | ProcLink | ProcDir;

/** A directory of fixed entries. */
export function procDir(mode: number, nodes: Readonly<Record<string, ProcNode>>, ident?: unknown): ProcDir {
  const table = new Map(Object.entries(nodes));
  return {
    kind: "dir",
    mode,
    ident,
    find: (name) => table.get(name) ?? null,
    *entries() {
      let position = 3;
      for (const [name, { kind }] of table) yield { name, kind, position: position++ };
    },
  };
}

const KIND_TYPE: Readonly<Record<ProcNode["kind"], Vtype>> = { file: VREG, link: VLNK, dir: VDIR };

export class ProcfsMount extends Mount {
  override readonly fstype: string = "procfs";
  override readonly volatileNames = true;
  /** Wall clock, µs since 1970. */
  readonly now: () => number;
  /** Vnodes in use, by path (PF1). */
  readonly live = new Map<string, ProcVnode>();
  private readonly rootVnode: ProcVnode;

  constructor(root: ProcDir, now: () => number) {
    super("proc", 0);
    this.now = now;
    this.rootVnode = new ProcVnode(this, null, "", root);
  }

  override root(): Vnode {
    return vref(this.rootVnode);
  }
  override statfs(): Statfs {
    return { bsize: 4096, iosize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };
  }
  override sync(): void {}
  override unmount(): void {}

  /** Its names go at once (procfs_exit): the cache would keep them, and with them what is left of the process. */
  override processGone(pid: number): void {
    const dir = this.rootNch?.children?.get(String(pid));
    if (dir !== undefined) dir.cache.forget(dir);
  }
}

/** Inode numbers come from the path: the same each time, without a table of all paths ever seen. */
function fileidOf(key: string): number {
  if (key === "") return 1;
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  return (h >>> 0) + 2;
}

/** What a directory of /proc stands for (ProcNode.ident), null for other files. */
export function procIdent(vp: Vnode): unknown {
  return vp instanceof ProcVnode && vp.type === VDIR ? vp.ident : null;
}

class ProcVnode extends Vnode {
  declare readonly mount: ProcfsMount;
  private readonly up: ProcVnode | null;
  private readonly key: string;
  private readonly node: ProcNode;
  /** What the file said when it was last read from its start (PF2). */
  private text = "";
  private readonly madeUs: number;

  constructor(mount: ProcfsMount, up: ProcVnode | null, key: string, node: ProcNode) {
    super(mount, KIND_TYPE[node.kind]);
    this.up = up;
    this.key = key;
    this.node = node;
    this.madeUs = mount.now();
    if (up !== null) vref(up);
  }

  get ident(): unknown {
    return this.node.ident;
  }

  override getattr(): Vattr {
    const { mode, owner } = this.node;
    const sec = Math.floor(this.madeUs / 1e6);
    const nsec = Math.floor(this.madeUs % 1e6) * 1000;
    return {
      type: this.type, mode, nlink: this.type === VDIR ? 2 : 1, uid: owner?.uid ?? 0, gid: owner?.gid ?? 0,
      fsid: this.mount.fsid, fileid: fileidOf(this.key), size: 0, blocksize: 1024, bytes: 0, rdev: 0, flags: 0,
      atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec, ctimeSec: sec, ctimeNsec: nsec,
    };
  }

  override access(want: number, cred: Ucred): boolean {
    const { node } = this;
    if (node.kind === "dir" && (want & VWRITE) === 0 && node.admits !== undefined && node.admits()) return true;
    return super.access(want, cred);
  }

  /** Opening with O_TRUNC must not fail; nothing else can be changed. */
  override setattr(change: VattrChange): void {
    if (Object.keys(change).some((k) => k !== "size")) throw EPERM;
  }

  override lookup(name: string): Vnode | null {
    const dir = this.node as ProcDir;
    const node = dir.find(name);
    if (node === null) return null;
    const key = `${this.key}/${name}`;
    const held = this.mount.live.get(key);
    if (held !== undefined && held.node.ident === node.ident && held.node.kind === node.kind) return vref(held);
    const vp = new ProcVnode(this.mount, this, key, node);
    this.mount.live.set(key, vp);
    return vp;
  }

  override parent(): Vnode {
    return vref(this.up ?? this);
  }

  override readdir(cookie: number, sink: ReaddirSink): boolean {
    if (cookie < 1 && !sink(".", fileidOf(this.key), VDIR, 1)) return false;
    if (cookie < 2 && !sink("..", fileidOf((this.up ?? this).key), VDIR, 2)) return false;
    for (const { name, kind, position } of (this.node as ProcDir).entries()) {
      if (position <= cookie) continue;
      if (!sink(name, fileidOf(`${this.key}/${name}`), KIND_TYPE[kind], position)) return false;
    }
    return true;
  }

  override readlink(): string {
    if (this.node.kind !== "link") throw EINVAL;
    return this.node.target();
  }
  override jump(): Nchandle | null {
    return this.node.kind === "link" && this.node.jump !== undefined ? this.node.jump() : null;
  }

  override read(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.node.kind !== "file") return super.read(offset, buf, bufOff, len);
    if (this.node.bytes !== undefined) return this.node.bytes.read(offset, buf, bufOff, len);
    if (offset === 0) this.text = this.node.read();
    const n = Math.max(0, Math.min(len, this.text.length - offset));
    for (let i = 0; i < n; i++) buf[bufOff + i] = this.text.charCodeAt(offset + i);
    return n;
  }

  override write(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.node.kind !== "file") return super.write(offset, buf, bufOff, len);
    if (this.node.bytes !== undefined) return this.node.bytes.write(offset, buf, bufOff, len);
    if (this.node.write === undefined) throw EACCES;
    let text = "";
    for (let i = 0; i < len; i++) text += String.fromCharCode(buf[bufOff + i]!);
    this.node.write(text);
    return len;
  }

  override inactive(): void {
    if (this.mount.live.get(this.key) === this) this.mount.live.delete(this.key);
    if (this.up !== null) vrele(this.up);
  }
}
