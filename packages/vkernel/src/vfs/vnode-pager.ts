// SPDX-License-Identifier: BSD-3-Clause
/**
 * The pages of a file: the VmObject of a vnode, and reads that see those pages (DragonFly 2.0 sys/vm/vnode_pager.c).
 *
 * Invariants
 *   VP1  vp.object is made when the file is first mapped or executed and lives until the vnode's last reference goes.
 *   VP2  While something maps the file, or holds modified pages of it, the pager holds one reference on the vnode.
 * @module
 */
import { objectRead, objectWrite } from "../vm/object-io.ts";
import type { Pager } from "../vm/object.ts";
import { VmObject } from "../vm/object.ts";
import type { VmSystem } from "../vm/system.ts";
import { Uio } from "../vm/uio.ts";
import type { Vnode } from "./vnode.ts";
import { vref, vrele } from "./vnode.ts";

/** A file as the pager of its pages. */
export class VnodePager implements Pager {
  readonly vp: Vnode;
  constructor(vp: Vnode) {
    this.vp = vp;
  }
  size(): number {
    return this.vp.size();
  }
  pageIn(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    return this.vp.read(offset, buf, bufOff, len);
  }
  pageOut(offset: number, buf: Uint8Array, bufOff: number, len: number): void {
    for (let done = 0; done < len; ) done += this.vp.writePage(offset + done, buf, bufOff + done, len - done);
  }
  retain(): void {
    vref(this.vp);
  }
  release(): void {
    vrele(this.vp);
  }
}

/** The object that mappings of the file share. The caller holds the vnode until it has mapped the object. */
export function vnodeObject(sys: VmSystem, vp: Vnode): VmObject {
  return (vp.object ??= VmObject.forPager(sys, new VnodePager(vp)));
}

/** Reads a file into kernel memory as read(2) would; returns the count, short at the end. May throw IoMiss. */
export function vnodeRead(vp: Vnode, offset: number, buf: Uint8Array, bufOff: number, len: number): number {
  const direct = (at: number, u8: Uint8Array, off: number, n: number): number => vp.read(at, u8, off, n);
  return objectRead(vp.object, offset, Uio.kernel(buf, bufOff, len), len, direct);
}

/** Writes to a file from kernel memory as write(2) would; returns the count. Throws what the file system throws, and IoMiss. */
export function vnodeWrite(vp: Vnode, offset: number, buf: Uint8Array, bufOff: number, len: number): number {
  const direct = (at: number, u8: Uint8Array, off: number, n: number): number => vp.write(at, u8, off, n);
  return objectWrite(vp.object, offset, Uio.kernel(buf, bufOff, len), len, direct);
}

/** fsync() of a file, what mappings have written included. */
export function vnodeSync(vp: Vnode): void {
  vp.object?.clean();
  vp.fsync();
}
