// SPDX-License-Identifier: BSD-3-Clause
/**
 * The volume header as every offline command of hammer(8) prints it first.
 * Source: DragonFly sbin/hammer/ondisk.c, print_blockmap().
 * @module
 */
import { FSTYPE_HAMMER, ZONE_UNDO, uuidText } from "../disk/index.ts";
import { sizeToStr, x16 } from "./format.ts";
import type { RawVolumes } from "./raw.ts";

/** Names of the sixteen zones. */
export const ZONE_LABELS: readonly string[] = [
  "", "raw_volume", "raw_buffer", "undo", "freemap", "", "", "", "btree", "meta", "large_data", "small_data", "", "", "",
  "unavail",
];

const FSTYPE = uuidText(FSTYPE_HAMMER);
const OFF_LONG_MASK = 0x0fff_ffff_ffff_ffffn;

/** Prints label, areas, FIFO use and the zone table of the root volume. */
export function printHeader(volumes: RawVolumes, print: (text: string) => void): void {
  const h = volumes.header;
  const undo = h.blockmap[ZONE_UNDO]!;
  const used = undo.first <= undo.next ? undo.next - undo.first : undo.alloc - undo.first + (undo.next & OFF_LONG_MASK);
  print(`vol_label\t${h.label}\n`);
  print(`vol_count\t${h.volumes}\n`);
  print(`vol_fstype\t${h.fstype}${h.fstype === FSTYPE ? ' "DragonFly HAMMER"' : ""}\n`);
  print(`vol_fsid\t${h.fsid}\n`);
  print(`vol_bot_beg\t${sizeToStr(h.botBeg)}\n`);
  print(`vol_mem_beg\t${sizeToStr(h.memBeg)}\n`);
  print(`vol_buf_beg\t${sizeToStr(h.bufBeg)}\n`);
  print(`vol_buf_end\t${sizeToStr(h.bufEnd)}\n`);
  print(`vol0_next_tid\t${x16(h.nextTid)}\n`);
  print(`undo_size\t${sizeToStr(Number(undo.alloc & OFF_LONG_MASK))}\n`);
  print(`undo_used\t${sizeToStr(Number(used))}\n`);
  print("zone #             phys             first            next             alloc\n");
  h.blockmap.forEach((b, i) => {
    print(`zone ${String(i).padEnd(2)} ${ZONE_LABELS[i]!.padEnd(10)} ${x16(b.phys)} ${x16(b.first)} ${x16(b.next)} ${x16(b.alloc)}\n`);
  });
}
