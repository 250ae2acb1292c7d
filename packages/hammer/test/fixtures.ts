// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the interoperability fixtures are: `shared/fixtures` beside the checkout. They are not part of the
 * repository; tests that need them are skipped, with this reason, where they are missing.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { MemoryDevice, OverlayDevice } from "../src/device.ts";

const ROOT = fileURLToPath(new URL("../../../../shared/fixtures/", import.meta.url));

/** Folder of fixtures by name ("hammer", "hammer-real"), or null if this machine does not have it. */
export function fixtureDir(name: string): string | null {
  const dir = `${ROOT}${name}`;
  return existsSync(dir) ? dir : null;
}

/** Reads a text, unpacking it if its name ends in .gz. */
export function readFixture(path: string): Buffer {
  const raw = readFileSync(path);
  return path.endsWith(".gz") ? gunzipSync(raw) : raw;
}

const $images = new Map<string, MemoryDevice>();

/** A writable device holding the unpacked image, which is unpacked once only. */
export function loadImage(path: string): OverlayDevice {
  let image = $images.get(path);
  if (image === undefined) {
    const content = readFixture(path);
    image = new MemoryDevice(content.length, { name: path, content });
    $images.set(path, image);
  }
  return new OverlayDevice(image);
}
