// SPDX-License-Identifier: BSD-3-Clause
/** Images in files: opening one, with all its volumes, as a mounted file system. */
import { existsSync } from "node:fs";
import type { BlockDevice } from "../device.ts";
import { mount, type HammerMount, type MountOptions } from "../mount.ts";
import { FileDevice } from "./file-device.ts";

/** How to open an image; what mount takes, with a clock by default. */
export interface OpenImageOptions extends Partial<MountOptions> {
  /** Default true. A writable image is locked against a second writer. */
  readOnly?: boolean;
}

/** Microseconds since 1970 by the host's clock. */
export function systemNow(): bigint {
  return BigInt(Date.now()) * 1000n;
}

/** Volume files in one operand: a path, or several joined by colons, as DragonFly's tools take them. */
export function volumePaths(operand: string): string[] {
  return existsSync(operand) ? [operand] : operand.split(":").filter((p) => p !== "");
}

/** Opens volume files as devices. On failure none stays open. Throws ENOENT, E_LOCKED, EIO. */
export function openDevices(paths: readonly string[], options: { readOnly: boolean }): BlockDevice[] {
  const devices: BlockDevice[] = [];
  try {
    for (const path of paths) devices.push(new FileDevice(path, options));
    return devices;
  } catch (e) {
    for (const d of devices) d.close();
    throw e;
  }
}

/** Opens and mounts an image; unmount closes its files. Throws what openDevices and mount throw. */
export function openImage(paths: string | readonly string[], options: OpenImageOptions = {}): HammerMount {
  const readOnly = options.readOnly ?? true;
  const devices = openDevices(typeof paths === "string" ? volumePaths(paths) : paths, { readOnly });
  try {
    return mount(devices, { now: systemNow, ...options, readOnly, closeDevices: true });
  } catch (e) {
    for (const d of devices) d.close();
    throw e;
  }
}
