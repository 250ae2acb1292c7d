// SPDX-License-Identifier: BSD-3-Clause
/**
 * Exported directories: whom their clients act as, and file handles (DragonFly 2.0 sys/kern/vfs_export.c, exports(5)).
 *
 * A handle is the number of the export (4 bytes), the file's id on its file system, and a checksum under a secret key
 * (8 bytes). So a client has no handle but those that it was given: neither for a file outside of the export, nor for one of
 * a file system that was here before.
 *
 * Invariants
 *   EX1  All handles of an export are for files of one file system; names on which another one is mounted lead to what is
 *        covered.
 *   EX2  Where the file system has an identity, a handle depends on that, the export's name and the key alone, so it outlives
 *        the system. Elsewhere handles are numbers of vnodes that are held, as many as MOST_HELD.
 * @module
 */
import type { Kernel } from "../kern/kernel.ts";
import { EINVAL, ENOENT, ENOTDIR, ESTALE } from "../sys/errno.ts";
import { ROOT_CRED, ucredOf, type Ucred } from "../sys/ucred.ts";
import type { Mount } from "../vfs/mount.ts";
import { cacheDrop, type Nchandle } from "../vfs/namecache.ts";
import { NLC_COVERED, NLC_FOLLOW, Nlookup, nlookup } from "../vfs/nlookup.ts";
import { VDIR, vref, vrele, type Vnode } from "../vfs/vnode.ts";
import type { AuthSys } from "./rpc.ts";
import { siphash, SIPHASH_KEY, SIPHASH_TAG } from "./siphash.ts";

/** Whom a client acts as. */
export interface ExportUser {
  readonly uid: number;
  readonly gid: number;
}
/** Who has no rights but everybody's (DragonFly's and Linux's number). */
export const NOBODY: ExportUser = { uid: 65534, gid: 65534 };

export interface NfsExportOptions {
  /** Directory in the guest, an absolute path; a view of the past is named as everywhere, "/dir@@0x…". */
  readonly path: string;
  /** What clients mount; the path unless given. */
  readonly name?: string;
  readonly readOnly?: boolean;
  /** Whom clients' uid 0 acts as; nobody unless given (exports(5): -maproot). */
  readonly mapRoot?: ExportUser;
  /** Whom all clients act as, whatever they say (-mapall). */
  readonly mapAll?: ExportUser;
}

/** A handle that was never given out, or whose file is no more. `reason` tells which. */
export class BadHandle extends Error {
  readonly stale: boolean;
  constructor(stale: boolean) {
    super(stale ? "stale file handle" : "not a file handle");
    this.stale = stale;
  }
}

const TWO32 = 4294967296;
/** Vnodes held for clients of file systems without lasting file ids. */
const MOST_HELD = 32768;
const HELD_ID = 8;

/** Numbers for vnodes, which are held so that a number means one file (EX2). */
class HeldVnodes {
  readonly #byId = new Map<number, Vnode>();
  readonly #ids = new Map<Vnode, number>();
  #next = 1;

  fid(vp: Vnode): Uint8Array {
    let id = this.#ids.get(vp);
    if (id === undefined) {
      id = this.#next++;
      this.#ids.set(vp, id);
      this.#byId.set(id, vref(vp));
      if (this.#byId.size > MOST_HELD) this.#forget(this.#byId.keys().next().value!);
    }
    const fid = new DataView(new ArrayBuffer(HELD_ID));
    fid.setUint32(0, Math.floor(id / TWO32));
    fid.setUint32(4, id % TWO32);
    return new Uint8Array(fid.buffer);
  }
  /** Referenced. Throws ESTALE. */
  vnode(bytes: Uint8Array): Vnode {
    if (bytes.length !== HELD_ID) throw ESTALE;
    const fid = new DataView(bytes.buffer, bytes.byteOffset, HELD_ID);
    const id = fid.getUint32(0) * TWO32 + fid.getUint32(4);
    const vp = this.#byId.get(id);
    if (vp === undefined) throw ESTALE;
    if (vp.getattr().nlink === 0) {
      this.#forget(id);
      throw ESTALE;
    }
    // The order of the map is that of the last use.
    this.#byId.delete(id);
    this.#byId.set(id, vp);
    return vref(vp);
  }
  #forget(id: number): void {
    const vp = this.#byId.get(id)!;
    this.#byId.delete(id);
    this.#ids.delete(vp);
    vrele(vp);
  }
  clear(): void {
    for (const id of [...this.#byId.keys()]) this.#forget(id);
  }
}

/** A number of 32 bits for a name, the same everywhere (FNV-1a). */
function nameNumber(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export class NfsExport {
  readonly name: string;
  readonly number: number;
  readonly readOnly: boolean;
  /** The exported directory, held. */
  readonly root: Nchandle;
  readonly mount: Mount;
  readonly #key: Uint8Array;
  readonly #fsid: bigint;
  readonly #held: HeldVnodes | null;
  readonly #mapRoot: Ucred;
  readonly #mapAll: Ucred | null;

  /** Throws ENOENT, ENOTDIR and the file system's errors for the directory; IoMiss. */
  constructor(k: Kernel, options: NfsExportOptions, key: Uint8Array, instance: string) {
    if (!options.path.startsWith("/")) throw EINVAL;
    this.name = options.name ?? options.path;
    this.number = nameNumber(this.name);
    this.readOnly = options.readOnly === true;
    const root = nlookup(new Nlookup(ROOT_CRED, k.mounts.root, k.mounts.root), options.path, NLC_FOLLOW);
    if (root.vp === null || root.vp.type !== VDIR) {
      cacheDrop(root);
      throw root.vp === null ? ENOENT : ENOTDIR;
    }
    this.root = root;
    this.mount = root.mount;
    const identity = this.mount.identity();
    this.#held = identity === null ? new HeldVnodes() : null;
    const about = `${this.name}\0${identity ?? instance}`;
    this.#key = new Uint8Array(SIPHASH_KEY);
    this.#key.set(siphash(key, bytesOf(`0${about}`)), 0);
    this.#key.set(siphash(key, bytesOf(`1${about}`)), SIPHASH_TAG);
    const fsid = siphash(new Uint8Array(SIPHASH_KEY), bytesOf(identity ?? instance));
    this.#fsid = new DataView(fsid.buffer).getBigUint64(0);
    this.#mapRoot = credOf(options.mapRoot ?? NOBODY);
    this.#mapAll = options.mapAll === undefined ? null : credOf(options.mapAll);
  }

  close(): void {
    this.#held?.clear();
    cacheDrop(this.root);
  }

  /** Whom a client acts as; null is one that does not say who it is. */
  credential(auth: AuthSys | null): Ucred {
    if (this.#mapAll !== null) return this.#mapAll;
    if (auth === null) return credOf(NOBODY);
    if (auth.uid === 0) return this.#mapRoot;
    const squashed = this.#mapRoot.gid;
    const gid = auth.gid === 0 ? squashed : auth.gid;
    return credOf({ uid: auth.uid, gid }, auth.gids.map((g) => (g === 0 ? squashed : g)).filter((g) => g !== gid));
  }

  /** Identity of the file system in attributes: `fsid` is what getattr() says. */
  fsid(fsid: number): bigint {
    return this.#fsid ^ BigInt((fsid ^ this.mount.fsid) >>> 0);
  }

  handle(vp: Vnode): Uint8Array {
    const fid = this.#held === null ? this.mount.fid(vp) : this.#held.fid(vp);
    const handle = new Uint8Array(4 + fid.length + SIPHASH_TAG);
    new DataView(handle.buffer).setUint32(0, this.number);
    handle.set(fid, 4);
    handle.set(siphash(this.#key, fid), 4 + fid.length);
    return handle;
  }

  /** The file of a handle that bears this export's number, referenced. Throws BadHandle, ESTALE, the file system's errors, IoMiss. */
  vnode(handle: Uint8Array): Vnode {
    const fid = handle.subarray(4, handle.length - SIPHASH_TAG);
    const tag = handle.subarray(handle.length - SIPHASH_TAG);
    const expected = siphash(this.#key, fid);
    let differ = 0;
    for (let i = 0; i < SIPHASH_TAG; i++) differ |= tag[i]! ^ expected[i]!;
    if (differ !== 0) throw new BadHandle(true);
    return this.#held === null ? this.mount.vnodeOfFid(fid) : this.#held.vnode(fid);
  }

  /** The directory at `path` below the export's root, for MNT; nothing leads out of it. Held. */
  directory(path: string, cred: Ucred): Nchandle {
    const nch = nlookup(new Nlookup(cred, this.root, this.root), `/${path}`, NLC_FOLLOW | NLC_COVERED);
    if (nch.vp !== null && nch.vp.type === VDIR && nch.mount === this.mount) return nch;
    cacheDrop(nch);
    throw ENOTDIR;
  }
}

function credOf({ uid, gid }: ExportUser, groups: readonly number[] = []): Ucred {
  return ucredOf(uid, gid, groups);
}

/** The exports of a system. */
export class ExportList {
  readonly list: NfsExport[] = [];

  /** Throws EINVAL for two of one name, and what an export throws. */
  add(e: NfsExport): void {
    if (this.list.some((other) => other.number === e.number)) {
      e.close();
      throw EINVAL;
    }
    this.list.push(e);
  }

  /** The export that a handle is for. Throws BadHandle. */
  of(handle: Uint8Array): NfsExport {
    if (handle.length < 4 + SIPHASH_TAG) throw new BadHandle(false);
    const number = new DataView(handle.buffer, handle.byteOffset).getUint32(0);
    const found = this.list.find((e) => e.number === number);
    if (found === undefined) throw new BadHandle(true);
    return found;
  }

  /** The export whose name `path` is or begins with, and what is left of the path; null when there is none. */
  find(path: string): { readonly export: NfsExport; readonly rest: string } | null {
    const wanted = clean(path);
    let best: NfsExport | null = null;
    for (const e of this.list) {
      const name = clean(e.name);
      const fits = wanted === name || wanted.startsWith(name === "/" ? name : `${name}/`);
      if (fits && (best === null || name.length > clean(best.name).length)) best = e;
    }
    return best === null ? null : { export: best, rest: wanted.slice(clean(best.name).length) };
  }

  close(): void {
    for (const e of this.list.splice(0)) e.close();
  }
}

/** A path with one slash at the beginning, none at the end, and one between names. */
const clean = (path: string): string => `/${path}`.replaceAll(/\/+/g, "/").replace(/(.)\/$/, "$1");
