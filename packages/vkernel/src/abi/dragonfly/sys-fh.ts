// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly calls on file handles, the superuser's: names of files that last over restarts (DragonFly 2.0
 * sys/kern/vfs_syscalls.c; sys/sys/mount.h, struct fhandle and struct fid).
 */
import { EINVAL, ESTALE } from "../../sys/errno.ts";
import { AT_FDCWD, O_CREAT, O_PATH } from "../../sys/fcntl.ts";
import type { Mount, Statfs } from "../../vfs/mount.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import type { Vattr, Vnode } from "../../vfs/vnode.ts";
import { vrele } from "../../vfs/vnode.ts";
import { fdrop } from "../../kern/file.ts";
import type { Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { openFid } from "../../kern/sys-fh.ts";
import { withPath } from "../../kern/sys-vfs.ts";
import { hex, partial, path, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { encodeStat, encodeStat12, encodeStatfs, encodeStatvfs, getBytes, getPath, putBytes } from "./guest-struct.ts";

/** struct fhandle: the mount's number in two words; then struct fid: a length, and the file system's bytes. */
const FHANDLE_SIZE = 28;
const FID_AT = 8;
const FID_MAX = FHANDLE_SIZE - FID_AT - 2;

function sysGetfh(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  return withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_FOLLOW, (vp, nch) => {
    const fid = nch.mount.fid(vp);
    if (fid.length > FID_MAX) throw EINVAL;
    const b = new Uint8Array(FHANDLE_SIZE);
    const dv = new DataView(b.buffer);
    dv.setUint32(0, nch.mount.fsid, true);
    dv.setUint16(FID_AT, fid.length, true);
    b.set(fid, FID_AT + 2);
    putBytes(lp, a[1]!, b);
    return 0;
  });
}

/** What a handle says: a file system, and a file's id in it. Throws EPERM, EFAULT, ESTALE. */
function handleAt(lp: Lwp, uaddr: number): { mount: Mount; fid: Uint8Array } {
  suser(lp.proc);
  const b = getBytes(lp, uaddr, FHANDLE_SIZE);
  const dv = new DataView(b.buffer);
  const mount = lp.k.mounts.list.find((m) => m.fsid === dv.getUint32(0, true));
  if (mount === undefined) throw ESTALE;
  return { mount, fid: b.slice(FID_AT + 2, FID_AT + 2 + dv.getUint16(FID_AT, true)) };
}
const about = (answer: (vp: Vnode, mount: Mount) => Uint8Array) => (lp: Lwp, a: Int32Array): number => {
  const { mount, fid } = handleAt(lp, a[0]!);
  const vp = mount.vnodeOfFid(fid);
  try {
    putBytes(lp, a[1]!, answer(vp, mount));
    return 0;
  } finally {
    vrele(vp);
  }
};
const stat = (encode: (va: Vattr) => Uint8Array) => about((vp) => encode(vp.getattr()));
const statfs = (encode: (mount: Mount, st: Statfs) => Uint8Array) => about((_vp, mount) => encode(mount, mount.statfs()));

/** fhopen(handle, flags): the file has no name that would be known. */
function sysFhopen(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const flags = a[1]! & ~O_PATH;
  const NO_ACCESS = 3;
  if ((flags & NO_ACCESS) === NO_ACCESS || (flags & O_CREAT) !== 0) throw EINVAL;
  const { mount, fid } = handleAt(lp, a[0]!);
  const fp = openFid(lp, mount, fid, flags);
  try {
    return lp.proc.fd!.install(lp, fp, false);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

const NOTE = "files of hammer and tmpfs; those of hammer last over restarts";
export const FH_ROWS: readonly Sysent[] = [
  plain(161, "getfh", [path, uptr], sysGetfh),
  plain(297, "fhstatfs", [uptr, uptr], statfs(encodeStatfs)),
  plain(298, "fhopen", [uptr, hex], sysFhopen),
  plain(299, "dfbsd12_fhstat", [uptr, uptr], stat(encodeStat12)),
  plain(478, "fhstat", [uptr, uptr], stat(encodeStat)),
  plain(502, "fhstatvfs", [uptr, uptr], statfs(encodeStatvfs)),
].map((row) => partial(row, NOTE));
