// SPDX-License-Identifier: BSD-3-Clause
import type { Kernel } from "../../src/kern/kernel.ts";
import { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";

/** The file systems that tests mount by mount(2). */
export function registerTestFilesystems(k: Kernel): void {
  k.vfsops.set("tmpfs", (_lp, req) => new TmpfsMount("tmpfs", req.flags, {
    maxBytes: Number(req.options.get("size") ?? 1 << 20), now: () => k.microtime(),
  }));
}
