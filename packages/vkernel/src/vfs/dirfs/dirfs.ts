// SPDX-License-Identifier: BSD-3-Clause
/**
 * dirfs: a host directory seen, and written if the mount allows, directly (DragonFly sys/vfs/dirfs).
 *
 * Invariants
 *   DF1  A node's path on the host is its parent's path and its name; renames move nodes, so paths stay right.
 *   DF2  Symbolic links are never followed on the host: every component is looked at by lstat and belongs to the
 *        guest's path walk.
 *   DF3  A file that loses its name while somebody holds it keeps an open host descriptor (`fd`), and works on; what
 *        is no file keeps the attributes it had (`last`), and a directory is empty from then on.
 *   DF4  The host's owners are shown; they cannot be changed.
 *   DF5  fsync takes place beside the machine: the host's disk holds up whoever asked, and nobody else.
 * @module
 */
import { EACCES, EINVAL, EISDIR, EPERM, EROFS, ESTALE, ETXTBSY } from "../../sys/errno.ts";
import { WaitChannel } from "../../sys/wait.ts";
import type { Barrier, Statfs } from "../mount.ts";
import { MNT_LOCAL, MNT_RDONLY, Mount } from "../mount.ts";
import type { ReaddirSink, Vattr, VattrChange, VnodeCreate, Vtype } from "../vnode.ts";
import { VDIR, VLNK, Vnode, VREG, vref, vrele } from "../vnode.ts";
import type { DirfsHost, DirfsHostStat } from "./host.ts";
import { FdPool, hostCall, lstatOrNull, vtypeOf } from "./host.ts";

class FileSync implements Barrier {
  done = false;
  failed = false;
  readonly chan = new WaitChannel("fsync");
}

export class DirfsMount extends Mount {
  override readonly fstype = "dirfs";
  override readonly volatileNames = true;
  readonly host: DirfsHost;
  readonly fds: FdPool<DirfsNode>;
  private readonly rootNode: DirfsNode;
  private readonly syncs = new Set<FileSync>();

  /** Throws the Errno of a directory that cannot be looked at. MNT_RDONLY refuses every change. */
  constructor(host: DirfsHost, path: string, flags: number) {
    super(path, flags | MNT_LOCAL);
    this.host = host;
    this.fds = new FdPool(host);
    const st = hostCall(() => host.lstat(path));
    this.rootNode = new DirfsNode(this, vtypeOf(st.type), null, path, st.ino);
  }

  override root(): Vnode {
    return vref(this.rootNode);
  }
  /** The host's free space is not known here; enough is claimed that programs try. */
  override statfs(): Statfs {
    const blocks = 2 ** 28;
    return { bsize: 4096, iosize: 65536, blocks, bfree: blocks, bavail: blocks, files: 2 ** 24, ffree: 2 ** 24 };
  }
  override sync(): void {}
  override barriers(): readonly Barrier[] {
    return [...this.syncs];
  }
  /** Starts bringing an open host file to stable storage. */
  syncFile(fd: number): void {
    const sync = new FileSync();
    this.syncs.add(sync);
    this.fds.sync(fd, (failed) => {
      sync.done = true;
      sync.failed = failed;
      this.syncs.delete(sync);
      sync.chan.wakeup();
    });
  }
  override unmount(): void {
    this.fds.closeAll();
  }
}

export class DirfsNode extends Vnode {
  declare readonly mount: DirfsMount;
  private up: DirfsNode | null;
  private name: string;
  private readonly ino: number;
  /** Nodes below that are in use. */
  private readonly live = new Map<string, DirfsNode>();
  /** Set once the name is gone (DF3). */
  private fd: number | null = null;
  private last: Vattr | null = null;
  /** The last listing, so that positions stay valid while it is read. */
  private listing: readonly { readonly name: string; readonly type: DirfsHostStat["type"] }[] = [];

  constructor(mount: DirfsMount, type: Vtype, up: DirfsNode | null, name: string, ino: number) {
    super(mount, type);
    this.up = up;
    this.name = name;
    this.ino = ino;
    if (up !== null) {
      up.live.set(name, this);
      vref(up);
    }
  }

  /** Path on the host (DF1). */
  get path(): string {
    if (this.up === null) return this.name;
    const above = this.up.path;
    return above.endsWith("/") ? above + this.name : `${above}/${this.name}`;
  }
  private childPath(name: string): string {
    const { path } = this;
    return path.endsWith("/") ? path + name : `${path}/${name}`;
  }
  private checkWritable(): void {
    if ((this.mount.flags & MNT_RDONLY) !== 0) throw EROFS;
  }

  private hostFd(write: boolean): number {
    if (this.last !== null) throw ESTALE;
    return this.fd ?? this.mount.fds.get(this, () => this.path, write);
  }

  override getattr(): Vattr {
    if (this.last !== null) return { ...this.last };
    const { host } = this.mount;
    const st = hostCall(() => (this.fd !== null ? host.fstat(this.fd) : host.lstat(this.path)));
    const split = (ms: number): [number, number] => [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
    const [atimeSec, atimeNsec] = split(st.atimeMs);
    const [mtimeSec, mtimeNsec] = split(st.mtimeMs);
    const [ctimeSec, ctimeNsec] = split(st.ctimeMs);
    return {
      type: this.type, mode: st.mode, nlink: st.nlink, uid: st.uid, gid: st.gid, fsid: this.mount.fsid,
      fileid: this.ino, size: st.size, blocksize: 65536, bytes: st.bytes, rdev: 0, flags: 0,
      atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec,
    };
  }

  override setattr(change: VattrChange): void {
    this.checkWritable();
    const { host } = this.mount;
    const va = this.getattr();
    if ((change.uid ?? va.uid) !== va.uid || (change.gid ?? va.gid) !== va.gid) throw EPERM;
    if (change.size !== undefined) {
      if (this.type !== VREG) throw this.type === VDIR ? EISDIR : EINVAL;
      const fd = this.hostFd(true);
      hostCall(() => host.ftruncate(fd, change.size!));
    }
    if (change.mode !== undefined && change.mode !== va.mode && this.type !== VLNK) {
      hostCall(() => host.chmod(this.path, change.mode!));
    }
    if (change.atimeSec !== undefined || change.mtimeSec !== undefined) {
      const ms = (sec: number | undefined, nsec: number | undefined, s0: number, n0: number): number =>
        sec === undefined ? s0 * 1000 + n0 / 1e6 : sec * 1000 + (nsec ?? 0) / 1e6;
      const atime = ms(change.atimeSec, change.atimeNsec, va.atimeSec, va.atimeNsec);
      const mtime = ms(change.mtimeSec, change.mtimeNsec, va.mtimeSec, va.mtimeNsec);
      if (this.type !== VLNK) hostCall(() => host.utimes(this.path, atime, mtime));
    }
  }

  override lookup(name: string): Vnode | null {
    if (this.last !== null) return null;
    const st = lstatOrNull(this.mount.host, this.childPath(name));
    const held = this.live.get(name);
    if (st === null) {
      held?.orphan(null);
      return null;
    }
    if (held !== undefined) {
      if (held.ino === st.ino && held.type === vtypeOf(st.type)) return vref(held);
      held.orphan(null);
    }
    return new DirfsNode(this.mount, vtypeOf(st.type), this, name, st.ino);
  }

  override parent(): Vnode {
    return vref(this.up ?? this);
  }

  /** The name has gone: contents stay reachable for holders; `before` is what getattr said last (DF3). */
  private orphan(before: Vattr | null): void {
    if (this.up === null || this.up.live.get(this.name) !== this) return;
    this.up.live.delete(this.name);
    if (this.type === VREG) this.fd ??= this.mount.fds.take(this);
    if (this.fd === null) this.last = before === null ? this.vanished() : { ...before, nlink: 0 };
  }

  /** Attributes of what the host took away before anybody asked for them. */
  private vanished(): Vattr {
    return {
      type: this.type, mode: 0, nlink: 0, uid: 0, gid: 0, fsid: this.mount.fsid, fileid: this.ino, size: 0, blocksize: 65536,
      bytes: 0, rdev: 0, flags: 0, atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0,
    };
  }

  override create(name: string, what: VnodeCreate): Vnode {
    this.checkWritable();
    const { host } = this.mount;
    const path = this.childPath(name);
    if (what.type === VDIR) hostCall(() => host.mkdir(path, what.mode));
    else if (what.type === VLNK) hostCall(() => host.symlink(what.target ?? "", path));
    else if (what.type === VREG) {
      const fd = hostCall(() => host.open(path, { write: true, create: true, exclusive: true, mode: what.mode }));
      host.close(fd);
    } else throw EPERM;
    // The host's own mask has had its say; the guest's is the one that counts.
    if (what.type !== VLNK) hostCall(() => host.chmod(path, what.mode));
    const st = hostCall(() => host.lstat(path));
    return new DirfsNode(this.mount, what.type, this, name, st.ino);
  }

  override link(name: string, target: Vnode): void {
    this.checkWritable();
    hostCall(() => this.mount.host.link((target as DirfsNode).path, this.childPath(name)));
  }

  override unlink(name: string, vp: Vnode): void {
    this.checkWritable();
    const node = vp as DirfsNode;
    const before = node.getattr();
    this.keepOpen(node);
    hostCall(() => this.mount.host.unlink(this.childPath(name)));
    node.orphan(before);
  }

  /** A file that others than the caller hold, by node or by name, is opened before its name goes (DF3). */
  private keepOpen(node: DirfsNode): void {
    if (node.type !== VREG || (node.refs <= 1 && (node.nch === null || node.nch.refs <= 1))) return;
    try {
      this.mount.fds.get(node, () => node.path, true);
    } catch (e) {
      if (e !== EACCES && e !== ETXTBSY) throw e;
      this.mount.fds.get(node, () => node.path, false);
    }
  }

  override rmdir(name: string, vp: Vnode): void {
    this.checkWritable();
    const before = vp.getattr();
    hostCall(() => this.mount.host.rmdir(this.childPath(name)));
    (vp as DirfsNode).orphan(before);
  }

  override rename(name: string, vp: Vnode, toDir: Vnode, toName: string, toVp: Vnode | null): void {
    this.checkWritable();
    const node = vp as DirfsNode;
    const to = toDir as DirfsNode;
    const before = toVp === null ? null : toVp.getattr();
    if (toVp !== null) this.keepOpen(toVp as DirfsNode);
    hostCall(() => this.mount.host.rename(this.childPath(name), to.childPath(toName)));
    if (toVp !== null) (toVp as DirfsNode).orphan(before);
    this.live.delete(name);
    vref(to);
    const from = node.up;
    node.up = to;
    node.name = toName;
    to.live.set(toName, node);
    if (from !== null) vrele(from);
  }

  override readdir(cookie: number, sink: ReaddirSink): boolean {
    if (cookie === 0) {
      this.listing = this.last !== null ? [] : hostCall(() => this.mount.host.readdir(this.path));
      if (!sink(".", this.ino, VDIR, 1)) return false;
    }
    if (cookie <= 1 && !sink("..", (this.up ?? this).ino, VDIR, 2)) return false;
    for (let i = Math.max(0, cookie - 2); i < this.listing.length; i++) {
      const { name, type } = this.listing[i]!;
      const held = this.live.get(name);
      const ino = held !== undefined ? held.ino : (lstatOrNull(this.mount.host, this.childPath(name))?.ino ?? 0);
      if (ino !== 0 && !sink(name, ino, vtypeOf(type), i + 3)) return false;
    }
    return true;
  }

  override readlink(): string {
    if (this.type !== VLNK) throw EINVAL;
    return hostCall(() => this.mount.host.readlink(this.path));
  }

  override read(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.type !== VREG) return super.read(offset, buf, bufOff, len);
    const fd = this.hostFd(false);
    return hostCall(() => this.mount.host.read(fd, buf, bufOff, len, offset));
  }

  override write(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.type !== VREG) return super.write(offset, buf, bufOff, len);
    this.checkWritable();
    const fd = this.hostFd(true);
    return hostCall(() => this.mount.host.write(fd, buf, bufOff, len, offset));
  }

  override fsync(): void {
    if (this.type !== VREG || (this.mount.flags & MNT_RDONLY) !== 0) return;
    this.mount.syncFile(this.hostFd(true));
  }

  override inactive(): void {
    if (this.fd !== null) this.mount.fds.close(this.fd);
    this.fd = null;
    this.mount.fds.drop(this);
    const { up } = this;
    if (up === null) return;
    if (up.live.get(this.name) === this) up.live.delete(this.name);
    this.up = null;
    vrele(up);
  }
}
