// SPDX-License-Identifier: BSD-3-Clause
/**
 * ONC RPC version 2 (RFC 5531): the heads of calls and replies, credentials, and record marking on a stream (§11).
 * @module
 */
import { array, Decoder, Encoder, enumeration, GarbageArgs, opaque, string, struct, uint32, type Decoded } from "./xdr.ts";

export const RPC_VERSION = 2;
export const CALL = 0;
export const REPLY = 1;

export const MSG_ACCEPTED = 0;
export const MSG_DENIED = 1;

/** accept_stat */
export const SUCCESS = 0;
export const PROG_UNAVAIL = 1;
export const PROG_MISMATCH = 2;
export const PROC_UNAVAIL = 3;
export const GARBAGE_ARGS = 4;
export const SYSTEM_ERR = 5;

/** reject_stat */
export const RPC_MISMATCH = 0;
export const AUTH_ERROR = 1;

/** auth_stat */
export const AUTH_BADCRED = 1;
export const AUTH_TOOWEAK = 5;

/** Flavours of credentials. */
export const AUTH_NONE = 0;
export const AUTH_SYS = 1;
const AUTH_BYTES = 400;

const opaqueAuth = struct({ flavor: uint32, body: opaque(AUTH_BYTES) });
export const NO_AUTH: Decoded<typeof opaqueAuth> = { flavor: AUTH_NONE, body: new Uint8Array(0) };

/** A call up to its arguments. */
export const callHead = struct({
  xid: uint32,
  direction: enumeration(2),
  rpcvers: uint32,
  prog: uint32,
  vers: uint32,
  proc: uint32,
  cred: opaqueAuth,
  verf: opaqueAuth,
});
export type CallHead = Decoded<typeof callHead>;

/** authsys_parms (RFC 5531 appendix A): whom the client says it acts for. */
export const authSys = struct({ stamp: uint32, machine: string(255), uid: uint32, gid: uint32, gids: array(uint32, 16) });
export type AuthSys = Decoded<typeof authSys>;

/** The head of an accepted reply; results follow where `stat` is SUCCESS. */
export function acceptedHead(to: Encoder, xid: number, stat: number): void {
  to.uint32(xid);
  to.uint32(REPLY);
  to.uint32(MSG_ACCEPTED);
  opaqueAuth.encode(to, NO_AUTH);
  to.uint32(stat);
}

/** A reply of the head and some more words. */
export function acceptedReply(xid: number, stat: number, ...words: number[]): Uint8Array {
  const to = new Encoder(64);
  acceptedHead(to, xid, stat);
  for (const word of words) to.uint32(word);
  return to.bytes;
}
export function deniedReply(xid: number, stat: number, ...words: number[]): Uint8Array {
  const to = new Encoder(64);
  for (const word of [xid, REPLY, MSG_DENIED, stat, ...words]) to.uint32(word);
  return to.bytes;
}

/** What a reply says, for clients: its status, and a decoder that stands at the results. */
export function readReply(bytes: Uint8Array): { xid: number; denied: boolean; stat: number; results: Decoder } {
  const from = new Decoder(bytes);
  const xid = from.uint32();
  if (from.uint32() !== REPLY) throw new GarbageArgs("not a reply");
  const denied = from.uint32() !== MSG_ACCEPTED;
  if (!denied) opaqueAuth.decode(from);
  return { xid, denied, stat: from.uint32(), results: from };
}

const LAST_FRAGMENT = 0x8000_0000;

/** Puts a message into one fragment of a stream. */
export function marked(message: Uint8Array): Uint8Array {
  const record = new Uint8Array(4 + message.length);
  new DataView(record.buffer).setUint32(0, (LAST_FRAGMENT | message.length) >>> 0);
  record.set(message, 4);
  return record;
}

const MARK = 4;
const LEAST_ROOM = 1024;

/**
 * Puts messages together from the fragments of a stream.
 *
 * Invariants
 *   RR1  It holds at most twice what has arrived of the current message, however long that claims to be.
 *   RR2  space() never reaches beyond the current message, so the next one stays in the stream.
 */
export class RecordReader {
  readonly #most: number;
  readonly #mark = new Uint8Array(MARK);
  #markBytes = 0;
  #message = new Uint8Array(0);
  /** Bytes of the current message that are here. */
  held = 0;
  #fragmentLeft = 0;
  #isLast = false;

  /** `most`: bytes of the longest message. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether a message has begun and is not whole. */
  get isPartial(): boolean {
    return this.held > 0 || this.#fragmentLeft > 0 || this.#markBytes > 0;
  }

  /** Where the next bytes of the stream go, of which `available` (at least 1) are there; at most so many. */
  space(available: number): Uint8Array {
    if (this.#fragmentLeft === 0) return this.#mark.subarray(this.#markBytes, Math.min(MARK, this.#markBytes + available));
    const end = this.held + Math.min(available, this.#fragmentLeft);
    if (end > this.#message.length) {
      const whole = this.held + this.#fragmentLeft;
      const grown = new Uint8Array(Math.min(whole, Math.max(end, 2 * this.held, LEAST_ROOM)));
      grown.set(this.#message.subarray(0, this.held));
      this.#message = grown;
    }
    return this.#message.subarray(this.held, end);
  }

  /**
   * `n` bytes were put at the beginning of what space() gave. Returns the message that they complete, or null. Throws
   * GarbageArgs for a message that is too long; the stream is of no use any more then.
   */
  filled(n: number): Uint8Array | null {
    if (this.#fragmentLeft > 0) {
      this.held += n;
      this.#fragmentLeft -= n;
    } else {
      this.#markBytes += n;
      if (this.#markBytes < MARK) return null;
      this.#markBytes = 0;
      const word = new DataView(this.#mark.buffer).getUint32(0);
      this.#isLast = word >= LAST_FRAGMENT;
      this.#fragmentLeft = word % LAST_FRAGMENT;
      if (this.held + this.#fragmentLeft > this.#most) {
        throw new GarbageArgs(`a message of at least ${this.held + this.#fragmentLeft} bytes`);
      }
    }
    if (this.#fragmentLeft > 0 || !this.#isLast) return null;
    const message = this.#message.subarray(0, this.held);
    this.#message = new Uint8Array(0);
    this.held = 0;
    return message;
  }
}
