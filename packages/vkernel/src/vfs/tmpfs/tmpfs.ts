// SPDX-License-Identifier: BSD-3-Clause
/**
 * tmpfs: a file system in memory, with limits (DragonFly sys/vfs/tmpfs). Its nodes are the vnodes themselves: they
 * live as long as they have a name or a holder.
 *
 * Invariants
 *   TF1  A node is linked (nlink > 0) or held (refs > 0), or its memory has been released.
 *   TF2  mount.budget.used is the memory of all nodes' data, mount.nodes their number; neither exceeds its limit.
 *   TF3  A directory's nlink is 2 plus the number of its sub-directories.
 * @module
 */
import { EEXIST, EINVAL, EISDIR, EMLINK, ENOATTR, ENOSPC, ENOTEMPTY, EPERM, EROFS, ESTALE } from "../../sys/errno.ts";
import type { Ucred } from "../../sys/ucred.ts";
import { accessOk } from "../../sys/ucred.ts";
import type { Statfs } from "../mount.ts";
import { MNT_LOCAL, MNT_NOATIME, MNT_RDONLY, Mount } from "../mount.ts";
import type { ReaddirSink, Vattr, VattrChange, VnodeCreate, Vtype, XattrMode } from "../vnode.ts";
import { VBLK, VCHR, VDIR, VLNK, Vnode, VREG, vref } from "../vnode.ts";
import type { Budget } from "./data.ts";
import { FileData } from "./data.ts";
import { DirentTable } from "./dirents.ts";

const BLOCK = 4096;
/** What a node costs beyond its data, for the budget. */
const NODE_BYTES = 512;
/** What an extended attribute costs beyond its name and value. */
const XATTR_BYTES = 64;
const attributeBytes = (name: string, value: Uint8Array): number => XATTR_BYTES + name.length + value.length;
export const LINK_MAX = 32767;
const FIRST_COOKIE = 3;
/** A file's number. */
const FID_BYTES = 8;

export interface TmpfsOptions {
  /** Most bytes of file data and nodes. */
  maxBytes: number;
  /** Most files. */
  maxNodes?: number;
  /** Wall clock, µs since 1970. */
  now: () => number;
  rootMode?: number;
  /** Told each time something is refused because maxBytes are used up. */
  full?: () => void;
}

/** What must not be done any more: seal further, shrink, grow, write at all, write through what is not mapped yet. */
export const F_SEAL_SEAL = 0x01;
export const F_SEAL_SHRINK = 0x02;
export const F_SEAL_GROW = 0x04;
export const F_SEAL_WRITE = 0x08;
export const F_SEAL_FUTURE_WRITE = 0x10;

export class TmpfsMount extends Mount {
  readonly fstype: string = "tmpfs";
  readonly now: () => number;
  readonly budget: Budget;
  readonly maxNodes: number;
  nodes = 0;
  private nextFileid = 2;
  protected rootNode!: TmpfsNode;

  constructor(from: string, flags: number, options: TmpfsOptions) {
    super(from, flags | MNT_LOCAL | MNT_NOATIME);
    this.now = options.now;
    this.budget = { used: 0, limit: options.maxBytes, full: options.full };
    this.maxNodes = options.maxNodes ?? Math.max(1024, Math.floor(options.maxBytes / 4096));
    this.makeRoot(options.rootMode ?? 0o1777);
  }

  protected makeRoot(mode: number): void {
    this.rootNode = new TmpfsNode(this, { type: VDIR, mode, uid: 0, gid: 0 });
    this.rootNode.nlink = 2;
  }

  /** Nodes by the numbers that somebody was told to find them by. */
  private readonly told = new Map<number, TmpfsNode>();

  override fid(vp: Vnode): Uint8Array {
    const node = vp as TmpfsNode;
    this.told.set(node.fileid, node);
    const fid = new Uint8Array(FID_BYTES);
    new DataView(fid.buffer).setFloat64(0, node.fileid);
    return fid;
  }

  override vnodeOfFid(fid: Uint8Array): Vnode {
    const node = fid.length === FID_BYTES ? this.told.get(new DataView(fid.buffer, fid.byteOffset).getFloat64(0)) : undefined;
    if (node === undefined || node.nlink === 0) throw ESTALE;
    return vref(node);
  }

  /** The node is no more. */
  forget(node: TmpfsNode): void {
    this.told.delete(node.fileid);
  }

  newFileid(): number {
    return this.nextFileid++;
  }

  /** Accounts for a new node. Throws ENOSPC. */
  admit(): void {
    if (this.nodes >= this.maxNodes || this.budget.used + NODE_BYTES > this.budget.limit) {
      this.budget.full?.();
      throw ENOSPC;
    }
    this.nodes++;
    this.budget.used += NODE_BYTES;
  }
  dismiss(): void {
    this.nodes--;
    this.budget.used -= NODE_BYTES;
  }

  override root(): Vnode {
    return vref(this.rootNode);
  }

  override statfs(): Statfs {
    const blocks = Math.floor(this.budget.limit / BLOCK);
    const free = Math.max(0, Math.floor((this.budget.limit - this.budget.used) / BLOCK));
    return {
      bsize: BLOCK,
      iosize: BLOCK,
      blocks,
      bfree: free,
      bavail: free,
      files: this.maxNodes,
      ffree: this.maxNodes - this.nodes,
    };
  }

  override sync(): void {}
  override unmount(): void {}
}

export class TmpfsNode extends Vnode {
  declare readonly mount: TmpfsMount;
  readonly fileid: number;
  mode: number;
  uid: number;
  gid: number;
  nlink = 0;
  flags = 0;
  readonly rdev: number;
  atimeUs: number;
  mtimeUs: number;
  ctimeUs: number;
  /** Contents of a regular file, entries of a directory, text of a symbolic link. */
  data: FileData | null = null;
  entries: DirentTable<TmpfsNode> | null = null;
  target = "";
  /** F_SEAL_* bits of a regular file (Linux mm/memfd.c): only a memfd may be given more than the first. */
  seals = F_SEAL_SEAL;
  /** Extended attributes, null while there never was one; the budget has what they hold. */
  private xattrs: Map<string, Uint8Array> | null = null;
  /** The directory above; a directory that was removed keeps it. */
  up: TmpfsNode;

  constructor(mount: TmpfsMount, what: VnodeCreate) {
    super(mount, what.type);
    mount.admit();
    this.refs = 0;
    this.fileid = mount.newFileid();
    this.mode = what.mode;
    this.uid = what.uid;
    this.gid = what.gid;
    this.rdev = what.type === VCHR || what.type === VBLK ? (what.rdev ?? 0) : 0;
    this.atimeUs = this.mtimeUs = this.ctimeUs = mount.now();
    this.up = this;
    if (what.type === VREG) this.data = new FileData(mount.budget);
    else if (what.type === VDIR) this.entries = new DirentTable(FIRST_COOKIE);
    else if (what.type === VLNK) this.target = what.target ?? "";
  }

  override getattr(): Vattr {
    const { data, entries } = this;
    const size = data !== null ? data.size : entries !== null ? entries.count * 32 + 64 : this.target.length;
    return {
      type: this.type,
      mode: this.mode,
      nlink: this.nlink,
      uid: this.uid,
      gid: this.gid,
      fsid: this.mount.fsid,
      fileid: this.fileid,
      size,
      blocksize: BLOCK,
      bytes: data !== null ? Math.ceil(data.held / 512) * 512 : 0,
      rdev: this.rdev,
      flags: this.flags,
      atimeSec: Math.floor(this.atimeUs / 1e6),
      atimeNsec: Math.floor(this.atimeUs % 1e6) * 1000,
      mtimeSec: Math.floor(this.mtimeUs / 1e6),
      mtimeNsec: Math.floor(this.mtimeUs % 1e6) * 1000,
      ctimeSec: Math.floor(this.ctimeUs / 1e6),
      ctimeNsec: Math.floor(this.ctimeUs % 1e6) * 1000,
    };
  }

  override size(): number {
    return this.data !== null ? this.data.size : this.getattr().size;
  }

  override access(want: number, cred: Ucred): boolean {
    return accessOk(this.mode, this.uid, this.gid, this.type === VDIR, want, cred);
  }

  protected checkWritable(): void {
    if ((this.mount.flags & MNT_RDONLY) !== 0) throw EROFS;
  }

  override setattr(change: VattrChange): void {
    this.checkWritable();
    if (change.size !== undefined) {
      if (this.data === null) throw this.type === VDIR ? EISDIR : EINVAL;
      if (change.size < this.data.size && (this.seals & F_SEAL_SHRINK) !== 0) throw EPERM;
      if (change.size > this.data.size && (this.seals & F_SEAL_GROW) !== 0) throw EPERM;
      this.data.truncate(change.size);
      this.mtimeUs = this.mount.now();
    }
    if (change.mode !== undefined) this.mode = change.mode;
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.flags !== undefined) this.flags = change.flags;
    if (change.atimeSec !== undefined) this.atimeUs = change.atimeSec * 1e6 + (change.atimeNsec ?? 0) / 1000;
    if (change.mtimeSec !== undefined) this.mtimeUs = change.mtimeSec * 1e6 + (change.mtimeNsec ?? 0) / 1000;
    this.ctimeUs = this.mount.now();
  }

  override lookup(name: string): Vnode | null {
    const node = this.entries!.get(name);
    return node === undefined ? null : vref(node);
  }

  override parent(): Vnode {
    return vref(this.up);
  }

  /** A directory that was removed takes no new names. */
  protected checkLinked(): void {
    this.checkWritable();
    if (this.nlink === 0) throw EROFS;
  }

  protected touched(): void {
    this.mtimeUs = this.ctimeUs = this.mount.now();
  }

  private enter(name: string, node: TmpfsNode): void {
    this.entries!.add(name, node);
    if (node.type === VDIR) {
      node.up = this;
      this.nlink++;
    }
    this.touched();
  }

  override create(name: string, what: VnodeCreate): Vnode {
    this.checkLinked();
    if (what.type === VDIR && this.nlink >= LINK_MAX) throw EMLINK;
    const node = this.makeNode(what);
    node.nlink = what.type === VDIR ? 2 : 1;
    this.enter(name, node);
    return vref(node);
  }

  protected makeNode(what: VnodeCreate): TmpfsNode {
    return new TmpfsNode(this.mount, what);
  }

  override link(name: string, target: Vnode): void {
    this.checkLinked();
    const node = target as TmpfsNode;
    if (node.nlink >= LINK_MAX) throw EMLINK;
    node.nlink++;
    node.ctimeUs = this.mount.now();
    this.enter(name, node);
  }

  override unlink(name: string, vp: Vnode): void {
    this.checkWritable();
    this.leave(name, vp as TmpfsNode);
  }

  override rmdir(name: string, vp: Vnode): void {
    this.checkWritable();
    const dir = vp as TmpfsNode;
    if (dir.childCount() > 0) throw ENOTEMPTY;
    this.leave(name, dir);
  }

  protected childCount(): number {
    return this.entries!.count;
  }

  /** Takes a name off the directory, and the node with it when that was its last. */
  protected leave(name: string, node: TmpfsNode): void {
    this.entries!.remove(name);
    this.unlinked(node);
  }

  protected unlinked(node: TmpfsNode): void {
    this.touched();
    node.ctimeUs = this.mount.now();
    if (node.type === VDIR) {
      this.nlink--;
      node.nlink = 0;
    } else node.nlink--;
    if (node.nlink === 0 && node.refs === 0) node.release();
  }

  override rename(name: string, vp: Vnode, toDir: Vnode, toName: string, toVp: Vnode | null): void {
    this.checkWritable();
    const to = toDir as TmpfsNode;
    const node = vp as TmpfsNode;
    to.checkLinked();
    if (toVp !== null) {
      const victim = toVp as TmpfsNode;
      if (victim === node) return;
      if (victim.type === VDIR && victim.childCount() > 0) throw ENOTEMPTY;
      to.leave(toName, victim);
    } else if (to.entries!.get(toName) !== undefined) throw EEXIST;
    this.entries!.remove(name);
    if (node.type === VDIR) this.nlink--;
    this.touched();
    node.ctimeUs = this.mount.now();
    to.enter(toName, node);
  }

  override exchange(name: string, vp: Vnode, toDir: Vnode, toName: string, toVp: Vnode): void {
    this.checkWritable();
    const to = toDir as TmpfsNode;
    this.put(name, toVp as TmpfsNode, vp as TmpfsNode);
    to.put(toName, vp as TmpfsNode, toVp as TmpfsNode);
  }

  /** The name is `node`'s now, and no more `old`'s. */
  private put(name: string, node: TmpfsNode, old: TmpfsNode): void {
    this.entries!.remove(name);
    if (old.type === VDIR) this.nlink--;
    this.enter(name, node);
    node.ctimeUs = this.mount.now();
  }

  override readdir(cookie: number, sink: ReaddirSink): boolean {
    if (cookie < 1 && !sink(".", this.fileid, VDIR, 1)) return false;
    if (cookie < 2 && !sink("..", this.up.fileid, VDIR, 2)) return false;
    return this.entries!.from(Math.max(cookie + 1, FIRST_COOKIE), (e) =>
      sink(e.name, e.node.fileid, e.node.type as Vtype, e.cookie),
    );
  }

  override readlink(): string {
    if (this.type !== VLNK) throw EINVAL;
    return this.target;
  }

  override read(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.data === null) return super.read(offset, buf, bufOff, len);
    return this.data.read(offset, buf, bufOff, len);
  }

  override write(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.data === null) return super.write(offset, buf, bufOff, len);
    this.checkWritable();
    if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) throw EPERM;
    if ((this.seals & F_SEAL_GROW) !== 0 && offset + len > this.data.size) throw EPERM;
    return this.writePage(offset, buf, bufOff, len);
  }

  /** Mappings made before F_SEAL_FUTURE_WRITE go on writing. */
  override writePage(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    const n = this.data!.write(offset, buf, bufOff, len);
    this.mtimeUs = this.ctimeUs = this.mount.now();
    return n;
  }

  override getXattr(name: string): Uint8Array | null {
    return this.xattrs?.get(name) ?? null;
  }

  override listXattr(): Iterable<string> {
    return this.xattrs?.keys() ?? [];
  }

  override setXattr(name: string, value: Uint8Array, mode: XattrMode): void {
    this.checkWritable();
    const old = this.xattrs?.get(name);
    if (old === undefined ? mode === "replace" : mode === "create") throw old === undefined ? ENOATTR : EEXIST;
    const { budget } = this.mount;
    const more = attributeBytes(name, value) - (old === undefined ? 0 : attributeBytes(name, old));
    if (more > 0 && budget.used + more > budget.limit) {
      budget.full?.();
      throw ENOSPC;
    }
    budget.used += more;
    (this.xattrs ??= new Map()).set(name, value);
    this.ctimeUs = this.mount.now();
  }

  override removeXattr(name: string): void {
    this.checkWritable();
    const old = this.xattrs?.get(name);
    if (old === undefined) throw ENOATTR;
    this.xattrs!.delete(name);
    this.mount.budget.used -= attributeBytes(name, old);
    this.ctimeUs = this.mount.now();
  }

  override inactive(): void {
    if (this.nlink === 0) this.release();
  }

  /** The last name and the last holder are gone (TF1). */
  protected release(): void {
    this.data?.release();
    if (this.xattrs !== null) {
      for (const [name, value] of this.xattrs) this.mount.budget.used -= attributeBytes(name, value);
      this.xattrs = null;
    }
    this.mount.forget(this);
    this.mount.dismiss();
  }
}
