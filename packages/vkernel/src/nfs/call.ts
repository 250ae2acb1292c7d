// SPDX-License-Identifier: BSD-3-Clause
/**
 * One NFS call as its procedure sees it: for whom, on which export, and what all procedures need: files of handles, attributes,
 * rights.
 *
 * Invariant
 *   NC1  The kernel thread that carries a call out has the caller's credentials (Proc.cred) from enter() on, so that what system
 *        calls check is checked for it.
 * @module
 */
import type { Lwp } from "../kern/proc.ts";
import { waitForLoad } from "../kern/sleep.ts";
import { EACCES, EINVAL, ENOTDIR, EROFS } from "../sys/errno.ts";
import { majorOf, minorOf } from "../sys/stat.ts";
import type { Ucred } from "../sys/ucred.ts";
import { IoMiss } from "../sys/wait.ts";
import type { Mount } from "../vfs/mount.ts";
import { cacheDrop, type Nchandle } from "../vfs/namecache.ts";
import { cacheFromDirectory } from "../vfs/namecache-find.ts";
import { Nlookup } from "../vfs/nlookup.ts";
import { VDIR, vrele, type Vattr, type Vnode } from "../vfs/vnode.ts";
import type { ExportList, NfsExport } from "./export.ts";
import type { Fattr3, WccAttr } from "./nfs3-proto.ts";
import type { AuthSys } from "./rpc.ts";

/** A failure that no errno stands for. */
export class Nfs3Error extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`nfsstat3 ${status}`);
    this.status = status;
  }
}

export class NfsCall {
  readonly lp: Lwp;
  readonly exports: ExportList;
  readonly #auth: AuthSys | null;
  /** Unique to this start of the server: what was written and not committed before is lost (RFC 1813 §3.3.7). */
  readonly verifier: Uint8Array;
  /** File systems that must be written back before the client is answered. */
  readonly changed = new Set<Mount>();
  #export: NfsExport | null = null;

  constructor(lp: Lwp, exports: ExportList, auth: AuthSys | null, verifier: Uint8Array) {
    this.lp = lp;
    this.exports = exports;
    this.#auth = auth;
    this.verifier = verifier;
  }

  /** The export of the call's handles. */
  get export(): NfsExport {
    return this.#export!;
  }
  get cred(): Ucred {
    return this.lp.proc.cred;
  }

  /** Runs a plain operation again until what it needs has been loaded. */
  *retried<T>(operation: () => T): Generator<void, T, void> {
    for (;;) {
      try {
        return operation();
      } catch (e) {
        if (!(e instanceof IoMiss)) throw e;
        yield* waitForLoad(this.lp, e);
      }
    }
  }

  /** Takes the caller's part (NC1) on the export that `handle` is for. Throws BadHandle. */
  enter(handle: Uint8Array): NfsExport {
    const e = this.exports.of(handle);
    this.#export = e;
    this.lp.proc.cred = e.credential(this.#auth);
    return e;
  }

  /** Runs `f` on the file of a handle. Throws BadHandle, ESTALE, IoMiss and what `f` throws. */
  withFile<T>(handle: Uint8Array, f: (vp: Vnode) => T): T {
    const vp = this.enter(handle).vnode(handle);
    try {
      return f(vp);
    } finally {
      vrele(vp);
    }
  }

  /** Runs `f` on a directory and where a walk from it starts. Throws ENOTDIR as well. */
  withDirectory<T>(handle: Uint8Array, f: (dvp: Vnode, nd: Nlookup, nch: Nchandle) => T): T {
    return this.withFile(handle, (dvp) => {
      if (dvp.type !== VDIR) throw ENOTDIR;
      const nch = cacheFromDirectory(this.lp.k.mounts.cache, dvp);
      try {
        return f(dvp, new Nlookup(this.cred, this.export.root, nch), nch);
      } finally {
        cacheDrop(nch);
      }
    });
  }

  /** A name that is to be made or removed. Throws EINVAL, EACCES for what is no name of a file. */
  checkName(name: string): void {
    if (name === "" || name === "." || name === "..") throw EINVAL;
    if (name.includes("/") || name.includes("\0")) throw EACCES;
  }

  checkMayChange(): void {
    if (this.export.readOnly) throw EROFS;
  }
  /** The call changes names or attributes on this file system. Throws EROFS. */
  willChange(vp: Vnode): void {
    this.checkMayChange();
    this.changed.add(vp.mount);
  }

  /**
   * Whether the caller may read or write a file: besides those with the right, its owner may, since on other systems it could
   * have opened the file before it gave up the right.
   */
  checkAccess(vp: Vnode, want: number): void {
    if (!vp.access(want, this.cred) && vp.getattr().uid !== this.cred.uid) throw EACCES;
  }

  attributes(vp: Vnode, va: Vattr = vp.getattr()): Fattr3 {
    return {
      type: va.type,
      mode: va.mode,
      nlink: va.nlink,
      uid: va.uid,
      gid: va.gid,
      size: va.size,
      used: va.bytes,
      rdev: { major: majorOf(va.rdev), minor: minorOf(va.rdev) },
      fsid: this.export.fsid(va.fsid),
      fileid: BigInt(va.fileid),
      atime: { seconds: va.atimeSec >>> 0, nseconds: va.atimeNsec },
      mtime: { seconds: va.mtimeSec >>> 0, nseconds: va.mtimeNsec },
      ctime: { seconds: va.ctimeSec >>> 0, nseconds: va.ctimeNsec },
    };
  }
}

/** What clients compare to find out whether others have changed a file. */
export function wccAttributes(va: Vattr): WccAttr {
  return {
    size: va.size,
    mtime: { seconds: va.mtimeSec >>> 0, nseconds: va.mtimeNsec },
    ctime: { seconds: va.ctimeSec >>> 0, nseconds: va.ctimeNsec },
  };
}
