// SPDX-License-Identifier: BSD-3-Clause
/** struct kinfo_proc of sysctl kern.proc (DragonFly 2.0 sys/sys/kinfo.h, sys/kern/kern_kinfo.c). */
import type { Kernel } from "../../kern/kernel.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { LSRUN, P_CONTROLT, P_EXEC, P_PPWAIT, P_SUGID, P_SYSTEM, P_WEXIT } from "../../kern/proc.ts";
import { SIG_DFL, SIG_IGN, SIGCKPTEXIT, sigaddset, sigset, type Sigset } from "../../sys/signal.ts";
import { encodeRusage } from "../../kern/resource.ts";
import { NATIVE_HIGH, put64, putField } from "./guest-struct.ts";
import { selfUsage } from "./sys-process.ts";

export const KINFO_PROC_SIZE = 664;
const KP = {
  flags: 4, stat: 8, siglist: 28, sigignore: 44, sigcatch: 60, start: 80, comm: 88, uid: 108, ngroups: 112, groups: 116, ruid: 180,
  svuid: 184, rgid: 188, svgid: 192, pid: 196, ppid: 200, pgid: 204, jobc: 208, sid: 212, login: 216, tdev: 236, tpgid: 240, tsid: 244,
  exitstat: 248, nthreads: 252, nice: 256, swtime: 260, vmMapSize: 264, vmRssize: 268, tsize: 276, dsize: 280, ru: 292, cru: 364, lwp: 440,
};
const KL = {
  pid: 0, tid: 4, stat: 12, prio: 28, tdprio: 32, rtprio: 36, uticks: 40, sticks: 48, pctcpu: 72, slptime: 76, ru: 92, siglist: 164,
  sigmask: 180, wchan: 196, wmesg: 200,
};
/** FSCALE: fixed-point one of kl_pctcpu. */
const FSCALE = 2048;
const NODEV = 0xffff_ffff;

/** kp_flags as <sys/proc.h> of 2.0 numbers them. */
const FLAGS: readonly (readonly [kernel: number, kinfo: number])[] = [
  [P_CONTROLT, 0x2], [P_PPWAIT, 0x10], [P_SUGID, 0x100], [P_SYSTEM, 0x200], [P_WEXIT, 0x2000], [P_EXEC, 0x4000],
];

function putSet(dv: DataView, at: number, set: Sigset): void {
  dv.setInt32(at, set[0]!, true);
  dv.setInt32(at + 4, set[1]! & NATIVE_HIGH, true);
}

/** One record. A process has the thread `lp` shown in it: its first one, or null for a zombie. */
export function encodeKinfo(k: Kernel, p: Proc, lp: Lwp | null): Uint8Array {
  const b = new Uint8Array(KINFO_PROC_SIZE);
  const dv = new DataView(b.buffer);
  const now = k.nanouptime();
  const { cred, pgrp } = p;
  const tty = pgrp.session.ttyp;
  const usage = selfUsage(p);

  dv.setInt32(KP.flags, FLAGS.reduce((f, [kernel, kinfo]) => ((p.flags & kernel) !== 0 ? f | kinfo : f), 0), true);
  dv.setInt32(KP.stat, p.stat, true);
  putSet(dv, KP.siglist, p.siglist);
  putActions(dv, p);
  const startUs = k.bootTimeUs + p.startNs / 1000;
  dv.setInt32(KP.start, Math.floor(startUs / 1e6), true);
  dv.setInt32(KP.start + 4, Math.floor(startUs % 1e6), true);
  putField(b, KP.comm, 17, p.comm);
  dv.setUint32(KP.uid, cred.uid, true);
  const groups = [cred.gid, ...cred.groups].slice(0, 16);
  dv.setInt16(KP.ngroups, groups.length, true);
  groups.forEach((g, i) => dv.setUint32(KP.groups + 4 * i, g, true));
  [cred.ruid, cred.svuid, cred.rgid, cred.svgid].forEach((id, i) => dv.setUint32(KP.ruid + 4 * i, id, true));
  dv.setInt32(KP.pid, p.pid, true);
  dv.setInt32(KP.ppid, p.parent?.pid ?? 0, true);
  dv.setInt32(KP.pgid, pgrp.id, true);
  dv.setInt32(KP.jobc, pgrp.jobc, true);
  dv.setInt32(KP.sid, pgrp.session.sid, true);
  putField(b, KP.login, 20, pgrp.session.login);
  dv.setUint32(KP.tdev, tty === null ? NODEV : tty.rdev, true);
  dv.setInt32(KP.tpgid, tty?.pgrp?.id ?? -1, true);
  dv.setInt32(KP.tsid, tty?.session?.sid ?? -1, true);
  dv.setUint16(KP.exitstat, p.xstat, true);
  dv.setInt32(KP.nthreads, p.lwps.size, true);
  dv.setInt32(KP.nice, p.nice, true);
  dv.setUint32(KP.swtime, Math.floor((now - p.startNs) / 1e9), true);
  if (p.vmspace !== null) {
    dv.setUint32(KP.vmMapSize, p.vmspace.sizeBytes(), true);
    dv.setInt32(KP.vmRssize, p.vmspace.residentPages(), true);
    dv.setInt32(KP.dsize, Math.ceil((p.vmspace.brkEnd - p.vmspace.brkBase) / 4096), true);
  }
  putWords(dv, KP.ru, encodeRusage(usage.ru, usage.userNs, usage.sysNs));
  putWords(dv, KP.cru, encodeRusage(p.cru, p.childUserNs, p.childSysNs));
  if (lp !== null) putLwp(b, dv, p, lp, usage.userNs, usage.sysNs, now);
  return b;
}

function putWords(dv: DataView, at: number, words: Int32Array): void {
  words.forEach((w, i) => dv.setInt32(at + 4 * i, w, true));
}

function putActions(dv: DataView, p: Proc): void {
  const ignored = sigset();
  const caught = sigset();
  for (let s = 1; s <= SIGCKPTEXIT; s++) {
    const h = p.sigacts.handler[s]!;
    if (h === SIG_IGN) sigaddset(ignored, s);
    else if (h !== SIG_DFL) sigaddset(caught, s);
  }
  putSet(dv, KP.sigignore, ignored);
  putSet(dv, KP.sigcatch, caught);
}

/** kl_uticks and kl_sticks are microseconds. */
function putLwp(b: Uint8Array, dv: DataView, p: Proc, lp: Lwp, userNs: number, sysNs: number, now: number): void {
  const at = KP.lwp;
  const life = Math.max(now - p.startNs, 1);
  dv.setInt32(at + KL.pid, p.pid, true);
  dv.setInt32(at + KL.tid, lp.lwpid, true);
  // The kernel's LSRUN, LSSTOP, LSSLEEP are kinfo's 1, 2, 3.
  dv.setInt32(at + KL.stat, lp.state - LSRUN + 1, true);
  const priority = lp.k.sched.priority(lp);
  dv.setInt32(at + KL.prio, priority, true);
  dv.setInt32(at + KL.tdprio, priority, true);
  dv.setUint16(at + KL.rtprio, 1, true);
  put64(dv, at + KL.uticks, Math.floor(userNs / 1000));
  put64(dv, at + KL.sticks, Math.floor(sysNs / 1000));
  dv.setUint32(at + KL.pctcpu, Math.round(((userNs + sysNs) / life) * FSCALE), true);
  dv.setUint32(at + KL.slptime, lp.state === LSRUN ? 0 : Math.floor((now - lp.stampNs) / 1e9), true);
  putSet(dv, at + KL.siglist, lp.siglist);
  putSet(dv, at + KL.sigmask, lp.sigmask);
  putField(b, at + KL.wmesg, 8, lp.state === LSRUN ? "" : lp.wmesg);
}
