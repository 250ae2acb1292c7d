// SPDX-License-Identifier: BSD-3-Clause
/**
 * System calls made one at a time with one argument wrong, the others right. Which arguments there are and of what kind
 * says the system call table itself; what else a call needs is written down by name.
 */
import type { ArgType, Sysent } from "../../src/kern/sysent.ts";
import { DATA } from "../kern/user-bench.ts";

/** An address that no process may use, and one that nothing is mapped at. */
export const KERNEL_ADDRESS = 0xc000_0000 | 0;
export const NULL_PAGE = 16;

/** Descriptors and memory that the setup of a test makes ready, in this order. */
export const FD = { file: 0, dir: 1, socket: 2, fed: 3, reader: 4, writer: 5, queue: 6, listener: 7, client: 8, messages: 9 } as const;
export const AT = {
  /** Paths: a file, a directory, a name that is free, a symbolic link to the file, and such names in the directory. */
  file: DATA + 0x100, dir: DATA + 0x200, free: DATA + 0x300, link: DATA + 0x400, root: DATA + 0x500,
  relative: DATA + 0x600, relativeFree: DATA + 0x700, relativeLink: DATA + 0x800,
  /** The name of a variable of the process. */
  variable: DATA + 0x900,
  /** A word of value 16, one that is the address of `more`; a set of the signal that is pending; the numbers of kern.ostype. */
  sixteen: DATA + 0xa00, pointer: DATA + 0xa08, pending: DATA + 0xa10, ostype: DATA + 0xa20,
  /** struct lwp_params, struct jail, struct sockaddr_un of the listener. */
  params: DATA + 0xa40, jail: DATA + 0xa80, address: DATA + 0xb00,
  /** Memory of zeros, 32 KB, for structures that go either way; another of that kind. */
  zeros: DATA + 0x4000, more: DATA + 0xc000,
} as const;
export const TEXTS = {
  file: "/f", dir: "/d", free: "/d/new", link: "/l", root: "/", relative: "f", relativeFree: "new", relativeLink: "l", variable: "V",
} as const;
export const PENDING_SIGNAL = 30;

/** What a call needs beyond the defaults of its arguments' kinds. */
export interface Shape {
  /** Right values by place; where nothing stands the kind's default is taken. */
  readonly args?: Readonly<Record<number, number>>;
  /** What a wrong value in a place leads to, where it is not EFAULT or EBADF: an error's number, or why it is not wrong. */
  readonly wrong?: Readonly<Record<number, number | string>>;
  /** Why the call is not made with everything right. */
  readonly notRight?: string;
}

/** A right value for a kind of argument. */
export function rightValue(type: ArgType): number[] {
  switch (type.kind) {
    case "fd":
      return [FD.file];
    case "path":
      return [AT.file];
    case "ptr":
      return [AT.zeros];
    case "size":
      return [16];
    case "off64":
      return [0, 0];
    case "octal":
      return [0o644];
    default:
      return [0];
  }
}

/** One argument of a call: its place in the row, and where its words begin. */
export interface Place {
  readonly index: number;
  readonly word: number;
  readonly type: ArgType;
}
export function places(row: Sysent): Place[] {
  let word = 0;
  return row.args.map((type, index) => {
    const place = { index, word, type };
    word += type.words;
    return place;
  });
}

/** The words of a call that is right in every place. */
export function rightArgs(row: Sysent, shape: Shape): number[] {
  return places(row).flatMap(({ index, type }) => {
    const given = shape.args?.[index];
    return given === undefined ? rightValue(type) : type.words === 2 ? [given, given < 0 ? -1 : 0] : [given];
  });
}
/** The same with one place wrong. */
export function wrongArgs(row: Sysent, shape: Shape, place: Place, value: number): number[] {
  const args = rightArgs(row, shape);
  args[place.word] = value;
  return args;
}

export const isPointer = (type: ArgType): boolean => type.kind === "ptr" || type.kind === "path";
