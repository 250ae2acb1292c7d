// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reading tar archives: ustar, PAX (POSIX.1-2001), GNU long names, numbers and sparse files, v7.
 *
 * Names, targets and PAX values are byte strings, whatever encoding they are in, and device numbers are kept: file systems
 * hold both, and no library at hand gives them.
 * @module
 */
import { CliError } from "../../ui/errors.ts";
import { continuedMap, type Extent, extentsOf, headerMap, isMap } from "./tar-sparse.ts";

const BLOCK = 512;
const CHECKSUM_AT = 148;
const CHECKSUM_END = 156;
/** Most parts of a sparse file. */
const EXTENTS_MAX = 1 << 20;
/** Longest name or set of PAX records taken: what a header says is not believed without bound. */
const EXTENDED_MAX = 1 << 20;

/** Offsets and lengths of a sparse file's parts. */
const SPARSE_MAP = "GNU.sparse.map";

/** What an entry of an archive is, by its type flag. */
export type TarType = "file" | "link" | "symlink" | "chardev" | "blockdev" | "dir" | "fifo" | "other";

const TYPES: Readonly<Record<string, TarType>> = {
  "0": "file", "\0": "file", "7": "file", "1": "link", "2": "symlink", "3": "chardev", "4": "blockdev", "5": "dir", "6": "fifo", S: "file",
};

/** An entry; names are byte strings. */
export interface TarEntry {
  name: string;
  type: TarType;
  /** Type flag as it stands in the header, for messages. */
  flag: string;
  linkname: string;
  mode: number;
  uid: number;
  gid: number;
  /** Of the file; of a sparse one more than is stored. */
  size: number;
  /** Microseconds since 1970; atime only where the archive has it. */
  mtime: number;
  atime: number | null;
  devmajor: number;
  devminor: number;
  pax: ReadonlyMap<string, string>;
}

/** Byte string of a field up to a NUL. */
function text(b: Uint8Array, at: number, length: number): string {
  let s = "";
  for (let i = at; i < at + length && b[i] !== 0; i++) s += String.fromCharCode(b[i]!);
  return s;
}

/** An octal number, or GNU's base 256 if the top bit is set. */
function number(b: Uint8Array, at: number, length: number): number {
  if ((b[at]! & 0x80) === 0) {
    const digits = text(b, at, length).trim();
    return digits === "" ? 0 : parseInt(digits, 8);
  }
  let value = b[at]! === 0xff ? -1 : b[at]! & 0x7f;
  for (let i = at + 1; i < at + length; i++) value = value * 256 + b[i]!;
  return value;
}

/** Seconds with a fraction, in microseconds. */
function microseconds(seconds: string): number {
  const m = /^(-?\d+)(?:\.(\d*))?$/.exec(seconds);
  return m === null ? Number.NaN : Number(m[1]) * 1e6 + Number((m[2] ?? "").padEnd(6, "0").slice(0, 6));
}

/** Pulls exact counts of bytes out of a stream of pieces. */
class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  /** Bytes taken so far. */
  at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes; null at the end of the stream. */
  async some(most: number): Promise<Uint8Array | null> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done) return null;
      this.#piece = next.value;
    }
    const taken = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(taken.length);
    this.at += taken.length;
    return taken;
  }

  /** Exactly `length` bytes; fewer only at the end of the stream. */
  async exactly(length: number): Promise<Uint8Array> {
    const b = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const piece = await this.some(length - done);
      if (piece === null) return b.subarray(0, done);
      b.set(piece, done);
      done += piece.length;
    }
    return b;
  }
}

/** Reads an archive entry by entry. */
export class TarReader {
  readonly #source: ByteSource;
  readonly #globals = new Map<string, string>();
  /** Bytes of the present entry's contents, and of the padding behind them, that were not taken yet. */
  #left = 0;
  #padding = 0;
  /** Where the contents belong in a sparse file, null for one that is stored whole. */
  #extents: Extent[] | null = null;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = new ByteSource(source);
  }

  #fail(why: string): CliError { return new CliError("the archive", `${why} at byte ${this.#source.at}`); }

  /** The next entry, or null behind the last. Contents of the one before that were not taken are passed over. */
  async next(): Promise<TarEntry | null> {
    const pax = new Map<string, string>();
    let longName: string | null = null, longLink: string | null = null;
    for (;;) {
      await this.#pass();
      const b = await this.#source.exactly(BLOCK);
      if (b.length === 0 || (b.length === BLOCK && b.every((x) => x === 0))) return null;
      if (b.length < BLOCK) throw this.#fail("is cut short");
      this.#check(b);
      const flag = String.fromCharCode(b[CHECKSUM_END]!);
      const size = number(b, 124, 12);
      if (!(size >= 0)) throw this.#fail("has a size that is no number");
      if (flag === "x" || flag === "g") {
        for (const [key, value] of await this.#records(size)) {
          if (flag === "g") this.#globals.set(key, value);
          // Format 0.0 repeats these two for each part; joined they are what 0.1 has.
          if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") pax.set(SPARSE_MAP, pax.has(SPARSE_MAP) ? `${pax.get(SPARSE_MAP)},${value}` : value);
          else pax.set(key, value);
        }
        continue;
      }
      if (flag === "L") { longName = await this.#extended(size); continue; }
      if (flag === "K") { longLink = await this.#extended(size); continue; }
      const entry = this.#entry(b, flag, size, new Map([...this.#globals, ...pax]), longName, longLink);
      await this.#readMap(entry, b);
      return entry;
    }
  }

  /** The map of a sparse file, in whichever of the four formats; the entry gets the file's own name and size. */
  async #readMap(entry: TarEntry, header: Uint8Array): Promise<void> {
    const { pax } = entry;
    this.#extents = null;
    let extents: Extent[];
    if (entry.flag === "S") {
      const start = headerMap(header, number);
      entry.size = start.size;
      extents = start.extents;
      for (let more = start.more; more;) {
        const b = await this.#source.exactly(BLOCK);
        if (b.length < BLOCK) throw this.#fail("is cut short");
        const next = continuedMap(b, number);
        extents.push(...next.extents);
        if (extents.length > EXTENTS_MAX) throw this.#fail("has a sparse file of too many parts");
        more = next.more;
      }
    } else if (pax.get("GNU.sparse.major") === "1") {
      entry.size = Number(pax.get("GNU.sparse.realsize"));
      extents = await this.#mapInContents();
    } else if (pax.has(SPARSE_MAP) || pax.has("GNU.sparse.size")) {
      entry.size = Number(pax.get("GNU.sparse.size"));
      const map = pax.get(SPARSE_MAP) ?? "";
      extents = extentsOf(map === "" ? [] : map.split(",").map(Number));
    } else return;
    entry.name = pax.get("GNU.sparse.name") ?? entry.name;
    if (!isMap(extents, entry.size, this.#left)) throw this.#fail("has a sparse file whose map is wrong");
    this.#extents = extents;
  }

  /** Format 1.0: the map stands in front of the contents, numbers in lines of their own, filled up to a block. */
  async #mapInContents(): Promise<Extent[]> {
    const numbers: number[] = [];
    let text = "";
    while (numbers.length === 0 || numbers.length < 1 + 2 * numbers[0]!) {
      const b = await this.#source.exactly(BLOCK);
      if (b.length < BLOCK || this.#left < BLOCK) throw this.#fail("has a sparse file whose map is cut short");
      this.#left -= BLOCK;
      const lines = (text + Buffer.from(b).toString("latin1")).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        if (numbers.length > 0 && numbers.length === 1 + 2 * numbers[0]!) break;
        numbers.push(/^\d+$/.test(line) ? Number(line) : Number.NaN);
      }
      if (!(numbers.length === 0 || numbers[0]! <= EXTENTS_MAX)) throw this.#fail("has a sparse file whose map is wrong");
    }
    return extentsOf(numbers.slice(1));
  }

  #check(b: Uint8Array): void {
    let sum = 0;
    for (let i = 0; i < BLOCK; i++) sum += i >= CHECKSUM_AT && i < CHECKSUM_END ? 0x20 : b[i]!;
    if (sum !== number(b, CHECKSUM_AT, 8)) throw this.#fail("has a header with a wrong checksum: it is damaged, or no tar archive,");
  }

  #entry(b: Uint8Array, flag: string, headerSize: number, pax: Map<string, string>, longName: string | null, longLink: string | null): TarEntry {
    const isUstar = text(b, 257, 5) === "ustar";
    const prefix = isUstar && b[262] === 0 ? text(b, 345, 155) : ""; // GNU's own format has other things there
    const short = text(b, 0, 100);
    const name = pax.get("path") ?? longName ?? (prefix === "" ? short : `${prefix}/${short}`);
    const numeric = (key: string, at: number, length: number): number => Number(pax.get(key) ?? number(b, at, length));
    const size = pax.has("size") ? Number(pax.get("size")) : headerSize;
    let type = TYPES[flag] ?? "other";
    if (type === "file" && name.endsWith("/")) type = "dir"; // v7 has no other way to say so
    const hasContents = type === "file" || type === "other";
    this.#left = hasContents ? size : 0;
    this.#padding = hasContents ? (BLOCK - (size % BLOCK)) % BLOCK : 0;
    const mtime = pax.has("mtime") ? microseconds(pax.get("mtime")!) : number(b, 136, 12) * 1e6;
    const entry: TarEntry = {
      name, type, flag, linkname: pax.get("linkpath") ?? longLink ?? text(b, 157, 100), mode: number(b, 100, 8) & 0o7777,
      uid: numeric("uid", 108, 8), gid: numeric("gid", 116, 8), size, mtime, atime: pax.has("atime") ? microseconds(pax.get("atime")!) : null,
      devmajor: isUstar ? number(b, 329, 8) : 0, devminor: isUstar ? number(b, 337, 8) : 0, pax,
    };
    for (const [what, value] of [["size", size], ["mode", entry.mode], ["owner", entry.uid], ["group", entry.gid], ["time", mtime], ["device", entry.devmajor + entry.devminor]] as const)
      if (!Number.isFinite(value)) throw this.#fail(`has an entry whose ${what} is no number`);
    return entry;
  }

  /** Contents of a name or set of records. */
  async #extended(size: number): Promise<string> {
    if (size > EXTENDED_MAX) throw this.#fail(`has a name or attributes of ${size} bytes`);
    const b = await this.#source.exactly(Math.ceil(size / BLOCK) * BLOCK);
    if (b.length < size) throw this.#fail("is cut short");
    return text(b, 0, size);
  }

  /** PAX records: length, blank, key, =, value, newline. Values may hold anything. */
  async #records(size: number): Promise<[string, string][]> {
    if (size > EXTENDED_MAX) throw this.#fail(`has attributes of ${size} bytes`);
    const b = await this.#source.exactly(Math.ceil(size / BLOCK) * BLOCK);
    if (b.length < size) throw this.#fail("is cut short");
    const all = Buffer.from(b.buffer, b.byteOffset, size).toString("latin1");
    const list: [string, string][] = [];
    for (let at = 0; at < all.length;) {
      const blank = all.indexOf(" ", at);
      const length = Number(all.slice(at, blank));
      const equals = all.indexOf("=", blank);
      if (blank < 0 || !(length > blank - at) || equals < 0 || at + length > all.length || all[at + length - 1] !== "\n")
        throw this.#fail("has attributes that are malformed");
      list.push([all.slice(blank + 1, equals), all.slice(equals + 1, at + length - 1)]);
      at += length;
    }
    return list;
  }

  /** Contents of the present entry, in pieces, with their places in the file. */
  async *located(): AsyncGenerator<{ readonly at: number; readonly bytes: Uint8Array }> {
    const extents = this.#extents ?? [{ offset: 0, length: Infinity }];
    let [index, done] = [0, 0];
    for await (const piece of this.contents()) {
      for (let rest = piece; rest.length > 0;) {
        while (done === extents[index]!.length) [index, done] = [index + 1, 0];
        const { offset, length } = extents[index]!;
        const bytes = rest.subarray(0, Math.min(rest.length, length - done));
        yield { at: offset + done, bytes };
        done += bytes.length;
        rest = rest.subarray(bytes.length);
      }
    }
  }

  /** What is stored of the present entry, in pieces. */
  async *contents(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const piece = await this.#source.some(this.#left);
      if (piece === null) throw this.#fail("is cut short");
      this.#left -= piece.length;
      yield piece;
    }
  }

  async #pass(): Promise<void> {
    for await (const piece of this.contents()) void piece;
    await this.#source.exactly(this.#padding);
    this.#padding = 0;
  }
}
