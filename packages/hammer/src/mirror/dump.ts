// SPDX-License-Identifier: BSD-3-Clause
/**
 * A mirror stream as text: `hammer mirror-dump`. Source of the format: DragonFly sbin/hammer/cmd_mirror.c.
 * @module
 */
import { LEAF_ELM, BASE_ELM, MRECORD_PFS, MRECORD_REC, MRECORD_SKIP, MRECORD_UPDATE, PFS_DATA, PFSD_SLAVE, uuidText } from "../disk/index.ts";
import { FLAG_CRC_ERROR, MirrorParser, TYPE_IDLE, TYPE_PASS, TYPE_PFSD, TYPE_REC, TYPE_SKIP, TYPE_SYNC, TYPE_TERM, TYPE_UPDATE, type MirrorRecord } from "./stream.ts";

const hex = (n: number | bigint, width: number): string => BigInt.asUintN(64, BigInt(n)).toString(16).padStart(width, "0");

function key(view: DataView, at: number): string {
  const b = BASE_ELM.read(view, at);
  return `lo=${hex(b.localization, 8)} obj=${hex(b.obj_id, 16)} key=${hex(b.key, 16)} rt=${hex(b.rec_type, 2)}`;
}

/** Seconds as prune-min is printed: days, and a time of day where it is not zero. */
function period(seconds: number): string {
  const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
  const days = Math.floor(seconds / 86400), rest = seconds % 86400;
  const time = `${two(rest / 3600)}:${two(rest % 3600 / 60)}:${two(rest % 60)}`;
  return days === 0 ? time : rest === 0 ? `${days}d` : `${days}d/${time}`;
}

function header(r: MirrorRecord): string {
  const p = PFS_DATA.read(r.view, MRECORD_PFS.off.pfsd);
  return `    sync-beg-tid=0x${hex(p.sync_beg_tid, 16)}\n    sync-end-tid=0x${hex(p.sync_end_tid, 16)}\n`
    + `    shared-uuid=${uuidText(p.shared_uuid)}\n    unique-uuid=${uuidText(p.unique_uuid)}\n`
    + `    label="${p.label}"\n${p.snapshots === "" ? "" : `    snapshots="${p.snapshots}"\n`}`
    + `    prune-min=${period(p.prune_min)}\n    operating as a ${(p.mirror_flags & PFSD_SLAVE) !== 0 ? "SLAVE" : "MASTER"}\n`;
}

function line(r: MirrorRecord): string {
  switch (r.type) {
    case TYPE_REC: case TYPE_PASS: {
      const leaf = MRECORD_REC.off.leaf;
      const b = BASE_ELM.read(r.view, leaf);
      const bad = (r.flags & FLAG_CRC_ERROR) !== 0 ? " (BAD CRC)" : "";
      return `${r.type === TYPE_REC ? "Record" : "Pass  "} ${key(r.view, leaf)} ot=${hex(b.obj_type, 2)}${bad}\n`
        + `       tids ${hex(b.create_tid, 16)}:${hex(b.delete_tid, 16)} data=${r.view.getInt32(leaf + LEAF_ELM.off.data_len, true)}\n`;
    }
    case TYPE_SKIP:
      return `Skip   ${key(r.view, MRECORD_SKIP.off.skip_beg)} to\n       ${key(r.view, MRECORD_SKIP.off.skip_end)}\n`;
    default:
      return "";
  }
}

const NAMES: Readonly<Record<number, string>> = {
  [TYPE_REC]: "rec", [TYPE_PFSD]: "pfsd", [TYPE_UPDATE]: "update", [TYPE_SYNC]: "sync", [TYPE_SKIP]: "skip", [TYPE_PASS]: "pass", [TYPE_TERM]: "term", [TYPE_IDLE]: "idle",
};

function jsonKey(view: DataView, at: number): object {
  const b = BASE_ELM.read(view, at);
  return { lo: hex(b.localization, 8), objId: hex(b.obj_id, 16), key: hex(b.key, 16), recType: b.rec_type, objType: b.obj_type };
}

function jsonBody(r: MirrorRecord): object {
  if (r.type === TYPE_REC || r.type === TYPE_PASS) {
    const leaf = MRECORD_REC.off.leaf;
    const b = BASE_ELM.read(r.view, leaf);
    return {
      ...jsonKey(r.view, leaf), createTid: `0x${hex(b.create_tid, 16)}`, deleteTid: `0x${hex(b.delete_tid, 16)}`,
      data: r.view.getInt32(leaf + LEAF_ELM.off.data_len, true), badCrc: (r.flags & FLAG_CRC_ERROR) !== 0,
    };
  }
  if (r.type === TYPE_SKIP) return { begin: jsonKey(r.view, MRECORD_SKIP.off.skip_beg), end: jsonKey(r.view, MRECORD_SKIP.off.skip_end) };
  if (r.type === TYPE_UPDATE) return { tid: `0x${hex(MRECORD_UPDATE.read(r.view, 0).tid, 16)}` };
  if (r.type !== TYPE_PFSD) return {};
  const p = PFS_DATA.read(r.view, MRECORD_PFS.off.pfsd);
  return {
    syncBegTid: `0x${hex(p.sync_beg_tid, 16)}`, syncEndTid: `0x${hex(p.sync_end_tid, 16)}`, sharedUuid: uuidText(p.shared_uuid),
    uniqueUuid: uuidText(p.unique_uuid), label: p.label, slave: (p.mirror_flags & PFSD_SLAVE) !== 0,
  };
}

function jsonLine(r: MirrorRecord): string {
  return `${JSON.stringify({ type: NAMES[r.type], index: r.index, at: r.at, bytes: r.bytes.length, ...jsonBody(r) })}\n`;
}

/** How to print. */
export interface MirrorDumpOptions {
  /** Only what the stream says about its source. */
  header?: boolean;
  /** A line of JSON for each record in place of the original's text. */
  json?: boolean;
}

/** Prints streams that come in pieces: feed, then end. Throws EINVAL or EBADCRC at a record that is not right. */
export class MirrorDump {
  readonly #parser = new MirrorParser();
  readonly #print: (text: string) => void;
  readonly #header: boolean;
  readonly #json: boolean;
  /** True when there is nothing more to print. */
  done = false;

  constructor(print: (text: string) => void, options: MirrorDumpOptions = {}) {
    this.#print = print;
    this.#header = options.header ?? false;
    this.#json = options.json ?? false;
  }

  feed(piece: Uint8Array): void {
    this.#parser.feed(piece);
    for (let r = this.#parser.peek(); r !== null && !this.done; r = this.#parser.peek()) {
      if (this.#json) this.#print(jsonLine(r));
      else if (this.#header && r.type === TYPE_PFSD) this.#print(header(r));
      else if (!this.#header) this.#print(line(r));
      this.done = r.type === TYPE_TERM || (this.#header && (r.type === TYPE_PFSD || r.type === TYPE_SYNC || r.type === TYPE_IDLE));
      this.#parser.take();
    }
  }

  /** No more will come. Throws EIO in the middle of a record. */
  end(): void {
    if (!this.done && this.#parser.pending) throw this.#parser.error("EIO", "is incomplete: the stream was cut short");
  }
}
