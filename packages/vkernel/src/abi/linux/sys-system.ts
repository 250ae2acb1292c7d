// SPDX-License-Identifier: BSD-3-Clause
/** Linux calls about the system as a whole: names, memory, randomness, reboot, log. */
import { CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_TTY_CONFIG, CAP_SYSLOG, capable } from "../../sys/capability.ts";
import { EFAULT, EINTR, EINVAL, ENOTBLK } from "../../sys/errno.ts";
import { VM_MAX_USER_ADDRESS } from "../../sys/mman.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyin, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import { MSGBUF_BYTES } from "../../kern/dmesg.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { need } from "../../kern/prot.ts";
import { FOREVER, PCATCH, tsleep } from "../../kern/sleep.ts";
import { kernSwapoff, kernSwapon } from "../../kern/sys-swap.ts";
import { hex, int, partial, path, plain, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { pathArg } from "./file-flags.ts";
import { LINUX_RELEASE, LINUX_VERSION } from "./version.ts";

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
  try {
    return kernSwapon(lp, pathArg(lp, a[0]!), true);
  } catch (e) {
    // Linux swaps to files as well, so what is neither file nor disk is merely a wrong argument.
    throw e === ENOTBLK ? EINVAL : e;
  }
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
  plain(318, "getcpu", [uptr, uptr, uptr], sysGetcpu),
  plain(355, "getrandom", [uptr, size, hex], sysGetrandom),
];
