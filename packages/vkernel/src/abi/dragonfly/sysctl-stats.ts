// SPDX-License-Identifier: BSD-3-Clause
/**
 * Structures of the sysctl tree that top, vmstat, fstat and lsvfs read (DragonFly 2.0 sys/sys/{vmmeter,kinfo,mount}.h).
 * What this kernel does not count is 0.
 */
import { EOPNOTSUPP } from "../../sys/errno.ts";
import type { Kernel } from "../../kern/kernel.ts";
import { LSRUN } from "../../kern/proc.ts";
import { procTimes } from "../../kern/resource.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { put64, putField } from "./guest-struct.ts";

/** Fixed-point one of load averages and percentages. */
export const FSCALE = 2048;
/** Decay of a process's percentage in a second: 0.95122942450071400909 in that fixed point. */
export const CCPU = 1948;

const words = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values, (v) => v >>> 0).buffer);
const ofUs = (ns: number): number => Math.floor(ns / 1000);

/** struct vmtotal, 48 bytes: threads by what they do, then sizes in pages. */
export function vmtotal(k: Kernel): Uint8Array {
  let running = 0;
  let sleeping = 0;
  let virtual = 0;
  let resident = 0;
  for (const p of k.procs.values()) {
    if (p.vmspace === null) continue;
    virtual += Math.ceil(p.vmspace.sizeBytes() / 4096);
    resident += p.vmspace.residentPages();
    for (const l of p.lwps.values()) {
      if (l.state === LSRUN) running++;
      else sleeping++;
    }
  }
  const b = new Uint8Array(48);
  const dv = new DataView(b.buffer);
  dv.setInt16(0, running, true);
  dv.setInt16(6, sleeping, true);
  [virtual, virtual, resident, resident].forEach((v, i) => dv.setInt32(12 + 4 * i, v, true));
  dv.setInt32(44, k.vm.freePages(), true);
  return b;
}

/** struct vmmeter: 41 counters; switches, system calls, faults, page-ins, forks and execs are kept. */
export function vmmeter(k: Kernel): Uint8Array {
  const w = new Array<number>(41).fill(0);
  w[0] = k.stats.switches;
  for (const abi of k.abis) w[2]! += abi.meter.counts.reduce((sum, n) => sum + n, 0);
  w[5] = k.vm.faults;
  w[6] = k.vm.cowFaults;
  w[14] = k.vm.pageIns;
  w[25] = k.stats.forks;
  w[28] = k.stats.execs;
  return words(w);
}

/** struct vmstats: page size, pages, reserves, free, wired, active, inactive, cached, … */
export function vmstats(k: Kernel): Uint8Array {
  const w = new Array<number>(16).fill(0);
  const total = k.vm.phys.npages;
  const free = k.vm.freePages();
  w[0] = 4096;
  w[1] = total;
  w[5] = free;
  w[7] = total - free;
  return words(w);
}

/** struct kinfo_cputime of the one processor: user, nice, system, interrupt and idle time in µs. */
export function cputime(k: Kernel): Uint8Array {
  let user = k.stats.userNs;
  let nice = 0;
  let sys = k.stats.sysNs;
  for (const p of k.procs.values()) {
    if (p.lwps.size === 0) continue;
    const t = procTimes(p);
    if (p.nice > 0) nice += t.userNs;
    else user += t.userNs;
    sys += t.sysNs;
  }
  const b = new Uint8Array(40);
  const dv = new DataView(b.buffer);
  [user, nice, sys, 0, k.stats.idleNs].forEach((ns, i) => put64(dv, 8 * i, ofUs(ns)));
  return b;
}

export const KINFO_FILE_SIZE = 48;
/** f_type by the kind of file: DTYPE_VNODE, SOCKET, PIPE, FIFO, KQUEUE; kinds that DragonFly has not look like pipes. */
const DTYPE: Readonly<Record<string, number>> = { vnode: 1, socket: 2, pipe: 3, fifo: 4, kqueue: 5, mqueue: 9 };

/** An array of struct kinfo_file: one for each descriptor of each process. */
export function openFiles(k: Kernel): Uint8Array {
  const records: Uint8Array[] = [];
  for (const p of k.procs.values()) {
    for (const [fd, fp] of (p.fd?.files ?? []).entries()) {
      if (fp === null) continue;
      const b = new Uint8Array(KINFO_FILE_SIZE);
      const dv = new DataView(b.buffer);
      dv.setUint32(0, KINFO_FILE_SIZE, true);
      dv.setInt32(4, p.pid, true);
      dv.setUint32(8, p.cred.uid, true);
      dv.setInt32(12, fd, true);
      dv.setInt16(20, DTYPE[fp.type] ?? DTYPE["pipe"]!, true);
      dv.setInt32(24, fp.refs, true);
      put64(dv, 32, fp instanceof VnodeFile ? fp.offset : 0);
      dv.setUint32(44, fp.flags, true);
      records.push(b);
    }
  }
  const all = new Uint8Array(records.length * KINFO_FILE_SIZE);
  records.forEach((b, i) => all.set(b, i * KINFO_FILE_SIZE));
  return all;
}

const VFCF_STATIC = 0x0001_0000;
/** struct vfsconf of the n-th file system: operations, name, number, mounts, flags, next. Throws EOPNOTSUPP behind the last. */
export function vfsconf(k: Kernel, rest: readonly number[]): Uint8Array {
  const names = [...k.vfsops.keys()].sort();
  const name = names[rest[0] ?? -1];
  if (name === undefined) throw EOPNOTSUPP;
  const b = new Uint8Array(36);
  const dv = new DataView(b.buffer);
  putField(b, 4, 16, name);
  dv.setInt32(20, rest[0]!, true);
  dv.setInt32(24, k.mounts.list.filter((m) => m.fstype === name).length, true);
  dv.setInt32(28, VFCF_STATIC, true);
  return b;
}
