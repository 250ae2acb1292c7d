// SPDX-License-Identifier: BSD-3-Clause
/**
 * User and group ids of processes (DragonFly 2.0 sys/kern/kern_prot.c; Linux kernel/sys.c). Credentials are
 * immutable and shared by all threads of a process; a change replaces them.
 *
 * Invariant
 *   C1  -1 (ID_KEEP) leaves an id as it is. Only who has the right to (the superuser) takes on ids that he does not have.
 * @module
 */
import { CAP_SETGID, CAP_SETUID, capable } from "../sys/capability.ts";
import { EINVAL, EPERM } from "../sys/errno.ts";
import type { Ucred } from "../sys/ucred.ts";
import type { Proc } from "./proc.ts";
import { P_SUGID } from "./proc.ts";

export const ID_KEEP = -1;
/** Most supplementary groups. */
export const NGROUPS_MAX = 65536;

const mayChangeUsers = (p: Proc): boolean => capable(p.cred, CAP_SETUID);
export const mayChangeGroups = (p: Proc): boolean => capable(p.cred, CAP_SETGID);

function change(p: Proc, to: Partial<Ucred>): void {
  const before = p.cred;
  const after = { ...before, ...to };
  p.cred = { ...after, caps: before.caps.idsChanged(before, after) };
  p.flags |= P_SUGID;
  p.dumpable = 0;
}

/** setuid(2): the superuser sets all three ids, others the effective one to the real or saved. Throws EPERM. */
export function setuid(p: Proc, uid: number): void {
  const c = p.cred;
  if (mayChangeUsers(p)) change(p, { ruid: uid, uid, svuid: uid });
  else if (uid === c.ruid || uid === c.svuid) {
    if (uid !== c.uid) change(p, { uid });
  } else throw EPERM;
}
export function setgid(p: Proc, gid: number): void {
  const c = p.cred;
  if (mayChangeGroups(p)) change(p, { rgid: gid, gid, svgid: gid });
  else if (gid === c.rgid || gid === c.svgid) {
    if (gid !== c.gid) change(p, { gid });
  } else throw EPERM;
}

/** setreuid(2): the saved id follows the effective one when the real id is set or differs from it. */
export function setreuid(p: Proc, ruid: number, euid: number): void {
  const c = p.cred;
  if (!mayChangeUsers(p)) {
    if (ruid !== ID_KEEP && ruid !== c.ruid && ruid !== c.uid) throw EPERM;
    if (euid !== ID_KEEP && euid !== c.ruid && euid !== c.uid && euid !== c.svuid) throw EPERM;
  }
  const nr = ruid === ID_KEEP ? c.ruid : ruid;
  const ne = euid === ID_KEEP ? c.uid : euid;
  const ns = ruid !== ID_KEEP || (euid !== ID_KEEP && ne !== c.ruid) ? ne : c.svuid;
  change(p, { ruid: nr, uid: ne, svuid: ns });
}
export function setregid(p: Proc, rgid: number, egid: number): void {
  const c = p.cred;
  if (!mayChangeGroups(p)) {
    if (rgid !== ID_KEEP && rgid !== c.rgid && rgid !== c.gid) throw EPERM;
    if (egid !== ID_KEEP && egid !== c.rgid && egid !== c.gid && egid !== c.svgid) throw EPERM;
  }
  const nr = rgid === ID_KEEP ? c.rgid : rgid;
  const ne = egid === ID_KEEP ? c.gid : egid;
  const ns = rgid !== ID_KEEP || (egid !== ID_KEEP && ne !== c.rgid) ? ne : c.svgid;
  change(p, { rgid: nr, gid: ne, svgid: ns });
}

export function setresuid(p: Proc, ruid: number, euid: number, suid: number): void {
  const c = p.cred;
  const has = (id: number): boolean => id === ID_KEEP || id === c.ruid || id === c.uid || id === c.svuid;
  if (!mayChangeUsers(p) && !(has(ruid) && has(euid) && has(suid))) throw EPERM;
  change(p, {
    ruid: ruid === ID_KEEP ? c.ruid : ruid,
    uid: euid === ID_KEEP ? c.uid : euid,
    svuid: suid === ID_KEEP ? c.svuid : suid,
  });
}
export function setresgid(p: Proc, rgid: number, egid: number, sgid: number): void {
  const c = p.cred;
  const has = (id: number): boolean => id === ID_KEEP || id === c.rgid || id === c.gid || id === c.svgid;
  if (!mayChangeGroups(p) && !(has(rgid) && has(egid) && has(sgid))) throw EPERM;
  change(p, {
    rgid: rgid === ID_KEEP ? c.rgid : rgid,
    gid: egid === ID_KEEP ? c.gid : egid,
    svgid: sgid === ID_KEEP ? c.svgid : sgid,
  });
}

/** setgroups(2): superuser only; throws EPERM, EINVAL. */
export function setgroups(p: Proc, groups: readonly number[]): void {
  if (!mayChangeGroups(p)) throw EPERM;
  if (groups.length > NGROUPS_MAX) throw EINVAL;
  change(p, { groups: [...groups] });
}

/** Throws EPERM unless the process has the right of a capability. */
export function need(p: Proc, capability: number): void {
  if (!capable(p.cred, capability)) throw EPERM;
}

/** Throws EPERM unless the process is the superuser's: DragonFly's notion of privilege. */
export function suser(p: Proc): void {
  if (p.cred.uid !== 0) throw EPERM;
}
