// SPDX-License-Identifier: BSD-3-Clause
/** Linux threads: clone, TLS descriptors, futexes, robust lists (Linux kernel/fork.c, kernel/futex, arch/x86/kernel/tls.c). */
import { CAP_SYS_PTRACE, capable } from "../../sys/capability.ts";
import { E2BIG, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from "../../sys/errno.ts";
import { GTLS_START } from "../../sys/frame.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { copyin, copyinWords, copyoutWords, fuword, suword } from "../../vm/copyio.ts";
import { FORK_PROCESS, fork1, type ForkOptions, startLwp, waitVfork } from "../../kern/fork.ts";
import { FUTEX_BITSET_ALL, futexRequeue, futexWait, futexWake, futexWakeOp } from "../../kern/futex.ts";
import { futexLockPi, futexLockPiTry, futexUnlockPi } from "../../kern/futex-pi.ts";
import { PidFile } from "../../kern/pidfd.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { hex, int, obsolete, partial, plain, size, sleeps, type Sysent, uptr, unimplemented } from "../../kern/sysent.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import { getTls, setTls } from "../../kern/tls.ts";
import { getTimespec, getTimespec64 } from "./guest-struct.ts";
import { nativeSigno } from "./signo.ts";

// ---------------------------------------------------------------------------------------------------------
// clone

const CSIGNAL = 0xff;
const CLONE_VM = 0x100;
const CLONE_FS = 0x200;
const CLONE_FILES = 0x400;
const CLONE_SIGHAND = 0x800;
const CLONE_PIDFD = 0x1000;
const CLONE_VFORK = 0x4000;
const CLONE_PARENT = 0x8000;
const CLONE_THREAD = 0x1_0000;
const CLONE_SETTLS = 0x8_0000;
const CLONE_NEWNS = 0x2_0000;
const CLONE_PARENT_SETTID = 0x10_0000;
const CLONE_CHILD_CLEARTID = 0x20_0000;
const CLONE_CHILD_SETTID = 0x100_0000;
/** Namespaces, none of which exist here. */
const CLONE_NEW = 0x7e02_0000;
/** clone3 only, the second word's lowest bit: the child starts without handlers. */
const CLEAR_SIGHAND = 1;

interface CloneArgs {
  flags: number;
  exitSignal: number;
  stack: number;
  ptid: number;
  tls: number;
  ctid: number;
  /** Where the number of the child's pidfd goes (CLONE_PIDFD). */
  pidfd: number;
  clearHandlers: boolean;
}

function forkOptions(c: CloneArgs): ForkOptions {
  const f = c.flags;
  if ((f & CLONE_SIGHAND) !== 0 && (f & CLONE_VM) === 0) throw EINVAL;
  if ((f & CLONE_THREAD) !== 0 && (f & CLONE_SIGHAND) === 0) throw EINVAL;
  if ((f & CLONE_FS) !== 0 && (f & CLONE_NEWNS) !== 0) throw EINVAL;
  if ((f & CLONE_NEW) !== 0) throw EPERM;
  if ((f & CLONE_PIDFD) !== 0 && (f & CLONE_THREAD) !== 0) throw EINVAL;
  if (c.clearHandlers && (f & CLONE_SIGHAND) !== 0) throw EINVAL;
  const exitSignal = c.exitSignal === 0 ? 0 : nativeSigno(c.exitSignal);
  if (c.exitSignal !== 0 && exitSignal === 0) throw EINVAL;
  return {
    ...FORK_PROCESS,
    thread: (f & CLONE_THREAD) !== 0,
    shareVm: (f & CLONE_VM) !== 0,
    shareFiles: (f & CLONE_FILES) !== 0,
    shareSigacts: (f & CLONE_SIGHAND) !== 0,
    vfork: (f & CLONE_VFORK) !== 0,
    exitSignal: (f & CLONE_THREAD) !== 0 ? 0 : exitSignal,
    stack: c.stack,
    sibling: (f & CLONE_PARENT) !== 0,
  };
}

/** Linux ignores the failure of this store, and so does everyone who calls it: the child is there. `tid` null: only reads. */
function storeTid(vm: Vmspace, uaddr: number, tid: number | null): void {
  try {
    if (tid === null) fuword(vm, uaddr);
    else suword(vm, uaddr, tid);
  } catch (e) {
    if (e !== EFAULT) throw e;
  }
}

/** Makes the child or thread and lets it run. */
function clone(lp: Lwp, c: CloneArgs): Lwp {
  const f = c.flags;
  const opt = forkOptions(c);
  const tls = (f & CLONE_SETTLS) !== 0 ? readUserDesc(lp, c.tls) : null;
  const { fd, vmspace } = lp.proc;
  // What is on disk is read now: after the fork the call cannot begin again.
  if ((f & CLONE_PARENT_SETTID) !== 0) storeTid(vmspace!, c.ptid, null);
  if ((f & CLONE_CHILD_SETTID) !== 0) storeTid(vmspace!, c.ctid, null);
  if ((f & CLONE_PIDFD) !== 0) {
    fd!.reserve(lp, 1);
    suword(vmspace!, c.pidfd, 0);
  }
  const child = fork1(lp, opt);
  // After the fork: the child's table is without it.
  if ((f & CLONE_PIDFD) !== 0) suword(vmspace!, c.pidfd, fd!.install(lp, new PidFile(0, child.proc), true));
  if (c.clearHandlers) child.proc.sigacts.clearHandlers();
  if (tls !== null) setTls(child, slotOf(tls.entry), tls.empty ? null : tls);
  if ((f & CLONE_CHILD_CLEARTID) !== 0) child.clearChildTid = c.ctid >>> 0;
  if ((f & CLONE_PARENT_SETTID) !== 0) storeTid(vmspace!, c.ptid, child.tid);
  if ((f & CLONE_CHILD_SETTID) !== 0) storeTid(child.proc.vmspace!, c.ctid, child.tid);
  startLwp(child);
  return child;
}

/** clone's one pointer into the parent takes a thread's id or a pidfd. */
function cloneArgs(a: Int32Array): CloneArgs {
  const flags = a[0]! & ~CSIGNAL;
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_PARENT_SETTID) !== 0) throw EINVAL;
  return { flags, exitSignal: a[0]! & CSIGNAL, stack: a[1]!, ptid: a[2]!, tls: a[3]!, ctid: a[4]!, pidfd: a[2]!, clearHandlers: false };
}

function sysClone(lp: Lwp, a: Int32Array): number {
  if ((a[0]! & CLONE_VFORK) !== 0) return WOULDBLOCK;
  return clone(lp, cloneArgs(a)).tid;
}
function* sysCloneSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* waitVfork(lp, clone(lp, cloneArgs(a)).proc);
}

/** struct clone_args: eleven 64-bit words of which the first eight always exist. */
function clone3Args(lp: Lwp, a: Int32Array): CloneArgs {
  const bytes = a[1]! >>> 0;
  if (bytes < 64) throw EINVAL;
  if (bytes > 4096) throw E2BIG;
  const buf = new Uint8Array(Math.max(88, bytes));
  copyin(lp.proc.vmspace!, a[0]!, buf, 0, bytes);
  if (buf.subarray(88).some((b) => b !== 0)) throw E2BIG;
  const dv = new DataView(buf.buffer);
  const lo = (i: number): number => dv.getInt32(i * 8, true);
  const hi = (i: number): number => dv.getInt32(i * 8 + 4, true);
  if ((hi(0) & ~CLEAR_SIGHAND) !== 0 || (lo(0) & CSIGNAL) !== 0 || lo(8) !== 0 || lo(9) !== 0) throw EINVAL;
  // A stack is named by its lowest address and its size: both or none.
  if ((lo(5) === 0) !== (lo(6) === 0) || hi(5) !== 0 || hi(6) !== 0) throw EINVAL;
  const stack = (lo(5) + lo(6)) | 0;
  return { flags: lo(0), exitSignal: lo(4), stack, ptid: lo(3), tls: lo(7), ctid: lo(2), pidfd: lo(1), clearHandlers: hi(0) !== 0 };
}
function sysClone3(lp: Lwp, a: Int32Array): number {
  const c = clone3Args(lp, a);
  return (c.flags & CLONE_VFORK) !== 0 ? WOULDBLOCK : clone(lp, c).tid;
}
function* sysClone3Slow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* waitVfork(lp, clone(lp, clone3Args(lp, a)).proc);
}

// ---------------------------------------------------------------------------------------------------------
// TLS descriptors: struct user_desc {entry_number, base_addr, limit, flag bits}

const UD_32BIT = 0x01;
const UD_CONTENTS = 0x06;
const UD_READ_EXEC_ONLY = 0x08;
const UD_LIMIT_IN_PAGES = 0x10;
const UD_NOT_PRESENT = 0x20;
const UD_USEABLE = 0x40;

interface UserDesc {
  entry: number;
  base: number;
  limit: number;
  pages: boolean;
  empty: boolean;
}

export function readUserDesc(lp: Lwp, uaddr: number): UserDesc {
  const w = new Int32Array(4);
  copyinWords(lp.proc.vmspace!, uaddr, w, 4);
  const flags = w[3]!;
  const zero = w[1] === 0 && w[2] === 0 && (flags & 0x7f) === 0;
  const empty = zero || (w[1] === 0 && w[2] === 0 && (flags & (UD_READ_EXEC_ONLY | UD_NOT_PRESENT)) === (UD_READ_EXEC_ONLY | UD_NOT_PRESENT));
  // Only flat 32-bit data segments fit into the slots.
  if (!empty && ((flags & UD_32BIT) === 0 || (flags & (UD_CONTENTS | UD_READ_EXEC_ONLY | UD_NOT_PRESENT)) !== 0)) throw EINVAL;
  return { entry: w[0]!, base: w[1]! >>> 0, limit: w[2]! & 0xfffff, pages: (flags & UD_LIMIT_IN_PAGES) !== 0, empty };
}

export const TLS_SLOTS = 3;
const LINUX_TLS_START = 6;
/** Slot 0–2 of a GDT entry number: ours, or those of an i386 Linux kernel. Throws EINVAL. */
export function slotOf(entry: number): number {
  if (entry >= GTLS_START && entry < GTLS_START + TLS_SLOTS) return entry - GTLS_START;
  if (entry >= LINUX_TLS_START && entry < LINUX_TLS_START + TLS_SLOTS) return entry - LINUX_TLS_START;
  throw EINVAL;
}

function sysSetThreadArea(lp: Lwp, a: Int32Array): number {
  const d = readUserDesc(lp, a[0]!);
  let slot: number;
  if (d.entry === -1) {
    slot = [0, 1, 2].findIndex((s) => getTls(lp, s) === null);
    if (slot < 0) throw ESRCH;
  } else slot = slotOf(d.entry);
  if (d.entry !== slot + GTLS_START) suword(lp.proc.vmspace!, a[0]!, slot + GTLS_START);
  setTls(lp, slot, d.empty ? null : d);
  return 0;
}

/** struct user_desc of a thread's GDT entry. Throws EINVAL for entries that are no TLS slots. */
export function userDesc(lp: Lwp, entry: number): Int32Array {
  const w = new Int32Array(4);
  w[0] = entry;
  const d = getTls(lp, slotOf(entry));
  if (d === null) w[3] = UD_READ_EXEC_ONLY | UD_NOT_PRESENT;
  else {
    w[1] = d.base | 0;
    w[2] = d.limit;
    w[3] = UD_32BIT | UD_USEABLE | (d.pages ? UD_LIMIT_IN_PAGES : 0);
  }
  return w;
}

function sysGetThreadArea(lp: Lwp, a: Int32Array): number {
  const w = userDesc(lp, fuword(lp.proc.vmspace!, a[0]!));
  copyoutWords(lp.proc.vmspace!, w, a[0]!, 4);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Futexes

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_REQUEUE = 3;
const FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5;
const FUTEX_LOCK_PI = 6;
const FUTEX_UNLOCK_PI = 7;
const FUTEX_TRYLOCK_PI = 8;
const FUTEX_LOCK_PI2 = 13;
const FUTEX_WAIT_BITSET = 9;
const FUTEX_WAKE_BITSET = 10;
const FUTEX_CMD_MASK = 0x7f;
const FUTEX_CLOCK_REALTIME = 0x100;

function sysFutex(lp: Lwp, a: Int32Array): number {
  const uaddr = a[0]! >>> 0;
  if ((uaddr & 3) !== 0) throw EINVAL;
  switch (a[1]! & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
      return WOULDBLOCK;
    case FUTEX_WAKE:
      return futexWake(lp, uaddr, Math.max(1, a[2]!), FUTEX_BITSET_ALL);
    case FUTEX_WAKE_BITSET:
      return futexWake(lp, uaddr, Math.max(1, a[2]!), a[5]!);
    case FUTEX_REQUEUE:
      return futexRequeue(lp, uaddr, a[4]! >>> 0, a[2]!, a[3]!, null);
    case FUTEX_CMP_REQUEUE:
      return futexRequeue(lp, uaddr, a[4]! >>> 0, a[2]!, a[3]!, a[5]!);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
      return futexLockPiTry(lp, uaddr, true);
    case FUTEX_TRYLOCK_PI:
      return futexLockPiTry(lp, uaddr, false);
    case FUTEX_UNLOCK_PI:
      return futexUnlockPi(lp, uaddr);
    case FUTEX_WAKE_OP:
      return futexWakeOp(lp, uaddr, a[4]! >>> 0, a[2]!, a[3]!, a[5]!);
    default:
      throw ENOSYS;
  }
}

/** FUTEX_WAIT's timeout counts from now, others name a moment: FUTEX_LOCK_PI's of the wall clock, the rest of one of two. */
function futexTimeout(lp: Lwp, a: Int32Array, read: (lp: Lwp, uaddr: number) => number): number {
  if (a[3] === 0) return FOREVER;
  const ns = read(lp, a[3]!);
  const cmd = a[1]! & FUTEX_CMD_MASK;
  if (cmd === FUTEX_WAIT) return ns;
  const now = (a[1]! & FUTEX_CLOCK_REALTIME) !== 0 || cmd === FUTEX_LOCK_PI ? lp.k.microtime() * 1000 : lp.k.nanouptime();
  return Math.max(0, ns - now);
}

function futexSlow(read: (lp: Lwp, uaddr: number) => number): (lp: Lwp, a: Int32Array) => KernelFrame {
  return function* (lp, a) {
    const cmd = a[1]! & FUTEX_CMD_MASK;
    if (cmd === FUTEX_LOCK_PI || cmd === FUTEX_LOCK_PI2) return yield* futexLockPi(lp, a[0]! >>> 0, futexTimeout(lp, a, read));
    const bitset = (a[1]! & FUTEX_CMD_MASK) === FUTEX_WAIT ? FUTEX_BITSET_ALL : a[5]!;
    return yield* futexWait(lp, a[0]! >>> 0, a[2]!, bitset, futexTimeout(lp, a, read));
  };
}

// ---------------------------------------------------------------------------------------------------------

function sysSetTidAddress(lp: Lwp, a: Int32Array): number {
  lp.clearChildTid = a[0]! >>> 0;
  return lp.tid;
}

const ROBUST_HEAD_SIZE = 12;
function sysSetRobustList(lp: Lwp, a: Int32Array): number {
  if (a[1] !== ROBUST_HEAD_SIZE) throw EINVAL;
  lp.robustList = a[0]! >>> 0;
  return 0;
}
function sysGetRobustList(lp: Lwp, a: Int32Array): number {
  const target = a[0] === 0 ? lp : lp.k.lwps.get(a[0]!);
  if (target === undefined) throw ESRCH;
  if (target.proc !== lp.proc && !capable(lp.proc.cred, CAP_SYS_PTRACE)) throw EPERM;
  suword(lp.proc.vmspace!, a[1]!, target.robustList);
  suword(lp.proc.vmspace!, a[2]!, ROBUST_HEAD_SIZE);
  return 0;
}

const FUTEX_NOTE = "owned locks without priorities to inherit; no requeueing to them";
const CLONE_NOTE = "no namespaces";
export const THREAD_ROWS: readonly Sysent[] = [
  unimplemented(123, "modify_ldt", "the LDT holds the flat segments that all programs run in; descriptors of a thread's own are set_thread_area's"),
  partial(sleeps(120, "clone", [hex, uptr, uptr, uptr, uptr], sysClone, sysCloneSlow), CLONE_NOTE),
  partial(sleeps(240, "futex", [uptr, hex, int, uptr, uptr, int], sysFutex, futexSlow(getTimespec)), FUTEX_NOTE),
  plain(243, "set_thread_area", [uptr], sysSetThreadArea),
  plain(244, "get_thread_area", [uptr], sysGetThreadArea),
  plain(258, "set_tid_address", [uptr], sysSetTidAddress),
  plain(311, "set_robust_list", [uptr, size], sysSetRobustList),
  plain(312, "get_robust_list", [int, uptr, uptr], sysGetRobustList),
  obsolete(386, "rseq", "C libraries do without"),
  partial(sleeps(422, "futex_time64", [uptr, hex, int, uptr, uptr, int], sysFutex, futexSlow(getTimespec64)), FUTEX_NOTE),
  partial(sleeps(435, "clone3", [uptr, size], sysClone3, sysClone3Slow), CLONE_NOTE),
];
