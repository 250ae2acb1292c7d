// SPDX-License-Identifier: BSD-3-Clause
/** Linux calls about the system as a whole: names, memory, randomness, scheduling parameters, reboot, log. */
import { CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_TTY_CONFIG, CAP_SYSLOG, capable } from "../../sys/capability.ts";
import { E2BIG, EFAULT, EINTR, EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import { VM_MAX_USER_ADDRESS } from "../../sys/mman.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyin, copyinWords, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import { MSGBUF_BYTES } from "../../kern/dmesg.ts";
import type { KernelFrame, Lwp, Proc } from "../../kern/proc.ts";
import { need } from "../../kern/prot.ts";
import { FOREVER, PCATCH, tsleep } from "../../kern/sleep.ts";
import { kernSwapoff, kernSwapon } from "../../kern/sys-swap.ts";
import { hex, int, partial, path, pid, plain, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { pathArg } from "./file-flags.ts";
import { LINUX_RELEASE, LINUX_VERSION } from "./version.ts";
import { findProc } from "./sys-process.ts";

const UTS_LEN = 65;

function bytesOf(s: string, len: number): Uint8Array {
  const out = new Uint8Array(len);
  for (let i = 0; i < s.length && i < len - 1; i++) out[i] = s.charCodeAt(i);
  return out;
}

function uname(fields: number, len: number): (lp: Lwp, a: Int32Array) => number {
  return (lp, a) => {
    const all = ["Linux", lp.k.hostname, LINUX_RELEASE, LINUX_VERSION, "i686", lp.k.domainname || "(none)"];
    const out = new Uint8Array(fields * len);
    for (let i = 0; i < fields; i++) out.set(bytesOf(all[i]!, len), i * len);
    copyout(lp.proc.vmspace!, out, 0, a[0]!, out.length);
    return 0;
  };
}

function newName(lp: Lwp, a: Int32Array): string {
  need(lp.proc, CAP_SYS_ADMIN);
  if (a[1]! < 0 || a[1]! > 64) throw EINVAL;
  const buf = new Uint8Array(a[1]!);
  copyin(lp.proc.vmspace!, a[0]!, buf, 0, buf.length);
  return String.fromCharCode(...buf);
}
function sysSethostname(lp: Lwp, a: Int32Array): number {
  lp.k.hostname = newName(lp, a);
  return 0;
}
function sysSetdomainname(lp: Lwp, a: Int32Array): number {
  lp.k.domainname = newName(lp, a);
  return 0;
}

/** struct sysinfo, 64 bytes. */
function sysSysinfo(lp: Lwp, a: Int32Array): number {
  const { k } = lp;
  const w = new Int32Array(16);
  w[0] = Math.floor(k.nanouptime() / 1e9);
  k.loadAverages().forEach((load, i) => (w[1 + i] = Math.floor(load * 65536)));
  w[4] = k.vm.totalPages;
  w[5] = k.vm.freePages();
  w[8] = k.vm.swap.total;
  w[9] = k.vm.swap.total - k.vm.swap.used;
  w[10] = k.procs.size & 0xffff; // procs, 16 bits
  w[13] = 4096; // mem_unit: the sizes above count pages
  copyoutWords(lp.proc.vmspace!, w, a[0]!, 16);
  return 0;
}

/** Priorities and discarding, which mean nothing here. */
const SWAP_FLAGS = 0x7_ffff;
function sysSwapon(lp: Lwp, a: Int32Array): number {
  if ((a[1]! & ~SWAP_FLAGS) !== 0) throw EINVAL;
  need(lp.proc, CAP_SYS_ADMIN);
  return kernSwapon(lp, pathArg(lp, a[0]!), true);
}
function sysSwapoff(lp: Lwp, a: Int32Array): number {
  need(lp.proc, CAP_SYS_ADMIN);
  return kernSwapoff(lp, pathArg(lp, a[0]!));
}
const SWAP_NOTE = "disks given to the machine for swap space, with mkswap's header";

const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
const RANDOM_CHUNK = 65536;
function sysGetrandom(lp: Lwp, a: Int32Array): number {
  if ((a[2]! & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) !== 0) throw EINVAL;
  const len = Math.min(a[1]! >>> 0, 0x1ff_ffff);
  const buf = new Uint8Array(Math.min(len, RANDOM_CHUNK));
  for (let done = 0; done < len; ) {
    const n = Math.min(buf.length, len - done);
    lp.k.machine.entropy(buf.subarray(0, n));
    try {
      copyout(lp.proc.vmspace!, buf, 0, (a[0]! >>> 0) + done, n);
    } catch (e) {
      if (done > 0) return done;
      throw e;
    }
    done += n;
  }
  return len;
}

// ---------------------------------------------------------------------------------------------------------
// Scheduling: one processor, one policy

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;

/** Leaves the processor to others of the same priority. */
function sysSchedYield(lp: Lwp): number {
  lp.k.sched.yield(lp);
  return 0;
}
/** Throws ESRCH, and EINVAL for negative numbers. */
function target(lp: Lwp, tid: number): Lwp {
  if (tid < 0) throw EINVAL;
  return anyTarget(lp, tid);
}
function anyTarget(lp: Lwp, tid: number): Lwp {
  const t = tid === 0 ? lp : lp.k.lwps.get(tid);
  if (t === undefined) throw ESRCH;
  return t;
}
function knownPolicy(policy: number): boolean {
  return [SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE].includes(policy);
}
function schedPriority(lp: Lwp, uaddr: number): number {
  if (uaddr === 0) throw EINVAL;
  const buf = new Uint8Array(4);
  copyin(lp.proc.vmspace!, uaddr, buf, 0, 4);
  return new DataView(buf.buffer).getInt32(0, true);
}
/** Throws EPERM unless the process is the caller's own, or the caller the superuser. */
function mayReschedule(lp: Lwp, proc: Lwp["proc"]): void {
  const { cred } = lp.proc;
  if (cred.uid !== proc.cred.uid && cred.uid !== proc.cred.ruid && !capable(cred, CAP_SYS_NICE)) throw EPERM;
}
function sysSchedSetscheduler(lp: Lwp, a: Int32Array): number {
  const { proc } = target(lp, a[0]!);
  const prio = schedPriority(lp, a[2]!);
  const policy = a[1]! & ~0x4000_0000; // SCHED_RESET_ON_FORK
  if (!knownPolicy(policy)) throw EINVAL;
  const realtime = policy === SCHED_FIFO || policy === SCHED_RR;
  if (realtime ? prio < 1 || prio > 99 : prio !== 0) throw EINVAL;
  // There is no real-time class to give.
  if (realtime) throw EPERM;
  mayReschedule(lp, proc);
  proc.schedPolicy = policy;
  return 0;
}
function sysSchedSetparam(lp: Lwp, a: Int32Array): number {
  const { proc } = target(lp, a[0]!);
  const prio = schedPriority(lp, a[1]!);
  mayReschedule(lp, proc);
  if (prio !== 0) throw EINVAL;
  return 0;
}
function sysSchedGetscheduler(lp: Lwp, a: Int32Array): number {
  return target(lp, a[0]!).proc.schedPolicy;
}
function sysSchedGetparam(lp: Lwp, a: Int32Array): number {
  if (a[1] === 0) throw EINVAL;
  target(lp, a[0]!);
  suword(lp.proc.vmspace!, a[1]!, 0);
  return 0;
}
function sysSchedPriorityMax(_lp: Lwp, a: Int32Array): number {
  if (!knownPolicy(a[0]!)) throw EINVAL;
  return a[0] === SCHED_FIFO || a[0] === SCHED_RR ? 99 : 0;
}
function sysSchedPriorityMin(_lp: Lwp, a: Int32Array): number {
  if (!knownPolicy(a[0]!)) throw EINVAL;
  return a[0] === SCHED_FIFO || a[0] === SCHED_RR ? 1 : 0;
}
/** A thread's process; that of the system, which has no threads, too. Throws ESRCH. */
function affinityTarget(lp: Lwp, tid: number): Proc {
  return tid === 0 ? lp.proc : findProc(lp, tid);
}
/** The result is the number of bytes written: one word, in which processor 0 is set. */
function sysSchedGetaffinity(lp: Lwp, a: Int32Array): number {
  affinityTarget(lp, a[0]!);
  if (a[1]! < 4 || (a[1]! & 3) !== 0) throw EINVAL;
  suword(lp.proc.vmspace!, a[2]!, 1);
  return 4;
}
function sysSchedSetaffinity(lp: Lwp, a: Int32Array): number {
  const buf = new Uint8Array(Math.min(a[1]! >>> 0, 128));
  copyin(lp.proc.vmspace!, a[2]!, buf, 0, buf.length);
  mayReschedule(lp, affinityTarget(lp, a[0]!));
  if (buf.length === 0 || (buf[0]! & 1) === 0) throw EINVAL;
  return 0;
}
/** struct sched_attr, version 0: size, policy, flags, nice, priority, runtime, deadline, period. */
const SCHED_ATTR_BYTES = 48;
function sysSchedGetattr(lp: Lwp, a: Int32Array): number {
  if (a[1] === 0 || a[3] !== 0 || a[2]! >>> 0 < SCHED_ATTR_BYTES || a[2]! >>> 0 > 4096) throw EINVAL;
  const w = new Int32Array(SCHED_ATTR_BYTES / 4);
  w[0] = SCHED_ATTR_BYTES;
  w[1] = SCHED_OTHER;
  w[4] = target(lp, a[0]!).proc.nice;
  copyoutWords(lp.proc.vmspace!, w, a[1]!, w.length);
  return 0;
}
function sysSchedSetattr(lp: Lwp, a: Int32Array): number {
  const w = new Int32Array(SCHED_ATTR_BYTES / 4);
  const vm = lp.proc.vmspace!;
  if (a[1] === 0 || a[2] !== 0) throw EINVAL;
  copyinWords(vm, a[1]!, w, 1);
  if (w[0] !== 0 && w[0]! < SCHED_ATTR_BYTES) {
    suword(vm, a[1]!, SCHED_ATTR_BYTES);
    throw E2BIG;
  }
  copyinWords(vm, a[1]!, w, w.length);
  const to = target(lp, a[0]!);
  if (!knownPolicy(w[1]!)) throw EINVAL;
  if (w[1] === SCHED_FIFO || w[1] === SCHED_RR) throw EPERM;
  to.proc.renice(lp.proc.cred, Math.max(-20, Math.min(19, w[4]!)));
  return 0;
}

function sysGetcpu(lp: Lwp, a: Int32Array): number {
  if (a[0] !== 0) suword(lp.proc.vmspace!, a[0]!, 0);
  if (a[1] !== 0) suword(lp.proc.vmspace!, a[1]!, 0);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// reboot and the log

const REBOOT_MAGIC1 = 0xfee1_dead | 0;
const REBOOT_MAGIC2 = [672274793, 85072278, 369367448, 537993216];
const REBOOT_RESTART = 0x0123_4567;
const REBOOT_HALT = 0xcdef_0123 | 0;
const REBOOT_POWER_OFF = 0x4321_fedc;
const REBOOT_CAD_ON = 0x89ab_cdef | 0;
const REBOOT_CAD_OFF = 0;

function sysReboot(lp: Lwp, a: Int32Array): number {
  need(lp.proc, CAP_SYS_BOOT);
  if (a[0] !== REBOOT_MAGIC1 || !REBOOT_MAGIC2.includes(a[1]!)) throw EINVAL;
  switch (a[2]) {
    case REBOOT_CAD_ON:
    case REBOOT_CAD_OFF:
      return 0;
    case REBOOT_RESTART:
      return WOULDBLOCK;
    case REBOOT_HALT:
    case REBOOT_POWER_OFF:
      return WOULDBLOCK;
    default:
      throw EINVAL;
  }
}
function* sysRebootSlow(lp: Lwp, a: Int32Array): KernelFrame {
  // Linux's call does not write file systems back by itself, but nobody gains by losing data here.
  lp.k.requestShutdown({ how: a[2] === REBOOT_RESTART ? "reboot" : "halt", nosync: false });
  for (;;) yield* tsleep(lp, null, PCATCH, FOREVER);
}

const SYSLOG_CLOSE = 0;
const SYSLOG_OPEN = 1;
const SYSLOG_READ = 2;
const SYSLOG_READ_ALL = 3;
const SYSLOG_READ_CLEAR = 4;
const SYSLOG_CLEAR = 5;
const SYSLOG_CONSOLE_OFF = 6;
const SYSLOG_CONSOLE_ON = 7;
const SYSLOG_CONSOLE_LEVEL = 8;
const SYSLOG_SIZE_UNREAD = 9;
const SYSLOG_SIZE_BUFFER = 10;

/** syslog(2), plain half: reading what nobody has read waits until there is something. Which messages reach the console is not its matter. */
function sysSyslog(lp: Lwp, a: Int32Array): number {
  const { dmesg } = lp.k;
  const [type, buf, len] = [a[0]!, a[1]!, a[2]!];
  if (type !== SYSLOG_READ_ALL && type !== SYSLOG_SIZE_BUFFER && !capable(lp.proc.cred, CAP_SYS_ADMIN)) need(lp.proc, CAP_SYSLOG);
  if (type === SYSLOG_READ || type === SYSLOG_READ_ALL || type === SYSLOG_READ_CLEAR) {
    if (buf === 0 || len < 0) throw EINVAL;
    if (len === 0) return 0;
    if ((buf >>> 0) + len > VM_MAX_USER_ADDRESS) throw EFAULT;
  }
  const put = (text: string): number => {
    copyout(lp.proc.vmspace!, bytesOf(text, text.length + 1), 0, buf, text.length);
    return text.length;
  };
  switch (type) {
    case SYSLOG_CLOSE:
    case SYSLOG_OPEN:
    case SYSLOG_CONSOLE_OFF:
    case SYSLOG_CONSOLE_ON:
      return 0;
    case SYSLOG_READ:
      return dmesg.unreadBytes === 0 ? WOULDBLOCK : put(dmesg.readUnread(len));
    case SYSLOG_READ_ALL:
      return put(dmesg.last(len));
    case SYSLOG_READ_CLEAR: {
      const n = put(dmesg.last(len));
      dmesg.clear();
      return n;
    }
    case SYSLOG_CLEAR:
      dmesg.clear();
      return 0;
    case SYSLOG_CONSOLE_LEVEL:
      if (len < 1 || len > 8) throw EINVAL;
      return 0;
    case SYSLOG_SIZE_UNREAD:
      return dmesg.unreadBytes;
    case SYSLOG_SIZE_BUFFER:
      return MSGBUF_BYTES;
    default:
      throw EINVAL;
  }
}
function* sysSyslogSlow(lp: Lwp, a: Int32Array): KernelFrame {
  for (;;) {
    yield* tsleep(lp, lp.k.dmesg.chan, PCATCH, FOREVER);
    const n = sysSyslog(lp, a);
    if (n !== WOULDBLOCK) return n;
  }
}

function sysVhangup(lp: Lwp): number {
  need(lp.proc, CAP_SYS_TTY_CONFIG);
  return 0;
}

/** restart_syscall: nothing leaves a call in a state to be restarted this way. */
function sysRestartSyscall(): number {
  throw EINTR;
}

const ONE_CLASS = "no real-time class: EPERM; the idle policy comes after all niceness, the batch policy as the normal one";
export const SYSTEM_ROWS: readonly Sysent[] = [
  plain(0, "restart_syscall", [], sysRestartSyscall),
  plain(59, "oldolduname", [uptr], uname(5, 9)),
  plain(74, "sethostname", [uptr, size], sysSethostname),
  sleeps(88, "reboot", [hex, hex, hex, uptr], sysReboot, sysRebootSlow),
  sleeps(103, "syslog", [int, uptr, int], sysSyslog, sysSyslogSlow),
  plain(109, "olduname", [uptr], uname(5, UTS_LEN)),
  partial(plain(111, "vhangup", [], sysVhangup), "no effect"),
  partial(plain(87, "swapon", [path, hex], sysSwapon), SWAP_NOTE),
  partial(plain(115, "swapoff", [path], sysSwapoff), SWAP_NOTE),
  plain(116, "sysinfo", [uptr], sysSysinfo),
  plain(121, "setdomainname", [uptr, size], sysSetdomainname),
  plain(122, "uname", [uptr], uname(6, UTS_LEN)),
  partial(plain(154, "sched_setparam", [pid, uptr], sysSchedSetparam), ONE_CLASS),
  plain(155, "sched_getparam", [pid, uptr], sysSchedGetparam),
  partial(plain(156, "sched_setscheduler", [pid, int, uptr], sysSchedSetscheduler), ONE_CLASS),
  plain(157, "sched_getscheduler", [pid], sysSchedGetscheduler),
  plain(158, "sched_yield", [], sysSchedYield),
  plain(159, "sched_get_priority_max", [int], sysSchedPriorityMax),
  plain(160, "sched_get_priority_min", [int], sysSchedPriorityMin),
  partial(plain(241, "sched_setaffinity", [pid, size, uptr], sysSchedSetaffinity), "one processor"),
  plain(242, "sched_getaffinity", [pid, size, uptr], sysSchedGetaffinity),
  partial(plain(351, "sched_setattr", [pid, uptr, hex], sysSchedSetattr), ONE_CLASS),
  plain(352, "sched_getattr", [pid, uptr, size, hex], sysSchedGetattr),
  plain(318, "getcpu", [uptr, uptr, uptr], sysGetcpu),
  plain(355, "getrandom", [uptr, size, hex], sysGetrandom),
];
