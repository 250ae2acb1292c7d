// SPDX-License-Identifier: BSD-3-Clause
/**
 * Changing the version of a file system.
 *
 * Only the number in the root header changes: directories, records and checksums stay as they were written. Crossing
 * to version 4 or later the UNDO FIFO is formatted anew, because recovery then goes by the numbers of its lines.
 *
 * Invariant V1: the FIFO is formatted while the header says that nothing is to be undone; version and start of the new
 * FIFO come into force together, with one write of the header.
 * Source: DragonFly sys/vfs/hammer/hammer_ioctl.c, hammer_ioc_set_version; hammer_undo.c, hammer_upgrade_undo_4.
 * @module
 */
import { crcFor } from "../crc.ts";
import { FIFO_LINE, FIFO_TYPE_DUMMY } from "../disk/fifo.ts";
import { viewOf } from "../disk/layout.ts";
import { BIGBLOCK_SIZE } from "../disk/offset.ts";
import { VERSION_FIFO_SEQ, VERSION_MAX, VOLUME } from "../disk/volume.ts";
import { HammerError } from "../error.ts";
import { writeHeader } from "../flusher.ts";
import type { HammerMount } from "../mount.ts";
import type { Engine } from "../transaction.ts";
import { sealRecord } from "../fifo-record.ts";

/** What each version brought, as hammer version tells it; index 1 to 7. */
export const VERSION_DESCRIPTIONS: readonly string[] = [
  "", "First HAMMER release (DragonFly 2.0+)", "New directory entry layout (DragonFly 2.3+)",
  "New snapshot management (DragonFly 2.5+)", "New undo/flush, faster flush/sync (DragonFly 2.5+)",
  "Adjustments for dedup support (DragonFly 2.9+)", "Directory Hash ALG1 (tmp/rename resistance)",
  "Use ISCSI CRC (faster than original crc32)",
];

/**
 * Makes the file system one of this version, durably. Only upwards, but for 4 to 3. Throws EINVAL for another change,
 * E_VERSION for an unknown version, EROFS, EIO.
 */
export function upgradeVersion(m: HammerMount, version: number): void {
  const old = m.version;
  if (!Number.isInteger(version) || version < 1 || version > VERSION_MAX)
    throw new HammerError("E_VERSION", `version ${version} is unknown; 1 to ${VERSION_MAX} exist`);
  if (version < old && !(old === 4 && version === 3))
    throw new HammerError("EINVAL", `a file system of version ${old} cannot go back to version ${version}`);
  const e = m.engine();
  if (version === old) return;
  const crosses = old < VERSION_FIFO_SEQ && version >= VERSION_FIFO_SEQ;
  try {
    if (crosses) formatFifo(e, version);
    e.volumes.version = version;
    e.volumes.root.view.setUint32(VOLUME.off.vol_version, version, true);
    writeHeader(e.volumes, e.undo.first, e.undo.next);
    e.volumes.flush();
    e.volumes.keepHeader();
  } catch (error) {
    e.failure = error;
    throw error;
  }
}

/** Fills the FIFO with dummy lines numbered from 0 and lets the span begin at its start. */
function formatFifo(e: Engine, version: number): void {
  const { volumes, undo } = e;
  const crc = crcFor(version);
  const piece = new Uint8Array(1 << 20);
  const view = viewOf(piece);
  let seq = 0;
  for (let at = 0; at < undo.size; at += piece.length) {
    const length = Math.min(piece.length, undo.size - at, BIGBLOCK_SIZE - at % BIGBLOCK_SIZE);
    for (let line = 0; line < length; line += FIFO_LINE) sealRecord(piece, view, line, FIFO_TYPE_DUMMY, FIFO_LINE, seq++, crc);
    volumes.write(volumes.undoAddress(at), piece.subarray(0, length), "UNDO FIFO");
  }
  volumes.flush();
  undo.restart(seq);
}
