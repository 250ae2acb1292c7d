// SPDX-License-Identifier: BSD-3-Clause
/**
 * System V message queues (DragonFly 2.0 sys/kern/sysv_msg.c; Linux ipc/msg.c).
 *
 * Invariants
 *   MQ1  cbytes is the sum of the lengths of the messages; poolBytes that of all queues, with MESSAGE_COST for each message,
 *        so that empty ones are not free.
 *   MQ2  Messages are received in the order in which they came, among those that the receiver asks for.
 * @module
 */
import { CAP_SYS_RESOURCE, capable } from "../sys/capability.ts";
import { E2BIG, EIDRM, EAGAIN, EINVAL, ENOMEM, ENOMSG, EPERM } from "../sys/errno.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, tsleep } from "./sleep.ts";
import { IPC_NOWAIT, IPC_R, IPC_W, type IpcInit, IpcObject, IpcTable } from "./sysv-ipc.ts";

export const MSG_NOERROR = 0x1000;
export const MSG_EXCEPT = 0x2000;
export const MSG_COPY = 0x4000;
/** Limits: queues, bytes of a message, bytes of a queue unless the superuser says otherwise. */
export const MSGMNI = 4096;
export const MSGMAX = 8192;
export const MSGMNB = 16_384;
/** Bytes of all messages together, and what each takes besides its own: they lie outside the machine's memory. */
const MSGPOOL = 64 * 1024 * 1024;
const MESSAGE_COST = 128;

export interface Message {
  readonly type: number;
  readonly data: Uint8Array;
}

export class MsgQueue extends IpcObject {
  readonly messages: Message[] = [];
  cbytes = 0;
  qbytes = MSGMNB;
  lspid = 0;
  lrpid = 0;
  stime = 0;
  rtime = 0;
  readonly readChan = new WaitChannel("msgrcv");
  readonly writeChan = new WaitChannel("msgsnd");
}

export class MsgTable extends IpcTable<MsgQueue> {
  poolBytes = 0;
  constructor() {
    super(MSGMNI);
  }
}

const now = (lp: Lwp): number => Math.floor(lp.k.microtime() / 1e6);

/** msgget. Throws what IpcTable.get throws. */
export function msgget(lp: Lwp, key: number, flags: number): MsgQueue {
  return lp.k.ipc.msg.get(key, flags, lp.proc.cred, now(lp), (init: IpcInit) => new MsgQueue(init));
}

/** IPC_RMID: whoever sleeps on the queue gets EIDRM. Throws EPERM. */
export function msgRemove(lp: Lwp, q: MsgQueue): void {
  q.control(lp.proc.cred);
  const table = lp.k.ipc.msg;
  table.remove(q);
  table.poolBytes -= q.cbytes + MESSAGE_COST * q.messages.length;
  q.messages.length = 0;
  q.readChan.wakeup();
  q.writeChan.wakeup();
}

/** IPC_SET of the queue's size: only the superuser goes beyond MSGMNB. Throws EPERM, before anything changes. */
export function msgSetBytes(lp: Lwp, q: MsgQueue, qbytes: number): void {
  q.control(lp.proc.cred);
  if (qbytes > MSGMNB && !capable(lp.proc.cred, CAP_SYS_RESOURCE)) throw EPERM;
  q.qbytes = qbytes;
  q.writeChan.wakeup();
}

/** Plain half of msgsnd: 0 or WOULDBLOCK. Throws EINVAL, EACCES, ENOMEM, EAGAIN (IPC_NOWAIT). */
export function msgsndTry(lp: Lwp, id: number, message: Message, flags: number): number {
  const table = lp.k.ipc.msg;
  const len = message.data.length;
  if (message.type < 1 || len > MSGMAX) throw EINVAL;
  const q = table.find(id);
  q.access(IPC_W, lp.proc.cred);
  if (q.cbytes + len > q.qbytes || q.messages.length + 1 > q.qbytes) {
    if ((flags & IPC_NOWAIT) !== 0) throw EAGAIN;
    return WOULDBLOCK;
  }
  if (table.poolBytes + len + MESSAGE_COST > MSGPOOL) throw ENOMEM;
  q.messages.push(message);
  q.cbytes += len;
  table.poolBytes += len + MESSAGE_COST;
  q.lspid = lp.proc.pid;
  q.stime = now(lp);
  q.readChan.wakeup();
  return 0;
}

/** Waiting half. Throws EIDRM and EINTR besides; never restarts. */
export function* msgsndSlow(
  lp: Lwp,
  id: number,
  message: Message,
  flags: number,
): Generator<void, number, void> {
  const q = lp.k.ipc.msg.find(id);
  for (;;) {
    if (msgsndTry(lp, id, message, flags) !== WOULDBLOCK) return 0;
    yield* tsleep(lp, q.writeChan, PCATCH | PNORESTART, FOREVER);
    if (q.removed) throw EIDRM;
  }
}

/** What a receiver asks for: at most `size` bytes of a message of `type` (0 any, < 0 the lowest up to −type). */
export interface MsgRequest {
  readonly id: number;
  readonly size: number;
  readonly type: number;
  readonly flags: number;
}

/** Index of the message that fits, or −1. */
function select(q: MsgQueue, { type, flags }: MsgRequest): number {
  if ((flags & MSG_COPY) !== 0) return type >= 0 && type < q.messages.length ? type : -1;
  if (type === 0) return q.messages.length === 0 ? -1 : 0;
  if (type > 0) {
    const except = (flags & MSG_EXCEPT) !== 0;
    return q.messages.findIndex((m) => (m.type === type) !== except);
  }
  let best = -1;
  q.messages.forEach((m, i) => {
    if (m.type <= -type && (best < 0 || m.type < q.messages[best]!.type)) best = i;
  });
  return best;
}

/**
 * Takes a message out, after `accept` has stored it: what it throws leaves the message where it is. Returns the number of
 * bytes, or WOULDBLOCK. Throws EINVAL, EACCES, E2BIG (longer than asked for, without MSG_NOERROR), ENOMSG (IPC_NOWAIT).
 */
export function msgrcvTry(lp: Lwp, req: MsgRequest, accept: (m: Message, len: number) => void): number {
  if (req.size < 0) throw EINVAL;
  const copy = (req.flags & MSG_COPY) !== 0;
  if (copy && ((req.flags & MSG_EXCEPT) !== 0 || (req.flags & IPC_NOWAIT) === 0)) throw EINVAL;
  const table = lp.k.ipc.msg;
  const q = table.find(req.id);
  q.access(IPC_R, lp.proc.cred);
  const index = select(q, req);
  if (index < 0) {
    if ((req.flags & IPC_NOWAIT) !== 0) throw ENOMSG;
    return WOULDBLOCK;
  }
  const message = q.messages[index]!;
  const len = message.data.length;
  if (len > req.size && (req.flags & MSG_NOERROR) === 0) throw E2BIG;
  const give = Math.min(len, req.size);
  accept(message, give);
  if (copy) return give;
  q.messages.splice(index, 1);
  q.cbytes -= len;
  table.poolBytes -= len + MESSAGE_COST;
  q.lrpid = lp.proc.pid;
  q.rtime = now(lp);
  q.writeChan.wakeup();
  return give;
}

/** Waiting half. Throws EIDRM and EINTR besides; never restarts. */
export function* msgrcvSlow(
  lp: Lwp,
  req: MsgRequest,
  accept: (m: Message, len: number) => void,
): Generator<void, number, void> {
  const q = lp.k.ipc.msg.find(req.id);
  for (;;) {
    const n = msgrcvTry(lp, req, accept);
    if (n !== WOULDBLOCK) return n;
    yield* tsleep(lp, q.readChan, PCATCH | PNORESTART, FOREVER);
    if (q.removed) throw EIDRM;
  }
}
