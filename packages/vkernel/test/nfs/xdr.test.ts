// SPDX-License-Identifier: BSD-3-Clause
/** XDR and record marking: the encodings that RFC 4506 and RFC 5531 write down, and what must be refused. */
import { describe, expect, it } from "vitest";
import { marked, MessageBuffers, RecordReader } from "../../src/nfs/rpc.ts";
import { siphash } from "../../src/nfs/siphash.ts";
import {
  array, bool, Decoder, encoded, Encoder, enumeration, fixedOpaque, GarbageArgs, joined, list, opaque, optional, size64, string, struct, uint32, uint64,
  union, voidType, type Xdr,
} from "../../src/nfs/xdr.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const decode = <T>(type: Xdr<T>, text: string): T => {
  const from = new Decoder(bytes(text));
  const value = type.decode(from);
  expect(from.left).toBe(0);
  return value;
};

describe("XDR", () => {
  it("is what RFC 4506 §7 shows of a file", () => {
    const text = struct({
      filename: string(255),
      type: union({ 0: voidType, 1: string(255), 2: string(255) }),
      owner: string(32),
      data: opaque(65535),
    });
    const file = {
      filename: "sillyprog", type: { kind: 2 as const, value: "lisp" }, owner: "john", data: new Uint8Array(Buffer.from("(quit)")),
    };
    const wire =
      "00000009" + "73696c6c" + "7970726f" + "67000000" + "00000002" + "00000004" + "6c697370" + "00000004" + "6a6f686e" +
      "00000006" + "28717569" + "74290000";
    expect(hex(encoded(text, file))).toBe(wire);
    expect(decode(text, wire)).toEqual(file);
  });

  const cases: [string, Xdr<never>, unknown, string][] = [
    ["the largest word", uint32 as Xdr<never>, 0xffff_ffff, "ffffffff"],
    ["64 bits", uint64 as Xdr<never>, 0xfedc_ba98_7654_3210n, "fedcba9876543210"],
    ["a size", size64 as Xdr<never>, 2 ** 40 + 5, "0000010000000005"],
    ["fixed bytes with padding", fixedOpaque(5) as Xdr<never>, new Uint8Array([1, 2, 3, 4, 5]), "0102030405000000"],
    ["nothing", optional(uint32) as Xdr<never>, null, "00000000"],
    ["something", optional(uint32) as Xdr<never>, 7, "0000000100000007"],
    ["an array", array(bool, 3) as Xdr<never>, [true, false], "000000020000000100000000"],
    ["a list", list(uint32, 3) as Xdr<never>, [5, 6], "0000000100000005000000010000000600000000"],
  ];
  it.each(cases)("%s", (_name, type, value, wire) => {
    expect(hex(encoded(type, value as never))).toBe(wire);
    expect(decode(type, wire)).toEqual(value);
  });

  it("does not copy long values, and takes them back with the rest", () => {
    const data = Uint8Array.from({ length: 5001 }, (_, i) => i);
    const type = struct({ head: uint32, first: opaque(8192), between: string(10), second: opaque(8192) });
    const value = { head: 7, first: data, between: "abc", second: data.subarray(1) };
    const to = new Encoder();
    uint32.encode(to, 1);
    const start = to.length;
    type.encode(to, value);
    to.rewind(start);
    expect(hex(to.bytes)).toBe("00000001");
    type.encode(to, value);
    const { pieces } = to;
    expect(pieces.filter((piece) => piece.buffer === data.buffer)).toHaveLength(2);
    const all = joined(pieces);
    expect(all.length).toBe(4 + 4 + (4 + 5004) + 8 + (4 + 5000));
    const from = new Decoder(all);
    expect(from.uint32()).toBe(1);
    expect(type.decode(from)).toEqual(value);
    expect(from.left).toBe(0);
    expect(hex(joined(marked(pieces)).subarray(0, 8))).toBe((0x8000_0000 + all.length).toString(16) + "00000001");
  });

  it.each<[string, Xdr<unknown>, string]>([
    ["a word that is cut off", uint32, "000001"],
    ["a boolean of 2", bool, "00000002"],
    ["a value that an enumeration has not", enumeration(3), "00000003"],
    ["a value below an enumeration's first", enumeration(7, 1), "00000000"],
    ["a string longer than allowed", string(3), "0000000461626364"],
    ["a length that leads beyond the message", opaque(2 ** 31), "7fffffff00"],
    ["missing padding", opaque(8), "0000000161"],
    ["a count beyond the bound", array(uint32, 2), "ffffffff"],
    ["a list without an end", list(uint32, 2), "000000010000000000000001000000000000000100000000"],
    ["a case that a union has not", union({ 0: voidType }), "00000001"],
  ])("refuses %s", (_name, type, wire) => {
    expect(() => type.decode(new Decoder(bytes(wire)))).toThrow(GarbageArgs);
  });
});

describe("SipHash-2-4", () => {
  // Vectors of the reference implementation: key 00…0f, messages of the first n bytes 00, 01, 02, …
  it.each([
    [0, "310e0edd47db6f72"], [1, "fd67dc93c539f874"], [7, "37d1018bf50002ab"], [8, "6224939a79f5f593"], [15, "e545be4961ca29a1"],
    [63, "724506eb4c328a95"],
  ])("of %i bytes", (n, tag) => {
    const count = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);
    expect(hex(siphash(count(16), count(n)))).toBe(tag);
  });
});

describe("record marking", () => {
  /** Feeds a stream in pieces of `size`; returns the messages. */
  function messages(stream: Uint8Array, size: number, most = 1000): string[] {
    const reader = new RecordReader(most);
    const found: string[] = [];
    for (let at = 0; at < stream.length; ) {
      const space = reader.space(Math.min(size, stream.length - at));
      space.set(stream.subarray(at, at + space.length));
      at += space.length;
      const message = reader.filled(space.length);
      if (message !== null) found.push(hex(message));
    }
    expect(reader.isPartial).toBe(false);
    return found;
  }
  const stream = bytes("80000003aabbcc" + "00000002dddd" + "00000000" + "80000001ee" + "80000000" + "80000002ffff");

  it.each([1, 2, 3, 5, 7, 100])("puts fragments together, %i bytes at a time", (size) => {
    expect(messages(stream, size)).toEqual(["aabbcc", "ddddee", "", "ffff"]);
  });

  it("refuses a message that is too long before it has come, in one fragment or in many", () => {
    expect(() => messages(bytes("80000401" + "00".repeat(8)), 4)).toThrow(GarbageArgs);
    expect(() => messages(bytes("00000300" + "00".repeat(0x300) + "80000300" + "00"), 64)).toThrow(GarbageArgs);
  });

  it("puts long messages together in buffers that are used again, whatever was in them", () => {
    const most = 100_000;
    const buffers = new MessageBuffers(most);
    const reader = new RecordReader(most, buffers);
    let buffer: ArrayBufferLike | null = null;
    for (const length of [90_000, 20_000, most]) {
      const sent = Uint8Array.from({ length }, (_, i) => i * length);
      const stream = joined(marked([sent]));
      let message: Uint8Array | null = null;
      for (let at = 0; at < stream.length; ) {
        const space = reader.space(Math.min(7000, stream.length - at));
        space.set(stream.subarray(at, at + space.length));
        at += space.length;
        message = reader.filled(space.length);
      }
      expect(message).toEqual(sent);
      expect(reader.capacity).toBe(0);
      expect(message!.buffer).toBe((buffer ??= message!.buffer));
      buffers.free(message!);
    }
    // One that is given up is free, too; one that is still needed is not.
    reader.space(4).set(bytes("80010000"));
    reader.filled(4);
    expect(reader.space(30_000).buffer).toBe(buffer);
    reader.filled(30_000);
    expect(reader.capacity).toBe(most);
    reader.drop();
    expect(reader.capacity).toBe(0);
    const again = buffers.take();
    expect(again.buffer).toBe(buffer);
    expect(buffers.take().buffer).not.toBe(buffer);
  });

  it("holds no more than twice what has come of a message that claims to be long", () => {
    const reader = new RecordReader(1 << 20);
    reader.space(4).set(bytes("80100000"));
    reader.filled(4);
    for (let i = 0; i < 5000; i++) {
      expect(reader.space(1).buffer.byteLength).toBeLessThanOrEqual(Math.max(1024, 2 * i + 2));
      reader.filled(1);
    }
    expect(reader.held).toBe(5000);
  });
});
