// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly System V IPC (DragonFly 2.0 sys/kern/sysv_{shm,sem,msg}.c; structures: sys/sys/{ipc,shm,sem,msg}.h). */
import { EINVAL } from "../../sys/errno.ts";
import { copyin, copyout, fuword } from "../../vm/copyio.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { kernMsgrcv, kernMsgrcvSlow, kernMsgsnd, kernMsgsndSlow, kernSemop, kernSemopSlow } from "../../kern/sys-sysv.ts";
import { hex, int, plain, size, sleeps, type Sysent, uaddr, uint, uptr } from "../../kern/sysent.ts";
import { IPC_R, IPC_W, type IpcObject } from "../../kern/sysv-ipc.ts";
import { MSGMNB, type MsgQueue, msgget, msgRemove, msgSetBytes } from "../../kern/sysv-msg.ts";
import { semget, semRemove, type SemSet, semSetValues } from "../../kern/sysv-sem.ts";
import { shmat, shmdt, shmget, shmRemove, type ShmSegment } from "../../kern/sysv-shm.ts";
import { getBytes, putBytes } from "./guest-struct.ts";

const IPC_RMID = 0;
const IPC_SET = 1;
const IPC_STAT = 2;

const seconds = (lp: Lwp): number => Math.floor(lp.k.microtime() / 1e6);

/** struct ipc_perm, 16 bytes: creator, owner, mode and sequence number in 16 bits each, then the key. */
const PERM_SIZE = 16;
function putPerm(dv: DataView, o: IpcObject): void {
  [o.cuid, o.cgid, o.uid, o.gid, o.mode, o.seq].forEach((v, i) => dv.setUint16(2 * i, v, true));
  dv.setInt32(12, o.key, true);
}
/** IPC_SET: owner and mode out of the structure's start. Throws EPERM before anything is read, as the rights come first. */
function setPerm(lp: Lwp, o: IpcObject, uaddr: number): void {
  o.control(lp.proc.cred);
  const dv = new DataView(getBytes(lp, uaddr, PERM_SIZE).buffer);
  o.setOwner(lp.proc.cred, dv.getUint16(4, true), dv.getUint16(6, true), dv.getUint16(8, true) & 0o777, seconds(lp));
}
/** A structure with its permissions and further words at their offsets. */
function structure(o: IpcObject, bytes: number, words: Readonly<Record<number, number>>): Uint8Array {
  const b = new Uint8Array(bytes);
  const dv = new DataView(b.buffer);
  putPerm(dv, o);
  for (const [at, v] of Object.entries(words)) dv.setInt32(Number(at), v, true);
  return b;
}

// ---------------------------------------------------------------------------------------------------------
// Shared memory

const SHMID_DS = 48;
function encodeShm(s: ShmSegment): Uint8Array {
  return structure(s, SHMID_DS, {
    16: s.size, 20: s.lpid, 24: s.cpid, 28: s.nattch & 0xffff, 32: s.atime, 36: s.dtime, 40: s.ctime,
  });
}
function shmctl(lp: Lwp, id: number, cmd: number, buf: number): number {
  const s = lp.k.ipc.shm.find(id);
  switch (cmd) {
    case IPC_STAT:
      s.access(IPC_R, lp.proc.cred);
      putBytes(lp, buf, encodeShm(s));
      return 0;
    case IPC_SET:
      setPerm(lp, s, buf);
      return 0;
    case IPC_RMID:
      shmRemove(lp, s);
      return 0;
    default:
      throw EINVAL;
  }
}
const attach = (lp: Lwp, id: number, addr: number, flags: number): number => shmat(lp, id, addr >>> 0, flags) | 0;
function detach(lp: Lwp, addr: number): number {
  shmdt(lp, addr >>> 0);
  return 0;
}
/** shmsys(which, …): shmat, the old shmctl, shmdt, shmget, shmctl. */
function sysShmsys(lp: Lwp, a: Int32Array): number {
  const [b, c, d] = [a[1]!, a[2]!, a[3]!];
  switch (a[0]) {
    case 0:
      return attach(lp, b, c, d);
    case 1:
    case 4:
      return shmctl(lp, b, c, d);
    case 2:
      return detach(lp, b);
    case 3:
      return shmget(lp, b, c >>> 0, d).id;
    default:
      throw EINVAL;
  }
}

// ---------------------------------------------------------------------------------------------------------
// Semaphores

const GETNCNT = 3;
const GETPID = 4;
const GETVAL = 5;
const GETALL = 6;
const GETZCNT = 7;
const SETVAL = 8;
const SETALL = 9;
const SEMID_DS = 56;

function oneSem(lp: Lwp, set: SemSet, num: number, want: number): SemSet {
  set.access(want, lp.proc.cred);
  if (num < 0 || num >= set.nsems) throw EINVAL;
  return set;
}
/** `argp` points to the union: a value, or the address of a structure or an array. */
function semctl(lp: Lwp, id: number, num: number, cmd: number, argp: number): number {
  const vm = lp.proc.vmspace!;
  const set = lp.k.ipc.sem.find(id);
  switch (cmd) {
    case IPC_RMID:
      semRemove(lp, set);
      return 0;
    case IPC_SET:
      set.control(lp.proc.cred);
      setPerm(lp, set, fuword(vm, argp));
      return 0;
    case IPC_STAT:
      set.access(IPC_R, lp.proc.cred);
      putBytes(lp, fuword(vm, argp), structure(set, SEMID_DS, { 20: set.nsems, 24: set.otime, 32: set.ctime }));
      return 0;
    case GETNCNT:
      return oneSem(lp, set, num, IPC_R).ncnt[num]!;
    case GETPID:
      return oneSem(lp, set, num, IPC_R).pids[num]!;
    case GETVAL:
      return oneSem(lp, set, num, IPC_R).values[num]!;
    case GETZCNT:
      return oneSem(lp, set, num, IPC_R).zcnt[num]!;
    case GETALL: {
      set.access(IPC_R, lp.proc.cred);
      const values = Uint16Array.from(set.values);
      copyout(vm, new Uint8Array(values.buffer), 0, fuword(vm, argp), values.byteLength);
      return 0;
    }
    case SETVAL:
      semSetValues(lp, oneSem(lp, set, num, IPC_W), num, [fuword(vm, argp)]);
      return 0;
    case SETALL: {
      set.access(IPC_W, lp.proc.cred);
      const values = new Uint16Array(set.nsems);
      copyin(vm, fuword(vm, argp), new Uint8Array(values.buffer), 0, values.byteLength);
      semSetValues(lp, set, 0, values);
      return 0;
    }
    default:
      throw EINVAL;
  }
}
const semop = (lp: Lwp, id: number, uaddr: number, n: number): number => kernSemop(lp, id, uaddr, n, () => FOREVER);
/** semsys(which, …): semctl, semget, semop. */
function sysSemsys(lp: Lwp, a: Int32Array): number {
  const [b, c, d, e] = [a[1]!, a[2]!, a[3]!, a[4]!];
  switch (a[0]) {
    case 0:
      return semctl(lp, b, c, d, e);
    case 1:
      return semget(lp, b, c, d).id;
    case 2:
      return semop(lp, b, c, d);
    default:
      throw EINVAL;
  }
}

// ---------------------------------------------------------------------------------------------------------
// Message queues

const MSQID_DS = 84;
function encodeMsg(q: MsgQueue): Uint8Array {
  return structure(q, MSQID_DS, {
    24: q.cbytes, 28: q.messages.length, 32: q.qbytes, 36: q.lspid, 40: q.lrpid, 44: q.stime, 52: q.rtime, 60: q.ctime,
  });
}
function msgctl(lp: Lwp, id: number, cmd: number, buf: number): number {
  const q = lp.k.ipc.msg.find(id);
  switch (cmd) {
    case IPC_RMID:
      msgRemove(lp, q);
      return 0;
    case IPC_SET: {
      q.control(lp.proc.cred);
      const asked = fuword(lp.proc.vmspace!, buf + 32) >>> 0;
      if (asked > q.qbytes) suser(lp.proc);
      if (asked === 0) throw EINVAL;
      setPerm(lp, q, buf);
      msgSetBytes(lp, q, Math.min(asked, MSGMNB));
      return 0;
    }
    case IPC_STAT:
      q.access(IPC_R, lp.proc.cred);
      putBytes(lp, buf, encodeMsg(q));
      return 0;
    default:
      throw EINVAL;
  }
}
/** msgsys(which, …): msgctl, msgget, msgsnd, msgrcv. */
function sysMsgsys(lp: Lwp, a: Int32Array): number {
  const [b, c, d, e, f] = [a[1]!, a[2]!, a[3]!, a[4]!, a[5]!];
  switch (a[0]) {
    case 0:
      return msgctl(lp, b, c, d);
    case 1:
      return msgget(lp, b, c).id;
    case 2:
      return kernMsgsnd(lp, b, c, d, e);
    case 3:
      return kernMsgrcv(lp, b, c, d, e, f);
    default:
      throw EINVAL;
  }
}
function sysMsgsysSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const RECEIVE = 3;
  return a[0] === RECEIVE ? kernMsgrcvSlow(lp) : kernMsgsndSlow(lp);
}

export const IPC_ROWS: readonly Sysent[] = [
  sleeps(169, "semsys", [int, int, int, int, int], sysSemsys, kernSemopSlow),
  sleeps(170, "msgsys", [int, int, int, int, int, int], sysMsgsys, sysMsgsysSlow),
  plain(171, "shmsys", [int, int, int, int], sysShmsys),
  plain(220, "__semctl", [int, int, int, uptr], (lp, a) => semctl(lp, a[0]!, a[1]!, a[2]!, a[3]!)),
  plain(221, "semget", [hex, int, hex], (lp, a) => semget(lp, a[0]!, a[1]!, a[2]!).id),
  sleeps(222, "semop", [int, uptr, uint], (lp, a) => semop(lp, a[0]!, a[1]!, a[2]!), kernSemopSlow),
  plain(224, "msgctl", [int, int, uptr], (lp, a) => msgctl(lp, a[0]!, a[1]!, a[2]!)),
  plain(225, "msgget", [hex, hex], (lp, a) => msgget(lp, a[0]!, a[1]!).id),
  sleeps(226, "msgsnd", [int, uptr, size, hex], (lp, a) => kernMsgsnd(lp, a[0]!, a[1]!, a[2]!, a[3]!), kernMsgsndSlow),
  sleeps(227, "msgrcv", [int, uptr, size, int, hex], (lp, a) => kernMsgrcv(lp, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!), kernMsgrcvSlow),
  plain(228, "shmat", [int, uaddr, hex], (lp, a) => attach(lp, a[0]!, a[1]!, a[2]!)),
  plain(229, "shmctl", [int, int, uptr], (lp, a) => shmctl(lp, a[0]!, a[1]!, a[2]!)),
  plain(230, "shmdt", [uaddr], (lp, a) => detach(lp, a[0]!)),
  plain(231, "shmget", [hex, int, hex], (lp, a) => shmget(lp, a[0]!, a[1]! >>> 0, a[2]!).id),
];
