// SPDX-License-Identifier: BSD-3-Clause
/**
 * Making and removing snapshot records, and the configuration record of a PFS (file system version 3 and later).
 *
 * Invariants
 *   A1  A snapshot's TID lies above everything durable when it was taken and below every later change. It is never the
 *       TID of a change itself: pruning counts one made exactly at a snapshot to the interval behind it.
 *   A2  Removed snapshots and replaced configurations leave no history.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_ioctl.c, hammer_ioc_add_snapshot, _del_snapshot, _set_config.
 * @module
 */
import { Key, hi32, lo32 } from "../btree/key.ts";
import { crcFor } from "../crc.ts";
import {
  BUFMASK, CONFIG_DATA, LOCALIZE_INODE, OBJID_ROOT, REC_CONFIG, REC_SNAPSHOT, SNAPSHOT_DATA, ZONE_META,
} from "../disk/index.ts";
import { HammerError, hex64 } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { findPfs } from "../pfs.ts";
import type { Engine } from "../transaction.ts";

const FIRST_VERSION = 3;
const LABEL_MAX = 63;
const CONFIG_MAX = 1023;
const $key = new Key();

function checkVersion(m: HammerMount, what: string): void {
  if (m.version < FIRST_VERSION)
    throw new HammerError("E_VERSION", `${what} exist from file system version ${FIRST_VERSION} on; this is version ${m.version}`);
}

/** Throws ENOENT unless the PFS exists. */
function checkPfs(m: HammerMount, pfs: number): void {
  if (findPfs(m.cursor, pfs, 0n) === null) throw new HammerError("ENOENT", `there is no PFS #${pfs}`);
}

/**
 * Makes everything durable and returns a TID that shows it for ever (A1); of a slave PFS, which changes by mirroring only,
 * the TID up to which it is complete. Throws EROFS, ENOENT, ENOSPC, EIO.
 */
export function takeSnapshotTid(m: HammerMount, pfs = 0): bigint {
  const info = findPfs(m.cursor, pfs, 0n);
  if (info === null) throw new HammerError("ENOENT", `there is no PFS #${pfs}`);
  if (info.slave) return info.syncEndTid;
  const e = m.engine();
  e.nextTid++;
  const tid = BigInt(e.nextTid);
  e.begin();
  e.flush();
  return tid;
}

/** Space for `bytes` of a meta-data record filled by `fill`, filed under `key`. Throws ENOSPC before anything changed. */
export function insertMeta(e: Engine, key: Key, objType: number, bytes: number, fill: (view: DataView, at: number) => void): void {
  e.prepareInsert(key.setTid(e.writer.tidHi, e.writer.tidLo));
  const b = e.freemap.allocBuffered(ZONE_META, bytes);
  const address = e.freemap.allocatedAt;
  const at = address & BUFMASK;
  b.bytes.fill(0, at, at + bytes);
  fill(b.view, at);
  const crc = crcFor(e.volumes.version)(b.bytes, at, at + bytes);
  e.writer.insert(e.writeCursor, key, objType, ZONE_META, address, bytes, crc);
}

function snapshotKey(pfs: number, tid: bigint): Key {
  return $key.set((pfs << 16) | LOCALIZE_INODE, 0, OBJID_ROOT, REC_SNAPSHOT, hi32(tid), lo32(tid));
}

/**
 * Adds a snapshot record. `label` is a byte string of at most 63 bytes; `takenAt`, by default now, is in microseconds. Durable on return. Throws EEXIST if the TID has
 * one, E_VERSION, EINVAL, ENOENT, EROFS, ENOSPC, EIO.
 */
export function addSnapshot(m: HammerMount, tid: bigint, label = "", pfs = 0, takenAt?: number): void {
  checkVersion(m, "snapshot records");
  checkPfs(m, pfs);
  if (label.length > LABEL_MAX) throw new HammerError("EINVAL", `a snapshot's note of ${label.length} bytes; the limit is ${LABEL_MAX}`);
  if (tid <= 0n || tid > 0xffff_ffff_ffff_ffffn) throw new HammerError("EINVAL", `${hex64(tid)} is no transaction id`);
  const e = m.engine();
  e.beginGrowing(0);
  if (e.writeCursor.lookup(snapshotKey(pfs, tid), -1, -1))
    throw new HammerError("EEXIST", `PFS #${pfs} has a snapshot ${hex64(tid)} already`);
  const time = BigInt(Math.trunc(takenAt ?? e.time()));
  insertMeta(e, snapshotKey(pfs, tid), 0, SNAPSHOT_DATA.size, (view, at) => {
    view.setBigUint64(at + SNAPSHOT_DATA.off.tid, tid, true);
    view.setBigUint64(at + SNAPSHOT_DATA.off.ts, time, true);
    for (let i = 0; i < label.length; i++) view.setUint8(at + SNAPSHOT_DATA.off.label + i, label.charCodeAt(i));
  });
  e.flush();
}

/** Removes a snapshot record (A2); durable on return. Throws ENOENT if there is none, E_VERSION, EROFS, EIO. */
export function removeSnapshot(m: HammerMount, tid: bigint, pfs = 0): void {
  checkVersion(m, "snapshot records");
  const e = m.engine();
  e.beginShrinking();
  if (!e.writeCursor.lookup(snapshotKey(pfs, tid), -1, -1)) throw new HammerError("ENOENT", `PFS #${pfs} has no snapshot ${hex64(tid)}`);
  e.writer.destroy(e.writeCursor);
  e.flush();
}

/**
 * Replaces the configuration text of a PFS, what hammer cleanup goes by: a byte string of at most 1023 bytes. Durable on
 * return. Throws EINVAL, E_VERSION, ENOENT, EROFS, ENOSPC, EIO.
 */
export function setConfig(m: HammerMount, text: string, pfs = 0): void {
  checkVersion(m, "configuration records");
  checkPfs(m, pfs);
  if (text.length > CONFIG_MAX) throw new HammerError("EINVAL", `a configuration of ${text.length} bytes; the limit is ${CONFIG_MAX}`);
  const e = m.engine();
  const key = (): Key => $key.set((pfs << 16) | LOCALIZE_INODE, 0, OBJID_ROOT, REC_CONFIG, 0, 0);
  e.beginGrowing(0);
  e.prepareInsert(key().setTid(e.writer.tidHi, e.writer.tidLo));
  if (e.writeCursor.lookup(key(), -1, -1)) e.writer.destroy(e.writeCursor);
  insertMeta(e, key(), 0, CONFIG_DATA.size, (view, at) => {
    for (let i = 0; i < text.length; i++) view.setUint8(at + CONFIG_DATA.off.text + i, text.charCodeAt(i));
  });
  e.flush();
}
