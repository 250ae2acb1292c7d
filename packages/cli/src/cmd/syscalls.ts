// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel syscalls`: which system calls there are, from the tables that the kernel itself runs by. */
import { systemCalls, type SystemCall } from "@vkernel/vkernel";
import { CliError } from "../ui/errors.ts";

export interface SyscallsOptions {
  readonly abi?: string;
  readonly support?: string;
  readonly json?: boolean;
}

function chosen(value: string | undefined, option: string, choices: readonly string[]): string | undefined {
  if (value === undefined || choices.includes(value)) return value;
  throw new CliError(option, `'${value}' is none of ${choices.join(", ")}`);
}

function summary(calls: readonly SystemCall[]): string {
  const count = (support: string): number => calls.filter((call) => call.support === support).length;
  return `${calls.length} calls: ${count("full")} whole, ${count("partial")} partial, ${count("none")} not there`;
}

/** Prints the table, and a count for each ABI. */
export function listSyscalls(options: SyscallsOptions): void {
  const abi = chosen(options.abi, "--abi", ["linux", "dragonfly"]);
  const support = chosen(options.support, "--support", ["full", "partial", "none"]);
  const all = systemCalls().filter((call) => abi === undefined || call.abi === abi);
  const calls = all.filter((call) => support === undefined || call.support === support);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(calls)}\n`);
    return;
  }
  const lines = calls.map(
    (call) => `${call.abi.padEnd(9)} ${String(call.nr).padStart(4)} ${call.name.padEnd(24)} ${call.support.padEnd(7)} ${call.note}`.trimEnd(),
  );
  for (const name of new Set(all.map((call) => call.abi))) {
    lines.push(`${name}: ${summary(all.filter((call) => call.abi === name))}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
