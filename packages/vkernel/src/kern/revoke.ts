// SPDX-License-Identifier: BSD-3-Clause
/**
 * revoke(2): takes a device away from all who have it open (DragonFly 2.0 sys/kern/{vfs_syscalls,vfs_subr}.c,
 * sys/vfs/deadfs/dead_vnops.c).
 */
import { EBADF, EINVAL, EIO } from "../sys/errno.ts";
import { knote, NOTE_REVOKE } from "../sys/event.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { Cdev } from "../dev/cdev.ts";
import { NLC_FOLLOW } from "../vfs/nlookup.ts";
import { VBLK, VCHR } from "../vfs/vnode.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import { suser } from "./prot.ts";
import { withPath } from "./sys-vfs.ts";
import { VnodeFile } from "./vnode-file.ts";

/** What an open file has instead of a device that was revoked: terminals are at their end, others broken. */
class DeadDev extends Cdev {
  private readonly wasTty: boolean;
  constructor(dev: Cdev) {
    super(dev.name, dev.rdev, dev.mode);
    this.wasTty = dev.tty !== null;
  }
  override read(): number {
    if (!this.wasTty) throw EIO;
    return 0;
  }
  override write(): number {
    throw EIO;
  }
  override ioctl(): number {
    throw EBADF;
  }
  override poll(events: number): number {
    return POLLHUP | (events & (POLLIN | POLLRDNORM | POLLOUT));
  }
}

/** Replaces the device in all open files; whoever waits for it sees that it is gone. */
function revokeDevice(k: Kernel, rdev: number): void {
  for (const p of k.procs.values()) {
    if (p.fd === null) continue;
    for (const fp of p.fd.files) {
      if (!(fp instanceof VnodeFile) || fp.dev === null || fp.dev.rdev !== rdev || fp.dev instanceof DeadDev) continue;
      const { dev } = fp;
      fp.replaceDevice(new DeadDev(dev));
      dev.channel(false)?.wakeup();
      dev.channel(true)?.wakeup();
      knote(fp.vp, NOTE_REVOKE);
    }
  }
}

/** revoke(2): the owner's and the superuser's, of a device. Throws EINVAL, EPERM. */
export function kernRevoke(lp: Lwp, path: string): number {
  return withPath(lp, AT_FDCWD, path, NLC_FOLLOW, (vp) => {
    if (vp.type !== VCHR && vp.type !== VBLK) throw EINVAL;
    const va = vp.getattr();
    if (lp.proc.cred.uid !== va.uid) suser(lp.proc);
    revokeDevice(lp.k, va.rdev);
    return 0;
  });
}
