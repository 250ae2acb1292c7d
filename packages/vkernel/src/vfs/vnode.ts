// SPDX-License-Identifier: BSD-3-Clause
/**
 * Vnodes: a file of any file system in memory, and the operations on it (DragonFly 2.0 sys/sys/vnode.h).
 *
 * Invariants
 *   V1  A vnode is unique for (mount, file): two lookups of one file give one object while it is referenced.
 *   V2  vref/vrele count holders (open files, namecache entries, mappings, working directories); at zero the
 *       file system's `inactive` runs and the object may be forgotten.
 *   V3  Operations are plain functions. They throw an Errno, or an IoMiss while nothing has been modified; what
 *       can wait for another process (fifo, tty) answers WOULDBLOCK and names a channel.
 *   V4  Names are byte strings, one path component, never "." or "..", never containing "/" or NUL.
 *   V5  Permission checks are the caller's (nlookup and the system calls), not the file system's.
 * @module
 */
import { EINVAL, EISDIR, ENODEV, ENOTDIR, ENOTTY, EOPNOTSUPP, EROFS } from "../sys/errno.ts";
import type { Klist } from "../sys/event.ts";
import type { Ucred } from "../sys/ucred.ts";
import { accessOk } from "../sys/ucred.ts";
import type { VmObject } from "../vm/object.ts";
import type { Fifo } from "./fifo.ts";
import type { Lockf } from "./lockf.ts";
import type { Mount } from "./mount.ts";
import type { Nchandle } from "./namecache.ts";

export const VREG = 1;
export const VDIR = 2;
export const VBLK = 3;
export const VCHR = 4;
export const VLNK = 5;
export const VSOCK = 6;
export const VFIFO = 7;
export type Vtype = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** File attributes. Times are nanoseconds split as {sec, nsec} numbers; sizes in bytes (< 2^53). */
export interface Vattr {
  type: Vtype;
  /** permission bits with set-id and sticky bits, 0o7777 */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  fsid: number;
  /** inode number, < 2^53 */
  fileid: number;
  size: number;
  blocksize: number;
  /** bytes of storage held */
  bytes: number;
  /** device number (native encoding) of character and block devices, else 0 */
  rdev: number;
  flags: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
}

/** What setattr may change; absent fields stay. */
export interface VattrChange {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  flags?: number;
  atimeSec?: number;
  atimeNsec?: number;
  mtimeSec?: number;
  mtimeNsec?: number;
}

/** Attributes of a file to be made. */
export interface VnodeCreate {
  type: Vtype;
  mode: number;
  uid: number;
  gid: number;
  rdev?: number;
  /** target of a symbolic link, a byte string */
  target?: string;
}

/** What setting an extended attribute does: make or replace it, make it only (EEXIST), replace it only (ENOATTR). */
export type XattrMode = "set" | "create" | "replace";

/** Receives one directory entry; returns false to stop before this entry is consumed. */
export type ReaddirSink = (name: string, fileid: number, type: Vtype, nextCookie: number) => boolean;

export type ReaddirKeySink = (name: string, fileid: number, type: Vtype, nextCookie: bigint) => boolean;

export abstract class Vnode {
  readonly mount: Mount;
  readonly type: Vtype;
  /** Holders; see V2. */
  refs = 1;
  /** Pages of the file that are resident for mappings, or null while it was never mapped. */
  object: VmObject | null = null;
  /** Number of writers through open files, and of executing images: ETXTBSY both ways. */
  writeCount = 0;
  textCount = 0;
  /** A name of the file in the cache, if one is known; not a reference (for /proc/PID/maps and messages). */
  nch: Nchandle | null = null;
  /** Advisory locks, null while there never was one. */
  locks: Lockf | null = null;
  /** Who watches the file, null while nobody does. */
  klist: Klist | null = null;
  /** Data and openers of a fifo, null while nobody has it open. */
  fifo: Fifo | null = null;

  constructor(mount: Mount, type: Vtype) {
    this.mount = mount;
    this.type = type;
  }

  abstract getattr(): Vattr;
  /** Size in bytes; file systems that know it without building a Vattr override it. */
  size(): number {
    return this.getattr().size;
  }
  setattr(_change: VattrChange): void {
    throw EROFS;
  }

  /** Looks `name` up in this directory; returns a referenced vnode, or null when there is no such entry. */
  lookup(_name: string): Vnode | null {
    throw ENOTDIR;
  }
  /** The directory above, referenced; only called on directories that are not the root of their mount. */
  parent(): Vnode {
    throw ENOTDIR;
  }
  /** Makes a file of any type; the caller knows that the name does not exist. Returns it referenced. */
  create(_name: string, _what: VnodeCreate): Vnode {
    throw EROFS;
  }
  link(_name: string, _target: Vnode): void {
    throw EROFS;
  }
  /** Removes a name that is not a directory. */
  unlink(_name: string, _vp: Vnode): void {
    throw EROFS;
  }
  rmdir(_name: string, _vp: Vnode): void {
    throw EROFS;
  }
  /** Renames within one mount; an existing target has been checked for type and is replaced in one step. */
  rename(_name: string, _vp: Vnode, _toDir: Vnode, _toName: string, _toVp: Vnode | null): void {
    throw EROFS;
  }
  /** Lets two names of one mount change what they name, in one step; the caller has checked that no directory goes into itself. */
  exchange(_name: string, _vp: Vnode, _toDir: Vnode, _toName: string, _toVp: Vnode): void {
    throw EINVAL;
  }
  /** Lists entries from `cookie` (0 = start), with "." and ".." first. Returns true at the end. */
  readdir(_cookie: number, _sink: ReaddirSink): boolean {
    throw ENOTDIR;
  }
  /**
   * readdir() with positions that others keep: they outlive the vnode, and the system where the file system has an identity
   * (Mount.identity). 64 bits.
   */
  readdirKeys(cookie: bigint, sink: ReaddirKeySink): boolean {
    if (cookie > BigInt(Number.MAX_SAFE_INTEGER)) return true;
    return this.readdir(Number(cookie), (name, fileid, type, next) => sink(name, fileid, type, BigInt(next)));
  }
  readlink(): string {
    throw EINVAL;
  }

  /**
   * Reads up to `len` bytes at `offset` into buf[bufOff…]; returns the count, 0 at the end, or WOULDBLOCK
   * (devices, fifos). `buf` may be the machine's memory itself.
   */
  read(_offset: number, _buf: Uint8Array, _bufOff: number, _len: number): number {
    throw this.type === VDIR ? EISDIR : ENODEV;
  }
  /** Writes; returns the count written or WOULDBLOCK. Extends the file as needed. */
  write(_offset: number, _buf: Uint8Array, _bufOff: number, _len: number): number {
    throw this.type === VDIR ? EISDIR : ENODEV;
  }
  /** Writes back a page of a mapping that was allowed when it was made, inside the file; as write() else. */
  writePage(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    return this.write(offset, buf, bufOff, len);
  }
  /**
   * Value of an extended attribute, null when the file has none of that name. Names begin with their namespace ("user.note").
   * Nobody changes the bytes: neither who gets them here, nor who gave them to setXattr(). Throws EOPNOTSUPP where there are no attributes.
   */
  getXattr(_name: string): Uint8Array | null {
    throw EOPNOTSUPP;
  }
  /** Names of all extended attributes. */
  listXattr(): Iterable<string> {
    return [];
  }
  /** Sets an extended attribute. ctime moves. Throws EEXIST and ENOATTR as the mode says, ENOSPC, E2BIG for what is too large here. */
  setXattr(_name: string, _value: Uint8Array, _mode: XattrMode): void {
    throw EOPNOTSUPP;
  }
  /** Removes an extended attribute. Throws ENOATTR. */
  removeXattr(_name: string): void {
    throw EOPNOTSUPP;
  }
  /** Makes the file's data and attributes durable. */
  fsync(): void {}

  /**
   * Whether `cred` may access the file in the ways of `want` (VREAD, VWRITE, VEXEC). File systems that know the
   * three attributes without building a Vattr override it, since path walks ask for each directory.
   */
  access(want: number, cred: Ucred): boolean {
    const va = this.getattr();
    return accessOk(va.mode, va.uid, va.gid, this.type === VDIR, want, cred);
  }
  /**
   * File system control through any open file. `cmd` is the native (DragonFly) command word; `data` holds the
   * argument block that the word describes, copied in before and out after. Returns the call's result (0).
   */
  ioctl(_cmd: number, _data: Uint8Array): number {
    throw ENOTTY;
  }
  /**
   * A symbolic link that names a file without a path (procfs: exe, cwd, fd/N): the held name to go on from,
   * null for an ordinary link.
   */
  jump(): Nchandle | null {
    return null;
  }
  /** The last reference went away. */
  inactive(): void {}
}

export function vref(vp: Vnode): Vnode {
  vp.refs++;
  return vp;
}

/**
 * Drops a reference. With the last one the cached pages go (nothing maps the file, so none is modified) and the file
 * system's `inactive` runs, neither of which may throw.
 */
export function vrele(vp: Vnode): void {
  if (vp.refs === 1 && vp.object !== null) {
    vp.object.terminate();
    vp.object = null;
  }
  if (--vp.refs === 0) vp.inactive();
}
