// SPDX-License-Identifier: BSD-3-Clause
/**
 * The snapshots of a HAMMER directory as directories: one for each snapshot record of its PFS, named by the time in UTC,
 * "2026-11-21_18.05.33", each the directory as it was (what DragonFly's hammer(8) makes of symbolic links to DIR@@0x…, in
 * snapshot directories). Nothing can be changed below it.
 *
 * Invariants
 *   SN1  A snapshot from before the directory was there is not listed.
 *   SN2  Of several snapshots in one second the last one has the name.
 *   SN3  Positions are those of TIDs once seen, so that reading on survives new and removed snapshots.
 * @module
 */
import { addSnapshot, takeSnapshotTid } from "@vkernel/hammer";
import { MNT_NOATIME, MNT_RDONLY, Mount, type Statfs } from "../mount.ts";
import { type ReaddirSink, type Vattr, VDIR, Vnode, vref, vrele } from "../vnode.ts";
import type { HammerVnode } from "./hammer.ts";

const FIRST_POSITION = 3;
const ROOT_FILEID = 1;

/** How snapshots are called, and by which format strptime(3) reads it. */
export const SNAPSHOT_NAME_FORMAT = "%Y-%m-%d_%H.%M.%S";

/** Days of a Gregorian cycle of 400 years, and from the first of March of year 0 to 1970. */
const CYCLE_DAYS = 146_097;
const EPOCH_DAYS = 719_468;

/** Name of a snapshot that was taken `us` microseconds after 1970, in UTC. Years begin in March: leap days then end them. */
export function snapshotName(us: number): string {
  const seconds = Math.floor(us / 1e6);
  const days = Math.floor(seconds / 86_400) + EPOCH_DAYS;
  const cycle = Math.floor(days / CYCLE_DAYS);
  const day = days - cycle * CYCLE_DAYS;
  const yearOfCycle = Math.floor((day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365);
  const dayOfYear = day - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = 400 * cycle + yearOfCycle + (month <= 2 ? 1 : 0);
  const dayOfMonth = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const time = seconds - Math.floor(seconds / 86_400) * 86_400;
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(dayOfMonth)}_${two(Math.floor(time / 3600))}.${two(Math.floor(time / 60) % 60)}.${two(time % 60)}`;
}

export class SnapshotsMount extends Mount {
  override readonly fstype = "snapshots";
  /** Snapshots come and go with time. */
  override readonly volatileNames = true;
  readonly dir: HammerVnode;
  /** Times are those of the mount, µs since 1970. */
  readonly madeUs: number;
  /** State of the file system behind the last snapshot that was taken here. */
  private lastTid = 0n;

  /** Shows the past of `dir`, which gets a reference of its own. */
  constructor(dir: HammerVnode, nowUs: number) {
    super("snapshots", MNT_NOATIME | MNT_RDONLY);
    this.dir = dir;
    this.madeUs = nowUs;
    vref(dir);
  }

  override root(): Vnode {
    return new SnapshotsDir(this);
  }
  override statfs(): Statfs {
    return this.dir.mount.statfs();
  }
  override sync(): void {}
  override unmount(): void {
    vrele(this.dir);
  }

  /**
   * Takes a snapshot now, if anything has changed since the last one; pages that mappings have modified are the caller's to write
   * back. `note` is a byte string of at most 63 bytes. Throws the file system's errors and IoMiss.
   */
  take(note: string): void {
    const { core } = this.dir.mount;
    try {
      if (core.sync() === this.lastTid) return;
      const { pfs } = this.dir.ip;
      addSnapshot(core, takeSnapshotTid(core, pfs), note, pfs);
      this.lastTid = core.sync();
    } catch (e) {
      throw this.dir.mount.error(e);
    }
  }
}

class SnapshotsDir extends Vnode {
  declare readonly mount: SnapshotsMount;
  /** TIDs by position, less FIRST_POSITION (SN3). */
  private readonly tids: bigint[] = [];

  constructor(mount: SnapshotsMount) {
    super(mount, VDIR);
  }

  override getattr(): Vattr {
    const sec = Math.floor(this.mount.madeUs / 1e6);
    return {
      type: VDIR, mode: 0o555, nlink: 2, uid: 0, gid: 0, fsid: this.mount.fsid, fileid: ROOT_FILEID, size: 0, blocksize: 1024, bytes: 0,
      rdev: 0, flags: 0, atimeSec: sec, atimeNsec: 0, mtimeSec: sec, mtimeNsec: 0, ctimeSec: sec, ctimeNsec: 0,
    };
  }

  /** TIDs by name, in the order of time. */
  private snapshots(): Map<string, bigint> {
    const { dir } = this.mount;
    try {
      return new Map(dir.mount.core.listSnapshots(dir.ip.pfs).map(({ time, tid }) => [snapshotName(time), tid]));
    } catch (e) {
      throw dir.mount.error(e);
    }
  }

  /** The directory as of a TID, referenced, or null when it was not there. */
  private asof(tid: bigint): Vnode | null {
    return this.mount.dir.lookup(`@@0x${tid.toString(16).padStart(16, "0")}`);
  }

  override lookup(name: string): Vnode | null {
    const tid = this.snapshots().get(name);
    return tid === undefined ? null : this.asof(tid);
  }

  override parent(): Vnode {
    return vref(this);
  }

  override readdir(cookie: number, sink: ReaddirSink): boolean {
    if (cookie < 1 && !sink(".", ROOT_FILEID, VDIR, 1)) return false;
    if (cookie < 2 && !sink("..", ROOT_FILEID, VDIR, 2)) return false;
    for (const [name, tid] of this.snapshots()) {
      let index = this.tids.indexOf(tid);
      if (index < 0) index = this.tids.push(tid) - 1;
      const position = index + FIRST_POSITION;
      if (position <= cookie) continue;
      const vp = this.asof(tid);
      if (vp === null) continue;
      const { fileid } = vp.getattr();
      vrele(vp);
      if (!sink(name, fileid, VDIR, position)) return false;
    }
    return true;
  }
}
