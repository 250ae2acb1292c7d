// SPDX-License-Identifier: BSD-3-Clause
/**
 * Capability sets as Linux keeps them with the credentials of each process (capabilities(7); Linux security/commoncap.c).
 * Immutable, as credentials are: a change makes new ones. Rights beyond a user's own are asked for by their number
 * (`capable`), in both ABIs: a process that no Linux call has touched has all of them while its effective user is 0, which
 * is what a superuser is.
 *
 * Invariants
 *   CP1  effective ⊆ permitted ⊆ ALL; ambient ⊆ permitted ∩ inheritable; bounding only shrinks.
 *   CP2  A process whose ids all leave 0 loses its ambient set, and the permitted and effective ones unless it asked to keep
 *        the permitted one.
 * @module
 */
import { EINVAL, EPERM } from "./errno.ts";
import type { Ucred } from "./ucred.ts";

/** CAP_LAST_CAP of Linux 5.10 (CAP_CHECKPOINT_RESTORE). */
export const CAP_LAST = 40;
const ALL = (1n << BigInt(CAP_LAST + 1)) - 1n;
/** Change owners of files. */
export const CAP_CHOWN = 0;
/** Pass by permission bits: all of them, or those for reading and searching. */
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
/** Do what the owner of a file may. */
export const CAP_FOWNER = 3;
/** Keep set-id bits. */
export const CAP_FSETID = 4;
export const CAP_KILL = 5;
export const CAP_SETGID = 6;
export const CAP_SETUID = 7;
export const CAP_SETPCAP = 8;
export const CAP_LINUX_IMMUTABLE = 9;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_IPC_LOCK = 14;
export const CAP_IPC_OWNER = 15;
export const CAP_SYS_RAWIO = 17;
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_PACCT = 20;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_BOOT = 22;
export const CAP_SYS_NICE = 23;
export const CAP_SYS_RESOURCE = 24;
export const CAP_SYS_TIME = 25;
export const CAP_SYS_TTY_CONFIG = 26;
export const CAP_MKNOD = 27;
export const CAP_SETFCAP = 31;
export const CAP_SYSLOG = 34;

interface Sets {
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
  readonly bounding: bigint;
  /** PR_SET_KEEPCAPS: the next change of user keeps the permitted set. */
  readonly keep: boolean;
}
type Ids = Pick<Ucred, "uid" | "ruid" | "svuid">;

export class Capabilities implements Sets {
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
  readonly bounding: bigint;
  readonly keep: boolean;
  /** The effective set, bits 0–31 and the others: what is asked often. */
  readonly #low: number;
  readonly #high: number;

  constructor(sets: Sets) {
    this.permitted = sets.permitted;
    this.inheritable = sets.inheritable;
    this.ambient = sets.ambient;
    this.bounding = sets.bounding;
    this.keep = sets.keep;
    this.#low = Number(BigInt.asIntN(32, sets.effective));
    this.#high = Number(sets.effective >> 32n);
  }

  get effective(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low >>> 0);
  }

  /** Whether a capability is in force. */
  has(number: number): boolean {
    return ((number < 32 ? this.#low >>> number : this.#high >>> (number - 32)) & 1) !== 0;
  }

  #with(change: Partial<Sets>): Capabilities {
    const { permitted, effective, inheritable, ambient, bounding, keep } = this;
    return new Capabilities({ permitted, effective, inheritable, ambient, bounding, keep, ...change });
  }

  /** After the ids have changed (CP2). */
  idsChanged(from: Ids, to: Ids): Capabilities {
    let { permitted, effective, ambient } = this;
    const hadRoot = from.ruid === 0 || from.uid === 0 || from.svuid === 0;
    const hasRoot = to.ruid === 0 || to.uid === 0 || to.svuid === 0;
    if (hadRoot && !hasRoot) {
      ambient = 0n;
      if (!this.keep) permitted = effective = 0n;
    }
    if (from.uid === 0 && to.uid !== 0) effective = 0n;
    if (from.uid !== 0 && to.uid === 0) effective = permitted;
    return this.#with({ permitted, effective, ambient });
  }

  /** In force while access(2) asks for the real user: all that is permitted for the superuser, else nothing. */
  forRealUser(ruid: number): Capabilities {
    return this.#with({ effective: ruid === 0 ? this.permitted : 0n });
  }

  /** For a new image of a process with the ids of `to`. */
  executed(to: Ids): Capabilities {
    if (to.uid === 0 || to.ruid === 0) {
      const permitted = this.inheritable | this.bounding;
      return this.#with({ permitted, effective: to.uid === 0 ? permitted : 0n, ambient: 0n, keep: false });
    }
    return this.#with({ permitted: this.ambient, effective: this.ambient, keep: false });
  }

  /** capset(2). Throws EPERM for what the process does not have. */
  set(effective: bigint, permitted: bigint, inheritable: bigint): Capabilities {
    const [e, p, i] = [effective & ALL, permitted & ALL, inheritable & ALL];
    if ((p & ~this.permitted) !== 0n || (e & ~p) !== 0n) throw EPERM;
    if (!this.has(CAP_SETPCAP) && (i & ~(this.inheritable | this.permitted)) !== 0n) throw EPERM;
    if ((i & ~(this.inheritable | this.bounding)) !== 0n) throw EPERM;
    return this.#with({ effective: e, permitted: p, inheritable: i, ambient: this.ambient & p & i });
  }

  /** PR_SET_KEEPCAPS. */
  keeping(keep: boolean): Capabilities {
    return this.#with({ keep });
  }

  /** The bit of a capability's number. Throws EINVAL. */
  static bit(number: number): bigint {
    if (number < 0 || number > CAP_LAST) throw EINVAL;
    return 1n << BigInt(number);
  }

  /** PR_CAPBSET_DROP. Throws EPERM, EINVAL. */
  dropBounding(number: number): Capabilities {
    if (!this.has(CAP_SETPCAP)) throw EPERM;
    return this.#with({ bounding: this.bounding & ~Capabilities.bit(number) });
  }

  /** PR_CAP_AMBIENT_RAISE. Throws EPERM, EINVAL. */
  raiseAmbient(number: number): Capabilities {
    const bit = Capabilities.bit(number);
    if ((this.permitted & this.inheritable & bit) === 0n) throw EPERM;
    return this.#with({ ambient: this.ambient | bit });
  }

  /** PR_CAP_AMBIENT_LOWER (`bits` of one) and PR_CAP_AMBIENT_CLEAR_ALL. */
  lowerAmbient(bits: bigint): Capabilities {
    return this.#with({ ambient: this.ambient & ~bits });
  }

  static readonly FULL: Capabilities = new Capabilities({
    ...{ permitted: ALL, effective: ALL, inheritable: 0n, ambient: 0n, bounding: ALL, keep: false },
  });
  static readonly NONE: Capabilities = new Capabilities({
    ...{ permitted: 0n, effective: 0n, inheritable: 0n, ambient: 0n, bounding: ALL, keep: false },
  });
}

/** Whether a process with these credentials has the right of a capability. */
export function capable(cred: Pick<Ucred, "caps">, number: number): boolean {
  return cred.caps.has(number);
}
