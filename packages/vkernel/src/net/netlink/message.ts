// SPDX-License-Identifier: BSD-3-Clause
/**
 * Messages of netlink sockets: a header, a fixed part, attributes; everything starts at a multiple of four (Linux
 * include/uapi/linux/netlink.h).
 * @module
 */

/** struct nlmsghdr: length, type, flags, sequence number, port. */
export const NLMSG_HDRLEN = 16;
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Types below belong to netlink itself. */
export const NLMSG_MIN_TYPE = 0x10;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;

export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** What follows the header. */
  readonly body: Uint8Array;
  /** The header as it came: errors carry it back. */
  readonly header: Uint8Array;
}

const align = (n: number): number => (n + 3) & ~3;

/** The messages in a datagram, up to the first that is cut off. */
export function parseMessages(data: Uint8Array): Request[] {
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const out: Request[] = [];
  for (let at = 0; at + NLMSG_HDRLEN <= data.length; ) {
    const len = dv.getUint32(at, true);
    if (len < NLMSG_HDRLEN || at + len > data.length) break;
    out.push({
      type: dv.getUint16(at + 4, true),
      flags: dv.getUint16(at + 6, true),
      seq: dv.getUint32(at + 8, true),
      body: data.subarray(at + NLMSG_HDRLEN, at + len),
      header: data.subarray(at, at + NLMSG_HDRLEN),
    });
    at += align(len);
  }
  return out;
}

/** The attributes behind the first `fixed` bytes of a body, by type. */
export function parseAttributes(body: Uint8Array, fixed: number): Map<number, Uint8Array> {
  const dv = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const out = new Map<number, Uint8Array>();
  for (let at = align(fixed); at + 4 <= body.length; ) {
    const len = dv.getUint16(at, true);
    if (len < 4 || at + len > body.length) break;
    out.set(dv.getUint16(at + 2, true) & 0x3fff, body.subarray(at + 4, at + len));
    at += align(len);
  }
  return out;
}

/** Builds one message. */
export class MessageBuilder {
  private bytes: number[] = [];

  u8(...values: number[]): this {
    this.bytes.push(...values.map((v) => v & 255));
    return this;
  }
  u16(v: number): this {
    return this.u8(v, v >> 8);
  }
  u32(v: number): this {
    return this.u8(v, v >> 8, v >> 16, v >>> 24);
  }
  attribute(type: number, value: ArrayLike<number>): this {
    this.u16(4 + value.length).u16(type);
    for (let i = 0; i < value.length; i++) this.bytes.push(value[i]! & 255);
    while (this.bytes.length % 4 !== 0) this.bytes.push(0);
    return this;
  }
  attributeU32(type: number, v: number): this {
    return this.attribute(type, [v, v >> 8, v >> 16, v >>> 24]);
  }
  /** NUL-terminated. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, [...text].map((c) => c.charCodeAt(0)).concat(0));
  }
  /** The whole message with its header. */
  finish(type: number, flags: number, seq: number, port: number): Uint8Array {
    const out = new Uint8Array(NLMSG_HDRLEN + align(this.bytes.length));
    const dv = new DataView(out.buffer);
    dv.setUint32(0, NLMSG_HDRLEN + this.bytes.length, true);
    dv.setUint16(4, type, true);
    dv.setUint16(6, flags, true);
    dv.setUint32(8, seq, true);
    dv.setUint32(12, port, true);
    out.set(this.bytes, NLMSG_HDRLEN);
    return out;
  }
}
