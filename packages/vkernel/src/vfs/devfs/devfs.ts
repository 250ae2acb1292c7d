// SPDX-License-Identifier: BSD-3-Clause
/**
 * devfs: a node for each device of the kernel, and whatever else is made there (links, mount points), in memory
 * (DragonFly sys/vfs/devfs, as far as names and attributes go).
 *
 * Invariant
 *   DV1  Before a directory is looked into, its nodes agree with the device switch: a device that came has its node,
 *        one that went has none. Nodes that users removed stay removed while the device lives.
 * @module
 */
import type { Cdev, Devsw } from "../../dev/cdev.ts";
import { TmpfsMount, TmpfsNode } from "../tmpfs/tmpfs.ts";
import type { ReaddirSink, Vnode, VnodeCreate } from "../vnode.ts";
import { VBLK, VCHR, VDIR, VLNK, vrele } from "../vnode.ts";

const MAX_BYTES = 4 * 1024 * 1024;

export class DevfsMount extends TmpfsMount {
  override readonly fstype = "devfs";
  override readonly volatileNames = true;
  private readonly devsw: Devsw;
  private seen = -1;
  private readonly nodes_ = new Map<Cdev, { dir: DevfsNode; name: string; node: TmpfsNode }>();

  constructor(devsw: Devsw, now: () => number) {
    super("devfs", 0, { maxBytes: MAX_BYTES, now, rootMode: 0o755 });
    this.devsw = devsw;
    this.populate();
  }

  protected override makeRoot(mode: number): void {
    this.rootNode = new DevfsNode(this, { type: VDIR, mode, uid: 0, gid: 0 });
    this.rootNode.nlink = 2;
  }

  /** Directories and links that programs expect besides the devices. */
  private populate(): void {
    const root = this.rootNode;
    const dir = (name: string, mode: number): void => vrele(root.create(name, { type: VDIR, mode, uid: 0, gid: 0 }));
    const link = (name: string, target: string): void =>
      vrele(root.create(name, { type: VLNK, mode: 0o777, uid: 0, gid: 0, target }));
    dir("pts", 0o755);
    dir("shm", 0o1777);
    link("fd", "/proc/self/fd");
    link("stdin", "/proc/self/fd/0");
    link("stdout", "/proc/self/fd/1");
    link("stderr", "/proc/self/fd/2");
  }

  /** Brings the nodes up to date (DV1). */
  refresh(): void {
    if (this.seen === this.devsw.generation) return;
    this.seen = this.devsw.generation;
    const present = new Set<Cdev>();
    for (const dev of this.devsw.all()) {
      present.add(dev);
      if (!this.nodes_.has(dev)) this.addDevice(dev);
    }
    for (const [dev, { dir, name, node }] of this.nodes_) {
      if (present.has(dev)) continue;
      this.nodes_.delete(dev);
      if (dir.entries!.get(name) === node) dir.unlink(name, node);
    }
  }

  private addDevice(dev: Cdev): void {
    let dir = this.rootNode as DevfsNode;
    const parts = dev.name.split("/");
    for (const part of parts.slice(0, -1)) {
      let next = dir.entries!.get(part);
      if (next === undefined) {
        next = dir.create(part, { type: VDIR, mode: 0o755, uid: 0, gid: 0 }) as TmpfsNode;
        vrele(next);
      }
      dir = next as DevfsNode;
    }
    const name = parts[parts.length - 1]!;
    const type = dev.isDisk ? VBLK : VCHR;
    const node = dir.create(name, { type, mode: dev.mode, uid: dev.uid, gid: dev.gid, rdev: dev.rdev }) as TmpfsNode;
    vrele(node);
    this.nodes_.set(dev, { dir, name, node });
  }
}

class DevfsNode extends TmpfsNode {
  declare readonly mount: DevfsMount;

  protected override makeNode(what: VnodeCreate): TmpfsNode {
    return what.type === VDIR ? new DevfsNode(this.mount, what) : super.makeNode(what);
  }
  override lookup(name: string): Vnode | null {
    this.mount.refresh();
    return super.lookup(name);
  }
  override readdir(cookie: number, sink: ReaddirSink): boolean {
    this.mount.refresh();
    return super.readdir(cookie, sink);
  }
}
