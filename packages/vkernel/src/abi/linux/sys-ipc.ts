// SPDX-License-Identifier: BSD-3-Clause
/**
 * System V IPC of Linux/i386: the calls of their own and ipc(2), through which C libraries make all of them (Linux
 * ipc/syscall.c; structures: include/uapi/asm-generic/{ipc,shm,sem,msg}buf.h).
 * @module
 */
import { CAP_SYS_RESOURCE, capable } from "../../sys/capability.ts";
import { EINVAL, ENOSYS, EPERM } from "../../sys/errno.ts";
import { copyin, copyinWords, copyout, copyoutWords, fuword, suword } from "../../vm/copyio.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { hex, int, partial, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { kernMsgrcv, kernMsgrcvSlow, kernMsgsnd, kernMsgsndSlow, kernSemop, kernSemopSlow } from "../../kern/sys-sysv.ts";
import { IPC_R, IPC_W, type IpcObject } from "../../kern/sysv-ipc.ts";
import {
  MSGMAX, MSGMNB, MSGMNI, type MsgQueue, msgget, msgRemove, msgSetBytes,
} from "../../kern/sysv-msg.ts";
import {
  semget, SEMMNI, SEMMNS, SEMMSL, SEMOPM, semRemove, type SemSet, semSetValues, SEMVMX,
} from "../../kern/sysv-sem.ts";
import { shmat, shmdt, shmget, shmLock, SHMMNI, shmRemove, shmUnlock, type ShmSegment } from "../../kern/sysv-shm.ts";
import { getTimespec, getTimespec64 } from "./guest-struct.ts";

const IPC_RMID = 0;
const IPC_SET = 1;
const IPC_STAT = 2;
const IPC_INFO = 3;
/** Asked for in a command of ipc(2): structures with 32-bit ids. The direct calls have no others. */
const IPC_64 = 0x100;

const seconds = (lp: Lwp): number => Math.floor(lp.k.microtime() / 1e6);

/** struct ipc64_perm, nine words, at the start of `w`. `key` is what the object was made with. */
function putPerm(w: Int32Array, o: IpcObject, modeBits = 0): void {
  w[0] = o.key;
  w[1] = o.uid;
  w[2] = o.gid;
  w[3] = o.cuid;
  w[4] = o.cgid;
  w[5] = o.mode | modeBits;
  w[6] = o.seq;
}

/** Owner and mode that IPC_SET gives. */
function setPerm(lp: Lwp, o: IpcObject, uaddr: number): void {
  const w = new Int32Array(9);
  copyinWords(lp.proc.vmspace!, uaddr, w, 9);
  if (w[1] === -1 || w[2] === -1) throw EINVAL;
  o.setOwner(lp.proc.cred, w[1]! >>> 0, w[2]! >>> 0, w[5]! & 0o777, seconds(lp));
}

/** The object that *_STAT (by index) and IPC_STAT (by identifier) look at, and what they return. */
const INDEX_MASK = 0x7fff;
function statTarget<T extends IpcObject>(
  lp: Lwp,
  table: { find(id: number): T; at(index: number): T },
  byIndex: boolean,
  checked: boolean,
  which: number,
): T {
  // An identifier serves as an index, too: it has the index in it.
  const object = byIndex ? table.at(which & INDEX_MASK) : table.find(which);
  if (checked) object.access(IPC_R, lp.proc.cred);
  return object;
}
const statResult = (byIndex: boolean, o: IpcObject): number => (byIndex ? o.id : 0);

// ---------------------------------------------------------------------------------------------------------
// Shared memory

const SHM_LOCK = 11;
const SHM_UNLOCK = 12;
const SHM_STAT = 13;
const SHM_INFO = 14;
const SHM_STAT_ANY = 15;
const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;

function putShmid(lp: Lwp, uaddr: number, s: ShmSegment): void {
  const w = new Int32Array(21);
  putPerm(w, s, (s.removed ? SHM_DEST : 0) | (s.lockedBy !== null ? SHM_LOCKED : 0));
  w[9] = s.size;
  w[10] = s.atime;
  w[12] = s.dtime;
  w[14] = s.ctime;
  w[16] = s.cpid;
  w[17] = s.lpid;
  w[18] = s.nattch;
  copyoutWords(lp.proc.vmspace!, w, uaddr, 21);
}

function shmctl(lp: Lwp, id: number, cmd: number, buf: number): number {
  const table = lp.k.ipc.shm;
  const vm = lp.proc.vmspace!;
  if (id < 0 || cmd < 0) throw EINVAL;
  switch (cmd) {
    case IPC_RMID:
      shmRemove(lp, table.find(id));
      return 0;
    case IPC_SET:
      setPerm(lp, table.find(id), buf);
      return 0;
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const s = statTarget(lp, table, cmd !== IPC_STAT, cmd !== SHM_STAT_ANY, id);
      putShmid(lp, buf, s);
      return statResult(cmd !== IPC_STAT, s);
    }
    case IPC_INFO: {
      const pages = table.maxPages;
      // shmmax, shmmin, shmmni, shmseg, shmall
      copyoutWords(vm, Int32Array.of(table.maxBytes, 1, SHMMNI, SHMMNI, pages, 0, 0, 0, 0), buf, 9);
      return Math.max(0, table.highest - 1);
    }
    case SHM_INFO:
      // used_ids, shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes
      copyoutWords(vm, Int32Array.of(table.size, table.totalPages, table.residentPages, table.swappedPages, 0, 0), buf, 6);
      return Math.max(0, table.highest - 1);
    case SHM_LOCK:
      shmLock(lp, table.find(id));
      return 0;
    case SHM_UNLOCK:
      shmUnlock(lp, table.find(id));
      return 0;
    default:
      throw EINVAL;
  }
}

// ---------------------------------------------------------------------------------------------------------
// Semaphores

const GETPID = 11;
const GETVAL = 12;
const GETALL = 13;
const GETNCNT = 14;
const GETZCNT = 15;
const SETVAL = 16;
const SETALL = 17;
const SEM_STAT = 18;
const SEM_INFO = 19;
const SEM_STAT_ANY = 20;

function putSemid(lp: Lwp, uaddr: number, s: SemSet): void {
  const w = new Int32Array(16);
  putPerm(w, s);
  w[9] = s.otime;
  w[11] = s.ctime;
  w[13] = s.nsems;
  copyoutWords(lp.proc.vmspace!, w, uaddr, 16);
}

/** The set and, for the calls about one semaphore, its checked number. */
function oneSem(lp: Lwp, id: number, num: number, want: number): SemSet {
  const set = lp.k.ipc.sem.find(id);
  if (num < 0 || num >= set.nsems) throw EINVAL;
  set.access(want, lp.proc.cred);
  return set;
}

function semctl(lp: Lwp, id: number, num: number, cmd: number, arg: number): number {
  const table = lp.k.ipc.sem;
  const vm = lp.proc.vmspace!;
  if (id < 0) throw EINVAL;
  switch (cmd) {
    case IPC_RMID:
      semRemove(lp, table.find(id));
      return 0;
    case IPC_SET:
      setPerm(lp, table.find(id), arg);
      return 0;
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY: {
      const s = statTarget(lp, table, cmd !== IPC_STAT, cmd !== SEM_STAT_ANY, id);
      putSemid(lp, arg, s);
      return statResult(cmd !== IPC_STAT, s);
    }
    case IPC_INFO:
    case SEM_INFO: {
      const all = cmd === SEM_INFO;
      // semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem
      const w = Int32Array.of(
        SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, all ? table.size : 20, SEMVMX, all ? table.totalSems : SEMVMX,
      );
      copyoutWords(vm, w, arg, 10);
      return Math.max(0, table.highest - 1);
    }
    case GETVAL:
      return oneSem(lp, id, num, IPC_R).values[num]!;
    case GETPID:
      return oneSem(lp, id, num, IPC_R).pids[num]!;
    case GETNCNT:
      return oneSem(lp, id, num, IPC_R).ncnt[num]!;
    case GETZCNT:
      return oneSem(lp, id, num, IPC_R).zcnt[num]!;
    case SETVAL:
      semSetValues(lp, oneSem(lp, id, num, IPC_W), num, [arg]);
      return 0;
    case GETALL: {
      const set = oneSem(lp, id, 0, IPC_R);
      const values = Uint16Array.from(set.values);
      copyout(vm, new Uint8Array(values.buffer), 0, arg, values.byteLength);
      return 0;
    }
    case SETALL: {
      const set = oneSem(lp, id, 0, IPC_W);
      const values = new Uint16Array(set.nsems);
      copyin(vm, arg, new Uint8Array(values.buffer), 0, values.byteLength);
      semSetValues(lp, set, 0, values);
      return 0;
    }
    default:
      throw EINVAL;
  }
}

type ReadTime = (lp: Lwp, uaddr: number) => number;
function semtimedop(lp: Lwp, id: number, uaddr: number, n: number, timeout: number, read: ReadTime): number {
  return kernSemop(lp, id, uaddr, n, () => (timeout === 0 ? FOREVER : read(lp, timeout)));
}

// ---------------------------------------------------------------------------------------------------------
// Message queues

const MSG_STAT = 11;
const MSG_INFO = 12;
const MSG_STAT_ANY = 13;

function putMsqid(lp: Lwp, uaddr: number, q: MsgQueue): void {
  const w = new Int32Array(22);
  putPerm(w, q);
  w[9] = q.stime;
  w[11] = q.rtime;
  w[13] = q.ctime;
  w[15] = q.cbytes;
  w[16] = q.messages.length;
  w[17] = q.qbytes;
  w[18] = q.lspid;
  w[19] = q.lrpid;
  copyoutWords(lp.proc.vmspace!, w, uaddr, 22);
}

function msgctl(lp: Lwp, id: number, cmd: number, buf: number): number {
  const table = lp.k.ipc.msg;
  const vm = lp.proc.vmspace!;
  if (id < 0 || cmd < 0) throw EINVAL;
  switch (cmd) {
    case IPC_RMID:
      msgRemove(lp, table.find(id));
      return 0;
    case IPC_SET: {
      const q = table.find(id);
      const qbytes = fuword(vm, buf + 68) >>> 0;
      q.control(lp.proc.cred);
      if (qbytes > MSGMNB && !capable(lp.proc.cred, CAP_SYS_RESOURCE)) throw EPERM;
      setPerm(lp, q, buf);
      msgSetBytes(lp, q, qbytes);
      return 0;
    }
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY: {
      const q = statTarget(lp, table, cmd !== IPC_STAT, cmd !== MSG_STAT_ANY, id);
      putMsqid(lp, buf, q);
      return statResult(cmd !== IPC_STAT, q);
    }
    case IPC_INFO:
    case MSG_INFO: {
      let count = 0;
      let bytes = 0;
      for (const q of table) {
        count += q.messages.length;
        bytes += q.cbytes;
      }
      const all = cmd === MSG_INFO;
      // msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql, msgseg (16 bits)
      const w = Int32Array.of(
        all ? table.size : (MSGMNI * MSGMNB) / 1024, all ? count : MSGMNB, MSGMAX, MSGMNB, MSGMNI, 16, all ? bytes : MSGMNB,
        0xffff,
      );
      copyoutWords(vm, w, buf, 8);
      return Math.max(0, table.highest - 1);
    }
    default:
      throw EINVAL;
  }
}

// ---------------------------------------------------------------------------------------------------------
// ipc(call, first, second, third, ptr, fifth)

const SEMOP = 1;
const SEMGET = 2;
const SEMCTL = 3;
const SEMTIMEDOP = 4;
const MSGSND = 11;
const MSGRCV = 12;
const MSGGET = 13;
const MSGCTL = 14;
const SHMAT = 21;
const SHMDT = 22;
const SHMGET = 23;
const SHMCTL = 24;

/** The command of a control call. Throws EINVAL for the structures of before Linux 2.4. */
function command(cmd: number): number {
  const known = cmd & ~IPC_64;
  // Removing and the calls about values take no structure.
  const structure = known === IPC_SET || known === IPC_STAT;
  if (structure && (cmd & IPC_64) === 0) throw EINVAL;
  return known;
}

function sysIpc(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const version = a[0]! >>> 16;
  const [first, second, third, ptr] = [a[1]!, a[2]!, a[3]!, a[4]!];
  switch (a[0]! & 0xffff) {
    case SEMOP:
      return semtimedop(lp, first, ptr, second, 0, getTimespec);
    case SEMTIMEDOP:
      return semtimedop(lp, first, ptr, second, a[5]!, getTimespec);
    case SEMGET:
      return semget(lp, first, second, third).id;
    case SEMCTL:
      // The fourth argument of semctl lies where ptr points.
      if (ptr === 0) throw EINVAL;
      return semctl(lp, first, second, command(third), fuword(vm, ptr));
    case MSGSND:
      return kernMsgsnd(lp, first, ptr, second, third);
    case MSGRCV: {
      if (version !== 0) return kernMsgrcv(lp, first, ptr, second, a[5]!, third);
      // The kludge: ptr leads to the buffer and the type.
      if (ptr === 0) throw EINVAL;
      return kernMsgrcv(lp, first, fuword(vm, ptr), second, fuword(vm, ptr + 4), third);
    }
    case MSGGET:
      return msgget(lp, first, second).id;
    case MSGCTL:
      return msgctl(lp, first, command(second), ptr);
    case SHMAT:
      if (version === 1) throw EINVAL;
      suword(vm, third, shmat(lp, first, ptr >>> 0, second) | 0);
      return 0;
    case SHMDT:
      shmdt(lp, ptr >>> 0);
      return 0;
    case SHMGET:
      return shmget(lp, first, second >>> 0, third).id;
    case SHMCTL:
      return shmctl(lp, first, command(second), ptr);
    default:
      throw ENOSYS;
  }
}
function sysIpcSlow(lp: Lwp, a: Int32Array): KernelFrame {
  switch (a[0]! & 0xffff) {
    case MSGSND:
      return kernMsgsndSlow(lp);
    case MSGRCV:
      return kernMsgrcvSlow(lp);
    default:
      return kernSemopSlow(lp);
  }
}

export const IPC_ROWS: readonly Sysent[] = [
  partial(sleeps(117, "ipc", [hex, int, int, int, uptr, int], sysIpc, sysIpcSlow), "IPC_64 structures only"),
  plain(393, "semget", [hex, int, hex], (lp, a) => semget(lp, a[0]!, a[1]!, a[2]!).id),
  plain(394, "semctl", [int, int, int, uptr], (lp, a) => semctl(lp, a[0]!, a[1]!, a[2]!, a[3]!)),
  plain(395, "shmget", [hex, size, hex], (lp, a) => shmget(lp, a[0]!, a[1]! >>> 0, a[2]!).id),
  plain(396, "shmctl", [int, int, uptr], (lp, a) => shmctl(lp, a[0]!, a[1]!, a[2]!)),
  plain(397, "shmat", [int, uptr, hex], (lp, a) => shmat(lp, a[0]!, a[1]! >>> 0, a[2]!) | 0),
  plain(398, "shmdt", [uptr], (lp, a) => {
    shmdt(lp, a[0]! >>> 0);
    return 0;
  }),
  plain(399, "msgget", [hex, hex], (lp, a) => msgget(lp, a[0]!, a[1]!).id),
  sleeps(400, "msgsnd", [int, uptr, size, hex], (lp, a) => kernMsgsnd(lp, a[0]!, a[1]!, a[2]!, a[3]!), kernMsgsndSlow),
  sleeps(401, "msgrcv", [int, uptr, size, int, hex], (lp, a) => kernMsgrcv(lp, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!), kernMsgrcvSlow),
  plain(402, "msgctl", [int, int, uptr], (lp, a) => msgctl(lp, a[0]!, a[1]!, a[2]!)),
  sleeps(
    420,
    "semtimedop_time64",
    [int, uptr, uint, uptr],
    (lp, a) => semtimedop(lp, a[0]!, a[1]!, a[2]!, a[3]!, getTimespec64),
    kernSemopSlow,
  ),
];
