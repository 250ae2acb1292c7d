// SPDX-License-Identifier: BSD-3-Clause
/**
 * XDR, the external data representation of ONC RPC (RFC 4506): codecs that are put together as the standards write their
 * structures down, so that a structure is declared once and read and written from that.
 *
 * Invariants
 *   XD1  Everything takes a multiple of four bytes, numbers with the most significant byte first; padding is written as zeros
 *        and not looked at when read.
 *   XD2  decode() takes nothing for granted: what is too short, longer than its bound, or no value of its type throws
 *        GarbageArgs, and nothing is allocated by a length that was not checked against the bytes that are there.
 * @module
 */

/** What was to be decoded is no value of its type. */
export class GarbageArgs extends Error {
  constructor(what: string) {
    super(what);
    this.name = "GarbageArgs";
  }
}

export interface Xdr<T> {
  encode(to: Encoder, value: T): void;
  decode(from: Decoder): T;
}
/** The values that a codec is for. */
export type Decoded<X> = X extends Xdr<infer T> ? T : never;

const TWO32 = 4294967296;
const padding = (length: number): number => -length & 3;

/** Bytes of an opaque value from which on it is referred to instead of copied. */
const LONG_OPAQUE = 4096;

/** Pieces as one; the only one is not copied. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const all = new Uint8Array(length);
  length = 0;
  for (const piece of pieces) {
    all.set(piece, length);
    length += piece.length;
  }
  return all;
}

/** Collects encoded values. */
export class Encoder {
  #bytes: Uint8Array;
  #view: DataView;
  /** Encoded bytes without the long values. */
  length = 0;
  /** Long values, and behind how many of the other bytes each of them stands. */
  readonly #long: { readonly at: number; readonly value: Uint8Array }[] = [];

  /** `room`: bytes to begin with; it grows. */
  constructor(room = 512) {
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(this.#bytes.buffer);
  }
  /** What has been encoded, in pieces: long values as they are. Valid until more is encoded, or a value changes. */
  get pieces(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const long of this.#long) {
      pieces.push(this.#bytes.subarray(at, long.at), long.value);
      at = long.at;
    }
    if (at < this.length || at === 0) pieces.push(this.#bytes.subarray(at, this.length));
    return pieces;
  }
  /** The same in one piece. */
  get bytes(): Uint8Array {
    return joined(this.pieces);
  }
  /** Makes room for `n` bytes and returns where they go. */
  #take(n: number): number {
    const at = this.length;
    this.length = at + n;
    if (this.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
  uint32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value);
  }
  uint64(value: bigint): void {
    const at = this.#take(8);
    this.#view.setBigUint64(at, value);
  }
  /** Bytes and their padding, without a length. */
  raw(value: Uint8Array): void {
    const pad = padding(value.length);
    if (value.length >= LONG_OPAQUE) {
      this.#long.push({ at: this.length, value });
      const at = this.#take(pad);
      this.#bytes.fill(0, at, at + pad);
      return;
    }
    const at = this.#take(value.length + pad);
    this.#bytes.set(value, at);
    this.#bytes.fill(0, at + value.length, at + value.length + pad);
  }
  /** Takes back what was encoded since `length` was `mark`. */
  rewind(mark: number): void {
    while ((this.#long.at(-1)?.at ?? -1) >= mark) this.#long.pop();
    this.length = mark;
  }
}

/** Takes encoded values apart. */
export class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  #take(n: number): number {
    if (n > this.left) throw new GarbageArgs(`${n} bytes are due, ${this.left} are there`);
    const at = this.#at;
    this.#at = at + n;
    return at;
  }
  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  uint64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }
  /** `length` bytes and their padding; a part of what is being decoded, not a copy. */
  raw(length: number): Uint8Array {
    const at = this.#take(length + padding(length));
    return this.#bytes.subarray(at, at + length);
  }
  /** What has not been decoded yet. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }
}

// Simple types ----------------------------------------------------------------------------------------------------

export const voidType: Xdr<null> = { encode() {}, decode: () => null };

export const uint32: Xdr<number> = {
  encode: (to, value) => to.uint32(value),
  decode: (from) => from.uint32(),
};

/** 64 bits, exactly: cookies and identities. */
export const uint64: Xdr<bigint> = {
  encode: (to, value) => to.uint64(value),
  decode: (from) => from.uint64(),
};

/** 64 bits as a number: sizes and offsets. Exact below 2^53; what is larger stays larger than any file. */
export const size64: Xdr<number> = {
  encode(to, value) {
    to.uint32(Math.floor(value / TWO32));
    to.uint32(value % TWO32);
  },
  decode(from) {
    const high = from.uint32();
    return high * TWO32 + from.uint32();
  },
};

export const bool: Xdr<boolean> = {
  encode: (to, value) => to.uint32(value ? 1 : 0),
  decode(from) {
    const word = from.uint32();
    if (word > 1) throw new GarbageArgs(`${word} is neither true nor false`);
    return word === 1;
  },
};

/** One of 0…count-1, or of 1…count when `first` is 1. */
export function enumeration(count: number, first = 0): Xdr<number> {
  return {
    encode: (to, value) => to.uint32(value),
    decode(from) {
      const word = from.uint32();
      if (word < first || word >= first + count) throw new GarbageArgs(`${word} is none of the values there are`);
      return word;
    },
  };
}

/** Exactly `length` bytes. */
export function fixedOpaque(length: number): Xdr<Uint8Array> {
  return {
    encode: (to, value) => to.raw(value),
    decode: (from) => from.raw(length).slice(),
  };
}

/** At most `most` bytes. What is decoded is a part of the message. */
export function opaque(most: number): Xdr<Uint8Array> {
  return {
    encode(to, value) {
      to.uint32(value.length);
      to.raw(value);
    },
    decode(from) {
      const length = from.uint32();
      if (length > most) throw new GarbageArgs(`${length} bytes, at most ${most} are allowed`);
      return from.raw(length);
    },
  };
}

/** At most `most` bytes, as a byte string. */
export function string(most: number): Xdr<string> {
  const bytes = opaque(most);
  return {
    encode: (to, value) => bytes.encode(to, Uint8Array.from(value, (c) => c.charCodeAt(0))),
    decode(from) {
      let text = "";
      for (const byte of bytes.decode(from)) text += String.fromCharCode(byte);
      return text;
    },
  };
}

// Put together ----------------------------------------------------------------------------------------------------

/** A value, or null: "union switch (bool)", and the pointers of linked lists. */
export function optional<T>(type: Xdr<T>): Xdr<T | null> {
  return {
    encode(to, value) {
      bool.encode(to, value !== null);
      if (value !== null) type.encode(to, value);
    },
    decode: (from) => (bool.decode(from) ? type.decode(from) : null),
  };
}

/** A counted array of at most `most`. */
export function array<T>(type: Xdr<T>, most: number): Xdr<T[]> {
  return {
    encode(to, values) {
      to.uint32(values.length);
      for (const value of values) type.encode(to, value);
    },
    decode(from) {
      const count = from.uint32();
      if (count > most) throw new GarbageArgs(`${count} elements, at most ${most} are allowed`);
      return Array.from({ length: count }, () => type.decode(from));
    },
  };
}

/** A linked list: each element is announced by "true", the end by "false". */
export function list<T>(type: Xdr<T>, most: number): Xdr<T[]> {
  return {
    encode(to, values) {
      for (const value of values) {
        bool.encode(to, true);
        type.encode(to, value);
      }
      bool.encode(to, false);
    },
    decode(from) {
      const values: T[] = [];
      while (bool.decode(from)) {
        if (values.length === most) throw new GarbageArgs(`more than ${most} elements`);
        values.push(type.decode(from));
      }
      return values;
    },
  };
}

type Fields = Readonly<Record<string, Xdr<never>>>;
type StructOf<F> = { -readonly [K in keyof F]: Decoded<F[K]> };

/** Fields one after the other. */
export function struct<F extends { readonly [K in keyof F]: Xdr<unknown> }>(fields: F): Xdr<StructOf<F>> {
  const rows = Object.entries(fields as unknown as Fields);
  return {
    encode(to, value) {
      const record = value as Record<string, never>;
      for (const [name, type] of rows) type.encode(to, record[name]!);
    },
    decode(from) {
      const record: Record<string, unknown> = {};
      for (const [name, type] of rows) record[name] = type.decode(from);
      return record as StructOf<F>;
    },
  };
}

type CasesOf<C> = { [K in keyof C]: { readonly kind: K extends number ? K : never; readonly value: Decoded<C[K]> } }[keyof C];

/** A discriminated union: `kind`, then what belongs to it. Kinds without a case are garbage. */
export function union<C extends { readonly [kind: number]: Xdr<unknown> }>(cases: C): Xdr<CasesOf<C>> {
  const of = (kind: number): Xdr<unknown> => {
    const type = (cases as Record<number, Xdr<unknown>>)[kind];
    if (type === undefined) throw new GarbageArgs(`${kind} is no case of the union`);
    return type;
  };
  return {
    encode(to, value) {
      const { kind, value: inner } = value as { kind: number; value: unknown };
      const type = of(kind);
      to.uint32(kind);
      type.encode(to, inner);
    },
    decode(from) {
      const kind = from.uint32();
      return { kind, value: of(kind).decode(from) } as CasesOf<C>;
    },
  };
}

/** Encodes one value. */
export function encoded<T>(type: Xdr<T>, value: T): Uint8Array {
  const to = new Encoder();
  type.encode(to, value);
  return to.bytes;
}
