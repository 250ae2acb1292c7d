// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly kqueue and kevent (DragonFly 2.0 sys/kern/kern_event.c, sys/sys/event.h). */
import { EINVAL, type Errno } from "../../sys/errno.ts";
import { EV_ERROR } from "../../sys/event.ts";
import { IoMiss, WOULDBLOCK } from "../../sys/wait.ts";
import { Uio } from "../../vm/uio.ts";
import { applyChanges, type Kevent, KEVENT_SIZE, kernKqueue, kqueueOf } from "../../kern/kqueue.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FOREVER, waitForLoad } from "../../kern/sleep.ts";
import { fd, int, partial, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { getBytes, getTimespec, putBytes } from "./guest-struct.ts";

/** struct kevent: ident, filter and flags (16 bits each), fflags, data, udata. */
function decode(dv: DataView): Kevent {
  return {
    ident: dv.getUint32(0, true), filter: dv.getInt16(4, true), flags: dv.getUint16(6, true), fflags: dv.getInt32(8, true),
    data: dv.getInt32(12, true), udata: dv.getInt32(16, true),
  };
}
function encode(events: readonly Kevent[]): Uint8Array {
  const b = new Uint8Array(events.length * KEVENT_SIZE);
  const dv = new DataView(b.buffer);
  events.forEach((ev, i) => {
    const at = i * KEVENT_SIZE;
    dv.setUint32(at, ev.ident, true);
    dv.setInt16(at + 4, ev.filter, true);
    dv.setUint16(at + 6, ev.flags, true);
    dv.setInt32(at + 8, ev.fflags, true);
    dv.setInt32(at + 12, ev.data, true);
    dv.setInt32(at + 16, ev.udata, true);
  });
  return b;
}

/** All changes, before the first of them is made; a list that does not lie in memory as a whole changes nothing. */
function changeList(lp: Lwp, uaddr: number, n: number): Kevent[] {
  const changes: Kevent[] = [];
  for (let i = 0; i < n; i++) changes.push(decode(new DataView(getBytes(lp, uaddr + i * KEVENT_SIZE, KEVENT_SIZE).buffer)));
  return changes;
}

/**
 * kevent(fd, changes, nchanges, events, nevents, timeout), its half that does not wait. Changes that fail are events
 * with EV_ERROR where there is room, and then the call waits for nothing.
 */
function sysKevent(lp: Lwp, a: Int32Array): number {
  const kq = kqueueOf(lp, a[0]!);
  const timeout = a[5] === 0 ? FOREVER : getTimespec(lp, a[5]!);
  const changes = changeList(lp, a[1]!, a[2]!);
  let room = a[4]!;
  let at = a[3]!;
  prepare(lp, at, Math.min(room, changes.length + kq.size));
  const report = (ev: Kevent, e: Errno): boolean => {
    if (room === 0) return false;
    putBytes(lp, at, encode([{ ...ev, flags: EV_ERROR, data: e.native }]));
    at += KEVENT_SIZE;
    room--;
    return true;
  };
  const failed = applyChanges(lp, kq, changes, report);
  if (failed > 0 || room === 0) return failed;
  if (room < 0) throw EINVAL;
  return fetched(lp, a, kq.take(room)) || (timeout === 0 ? 0 : WOULDBLOCK);
}
/** The changes have been made: a page that is missing must not start the call over again. */
function* sysKeventSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const kq = kqueueOf(lp, a[0]!);
  const deadline = a[5] === 0 ? FOREVER : lp.k.nanouptime() + getTimespec(lp, a[5]!);
  for (;;) {
    try {
      return fetched(lp, a, yield* kq.wait(lp, a[4]!, deadline, () => prepare(lp, a[3]!, Math.min(a[4]!, kq.size))));
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      yield* waitForLoad(lp, e);
    }
  }
}
/** Nothing may fail once events have been taken off the queue. */
function prepare(lp: Lwp, uaddr: number, events: number): void {
  if (events > 0) Uio.user(lp.proc.vmspace!, uaddr, events * KEVENT_SIZE).prefault(true);
}
function fetched(lp: Lwp, a: Int32Array, events: readonly Kevent[]): number {
  if (events.length > 0) putBytes(lp, a[3]!, encode(events));
  return events.length;
}

export const KEVENT_ROWS: readonly Sysent[] = [
  plain(362, "kqueue", [], kernKqueue),
  partial(sleeps(363, "kevent", [fd, uptr, int, uptr, int, uptr], sysKevent, sysKeventSlow), "EVFILT_AIO is EPERM, writes through mappings are not seen"),
];
