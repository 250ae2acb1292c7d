// SPDX-License-Identifier: BSD-3-Clause
/** inotify calls (Linux fs/notify/inotify/inotify_user.c). */
import { EACCES, EINVAL, EMFILE, ENOTDIR } from "../../sys/errno.ts";
import { AT_FDCWD, O_NONBLOCK } from "../../sys/fcntl.ts";
import { VREAD } from "../../sys/ucred.ts";
import { fdrop } from "../../kern/file.ts";
import { IN_ALL_EVENTS, IN_MASK_ADD, IN_MASK_CREATE, InotifyFile } from "../../kern/inotify.ts";
import type { Lwp } from "../../kern/proc.ts";
import { fd, hex, int, partial, path, plain, type Sysent } from "../../kern/sysent.ts";
import { withPath } from "../../kern/sys-vfs.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { VDIR } from "../../vfs/vnode.ts";
import { pathArg } from "./file-flags.ts";

const IN_CLOEXEC = 0o2000000;
const IN_NONBLOCK = 0o4000;
const IN_ONLYDIR = 0x0100_0000;
const IN_DONT_FOLLOW = 0x0200_0000;
const IN_EXCL_UNLINK = 0x0400_0000;
const IN_ONESHOT = 0x8000_0000 | 0;
const KNOWN = IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ONESHOT | 0xf000 | 0x4000_0000;

function init(lp: Lwp, flags: number): number {
  if ((flags & ~(IN_CLOEXEC | IN_NONBLOCK)) !== 0) throw EINVAL;
  const fdp = lp.proc.fd!;
  if (fdp.files.filter((fp) => fp instanceof InotifyFile).length >= lp.k.tunables.inotifyInstances) throw EMFILE;
  const fp = new InotifyFile((flags & IN_NONBLOCK) !== 0 ? O_NONBLOCK : 0);
  try {
    return fdp.install(lp, fp, (flags & IN_CLOEXEC) !== 0);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

/** The instance of a descriptor. Throws EBADF, EINVAL. */
function instance(lp: Lwp, d: number): InotifyFile {
  const fp = lp.proc.fd!.get(d);
  if (!(fp instanceof InotifyFile)) throw EINVAL;
  return fp;
}

function sysAddWatch(lp: Lwp, a: Int32Array): number {
  const mask = a[2]!;
  if ((mask & IN_ALL_EVENTS) === 0 || (mask & ~KNOWN) !== 0) throw EINVAL;
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) throw EINVAL;
  const fp = instance(lp, a[0]!);
  return withPath(lp, AT_FDCWD, pathArg(lp, a[1]!), (mask & IN_DONT_FOLLOW) !== 0 ? 0 : NLC_FOLLOW, (vp) => {
    if ((mask & IN_ONLYDIR) !== 0 && vp.type !== VDIR) throw ENOTDIR;
    if (!vp.access(VREAD, lp.proc.cred)) throw EACCES;
    return fp.add(vp, mask);
  });
}

export const INOTIFY_ROWS: readonly Sysent[] = [
  plain(291, "inotify_init", [], (lp) => init(lp, 0)),
  partial(plain(292, "inotify_add_watch", [fd, path, hex], sysAddWatch), "an open file that loses its last name is reported deleted at once; no IN_UNMOUNT"),
  plain(293, "inotify_rm_watch", [fd, int], (lp, a) => {
    instance(lp, a[0]!).removeWd(a[1]!);
    return 0;
  }),
  plain(332, "inotify_init1", [hex], (lp, a) => init(lp, a[0]!)),
];
