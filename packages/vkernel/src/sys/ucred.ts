// SPDX-License-Identifier: BSD-3-Clause
/** Credentials (DragonFly 2.0 sys/sys/ucred.h). Immutable: a change makes a new one, so it may be shared freely. */

export interface Ucred {
  readonly uid: number;
  readonly ruid: number;
  readonly svuid: number;
  readonly gid: number;
  readonly rgid: number;
  readonly svgid: number;
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[];
}

export const ROOT_CRED: Ucred = { uid: 0, ruid: 0, svuid: 0, gid: 0, rgid: 0, svgid: 0, groups: [] };

export const VREAD = 4;
export const VWRITE = 2;
export const VEXEC = 1;

export function groupMember(gid: number, cred: Ucred): boolean {
  return cred.gid === gid || cred.groups.includes(gid);
}

/**
 * The classic permission check (DragonFly 2.0 sys/kern/vfs_subr.c, vaccess). `want` is a mask of VREAD, VWRITE
 * and VEXEC. The superuser may do all but execute a file that nobody may execute.
 */
export function accessOk(
  mode: number,
  uid: number,
  gid: number,
  isDir: boolean,
  want: number,
  cred: Ucred,
): boolean {
  if (cred.uid === 0) return (want & VEXEC) === 0 || isDir || (mode & 0o111) !== 0;
  const shift = cred.uid === uid ? 6 : groupMember(gid, cred) ? 3 : 0;
  return ((mode >> shift) & want) === want;
}
