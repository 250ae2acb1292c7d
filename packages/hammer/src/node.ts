// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER images in files: the part of the package that needs Node.
 * @packageDocumentation
 */
export { FileDevice, type FileDeviceOptions } from "./node/file-device.ts";
export {
  createImage, openDevices, openImage, systemNow, volumePaths, type CreateImageOptions, type OpenImageOptions,
} from "./node/image.ts";
export { ImageLock, type LockHolder } from "./node/lock.ts";
