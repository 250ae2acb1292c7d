// SPDX-License-Identifier: BSD-3-Clause
/** /proc as Linux programs expect it (proc(5)): the directories of processes, and what concerns the whole system. */
import { CAP_SYS_ADMIN, capable } from "../../sys/capability.ts";
import { EACCES, EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import { MMAP_MIN_ADDR } from "../../sys/mman.ts";
import type { Kernel } from "../../kern/kernel.ts";
import { type Proc, LSRUN } from "../../kern/proc.ts";
import type { Mount } from "../../vfs/mount.ts";
import { type ProcDir, procDir, type ProcFile, type ProcLink, type ProcNode, ProcfsMount } from "../../vfs/procfs/procfs.ts";
import { AIO_MAX } from "../../kern/aio.ts";
import { MAXFILES_PER_PROC } from "../../kern/descrip.ts";
import { QUEUE_MAX, WATCHES_MAX } from "../../kern/inotify.ts";
import { MQ_MSG_MAX, MQ_MSGSIZE_MAX } from "../../kern/posix-mq.ts";
import { PIPE_HARD_MAX } from "../../kern/pipe.ts";
import { IPC_MAX } from "../../kern/sysv-ipc.ts";
import { MSGMAX, MSGMNB } from "../../kern/sysv-msg.ts";
import { SEMMNI, SEMMNS, SEMMSL, SEMOPM } from "../../kern/sysv-sem.ts";
import { SHMMNI } from "../../kern/sysv-shm.ts";
import { sysvipcDir } from "./procfs-ipc.ts";
import { pidDir } from "./procfs-pid.ts";
import { LINUX_RELEASE, LINUX_VERSION } from "./version.ts";

const PAGE_KB = 4;
/** Characters of core_pattern that Linux keeps. */
const CORE_PATTERN_MOST = 127;
/** Positions of processes in the root directory start here; below are the fixed entries. */
const PID_POSITION = 1000;

function file(read: () => string, mode = 0o444, write?: (text: string) => void): ProcFile {
  return { kind: "file", mode, read, ...(write === undefined ? {} : { write }) };
}

function meminfo(k: Kernel): string {
  const total = k.vm.totalPages * PAGE_KB;
  const free = k.vm.freePages() * PAGE_KB;
  const { swap, pages } = k.vm;
  const of = pages.objectPages();
  const cached = (of.file + of.memory) * PAGE_KB;
  const row = (name: string, kb: number): string => `${`${name}:`.padEnd(16)}${String(Math.floor(kb)).padStart(8)} kB\n`;
  return (
    row("MemTotal", total) + row("MemFree", free) + row("MemAvailable", free) + row("Buffers", 0) + row("Cached", cached) +
    row("SwapCached", 0) + row("Active", total - free) + row("Inactive", 0) + row("SwapTotal", swap.total * PAGE_KB) + row("SwapFree", (swap.total - swap.used) * PAGE_KB) +
    row("Dirty", 0) + row("Writeback", 0) + row("AnonPages", total - free - cached) + row("Mapped", 0) + row("Shmem", of.memory * PAGE_KB) +
    row("Slab", 0) + row("SReclaimable", 0) + row("SUnreclaim", 0) + row("CommitLimit", total + swap.total * PAGE_KB) + row("Committed_AS", total - free)
  );
}

/** user, nice, system, idle, … in ticks of 10 ms. */
function cpuLine(k: Kernel): string {
  const t = (ns: number): number => Math.floor(ns / 1e7);
  let { userNs, sysNs } = k.stats;
  for (const p of k.procs.values()) {
    for (const lp of p.lwps.values()) {
      const sys = Math.min(lp.sysNs, lp.runtimeNs);
      userNs += lp.runtimeNs - sys;
      sysNs += sys;
    }
  }
  return `${t(userNs)} 0 ${t(sysNs)} ${t(k.stats.idleNs)} 0 0 0 0 0 0`;
}

function statText(k: Kernel): string {
  const cpu = cpuLine(k);
  const running = [...k.lwps.values()].filter((lp) => lp.state === LSRUN || lp === k.curlwp).length;
  return (
    `cpu  ${cpu}\ncpu0 ${cpu}\nintr 0\nctxt ${k.stats.switches}\nbtime ${Math.floor(k.bootTimeUs / 1e6)}\n` +
    `processes ${k.stats.forks}\nprocs_running ${running}\nprocs_blocked 0\n`
  );
}

/** What is counted of what Linux counts. */
function vmstat(k: Kernel): string {
  const rows: readonly (readonly [string, number])[] = [
    ["nr_free_pages", k.vm.freePages()], ["pswpin", k.vm.swap.ins], ["pswpout", k.vm.swap.outs], ["pgfault", k.stats.pageFaults],
  ];
  return rows.map(([name, value]) => `${name} ${value}\n`).join("");
}

function swaps(k: Kernel): string {
  const rows = k.vm.swap.areas.map(
    ({ device, pages, used }, i) => `${device.name.padEnd(40)}partition\t${pages * PAGE_KB}\t\t${used * PAGE_KB}\t\t${-2 - i}\n`,
  );
  return `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${rows.join("")}`;
}

function loadavg(k: Kernel): string {
  const running = [...k.lwps.values()].filter((lp) => lp.state === LSRUN || lp === k.curlwp).length;
  const loads = k.loadAverages().map((l) => l.toFixed(2)).join(" ");
  return `${loads} ${running}/${k.lwps.size} ${Math.max(...k.procs.keys(), 0)}\n`;
}

function cpuinfo(k: Kernel): string {
  const { vendor, family, model, stepping, name: brand, flags } = k.machine.processor;
  const rows: readonly (readonly [string, string])[] = [
    ["processor", "0"], ["vendor_id", vendor], ["cpu family", `${family}`], ["model", `${model}`],
    ["model name", brand], ["stepping", `${stepping}`], ["cpu MHz", "1000.000"], ["cache size", "2048 KB"],
    ["physical id", "0"], ["siblings", "1"], ["core id", "0"], ["cpu cores", "1"], ["fpu", "yes"],
    ["fpu_exception", "yes"], ["cpuid level", "2"], ["wp", "yes"],
    ["flags", flags.join(" ")], ["bogomips", "2000.00"], ["clflush size", "64"],
    ["address sizes", "32 bits physical, 32 bits virtual"],
  ];
  // Values stand in column 16, behind tabs.
  const tabs = (name: string): string => "\t".repeat(Math.ceil((16 - name.length) / 8));
  return `${rows.map(([name, value]) => `${name}${tabs(name)}: ${value}`).join("\n")}\n\n`;
}

function uuid(k: Kernel): string {
  const b = new Uint8Array(16);
  k.machine.entropy(b);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  const h = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}\n`;
}

/** Throws EPERM unless who writes may administer the machine. */
function administrator(k: Kernel): void {
  const by = k.curproc;
  if (by === null || !capable(by.cred, CAP_SYS_ADMIN)) throw EPERM;
}

/** A number between two others that the superuser may change. Throws EINVAL for what is none, or lies outside. */
function tunable(get: () => number, set: (value: number) => void, least = 0, most = 0x7fff_ffff): ProcFile {
  return file(() => `${get()}\n`, 0o644, (text) => {
    const value = /^\s*\d+\s*$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most)) throw EINVAL;
    set(value);
  });
}
/** Pipes have powers of two of bytes. */
function pipeRounded(bytes: number): number {
  let size = 4096;
  while (size < bytes) size *= 2;
  return size;
}

function sysDir(k: Kernel): ProcDir {
  const t = k.tunables;
  const fixed = (text: string): ProcFile => file(() => `${text}\n`);
  /** A limit that the superuser may set. */
  const number = (get: () => number, set: (n: number) => void, most = 0x7fff_ffff): ProcFile =>
    file(() => `${get()}\n`, 0o644, (text) => {
      administrator(k);
      const n = /^\s*\d+\s*$/.test(text) ? Number(text) : Infinity;
      if (n > most) throw EINVAL;
      set(n);
    });
  const bootId = uuid(k);
  const hostname = file(() => `${k.hostname}\n`, 0o644, (text) => {
    administrator(k);
    k.hostname = text.replace(/\n.*/s, "").slice(0, 64);
  });
  return procDir(0o555, {
    kernel: procDir(0o555, {
      ostype: fixed("Linux"),
      osrelease: fixed(LINUX_RELEASE),
      version: fixed(LINUX_VERSION),
      hostname,
      domainname: file(() => `${k.domainname || "(none)"}\n`),
      core_pattern: file(() => `${k.core.pattern}\n`, 0o644, (text) => {
        administrator(k);
        k.core.pattern = text.replace(/\n.*/s, "").slice(0, CORE_PATTERN_MOST);
      }),
      core_uses_pid: file(() => `${k.core.usesPid ? 1 : 0}\n`, 0o644, (text) => {
        administrator(k);
        if (!/^\d+\s*$/.test(text)) throw EINVAL;
        k.core.usesPid = Number(text) !== 0;
      }),
      pid_max: fixed("32768"),
      ngroups_max: fixed("65536"),
      cap_last_cap: fixed("40"),
      "threads-max": fixed(String(k.maxproc)),
      randomize_va_space: fixed("0"),
      tainted: fixed("0"),
      overflowuid: fixed("65534"),
      overflowgid: fixed("65534"),
      msgmax: fixed(String(MSGMAX)),
      msgmnb: fixed(String(MSGMNB)),
      msgmni: tunable(() => k.ipc.msg.max, (v) => (k.ipc.msg.max = v), 0, IPC_MAX),
      sem: fixed([SEMMSL, SEMMNS, SEMOPM, SEMMNI].join("\t")),
      shmall: fixed(String(k.ipc.shm.maxPages)),
      shmmax: number(() => k.ipc.shm.maxBytes, (n) => (k.ipc.shm.maxBytes = n)),
      shmmni: fixed(String(SHMMNI)),
      random: procDir(0o555, {
        boot_id: file(() => bootId),
        uuid: file(() => uuid(k)),
        entropy_avail: fixed("256"),
        poolsize: fixed("256"),
      }),
    }),
    vm: procDir(0o555, {
      overcommit_memory: fixed("1"),
      max_map_count: number(() => k.vm.maxMapEntries, (n) => (k.vm.maxMapEntries = n)),
      mmap_min_addr: fixed(String(MMAP_MIN_ADDR)),
      swappiness: fixed("60"),
    }),
    fs: procDir(0o555, {
      "aio-max-nr": fixed(String(AIO_MAX)),
      "aio-nr": file(() => String(k.aio.reserved)),
      "file-max": fixed("65536"),
      "nr_open": fixed(String(MAXFILES_PER_PROC)),
      suid_dumpable: fixed("0"),
      "pipe-max-size": tunable(() => t.pipeMaxSize, (v) => (t.pipeMaxSize = pipeRounded(v)), 4096, PIPE_HARD_MAX),
      mqueue: procDir(0o555, {
        msg_default: fixed(String(MQ_MSG_MAX)),
        msg_max: fixed(String(MQ_MSG_MAX)),
        msgsize_default: fixed(String(MQ_MSGSIZE_MAX)),
        msgsize_max: fixed(String(MQ_MSGSIZE_MAX)),
        queues_max: tunable(() => t.mqueues, (v) => (t.mqueues = v)),
      }),
      inotify: procDir(0o555, {
        max_queued_events: fixed(String(QUEUE_MAX)),
        max_user_instances: tunable(() => t.inotifyInstances, (v) => (t.inotifyInstances = v)),
        max_user_watches: fixed(String(WATCHES_MAX)),
      }),
    }),
  });
}

/** The root directory: fixed entries, then processes by number. */
function rootDir(k: Kernel, mount: () => Mount): ProcDir {
  const self = (): Proc => {
    const p = k.curproc;
    if (p === null) throw ESRCH;
    return p;
  };
  const link = (target: () => string): ProcLink => ({ kind: "link", mode: 0o777, target });
  const fixed: Record<string, ProcNode> = {
    self: link(() => String(self().pid)),
    "thread-self": link(() => `${self().pid}/task/${k.curlwp!.tid}`),
    mounts: link(() => "self/mounts"),
    cmdline: file(() => "vkernel\n"),
    cpuinfo: file(() => cpuinfo(k)),
    devices: file(() => "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n"),
    filesystems: file(() =>
      [...k.vfsops.keys(), "proc", "tmpfs"].map((t) => `nodev\t${t}\n`).filter((l, i, all) => all.indexOf(l) === i).join(""),
    ),
    loadavg: file(() => loadavg(k)),
    meminfo: file(() => meminfo(k)),
    stat: file(() => statText(k)),
    swaps: file(() => swaps(k)),
    uptime: file(() => `${(k.nanouptime() / 1e9).toFixed(2)} ${(k.stats.idleNs / 1e9).toFixed(2)}\n`),
    vmstat: file(() => vmstat(k)),
    version: file(() => `Linux version ${LINUX_RELEASE} ${LINUX_VERSION}\n`),
    // Who has read a message this way does not see it again; where Linux waits for the next, the file ends.
    kmsg: {
      ...file(() => "", 0o400),
      bytes: {
        read: (_offset, buf, bufOff, len) => {
          const text = k.dmesg.readUnread(len);
          for (let i = 0; i < text.length; i++) buf[bufOff + i] = text.charCodeAt(i);
          return text.length;
        },
        write: () => {
          throw EACCES;
        },
      },
    },
    "sysrq-trigger": file(() => "", 0o200, (text) => {
      administrator(k);
      // No error of a call: it passes through all that handles those, as an error in the kernel would.
      if (text.startsWith("c")) throw new Error("sysrq triggered crash");
    }),
    sys: sysDir(k),
    sysvipc: sysvipcDir(k),
  };
  const table = procDir(0o555, fixed);
  return {
    kind: "dir",
    mode: 0o555,
    find: (name) => {
      const node = table.find(name);
      if (node !== null) return node;
      if (!/^[1-9]\d{0,8}$/.test(name)) return null;
      const p = k.procs.get(Number(name));
      if (p !== undefined) return pidDir(p, null, mount);
      // A thread can be named here too, though it is not listed.
      const lp = k.lwps.get(Number(name));
      return lp === undefined ? null : pidDir(lp.proc, lp, mount);
    },
    *entries() {
      yield* table.entries();
      for (const pid of [...k.procs.keys()].sort((a, b) => a - b)) {
        yield { name: String(pid), kind: "dir", position: PID_POSITION + pid };
      }
    },
  };
}

/** The proc file system of a kernel. */
export function linuxProcfs(k: Kernel): ProcfsMount {
  const mount: ProcfsMount = new ProcfsMount(
    rootDir(k, () => mount),
    () => k.microtime(),
  );
  return mount;
}

