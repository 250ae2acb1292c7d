// SPDX-License-Identifier: BSD-3-Clause
/** sendmmsg and recvmmsg (Linux net/socket.c): several messages at once, each as sendmsg or recvmsg moves it. */
import { Errno } from "../../sys/errno.ts";
import { IoMiss, WOULDBLOCK } from "../../sys/wait.ts";
import { suword } from "../../vm/copyio.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { socketOf, takeCarry } from "../../kern/sys-socket.ts";
import type { SlowFn } from "../../kern/sysent.ts";

const LINUX_MSG_DONTWAIT = 0x40;
/** struct mmsghdr: a msghdr, and the length of what was moved. */
const MSG_LEN = 28;
const MMSGHDR = 32;
const MMSG_MOST = 1024;
const LINUX_MSG_WAITFORONE = 0x1_0000;

/** The flags for each message of recvmmsg: only the first is waited for anyway. */
export const firstOnly = (flags: number): number => flags & ~LINUX_MSG_WAITFORONE;

/** One message of sendmmsg or recvmmsg: (fd, msghdr, flags). */
type OneMessage = (lp: Lwp, a: Int32Array) => number;

/** Goes on behind `done` messages without waiting; what stops it after the first is told next time. */
export function moreMessages(lp: Lwp, a: Int32Array, flags: number, done: number, one: OneMessage): number {
  socketOf(lp, a[0]!);
  const count = Math.min(a[2]! >>> 0, MMSG_MOST);
  for (; done < count; done++) {
    const at = a[1]! + done * MMSGHDR;
    try {
      const n = one(lp, Int32Array.of(a[0]!, at, flags));
      if (n === WOULDBLOCK) {
        if (done === 0) return WOULDBLOCK;
        // Sent in part, and the rest is not in memory
        const { done: sent } = takeCarry(lp);
        if (sent === 0) return done;
        suword(lp.proc.vmspace!, at + MSG_LEN, sent);
        return done + 1;
      }
      suword(lp.proc.vmspace!, at + MSG_LEN, n);
    } catch (e) {
      if (done === 0 || !(e instanceof Errno || e instanceof IoMiss)) throw e;
      return done;
    }
    flags |= LINUX_MSG_DONTWAIT;
  }
  return done;
}
/** Waiting half: `slow` waits for the first message, the others come without. */
export function* manySlow(lp: Lwp, a: Int32Array, flags: number, one: OneMessage, slow: SlowFn): KernelFrame {
  const n = yield* slow(lp, Int32Array.of(a[0]!, a[1]!, flags));
  suword(lp.proc.vmspace!, a[1]! + MSG_LEN, n);
  return moreMessages(lp, a, flags | LINUX_MSG_DONTWAIT, 1, one);
}
