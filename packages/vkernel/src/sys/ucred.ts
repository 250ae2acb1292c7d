// SPDX-License-Identifier: BSD-3-Clause
/** Credentials (DragonFly 2.0 sys/sys/ucred.h). Immutable: a change makes a new one, so it may be shared freely. */
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, Capabilities, capable } from "./capability.ts";

export interface Ucred {
  readonly uid: number;
  readonly ruid: number;
  readonly svuid: number;
  readonly gid: number;
  readonly rgid: number;
  readonly svgid: number;
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[];
  /** Rights beyond the user's own. */
  readonly caps: Capabilities;
}

/** Credentials of a user who begins: all ids the same, and the rights that go with them. */
export function ucredOf(uid: number, gid: number, groups: readonly number[] = []): Ucred {
  const caps = uid === 0 ? Capabilities.FULL : Capabilities.NONE;
  return { uid, ruid: uid, svuid: uid, gid, rgid: gid, svgid: gid, groups, caps };
}

export const ROOT_CRED: Ucred = ucredOf(0, 0);

export const VREAD = 4;
export const VWRITE = 2;
export const VEXEC = 1;

export function groupMember(gid: number, cred: Ucred): boolean {
  return cred.gid === gid || cred.groups.includes(gid);
}

/**
 * The classic permission check (DragonFly 2.0 sys/kern/vfs_subr.c, vaccess). `want` is a mask of VREAD, VWRITE
 * and VEXEC. Who may pass by the bits may do all but execute a file that nobody may execute.
 */
export function accessOk(
  mode: number,
  uid: number,
  gid: number,
  isDir: boolean,
  want: number,
  cred: Ucred,
): boolean {
  const shift = cred.uid === uid ? 6 : groupMember(gid, cred) ? 3 : 0;
  if (((mode >> shift) & want) === want) return true;
  if (capable(cred, CAP_DAC_OVERRIDE)) return (want & VEXEC) === 0 || isDir || (mode & 0o111) !== 0;
  return (isDir ? (want & VWRITE) === 0 : want === VREAD) && capable(cred, CAP_DAC_READ_SEARCH);
}
