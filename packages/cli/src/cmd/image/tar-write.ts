// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writing tar archives: ustar headers, with PAX records (POSIX.1-2001) for what has no room in them. Names are byte strings
 * and stay what they are; see tar-read.ts.
 * @module
 */
const BLOCK = 512;
const FLAGS = { file: "0", link: "1", symlink: "2", chardev: "3", blockdev: "4", dir: "5", fifo: "6" } as const;
/** Largest numbers that 7 and 11 octal digits hold. */
const OCTAL7 = 0o7777777;
const OCTAL11 = 0o77777777777;
const NAME_MAX = 100;
const PREFIX_MAX = 155;

/** An entry to write. */
import { keyOfXattr } from "./tar-xattr.ts";

export interface TarHeader {
  name: string;
  type: keyof typeof FLAGS;
  linkname?: string;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of contents that follow; of a file only. */
  size: number;
  /** Microseconds since 1970. */
  mtime: number;
  devmajor?: number;
  devminor?: number;
  /** Extended attributes: names, byte strings, and values. */
  xattrs?: readonly (readonly [string, Uint8Array])[];
}

function bytesOf(s: string): Uint8Array { return Uint8Array.from(s, (c) => c.charCodeAt(0)); }

function isAscii(s: string): boolean { return [...s].every((c) => c.charCodeAt(0) < 0x80); }

function isUtf8(s: string): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(s));
    return true;
  } catch {
    return false;
  }
}

/** Name and prefix of a ustar header, or null where the name does not fit. */
function split(name: string): { name: string; prefix: string } | null {
  if (name.length <= NAME_MAX) return { name, prefix: "" };
  for (let cut = name.lastIndexOf("/", PREFIX_MAX); cut > 0; cut = name.lastIndexOf("/", cut - 1)) {
    const rest = name.slice(cut + 1);
    if (rest.length > NAME_MAX) return null;
    if (rest.length > 0) return { name: rest, prefix: name.slice(0, cut) };
  }
  return null;
}

/** A PAX record: its length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** A device number: octal, or in base 256 as GNU has it where that has no room; PAX knows none. */
function device(b: Uint8Array, n: number, at: number): void {
  if (n <= OCTAL7) {
    b.set(bytesOf(`${n.toString(8).padStart(7, "0")}\0`), at);
    return;
  }
  new DataView(b.buffer).setUint32(at + 4, n);
  b[at] = 0x80;
}

function header(h: TarHeader, flag: string, name: string, prefix: string): Uint8Array {
  const b = new Uint8Array(BLOCK);
  const put = (s: string, at: number, length: number): void => b.set(bytesOf(s).subarray(0, length), at);
  const octal = (n: number, at: number, digits: number): void => put(`${Math.min(n, digits === 11 ? OCTAL11 : OCTAL7).toString(8).padStart(digits, "0")}\0`, at, digits + 1);
  put(name, 0, NAME_MAX);
  octal(h.mode & 0o7777, 100, 7);
  octal(h.uid, 108, 7);
  octal(h.gid, 116, 7);
  octal(h.size, 124, 11);
  octal(Math.max(0, Math.floor(h.mtime / 1e6)), 136, 11);
  b[156] = flag.charCodeAt(0);
  put(h.linkname ?? "", 157, NAME_MAX);
  put("ustar\0" + "00", 257, 8);
  device(b, h.devmajor ?? 0, 329);
  device(b, h.devminor ?? 0, 337);
  put(prefix, 345, PREFIX_MAX);
  b.fill(0x20, 148, 156);
  put(`${b.reduce((sum, x) => sum + x, 0).toString(8).padStart(6, "0")}\0 `, 148, 8);
  return b;
}

/** The blocks in front of an entry's contents. */
export function tarHeader(h: TarHeader): Uint8Array {
  const pax: string[] = [];
  const place = split(h.name);
  const link = h.linkname ?? "";
  // Names that are no UTF-8 are written as they are wherever they fit; PAX says UTF-8 unless it is told otherwise.
  const namesInPax = [
    ...(place === null || (!isAscii(h.name) && isUtf8(h.name)) ? [["path", h.name] as const] : []),
    ...(link.length > NAME_MAX || (!isAscii(link) && isUtf8(link)) ? [["linkpath", link] as const] : []),
  ];
  if (namesInPax.some(([, value]) => !isUtf8(value))) pax.push(paxRecord("hdrcharset", "BINARY"));
  for (const [key, value] of namesInPax) pax.push(paxRecord(key, value));
  const seconds = Math.floor(h.mtime / 1e6);
  pax.push(paxRecord("mtime", `${seconds}.${String(h.mtime - seconds * 1e6).padStart(6, "0")}`));
  if (h.uid > OCTAL7) pax.push(paxRecord("uid", String(h.uid)));
  if (h.gid > OCTAL7) pax.push(paxRecord("gid", String(h.gid)));
  if (h.size > OCTAL11) pax.push(paxRecord("size", String(h.size)));
  for (const [name, value] of h.xattrs ?? []) pax.push(paxRecord(keyOfXattr(name), String.fromCharCode(...value)));
  const records = bytesOf(pax.join(""));
  const extended = header({ ...h, mode: 0o644, size: records.length, linkname: "", devmajor: 0, devminor: 0 }, "x", "././@PaxHeader", "");
  const own = header(h, FLAGS[h.type], place?.name ?? h.name.slice(0, NAME_MAX), place?.prefix ?? "");
  const padded = Math.ceil(records.length / BLOCK) * BLOCK;
  const out = new Uint8Array(BLOCK + padded + BLOCK);
  out.set(extended);
  out.set(records, BLOCK);
  out.set(own, BLOCK + padded);
  return out;
}

/** Zeros behind contents of that size. */
export function tarPadding(size: number): Uint8Array { return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK); }

/** The end of an archive, filled up to the customary record of 20 blocks. */
export function tarEnd(written: number): Uint8Array {
  const record = 20 * BLOCK;
  return new Uint8Array(2 * BLOCK + ((record - ((written + 2 * BLOCK) % record)) % record));
}
