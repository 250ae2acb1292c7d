// SPDX-License-Identifier: BSD-3-Clause
/** Linux calls about ids: users and groups (16 and 32 bits wide), process groups, sessions. */
import { EINVAL, EPERM } from "../../sys/errno.ts";
import { copyin, copyout, suword } from "../../vm/copyio.ts";
import { setpgid, setsid } from "../../kern/pgrp.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { ID_KEEP, mayChangeGroups, NGROUPS_MAX, setgid, setgroups, setregid, setresgid, setresuid, setreuid, setuid } from "../../kern/prot.ts";
import { int, pid, plain, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { findProc } from "./sys-process.ts";

/** 16-bit ids of the old calls: 0xffff means "keep". */
const id16 = (v: number): number => ((v & 0xffff) === 0xffff ? ID_KEEP : v & 0xffff);
const id32 = (v: number): number => (v === -1 ? ID_KEEP : v >>> 0);
function realId(v: number): number {
  if (v === -1) throw EINVAL;
  return v >>> 0;
}
const low16 = (id: number): number => (id > 0xffff ? 65534 : id);

function put3(lp: Lwp, a: Int32Array, ids: readonly number[]): number {
  for (let i = 0; i < 3; i++) suword(lp.proc.vmspace!, a[i]!, ids[i]!);
  return 0;
}
function put3x16(lp: Lwp, a: Int32Array, ids: readonly number[]): number {
  for (let i = 0; i < 3; i++) {
    const v = low16(ids[i]!);
    copyout(lp.proc.vmspace!, Uint8Array.of(v & 255, v >> 8), 0, a[i]!, 2);
  }
  return 0;
}

function sysGetgroups(bytes: 2 | 4): (lp: Lwp, a: Int32Array) => number {
  return (lp, a) => {
    const { groups } = lp.proc.cred;
    if (a[0]! < 0) throw EINVAL;
    if (a[0] === 0) return groups.length;
    if (a[0]! < groups.length) throw EINVAL;
    const out = new Uint8Array(groups.length * bytes);
    const dv = new DataView(out.buffer);
    groups.forEach((g, i) => {
      if (bytes === 2) dv.setUint16(2 * i, low16(g), true);
      else dv.setUint32(4 * i, g, true);
    });
    copyout(lp.proc.vmspace!, out, 0, a[1]!, out.length);
    return groups.length;
  };
}
function sysSetgroups(bytes: 2 | 4): (lp: Lwp, a: Int32Array) => number {
  return (lp, a) => {
    const n = a[0]!;
    if (!mayChangeGroups(lp.proc)) throw EPERM;
    if (n < 0 || n > NGROUPS_MAX) throw EINVAL;
    const buf = new Uint8Array(n * bytes);
    copyin(lp.proc.vmspace!, a[1]!, buf, 0, buf.length);
    const dv = new DataView(buf.buffer);
    const groups: number[] = [];
    for (let i = 0; i < n; i++) groups.push(bytes === 2 ? dv.getUint16(2 * i, true) : dv.getUint32(4 * i, true));
    setgroups(lp.proc, groups);
    return 0;
  };
}

/** setfsuid and setfsgid return the id in force; the kernel keeps no separate file system ids. */
function sysSetfsuid(lp: Lwp): number {
  return lp.proc.cred.uid;
}
function sysSetfsgid(lp: Lwp): number {
  return lp.proc.cred.gid;
}

// ---------------------------------------------------------------------------------------------------------
// Sessions and groups

function sysSetpgid(lp: Lwp, a: Int32Array): number {
  // A group of 0 is the process's own, which a bad process cannot name either.
  if (a[1]! < 0 || (a[1] === 0 && a[0]! < 0)) throw EINVAL;
  setpgid(lp.proc, a[0]!, a[1]!);
  return 0;
}
function sysGetpgid(lp: Lwp, a: Int32Array): number {
  return a[0] === 0 ? lp.proc.pgrp.id : findProc(lp, a[0]!).pgrp.id;
}
function sysGetsid(lp: Lwp, a: Int32Array): number {
  return a[0] === 0 ? lp.proc.pgrp.session.sid : findProc(lp, a[0]!).pgrp.session.sid;
}
function sysGetppid(lp: Lwp): number {
  return lp.proc.parent === null ? 0 : lp.proc.parent.pid;
}

const c = (lp: Lwp): Proc["cred"] => lp.proc.cred;
const none = (f: (lp: Lwp) => void): ((lp: Lwp) => number) => (lp) => {
  f(lp);
  return 0;
};

export const ID_ROWS: readonly Sysent[] = [
  plain(20, "getpid", [], (lp) => lp.proc.pid),
  plain(23, "setuid", [uint], (lp, a) => none((l) => setuid(l.proc, realId(id16(a[0]!))))(lp)),
  plain(24, "getuid", [], (lp) => low16(c(lp).ruid)),
  plain(46, "setgid", [uint], (lp, a) => none((l) => setgid(l.proc, realId(id16(a[0]!))))(lp)),
  plain(47, "getgid", [], (lp) => low16(c(lp).rgid)),
  plain(49, "geteuid", [], (lp) => low16(c(lp).uid)),
  plain(50, "getegid", [], (lp) => low16(c(lp).gid)),
  plain(57, "setpgid", [pid, pid], sysSetpgid),
  plain(64, "getppid", [], sysGetppid),
  plain(65, "getpgrp", [], (lp) => lp.proc.pgrp.id),
  plain(66, "setsid", [], (lp) => setsid(lp.proc)),
  plain(70, "setreuid", [uint, uint], (lp, a) => none((l) => setreuid(l.proc, id16(a[0]!), id16(a[1]!)))(lp)),
  plain(71, "setregid", [uint, uint], (lp, a) => none((l) => setregid(l.proc, id16(a[0]!), id16(a[1]!)))(lp)),
  plain(80, "getgroups", [int, uptr], sysGetgroups(2)),
  plain(81, "setgroups", [int, uptr], sysSetgroups(2)),
  plain(132, "getpgid", [pid], sysGetpgid),
  plain(138, "setfsuid", [uint], sysSetfsuid),
  plain(139, "setfsgid", [uint], sysSetfsgid),
  plain(147, "getsid", [pid], sysGetsid),
  plain(164, "setresuid", [uint, uint, uint], (lp, a) => none((l) => setresuid(l.proc, id16(a[0]!), id16(a[1]!), id16(a[2]!)))(lp)),
  plain(165, "getresuid", [uptr, uptr, uptr], (lp, a) => put3x16(lp, a, [c(lp).ruid, c(lp).uid, c(lp).svuid])),
  plain(170, "setresgid", [uint, uint, uint], (lp, a) => none((l) => setresgid(l.proc, id16(a[0]!), id16(a[1]!), id16(a[2]!)))(lp)),
  plain(171, "getresgid", [uptr, uptr, uptr], (lp, a) => put3x16(lp, a, [c(lp).rgid, c(lp).gid, c(lp).svgid])),
  plain(199, "getuid32", [], (lp) => c(lp).ruid),
  plain(200, "getgid32", [], (lp) => c(lp).rgid),
  plain(201, "geteuid32", [], (lp) => c(lp).uid),
  plain(202, "getegid32", [], (lp) => c(lp).gid),
  plain(203, "setreuid32", [uint, uint], (lp, a) => none((l) => setreuid(l.proc, id32(a[0]!), id32(a[1]!)))(lp)),
  plain(204, "setregid32", [uint, uint], (lp, a) => none((l) => setregid(l.proc, id32(a[0]!), id32(a[1]!)))(lp)),
  plain(205, "getgroups32", [int, uptr], sysGetgroups(4)),
  plain(206, "setgroups32", [int, uptr], sysSetgroups(4)),
  plain(208, "setresuid32", [uint, uint, uint], (lp, a) => none((l) => setresuid(l.proc, id32(a[0]!), id32(a[1]!), id32(a[2]!)))(lp)),
  plain(209, "getresuid32", [uptr, uptr, uptr], (lp, a) => put3(lp, a, [c(lp).ruid, c(lp).uid, c(lp).svuid])),
  plain(210, "setresgid32", [uint, uint, uint], (lp, a) => none((l) => setresgid(l.proc, id32(a[0]!), id32(a[1]!), id32(a[2]!)))(lp)),
  plain(211, "getresgid32", [uptr, uptr, uptr], (lp, a) => put3(lp, a, [c(lp).rgid, c(lp).gid, c(lp).svgid])),
  plain(213, "setuid32", [uint], (lp, a) => none((l) => setuid(l.proc, realId(a[0]!)))(lp)),
  plain(214, "setgid32", [uint], (lp, a) => none((l) => setgid(l.proc, realId(a[0]!)))(lp)),
  plain(215, "setfsuid32", [uint], sysSetfsuid),
  plain(216, "setfsgid32", [uint], sysSetfsgid),
  plain(224, "gettid", [], (lp) => lp.tid),
];
