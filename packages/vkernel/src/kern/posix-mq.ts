// SPDX-License-Identifier: BSD-3-Clause
/**
 * POSIX message queues (Linux ipc/mqueue.c; mq_overview(7)). Queues have names of their own, in no file system; descriptors of
 * them are open files.
 *
 * Invariants
 *   PQ1  0 <= messages.length <= maxmsg; they stand by falling priority, equal ones in the order in which they came.
 *   PQ2  `capacity` is the sum of maxmsg · (msgsize + MESSAGE_COST) of all queues that exist, and at most CAPACITY: messages
 *        lie outside the machine's memory.
 *   PQ3  A queue exists while it has a name or an open file.
 *   PQ4  A notification is sent once, when a message comes into an empty queue that nobody waits at, and is used up by that.
 * @module
 */
import { CAP_FOWNER, CAP_SYS_RESOURCE, capable } from "../sys/capability.ts";
import {
  EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENOENT, ENOSPC, ETIMEDOUT,
} from "../sys/errno.ts";
import { FREAD, FWRITE, O_NONBLOCK } from "../sys/fcntl.ts";
import { POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { SI_MESGQ } from "../sys/signal.ts";
import { accessOk, VREAD, VWRITE } from "../sys/ucred.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { type Vattr, VREG } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { fdrop, fhold, File, pseudoVattr } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp, Proc } from "./proc.ts";
import { ksiginfo, psignal } from "./sig.ts";
import { FOREVER, PCATCH, SLEEP_TIMEOUT, tsleep } from "./sleep.ts";

/** Limits that /proc/sys/fs/mqueue shows, for others than the superuser; the superuser's; bytes of all queues. */
export const MQ_QUEUES = 256;
export const MQ_MSG_MAX = 10;
export const MQ_MSGSIZE_MAX = 8192;
const HARD_MSG_MAX = 65_536;
const HARD_MSGSIZE_MAX = 16 * 1024 * 1024;
const CAPACITY = 64 * 1024 * 1024;
/** What a message takes besides its bytes. */
const MESSAGE_COST = 128;
const NAME_MAX = 255;
export const MQ_PRIO_MAX = 32_768;

interface MqMessage {
  readonly prio: number;
  readonly data: Uint8Array;
}

/** Who is told of a message: a signal (native number; 0 = nothing happens but that the place is taken). */
interface Notify {
  readonly p: Proc;
  readonly file: MqFile;
  readonly signo: number;
  readonly value: number;
}

class MessageQueue {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly maxmsg: number;
  readonly msgsize: number;
  readonly messages: MqMessage[] = [];
  notify: Notify | null = null;
  files = 0;
  named = true;
  readonly readChan = new WaitChannel("mqrecv");
  readonly writeChan = new WaitChannel("mqsend");

  constructor(mode: number, uid: number, gid: number, maxmsg: number, msgsize: number) {
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.maxmsg = maxmsg;
    this.msgsize = msgsize;
  }
  get bytes(): number {
    return this.maxmsg * (this.msgsize + MESSAGE_COST);
  }
}

export class MqTable {
  /** Those that have a name, and all. */
  readonly queues = new Map<string, MessageQueue>();
  readonly existing = new Set<MessageQueue>();
  capacity = 0;

  /** PQ3: the queue has lost its name or a file. */
  settle(q: MessageQueue): void {
    if (q.named || q.files > 0) return;
    this.capacity -= q.bytes;
    this.existing.delete(q);
  }
}

export class MqFile extends File {
  readonly type = "mqueue";
  readonly queue: MessageQueue;
  private readonly k: Kernel;

  constructor(k: Kernel, queue: MessageQueue, flags: number) {
    super(flags);
    this.k = k;
    this.queue = queue;
    queue.files++;
  }

  /** read(2) shows the state, as a file of the mqueue file system does. */
  override read(uio: Uio): number {
    const { messages, notify } = this.queue;
    const bytes = messages.reduce((n, m) => n + m.data.length, 0);
    const text =
      `QSIZE:${String(bytes).padEnd(10)} NOTIFY:${String(0).padEnd(5)} SIGNO:${String(notify?.signo ?? 0).padEnd(5)} ` +
      `NOTIFY_PID:${String(notify?.p.pid ?? 0).padEnd(6)}\n`;
    return uio.put(Uint8Array.from(text, (c) => c.charCodeAt(0)), 0, text.length);
  }
  override write(): number {
    throw EINVAL;
  }
  override poll(events: number): number {
    const { messages, maxmsg } = this.queue;
    let ready = 0;
    if (messages.length > 0) ready |= events & (POLLIN | POLLRDNORM);
    if (messages.length < maxmsg) ready |= events & POLLOUT;
    return ready;
  }
  override channel(write: boolean): WaitChannel {
    return write ? this.queue.writeChan : this.queue.readChan;
  }
  override stat(): Vattr {
    const { mode, uid, gid } = this.queue;
    return { ...pseudoVattr(VREG, mode, 0, 0), uid, gid, size: 80 };
  }
  override close(): void {
    const { queue } = this;
    if (queue.notify?.file === this) queue.notify = null;
    queue.files--;
    this.k.mqueues.settle(queue);
  }
}

export interface MqAttr {
  readonly maxmsg: number;
  readonly msgsize: number;
}
/** What a queue without attributes is given, and the most that others than the superuser may ask for. */
export interface MqLimits {
  readonly initial: MqAttr;
  readonly most: MqAttr;
}
const HERE: MqAttr = { maxmsg: MQ_MSG_MAX, msgsize: MQ_MSGSIZE_MAX };
const LIMITS: MqLimits = { initial: HERE, most: HERE };

/** The name as programs give it, without the slash that C libraries take away. */
function checkName(name: string): void {
  if (name === "") throw EINVAL;
  if (name.length > NAME_MAX) throw ENAMETOOLONG;
  if (name.includes("/")) throw EACCES;
}

function create(lp: Lwp, name: string, mode: number, attr: MqAttr | null, limits: MqLimits): MessageQueue {
  const table = lp.k.mqueues;
  const { cred } = lp.proc;
  const root = capable(cred, CAP_SYS_RESOURCE);
  if (!root && table.queues.size >= lp.k.tunables.mqueues) throw ENOSPC;
  const { maxmsg, msgsize } = attr ?? limits.initial;
  const { most } = limits;
  if (maxmsg <= 0 || msgsize <= 0) throw EINVAL;
  if (maxmsg > (root ? HARD_MSG_MAX : most.maxmsg) || msgsize > (root ? HARD_MSGSIZE_MAX : most.msgsize)) throw EINVAL;
  const q = new MessageQueue(mode & 0o777 & ~lp.proc.fd!.umask, cred.uid, cred.gid, maxmsg, msgsize);
  if (table.capacity + q.bytes > CAPACITY) throw EMFILE;
  table.queues.set(name, q);
  table.existing.add(q);
  table.capacity += q.bytes;
  return q;
}

/**
 * mq_open: a descriptor. `flags`: FREAD, FWRITE and O_NONBLOCK. Throws EINVAL, ENOENT, EEXIST, EACCES, ENAMETOOLONG, ENOSPC,
 * EMFILE.
 */
export function mqOpen(
  lp: Lwp,
  name: string,
  flags: number,
  how: { readonly create: boolean; readonly exclusive: boolean; readonly cloexec: boolean; readonly mode: number },
  attr: MqAttr | null,
  limits: MqLimits = LIMITS,
): number {
  checkName(name);
  const fd = lp.proc.fd!;
  fd.reserve(lp, 1);
  let q = lp.k.mqueues.queues.get(name);
  if (q !== undefined) {
    if (how.create && how.exclusive) throw EEXIST;
    const want = ((flags & FREAD) !== 0 ? VREAD : 0) | ((flags & FWRITE) !== 0 ? VWRITE : 0);
    if (!accessOk(q.mode, q.uid, q.gid, false, want, lp.proc.cred)) throw EACCES;
  } else {
    if (!how.create) throw ENOENT;
    q = create(lp, name, how.mode, attr, limits);
  }
  const fp = new MqFile(lp.k, q, flags);
  try {
    return fd.install(lp, fp, how.cloexec);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

/** mq_unlink: the name goes at once, the queue with its last descriptor. Throws ENOENT, EACCES. */
export function mqUnlink(lp: Lwp, name: string): void {
  checkName(name);
  const table = lp.k.mqueues;
  const q = table.queues.get(name);
  if (q === undefined) throw ENOENT;
  const { cred } = lp.proc;
  if (cred.uid !== q.uid && !capable(cred, CAP_FOWNER)) throw EACCES;
  table.queues.delete(name);
  q.named = false;
  table.settle(q);
}

/** The queue of a descriptor. Throws EBADF. */
export function mqOf(lp: Lwp, fd: number, mode = 0): MqFile {
  const fp = lp.proc.fd!.get(fd);
  if (!(fp instanceof MqFile) || (fp.flags & mode) !== mode) throw EBADF;
  return fp;
}

/** PQ4 */
function tell(q: MessageQueue, sender: Proc): void {
  const { notify } = q;
  if (notify === null || q.messages.length !== 1 || q.readChan.hasSleepers) return;
  q.notify = null;
  if (notify.signo === 0) return;
  const info = ksiginfo(notify.signo, SI_MESGQ);
  info.pid = sender.pid;
  info.uid = sender.cred.ruid;
  info.value = notify.value;
  psignal(notify.p, notify.signo, info);
}

/** Plain half of mq_timedsend: 0 or WOULDBLOCK. Throws EBADF, EINVAL, EMSGSIZE, EAGAIN. */
export function mqSendTry(lp: Lwp, fd: number, data: Uint8Array, prio: number): number {
  const fp = mqOf(lp, fd, FWRITE);
  const q = fp.queue;
  if (q.messages.length >= q.maxmsg) {
    if ((fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
    return WOULDBLOCK;
  }
  const at = q.messages.findIndex((m) => m.prio < prio);
  q.messages.splice(at < 0 ? q.messages.length : at, 0, { prio, data });
  tell(q, lp.proc);
  q.readChan.wakeup();
  return 0;
}

/** Checks what a sender gives before its bytes are copied. Throws EBADF, EINVAL, EMSGSIZE. */
export function mqCheckSend(lp: Lwp, fd: number, len: number, prio: number): void {
  if (prio < 0 || prio >= MQ_PRIO_MAX) throw EINVAL;
  if (len > mqOf(lp, fd, FWRITE).queue.msgsize) throw EMSGSIZE;
}

/**
 * Plain half of mq_timedreceive: hands the first message to `accept`, which may throw and leaves it then; its length, or
 * WOULDBLOCK. Throws EBADF, EMSGSIZE (the buffer holds less than a message may have), EAGAIN.
 */
export function mqReceiveTry(lp: Lwp, fd: number, room: number, accept: (m: MqMessage) => void): number {
  const fp = mqOf(lp, fd, FREAD);
  const q = fp.queue;
  if (room < q.msgsize) throw EMSGSIZE;
  const message = q.messages[0];
  if (message === undefined) {
    if ((fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
    return WOULDBLOCK;
  }
  accept(message);
  q.messages.shift();
  q.writeChan.wakeup();
  return message.data.length;
}

/** Waiting half of both: `attempt` until it succeeds. `deadlineNs` is monotonic. Throws ETIMEDOUT, EINTR, ERESTART. */
export function* mqWait(
  lp: Lwp,
  fd: number,
  write: boolean,
  deadlineNs: number,
  attempt: () => number,
): Generator<void, number, void> {
  const fp = fhold(mqOf(lp, fd));
  try {
    for (;;) {
      const n = attempt();
      if (n !== WOULDBLOCK) return n;
      const left = deadlineNs === FOREVER ? FOREVER : deadlineNs - lp.k.nanouptime();
      if (left <= 0) throw ETIMEDOUT;
      if ((yield* tsleep(lp, fp.channel(write), PCATCH, left)) === SLEEP_TIMEOUT) throw ETIMEDOUT;
    }
  } finally {
    fdrop(fp, lp);
  }
}

/** mq_notify; `signo` null takes the own notification away. Throws EBADF, EBUSY. */
export function mqNotify(lp: Lwp, fd: number, signo: number | null, value: number): void {
  const file = mqOf(lp, fd);
  const q = file.queue;
  if (signo === null) {
    if (q.notify?.p === lp.proc) q.notify = null;
    return;
  }
  if (q.notify !== null) throw EBUSY;
  q.notify = { p: lp.proc, file, signo, value };
}

/** A process ends: nobody is told for it any more. */
export function mqExit(k: Kernel, p: Proc): void {
  for (const q of k.mqueues.existing) if (q.notify?.p === p) q.notify = null;
}
