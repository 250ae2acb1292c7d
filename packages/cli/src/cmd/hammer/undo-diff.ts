// SPDX-License-Identifier: BSD-3-Clause
/** What `diff -N -r -u` prints for two versions of a file or directory of an image. */
import { createTwoFilesPatch } from "diff";
import type { HammerInode, HammerMount } from "@vkernel/hammer";
import { contents } from "../image/cat.ts";
import { entriesOf } from "../image/open.ts";

/** An object and how messages call it; null where there is none. */
export interface Side { name: string; ip: HammerInode | null }

/** A NUL in the first bytes makes a file one that lines mean nothing in. */
const LOOKED_AT = 32768;

function bytesOf(m: HammerMount, ip: HammerInode | null): Buffer {
  return ip?.type === "file" ? Buffer.concat([...contents(m, ip)]) : Buffer.alloc(0);
}

function isBinary(b: Buffer): boolean { return b.subarray(0, LOOKED_AT).includes(0); }

function fileDiff(m: HammerMount, a: Side, b: Side): string {
  const x = bytesOf(m, a.ip), y = bytesOf(m, b.ip);
  if (x.equals(y)) return "";
  if (isBinary(x) || isBinary(y)) return `Binary files ${a.name} and ${b.name} differ\n`;
  // Bytes, not text: the files may be in any encoding.
  const patch = createTwoFilesPatch(a.name, b.name, x.toString("latin1"), y.toString("latin1"), undefined, undefined, { context: 3 });
  return patch.replace(/^=+\n/, "");
}

/** The differences as byte string, pieces as they are found; files in directories are announced by a line of their own. */
export function* unifiedDiff(m: HammerMount, a: Side, b: Side, inside = false): Generator<string> {
  if (a.ip?.type !== "dir" && b.ip?.type !== "dir") {
    const text = fileDiff(m, a, b);
    if (text !== "") yield inside && !text.startsWith("Binary") ? `diff -N -r -u ${a.name} ${b.name}\n${text}` : text;
    return;
  }
  if (a.ip !== null && b.ip !== null && a.ip.type !== b.ip.type) {
    const kind = (ip: HammerInode): string => (ip.type === "dir" ? "directory" : "regular file");
    yield `File ${a.name} is a ${kind(a.ip)} while file ${b.name} is a ${kind(b.ip)}\n`;
    return;
  }
  const names = new Set([...(a.ip === null ? [] : entriesOf(m, a.ip)), ...(b.ip === null ? [] : entriesOf(m, b.ip))]);
  for (const name of [...names].sort()) {
    const x = a.ip === null ? null : m.lookup(a.ip, name);
    const y = b.ip === null ? null : m.lookup(b.ip, name);
    try {
      yield* unifiedDiff(m, { name: `${a.name}/${name}`, ip: x }, { name: `${b.name}/${name}`, ip: y }, true);
    } finally {
      for (const ip of [x, y]) if (ip !== null) m.rele(ip);
    }
  }
}
