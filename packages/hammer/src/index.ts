// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER file system: format, mount, read, write, time travel. Needs a BlockDevice; touches no host interface.
 * @packageDocumentation
 */
export { MemoryDevice, OverlayDevice, type BlockDevice } from "./device.ts";
export {
  BufferMiss, HammerError, isBufferMiss, isHammerError, type HammerErrorCode, type HammerErrorData,
} from "./error.ts";

// Offline tools: what hammer(8) prints about an image.
export { blockmap, type BlockmapSummary } from "./tools/blockmap.ts";
export { checkmap, type CheckmapSummary } from "./tools/checkmap.ts";
export { volumeHeaders, type RawHeader } from "./tools/raw.ts";
export { show, type ShowOptions, type ShowSummary } from "./tools/show.ts";
export { showUndo } from "./tools/show-undo.ts";
