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

/** A reply of the head and some more words, in one piece. */
export function acceptedReply(xid: number, stat: number, ...words: number[]): Uint8Array[] {
  const to = new Encoder(64);
  acceptedHead(to, xid, stat);
  for (const word of words) to.uint32(word);
  return to.pieces;
}
export function deniedReply(xid: number, stat: number, ...words: number[]): Uint8Array[] {
  const to = new Encoder(64);
  for (const word of [xid, REPLY, MSG_DENIED, stat, ...words]) to.uint32(word);
  return to.pieces;
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
const MARK = 4;

/** Puts a message, which lies in pieces, into one fragment of a stream; the mark and the first piece are one then. */
export function marked(message: readonly Uint8Array[]): Uint8Array[] {
  const [head, ...others] = message as [Uint8Array, ...Uint8Array[]];
  const first = new Uint8Array(MARK + head.length);
  first.set(head, MARK);
  let { length } = head;
  for (const piece of others) length += piece.length;
  new DataView(first.buffer).setUint32(0, (LAST_FRAGMENT | length) >>> 0);
  return [first, ...others];
}

const LEAST_ROOM = 1024;
/** Messages of which so much has arrived are put together in a buffer for the longest ones. */
const LONG_MESSAGE = 16_384;
/** Such buffers that wait to be used again. */
const MOST_SPARE = 8;

/** Buffers for long messages. They are used again, since messages of a file's data come by the thousand. */
export class MessageBuffers {
  readonly #size: number;
  readonly #spare: Uint8Array[] = [];

  /** `size`: bytes of the longest message. */
  constructor(size: number) {
    this.#size = size;
  }
  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(this.#size);
  }
  /** Nobody needs the message any more. */
  free(message: Uint8Array): void {
    if (message.buffer.byteLength === this.#size && this.#spare.length < MOST_SPARE) this.#spare.push(new Uint8Array(message.buffer as ArrayBuffer));
  }
}

const NOTHING = new Uint8Array(0);

/**
 * Puts messages together from the fragments of a stream.
 *
 * Invariants
 *   RR1  It holds at most twice what has arrived of the current message, however long that claims to be, or from LONG_MESSAGE on a buffer
 *        for the longest one; `capacity` tells.
 *   RR2  space() never reaches beyond the current message, so the next one stays in the stream.
 */
export class RecordReader {
  readonly #most: number;
  readonly #buffers: MessageBuffers;
  readonly #mark = new Uint8Array(MARK);
  #markBytes = 0;
  #message: Uint8Array = NOTHING;
  /** Bytes of the current message that are here. */
  held = 0;
  #fragmentLeft = 0;
  #isLast = false;

  /** `most`: bytes of the longest message, and of `buffers`. */
  constructor(most: number, buffers: MessageBuffers = new MessageBuffers(most)) {
    this.#most = most;
    this.#buffers = buffers;
  }

  /** Bytes that the current message takes up. */
  get capacity(): number {
    return this.#message.length;
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
      const size = Math.min(whole, Math.max(end, 2 * this.held, LEAST_ROOM));
      const grown = size < LONG_MESSAGE ? new Uint8Array(size) : this.#buffers.take();
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
    this.#message = NOTHING;
    this.held = 0;
    return message;
  }

  /** Gives up what has arrived of the current message. */
  drop(): void {
    this.#buffers.free(this.#message);
    this.#message = NOTHING;
    this.held = 0;
  }
}
