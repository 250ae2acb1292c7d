// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { MemoryDevice } from "@vkernel/hammer";
import { EIO, ENOSPC, EROFS } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { DIOCGPART } from "../sys/ioctl.ts";
import { Vkd } from "./vkd.ts";

describe("vkd", () => {
  it("VD1, VD2: any offset and length, within the disk", () => {
    const image = new MemoryDevice(128 * 1024);
    const dev = new Vkd(0, image, () => {});
    const model = new Uint8Array(image.size);
    let seed = 1;
    const next = (n: number): number => (seed = (seed * 48271) % 0x7fffffff) % n;
    for (let i = 0; i < 300; i++) {
      const at = next(image.size);
      const bytes = Uint8Array.from({ length: next(3000) + 1 }, () => next(256));
      const n = dev.write(at, bytes, 0, bytes.length);
      expect(n).toBe(Math.min(bytes.length, image.size - at));
      model.set(bytes.subarray(0, n), at);
      const from = next(image.size);
      const back = new Uint8Array(5000);
      const got = dev.read(from, back, 0, back.length);
      expect(got).toBe(Math.min(5000, image.size - from));
      expect(back.subarray(0, got)).toEqual(model.subarray(from, from + got));
    }
    expect(dev.read(image.size, new Uint8Array(1), 0, 1)).toBe(0);
    expect(() => dev.write(image.size, new Uint8Array(1), 0, 1)).toThrow(ENOSPC);
  });

  it("tells its size, refuses to write what is read-only, and reports failures as EIO", () => {
    const image = new MemoryDevice(64 * 1024);
    const dev = new Vkd(1, image, () => {});
    const part = new Uint8Array(136);
    dev.ioctl(DIOCGPART, part);
    expect(new DataView(part.buffer).getBigUint64(16, true)).toBe(128n);
    const log: string[] = [];
    const broken = {
      name: "broken", size: 4096, readOnly: true,
      read: () => {
        throw Object.assign(new Error("bad sector"), { code: "EIO" });
      },
      write: () => {},
      flush: () => {},
    };
    const bad = new Vkd(2, broken, (line) => log.push(line));
    expect(bad.open(FREAD)).toBe(bad);
    expect(() => bad.open(FREAD | FWRITE)).toThrow(EROFS);
    expect(() => bad.read(0, new Uint8Array(10), 0, 10)).toThrow(EIO);
    expect(log).toEqual(["vkd2: bad sector"]);
  });
});
