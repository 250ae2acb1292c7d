// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly calls of the system as a whole and of threads: sysctl, uname, reboot, TLS, umtx, lwp_create, scheduling. */
import { EAGAIN, EBUSY, EFAULT, EINTR, EINVAL, ENOENT, ERANGE, ERESTART, ETIMEDOUT } from "../../sys/errno.ts";
import { GTLS_START, TF_ESP, TF_EIP } from "../../sys/frame.ts";
import { suword } from "../../vm/copyio.ts";
import { exit1 } from "../../kern/exit.ts";
import { FORK_PROCESS, fork1, mustSleep, startLwp } from "../../kern/fork.ts";
import { FUTEX_BITSET_ALL, futexWait, futexWake } from "../../kern/futex.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { getTls, setTls } from "../../kern/tls.ts";
import { hex, int, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { getBytes, getWords, putBytes, putField, putWords } from "./guest-struct.ts";
import { KERNEL_VERSION, OSRELEASE, OSTYPE, sysSysctl } from "./sysctl.ts";

// ---------------------------------------------------------------------------------------------------------
// Names

const UTS_FIELD = 32;
function sysUname(lp: Lwp, a: Int32Array): number {
  const version = /#[^:]*/.exec(KERNEL_VERSION)?.[0] ?? "";
  const b = new Uint8Array(5 * UTS_FIELD);
  [OSTYPE, lp.k.hostname, OSRELEASE, version, "i386"].forEach((s, i) => putField(b, i * UTS_FIELD, UTS_FIELD, s));
  putBytes(lp, a[0]!, b);
  return 0;
}
const MAXHOSTNAMELEN = 256;
function putName(lp: Lwp, uaddr: number, len: number, name: string): number {
  const b = new Uint8Array(Math.min(len >>> 0, name.length + 1));
  if (b.length > 0) putField(b, 0, b.length, name);
  putBytes(lp, uaddr, b);
  return 0;
}
function getName(lp: Lwp, uaddr: number, len: number): string {
  suser(lp.proc);
  if (len >>> 0 >= MAXHOSTNAMELEN) throw EINVAL;
  return String.fromCharCode(...getBytes(lp, uaddr, len)).replace(/\0.*$/s, "");
}

const RB_NOSYNC = 0x4;
const RB_HALT = 0x8;
const RB_POWEROFF = 0x4000;
/** Asks the main loop to end, which writes file systems back and unmounts them. The caller's work is done: it ends. */
function sysReboot(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const how = (a[0]! & (RB_HALT | RB_POWEROFF)) !== 0 ? "halt" : "reboot";
  lp.k.requestShutdown({ how, nosync: (a[0]! & RB_NOSYNC) !== 0 });
  exit1(lp, 0);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// TLS

const NTLS = 3;
function tlsSlot(which: number): number {
  if (which < 0 || which >= NTLS) throw ERANGE;
  return which;
}
const selector = (slot: number): number => (GTLS_START + slot) * 8 + 3;

/** set_tls_area(which, {base, size}, infosize): the result is the selector to load. */
function sysSetTls(lp: Lwp, a: Int32Array): number {
  const slot = tlsSlot(a[0]!);
  if (a[2]! < 0) throw EINVAL;
  const info = new DataView(new ArrayBuffer(8));
  getBytes(lp, a[1]!, Math.min(a[2]!, 8)).forEach((v, i) => info.setUint8(i, v));
  const base = info.getUint32(0, true);
  const bytes = info.getInt32(4, true);
  if (bytes < -1) throw EINVAL;
  if (bytes === 0) setTls(lp, slot, null);
  else if (bytes === -1) setTls(lp, slot, { base, limit: 0xfffff, pages: true });
  else if (bytes > 1 << 20) setTls(lp, slot, { base, limit: Math.ceil(bytes / 4096), pages: true });
  else setTls(lp, slot, { base, limit: bytes, pages: false });
  return selector(slot);
}
function sysGetTls(lp: Lwp, a: Int32Array): number {
  const slot = tlsSlot(a[0]!);
  if (a[2]! < 0) throw EINVAL;
  const d = getTls(lp, slot);
  if (d === null) throw ENOENT;
  if (a[1] !== 0) {
    const b = new Uint8Array(a[2]!);
    const info = new DataView(new ArrayBuffer(8));
    info.setUint32(0, d.base, true);
    info.setInt32(4, d.pages ? d.limit << 12 : d.limit, true);
    b.set(new Uint8Array(info.buffer).subarray(0, b.length));
    putBytes(lp, a[1]!, b);
  }
  return selector(slot);
}

// ---------------------------------------------------------------------------------------------------------
// Threads

/** umtx_sleep(ptr, value, timeout in µs): EBUSY when the word differs, EWOULDBLOCK after the timeout, never restarted. */
function* sysUmtxSleep(lp: Lwp, a: Int32Array): KernelFrame {
  if ((a[0]! & 3) !== 0) throw EFAULT;
  if (a[2]! < 0) throw EINVAL;
  try {
    return yield* futexWait(lp, a[0]! >>> 0, a[1]!, FUTEX_BITSET_ALL, a[2] === 0 ? FOREVER : a[2]! * 1000);
  } catch (e) {
    if (e === EAGAIN) throw EBUSY;
    if (e === ETIMEDOUT) throw EAGAIN;
    throw e === ERESTART ? EINTR : e;
  }
}
function sysUmtxWakeup(lp: Lwp, a: Int32Array): number {
  if ((a[0]! & 3) !== 0) throw EFAULT;
  futexWake(lp, a[0]! >>> 0, a[1] === 1 ? 1 : 0x7fff_ffff, FUTEX_BITSET_ALL);
  return 0;
}

/** struct lwp_params: func, arg, stack, tid1, tid2. The thread finds a null return address and its argument. */
function sysLwpCreate(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const [func, arg, stack, tid1, tid2] = getWords(lp, a[0]!, 5);
  const sp = ((stack! >>> 0) - 8) >>> 0;
  putWords(lp, sp, 0, arg!);
  const child = fork1(lp, { ...FORK_PROCESS, thread: true, stack: sp });
  child.tf[TF_EIP] = func!;
  child.tf[TF_ESP] = sp;
  if (tid1 !== 0) suword(vm, tid1!, child.lwpid);
  if (tid2 !== 0) suword(vm, tid2!, child.lwpid);
  startLwp(child);
  return 0;
}

export const MISC_ROWS: readonly Sysent[] = [
  plain(55, "reboot", [hex], sysReboot),
  plain(64, "getpagesize", [], () => 4096),
  plain(87, "gethostname", [uptr, uint], (lp, a) => putName(lp, a[0]!, a[1]!, lp.k.hostname)),
  plain(88, "sethostname", [uptr, uint], (lp, a) => {
    lp.k.hostname = getName(lp, a[0]!, a[1]!);
    return 0;
  }),
  plain(162, "getdomainname", [uptr, int], (lp, a) => putName(lp, a[0]!, a[1]!, lp.k.domainname)),
  plain(163, "setdomainname", [uptr, int], (lp, a) => {
    lp.k.domainname = getName(lp, a[0]!, a[1]!);
    return 0;
  }),
  plain(164, "uname", [uptr], sysUname),
  plain(202, "__sysctl", [uptr, uint, uptr, uptr, uptr, size], sysSysctl),
  sleeps(469, "umtx_sleep", [uptr, int, int], mustSleep, sysUmtxSleep),
  plain(470, "umtx_wakeup", [uptr, int], sysUmtxWakeup),
  plain(472, "set_tls_area", [int, uptr, int], sysSetTls),
  plain(473, "get_tls_area", [int, uptr, int], sysGetTls),
  plain(495, "lwp_create", [uptr], sysLwpCreate),
  plain(496, "lwp_gettid", [], (lp) => lp.lwpid),
];
