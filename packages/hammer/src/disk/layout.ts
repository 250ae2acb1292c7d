// SPDX-License-Identifier: BSD-3-Clause
/**
 * One declaration per on-disk structure: size, offsets, reader, writer.
 *
 * Invariants
 *   L1  Fields do not overlap and do not reach past the structure's size; checked when the module loads.
 *   L2  write(view, at, read(view, at)) changes no byte of a declared field.
 *
 * Everything is little endian. Cold code uses read and write, which make an object with the C field names;
 * hot code takes a constant from `off` and touches the bytes itself.
 * @module
 */

/** How one field is stored: its size in bytes and its two conversions. */
export interface Field<T> {
  readonly size: number;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

export const u8: Field<number> = {
  size: 1, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, x),
};
export const u16: Field<number> = {
  size: 2, get: (v, at) => v.getUint16(at, true), set: (v, at, x) => v.setUint16(at, x, true),
};
export const u32: Field<number> = {
  size: 4, get: (v, at) => v.getUint32(at, true), set: (v, at, x) => v.setUint32(at, x, true),
};
export const i32: Field<number> = {
  size: 4, get: (v, at) => v.getInt32(at, true), set: (v, at, x) => v.setInt32(at, x, true),
};
export const u64: Field<bigint> = {
  size: 8, get: (v, at) => v.getBigUint64(at, true), set: (v, at, x) => v.setBigUint64(at, x, true),
};
export const i64: Field<bigint> = {
  size: 8, get: (v, at) => v.getBigInt64(at, true), set: (v, at, x) => v.setBigInt64(at, x, true),
};

/** `size` raw bytes; read as a copy. Writing fewer bytes clears the rest. */
export function bytes(size: number): Field<Uint8Array> {
  return {
    size,
    get: (v, at) => new Uint8Array(v.buffer, v.byteOffset + at, size).slice(),
    set(v, at, x) {
      if (x.length > size) throw new RangeError(`${x.length} bytes do not fit a field of ${size}`);
      const to = new Uint8Array(v.buffer, v.byteOffset + at, size);
      to.fill(0, x.length);
      to.set(x);
    },
  };
}

/** NUL padded text in `size` bytes, as a byte string up to the first NUL. */
export function chars(size: number): Field<string> {
  return {
    size,
    get(v, at) {
      let s = "";
      for (let i = 0; i < size; i++) {
        const c = v.getUint8(at + i);
        if (c === 0) break;
        s += String.fromCharCode(c);
      }
      return s;
    },
    set(v, at, x) {
      if (x.length > size) throw new RangeError(`text of ${x.length} bytes does not fit a field of ${size}`);
      for (let i = 0; i < size; i++) v.setUint8(at + i, i < x.length ? x.charCodeAt(i) : 0);
    },
  };
}

/** `count` consecutive values of one kind. */
export function array<T>(field: Field<T>, count: number): Field<T[]> {
  return {
    size: field.size * count,
    get: (v, at) => Array.from({ length: count }, (_, i) => field.get(v, at + i * field.size)),
    set(v, at, x) {
      if (x.length !== count) throw new RangeError(`${x.length} values given for an array of ${count}`);
      x.forEach((value, i) => field.set(v, at + i * field.size, value));
    },
  };
}

type FieldTable = Readonly<Record<string, readonly [number, Field<never> | Field<number> | Field<bigint>
  | Field<string> | Field<Uint8Array> | Field<number[]> | Field<bigint[]>]>>;
type ValueOf<F> = F extends readonly [number, Field<infer T>] ? T : never;

/** The object read() makes for a field table. */
export type StructOf<F> = { -readonly [K in keyof F]: ValueOf<F[K]> };

/** A declared structure. */
export interface Layout<F> {
  /** The C name. */
  readonly name: string;
  readonly size: number;
  /** Byte offset of each field. */
  readonly off: { readonly [K in keyof F]: number };
  /** Fields in declaration order, as [name, offset, size]; for tables and tests. */
  readonly fields: readonly (readonly [string, number, number])[];
  read(view: DataView, at: number): StructOf<F>;
  /** Writes the given fields, leaves the others alone. */
  write(view: DataView, at: number, value: Partial<StructOf<F>>): void;
}

/** Declares a structure. Throws RangeError if invariant L1 does not hold. */
export function layout<const F extends FieldTable>(name: string, size: number, table: F): Layout<F> {
  const entries = Object.entries(table) as [string, readonly [number, Field<unknown>]][];
  const off: Record<string, number> = {};
  let end = 0;
  let last = "";
  for (const [field, [at, kind]] of entries) {
    if (at < end) throw new RangeError(`${name}.${field} at ${at} overlaps ${last}, which ends at ${end}`);
    off[field] = at;
    end = at + kind.size;
    last = field;
  }
  if (end > size) throw new RangeError(`${name}.${last} ends at ${end}, past the structure's ${size} bytes`);
  return {
    name,
    size,
    off: off as { [K in keyof F]: number },
    fields: entries.map(([field, [at, kind]]) => [field, at, kind.size] as const),
    read(view, at) {
      const out: Record<string, unknown> = {};
      for (const [field, [o, kind]] of entries) out[field] = kind.get(view, at + o);
      return out as StructOf<F>;
    },
    write(view, at, value) {
      const given = value as Record<string, unknown>;
      for (const [field, [o, kind]] of entries) {
        if (given[field] !== undefined) kind.set(view, at + o, given[field]);
      }
    },
  };
}

/** A DataView over the same bytes as `b`. */
export function viewOf(b: Uint8Array): DataView {
  return new DataView(b.buffer, b.byteOffset, b.byteLength);
}
