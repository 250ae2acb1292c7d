// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly POSIX message queues, from 2.2 on (DragonFly 3.8 sys/kern/sys_mqueue.c; sys/sys/mqueue.h). */
import { EINVAL, EMSGSIZE, ETIMEDOUT } from "../../sys/errno.ts";
import { FREAD, FWRITE, O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK } from "../../sys/fcntl.ts";
import { copyin, copyinstr, copyout } from "../../vm/copyio.ts";
import { type MqFile, type MqLimits, mqNotify, mqOf, mqOpen, mqReceiveTry, mqSendTry, mqUnlink, mqWait } from "../../kern/posix-mq.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { kernClose } from "../../kern/sys-file.ts";
import { fd, hex, octal, partial, path, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { getTimespec, getWords, putWords } from "./guest-struct.ts";

const NAME_LEN = 255;
/** Priorities are below this. */
const PRIO_MAX = 32;
/** struct mq_msg, which counts with a message's bytes. */
const HEADER = 20;
const LIMITS: MqLimits = { initial: { maxmsg: 32, msgsize: 1024 - HEADER }, most: { maxmsg: 16 * 32, msgsize: 16 * 1024 } };
/** struct mq_attr: flags, maxmsg, msgsize, curmsgs. */
const ATTR_WORDS = 4;

/** Names are any text there; of those with a slash at the start this is taken away. */
const queueName = (lp: Lwp, uaddr: number): string => copyinstr(lp.proc.vmspace!, uaddr, NAME_LEN).replace(/^\//, "");

function sysOpen(lp: Lwp, a: Int32Array): number {
  const flags = a[1]!;
  if ((flags & O_ACCMODE) === O_ACCMODE) throw EINVAL;
  const name = queueName(lp, a[0]!);
  const creates = (flags & O_CREAT) !== 0;
  const w = creates && a[3] !== 0 ? getWords(lp, a[3]!, ATTR_WORDS) : null;
  const attr = w === null ? null : { maxmsg: w[1]!, msgsize: w[2]! };
  const how = { create: creates, exclusive: (flags & O_EXCL) !== 0, cloexec: false, mode: a[2]! };
  return mqOpen(lp, name, ((flags + 1) & (FREAD | FWRITE)) | (flags & O_NONBLOCK), how, attr, LIMITS);
}
function sysUnlink(lp: Lwp, a: Int32Array): number {
  mqUnlink(lp, queueName(lp, a[0]!));
  return 0;
}

function attributes(fp: MqFile): number[] {
  const { maxmsg, msgsize, messages } = fp.queue;
  return [fp.flags & O_NONBLOCK, maxmsg, msgsize, messages.length];
}
function sysGetattr(lp: Lwp, a: Int32Array): number {
  putWords(lp, a[1]!, ...attributes(mqOf(lp, a[0]!)));
  return 0;
}
function sysSetattr(lp: Lwp, a: Int32Array): number {
  const [wanted] = getWords(lp, a[1]!, ATTR_WORDS);
  const fp = mqOf(lp, a[0]!);
  const old = attributes(fp);
  fp.flags = (fp.flags & ~O_NONBLOCK) | (wanted! & O_NONBLOCK);
  if (a[2] !== 0) putWords(lp, a[2]!, ...old);
  return 0;
}

const SIGEV_SIGNAL = 1;
/** Signals are below this. */
const NSIG = 64;
function sysNotify(lp: Lwp, a: Int32Array): number {
  if (a[1] === 0) {
    mqNotify(lp, a[0]!, null, 0);
    return 0;
  }
  // struct sigevent: kind, signal, value, function
  const [kind, signo, value] = getWords(lp, a[1]!, 4) as unknown as [number, number, number];
  if (kind === SIGEV_SIGNAL && (signo <= 0 || signo >= NSIG)) throw EINVAL;
  mqNotify(lp, a[0]!, kind === SIGEV_SIGNAL ? signo : 0, value);
  return 0;
}

interface Carry {
  /** Absolute, of the time of day; FOREVER without one. */
  readonly until: number;
  readonly attempt: () => number;
}
/** The time is looked at only by a call that has to wait. */
function* wait(lp: Lwp, a: Int32Array, write: boolean): KernelFrame {
  const { until, attempt } = lp.carry as Carry;
  const left = until === FOREVER ? FOREVER : until - lp.k.microtime() * 1000;
  if (left <= 0) throw ETIMEDOUT;
  return yield* mqWait(lp, a[0]!, write, left === FOREVER ? FOREVER : lp.k.nanouptime() + left, attempt);
}
const deadline = (lp: Lwp, uaddr: number): number => (uaddr === 0 ? FOREVER : getTimespec(lp, uaddr));

function send(lp: Lwp, a: Int32Array, until: number): number {
  const len = a[2]! >>> 0;
  if (a[3]! >>> 0 >= PRIO_MAX) throw EINVAL;
  if (HEADER + len > LIMITS.most.msgsize) throw EMSGSIZE;
  const data = new Uint8Array(len);
  copyin(lp.proc.vmspace!, a[1]!, data, 0, len);
  if (len === 0 || len > mqOf(lp, a[0]!, FWRITE).queue.msgsize) throw EMSGSIZE;
  const attempt = (): number => mqSendTry(lp, a[0]!, data, a[3]!);
  lp.carry = { until, attempt } satisfies Carry;
  return attempt();
}
function receive(lp: Lwp, a: Int32Array, until: number): number {
  const vm = lp.proc.vmspace!;
  const attempt = (): number =>
    mqReceiveTry(lp, a[0]!, a[2]! >>> 0, (m) => {
      copyout(vm, m.data, 0, a[1]!, m.data.length);
      if (a[3] !== 0) putWords(lp, a[3]!, m.prio);
    });
  lp.carry = { until, attempt } satisfies Carry;
  return attempt();
}
const sendSlow = (lp: Lwp, a: Int32Array): KernelFrame => wait(lp, a, true);
const receiveSlow = (lp: Lwp, a: Int32Array): KernelFrame => wait(lp, a, false);

const NOTE = "queues are those of the Linux calls; O_NONBLOCK is a descriptor's, not the queue's; unlinking wakes nobody";

export const MQ_ROWS: readonly Sysent[] = [
  partial(plain(510, "mq_open", [path, hex, octal, uptr], sysOpen), NOTE),
  plain(511, "mq_close", [fd], (lp, a) => kernClose(lp, a[0]!)),
  plain(512, "mq_unlink", [path], sysUnlink),
  plain(513, "mq_getattr", [fd, uptr], sysGetattr),
  plain(514, "mq_setattr", [fd, uptr, uptr], sysSetattr),
  plain(515, "mq_notify", [fd, uptr], sysNotify),
  sleeps(516, "mq_send", [fd, uptr, size, uint], (lp, a) => send(lp, a, FOREVER), sendSlow),
  sleeps(517, "mq_receive", [fd, uptr, size, uptr], (lp, a) => receive(lp, a, FOREVER), receiveSlow),
  sleeps(518, "mq_timedsend", [fd, uptr, size, uint, uptr], (lp, a) => send(lp, a, deadline(lp, a[4]!)), sendSlow),
  sleeps(519, "mq_timedreceive", [fd, uptr, size, uptr, uptr], (lp, a) => receive(lp, a, deadline(lp, a[4]!)), receiveSlow),
];
