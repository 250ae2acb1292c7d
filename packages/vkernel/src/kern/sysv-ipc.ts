// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the three kinds of System V IPC share: keys, identifiers, owners and permissions (DragonFly 2.0 sys/kern/sysv_ipc.c,
 * sys/sys/ipc.h; Linux ipc/util.c).
 *
 * Invariants
 *   IP1  An identifier is `seq · 2^15 + index`; its sequence number differs from those of the last 65535 objects that used
 *        the index, so that a stale identifier names nothing.
 *   IP2  `keys` holds every object that can be found by key: not IPC_PRIVATE, and not removed.
 *   IP3  An object that was removed stays in its slot as long as something uses it (a mapped segment); it has no key then.
 * @module
 */
import { CAP_IPC_OWNER, CAP_SYS_ADMIN, capable } from "../sys/capability.ts";
import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM } from "../sys/errno.ts";
import { groupMember, type Ucred } from "../sys/ucred.ts";

export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0x200;
export const IPC_EXCL = 0x400;
export const IPC_NOWAIT = 0x800;
/** What a caller wants to do: permission bits of the owner's class. */
export const IPC_R = 0o400;
export const IPC_W = 0o200;
const PERM_BITS = 0o777;

const INDEX_BITS = 15;
const SEQ_MASK = 0xffff;

/** One object; times are seconds since 1970, 0 for never. */
export abstract class IpcObject {
  key: number;
  readonly index: number;
  readonly seq: number;
  readonly cuid: number;
  readonly cgid: number;
  uid: number;
  gid: number;
  mode: number;
  ctime: number;
  removed = false;

  constructor(init: IpcInit) {
    this.key = init.key;
    this.index = init.index;
    this.seq = init.seq;
    this.cuid = this.uid = init.cred.uid;
    this.cgid = this.gid = init.cred.gid;
    this.mode = init.mode & PERM_BITS;
    this.ctime = init.now;
  }

  get id(): number {
    return (this.seq << INDEX_BITS) | this.index;
  }

  /** Throws EACCES unless `cred` has all rights of `want` (IPC_R, IPC_W). */
  access(want: number, cred: Ucred): void {
    let bits = want;
    if (cred.uid !== this.uid && cred.uid !== this.cuid) {
      bits >>= groupMember(this.gid, cred) || groupMember(this.cgid, cred) ? 3 : 6;
    }
    if ((this.mode & bits) !== bits && !capable(cred, CAP_IPC_OWNER)) throw EACCES;
  }

  /** Throws EPERM unless `cred` may change or remove the object: its owner, its creator, the superuser. */
  control(cred: Ucred): void {
    if (cred.uid !== this.uid && cred.uid !== this.cuid && !capable(cred, CAP_SYS_ADMIN)) throw EPERM;
  }

  /** IPC_SET: new owner and permissions. Throws EPERM. */
  setOwner(cred: Ucred, uid: number, gid: number, mode: number, now: number): void {
    this.control(cred);
    this.uid = uid;
    this.gid = gid;
    this.mode = mode & PERM_BITS;
    this.ctime = now;
  }
}

export interface IpcInit {
  readonly key: number;
  readonly index: number;
  readonly seq: number;
  readonly cred: Ucred;
  readonly mode: number;
  readonly now: number;
}

/** Most objects of a kind that can be told apart. */
export const IPC_MAX = 1 << INDEX_BITS;

/** The objects of one kind, at most `max` of them. */
export class IpcTable<T extends IpcObject> {
  max: number;
  private readonly slots: (T | null)[] = [];
  private readonly seqs: number[] = [];
  private readonly keys = new Map<number, T>();
  private count = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** How many exist, removed ones that are still used included. */
  get size(): number {
    return this.count;
  }

  /** One more than the highest index in use. */
  get highest(): number {
    return this.slots.length;
  }

  /** The object of an identifier. Throws EINVAL. */
  find(id: number): T {
    const object = id < 0 ? null : (this.slots[id & ((1 << INDEX_BITS) - 1)] ?? null);
    if (object === null || object.id !== id) throw EINVAL;
    return object;
  }

  /** The object at an index, for the calls that walk all of them. Throws EINVAL. */
  at(index: number): T {
    const object = index < 0 ? null : (this.slots[index] ?? null);
    if (object === null) throw EINVAL;
    return object;
  }

  /**
   * shmget, semget, msgget: the object of `key`, or a new one that `make` builds. `flags`: IPC_CREAT, IPC_EXCL and the
   * permissions wanted (of an existing object) or given (to a new one). Throws ENOENT, EEXIST, EACCES, ENOSPC, and what
   * `make` throws.
   */
  get(key: number, flags: number, cred: Ucred, now: number, make: (init: IpcInit) => T): T {
    const old = key === IPC_PRIVATE ? undefined : this.keys.get(key);
    if (old !== undefined) {
      if ((flags & (IPC_CREAT | IPC_EXCL)) === (IPC_CREAT | IPC_EXCL)) throw EEXIST;
      // Each class of the mode asks for the same: what any of them names is wanted.
      old.access(((flags << 6) | (flags << 3) | flags) & (IPC_R | IPC_W), cred);
      return old;
    }
    if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) throw ENOENT;
    if (this.count >= this.max) throw ENOSPC;
    let index = this.slots.indexOf(null);
    if (index < 0) index = this.slots.length;
    const seq = this.seqs[index] ?? 0;
    const object = make({ key, index, seq, cred, mode: flags, now });
    this.slots[index] = object;
    this.seqs[index] = (seq + 1) & SEQ_MASK;
    this.count++;
    if (key !== IPC_PRIVATE) this.keys.set(key, object);
    return object;
  }

  /** The object cannot be found by its key any more (IP2). */
  unkey(object: T): void {
    if (this.keys.get(object.key) === object) this.keys.delete(object.key);
    object.key = IPC_PRIVATE;
  }

  /** Takes the object out for good. */
  remove(object: T): void {
    this.unkey(object);
    object.removed = true;
    this.slots[object.index] = null;
    while (this.slots.length > 0 && this.slots.at(-1) === null) this.slots.pop();
    this.count--;
  }

  /** All objects by index. */
  *[Symbol.iterator](): Iterator<T> {
    for (const object of this.slots) if (object !== null) yield object;
  }
}
