// SPDX-License-Identifier: BSD-3-Clause
/**
 * Making, changing and ending pseudo file systems.
 *
 * Invariants
 *   A1  The record of a PFS is replaced, never changed: what it was stays visible as of older TIDs.
 *   A2  A master has a root directory; a slave gets its own by mirroring.
 *   A3  The lowest id without a record, or whose record says "destroyed", is the one a new PFS gets.
 *
 * A PFS is reached by a softlink in PFS 0; making and removing that is part of createPfs, but not of destroyPfs, which
 * does not know where it lies.
 * Source: DragonFly sys/vfs/hammer/hammer_pfs.c, hammer_inode.c; sbin/hammer/cmd_pfs.c.
 * @module
 */
import { Key } from "../btree/key.ts";
import {
  CAP_DIR_LOCAL_INO, LOCALIZE_MISC, OBJID_ROOT, PFSD_DELETED, PFSD_SLAVE, PFS_DATA, REC_PFS, uuidBytes, viewOf,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { DIRTY_NEW } from "../object/dirty.ts";
import { HammerInode, objTypeOf } from "../object/inode.ts";
import { DIRHASH_ALG1 } from "../object/namekey.ts";
import { metaData } from "../object/record.ts";
import { findPfs, type PfsInfo } from "../pfs.ts";
import type { Engine } from "../transaction.ts";
import { rollbackPfs, type RollbackResult } from "./rollback.ts";
import { insertMeta } from "./snapshots.ts";

/** What of a PFS can be set. Texts are byte strings of at most 63 bytes. */
export interface PfsOptions {
  syncBegTid?: bigint;
  syncEndTid?: bigint;
  sharedUuid?: string;
  uniqueUuid?: string;
  label?: string;
  /** An absolute path; empty for the default. */
  snapshotsDir?: string;
  /** Seconds. */
  pruneMin?: number;
}

/** What making a PFS needs besides. */
export interface PfsCreateOptions extends PfsOptions {
  /** A mirroring target. Default false: a master. */
  slave?: boolean;
  /** Owner of a master's root directory. Default 0. */
  uid?: number;
  gid?: number;
  /** Fills an array with random bytes, for UUIDs that are not given. */
  random(bytes: Uint8Array): void;
}

/** Ids are below this. */
export const MAX_PFS = 65536;
const TEXT_MAX = 63;
const $key = new Key();

function pfsKey(id: number): Key {
  return $key.set(LOCALIZE_MISC, 0, OBJID_ROOT, REC_PFS, 0, id << 16);
}

/** The record's 292 bytes, also of a PFS that was destroyed; null if there never was one. */
function rawPfs(m: HammerMount, id: number): Uint8Array | null {
  if (!m.cursor.lookup(pfsKey(id), -1, -1)) return null;
  const d = metaData(m.cursor, PFS_DATA.off.label);
  const whole = new Uint8Array(PFS_DATA.size);
  whole.set(d.buffer.bytes.subarray(d.at, d.at + Math.min(d.length, PFS_DATA.size)));
  return whole;
}

function existing(m: HammerMount, id: number): Uint8Array {
  const raw = Number.isInteger(id) && id >= 0 && id < MAX_PFS ? rawPfs(m, id) : null;
  if (raw === null || (flagsOf(raw) & PFSD_DELETED) !== 0) throw new HammerError("ENOENT", `there is no PFS #${id}`);
  return raw;
}

function flagsOf(raw: Uint8Array): number { return viewOf(raw).getUint32(PFS_DATA.off.mirror_flags, true); }
function setFlags(raw: Uint8Array, flags: number): void { viewOf(raw).setUint32(PFS_DATA.off.mirror_flags, flags >>> 0, true); }

/** Replaces the record (A1), in the open flush group. */
function saveRecord(e: Engine, m: HammerMount, id: number, raw: Uint8Array): void {
  e.prepareInsert(pfsKey(id).setTid(e.writer.tidHi, e.writer.tidLo));
  if (e.writeCursor.lookup(pfsKey(id), -1, -1)) e.writer.delete(e.writeCursor, e.keepsHistory(m.root));
  insertMeta(e, pfsKey(id), objTypeOf("dir"), PFS_DATA.size, (view, at) => {
    for (let i = 0; i < PFS_DATA.size; i++) view.setUint8(at + i, raw[i]!);
  });
  m.pfsChanged();
}

function setText(raw: Uint8Array, at: number, text: string, what: string): void {
  if (text.length > TEXT_MAX) throw new HammerError("EINVAL", `a ${what} of ${text.length} bytes; the limit is ${TEXT_MAX}`);
  raw.fill(0, at, at + TEXT_MAX + 1);
  for (let i = 0; i < text.length; i++) raw[at + i] = text.charCodeAt(i);
}

function setUuid(raw: Uint8Array, at: number, text: string): void {
  const bytes = uuidBytes(text);
  if (bytes === null) throw new HammerError("EINVAL", `"${text}" is not a UUID`);
  raw.set(bytes, at);
}

function apply(raw: Uint8Array, o: PfsOptions): void {
  const view = viewOf(raw), off = PFS_DATA.off;
  if (o.syncBegTid !== undefined) view.setBigUint64(off.sync_beg_tid, o.syncBegTid, true);
  if (o.syncEndTid !== undefined) view.setBigUint64(off.sync_end_tid, o.syncEndTid, true);
  if (o.sharedUuid !== undefined) setUuid(raw, off.shared_uuid, o.sharedUuid);
  if (o.uniqueUuid !== undefined) setUuid(raw, off.unique_uuid, o.uniqueUuid);
  if (o.label !== undefined) setText(raw, off.label, o.label, "label");
  if (o.snapshotsDir !== undefined) {
    if (o.snapshotsDir !== "" && !o.snapshotsDir.startsWith("/"))
      throw new HammerError("EINVAL", `the snapshots directory "${o.snapshotsDir}" is not an absolute path`);
    setText(raw, off.snapshots, o.snapshotsDir, "snapshots directory");
  }
  if (o.pruneMin !== undefined) {
    if (!Number.isInteger(o.pruneMin) || o.pruneMin < 0 || o.pruneMin > 0x7fff_ffff) throw new HammerError("EINVAL", `prune-min ${o.pruneMin}`);
    view.setInt32(off.prune_min, o.pruneMin, true);
  }
}

/** A random (version 4) UUID as stored. */
function randomUuid(random: (bytes: Uint8Array) => void): Uint8Array {
  const b = new Uint8Array(16);
  random(b);
  b[7] = (b[7]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  return b;
}

/** The id that the next PFS will get (A3). Throws ENOSPC when all are in use. */
export function freePfsId(m: HammerMount): number {
  for (let id = 1; id < MAX_PFS; id++) {
    const raw = rawPfs(m, id);
    if (raw === null || (flagsOf(raw) & PFSD_DELETED) !== 0) return id;
  }
  throw new HammerError("ENOSPC", "all pseudo file systems are in use");
}

/**
 * Makes a PFS and its softlink `name` in `dir`, a directory of PFS 0. Durable on return. Returns what was made. Throws
 * EEXIST, EXDEV (a directory of another PFS), EINVAL, ENOSPC, EROFS, EIO.
 */
export function createPfs(m: HammerMount, dir: HammerInode, name: string, options: PfsCreateOptions): PfsInfo {
  if (dir.loc !== 0) throw new HammerError("EXDEV", `"${name}": links to pseudo file systems can only be made in PFS #0`, { name });
  const id = freePfsId(m);
  const raw = new Uint8Array(PFS_DATA.size);
  raw.set(randomUuid(options.random), PFS_DATA.off.shared_uuid);
  raw.set(randomUuid(options.random), PFS_DATA.off.unique_uuid);
  apply(raw, { syncBegTid: 1n, syncEndTid: 1n, ...options });
  if (options.slave) setFlags(raw, PFSD_SLAVE);
  const e = m.engine();
  m.rele(m.create(dir, name, { type: "symlink", mode: 0o777, uid: options.uid ?? 0, gid: options.gid ?? 0, target: `@@PFS${String(id).padStart(5, "0")}` }));
  try {
    if (!e.open) e.begin();
    saveRecord(e, m, id, raw);
  } catch (error) {
    if (e.failure === null) m.unlink(dir, name);
    throw error;
  }
  if (!options.slave) makeRoot(e, m, id, options);
  e.flush();
  return findPfs(m.cursor, id, m.info().nextTid)!;
}

/** Makes the root directory of a master unless there is one (A2). */
function makeRoot(e: Engine, m: HammerMount, id: number, owner: { uid?: number; gid?: number }): void {
  const old = m.getInode(0, OBJID_ROOT, id << 16, -1, -1);
  if (old !== null) {
    m.rele(old);
    return;
  }
  const ip = new HammerInode(0, OBJID_ROOT, id << 16, -1, -1);
  const version = m.version;
  ip.objType = objTypeOf("dir");
  ip.type = "dir";
  ip.mode = 0o755;
  ip.uid = owner.uid ?? 0;
  ip.gid = owner.gid ?? 0;
  ip.nlinks = 1;
  ip.capFlags = (version >= 2 ? CAP_DIR_LOCAL_INO : 0) | (version >= 6 ? DIRHASH_ALG1 : 0);
  ip.ctime = ip.mtime = ip.atime = e.time();
  e.inodes.add(ip);
  e.markDirty(ip, DIRTY_NEW);
}

/** Changes attributes of a PFS; durable on return. Throws ENOENT, EINVAL, EROFS, ENOSPC, EIO. */
export function updatePfs(m: HammerMount, id: number, options: PfsOptions): PfsInfo {
  const raw = existing(m, id);
  apply(raw, options);
  const e = m.engine();
  e.beginGrowing(0);
  saveRecord(e, m, id, raw);
  e.flush();
  return findPfs(m.cursor, id, m.info().nextTid)!;
}

function notRoot(id: number, what: string): void {
  if (id === 0) throw new HammerError("EINVAL", `PFS #0 cannot be ${what}`);
}

/**
 * Makes a slave a master, after taking back what a mirroring run that did not end had brought. Throws EINVAL (it is a
 * master), EBUSY, ENOENT, EROFS, EIO. To be repeated after a crash.
 */
export function upgradePfs(m: HammerMount, id: number): RollbackResult {
  notRoot(id, "upgraded");
  const raw = existing(m, id);
  if ((flagsOf(raw) & PFSD_SLAVE) === 0) throw new HammerError("EINVAL", `PFS #${id} is a master already`);
  const e = m.engine();
  const end = viewOf(raw).getBigUint64(PFS_DATA.off.sync_end_tid, true);
  const result = rollbackPfs(m, id, end + 1n);
  setFlags(raw, flagsOf(raw) & ~PFSD_SLAVE);
  if (!e.open) e.begin();
  saveRecord(e, m, id, raw);
  e.flush();
  return result;
}

/** Makes a master a slave, complete up to now. Throws EINVAL (it is a slave), ENOENT, EROFS, ENOSPC, EIO. */
export function downgradePfs(m: HammerMount, id: number): PfsInfo {
  notRoot(id, "downgraded");
  const raw = existing(m, id);
  if ((flagsOf(raw) & PFSD_SLAVE) !== 0) throw new HammerError("EINVAL", `PFS #${id} is a slave already`);
  const e = m.engine();
  const view = viewOf(raw);
  const now = m.info().nextTid;
  if (view.getBigUint64(PFS_DATA.off.sync_end_tid, true) < now) view.setBigUint64(PFS_DATA.off.sync_end_tid, now, true);
  setFlags(raw, flagsOf(raw) | PFSD_SLAVE);
  e.beginGrowing(0);
  saveRecord(e, m, id, raw);
  e.flush();
  return findPfs(m.cursor, id, now)!;
}

/**
 * Destroys a PFS with all its history. Its id can be used again. Throws EBUSY if something of it is in use, EINVAL for
 * PFS 0, ENOENT, EROFS, EIO. To be repeated after a crash.
 */
export function destroyPfs(m: HammerMount, id: number, progress?: (seen: number) => void): RollbackResult {
  notRoot(id, "destroyed");
  const raw = existing(m, id);
  const e = m.engine();
  const result = rollbackPfs(m, id, 0n, progress);
  setFlags(raw, flagsOf(raw) | PFSD_DELETED);
  if (!e.open) e.begin();
  saveRecord(e, m, id, raw);
  e.flush();
  return result;
}
