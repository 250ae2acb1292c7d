// SPDX-License-Identifier: BSD-3-Clause
/**
 * Capability sets as Linux keeps them for each process (capabilities(7); Linux security/commoncap.c). They are mostly
 * bookkeeping: rights go with the user id 0 in this kernel, whatever the sets say, and programs that give rights up find the
 * sets as they expect them. The two that programs carry through a change of user, to change the groups afterwards, count.
 *
 * Invariants
 *   CP1  effective ⊆ permitted ⊆ ALL; ambient ⊆ permitted ∩ inheritable; bounding only shrinks.
 *   CP2  A process whose ids all leave 0 loses its ambient set, and the permitted and effective ones unless it asked to keep
 *        them.
 * @module
 */
import { EINVAL, EPERM } from "../sys/errno.ts";
import type { Ucred } from "../sys/ucred.ts";

/** CAP_LAST_CAP of Linux 5.10 (CAP_CHECKPOINT_RESTORE). */
export const CAP_LAST = 40;
const ALL = (1n << BigInt(CAP_LAST + 1)) - 1n;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_SETGID = 6;
export const CAP_SETUID = 7;
const CAP_SETPCAP = 1n << 8n;
export const CAP_SETFCAP = 31;

export class Capabilities {
  permitted: bigint;
  effective: bigint;
  inheritable = 0n;
  ambient = 0n;
  bounding = ALL;
  /** PR_SET_KEEPCAPS: the next change of user keeps the permitted set. */
  keep = false;

  constructor(superuser: boolean) {
    this.permitted = this.effective = superuser ? ALL : 0n;
  }

  /** Whether a capability is in force. */
  has(number: number): boolean {
    return (this.effective & (1n << BigInt(number))) !== 0n;
  }

  copy(): Capabilities {
    return Object.assign(new Capabilities(false), this);
  }

  /** The user ids have changed (CP2). */
  idsChanged(from: Ucred, to: Ucred): void {
    const hadRoot = from.ruid === 0 || from.uid === 0 || from.svuid === 0;
    const hasRoot = to.ruid === 0 || to.uid === 0 || to.svuid === 0;
    if (hadRoot && !hasRoot) {
      this.ambient = 0n;
      if (!this.keep) this.permitted = this.effective = 0n;
    }
    if (from.uid === 0 && to.uid !== 0) this.effective = 0n;
    if (from.uid !== 0 && to.uid === 0) this.effective = this.permitted;
  }

  /** A new image begins. */
  executed(cred: Ucred): void {
    this.keep = false;
    if (cred.uid === 0 || cred.ruid === 0) {
      this.permitted = this.inheritable | this.bounding;
      this.effective = cred.uid === 0 ? this.permitted : 0n;
      this.ambient = 0n;
    } else this.permitted = this.effective = this.ambient;
  }

  /** capset(2). Throws EPERM for what the process does not have. */
  set(effective: bigint, permitted: bigint, inheritable: bigint): void {
    const mayGive = (this.effective & CAP_SETPCAP) !== 0n ? this.bounding : 0n;
    const [e, p, i] = [effective & ALL, permitted & ALL, inheritable & ALL];
    if ((p & ~this.permitted) !== 0n || (e & ~p) !== 0n) throw EPERM;
    if ((i & ~(this.inheritable | this.permitted | mayGive)) !== 0n) throw EPERM;
    this.permitted = p;
    this.effective = e;
    this.inheritable = i;
    this.ambient &= p & i;
  }

  /** The bit of a capability's number. Throws EINVAL. */
  static bit(number: number): bigint {
    if (number < 0 || number > CAP_LAST) throw EINVAL;
    return 1n << BigInt(number);
  }

  /** PR_CAPBSET_DROP. Throws EPERM, EINVAL. */
  dropBounding(number: number): void {
    const bit = Capabilities.bit(number);
    if ((this.effective & CAP_SETPCAP) === 0n) throw EPERM;
    this.bounding &= ~bit;
  }

  /** PR_CAP_AMBIENT_RAISE. Throws EPERM, EINVAL. */
  raiseAmbient(number: number): void {
    const bit = Capabilities.bit(number);
    if ((this.permitted & this.inheritable & bit) === 0n) throw EPERM;
    this.ambient |= bit;
  }
}
