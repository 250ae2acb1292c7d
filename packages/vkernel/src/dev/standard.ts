// SPDX-License-Identifier: BSD-3-Clause
/** The devices every machine has. */
import type { Cdev, Devsw } from "./cdev.ts";
import { FullDev, NullDev, RandomDev, ZeroDev } from "./mem.ts";
import { KmsgDev, type MessageBuffer } from "./kmsg.ts";
import { Ptmx } from "./pty.ts";
import { ControllingTtyDev } from "./tty-dev.ts";

export interface DeviceOptions {
  /** Fills a buffer with unpredictable bytes. */
  entropy: (buf: Uint8Array) => void;
  /** Monotonic clock, ns. */
  now: () => number;
  /** The kernel's messages. */
  messages: MessageBuffer;
}

/** Adds null, zero, full, random, urandom, kmsg, tty and ptmx; the console is added by who knows the host's terminal. */
export function addStandardDevices(devsw: Devsw, options: DeviceOptions): void {
  const devices: Cdev[] = [
    new NullDev(),
    new ZeroDev(),
    new FullDev(),
    new RandomDev("random", options.entropy),
    new RandomDev("urandom", options.entropy),
    new KmsgDev(options.messages),
    new ControllingTtyDev(),
    new Ptmx(devsw, options.now),
  ];
  for (const dev of devices) devsw.add(dev);
}
