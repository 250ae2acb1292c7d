// SPDX-License-Identifier: BSD-3-Clause
/**
 * select and poll: ask every file, and if none is ready sleep on all their channels (DragonFly 2.0 sys/kern/sys_generic.c).
 * What is watched for longer is epoll's (epoll.ts).
 *
 * Invariants
 *   V1  Between the last look at the files and the sleep nothing happens, so no event is lost.
 *   V2  A poll set holds its files while it sleeps.
 * @module
 */
import { EBADF } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM } from "../sys/poll.ts";
import type { WaitChannel } from "../sys/wait.ts";
import { fdrop, fhold, type File } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleepMany } from "./sleep.ts";

/** One descriptor of a poll set. */
export interface PollFd {
  fd: number;
  events: number;
  revents: number;
}

/** Looks at all files once; returns how many have something to report. */
export function pollScan(lp: Lwp, set: readonly PollFd[]): number {
  const files = lp.proc.fd!.files;
  let n = 0;
  for (const p of set) {
    if (p.fd < 0) {
      p.revents = 0;
      continue;
    }
    const fp = p.fd < files.length ? files[p.fd]! : null;
    p.revents = fp === null ? POLLNVAL : fp.poll(p.events);
    if (p.revents !== 0) n++;
  }
  return n;
}

/**
 * Waits until a file of the set is ready; returns how many are, 0 after the timeout (ns; FOREVER for none).
 * Throws EINTR; never restarts.
 */
export function* pollWait(lp: Lwp, set: readonly PollFd[], timeoutNs: number): Generator<void, number, void> {
  const k = lp.k;
  const deadline = timeoutNs === FOREVER ? FOREVER : k.nanouptime() + timeoutNs;
  for (;;) {
    const n = pollScan(lp, set);
    if (n > 0) return n;
    const left = deadline === FOREVER ? FOREVER : deadline - k.nanouptime();
    if (left <= 0) return 0;
    const held: File[] = [];
    const chans: (WaitChannel | null)[] = [];
    for (const p of set) {
      if (p.fd < 0) continue;
      const fp = lp.proc.fd!.files[p.fd]!;
      held.push(fhold(fp));
      addChannels(fp, p.events, chans);
    }
    try {
      if ((yield* tsleepMany(lp, chans, "poll", PCATCH | PNORESTART, left)) === SLEEP_TIMEOUT) return pollScan(lp, set);
    } finally {
      for (const fp of held) fdrop(fp, lp);
    }
  }
}

/** Whether who asks a file for `events` waits at its reading side: there hangups and errors are announced too, where it has one. */
export function waitsToRead(fp: File, events: number): boolean {
  if ((fp.flags & FREAD) === 0) return false;
  return (events & (POLLIN | POLLRDNORM | POLLRDHUP | POLLPRI)) !== 0 || (events & POLLOUT) === 0 || (fp.flags & FWRITE) === 0;
}
/** The same for its writing side. */
export function waitsToWrite(fp: File, events: number): boolean {
  return (fp.flags & FWRITE) !== 0 && ((events & POLLOUT) !== 0 || (fp.flags & FREAD) === 0);
}

function addChannels(fp: File, events: number, chans: (WaitChannel | null)[]): void {
  if (waitsToRead(fp, events)) chans.push(fp.channel(false));
  if (waitsToWrite(fp, events)) chans.push(fp.channel(true));
}

/** A select set as bit words; null where the caller passed none. */
export interface SelectSets {
  nfds: number;
  read: Int32Array | null;
  write: Int32Array | null;
  except: Int32Array | null;
}

const bit = (set: Int32Array | null, fd: number): boolean => set !== null && (set[fd >> 5]! & (1 << (fd & 31))) !== 0;

/** The descriptors of select's sets as a poll set. Throws EBADF for one that is not open. */
export function selectToPoll(lp: Lwp, s: SelectSets): PollFd[] {
  const set: PollFd[] = [];
  for (let fd = 0; fd < s.nfds; fd++) {
    let events = 0;
    if (bit(s.read, fd)) events |= POLLIN | POLLRDNORM;
    if (bit(s.write, fd)) events |= POLLOUT;
    if (bit(s.except, fd)) events |= POLLPRI;
    if (events === 0) continue;
    if (fd >= lp.proc.fd!.files.length || lp.proc.fd!.files[fd] === null) throw EBADF;
    set.push({ fd, events, revents: 0 });
  }
  return set;
}

/** Turns poll results back into select's sets, in place; returns the number of bits set. */
export function pollToSelect(set: readonly PollFd[], s: SelectSets): number {
  s.read?.fill(0);
  s.write?.fill(0);
  s.except?.fill(0);
  let n = 0;
  const mark = (to: Int32Array | null, fd: number): void => {
    to![fd >> 5]! |= 1 << (fd & 31);
    n++;
  };
  for (const p of set) {
    const r = p.revents;
    if ((r & POLLNVAL) !== 0) throw EBADF;
    if ((p.events & POLLIN) !== 0 && (r & (POLLIN | POLLRDNORM | POLLHUP | POLLERR)) !== 0) mark(s.read, p.fd);
    if ((p.events & POLLOUT) !== 0 && (r & (POLLOUT | POLLERR)) !== 0) mark(s.write, p.fd);
    if ((p.events & POLLPRI) !== 0 && (r & POLLPRI) !== 0) mark(s.except, p.fd);
  }
  return n;
}
