// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER file system: format, mount, read, write, time travel. Needs a BlockDevice; touches no host interface.
 * @packageDocumentation
 */
export { isBackgroundDevice, type BackgroundDevice, type DeviceDone } from "./background.ts";
export { MemoryDevice, OverlayDevice, type BlockDevice } from "./device.ts";
export {
  BufferMiss, HammerError, isBufferMiss, isHammerError, type HammerErrorCode, type HammerErrorData,
} from "./error.ts";

export { crc32, crc32c } from "./crc.ts";

// Formatting.
export { newfs, type NewfsOptions, type NewfsResult } from "./newfs.ts";
export { uuidBytes, uuidText } from "./disk/volume.ts";

// A mounted file system.
export {
  MAX_TID, mount, type HammerInfo, type HammerMount, type HammerStatfs, type MountOptions,
} from "./mount.ts";
export type { FsyncMode } from "./fsync.ts";
export type { DirentHistoryEntry, HistoryEntry } from "./history.ts";
export { namekey, type Namekey } from "./object/namekey.ts";
export type { ReaddirCallback } from "./object/dirent.ts";
export type { CreateOptions, SetattrOptions } from "./object/namespace.ts";
export type { HammerFileType, HammerInode } from "./object/inode.ts";
export type { SetXattrMode } from "./object/xattr.ts";
export { fromByteString, resolvePath, splitPath, toByteString, type ResolveOptions } from "./path.ts";
export type { PfsInfo } from "./pfs.ts";
export { recover, type RecoverOptions, type Recovery } from "./recover.ts";
export type { SnapshotInfo } from "./snapshot.ts";

// Offline tools: what hammer(8) prints about an image.
export { blockmap, type BlockmapEntry, type BlockmapSummary } from "./tools/blockmap.ts";
export { checkmap, type CheckmapDifference, type CheckmapSummary } from "./tools/checkmap.ts";
export { sizeToStr } from "./tools/format.ts";
export { volumeHeaders, type RawHeader } from "./tools/raw.ts";
export { show, type ShownNode, type ShowOptions, type ShowSummary } from "./tools/show.ts";
export { showUndo, type UndoRecord } from "./tools/show-undo.ts";

// Mirroring.
export type { MirrorReadOptions } from "./mirror/read.ts";
export { mirrorCopy, type MirrorCopyOptions, type MirrorEnd } from "./mirror/copy.ts";
export { MirrorDump, type MirrorDumpOptions } from "./mirror/dump.ts";
export {
  mirrorHello, MirrorReplies, mirrorTerm, mirrorUpdate, mirrorWindows, type MirrorReply, type MirrorWindow,
} from "./mirror/session.ts";
export { MirrorReceiver, mirrorWrite, type MirrorPass, type MirrorWriteOptions } from "./mirror/write.ts";

// Maintenance of a mounted file system.
export { dedup, type DedupData, type DedupOptions, type DedupResult } from "./admin/dedup.ts";
export {
  createPfs, destroyPfs, downgradePfs, freePfsId, updatePfs, upgradePfs, type PfsCreateOptions, type PfsOptions,
} from "./admin/pfs.ts";
export { prune, pruneTable, type PruneOptions, type PruneRange, type PruneResult } from "./admin/prune.ts";
export { rebalance, type RebalanceOptions, type RebalanceResult } from "./admin/rebalance.ts";
export { reblock, type ReblockKind, type ReblockOptions, type ReblockResult } from "./admin/reblock.ts";
export type { RollbackResult } from "./admin/rollback.ts";
export type { ScanOptions, ScanOutcome, ScanPosition } from "./admin/scan.ts";
export { addSnapshot, removeSnapshot, setConfig, takeSnapshotTid } from "./admin/snapshots.ts";
export {
  addVolume, removeVolume, type AddVolumeOptions, type RemoveVolumeOptions, type VolumeChange,
} from "./admin/volumes.ts";
export { upgradeVersion, VERSION_DESCRIPTIONS } from "./admin/version.ts";

// Files from a file system that cannot be mounted any more.
export { Salvage, type SalvagedObject, type SalvagedPiece, type SalvageOptions, type SalvageReport } from "./salvage/salvage.ts";
export type { SalvageScanOptions, ScanExtent } from "./salvage/scan.ts";
export { strip, type StripProgress, type StripResult } from "./salvage/strip.ts";
