// SPDX-License-Identifier: BSD-3-Clause
/** Block devices of the hammer package as disks of the kernel. */
import { type BlockDevice, isBackgroundDevice, isBufferMiss } from "@vkernel/hammer";
import type { DiskImage } from "../../dev/vkd.ts";
import { CothreadDisk, type CothreadDiskOptions } from "./cothread-disk.ts";
import { HammerMiss, kernelError } from "./error.ts";

/** The device, with its waiting moved to the background if it can work there. */
export function backgroundDisk(device: BlockDevice, options: CothreadDiskOptions): BlockDevice {
  return isBackgroundDevice(device) ? new CothreadDisk(device, options) : device;
}

/** The device for those who read it raw: what it does not have at hand makes the process wait. */
export function waitingImage(device: BlockDevice, log: (line: string) => void): DiskImage {
  const miss = new HammerMiss();
  return {
    name: device.name,
    size: device.size,
    readOnly: device.readOnly,
    read: (offset, buf) => {
      try {
        device.read(offset, buf);
      } catch (e) {
        throw isBufferMiss(e) ? kernelError(e, miss, log) : e;
      }
    },
    write: (offset, buf) => device.write(offset, buf),
    flush: () => device.flush(),
  };
}
