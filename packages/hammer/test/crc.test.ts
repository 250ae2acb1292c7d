// SPDX-License-Identifier: BSD-3-Clause
/** Checksums against values computed with DragonFly's own functions (fixtures/hammer/vectors.json). */
import { describe, expect, it } from "vitest";
import { crc32, crc32Ext, crc32c, crc32cExt, crcFor, crcMatches } from "../src/crc.ts";
import { fixtureDir, readFixture } from "./fixtures.ts";

const text = (s: string) => new TextEncoder().encode(s);
const hex = (n: number) => `0x${n.toString(16).padStart(8, "0")}`;

describe("check values", () => {
  it("of the two polynomials", () => {
    expect(crc32(text("123456789"))).toBe(0xcbf4_3926);
    expect(crc32c(text("123456789"))).toBe(0xe306_9283);
  });

  it("nothing sums to 0", () => {
    expect(crc32(new Uint8Array(0))).toBe(0);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it("agree with a bit-by-bit division at every length and start", () => {
    const slow = (polynomial: number, b: Uint8Array) => {
      let c = 0xffff_ffff;
      for (const byte of b) {
        c ^= byte;
        for (let i = 0; i < 8; i++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
      }
      return ~c >>> 0;
    };
    const b = Uint8Array.from({ length: 80 }, (_, i) => (i * 167 + 11) & 0xff);
    for (let from = 0; from < 4; from++) {
      for (let to = from; to <= b.length; to++) {
        expect(crc32(b, from, to)).toBe(slow(0xedb8_8320, b.subarray(from, to)));
        expect(crc32c(b, from, to)).toBe(slow(0x82f6_3b78, b.subarray(from, to)));
      }
    }
  });
});

it("version 7 accepts either function, earlier ones only CRC-32", () => {
  const b = text("either or");
  expect(crcFor(7)).toBe(crc32c);
  expect(crcFor(6)).toBe(crc32);
  expect([crcMatches(7, crc32(b), b, 0, b.length), crcMatches(7, crc32c(b), b, 0, b.length)]).toEqual([true, true]);
  expect([crcMatches(6, crc32(b), b, 0, b.length), crcMatches(6, crc32c(b), b, 0, b.length)]).toEqual([true, false]);
});

const dir = fixtureDir("hammer");
describe.skipIf(dir === null)("vectors.json (needs shared/fixtures/hammer)", () => {
  const vectors = dir === null ? null : JSON.parse(readFixture(`${dir}/vectors.json`).toString());

  it("crc", () => {
    expect(vectors.crc.length).toBeGreaterThan(10);
    for (const v of vectors.crc) {
      const b = Buffer.from(v.hex, "hex");
      expect({ name: v.name, crc32: hex(crc32(b)), iscsi_crc32: hex(crc32c(b)) })
        .toEqual({ name: v.name, crc32: v.crc32, iscsi_crc32: v.iscsi_crc32 });
    }
  });

  it("crc_large", () => {
    for (const v of vectors.crc_large) {
      const b = Uint8Array.from({ length: v.length }, (_, i) => (i * 31 + (i >> 8) * 17 + 5) & 255);
      expect([hex(crc32(b)), hex(crc32c(b))]).toEqual([v.crc32, v.iscsi_crc32]);
    }
  });

  it("crc_ext", () => {
    const { first, rest, crc32: want, iscsi_crc32: wantC } = vectors.crc_ext;
    const a = text(first);
    const b = text(rest);
    expect(hex(crc32Ext(b, 0, b.length, crc32(a)))).toBe(want);
    expect(hex(crc32cExt(b, 0, b.length, crc32c(a)))).toBe(wantC);
  });
});

it("long runs, which take another way, agree with short pieces", () => {
  const b = Uint8Array.from({ length: 140_003 }, (_, i) => (i * 31 + (i >> 8) * 17 + 5) & 0xff);
  for (const [from, to] of [[0, 511], [0, 512], [1, 514], [3, 65_539], [0, 65_536], [7, 131_079], [0, 140_003]] as const) {
    let a = 0, c = 0;
    for (let at = from; at < to; at += 100) {
      a = crc32Ext(b, at, Math.min(at + 100, to), a);
      c = crc32cExt(b, at, Math.min(at + 100, to), c);
    }
    expect(crc32(b, from, to)).toBe(a);
    expect(crc32c(b, from, to)).toBe(c);
  }
});
