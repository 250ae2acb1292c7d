// SPDX-License-Identifier: BSD-3-Clause
/** Images in files: making one, and opening one, with all its volumes, as a mounted file system. */
import { randomFillSync } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import type { BlockDevice } from "../device.ts";
import { mount, type HammerMount, type MountOptions } from "../mount.ts";
import { newfs, type NewfsOptions, type NewfsResult } from "../newfs.ts";
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

/** How to make an image; what newfs takes, with a clock and a random file system id by default. */
export interface CreateImageOptions extends Partial<NewfsOptions> {
  label: string;
  /** Bytes of the file. It is sparse: only what is written takes space. */
  size: number;
  /** UNDO FIFO; default a 64th of the size, 8 to 512 MiB: the genuine default of 512 MiB would be most of a small image. */
  undoBytes?: number;
}

const UNDO_MIN = 8 << 20;
const UNDO_MAX = 512 << 20;

/**
 * Makes a file with an empty file system in it. Sizes below newfs_hammer's minima are allowed unless `force` is false.
 * Throws EEXIST if the file is there, and what newfs throws; no file is left behind then.
 */
export function createImage(path: string, options: CreateImageOptions): NewfsResult {
  const { size, ...rest } = options;
  const device = new FileDevice(path, { create: true, size });
  try {
    const undoBytes = Math.min(UNDO_MAX, Math.max(UNDO_MIN, Math.floor(size / 64)));
    const result = newfs([device], { undoBytes, force: true, now: systemNow, random: (b) => randomFillSync(b), ...rest });
    device.flush();
    device.close();
    return result;
  } catch (e) {
    device.close();
    rmSync(path, { force: true });
    throw e;
  }
}
