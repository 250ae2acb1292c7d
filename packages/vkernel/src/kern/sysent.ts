// SPDX-License-Identifier: BSD-3-Clause
/**
 * System call rows. A table of an ABI is a list of rows; trace output, the compatibility page and coverage are
 * derived from them, and so is the number of argument words.
 *
 * Invariants
 *   Y1  A `plain` row never waits. It may throw an Errno, or an IoMiss while nothing has been modified.
 *   Y2  A `sleeps` row tries its plain half first; only WOULDBLOCK from it leads to the generator. A generator
 *       that lets an IoMiss escape is run again from its start by the dispatcher.
 *   Y3  Arguments are words of `a` in the row's order; a 64-bit argument takes two words, low first.
 * @module
 */
import { ENOSYS } from "../sys/errno.ts";
import type { Lwp } from "./proc.ts";

/** How an argument is shown by a trace and how many words it takes. */
export interface ArgType {
  readonly kind: "int" | "uint" | "hex" | "octal" | "fd" | "path" | "ptr" | "addr" | "size" | "off64" | "signal" | "pid";
  readonly words: 1 | 2;
}
const arg = (kind: ArgType["kind"], words: 1 | 2 = 1): ArgType => ({ kind, words });

export const int = arg("int");
export const uint = arg("uint");
/** Flags. */
export const hex = arg("hex");
/** File modes. */
export const octal = arg("octal");
export const fd = arg("fd");
/** User address of a NUL-terminated path. */
export const path = arg("path");
/** User address of anything else. */
export const uptr = arg("ptr");
/** A user address that stands for itself: a place in the address space, which the call does not read or write. */
export const uaddr = arg("addr");
export const size = arg("size");
/** A 64-bit number in two words, low first. */
export const off64 = arg("off64", 2);
export const sig = arg("signal");
export const pid = arg("pid");

/** A row's plain half: arguments in `a` (reused by the next call: copy what outlives it). */
export type PlainFn = (lp: Lwp, a: Int32Array) => number;
/** A row's waiting half. */
export type SlowFn = (lp: Lwp, a: Int32Array) => Generator<void, number, void>;

export type Support = "full" | "partial" | "none";

/** One class, fields always in the same order, so that the dispatcher's loads stay monomorphic. */
export class Sysent {
  readonly nr: number;
  readonly name: string;
  readonly args: readonly ArgType[];
  readonly nwords: number;
  readonly fn: PlainFn;
  readonly slow: SlowFn | null;
  readonly support: Support;
  /** What is missing, for partial and unimplemented rows. */
  readonly note: string;

  constructor(nr: number, name: string, args: readonly ArgType[], fn: PlainFn, slow: SlowFn | null, support: Support, note: string) {
    this.nr = nr;
    this.name = name;
    this.args = args;
    this.nwords = args.reduce((n, t) => n + t.words, 0);
    this.fn = fn;
    this.slow = slow;
    this.support = support;
    this.note = note;
  }
}

/** A call that never waits. */
export function plain(nr: number, name: string, args: readonly ArgType[], fn: PlainFn): Sysent {
  return new Sysent(nr, name, args, fn, null, "full", "");
}

/** A call that may wait: `tryFn` returns WOULDBLOCK to enter `slow`. */
export function sleeps(nr: number, name: string, args: readonly ArgType[], tryFn: PlainFn, slow: SlowFn): Sysent {
  return new Sysent(nr, name, args, tryFn, slow, "full", "");
}

/** Marks a row as incomplete and says what is missing. */
export function partial(row: Sysent, note: string): Sysent {
  return new Sysent(row.nr, row.name, row.args, row.fn, row.slow, "partial", note);
}

/** A call that exists but is not implemented: ENOSYS, reported once for each program and call. */
export function unimplemented(nr: number, name: string, note = "not implemented"): Sysent {
  const fn: PlainFn = (lp) => {
    lp.k.reportMissing(lp, name, nr);
    throw ENOSYS;
  };
  return new Sysent(nr, name, [], fn, null, "none", note);
}

/** A call that real kernels lack as well, or that programs only probe for: plain ENOSYS, not reported. */
export function obsolete(nr: number, name: string, note = "always ENOSYS"): Sysent {
  return new Sysent(nr, name, [], throwNosys, null, "full", note);
}
function throwNosys(): number {
  throw ENOSYS;
}

/** Puts rows into an array by number; refuses a number that comes twice. */
export function sysentTable(...groups: readonly (readonly Sysent[])[]): readonly (Sysent | undefined)[] {
  const table: (Sysent | undefined)[] = [];
  for (const row of groups.flat()) {
    const other = table[row.nr];
    if (other !== undefined) throw new Error(`system call ${row.nr} is both ${other.name} and ${row.name}`);
    table[row.nr] = row;
  }
  return Array.from(table);
}
