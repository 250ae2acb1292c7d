// SPDX-License-Identifier: BSD-3-Clause
/**
 * A host directory as a file system whose changes stay in memory. Nodes are tmpfs nodes: those that come from the
 * host know their path there and take names and contents from it until they are changed (DragonFly's dirfs serves
 * vkernels a host directory too, but writes to it).
 *
 * Invariants
 *   OV1  Nothing is ever written to the host.
 *   OV2  Of a directory, `entries` holds what was looked up or made; once `complete`, it holds everything, and the
 *        host is not asked again. A directory is complete before a name is taken out of it.
 *   OV3  The names of one host file with several links are one node.
 * @module
 */
import type { Vnode, VnodeCreate, ReaddirSink, Vattr } from "../vnode.ts";
import { VDIR, VLNK, VREG, vref } from "../vnode.ts";
import { FileData } from "../tmpfs/data.ts";
import type { TmpfsOptions } from "../tmpfs/tmpfs.ts";
import { TmpfsMount, TmpfsNode } from "../tmpfs/tmpfs.ts";
import type { DirfsHost, DirfsHostStat } from "./host.ts";
import { FdPool, hostCall, lstatOrNull, vtypeOf } from "./host.ts";

/** Files of the host tree that may be known at a time, and what df -i shows. */
const MAX_NODES = 2 ** 24;

export class OverlayMount extends TmpfsMount {
  override readonly fstype = "dirfs";
  readonly host: DirfsHost;
  readonly fds: FdPool<OverlayNode>;
  /** Nodes of host files with more than one link, by inode number. */
  readonly linked = new Map<number, OverlayNode>();

  /** Throws the Errno of a directory that cannot be looked at. `options.maxBytes` bounds the changes in memory. */
  constructor(host: DirfsHost, path: string, flags: number, options: TmpfsOptions) {
    super(path, flags, { maxNodes: MAX_NODES, ...options });
    this.host = host;
    this.fds = new FdPool(host);
    const st = hostCall(() => host.lstat(path));
    this.rootNode = new OverlayNode(this, fromStat(st), path, st);
    this.rootNode.nlink = 2;
  }

  /** The root needs the host, which the constructor of the base class does not know yet. */
  protected override makeRoot(): void {}

  override unmount(): void {
    this.fds.closeAll();
  }
}

function fromStat(st: DirfsHostStat): VnodeCreate {
  return { type: vtypeOf(st.type), mode: st.mode, uid: st.uid, gid: st.gid };
}

class OverlayNode extends TmpfsNode {
  declare readonly mount: OverlayMount;
  /** Path on the host; null for what the guest made. */
  readonly hostPath: string | null;
  /** Everything the host has is in `entries` (OV2). */
  private complete: boolean;
  private lowerBytes: number;

  constructor(mount: OverlayMount, what: VnodeCreate, hostPath: string | null, st: DirfsHostStat | null) {
    super(mount, what);
    this.hostPath = hostPath;
    this.complete = hostPath === null;
    this.lowerBytes = st === null ? 0 : st.bytes;
    if (st === null || hostPath === null) return;
    this.atimeUs = st.atimeMs * 1000;
    this.mtimeUs = st.mtimeMs * 1000;
    this.ctimeUs = st.ctimeMs * 1000;
    if (this.type === VREG) {
      const read = (offset: number, buf: Uint8Array, bufOff: number, len: number): number => {
        const fd = mount.fds.get(this, () => hostPath, false);
        return hostCall(() => mount.host.read(fd, buf, bufOff, len, offset));
      };
      this.data = new FileData(mount.budget, read, st.size);
    } else if (this.type === VLNK) this.target = hostCall(() => mount.host.readlink(hostPath));
  }

  override getattr(): Vattr {
    const va = super.getattr();
    if (this.hostPath !== null && this.type === VREG) va.bytes = Math.max(va.bytes, this.lowerBytes);
    return va;
  }

  protected override makeNode(what: VnodeCreate): TmpfsNode {
    return new OverlayNode(this.mount, what, null, null);
  }

  /** The node of a host file below this directory, not yet entered. */
  private fromHost(name: string, st: DirfsHostStat): OverlayNode {
    const { mount } = this;
    const shared = st.nlink > 1 && st.type !== "dir";
    const known = shared ? mount.linked.get(st.ino) : undefined;
    if (known !== undefined && known.type === vtypeOf(st.type)) return known;
    const node = new OverlayNode(mount, fromStat(st), this.childPath(name), st);
    node.nlink = st.type === "dir" ? 2 : shared ? st.nlink : 1;
    node.up = this;
    if (shared) mount.linked.set(st.ino, node);
    return node;
  }

  /** Enters a name that the host has. Times of the directory stay: nothing happened to it. */
  private adopt(name: string, st: DirfsHostStat): OverlayNode {
    const node = this.fromHost(name, st);
    this.entries!.add(name, node);
    if (node.type === VDIR) this.nlink++;
    return node;
  }

  private childPath(name: string): string {
    const base = this.hostPath!;
    return base.endsWith("/") ? base + name : `${base}/${name}`;
  }

  override lookup(name: string): Vnode | null {
    const node = this.entries!.get(name);
    if (node !== undefined) return vref(node);
    if (this.complete) return null;
    const st = lstatOrNull(this.mount.host, this.childPath(name));
    return st === null ? null : vref(this.adopt(name, st));
  }

  /** Brings in all names that the host has (OV2). */
  private fill(): void {
    if (this.complete) return;
    const { host } = this.mount;
    for (const { name } of hostCall(() => host.readdir(this.hostPath!))) {
      if (this.entries!.get(name) !== undefined) continue;
      const st = lstatOrNull(host, this.childPath(name));
      if (st !== null) this.adopt(name, st);
    }
    this.complete = true;
  }

  override readdir(cookie: number, sink: ReaddirSink): boolean {
    this.fill();
    return super.readdir(cookie, sink);
  }
  protected override childCount(): number {
    this.fill();
    return super.childCount();
  }
  override unlink(name: string, vp: Vnode): void {
    this.fill();
    super.unlink(name, vp);
  }
  override rmdir(name: string, vp: Vnode): void {
    this.fill();
    super.rmdir(name, vp);
  }
  override rename(name: string, vp: Vnode, toDir: Vnode, toName: string, toVp: Vnode | null): void {
    this.fill();
    if (toVp !== null) (toDir as OverlayNode).fill();
    super.rename(name, vp, toDir, toName, toVp);
  }

  override exchange(name: string, vp: Vnode, toDir: Vnode, toName: string, toVp: Vnode): void {
    this.fill();
    (toDir as OverlayNode).fill();
    super.exchange(name, vp, toDir, toName, toVp);
  }

  protected override release(): void {
    this.mount.fds.drop(this);
    super.release();
  }
}
