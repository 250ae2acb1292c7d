// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel events: what kqueue reports, and how files and processes tell those who watch them (DragonFly 2.0
 * sys/sys/event.h).
 *
 * Invariant
 *   KL1  A watcher is told only while it is on the list. It may leave the list, or join it, while it is being told.
 * @module
 */

export const EVFILT_READ = -1;
export const EVFILT_WRITE = -2;
export const EVFILT_AIO = -3;
export const EVFILT_VNODE = -4;
export const EVFILT_PROC = -5;
export const EVFILT_SIGNAL = -6;
export const EVFILT_TIMER = -7;
/** Out-of-band data; since 2.8. */
export const EVFILT_EXCEPT = -8;

export const EV_ADD = 0x0001;
export const EV_DELETE = 0x0002;
export const EV_ENABLE = 0x0004;
export const EV_DISABLE = 0x0008;
export const EV_ONESHOT = 0x0010;
export const EV_CLEAR = 0x0020;
export const EV_ERROR = 0x4000;
export const EV_EOF = 0x8000;
/** Bits that only the kernel sets. */
export const EV_SYSFLAGS = 0xf000;

/** EVFILT_READ and EVFILT_WRITE: `data` is how much must be there. */
export const NOTE_LOWAT = 0x0001;
/** EVFILT_EXCEPT. */
export const NOTE_OOB = 0x0002;

/** EVFILT_VNODE. */
export const NOTE_DELETE = 0x0001;
export const NOTE_WRITE = 0x0002;
export const NOTE_EXTEND = 0x0004;
export const NOTE_ATTRIB = 0x0008;
export const NOTE_LINK = 0x0010;
export const NOTE_RENAME = 0x0020;
export const NOTE_REVOKE = 0x0040;
/** Those that kqueue reports. */
export const NOTE_VNODE = 0x007f;
/** Hints about open files, which FreeBSD's EVFILT_VNODE has too; kqueue keeps them to itself. */
export const NOTE_OPEN = 0x0080;
export const NOTE_CLOSE = 0x0100;
export const NOTE_CLOSE_WRITE = 0x0200;
export const NOTE_READ = 0x0400;

/** EVFILT_PROC: events in the high bits of a hint, the pid of a new child in the low ones. */
export const NOTE_EXIT = 0x8000_0000 | 0;
export const NOTE_FORK = 0x4000_0000;
export const NOTE_EXEC = 0x2000_0000;
export const NOTE_PCTRLMASK = 0xf000_0000 | 0;
export const NOTE_PDATAMASK = 0x000f_ffff;
export const NOTE_TRACK = 0x0001;
export const NOTE_TRACKERR = 0x0002;
export const NOTE_CHILD = 0x0004;
/** Hint of a posted signal, with its number in the low bits; processes never see it. */
export const NOTE_SIGNAL = 0x0800_0000;

/** What happened to one name of a watched directory. */
export interface NameEvent {
  /** The name came or went, by itself or by a rename; or ("file") its file was used or changed as `hint` says. */
  readonly what: "created" | "deleted" | "movedFrom" | "movedTo" | "file";
  readonly hint: number;
  /** A byte string. */
  readonly name: string;
  readonly isDir: boolean;
  /** The same for both halves of a rename, else 0. */
  readonly cookie: number;
}

/** Somebody who is told what happens to a file or a process. */
export interface Watcher {
  /** `hint` is a mask of NOTE_* bits of the kind that the list is about; 0 for what concerns a name alone. */
  note(hint: number, about: NameEvent | null): void;
}

/** Those who watch one vnode or process. */
export class Klist {
  private readonly watchers = new Set<Watcher>();

  add(w: Watcher): void {
    this.watchers.add(w);
  }
  remove(w: Watcher): void {
    this.watchers.delete(w);
  }
  get empty(): boolean {
    return this.watchers.size === 0;
  }
  note(hint: number, about: NameEvent | null): void {
    for (const w of [...this.watchers]) if (this.watchers.has(w)) w.note(hint, about);
  }
}

/** Something that can be watched; the list is made for the first watcher. */
export interface Watched {
  klist: Klist | null;
}

/** Tells those who watch; costs one comparison when nobody does. */
export function knote(what: Watched, hint: number): void {
  if (what.klist !== null) what.klist.note(hint, null);
}

export function watch(what: Watched, w: Watcher): void {
  (what.klist ??= new Klist()).add(w);
}
export function unwatch(what: Watched, w: Watcher): void {
  const list = what.klist;
  if (list === null) return;
  list.remove(w);
  if (list.empty) what.klist = null;
}
