// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the interoperability fixtures are: `shared/fixtures` beside the checkout. They are not part of the
 * repository; tests that need them are skipped, with this reason, where they are missing.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { MemoryDevice } from "../src/device.ts";

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

/** A writable device holding the unpacked image. */
export function loadImage(path: string): MemoryDevice {
  const content = readFixture(path);
  return new MemoryDevice(content.length, { name: path, content });
}
