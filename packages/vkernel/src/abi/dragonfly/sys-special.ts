// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly calls that stand alone: accounting, profiling, UUIDs, NTP, resident images, checkpoints, jails (DragonFly 2.0
 * sys/kern/{kern_acct,subr_prof,kern_uuid,kern_ntptime,imgact_resident,kern_checkpoint,kern_jail}.c).
 */
import { EBADF, EEXIST, EINVAL, ENOENT, EOPNOTSUPP, EPERM } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { groupMember } from "../../sys/ucred.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { vref, vrele } from "../../vfs/vnode.ts";
import { kernAcct } from "../../kern/acct.ts";
import type { Lwp } from "../../kern/proc.ts";
import { kernProfil } from "../../kern/profil.ts";
import { suser } from "../../kern/prot.ts";
import { withPath } from "../../kern/sys-vfs.ts";
import { int, obsolete, partial, path, pid, plain, size, type Sysent, uaddr, uint, uptr } from "../../kern/sysent.ts";
import { getPath, getWords, putBytes, putWords } from "./guest-struct.ts";

// ---------------------------------------------------------------------------------------------------------
// UUIDs of version 1

const UUID_SIZE = 16;
const UUIDS_MAX = 2048;
/** 1582-10-15 to 1970-01-01 in units of 100 ns. */
const GREGORIAN = 0x01b2_1dd2_1381_4000n;

/** uuidgen(store, count): time, a random sequence number and a random node, as of a machine without Ethernet. */
function sysUuidgen(lp: Lwp, a: Int32Array): number {
  const count = a[1]!;
  if (count < 1 || count > UUIDS_MAX) throw EINVAL;
  const random = new Uint8Array(8);
  lp.k.machine.entropy(random);
  const b = new Uint8Array(count * UUID_SIZE);
  const dv = new DataView(b.buffer);
  const start = BigInt(Math.floor(lp.k.microtime())) * 10n + GREGORIAN;
  for (let i = 0; i < count; i++) {
    const at = i * UUID_SIZE;
    const time = start + BigInt(i);
    dv.setUint32(at, Number(time & 0xffff_ffffn), true);
    dv.setUint16(at + 4, Number((time >> 32n) & 0xffffn), true);
    dv.setUint16(at + 6, Number((time >> 48n) & 0xfffn) | 0x1000, true);
    b.set(random, at + 8);
    b[at + 8] = (random[0]! & 0x3f) | 0x80;
    b[at + 10] = random[2]! | 1;
  }
  putBytes(lp, a[0]!, b);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// NTP: the clock is the host's, and nobody disciplines it

const TIMEX_WORDS = 17;
const STA_UNSYNC = 0x40;
const TIME_ERROR = 5;
/** MAXFREQ 500 ns/s, scaled. */
const TOLERANCE = 500_000 * Math.trunc(65_536 / 1000);
/** struct timex: modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance, … */
function sysNtpAdjtime(lp: Lwp, a: Int32Array): number {
  const w = getWords(lp, a[0]!, TIMEX_WORDS);
  if (w[0] !== 0) suser(lp.proc);
  w.fill(0, 1);
  w[5] = STA_UNSYNC;
  w[7] = 1;
  w[8] = TOLERANCE;
  putWords(lp, a[0]!, ...w);
  return TIME_ERROR;
}

// ---------------------------------------------------------------------------------------------------------
// Resident images, checkpoints, jails

/** A registered program is loaded as any other: its pages and its decoded code stay in memory anyway. */
function sysRegister(lp: Lwp): number {
  suser(lp.proc);
  const { textvp } = lp.proc;
  const { residents } = lp.k;
  if (textvp === null) throw ENOENT;
  if (residents.has(textvp)) throw EEXIST;
  residents.set(vref(textvp), Math.max(0, ...residents.values()) + 1);
  return 0;
}
/** exec_sys_unregister(id): -1 is the caller's own program, -2 all of them; returns how many went. */
function sysUnregister(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const { residents } = lp.k;
  const { textvp } = lp.proc;
  const id = a[0] === -1 && textvp !== null ? (residents.get(textvp) ?? -1) : a[0]!;
  let n = 0;
  for (const [vp, of] of residents) {
    if (id !== -2 && of !== id) continue;
    residents.delete(vp);
    vrele(vp);
    n++;
  }
  if (n === 0) throw ENOENT;
  return n;
}

const CKPT_FREEZE = 1;
const CKPT_THAW = 2;
/** Sysctl kern.ckptgroup. */
const CKPT_GROUP = 0;
/** sys_checkpoint(type, fd, pid, retval): who may is asked, then nothing is frozen. */
function sysCheckpoint(lp: Lwp, a: Int32Array): number {
  const [type, fd, of] = [a[0]!, a[1]!, a[2]!];
  if (!groupMember(CKPT_GROUP, lp.proc.cred)) throw EPERM;
  if (of !== -1 && of !== lp.proc.pid) throw EINVAL;
  if (type === CKPT_THAW && of !== -1) throw EINVAL;
  if (type === CKPT_FREEZE && !(fd === -1 && of === -1) && !lp.proc.fd!.get(fd).writable) throw EBADF;
  if (type === CKPT_THAW && !lp.proc.fd!.get(fd).readable) throw EBADF;
  throw EOPNOTSUPP;
}

/** jail(jail): version 0 or 1 of the structure is read, then refused. */
function sysJail(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const [version, root] = getWords(lp, a[0]!, 4);
  if (version !== 0 && version !== 1) throw EINVAL;
  withPath(lp, AT_FDCWD, getPath(lp, root!), NLC_FOLLOW, () => {});
  throw EOPNOTSUPP;
}
/** There is no jail to enter. */
function sysJailAttach(lp: Lwp): number {
  suser(lp.proc);
  throw EINVAL;
}

const NO_AIO = "kernels of all releases are built without VFS_AIO: ENOSYS";
const NO_UPCALLS = "removed with 3.4: ENOSYS";
export const SPECIAL_ROWS: readonly Sysent[] = [
  plain(44, "profil", [uaddr, size, size, uint], (lp, a) => kernProfil(lp, a[0]! >>> 0, a[1]! >>> 0, a[2]! >>> 0, a[3]! >>> 0)),
  obsolete(45, "ktrace", "as of a kernel without KTRACE: ENOSYS"),
  plain(51, "acct", [path], (lp, a) => kernAcct(lp, a[0] === 0 ? null : getPath(lp, a[0]!))),
  partial(plain(176, "ntp_adjtime", [uptr], sysNtpAdjtime), "the clock is the host's: settings are accepted without effect"),
  obsolete(314, "aio_return", NO_AIO),
  obsolete(315, "aio_suspend", NO_AIO),
  obsolete(316, "aio_cancel", NO_AIO),
  obsolete(317, "aio_error", NO_AIO),
  obsolete(318, "aio_read", NO_AIO),
  obsolete(319, "aio_write", NO_AIO),
  obsolete(320, "lio_listio", NO_AIO),
  obsolete(322, "thr_sleep", "removed with 2.6: ENOSYS"),
  obsolete(323, "thr_wakeup", "removed with 2.6: ENOSYS"),
  obsolete(335, "utrace", "as of a kernel without KTRACE: ENOSYS"),
  partial(plain(338, "jail", [uptr], sysJail), "no jails: EOPNOTSUPP"),
  obsolete(359, "aio_waitcomplete", NO_AIO),
  plain(392, "uuidgen", [uptr, int], sysUuidgen),
  obsolete(453, "upc_register", NO_UPCALLS),
  obsolete(454, "upc_control", NO_UPCALLS),
  obsolete(455, "caps_sys_service", NO_UPCALLS),
  obsolete(456, "caps_sys_client", NO_UPCALLS),
  obsolete(457, "caps_sys_close", NO_UPCALLS),
  obsolete(458, "caps_sys_put", NO_UPCALLS),
  obsolete(459, "caps_sys_reply", NO_UPCALLS),
  obsolete(460, "caps_sys_get", NO_UPCALLS),
  obsolete(461, "caps_sys_wait", NO_UPCALLS),
  obsolete(462, "caps_sys_abort", NO_UPCALLS),
  obsolete(463, "caps_sys_getgen", NO_UPCALLS),
  obsolete(464, "caps_sys_setgen", NO_UPCALLS),
  partial(plain(465, "exec_sys_register", [uaddr], sysRegister), "registered programs are loaded like others"),
  plain(466, "exec_sys_unregister", [int], sysUnregister),
  partial(plain(467, "sys_checkpoint", [int, int, pid, int], sysCheckpoint), "arguments are checked; EOPNOTSUPP"),
  partial(plain(471, "jail_attach", [int], sysJailAttach), "no jails: EINVAL"),
  obsolete(484, "syslink", "removed with 3.6: ENOSYS"),
];
