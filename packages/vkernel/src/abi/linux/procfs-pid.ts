// SPDX-License-Identifier: BSD-3-Clause
/** /proc/PID as Linux programs read it (proc(5); Linux fs/proc/array.c, base.c, task_mmu.c). */
import { CAP_SYS_NICE, CAP_SYS_RESOURCE, capable } from "../../sys/capability.ts";
import { EACCES, EFAULT, EINVAL, EIO, EPERM, ESRCH } from "../../sys/errno.ts";
import { PAGE_SIZE } from "../../sys/mman.ts";
import { SIG_DFL, SIG_IGN, sigaddset, sigset, type Sigset } from "../../sys/signal.ts";
import { CORE_FILTER_BITS } from "../../kern/core-elf.ts";
import { procTimes } from "../../kern/resource.ts";
import type { File } from "../../kern/file.ts";
import { OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN, oomBadness, oomPages } from "../../kern/oom.ts";
import { type Lwp, LSRUN, LSSTOP, type Proc, SSTOP, SZOMB } from "../../kern/proc.ts";
import { mayTrace } from "../../kern/ptrace.ts";
import * as rl from "../../kern/resource.ts";
import { FifoFile } from "../../kern/fifo-file.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { FileRefVnode } from "../../vfs/file-ref.ts";
import type { Mount } from "../../vfs/mount.ts";
import { cacheFullpath, cacheHold, type Nchandle } from "../../vfs/namecache.ts";
import { type ProcDir, procDir, type ProcFile, type ProcLink, type ProcNode } from "../../vfs/procfs/procfs.ts";
import { copyin, copyoutForced } from "../../vm/copyio.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import { linuxOpenFlags, linuxRdev } from "./file-flags.ts";
import { mapsText, smapsRollupText, smapsText } from "./procfs-maps.ts";
import { mountLines, mountinfoLines } from "./procfs-mounts.ts";
import { schedPolicy, schedPriority } from "./sys-sched.ts";
import { linuxSigset } from "./signo.ts";

/** Clock ticks of 10 ms, as USER_HZ. */
const TICK_NS = 1e7;
const ticks = (ns: number): number => Math.floor(ns / TICK_NS);

function stateOf(p: Proc, lp: Lwp | null): string {
  if (p.stat === SZOMB) return "Z (zombie)";
  if (lp !== null && lp.trace !== null && lp.trace.state !== "running") return "t (tracing stop)";
  if (p.stat === SSTOP || lp?.state === LSSTOP) return "T (stopped)";
  if (lp === null || lp.state === LSRUN || lp === p.k.curlwp) return "R (running)";
  return "S (sleeping)";
}

/** Throws ESRCH once the process has been waited for. */
function alive(p: Proc): Proc {
  if (p.k.procs.get(p.pid) !== p) throw ESRCH;
  return p;
}

const hex64 = (hi: number, lo: number): string =>
  (hi >>> 0).toString(16).padStart(8, "0") + (lo >>> 0).toString(16).padStart(8, "0");
function maskText(set: Sigset): string {
  const words = linuxSigset(set, new Int32Array(2));
  return hex64(words[1]!, words[0]!);
}

/** Signals ignored or caught by a process. */
function dispositions(p: Proc): { ignored: Sigset; caught: Sigset } {
  const ignored = sigset();
  const caught = sigset();
  p.sigacts.handler.forEach((handler, sig) => {
    if (sig === 0 || handler === SIG_DFL) return;
    sigaddset(handler === SIG_IGN ? ignored : caught, sig);
  });
  return { ignored, caught };
}

/** Two thirds of what oom_badness() of Linux gives in thousandths, as it has shown it since 5.8. */
function oomScore(p: Proc): number {
  const badness = oomBadness(p);
  return Math.max(0, Math.floor(((1000 + (badness * 1000) / oomPages(p.k)) * 2) / 3));
}

/** Throws EINVAL, and EACCES below what the process may be given without privilege. */
function setOomScoreAdj(p: Proc, text: string): void {
  const value = /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : NaN;
  if (!(value >= OOM_SCORE_ADJ_MIN && value <= OOM_SCORE_ADJ_MAX)) throw EINVAL;
  const by = p.k.curproc;
  const superuser = by !== null && capable(by.cred, CAP_SYS_RESOURCE);
  if (value < p.oomScoreAdjMin && !superuser) throw EACCES;
  p.oomScoreAdj = value;
  if (superuser) p.oomScoreAdjMin = value;
}

/** By how much the sleeps of a thread may be late, ns. Throws EINVAL, EPERM for those of others but for the superuser. */
function setSlack(p: Proc, lp: Lwp | null, text: string): void {
  if (!/^\s*\d+\s*$/.test(text)) throw EINVAL;
  const { curproc } = p.k;
  if (curproc !== null && curproc !== p && !capable(curproc.cred, CAP_SYS_NICE)) throw EPERM;
  if (lp !== null) lp.slackNs = Number(text) === 0 ? lp.defaultSlackNs : Number(text);
}

function statText(p: Proc, lp: Lwp | null, isThread: boolean): string {
  const vm = p.vmspace;
  const tty = p.pgrp.session.ttyp;
  const times = procTimes(p);
  const one = isThread && lp !== null;
  const user = one ? lp.runtimeNs - Math.min(lp.sysNs, lp.runtimeNs) : times.userNs;
  const sys = one ? lp.sysNs : times.sysNs;
  const { ignored, caught } = dispositions(p);
  const word = (set: Sigset): number => linuxSigset(set, new Int32Array(2))[0]! & 0x7fffffff;
  const fields: (string | number)[] = [
    one ? lp.tid : p.pid,
    `(${one ? lp.comm : p.comm})`,
    stateOf(p, lp)[0]!,
    p.parent?.pid ?? 0,
    p.pgrp.id,
    p.pgrp.session.sid,
    tty === null ? 0 : linuxRdev(tty.rdev),
    tty?.pgrp?.id ?? -1,
    0x400000,
    p.ru.minflt,
    p.cru.minflt,
    p.ru.majflt,
    p.cru.majflt,
    ticks(user),
    ticks(sys),
    ticks(p.childUserNs),
    ticks(p.childSysNs),
    lp === null || schedPriority(lp) === 0 ? 20 + p.nice : -1 - schedPriority(lp),
    p.nice,
    Math.max(1, p.lwps.size),
    0,
    ticks(p.startNs),
    vm === null ? 0 : vm.sizeBytes(),
    vm === null ? 0 : vm.residentPages(),
    Math.min(p.limits.cur[rl.RLIMIT_RSS]!, 0xffffffff),
    0, 0, 0, 0, 0,
    word(lp?.siglist ?? p.siglist),
    lp === null ? 0 : word(lp.sigmask),
    word(ignored),
    word(caught),
    lp === null || lp.wmesg === "" ? 0 : 1,
    0, 0,
    p.exitSignal === 0 ? 0 : 17,
    0,
    lp === null ? 0 : schedPriority(lp),
    lp === null ? 0 : schedPolicy(lp),
    0, 0, 0, 0, 0, 0,
    p.argStart, p.argEnd, p.envStart, p.envEnd,
    p.xstat,
  ];
  return `${fields.join(" ")}\n`;
}

function statusText(p: Proc, lp: Lwp | null): string {
  const c = p.cred;
  const vm = p.vmspace;
  const { ignored, caught } = dispositions(p);
  const caps = (set: bigint): string => set.toString(16).padStart(16, "0");
  const kb = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
  const lines = [
    `Name:\t${p.comm}`,
    `Umask:\t${(p.fd?.umask ?? 0).toString(8).padStart(4, "0")}`,
    `State:\t${stateOf(p, lp)}`,
    `Tgid:\t${p.pid}`,
    "Ngid:\t0",
    `Pid:\t${lp?.tid ?? p.pid}`,
    `PPid:\t${p.parent?.pid ?? 0}`,
    `TracerPid:\t${lp?.trace?.tracer.pid ?? 0}`,
    `Uid:\t${c.ruid}\t${c.uid}\t${c.svuid}\t${c.uid}`,
    `Gid:\t${c.rgid}\t${c.gid}\t${c.svgid}\t${c.gid}`,
    `FDSize:\t${p.fd?.files.length ?? 0}`,
    `Groups:\t${c.groups.map((g) => `${g} `).join("")}`,
    `NStgid:\t${p.pid}`,
    `NSpid:\t${lp?.tid ?? p.pid}`,
    `NSpgid:\t${p.pgrp.id}`,
    `NSsid:\t${p.pgrp.session.sid}`,
  ];
  if (vm !== null) {
    const rss = vm.residentPages() * 4096;
    lines.push(
      `VmPeak:\t${kb(vm.sizeBytes())}`,
      `VmSize:\t${kb(vm.sizeBytes())}`,
      `VmLck:\t${kb(vm.lockedBytes())}`,
      `VmPin:\t${kb(0)}`,
      `VmHWM:\t${kb(vm.peakResidentPages() * 4096)}`,
      `VmRSS:\t${kb(rss)}`,
      `VmSwap:\t${kb(vm.swappedPages() * 4096)}`,
    );
  }
  lines.push(
    `Threads:\t${Math.max(1, p.lwps.size)}`,
    `SigQ:\t${p.sigqueue.length}/4096`,
    `SigPnd:\t${maskText(lp?.siglist ?? sigset())}`,
    `ShdPnd:\t${maskText(p.siglist)}`,
    `SigBlk:\t${maskText(lp?.sigmask ?? sigset())}`,
    `SigIgn:\t${maskText(ignored)}`,
    `SigCgt:\t${maskText(caught)}`,
    `CapInh:\t${caps(p.cred.caps.inheritable)}`,
    `CapPrm:\t${caps(p.cred.caps.permitted)}`,
    `CapEff:\t${caps(p.cred.caps.effective)}`,
    `CapBnd:\t${caps(p.cred.caps.bounding)}`,
    `CapAmb:\t${caps(p.cred.caps.ambient)}`,
    `NoNewPrivs:\t${p.noNewPrivs ? 1 : 0}`,
    "Seccomp:\t0",
    "Cpus_allowed:\t1",
    "Cpus_allowed_list:\t0",
    `voluntary_ctxt_switches:\t${lp?.ru.nvcsw ?? p.ru.nvcsw}`,
    `nonvoluntary_ctxt_switches:\t${lp?.ru.nivcsw ?? p.ru.nivcsw}`,
  );
  return `${lines.join("\n")}\n`;
}

/** Bytes of the process's memory, a byte string; "" when it has none any more. */
function memoryText(p: Proc, start: number, end: number): string {
  if (p.vmspace === null || end <= start) return "";
  const buf = new Uint8Array(Math.min(end - start, 2 * 1024 * 1024));
  copyin(p.vmspace, start, buf, 0, buf.length);
  let text = "";
  for (let i = 0; i < buf.length; i += 8192) text += String.fromCharCode(...buf.subarray(i, i + 8192));
  return text;
}

/** /proc/PID/mem: the address space as a file, for those who may trace the process; stores go where a debugger's do. */
function memoryBytes(p: Proc): NonNullable<ProcFile["bytes"]> {
  const space = (): Vmspace | null => {
    const by = p.k.curlwp!.proc;
    if (by !== p && !mayTrace(by, p)) throw EPERM;
    return p.vmspace;
  };
  const transfer = (offset: number, len: number, copy: (vm: Vmspace, done: number, n: number) => void): number => {
    const vm = space();
    if (vm === null) return 0;
    let done = 0;
    while (done < len) {
      const n = Math.min(len - done, PAGE_SIZE - ((offset + done) % PAGE_SIZE));
      try {
        copy(vm, done, n);
      } catch (e) {
        if (e !== EFAULT) throw e;
        // What lies before the hole has been moved.
        if (done > 0) return done;
        throw EIO;
      }
      done += n;
    }
    return done;
  };
  return {
    read: (offset, buf, bufOff, len) => transfer(offset, len, (vm, done, n) => copyin(vm, offset + done, buf, bufOff + done, n)),
    write: (offset, buf, bufOff, len) =>
      transfer(offset, len, (vm, done, n) => copyoutForced(vm, buf, bufOff + done, offset + done, n)),
  };
}

const LIMITS: readonly (readonly [string, number, string])[] = [
  ["Max cpu time", rl.RLIMIT_CPU, "seconds"],
  ["Max file size", rl.RLIMIT_FSIZE, "bytes"],
  ["Max data size", rl.RLIMIT_DATA, "bytes"],
  ["Max stack size", rl.RLIMIT_STACK, "bytes"],
  ["Max core file size", rl.RLIMIT_CORE, "bytes"],
  ["Max resident set", rl.RLIMIT_RSS, "bytes"],
  ["Max processes", rl.RLIMIT_NPROC, "processes"],
  ["Max open files", rl.RLIMIT_NOFILE, "files"],
  ["Max locked memory", rl.RLIMIT_MEMLOCK, "bytes"],
  ["Max address space", rl.RLIMIT_VMEM, "bytes"],
];
function limitsText(p: Proc): string {
  const show = (v: number): string => (v === Infinity ? "unlimited" : String(v));
  let out = `${"Limit".padEnd(25)} ${"Soft Limit".padEnd(20)} ${"Hard Limit".padEnd(20)} Units\n`;
  for (const [name, which, unit] of LIMITS) {
    out += `${name.padEnd(25)} ${show(p.limits.cur[which]!).padEnd(20)} ${show(p.limits.max[which]!).padEnd(20)} ${unit}\n`;
  }
  return out;
}

// Descriptors

function fdTarget(p: Proc, fp: File): string {
  if (fp instanceof VnodeFile || fp instanceof FifoFile) {
    const root = p.fd?.rdir ?? p.k.mounts.root;
    const path = cacheFullpath(fp.nch, root);
    if (path !== null) return path;
    const above = fp.nch.parent === null ? null : cacheFullpath(fp.nch.parent, root);
    return `${above === null || above === "/" ? "" : above}/${fp.nch.name} (deleted)`;
  }
  const id = fp.stat().fileid;
  if (fp.type === "pipe" || fp.type === "socket") return `${fp.type}:[${id}]`;
  return `anon_inode:[${fp.type}]`;
}

/** Where following /proc/PID/fd/N leads: the file's own name, or a name made for a file without one. */
function fdJump(mount: () => Mount, fp: File): Nchandle {
  if (fp instanceof VnodeFile || fp instanceof FifoFile) return cacheHold(fp.nch);
  const on = mount();
  return on.rootNch!.cache.makeDetached(on, fp.type, new FileRefVnode(on, fp.stat().type, fp), null);
}

/** Whom the files of a process belong to: its effective user, which may change while they are in use. */
function ownerOf(p: Proc): { readonly uid: number; readonly gid: number } {
  return {
    get uid() { return p.cred.uid; },
    get gid() { return p.cred.gid; },
  };
}

/** A process gets at its own descriptors whoever it has become (Linux fs/proc/fd.c, proc_fd_permission). */
function fdDir(p: Proc, make: (fd: number, fp: File) => ProcNode, kind: ProcNode["kind"]): ProcDir {
  return {
    kind: "dir",
    mode: 0o500,
    ident: p,
    owner: ownerOf(p),
    admits: () => p.k.curlwp?.proc === p,
    find: (name) => {
      if (!/^(0|[1-9]\d{0,6})$/.test(name)) return null;
      const fd = Number(name);
      const fp = p.fd?.files[fd] ?? null;
      return fp === null ? null : make(fd, fp);
    },
    *entries() {
      const files = p.fd?.files ?? [];
      for (let fd = 0; fd < files.length; fd++) if (files[fd] !== null) yield { name: String(fd), kind, position: fd + 3 };
    },
  };
}

function fdinfoText(p: Proc, fd: number, fp: File): string {
  const mode = (fp.flags & 3) === 0 ? 0 : (fp.flags & 3) - 1;
  const flags = linuxOpenFlags((fp.flags & ~3) | mode) | (p.fd!.cloexec[fd] === 1 ? 0o2000000 : 0);
  const pos = fp instanceof VnodeFile ? fp.offset : 0;
  return `pos:\t${pos}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${fp instanceof VnodeFile ? fp.nch.mount.fsid : 0}\n`;
}

// The directory

/** /proc/PID, or /proc/PID/task/TID when a thread is given. `mount` is the procfs itself. */
export function pidDir(p: Proc, thread: Lwp | null, mount: () => Mount): ProcDir {
  const owner = ownerOf(p);
  const first = (): Lwp | null => thread ?? p.firstLwp;
  const file = (mode: number, read: () => string, write?: (text: string) => void): ProcFile => ({
    kind: "file", mode, ident: p, owner,
    read: () => {
      alive(p);
      return read();
    },
    ...(write === undefined ? {} : { write }),
  });
  const link = (target: () => string, jump: () => Nchandle | null): ProcLink => ({
    kind: "link", mode: 0o777, ident: p, owner, target, jump,
  });
  const dirLink = (which: "cdir" | "rdir"): ProcLink =>
    link(
      () => {
        const nch = alive(p).fd?.[which];
        if (nch === undefined) throw ESRCH;
        return cacheFullpath(nch, p.k.mounts.root) ?? "(unreachable)";
      },
      () => {
        const nch = alive(p).fd?.[which];
        if (nch === undefined) throw ESRCH;
        return cacheHold(nch);
      },
    );
  const nodes: Record<string, ProcNode> = {
    stat: file(0o444, () => statText(p, first(), thread !== null)),
    status: file(0o444, () => statusText(p, first())),
    statm: file(0o444, () => {
      const vm = p.vmspace;
      const size = vm === null ? 0 : Math.floor(vm.sizeBytes() / 4096);
      const rss = vm === null ? 0 : vm.residentPages();
      return `${size} ${rss} 0 0 0 ${size} 0\n`;
    }),
    cmdline: file(0o444, () => memoryText(p, p.argStart, p.argEnd)),
    auxv: file(0o400, () => (p.vmspace === null ? "" : String.fromCharCode(...p.auxv))),
    environ: file(0o400, () => memoryText(p, p.envStart, p.envEnd)),
    comm: file(0o644, () => `${first()?.comm ?? p.comm}\n`, (text) => {
      const name = text.replace(/\n.*/s, "").slice(0, 15);
      const lp = first();
      if (lp !== null) lp.comm = name;
      if (thread === null || thread.tid === p.pid) p.comm = name;
    }),
    mem: { ...file(0o600, () => ""), bytes: memoryBytes(p) },
    maps: file(0o444, () => mapsText(p)),
    smaps: file(0o444, () => smapsText(p)),
    smaps_rollup: file(0o444, () => smapsRollupText(p)),
    coredump_filter: file(0o644, () => `${p.coreFilter.toString(16).padStart(8, "0")}\n`, (text) => {
      const bits = /^(0x[\da-f]+|\d+)\s*$/i.exec(text);
      if (bits === null) throw EINVAL;
      // As C writes numbers: a leading 0 means octal.
      const value = /^0\d/.test(bits[1]!) ? parseInt(bits[1]!, 8) : Number(bits[1]);
      p.coreFilter = value & CORE_FILTER_BITS;
    }),
    limits: file(0o444, () => limitsText(p)),
    mounts: file(0o444, () => mountLines(p)),
    mountinfo: file(0o444, () => mountinfoLines(p)),
    wchan: file(0o444, () => first()?.wmesg || "0"),
    cgroup: file(0o444, () => "0::/\n"),
    oom_score: file(0o444, () => `${oomScore(p)}\n`),
    oom_score_adj: file(0o644, () => `${p.oomScoreAdj}\n`, (text) => setOomScoreAdj(p, text)),
    timerslack_ns: file(0o666, () => `${first()?.slackNs ?? 0}\n`, (text) => setSlack(p, first(), text)),
    loginuid: file(0o644, () => "4294967295"),
    sessionid: file(0o444, () => "4294967295"),
    exe: link(
      () => {
        if (alive(p).execPath === "") throw ESRCH;
        return p.execPath;
      },
      () => (p.textvp !== null && p.textvp.nch !== null ? cacheHold(p.textvp.nch) : null),
    ),
    cwd: dirLink("cdir"),
    root: dirLink("rdir"),
    fd: fdDir(
      p,
      (_fd, fp) => ({
        kind: "link", mode: (fp.readable ? 0o500 : 0) | (fp.writable ? 0o300 : 0), ident: fp, owner,
        target: () => fdTarget(p, fp),
        jump: () => fdJump(mount, fp),
      }),
      "link",
    ),
    fdinfo: fdDir(p, (fd, fp) => ({ kind: "file", mode: 0o400, ident: fp, owner, read: () => fdinfoText(p, fd, fp) }), "file"),
  };
  if (thread === null) nodes["task"] = taskDir(p, mount);
  return { ...procDir(0o555, nodes, thread ?? p), owner };
}

function taskDir(p: Proc, mount: () => Mount): ProcDir {
  return {
    kind: "dir",
    mode: 0o555,
    ident: p,
    find: (name) => {
      const lp = p.lwps.get(Number(name));
      return lp === undefined || String(lp.tid) !== name ? null : pidDir(p, lp, mount);
    },
    *entries() {
      for (const lp of [...p.lwps.values()].sort((a, b) => a.tid - b.tid)) {
        yield { name: String(lp.tid), kind: "dir", position: lp.tid + 3 };
      }
    },
  };
}

