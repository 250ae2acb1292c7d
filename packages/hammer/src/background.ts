// SPDX-License-Identifier: BSD-3-Clause
/**
 * Devices that can also work beside their caller: what takes a disk's time ends in a callback of the host's event loop.
 * @module
 */
import type { BlockDevice } from "./device.ts";
import type { HammerError } from "./error.ts";

/** Called once, from the host's event loop, with what went wrong. */
export type DeviceDone = (failure: HammerError | null) => void;

/** A block device whose reads and flushes may be waited for elsewhere. close() lets what has begun end. */
export interface BackgroundDevice extends BlockDevice {
  /** Fills `buf`, which belongs to the call until `done`, from byte `offset`. */
  readLater(offset: number, buf: Uint8Array, done: DeviceDone): void;
  /** `done` when all writes before this call are on stable storage. */
  flushLater(done: DeviceDone): void;
}

export function isBackgroundDevice(device: BlockDevice): device is BackgroundDevice {
  return "readLater" in device && "flushLater" in device;
}
