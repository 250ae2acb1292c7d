// SPDX-License-Identifier: BSD-3-Clause
import { type BackgroundDevice, type DeviceDone, HammerError, type MemoryDevice } from "@vkernel/hammer";
import { PATIENCE_NS } from "../../src/vfs/hammer/cothread-disk.ts";

/** A memory disk that answers when the machine is idle, one call at a time, and remembers what a cut would leave. */
export class SlowDevice implements BackgroundDevice {
  readonly name = "slow";
  readonly readOnly = false;
  readonly size: number;
  readonly pending: (() => void)[] = [];
  flushes = 0;
  background = 0;
  /** Writes since the last flush that ended: a cut may lose them. */
  volatile = 0;
  failing = false;
  /** The disk does not answer. */
  held = false;
  private readonly disk: MemoryDevice;
  private readonly clock: { extra: number };

  constructor(disk: MemoryDevice, clock: { extra: number }) {
    this.disk = disk;
    this.size = disk.size;
    this.clock = clock;
  }
  read(offset: number, buf: Uint8Array): void {
    this.clock.extra += PATIENCE_NS * 2;
    this.disk.read(offset, buf);
  }
  write(offset: number, buf: Uint8Array): void {
    this.volatile++;
    this.disk.write(offset, buf);
  }
  flush(): void {
    this.clock.extra += PATIENCE_NS * 2;
    this.volatile = 0;
    this.flushes++;
  }
  close(): void {}
  readLater(offset: number, buf: Uint8Array, done: DeviceDone): void {
    this.background++;
    this.pending.push(() => {
      this.disk.read(offset, buf);
      done(null);
    });
  }
  flushLater(done: DeviceDone): void {
    this.background++;
    const covered = this.volatile;
    this.pending.push(() => {
      this.flushes++;
      this.volatile -= covered;
      done(this.failing ? new HammerError("EIO", "slow: flush failed") : null);
    });
  }
}
