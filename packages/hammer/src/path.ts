// SPDX-License-Identifier: BSD-3-Clause
/**
 * Paths inside a file system, for tools and library users; a kernel brings its own namecache.
 *
 * Paths are byte strings, absolute whether or not they start with a slash. Components may carry `@@` suffixes. Symlinks
 * are followed within the file system, PFS links by their expanded targets; an absolute target starts at the root.
 * @module
 */
import { HammerError } from "./error.ts";
import type { HammerMount } from "./mount.ts";
import type { HammerInode } from "./object/inode.ts";

/** Symlinks followed in one path before it counts as a loop (MAXSYMLINKS). */
const MAX_SYMLINKS = 32;

/** How to resolve. */
export interface ResolveOptions {
  /** Follow a symlink in the last component. Default true. */
  follow?: boolean;
  /** Directory that relative symlink targets and the path itself start from; default the root. Its reference stays. */
  from?: HammerInode;
}

/**
 * Byte string of the UTF-8 form of a text. A lone surrogate from U+DC80 to U+DCFF stands for a byte of its own, from 80 to FF: see
 * fromByteString.
 */
export function toByteString(text: string): string {
  let out = "";
  for (const part of text.split(/([\udc80-\udcff])/u)) {
    const code = part.length === 1 ? part.charCodeAt(0) : 0;
    if (code >= 0xdc80 && code <= 0xdcff) out += String.fromCharCode(code - ESCAPE);
    else for (const byte of new TextEncoder().encode(part)) out += String.fromCharCode(byte);
  }
  return out;
}

/** What a byte that is no UTF-8 is raised by. */
const ESCAPE = 0xdc00;
const $utf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Text of bytes that are whole and valid UTF-8, or null. */
function decodeStrictly(bytes: Uint8Array): string | null {
  try {
    return $utf8.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * Text of a byte string in UTF-8. Bytes that are none come out as lone surrogates (U+DC80 to U+DCFF, as Python's surrogateescape
 * has them), which toByteString makes the same bytes again: every name has a text that leads to it.
 */
export function fromByteString(byteString: string): string {
  const bytes = Uint8Array.from(byteString, (c) => c.charCodeAt(0));
  const whole = decodeStrictly(bytes);
  if (whole !== null) return whole;
  let out = "";
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const one = decodeStrictly(bytes.subarray(at, at + length));
    out += one ?? String.fromCharCode(ESCAPE + lead);
    at += one === null ? 1 : length;
  }
  return out;
}

/** Directory and last component of a path; the name is empty for the root itself. */
export function splitPath(path: string): { dir: string; name: string } {
  const trimmed = path.replace(/\/+$/, "");
  const slash = trimmed.lastIndexOf("/");
  return { dir: trimmed.slice(0, slash + 1), name: trimmed.slice(slash + 1) };
}

/** The object at `path`, referenced, or null if there is none. Throws ENOTDIR, EINVAL (symlink loop) and what lookup throws. */
export function resolvePath(m: HammerMount, path: string, options: ResolveOptions = {}): HammerInode | null {
  const names = path.split("/").filter((n) => n !== "").reverse();
  const start = options.from ?? m.root;
  const stack: HammerInode[] = [start]; // directories on the way, for ".."
  m.ref(start);
  let links = 0;
  try {
    while (names.length > 0) {
      const name = names.pop()!;
      const dir = stack.at(-1)!;
      if (name === "..") {
        if (stack.length > 1) m.rele(stack.pop()!);
        continue;
      }
      if (dir.type !== "dir") throw new HammerError("ENOTDIR", `${path}: a component before "${name}" is not a directory`, { path });
      const ip = m.lookup(dir, name);
      if (ip === null) return null;
      if (ip.type !== "symlink" || (names.length === 0 && options.follow === false)) {
        if (name === ".") m.rele(ip);
        else stack.push(ip);
        continue;
      }
      const target = m.readlink(ip);
      m.rele(ip);
      if (++links > MAX_SYMLINKS) throw new HammerError("EINVAL", `${path}: too many symlinks`, { path });
      if (target.startsWith("/")) while (stack.length > 1) m.rele(stack.pop()!);
      names.push(...target.split("/").filter((n) => n !== "").reverse());
    }
    const found = stack.at(-1)!;
    m.ref(found);
    return found;
  } finally {
    for (const ip of stack) m.rele(ip);
  }
}
