// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { MemoryDevice, OverlayDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";

function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 13 + seed) & 0xff);
}

function read(d: { read(o: number, b: Uint8Array): void }, offset: number, length: number): Uint8Array {
  const b = new Uint8Array(length).fill(0xee);
  d.read(offset, b);
  return b;
}

describe("MemoryDevice", () => {
  it("reads zeros where nothing was written and bytes where something was, across chunks", () => {
    const d = new MemoryDevice(300_000);
    d.write(65_000, bytes(70_000, 3));
    expect(read(d, 65_000, 70_000)).toEqual(bytes(70_000, 3));
    expect(read(d, 64_000, 1000)).toEqual(new Uint8Array(1000));
    expect(read(d, 135_000, 1000)).toEqual(new Uint8Array(1000));
  });

  it("stores only chunks that hold something", () => {
    const content = new Uint8Array(1 << 20);
    content[700_000] = 1;
    const d = new MemoryDevice(1 << 20, { content });
    expect(d.allocated).toBe(65_536);
    expect(read(d, 699_999, 3)).toEqual(Uint8Array.of(0, 1, 0));
  });

  it("D3: refuses what lies outside, and writes to a read-only device", () => {
    const d = new MemoryDevice(1000, { readOnly: true });
    expect(() => d.read(999, new Uint8Array(2))).toThrowError(expect.objectContaining({ code: "EINVAL" }));
    expect(() => d.read(-1, new Uint8Array(1))).toThrowError(expect.objectContaining({ code: "EINVAL" }));
    expect(() => d.write(0, new Uint8Array(1))).toThrowError(expect.objectContaining({ code: "EROFS" }));
  });
});

describe("OverlayDevice", () => {
  it("keeps changes to itself, also in the last, short chunk", () => {
    const base = new MemoryDevice(100_000, { content: bytes(100_000, 1) });
    const d = new OverlayDevice(base);
    d.write(99_990, bytes(10, 200));
    d.write(50, bytes(3, 77));
    const want = bytes(100_000, 1);
    want.set(bytes(10, 200), 99_990);
    want.set(bytes(3, 77), 50);
    expect(Buffer.compare(read(d, 0, 100_000), want)).toBe(0);
    expect(Buffer.compare(read(base, 0, 100_000), bytes(100_000, 1))).toBe(0);
    d.close();
    expect(Buffer.compare(read(d, 0, 100_000), bytes(100_000, 1))).toBe(0);
  });
});

it("errors are recognised by mark, not by class", () => {
  const d = new MemoryDevice(1);
  let caught: unknown;
  try { d.read(5, new Uint8Array(1)); } catch (e) { caught = e; }
  expect(isHammerError(caught)).toBe(true);
  expect(isHammerError(caught, "EINVAL")).toBe(true);
  expect(isHammerError(caught, "EIO")).toBe(false);
  expect(isHammerError(new Error("x"))).toBe(false);
});
