// SPDX-License-Identifier: BSD-3-Clause
/**
 * A vnode that stands for an open file without a path: what /proc/PID/fd/N leads to when the descriptor is a pipe or
 * a socket. Opening it gives the same open file again (fdesc semantics of BSD).
 */
import type { Mount } from "./mount.ts";
import type { Vattr, Vtype } from "./vnode.ts";
import { Vnode } from "./vnode.ts";

/** The part of an open file that this needs; the kernel knows it as File. */
export interface ReferredFile {
  stat(): Vattr;
}

export class FileRefVnode extends Vnode {
  readonly file: ReferredFile;
  constructor(mount: Mount, type: Vtype, file: ReferredFile) {
    super(mount, type);
    this.file = file;
  }
  override getattr(): Vattr {
    return this.file.stat();
  }
}
