// SPDX-License-Identifier: BSD-3-Clause
/**
 * inotify: a queue of what happens to files and to the names in directories (Linux fs/notify/inotify). It hangs off the
 * same postings as kqueue's EVFILT_VNODE (sys/event.ts). Masks are Linux's, the only system that has them.
 *
 * Invariants
 *   IN1  A watch holds one reference on its vnode and is on its list, from add to remove; `byVnode` and `byWd` name the
 *        same watches.
 *   IN2  The queue holds at most QUEUE_MAX events; the one that found it full left IN_Q_OVERFLOW as the last.
 *   IN3  An event like the last one in the queue is not queued again.
 * @module
 */
import { EEXIST, EINVAL, ENOSPC, ENOTTY } from "../sys/errno.ts";
import {
  type NameEvent, NOTE_ATTRIB, NOTE_CLOSE, NOTE_CLOSE_WRITE, NOTE_DELETE, NOTE_LINK, NOTE_OPEN, NOTE_READ, NOTE_RENAME, NOTE_WRITE,
  unwatch, watch, type Watcher,
} from "../sys/event.ts";
import { FREAD } from "../sys/fcntl.ts";
import { FIONREAD } from "../sys/ioctl.ts";
import { POLLIN, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { type Vattr, VDIR, type Vnode, vref, VREG, vrele } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { File, pseudoVattr } from "./file.ts";

export const IN_ACCESS = 0x001;
export const IN_MODIFY = 0x002;
export const IN_ATTRIB = 0x004;
export const IN_CLOSE_WRITE = 0x008;
export const IN_CLOSE_NOWRITE = 0x010;
export const IN_OPEN = 0x020;
export const IN_MOVED_FROM = 0x040;
export const IN_MOVED_TO = 0x080;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_ALL_EVENTS = 0xfff;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_MASK_CREATE = 0x1000_0000;
export const IN_MASK_ADD = 0x2000_0000;
export const IN_ISDIR = 0x4000_0000;
export const IN_ONESHOT = 0x8000_0000 | 0;

/** Limits that /proc/sys/fs/inotify shows. */
export const QUEUE_MAX = 16_384;
export const WATCHES_MAX = 65_536;
/** What Tunables.inotifyInstances begins with. */
export const INOTIFY_INSTANCES = 1024;

const HEADER = 16;
/** Names are padded with NULs to a multiple of this. */
const NAME_UNIT = 16;

interface Event {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}
const eventSize = (e: Event): number =>
  HEADER + (e.name === "" ? 0 : Math.ceil((e.name.length + 1) / NAME_UNIT) * NAME_UNIT);

const NAME_MASK: Readonly<Record<Exclude<NameEvent["what"], "file">, number>> = {
  created: IN_CREATE,
  deleted: IN_DELETE,
  movedFrom: IN_MOVED_FROM,
  movedTo: IN_MOVED_TO,
};

/** What a hint about a file's use or contents is in inotify's terms; 0 when it is nothing. */
function useMask(hint: number, isDir: boolean): number {
  let mask = 0;
  if ((hint & NOTE_READ) !== 0) mask |= IN_ACCESS;
  if ((hint & NOTE_WRITE) !== 0 && !isDir) mask |= IN_MODIFY;
  if ((hint & NOTE_ATTRIB) !== 0 || ((hint & NOTE_LINK) !== 0 && !isDir)) mask |= IN_ATTRIB;
  if ((hint & NOTE_OPEN) !== 0) mask |= IN_OPEN;
  if ((hint & NOTE_CLOSE) !== 0) mask |= IN_CLOSE_NOWRITE;
  if ((hint & NOTE_CLOSE_WRITE) !== 0) mask |= IN_CLOSE_WRITE;
  return mask;
}

class Watch implements Watcher {
  readonly file: InotifyFile;
  readonly wd: number;
  readonly vp: Vnode;
  mask: number;

  constructor(file: InotifyFile, wd: number, vp: Vnode, mask: number) {
    this.file = file;
    this.wd = wd;
    this.vp = vref(vp);
    this.mask = mask;
    watch(vp, this);
  }

  note(hint: number, about: NameEvent | null): void {
    if (about !== null) {
      const bits = about.what === "file" ? useMask(about.hint, about.isDir) : NAME_MASK[about.what];
      this.post(bits, about.isDir, about.name, about.cookie);
      return;
    }
    const isDir = this.vp.type === VDIR;
    this.post(useMask(hint, isDir), isDir, "", 0);
    if ((hint & NOTE_RENAME) !== 0) this.post(IN_MOVE_SELF, false, "", 0);
    if ((hint & NOTE_DELETE) === 0) return;
    // A name fewer; with the last one the file is gone, and so is the watch.
    if (!isDir) this.post(IN_ATTRIB, false, "", 0);
    if (!isDir && this.vp.getattr().nlink > 0) return;
    this.post(IN_DELETE_SELF, false, "", 0);
    if (this.file.holds(this)) this.file.drop(this);
  }

  private post(bits: number, isDir: boolean, name: string, cookie: number): void {
    const wanted = bits & this.mask;
    if (wanted === 0) return;
    // One event for each bit: reading and closing are two things that happened.
    for (let bit = 1; bit <= IN_MOVE_SELF; bit <<= 1) {
      if ((wanted & bit) === 0) continue;
      this.file.queue({ wd: this.wd, mask: bit | (isDir ? IN_ISDIR : 0), cookie, name });
    }
    if ((this.mask & IN_ONESHOT) !== 0 && this.file.holds(this)) this.file.drop(this);
  }
}

export class InotifyFile extends File {
  readonly type = "inotify";
  private readonly events: Event[] = [];
  private readonly byVnode = new Map<Vnode, Watch>();
  private readonly byWd = new Map<number, Watch>();
  private nextWd = 1;
  private readonly chan = new WaitChannel("inotify");

  constructor(flags: number) {
    super(flags | FREAD);
  }

  /** Whether the watch is still one. */
  holds(w: Watch): boolean {
    return this.byWd.get(w.wd) === w;
  }

  /** Adds a watch, or changes the one that the file has; returns its number. Throws EEXIST (IN_MASK_CREATE), ENOSPC. */
  add(vp: Vnode, mask: number): number {
    const old = this.byVnode.get(vp);
    if (old !== undefined) {
      if ((mask & IN_MASK_CREATE) !== 0) throw EEXIST;
      const kept = (mask & IN_MASK_ADD) !== 0 ? old.mask : 0;
      old.mask = kept | (mask & (IN_ALL_EVENTS | IN_ONESHOT));
      return old.wd;
    }
    if (this.byWd.size >= WATCHES_MAX) throw ENOSPC;
    const w = new Watch(this, this.nextWd++, vp, mask & (IN_ALL_EVENTS | IN_ONESHOT));
    this.byVnode.set(vp, w);
    this.byWd.set(w.wd, w);
    return w.wd;
  }

  /** inotify_rm_watch. Throws EINVAL. */
  removeWd(wd: number): void {
    const w = this.byWd.get(wd);
    if (w === undefined) throw EINVAL;
    this.drop(w);
  }

  /** The watch ends; the queue says so. */
  drop(w: Watch): void {
    this.forget(w);
    this.queue({ wd: w.wd, mask: IN_IGNORED, cookie: 0, name: "" });
  }

  private forget(w: Watch): void {
    unwatch(w.vp, w);
    this.byVnode.delete(w.vp);
    this.byWd.delete(w.wd);
    vrele(w.vp);
  }

  queue(e: Event): void {
    const { events } = this;
    const last = events.at(-1);
    if (last !== undefined && last.wd === e.wd && last.mask === e.mask && last.cookie === e.cookie && last.name === e.name) return;
    if (events.length >= QUEUE_MAX) {
      if (last!.mask === IN_Q_OVERFLOW) return;
      events[events.length - 1] = { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: "" };
    } else events.push(e);
    this.chan.wakeup();
  }

  /** As many whole events as fit. Throws EINVAL when not even the first does. */
  override read(uio: Uio): number {
    const { events } = this;
    if (events.length === 0) return WOULDBLOCK;
    let count = 0;
    let bytes = 0;
    while (count < events.length && bytes + eventSize(events[count]!) <= uio.resid) bytes += eventSize(events[count++]!);
    if (count === 0) throw EINVAL;
    const out = new Uint8Array(bytes);
    const dv = new DataView(out.buffer);
    let at = 0;
    for (const e of events.slice(0, count)) {
      dv.setInt32(at, e.wd, true);
      dv.setInt32(at + 4, e.mask, true);
      dv.setInt32(at + 8, e.cookie, true);
      dv.setInt32(at + 12, eventSize(e) - HEADER, true);
      for (let i = 0; i < e.name.length; i++) out[at + HEADER + i] = e.name.charCodeAt(i);
      at += eventSize(e);
    }
    uio.prefault(true);
    uio.put(out, 0, bytes);
    events.splice(0, count);
    return bytes;
  }
  override write(): number {
    throw EINVAL;
  }
  override poll(events: number): number {
    return this.events.length > 0 ? events & (POLLIN | POLLRDNORM) : 0;
  }
  override channel(): WaitChannel {
    return this.chan;
  }
  override ioctl(cmd: number, data: Uint8Array): number {
    if (cmd >>> 0 !== FIONREAD) throw ENOTTY;
    let bytes = 0;
    for (const e of this.events) bytes += eventSize(e);
    new DataView(data.buffer, data.byteOffset).setInt32(0, bytes, true);
    return 0;
  }
  override stat(): Vattr {
    return pseudoVattr(VREG, 0o600, 0, 0);
  }
  override close(): void {
    for (const w of this.byWd.values()) this.forget(w);
  }
}
