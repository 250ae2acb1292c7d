// SPDX-License-Identifier: BSD-3-Clause
/**
 * Number and text formats of DragonFly's hammer(8), reproduced to the character: its output is compared with
 * recorded runs of the original.
 *
 * Texts from the disk are byte strings (one char code a byte).
 * @module
 */

/** `%016jx` */
export function x16(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16).padStart(16, "0");
}

/** `%08x` */
export function x8(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

/** `%02x` */
export function x2(value: number): string {
  return value.toString(16).padStart(2, "0");
}

const UNITS: readonly [suffix: string, shift: number][] = [["B", 0], ["KB", 10], ["MB", 20], ["GB", 30], ["TB", 40]];

/** A size as sizetostr() prints it: `%6.2f` and a unit; the next unit is used from half of it on. */
export function sizeToStr(bytes: number): string {
  const [suffix, shift] = UNITS.find(([, s]) => bytes < 2 ** (s + 9)) ?? UNITS[4]!;
  return (bytes / 2 ** shift).toFixed(2).padStart(6) + suffix;
}

/** `%g` of a value that is not negative. */
export function g(value: number): string {
  if (value === 0) return "0";
  if (value < 1e-4 || value >= 1e6) {
    const [mantissa, exponent] = value.toExponential(5).split("e");
    const digits = Number(mantissa).toString();
    return `${digits}e${exponent![0]}${exponent!.slice(1).padStart(2, "0")}`;
  }
  return Number(value.toPrecision(6)).toString();
}

/** Byte string from `at` up to a NUL or `end`. */
export function cString(b: Uint8Array, at: number, end = b.length): string {
  let s = "";
  for (let i = at; i < end && b[i] !== 0; i++) s += String.fromCharCode(b[i]!);
  return s;
}

/** Lines of hexdump(3): offset, sixteen bytes, printable characters. */
export function hexdump(b: Uint8Array, prefix: string): string {
  let out = "";
  for (let at = 0; at < b.length; at += 16) {
    const row = [...b.subarray(at, at + 16)];
    const hex = row.map((byte) => ` ${x2(byte)}`).join("").padEnd(48);
    const text = row.map((byte) => (byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : ".")).join("").padEnd(16);
    out += `${prefix}${at.toString(16).padStart(4, "0")}  ${hex}  |${text}|\n`;
  }
  return out;
}
