// SPDX-License-Identifier: BSD-3-Clause
/**
 * Internet addresses as canonical text: four decimal numbers with dots, or eight hexadecimal groups with colons and without
 * "::"; IPv4 addresses inside IPv6 ("::ffff:a.b.c.d", RFC 4291 §2.5.5.2) are the IPv4 text. Equal addresses have equal text.
 * @module
 */

export const ANY4 = "0.0.0.0";
export const ANY6 = "0:0:0:0:0:0:0:0";
export const LOOPBACK4 = "127.0.0.1";
export const LOOPBACK6 = "0:0:0:0:0:0:0:1";

export function isInet4(host: string): boolean {
  return host.includes(".");
}
export function isAny(host: string): boolean {
  return host === ANY4 || host === ANY6;
}
export function isLoopback(host: string): boolean {
  return host === LOOPBACK6 || host.startsWith("127.");
}

/** From 4 or 16 bytes in network order. */
export function fromBytes(b: Uint8Array): string {
  if (b.length === 4) return b.join(".");
  const mapped = b.subarray(0, 10).every((x) => x === 0) && b[10] === 0xff && b[11] === 0xff;
  if (mapped) return b.subarray(12).join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((b[i]! << 8) | b[i + 1]!).toString(16));
  return groups.join(":");
}

/** To 4 bytes, or to 16 where `six`; an IPv4 address becomes a mapped one there. Null when it has no such form. */
export function toBytes(host: string, six: boolean): Uint8Array | null {
  if (isInet4(host)) {
    const four = host.split(".").map(Number);
    return Uint8Array.from(six ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...four] : four);
  }
  if (!six) return host === ANY6 ? new Uint8Array(4) : null;
  return Uint8Array.from(
    host.split(":").flatMap((group) => {
      const n = Number.parseInt(group, 16);
      return [n >> 8, n & 0xff];
    }),
  );
}

/** Canonical text of an address as hosts and people write it; null when it is none. A zone ("%eth0") is dropped. */
export function parseAddress(text: string): string | null {
  const [bare] = text.split("%");
  if (!bare!.includes(":")) return parseInet4(bare!);
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare!);
  let six = bare!;
  if (tail !== null) {
    const four = parseInet4(tail[2]!);
    if (four === null) return null;
    const [a, b, c, d] = four.split(".").map(Number) as [number, number, number, number];
    six = `${tail[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [left, right, more] = six.split("::");
  if (more !== undefined) return null;
  const groupsOf = (side: string | undefined): string[] => (side === undefined || side === "" ? [] : side.split(":"));
  const head = groupsOf(left);
  const end = groupsOf(right);
  const missing = 8 - head.length - end.length;
  if (right === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...new Array<string>(missing).fill("0"), ...end];
  if (!groups.every((g) => /^[0-9a-f]{1,4}$/i.test(g))) return null;
  return fromBytes(toBytes(groups.join(":"), true)!);
}
function parseInet4(text: string): string | null {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return null;
  const numbers = text.split(".").map(Number);
  return numbers.every((n) => n < 256) ? numbers.join(".") : null;
}
