// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly calls that administer file systems: mountctl, quotas, access lists, extended attributes, swap, revoke
 * (DragonFly 2.0 sys/kern/{vfs_syscalls,vfs_journal,kern_acl}.c, sys/vm/vm_swap.c).
 *
 * No file system here has access lists, quotas or whiteouts: those calls find the file, check what they are given, and fail as they
 * do on HAMMER.
 */
import { E2BIG, EINVAL, ENAMETOOLONG, ENOENT, ENOSPC, EOPNOTSUPP, EPERM } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { MNT_LOCAL, MNT_NOATIME, MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, MNT_SYNCHRONOUS, type Mount } from "../../vfs/mount.ts";
import { NLC_FOLLOW, NLC_NAME } from "../../vfs/nlookup.ts";
import type { Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { kernRevoke } from "../../kern/revoke.ts";
import { kernSwapoff, kernSwapon } from "../../kern/sys-swap.ts";
import { vnodeOfFd } from "../../kern/sys-vfs-attr.ts";
import { kernStatfs } from "../../kern/sys-vfs-mount.ts";
import { checkWritableMount, withPath } from "../../kern/sys-vfs.ts";
import {
  kernGetxattr, kernRemovexattr, kernSetxattr, TRUSTED_NAMESPACE, USER_NAMESPACE, XATTR_NAME_MAX, XATTR_SIZE_MAX,
} from "../../kern/sys-xattr.ts";
import { copyinstr } from "../../vm/copyio.ts";
import { fd, int, partial, path, plain, size, type Sysent, uptr } from "../../kern/sysent.ts";
import { encodeStatvfs, getBytes, getPath, putBytes } from "./guest-struct.ts";

// ---------------------------------------------------------------------------------------------------------
// mountctl

const MOUNTCTL_STATUS_VFS_JOURNAL = 4;
const MOUNTCTL_STATVFS = 17;
const MOUNTCTL_MOUNTFLAGS = 18;
const CTLLEN_MAX = 1024;
const BUFLEN_MAX = 16_384;
/** struct mountctl_status_journal: a name and an index; this index means all journals. */
const STATUS_JOURNAL_SIZE = 36;
const JOURNAL_INDEX_ALL = -2;

/** Names of mount flags, as mount(8) shows them. */
const FLAG_NAMES: readonly (readonly [flag: number, name: string])[] = [
  [MNT_LOCAL, "local"],
  [MNT_NOATIME, "noatime"],
  [MNT_NODEV, "nodev"],
  [MNT_NOEXEC, "noexec"],
  [MNT_NOSUID, "nosuid"],
  [MNT_RDONLY, "read-only"],
  [MNT_SYNCHRONOUS, "synchronous"],
];
function flagNames(flags: number, room: number): Uint8Array {
  const names = FLAG_NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
  const text = names.join(", ");
  if (room < 1) throw EINVAL;
  if (text.length + 1 > room) throw ENOSPC;
  return Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0));
}

/** The answer to one operation on a mount. Throws EOPNOTSUPP. */
function control(mount: Mount, op: number, ctl: Uint8Array, room: number): Uint8Array {
  switch (op) {
    case MOUNTCTL_STATVFS: {
      const b = encodeStatvfs(mount, mount.statfs());
      if (room < b.length) throw EINVAL;
      return b;
    }
    case MOUNTCTL_MOUNTFLAGS:
      return flagNames(mount.flags, room);
    case MOUNTCTL_STATUS_VFS_JOURNAL: {
      if (ctl.length !== STATUS_JOURNAL_SIZE) throw EINVAL;
      if (new DataView(ctl.buffer).getInt32(32, true) !== JOURNAL_INDEX_ALL) throw ENOENT;
      return new Uint8Array(0);
    }
    default:
      throw EOPNOTSUPP;
  }
}

/** mountctl(path, op, fd, ctl, ctllen, buf, buflen): the result is the number of bytes put into `buf`. */
function sysMountctl(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const [ctllen, buflen] = [a[4]!, a[6]!];
  if (ctllen < 0 || ctllen > CTLLEN_MAX || buflen < 0 || buflen > BUFLEN_MAX || a[0] === 0) throw EINVAL;
  const at = getPath(lp, a[0]!);
  const ctl = getBytes(lp, a[3]!, ctllen);
  if (a[2]! >= 0) lp.proc.fd!.get(a[2]!);
  return withPath(lp, AT_FDCWD, at, NLC_FOLLOW, (_vp, nch) => {
    if (nch.mount.rootNch !== nch) throw EINVAL;
    const answer = control(nch.mount, a[1]!, ctl, buflen);
    putBytes(lp, a[5]!, answer);
    return answer.length;
  });
}

// ---------------------------------------------------------------------------------------------------------
// Access lists, attributes, quotas

/** struct acl: a count and 32 entries of 12 bytes. */
const ACL_SIZE = 4 + 32 * 12;
const unsupported = (): never => {
  throw EOPNOTSUPP;
};
/** (path, type, acl) and (fd, type, acl): `given` when the list is read from the program first. */
const aclOfPath = (given: boolean) => (lp: Lwp, a: Int32Array): number =>
  withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_FOLLOW, () => {
    if (given) getBytes(lp, a[2]!, ACL_SIZE);
    return unsupported();
  });
const aclOfFd = (given: boolean) => (lp: Lwp, a: Int32Array): number => {
  vnodeOfFd(lp, a[0]!);
  if (given) getBytes(lp, a[2]!, ACL_SIZE);
  return unsupported();
};

const EXTATTR_NAMESPACE_USER = 1;
const EXTATTR_NAMESPACE_SYSTEM = 2;

/**
 * An attribute's name with its namespace, as file systems keep it. "system" is the superuser's alone here, which Linux calls trusted.
 * Throws EPERM for other namespaces (UFS, ufs_extattr_credcheck()), EINVAL, EFAULT.
 */
function extattrName(lp: Lwp, namespace: number, uaddr: number): string {
  const name = copyinstr(lp.proc.vmspace!, uaddr, XATTR_NAME_MAX + 1);
  if (name === "") throw EINVAL;
  if (namespace !== EXTATTR_NAMESPACE_USER && namespace !== EXTATTR_NAMESPACE_SYSTEM) throw EPERM;
  const whole = (namespace === EXTATTR_NAMESPACE_USER ? USER_NAMESPACE : TRUSTED_NAMESPACE) + name;
  if (whole.length > XATTR_NAME_MAX) throw ENAMETOOLONG;
  return whole;
}

/** extattr_set_file(path, namespace, name, data, nbytes): the result is 0, whatever the manual says. */
function sysExtattrSet(lp: Lwp, a: Int32Array): number {
  const name = extattrName(lp, a[1]!, a[2]!);
  return withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_FOLLOW, (vp) => {
    const length = a[4]!;
    if (length < 0) throw EINVAL;
    if (length > XATTR_SIZE_MAX) throw E2BIG;
    kernSetxattr(lp.proc, vp, name, getBytes(lp, a[3]!, length), "set");
    return 0;
  });
}

/** extattr_get_file(path, namespace, name, data, nbytes): as many bytes as there is room for; their number is the result. */
function sysExtattrGet(lp: Lwp, a: Int32Array): number {
  const name = extattrName(lp, a[1]!, a[2]!);
  return withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_FOLLOW, (vp) => {
    if (a[4]! < 0) throw EINVAL;
    const value = kernGetxattr(lp.proc, vp, name).subarray(0, a[4]!);
    putBytes(lp, a[3]!, value);
    return value.length;
  });
}

function sysExtattrDelete(lp: Lwp, a: Int32Array): number {
  const name = extattrName(lp, a[1]!, a[2]!);
  withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_FOLLOW, (vp) => kernRemovexattr(lp.proc, vp, name));
  return 0;
}

/** A file that was removed comes back only where file systems know whiteouts. */
function sysUndelete(lp: Lwp, a: Int32Array): number {
  return withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_NAME, (vp) => {
    checkWritableMount(vp);
    return unsupported();
  });
}

// ---------------------------------------------------------------------------------------------------------
// Swap

const SWAP_NOTE = "disks given to the machine for swap space";

const NO_LISTS = "no file system has access lists: EOPNOTSUPP, as on HAMMER";
const ATTRIBUTES_NOTE = "the arguments of 2.6 and later";
export const ADMIN_ROWS: readonly Sysent[] = [
  plain(56, "revoke", [path], (lp, a) => kernRevoke(lp, getPath(lp, a[0]!))),
  partial(plain(85, "swapon", [path], (lp, a) => kernSwapon(lp, getPath(lp, a[0]!), false)), SWAP_NOTE),
  partial(
    plain(148, "quotactl", [path, int, int, uptr], (lp, a) => (kernStatfs(lp, getPath(lp, a[0]!)), unsupported())),
    "no file system has quotas: EOPNOTSUPP, as on HAMMER",
  ),
  partial(plain(205, "undelete", [path], sysUndelete), "no file system has whiteouts: EOPNOTSUPP, as on HAMMER"),
  partial(plain(347, "__acl_get_file", [path, int, uptr], aclOfPath(false)), NO_LISTS),
  partial(plain(348, "__acl_set_file", [path, int, uptr], aclOfPath(true)), NO_LISTS),
  partial(plain(349, "__acl_get_fd", [fd, int, uptr], aclOfFd(false)), NO_LISTS),
  partial(plain(350, "__acl_set_fd", [fd, int, uptr], aclOfFd(true)), NO_LISTS),
  partial(plain(351, "__acl_delete_file", [path, int], aclOfPath(false)), NO_LISTS),
  partial(plain(352, "__acl_delete_fd", [fd, int], aclOfFd(false)), NO_LISTS),
  partial(plain(353, "__acl_aclcheck_file", [path, int, uptr], aclOfPath(true)), NO_LISTS),
  partial(plain(354, "__acl_aclcheck_fd", [fd, int, uptr], aclOfFd(true)), NO_LISTS),
  partial(
    plain(355, "extattrctl", [path, int, uptr, uptr], (lp, a) => (kernStatfs(lp, getPath(lp, a[0]!)), unsupported())),
    "no file system is told to begin or to end keeping attributes: EOPNOTSUPP, as on HAMMER",
  ),
  partial(plain(356, "extattr_set_file", [path, int, path, uptr, size], sysExtattrSet), ATTRIBUTES_NOTE),
  partial(plain(357, "extattr_get_file", [path, int, path, uptr, size], sysExtattrGet), ATTRIBUTES_NOTE),
  partial(plain(358, "extattr_delete_file", [path, int, path], sysExtattrDelete), ATTRIBUTES_NOTE),
  partial(plain(468, "mountctl", [path, int, fd, uptr, size, uptr, size], sysMountctl), "mount flags and statvfs; no journals, no exports"),
  partial(plain(529, "swapoff", [path], (lp, a) => kernSwapoff(lp, getPath(lp, a[0]!))), SWAP_NOTE),
  partial(plain(530, "vquotactl", [path, uptr], unsupported), "as with sysctl vfs.quota_enabled 0: EOPNOTSUPP"),
];
