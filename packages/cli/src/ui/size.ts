// SPDX-License-Identifier: BSD-3-Clause
/** Sizes on the command line: a number with an optional suffix k, m, g or t in either case, powers of 1024. */
import { CliError } from "./errors.ts";

const SHIFT: Record<string, number> = { "": 0, k: 10, m: 20, g: 30, t: 40 };

/** Parses a size in bytes; `option` names the option in the error. */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)$/i.exec(text.trim());
  const bytes = match === null ? Number.NaN : Number(match[1]) * 2 ** SHIFT[match[2]!.toLowerCase()]!;
  if (!Number.isSafeInteger(bytes)) {
    throw new CliError(option, `'${text}' is no size`, "a number with k, m, g or t behind it, such as 512m");
  }
  return bytes;
}

/** A size for people: three digits and a binary suffix. */
export function formatSize(bytes: number): string {
  let value = bytes;
  for (const suffix of ["B", "K", "M", "G"]) {
    if (value < 1024) return `${suffix === "B" ? value : value.toFixed(value < 10 ? 1 : 0)}${suffix}`;
    value /= 1024;
  }
  return `${value.toFixed(1)}T`;
}
