// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly select, pselect and poll (DragonFly 2.0 sys/kern/sys_generic.c). */
import { EINVAL } from "../../sys/errno.ts";
import { copyin, copyinWords, copyout, copyoutWords } from "../../vm/copyio.ts";
import { mustSleep } from "../../kern/fork.ts";
import { type PollFd, pollToSelect, pollWait, type SelectSets, selectToPoll } from "../../kern/poll.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER } from "../../kern/sleep.ts";
import { int, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { getSigset, getTimespec, getTimeval } from "./guest-struct.ts";
import { suspendMask } from "./sys-signal.ts";

function getSet(lp: Lwp, uaddr: number, words: number): Int32Array | null {
  if (uaddr === 0) return null;
  const set = new Int32Array(words);
  copyinWords(lp.proc.vmspace!, uaddr, set, words);
  return set;
}
function putSet(lp: Lwp, uaddr: number, set: Int32Array | null): void {
  if (set !== null) copyoutWords(lp.proc.vmspace!, set, uaddr, set.length);
}

/** (nd, in, out, except): descriptors beyond the table are left out, as in BSD. */
function* select(lp: Lwp, a: Int32Array, timeoutNs: number): KernelFrame {
  if (a[0]! < 0) throw EINVAL;
  const nfds = Math.min(a[0]!, lp.proc.fd!.files.length);
  const words = Math.ceil(nfds / 32);
  const sets: SelectSets = { nfds, read: getSet(lp, a[1]!, words), write: getSet(lp, a[2]!, words), except: getSet(lp, a[3]!, words) };
  const set = selectToPoll(lp, sets);
  yield* pollWait(lp, set, timeoutNs);
  const n = pollToSelect(set, sets);
  putSet(lp, a[1]!, sets.read);
  putSet(lp, a[2]!, sets.write);
  putSet(lp, a[3]!, sets.except);
  return n;
}
function* sysSelect(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* select(lp, a, a[4] === 0 ? FOREVER : getTimeval(lp, a[4]!));
}
function* sysPselect(lp: Lwp, a: Int32Array): KernelFrame {
  const timeout = a[4] === 0 ? FOREVER : getTimespec(lp, a[4]!);
  if (a[5] !== 0) suspendMask(lp, getSigset(lp, a[5]!));
  return yield* select(lp, a, timeout);
}

const POLLFD_SIZE = 8;
function* sysPoll(lp: Lwp, a: Int32Array): KernelFrame {
  const vm = lp.proc.vmspace!;
  const n = a[1]! >>> 0;
  if (n > Math.max(1024, lp.proc.fd!.files.length)) throw EINVAL;
  const b = new Uint8Array(n * POLLFD_SIZE);
  copyin(vm, a[0]!, b, 0, b.length);
  const dv = new DataView(b.buffer);
  const set: PollFd[] = [];
  for (let i = 0; i < n; i++) {
    set.push({ fd: dv.getInt32(POLLFD_SIZE * i, true), events: dv.getInt16(POLLFD_SIZE * i + 4, true), revents: 0 });
  }
  const ready = yield* pollWait(lp, set, a[2]! < 0 ? FOREVER : a[2]! * 1e6);
  for (let i = 0; i < n; i++) dv.setInt16(POLLFD_SIZE * i + 6, set[i]!.revents, true);
  copyout(vm, b, 0, a[0]!, b.length);
  return ready;
}

export const POLL_ROWS: readonly Sysent[] = [
  sleeps(93, "select", [int, uptr, uptr, uptr, uptr], mustSleep, sysSelect),
  sleeps(209, "poll", [uptr, uint, int], mustSleep, sysPoll),
  sleeps(252, "openbsd_poll", [uptr, uint, int], mustSleep, sysPoll),
  sleeps(499, "pselect", [int, uptr, uptr, uptr, uptr, uptr], mustSleep, sysPselect),
];
