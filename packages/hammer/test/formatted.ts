// SPDX-License-Identifier: BSD-3-Clause
/** Empty file systems for tests: small, with a fixed clock and id. */
import { MemoryDevice } from "../src/device.ts";
import { newfs } from "../src/newfs.ts";

/** A freshly formatted disk. The default FIFO of 8 MiB is the smallest there is. */
export function formatted(version = 7, options: { size?: number; undoBytes?: number } = {}): MemoryDevice {
  const device = new MemoryDevice(options.size ?? 128 << 20, { name: `v${version}` });
  newfs([device], {
    label: "TEST", version, undoBytes: options.undoBytes ?? 8 << 20, force: true,
    now: () => 1_262_304_000_123_456n, fsid: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  });
  return device;
}
