// SPDX-License-Identifier: BSD-3-Clause
/** POSIX message queues of Linux/i386 (Linux ipc/mqueue.c). */
import { EINVAL, ENOENT, ENOSYS } from "../../sys/errno.ts";
import { FREAD, FWRITE, O_ACCMODE, O_CLOEXEC, O_CREAT, O_EXCL, O_NONBLOCK } from "../../sys/fcntl.ts";
import { copyin, copyinstr, copyinWords, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import { mqCheckSend, mqNotify, mqOf, mqOpen, mqReceiveTry, mqSendTry, mqUnlink, mqWait } from "../../kern/posix-mq.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { fd, hex, octal, partial, path, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { nativeOpenFlags } from "./file-flags.ts";
import { getTimespec, getTimespec64 } from "./guest-struct.ts";
import { nativeSigno } from "./signo.ts";

const PATH_MAX = 4096;
const LINUX_O_NONBLOCK = 0o4000;
/** struct mq_attr: flags, maxmsg, msgsize, curmsgs, four reserved words. */
const ATTR_WORDS = 8;

/** A name from the program. Throws EFAULT, ENAMETOOLONG, ENOENT for none at all. */
function queueName(lp: Lwp, uaddr: number): string {
  const name = copyinstr(lp.proc.vmspace!, uaddr, PATH_MAX);
  if (name === "") throw ENOENT;
  return name;
}

function sysOpen(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  // What has both bits is not a mode of queues.
  if ((a[1]! & O_ACCMODE) === O_ACCMODE) throw EINVAL;
  const flags = nativeOpenFlags(a[1]!);
  const name = queueName(lp, a[0]!);
  let attr = null;
  if (a[3] !== 0) {
    const w = new Int32Array(ATTR_WORDS);
    copyinWords(vm, a[3]!, w, ATTR_WORDS);
    attr = { maxmsg: w[1]!, msgsize: w[2]! };
  }
  const rw = ((flags + 1) & O_ACCMODE) & (FREAD | FWRITE);
  return mqOpen(
    lp,
    name,
    rw | (flags & O_NONBLOCK),
    { create: (flags & O_CREAT) !== 0, exclusive: (flags & O_EXCL) !== 0, cloexec: (flags & O_CLOEXEC) !== 0, mode: a[2]! },
    attr,
  );
}
function sysUnlink(lp: Lwp, a: Int32Array): number {
  mqUnlink(lp, queueName(lp, a[0]!));
  return 0;
}

type ReadTime = (lp: Lwp, uaddr: number) => number;
/** The absolute timeout as a monotonic deadline. */
function deadline(lp: Lwp, uaddr: number, read: ReadTime): number {
  if (uaddr === 0) return FOREVER;
  return lp.k.nanouptime() + read(lp, uaddr) - lp.k.microtime() * 1000;
}

interface Carry {
  readonly deadlineNs: number;
  readonly attempt: () => number;
}
function* wait(lp: Lwp, a: Int32Array, write: boolean): KernelFrame {
  const { deadlineNs, attempt } = lp.carry as Carry;
  return yield* mqWait(lp, a[0]!, write, deadlineNs, attempt);
}
const send =
  (read: ReadTime) =>
  (lp: Lwp, a: Int32Array): number => {
    const deadlineNs = deadline(lp, a[4]!, read);
    const len = a[2]! >>> 0;
    mqCheckSend(lp, a[0]!, len, a[3]!);
    const data = new Uint8Array(len);
    copyin(lp.proc.vmspace!, a[1]!, data, 0, len);
    const attempt = (): number => mqSendTry(lp, a[0]!, data, a[3]!);
    lp.carry = { deadlineNs, attempt } satisfies Carry;
    return attempt();
  };
const receive =
  (read: ReadTime) =>
  (lp: Lwp, a: Int32Array): number => {
    const deadlineNs = deadline(lp, a[4]!, read);
    const vm = lp.proc.vmspace!;
    const attempt = (): number =>
      mqReceiveTry(lp, a[0]!, a[2]! >>> 0, (m) => {
        copyout(vm, m.data, 0, a[1]!, m.data.length);
        if (a[3] !== 0) suword(vm, a[3]!, m.prio);
      });
    lp.carry = { deadlineNs, attempt } satisfies Carry;
    return attempt();
  };
const sendSlow = (lp: Lwp, a: Int32Array): KernelFrame => wait(lp, a, true);
const receiveSlow = (lp: Lwp, a: Int32Array): KernelFrame => wait(lp, a, false);

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD = 2;
function sysNotify(lp: Lwp, a: Int32Array): number {
  if (a[1] === 0) {
    mqNotify(lp, a[0]!, null, 0);
    return 0;
  }
  // struct sigevent: value, signo, notify
  const w = new Int32Array(3);
  copyinWords(lp.proc.vmspace!, a[1]!, w, 3);
  if (w[2] === SIGEV_THREAD) throw ENOSYS;
  if (w[2] !== SIGEV_SIGNAL && w[2] !== SIGEV_NONE) throw EINVAL;
  const signo = w[2] === SIGEV_NONE ? 0 : nativeSigno(w[1]!);
  // Signal 0 takes the place and sends nothing.
  if (w[2] === SIGEV_SIGNAL && signo === 0 && w[1] !== 0) throw EINVAL;
  mqNotify(lp, a[0]!, signo, w[0]!);
  return 0;
}

function sysGetsetattr(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const w = new Int32Array(ATTR_WORDS);
  let nonblock: boolean | null = null;
  if (a[1] !== 0) {
    copyinWords(vm, a[1]!, w, ATTR_WORDS);
    const flags = nativeOpenFlags(w[0]!);
    if ((flags & ~O_NONBLOCK) !== 0) throw EINVAL;
    nonblock = (flags & O_NONBLOCK) !== 0;
  }
  const fp = mqOf(lp, a[0]!);
  const { maxmsg, msgsize, messages } = fp.queue;
  if (a[2] !== 0) {
    w.fill(0);
    w[0] = (fp.flags & O_NONBLOCK) !== 0 ? LINUX_O_NONBLOCK : 0;
    w[1] = maxmsg;
    w[2] = msgsize;
    w[3] = messages.length;
    copyoutWords(vm, w, a[2]!, ATTR_WORDS);
  }
  if (nonblock !== null) fp.flags = nonblock ? fp.flags | O_NONBLOCK : fp.flags & ~O_NONBLOCK;
  return 0;
}

export const MQ_ROWS: readonly Sysent[] = [
  plain(277, "mq_open", [path, hex, octal, uptr], sysOpen),
  plain(278, "mq_unlink", [path], sysUnlink),
  sleeps(279, "mq_timedsend", [fd, uptr, size, uint, uptr], send(getTimespec), sendSlow),
  sleeps(280, "mq_timedreceive", [fd, uptr, size, uptr, uptr], receive(getTimespec), receiveSlow),
  partial(plain(281, "mq_notify", [fd, uptr], sysNotify), "no SIGEV_THREAD"),
  plain(282, "mq_getsetattr", [fd, uptr, uptr], sysGetsetattr),
  sleeps(418, "mq_timedsend_time64", [fd, uptr, size, uint, uptr], send(getTimespec64), sendSlow),
  sleeps(419, "mq_timedreceive_time64", [fd, uptr, size, uptr, uptr], receive(getTimespec64), receiveSlow),
];
