// SPDX-License-Identifier: BSD-3-Clause
/**
 * Control calls on files of a HAMMER file system: history, transaction ids, versions, figures, snapshots (DragonFly
 * sys/vfs/hammer/hammer_ioctl.h, hammer_ioctl.c; i386 layouts, in which 64-bit fields are aligned to 4).
 */
import type { HammerInode, HammerMount as Core, HistoryEntry } from "@vkernel/hammer";
import { uuidBytes } from "@vkernel/hammer";
import { EINVAL, ENOTTY } from "../../sys/errno.ts";
import { iocparmLen } from "../../sys/ioctl.ts";

/** Group and number of a word; the rest is direction and size. */
const GETHISTORY = 0x6802;
const SYNCTID = 0x6804;
const GET_VERSION = 0x680d;
const GET_INFO = 0x6810;
const GET_SNAPSHOT = 0x6814;

/** struct hammer_ioc_head, with `flags` at 0. */
const HEAD = 24;

const MAX_HISTORY = 64;
const HISTORY_ATKEY = 0x0001;
const HISTORY_NEXT_TID = 0x0002;
const HISTORY_NEXT_KEY = 0x0004;
const HISTORY_EOF = 0x0008;
const HISTORY_UNSYNCED = 0x0010;
/** Bytes of a file whose changes one answer tells. */
const HISTORY_SPAN = 65536;

const SNAPS_PER_CALL = 16;
const SNAP_SIZE = 128;
const SNAPSHOT_EOF = 0x0008;

const FSTYPE_UUID = "61dc63ac-6e38-11dc-8513-01301bb8a9f5";
const MIN_VERSION = 1;
const MAX_VERSION = 7;
const WIP_VERSION = 8;
/** What `hammer version` calls each version. */
const VERSIONS: readonly string[] = [
  "",
  "First HAMMER release (DragonFly 2.0+)",
  "New directory entry layout (DragonFly 2.3+)",
  "New snapshot management (DragonFly 2.5+)",
  "New undo/flush, faster flush/sync (DragonFly 2.5+)",
  "Adjustments for dedup support (DragonFly 2.9+)",
  "Directory Hash ALG1 (tmp/rename resistance)",
  "Use ISCSI CRC (faster than original crc32)",
];

/** Carries out a control call; `data` is the argument block of the word. Throws ENOTTY, EINVAL, errors of the core. */
export function hammerIoctl(core: Core, ip: HammerInode, cmd: number, data: Uint8Array): number {
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (iocparmLen(cmd) > data.length) throw EINVAL;
  switch (cmd & 0xffff) {
    case GETHISTORY:
      getHistory(core, ip, dv);
      return 0;
    case SYNCTID:
      // struct hammer_ioc_synctid: op (0: none), tid
      dv.setBigUint64(HEAD + 4, dv.getInt32(HEAD, true) === 0 || core.readOnly ? core.info().nextTid : core.sync(), true);
      return 0;
    case GET_VERSION:
      getVersion(core, dv);
      return 0;
    case GET_INFO:
      getInfo(core, data, dv);
      return 0;
    case GET_SNAPSHOT:
      getSnapshots(core, ip, data, dv);
      return 0;
    default:
      throw ENOTTY;
  }
}

function putText(data: Uint8Array, at: number, text: string, size: number): void {
  data.fill(0, at, at + size);
  for (let i = 0; i < text.length && i < size - 1; i++) data[at + i] = text.charCodeAt(i);
}

function putUuid(data: Uint8Array, at: number, text: string): void {
  const bytes = uuidBytes(text);
  if (bytes === null) throw new Error(`not a uuid: ${text}`);
  data.set(bytes, at);
}

/** struct hammer_ioc_history: obj_id 24, beg_tid 32, nxt_tid 40, end_tid 48, key 56, nxt_key 64, count 72, entries 80. */
function getHistory(core: Core, ip: HammerInode, dv: DataView): void {
  let flags = dv.getInt32(0, true) & ~(HISTORY_NEXT_TID | HISTORY_NEXT_KEY | HISTORY_EOF | HISTORY_UNSYNCED);
  const begin = dv.getBigUint64(32, true);
  const end = dv.getBigUint64(48, true);
  let entries: HistoryEntry[];
  if ((flags & HISTORY_ATKEY) === 0) entries = core.history(ip);
  else {
    const key = Number(dv.getBigInt64(56, true));
    if (key < 0) throw EINVAL;
    const next = (Math.floor(key / HISTORY_SPAN) + 1) * HISTORY_SPAN;
    const isLast = next >= ip.size;
    entries = core.dataHistory(ip, key, isLast ? Number.MAX_SAFE_INTEGER - key - 4 * HISTORY_SPAN : next - key);
    if (!isLast) {
      flags |= HISTORY_NEXT_KEY;
      dv.setBigInt64(64, BigInt(next), true);
    }
  }
  const wanted = entries.filter((e) => e.tid >= begin && e.tid < end).sort((a, b) => (a.tid < b.tid ? -1 : a.tid > b.tid ? 1 : 0));
  const count = Math.min(wanted.length, MAX_HISTORY);
  wanted.slice(0, count).forEach((e, i) => {
    dv.setBigUint64(80 + 16 * i, e.tid, true);
    dv.setUint32(88 + 16 * i, e.time, true);
    dv.setUint32(92 + 16 * i, 0, true);
  });
  if (wanted.length > count) {
    flags |= HISTORY_NEXT_TID;
    dv.setBigUint64(40, wanted[count]!.tid, true);
  } else if ((flags & HISTORY_NEXT_KEY) === 0) flags |= HISTORY_EOF;
  if (ip.dirty !== 0) flags |= HISTORY_UNSYNCED;
  dv.setInt32(0, flags, true);
  dv.setInt32(4, 0, true);
  dv.setBigInt64(24, ip.objId, true);
  dv.setInt32(72, count, true);
}

/** struct hammer_ioc_version: cur, min, wip, max, description. */
function getVersion(core: Core, dv: DataView): void {
  dv.setUint32(HEAD, core.version, true);
  dv.setUint32(HEAD + 4, MIN_VERSION, true);
  dv.setUint32(HEAD + 8, WIP_VERSION, true);
  dv.setUint32(HEAD + 12, MAX_VERSION, true);
  putText(new Uint8Array(dv.buffer, dv.byteOffset), HEAD + 16, VERSIONS[core.version] ?? "", 64);
}

/** struct hammer_ioc_info: label 24, fsid 88, fstype 104, version 120, nvolumes, rootvol, -, four 64-bit counts from 136. */
function getInfo(core: Core, data: Uint8Array, dv: DataView): void {
  const info = core.info();
  putText(data, 24, info.label, 64);
  putUuid(data, 88, info.fsid);
  putUuid(data, 104, FSTYPE_UUID);
  dv.setInt32(120, info.version, true);
  dv.setInt32(124, info.volumes, true);
  dv.setInt32(128, 0, true);
  dv.setBigInt64(136, BigInt(info.bigblocks), true);
  dv.setBigInt64(144, BigInt(info.freeBigblocks), true);
  dv.setBigInt64(152, 0n, true);
  dv.setBigInt64(160, BigInt(info.inodes), true);
}

/**
 * struct hammer_ioc_snapshot: index 28 (must be 0), count 32, snaps 36. A call with the answer of the one before
 * continues behind its last snapshot.
 */
function getSnapshots(core: Core, ip: HammerInode, data: Uint8Array, dv: DataView): void {
  const before = dv.getUint32(32, true);
  if (dv.getUint32(28, true) !== 0 || before > SNAPS_PER_CALL) throw EINVAL;
  const after = before === 0 ? -1n : dv.getBigUint64(36 + SNAP_SIZE * (before - 1), true);
  const left = core.listSnapshots(ip.pfs).filter((s) => s.tid > after);
  const some = left.slice(0, SNAPS_PER_CALL);
  some.forEach((s, i) => {
    const at = 36 + SNAP_SIZE * i;
    data.fill(0, at, at + SNAP_SIZE);
    dv.setBigUint64(at, s.tid, true);
    dv.setBigUint64(at + 8, BigInt(Math.floor(s.time)), true);
    putText(data, at + 32, s.label, 64);
  });
  dv.setUint32(32, some.length, true);
  dv.setInt32(0, left.length > some.length ? 0 : SNAPSHOT_EOF, true);
  dv.setInt32(4, 0, true);
}
