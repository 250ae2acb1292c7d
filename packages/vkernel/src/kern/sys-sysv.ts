// SPDX-License-Identifier: BSD-3-Clause
/**
 * System V calls that wait, for every ABI: struct sembuf and the message buffer have one form (DragonFly 2.0
 * sys/sys/{sem,msg}.h; Linux include/uapi/linux/{sem,msg}.h). Arguments are copied in once: the plain half leaves them for
 * the waiting half.
 */
import { E2BIG, EINVAL } from "../sys/errno.ts";
import { copyin, copyout, fuword, suword } from "../vm/copyio.ts";
import type { KernelFrame, Lwp } from "./proc.ts";
import { type Message, MSGMAX, type MsgRequest, msgrcvSlow, msgrcvTry, msgsndSlow, msgsndTry } from "./sysv-msg.ts";
import { type SemOp, SEMOPM, semopSlow, semopTry } from "./sysv-sem.ts";

/** An array of struct sembuf: number, operation, flags, 16 bits each. Throws EINVAL, E2BIG, EFAULT. */
function semOps(lp: Lwp, uaddr: number, n: number): readonly SemOp[] {
  if (n < 1) throw EINVAL;
  if (n > SEMOPM) throw E2BIG;
  const words = new Int16Array(3 * n);
  copyin(lp.proc.vmspace!, uaddr, new Uint8Array(words.buffer), 0, words.byteLength);
  return Array.from({ length: n }, (_, i) => ({
    num: words[3 * i]! & 0xffff, op: words[3 * i + 1]!, flags: words[3 * i + 2]! & 0xffff,
  }));
}
interface SemopCarry {
  readonly id: number;
  readonly ops: readonly SemOp[];
  readonly timeoutNs: number;
}
/** semop(2), semtimedop(2); `timeout` gives the longest wait in ns, FOREVER for none. */
export function kernSemop(lp: Lwp, id: number, uaddr: number, n: number, timeout: () => number): number {
  const timeoutNs = timeout();
  if (id < 0) throw EINVAL;
  const ops = semOps(lp, uaddr, n >>> 0);
  lp.carry = { id, ops, timeoutNs } satisfies SemopCarry;
  return semopTry(lp, id, ops);
}
export function* kernSemopSlow(lp: Lwp): KernelFrame {
  const { id, ops, timeoutNs } = lp.carry as SemopCarry;
  return yield* semopSlow(lp, id, ops, timeoutNs);
}

/** struct msgbuf: a type in one word, then the bytes. Throws EINVAL, EFAULT. */
function readMessage(lp: Lwp, uaddr: number, len: number): Message {
  if (len < 0 || len > MSGMAX) throw EINVAL;
  const vm = lp.proc.vmspace!;
  const type = fuword(vm, uaddr);
  const data = new Uint8Array(len);
  copyin(vm, uaddr + 4, data, 0, len);
  return { type, data };
}
interface SendCarry {
  readonly id: number;
  readonly message: Message;
  readonly flags: number;
}
/** msgsnd(2). */
export function kernMsgsnd(lp: Lwp, id: number, uaddr: number, len: number, flags: number): number {
  const message = readMessage(lp, uaddr, len);
  lp.carry = { id, message, flags } satisfies SendCarry;
  return msgsndTry(lp, id, message, flags);
}
export function* kernMsgsndSlow(lp: Lwp): KernelFrame {
  const { id, message, flags } = lp.carry as SendCarry;
  return yield* msgsndSlow(lp, id, message, flags);
}

function storeMessage(lp: Lwp, uaddr: number): (m: Message, len: number) => void {
  return (m, len) => {
    const vm = lp.proc.vmspace!;
    copyout(vm, m.data, 0, uaddr + 4, len);
    suword(vm, uaddr, m.type);
  };
}
interface ReceiveCarry {
  readonly req: MsgRequest;
  readonly uaddr: number;
}
/** msgrcv(2): the number of bytes. */
export function kernMsgrcv(lp: Lwp, id: number, uaddr: number, len: number, type: number, flags: number): number {
  const req = { id, size: len, type, flags };
  lp.carry = { req, uaddr } satisfies ReceiveCarry;
  return msgrcvTry(lp, req, storeMessage(lp, uaddr));
}
export function* kernMsgrcvSlow(lp: Lwp): KernelFrame {
  const { req, uaddr } = lp.carry as ReceiveCarry;
  return yield* msgrcvSlow(lp, req, storeMessage(lp, uaddr));
}
