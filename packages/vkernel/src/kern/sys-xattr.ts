// SPDX-License-Identifier: BSD-3-Clause
/**
 * Extended attributes: who may look at and change which (Linux fs/xattr.c, security/commoncap.c; xattr(7)). Names begin with
 * their namespace, as Linux has them; the calls of DragonFly say the namespace in a number, and come here too.
 *
 *   user.      regular files and directories only; rights are those of the contents. In a sticky directory's place, its owner's
 *   trusted.   the superuser's; others do not see it
 *   security.  may be read by all and set with CAP_SYS_ADMIN; file capabilities (security.capability) by CAP_SETFCAP
 *   system.    none: there are no access lists
 */
import { CAP_FOWNER, CAP_SETFCAP, CAP_SYS_ADMIN, capable } from "../sys/capability.ts";
import { EACCES, EEXIST, EINVAL, ENOATTR, EOPNOTSUPP, EPERM } from "../sys/errno.ts";
import { NOTE_ATTRIB } from "../sys/event.ts";
import { S_ISTXT, SF_APPEND, SF_IMMUTABLE, UF_APPEND, UF_IMMUTABLE } from "../sys/stat.ts";
import { VREAD, VWRITE } from "../sys/ucred.ts";
import { vnodeNote } from "../vfs/notify.ts";
import { VDIR, type Vnode, VREG, type XattrMode } from "../vfs/vnode.ts";
import type { Proc } from "./proc.ts";
import { checkWritableMount } from "./sys-vfs.ts";

/** Bytes of the longest name, of the largest value, and of the names of all attributes of a file. */
export const XATTR_NAME_MAX = 255;
export const XATTR_SIZE_MAX = 65_536;
export const XATTR_LIST_MAX = 65_536;

export const USER_NAMESPACE = "user.";
export const TRUSTED_NAMESPACE = "trusted.";
const SECURITY_NAMESPACE = "security.";
const SYSTEM_NAMESPACE = "system.";
const KEPT = [USER_NAMESPACE, TRUSTED_NAMESPACE, SECURITY_NAMESPACE];
const FILE_CAPABILITIES = "security.capability";
const UNCHANGEABLE = UF_IMMUTABLE | SF_IMMUTABLE | UF_APPEND | SF_APPEND;

/** xattr_permission(). Throws EPERM, EACCES, ENOATTR for what is not to be seen. */
function checkRights(p: Proc, vp: Vnode, name: string, want: number): void {
  const { cred } = p;
  const changes = want === VWRITE;
  if (changes) {
    checkWritableMount(vp);
    if ((vp.getattr().flags & UNCHANGEABLE) !== 0) throw EPERM;
  }
  if (name.startsWith(SECURITY_NAMESPACE) || name.startsWith(SYSTEM_NAMESPACE)) return;
  if (name.startsWith(TRUSTED_NAMESPACE)) {
    if (!capable(cred, CAP_SYS_ADMIN)) throw changes ? EPERM : ENOATTR;
    return;
  }
  if (name.startsWith(USER_NAMESPACE)) {
    if (vp.type !== VREG && vp.type !== VDIR) throw changes ? EPERM : ENOATTR;
    if (changes && vp.type === VDIR && !capable(cred, CAP_FOWNER)) {
      const { mode, uid } = vp.getattr();
      if ((mode & S_ISTXT) !== 0 && uid !== cred.uid) throw EPERM;
    }
  }
  if (!vp.access(want, cred)) throw EACCES;
}

/** What of security. may be changed. Throws EPERM. */
function checkSecurity(p: Proc, name: string): void {
  if (!name.startsWith(SECURITY_NAMESPACE)) return;
  if (!capable(p.cred, name === FILE_CAPABILITIES ? CAP_SETFCAP : CAP_SYS_ADMIN)) throw EPERM;
}

/** Only names in namespaces that are kept. Throws EOPNOTSUPP; EINVAL for the namespace alone. */
function checkName(name: string): void {
  const namespace = KEPT.find((prefix) => name.startsWith(prefix));
  if (namespace === undefined) throw EOPNOTSUPP;
  if (name === namespace) throw EINVAL;
}

/** struct vfs_cap_data (Linux uapi/linux/capability.h): revision 2 has 20 bytes, 3 has 24. */
const VFS_CAP_SIZES: Readonly<Record<number, number>> = { 0x0200_0000: 20, 0x0300_0000: 24 };
const VFS_CAP_REVISION_MASK = 0xff00_0000;
/** Whether a value can be file capabilities. Throws EINVAL. */
function checkFileCapabilities(value: Uint8Array): void {
  const word = value.length < 4 ? 0 : new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  if (VFS_CAP_SIZES[(word & VFS_CAP_REVISION_MASK) >>> 0] !== value.length) throw EINVAL;
}

/**
 * Gives a file an attribute ("neither": only says whether it has one, in an error); the value is kept as it is, and nobody may change it afterwards. Throws EROFS, EPERM, EACCES, EOPNOTSUPP,
 * EINVAL, EEXIST and ENOATTR (the mode), and the file system's ENOSPC and E2BIG.
 */
export function kernSetxattr(p: Proc, vp: Vnode, name: string, value: Uint8Array, mode: XattrMode | "neither"): void {
  if (name === FILE_CAPABILITIES) checkFileCapabilities(value);
  checkRights(p, vp, name, VWRITE);
  checkSecurity(p, name);
  checkName(name);
  if (mode === "neither") throw vp.getXattr(name) === null ? ENOATTR : EEXIST;
  vp.setXattr(name, value, mode);
  vnodeNote(vp, NOTE_ATTRIB);
}

/** The value of an attribute, which is not to be changed. Throws ENOATTR, EACCES, EOPNOTSUPP, EINVAL. */
export function kernGetxattr(p: Proc, vp: Vnode, name: string): Uint8Array {
  checkRights(p, vp, name, VREAD);
  checkName(name);
  const value = vp.getXattr(name);
  if (value === null) throw ENOATTR;
  return value;
}

/** Removes an attribute. Throws ENOATTR, EROFS, EPERM, EACCES, EOPNOTSUPP, EINVAL. */
export function kernRemovexattr(p: Proc, vp: Vnode, name: string): void {
  checkRights(p, vp, name, VWRITE);
  checkSecurity(p, name);
  checkName(name);
  vp.removeXattr(name);
  vnodeNote(vp, NOTE_ATTRIB);
}

/** Names of the attributes that the process may know of, each with a NUL behind it. */
export function kernListxattr(p: Proc, vp: Vnode): string {
  let names = "";
  const all = capable(p.cred, CAP_SYS_ADMIN);
  for (const name of vp.listXattr()) if (all || !name.startsWith(TRUSTED_NAMESPACE)) names += `${name}\0`;
  return names;
}
