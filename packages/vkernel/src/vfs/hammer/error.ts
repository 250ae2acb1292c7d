// SPDX-License-Identifier: BSD-3-Clause
/** Failures of the HAMMER core as the kernel knows them: errnos, and misses that can be waited for. */
import type { BlockDevice } from "@vkernel/hammer";
import { isBufferMiss, isHammerError } from "@vkernel/hammer";
import { EIO, errnoByName } from "../../sys/errno.ts";
import { IoMiss, type WaitChannel, WaitNode } from "../../sys/wait.ts";

/** A device that reads in the background: load() brings bytes in and then calls `done`. */
export interface LoadingDevice extends BlockDevice {
  load(offset: number, length: number, done: (failure: unknown) => void): void;
}

/** Waits for the buffer that a BufferMiss named. Reused: the fields are those of the latest miss. */
export class HammerMiss extends IoMiss {
  device: LoadingDevice | null = null;
  offset = 0;
  length = 0;
  override load(done: (failure: unknown) => void): void {
    this.device!.load(this.offset, this.length, done);
  }
}

/** Waits until a disk that is behind with its writes has caught up. */
export class RoomMiss extends IoMiss {
  private readonly chan: WaitChannel;
  constructor(chan: WaitChannel) {
    super();
    this.chan = chan;
  }
  override load(done: (failure: unknown) => void): void {
    this.chan.add(new WaitNode({ wake: () => done(null) }));
  }
}

/**
 * What to throw for a failure of the core. Errors that say more than their errno (bad CRCs, missing volumes) are
 * logged, since the process that meets them is told no more than EIO.
 */
export function kernelError(e: unknown, miss: HammerMiss, log: (line: string) => void): unknown {
  if (isBufferMiss(e)) {
    const device = e.device as Partial<LoadingDevice> | null;
    if (device === null || typeof device.load !== "function") return e;
    miss.device = device as LoadingDevice;
    miss.offset = e.offset;
    miss.length = e.length;
    return miss;
  }
  if (!isHammerError(e)) return e;
  const errno = errnoByName(e.code);
  if (errno === undefined || errno === EIO) log(`hammer: ${e.message}`);
  return errno ?? EIO;
}
