// SPDX-License-Identifier: BSD-3-Clause
/**
 * File handles for Linux programs (Linux fs/fhandle.c). struct file_handle: bytes of room or of handle, a type, the handle. The
 * handle is the file system's id of the file, filled up to words; its type is the length of the id.
 */
import { CAP_DAC_READ_SEARCH } from "../../sys/capability.ts";
import { EBADF, EINVAL, ELOOP, EOVERFLOW, ESTALE } from "../../sys/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_PATH } from "../../sys/fcntl.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { FifoFile } from "../../kern/fifo-file.ts";
import { fdrop, type File } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { need } from "../../kern/prot.ts";
import { openFid } from "../../kern/sys-fh.ts";
import { withPath } from "../../kern/sys-vfs.ts";
import { fd, hex, path, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import type { Mount } from "../../vfs/mount.ts";
import { NLC_EMPTY, NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { VLNK, vrele } from "../../vfs/vnode.ts";
import { copyin, copyout, fuword, suword } from "../../vm/copyio.ts";
import { AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, dirFd, nativeOpenFlags, pathArg } from "./file-flags.ts";

const MAX_HANDLE_SZ = 128;
const HEADER = 8;

/** name_to_handle_at(dirfd, path, handle, mount_id, flags). Throws EOVERFLOW when there is no room, having said how much it takes. */
function sysNameToHandleAt(lp: Lwp, a: Int32Array): number {
  const flags = a[4]!;
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) throw EINVAL;
  const follow = ((flags & AT_SYMLINK_FOLLOW) !== 0 ? NLC_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? NLC_EMPTY : 0);
  const vm = lp.proc.vmspace!;
  return withPath(lp, dirFd(a[0]!), pathArg(lp, a[1]!), follow, (vp, nch) => {
    const fid = nch.mount.fid(vp);
    const room = fuword(vm, a[2]!) >>> 0;
    fuword(vm, a[2]! + 4);
    if (room > MAX_HANDLE_SZ) throw EINVAL;
    const length = (fid.length + 3) & ~3;
    suword(vm, a[3]!, nch.mount.fsid);
    suword(vm, a[2]!, length);
    if (length > room) throw EOVERFLOW;
    suword(vm, a[2]! + 4, fid.length);
    const handle = new Uint8Array(length);
    handle.set(fid);
    copyout(vm, handle, 0, a[2]! + HEADER, length);
    return 0;
  });
}

/** The file system of a directory descriptor: any file of it will do. Throws EBADF. */
function mountOf(lp: Lwp, d: number): Mount {
  if (d === AT_FDCWD) return lp.proc.fd!.cdir.mount;
  const fp = lp.proc.fd!.get(d);
  if ((fp.flags & O_PATH) !== 0) throw EBADF;
  if (fp instanceof VnodeFile || fp instanceof FifoFile) return fp.nch.mount;
  throw ESTALE;
}

/** open_by_handle_at(mount_fd, handle, flags): the file, opened. Throws EPERM, EINVAL, EFAULT, EBADF, ESTALE, and what open(2) does. */
function openHandle(lp: Lwp, a: Int32Array): File {
  const vm = lp.proc.vmspace!;
  const length = fuword(vm, a[1]!) >>> 0;
  const type = fuword(vm, a[1]! + 4);
  if (length === 0 || length > MAX_HANDLE_SZ || type < 0) throw EINVAL;
  const handle = new Uint8Array(length);
  copyin(vm, a[1]! + HEADER, handle, 0, length);
  const mount = mountOf(lp, dirFd(a[0]!));
  need(lp.proc, CAP_DAC_READ_SEARCH);
  if (type === 0 || type > length) throw ESTALE;
  const fid = handle.subarray(0, type);
  const flags = nativeOpenFlags(a[2]!) & ~O_CREAT;
  if ((flags & O_PATH) === 0) refuseLink(mount, fid);
  return openFid(lp, mount, fid, flags);
}
function refuseLink(mount: Mount, fid: Uint8Array): void {
  const vp = mount.vnodeOfFid(fid);
  const isLink = vp.type === VLNK;
  vrele(vp);
  if (isLink) throw ELOOP;
}

function install(lp: Lwp, fp: File, flags: number): number {
  try {
    return lp.proc.fd!.install(lp, fp, (flags & O_CLOEXEC) !== 0);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}
function sysOpenByHandleAt(lp: Lwp, a: Int32Array): number {
  lp.proc.fd!.reserve(lp, 1);
  const fp = openHandle(lp, a);
  if (fp instanceof FifoFile && !fp.connected) {
    fdrop(fp, lp);
    return WOULDBLOCK;
  }
  return install(lp, fp, nativeOpenFlags(a[2]!));
}
function* openByHandleSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const fp = openHandle(lp, a);
  try {
    if (fp instanceof FifoFile) yield* fp.waitConnected(lp);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
  return install(lp, fp, nativeOpenFlags(a[2]!));
}

export const FILE_HANDLE_ROWS: readonly Sysent[] = [
  plain(341, "name_to_handle_at", [fd, path, uptr, uptr, hex], sysNameToHandleAt),
  sleeps(342, "open_by_handle_at", [fd, uptr, hex], sysOpenByHandleAt, openByHandleSlow),
];
