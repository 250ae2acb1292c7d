// SPDX-License-Identifier: BSD-3-Clause
/**
 * Mirroring from one PFS to another within a program: `hammer mirror-copy`.
 *
 * What was mirrored before is not sent again: the pass begins behind the slave's sync_end_tid. Source and target may be the
 * same file system; the source is then read in batches, between which the tree changes.
 * @module
 */
import { Cursor } from "../btree/cursor.ts";
import { Key } from "../btree/key.ts";
import { BASE_ELM, MRECORD_REC, MRECORD_SKIP } from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { mirrorRange, mirrorRecords, type ReadPosition } from "./read.ts";
import { pfsdPacket, syncPacket, TYPE_IDLE, TYPE_SKIP, TYPE_SYNC, MirrorParser } from "./stream.ts";
import { MirrorReceiver, slaveInfo, type MirrorPass } from "./write.ts";

/** One end of a copy. */
export interface MirrorEnd { mount: HammerMount; pfs: number }

/** How to copy. */
export interface MirrorCopyOptions {
  /** Called now and then with the bytes of the stream so far. Returning false stops the copy, which can be resumed. */
  progress?: (bytes: number) => boolean | void;
}

/** Records read before they are applied, in bytes. */
const BATCH = 1 << 20;

/** Where to go on behind a record. */
function behind(record: Uint8Array): ReadPosition {
  const parser = new MirrorParser();
  parser.feed(record);
  const r = parser.peek()!;
  const skip = r.type === TYPE_SKIP;
  const at = skip ? MRECORD_SKIP.off.skip_end : MRECORD_REC.off.leaf;
  const base = new Int32Array(r.bytes.slice(at, at + BASE_ELM.size).buffer);
  return { key: new Key().load(base, 0), behind: !skip };
}

/**
 * Brings the slave `target` up to what `source` is now. Returns what the pass brought, or null if it was stopped. Durable on
 * return. Throws EPERM (the target is no slave of this source), EINVAL, ENOENT, EBUSY, ENOSPC, EROFS, EBADCRC, EIO.
 */
export function mirrorCopy(source: MirrorEnd, target: MirrorEnd, options: MirrorCopyOptions = {}): MirrorPass | null {
  if (source.mount === target.mount && source.pfs === target.pfs) throw new HammerError("EINVAL", `PFS #${source.pfs} cannot be mirrored to itself`);
  const since = slaveInfo(target.mount, target.pfs).syncEndTid;
  const receiver = new MirrorReceiver(target.mount, { pfs: target.pfs });
  const cur = new Cursor(source.mount.tree);
  const lastTid = source.mount.readOnly ? source.mount.info().nextTid : source.mount.sync();
  const { data, newest, tidBeg, tidEnd } = mirrorRange(cur, lastTid, { pfs: source.pfs, tidBeg: since + 1n });
  let sent = 0;
  const send = (records: readonly Uint8Array[]): void => {
    for (const r of records) {
      sent += r.length;
      receiver.feed(r);
      while (receiver.step());
    }
  };
  send([pfsdPacket(data, newest), pfsdPacket(data, tidEnd)]);
  if (tidBeg >= tidEnd) {
    send([syncPacket(TYPE_IDLE)]);
    return receiver.end()[0]!;
  }
  for (let from: ReadPosition | null = null, more = true; more;) {
    const batch: Uint8Array[] = [];
    let size = 0;
    more = false;
    for (const record of mirrorRecords(cur, source.pfs, tidBeg, tidEnd, from)) {
      batch.push(record);
      size += record.length;
      if (size >= BATCH) {
        more = true;
        break;
      }
    }
    if (more) from = behind(batch.at(-1)!);
    send(batch);
    source.mount.cache.trim();
    if (options.progress?.(sent) === false) return null;
  }
  send([syncPacket(TYPE_SYNC)]);
  return receiver.end()[0]!;
}
