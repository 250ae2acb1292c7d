// SPDX-License-Identifier: BSD-3-Clause
/**
 * `@@` names: a path component followed by `@@0x<16 hex digits>` or `@@-1`, then optionally `:<5 digits>`, names
 * an object as of a transaction id and in a pseudo file system.
 *
 * Anything else that contains "@@" is an ordinary name. Source: DragonFly sys/vfs/hammer/hammer_subs.c,
 * hammer_str_to_tid(), and hammer_vnops.c.
 * @module
 */

/** As-of value of the present (HAMMER_MAX_TID). */
export const MAX_TID = 0xffff_ffff_ffff_ffffn;

/** A parsed `@@` suffix. */
export interface Xlink {
  /** What stands before the "@@"; empty means the directory itself, or the root of `pfs`. */
  name: string;
  tid: bigint;
  /** Pseudo file system named by the suffix, or null if it names none. */
  pfs: number | null;
}

const XLINK = /^(?:-1|0[xX][0-9a-fA-F]{16})(?::[0-9]{5})?$/;

/** Takes a path component apart, or returns null if it has no well-formed `@@` suffix. */
export function parseXlink(component: string): Xlink | null {
  const at = component.indexOf("@@");
  if (at < 0) return null;
  const suffix = component.slice(at + 2);
  if (!XLINK.test(suffix)) return null;
  const [tid, pfs] = suffix.split(":");
  return {
    name: component.slice(0, at),
    tid: tid === "-1" ? MAX_TID : BigInt(`0x${tid!.slice(2)}`),
    pfs: pfs === undefined ? null : Number(pfs) & 0xffff,
  };
}

/** `@@PFS00001`: what is stored in the softlink that stands for a pseudo file system. */
const PFS_LINK = /^@@PFS([0-9]{5})$/;

/** Number of the pseudo file system that a softlink target of PFS 0 stands for, or -1. */
export function pfsLinkId(target: string): number {
  const m = PFS_LINK.exec(target);
  return m ? Number(m[1]) : -1;
}

/** What reading the softlink of a pseudo file system gives: the present for a master, `tid` for a slave. */
export function expandPfsLink(pfs: number, slaveTid: bigint | null): string {
  const id = String(pfs).padStart(5, "0");
  return slaveTid === null ? `@@-1:${id}` : `@@0x${slaveTid.toString(16).padStart(16, "0")}:${id}`;
}
