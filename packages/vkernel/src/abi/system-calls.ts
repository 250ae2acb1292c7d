// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system calls of both ABIs as a list, for whoever wants to know what is there.
 * @module
 */
import type { Abi } from "../kern/abi.ts";
import type { ArgType, Support } from "../kern/sysent.ts";
import { dragonflyAbi } from "./dragonfly/abi.ts";
import { LinuxAbi } from "./linux/abi.ts";

export interface SystemCall {
  readonly abi: Abi["name"];
  readonly nr: number;
  readonly name: string;
  /** Kinds of its arguments, and how many words each takes. */
  readonly args: readonly ArgType[];
  readonly support: Support;
  /** What is missing. */
  readonly note: string;
}

/** All rows of the tables, by ABI and number. */
export function systemCalls(): SystemCall[] {
  return [dragonflyAbi(), new LinuxAbi()].flatMap((abi) =>
    abi.sysent.flatMap((row) =>
      row === undefined ? [] : [{ abi: abi.name, nr: row.nr, name: row.name, args: row.args, support: row.support, note: row.note }],
    ),
  );
}
