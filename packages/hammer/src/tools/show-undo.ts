// SPDX-License-Identifier: BSD-3-Clause
/** `hammer show-undo`: the records of the UNDO/REDO FIFO. Source: DragonFly sbin/hammer/cmd_show.c. */
import type { BlockDevice } from "../device.ts";
import {
  BUFSIZE, FIFO_HEAD, FIFO_LINE, FIFO_REDO, FIFO_REDO_SIZE, FIFO_TYPE_DUMMY, FIFO_TYPE_PAD, FIFO_TYPE_REDO, FIFO_TYPE_UNDO, FIFO_UNDO,
  ZONE_UNDO, viewOf,
} from "../disk/index.ts";
import { x16, x8 } from "./format.ts";
import { printHeader } from "./header.ts";
import { RawVolumes } from "./raw.ts";

const ZONE3 = 3n << 60n;
const OFF_LONG_MASK = 0x0fff_ffff_ffff_ffffn;

/** A record of the FIFO, as handed to whoever wants more than text. */
export interface UndoRecord {
  /** Zone-3 offset. */
  offset: bigint; type: "PAD" | "DUMMY" | "UNDO" | "REDO" | "unknown"; size: number; seq: number;
  /** Begins or ends the nominal recovery span. */
  first: boolean; next: boolean;
}

const TYPE_NAMES: Readonly<Record<number, UndoRecord["type"]>> = {
  [FIFO_TYPE_PAD]: "PAD", [FIFO_TYPE_DUMMY]: "DUMMY", [FIFO_TYPE_UNDO]: "UNDO", [FIFO_TYPE_REDO]: "REDO",
};

function recordLine(v: DataView, at: number): string {
  const h = FIFO_HEAD.read(v, at);
  const seq = x8(h.hdr_seq);
  switch (h.hdr_type) {
    case FIFO_TYPE_PAD:
      return `PAD(${h.hdr_size | 0})`;
    case FIFO_TYPE_DUMMY:
      return `DUMMY(${h.hdr_size | 0})\tseq=${seq}`;
    case FIFO_TYPE_UNDO: {
      const u = FIFO_UNDO.read(v, at);
      return `UNDO(${h.hdr_size})\tseq=${seq} offset=${x16(u.undo_offset)} bytes=${u.undo_data_bytes}`;
    }
    case FIFO_TYPE_REDO: {
      const r = FIFO_REDO.read(v, at);
      return `REDO(${h.hdr_size})\tseq=${seq} offset=${x16(r.redo_offset)} bytes=${r.redo_data_bytes} `
        + `objid=${x16(r.redo_objid)} flags=${x8(r.redo_flags)} lo=${x8(r.redo_localization)}`;
    }
    default:
      return `${h.hdr_type.toString(16).padStart(4, "0")}(${h.hdr_size | 0})\tseq=${seq}`;
  }
}

/** Prints every record of the FIFO; `>` marks the start of the nominal recovery span, `<` its end. */
export function showUndo(devices: readonly BlockDevice[], print: (text: string) => void, onRecord?: (r: UndoRecord) => void): void {
  const volumes = new RawVolumes(devices);
  const undo = volumes.header.blockmap[ZONE_UNDO]!;
  printHeader(volumes, print);
  const end = undo.alloc & OFF_LONG_MASK;
  // A short PAD, or damage, at the end of a buffer may lack bytes that heads and bodies of records have.
  const padded = new Uint8Array(BUFSIZE + FIFO_REDO_SIZE);
  const v = viewOf(padded);
  for (let start = 0n; start < end; start += BigInt(BUFSIZE)) {
    const b = volumes.bytes(ZONE3 | start, BUFSIZE);
    if (b === null) {
      print(`${x16(ZONE3 | start)} (IO ERROR)\n`);
      continue;
    }
    padded.set(b);
    let text = "";
    for (let at = 0; at < BUFSIZE;) {
      const offset = (ZONE3 | start) + BigInt(at);
      const size = v.getUint32(at + FIFO_HEAD.off.hdr_size, true);
      if (onRecord !== undefined) {
        const h = FIFO_HEAD.read(v, at);
        onRecord({ offset, type: TYPE_NAMES[h.hdr_type] ?? "unknown", size: h.hdr_size, seq: h.hdr_seq, first: offset === undo.first, next: offset === undo.next });
      }
      text += `${x16(offset)} ${recordLine(v, at)}`
        + `${offset === undo.first ? " >" : ""}${offset === undo.next ? " <" : ""}\n`;
      if ((size & 7) !== 0 || size === 0 || size > FIFO_LINE - (at & (FIFO_LINE - 1))) {
        text += "Illegal size field, skipping to next boundary\n";
        at = (at + FIFO_LINE) & ~(FIFO_LINE - 1);
      } else {
        at += size;
      }
    }
    print(text);
  }
}
