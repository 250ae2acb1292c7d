// SPDX-License-Identifier: BSD-3-Clause
/** What every boot shares: memory size, the file systems that every root gets, the end by panic. */
import { devFs, KernelPanic, procFs, sysFs, UnwrittenError, type MountSpec } from "@vkernel/vkernel";
import { CliError } from "./ui/errors.ts";
import { parseSize } from "./ui/size.ts";

const UNIT = 4 << 20;
const LEAST = 32 << 20;
/** Beyond this the machine does not fit a 4 GiB linear memory beside its tables. */
const MOST = 3 * 2 ** 30;

/** Exit status after a kernel panic. */
export const EX_PANIC = 70;

/** Memory of the machine from `-m`, rounded up to what the memory image allows. */
export function ramBytes(text: string): number {
  const bytes = Math.ceil(parseSize(text, "-m") / UNIT) * UNIT;
  if (bytes < LEAST) throw new CliError("-m", `${text} is too little memory`, "at least 32m");
  if (bytes > MOST) throw new CliError("-m", `${text} is more than a 32-bit machine holds here`, "at most 3g");
  return bytes;
}

/** /dev, /proc and /sys, made where the root has them not. */
export function standardMounts(): MountSpec[] {
  return [
    { on: "/dev", create: true, optional: true, mount: devFs() },
    { on: "/proc", create: true, optional: true, mount: procFs() },
    { on: "/sys", create: true, optional: true, mount: sysFs() },
  ];
}

/**
 * Prints the state of a kernel that panicked; returns the exit status. Throws CliError when file systems could not be written back;
 * anything else is thrown on.
 */
export function panicked(error: unknown): number {
  if (error instanceof UnwrittenError)
    throw new CliError(error.mounts.join(", "), "not everything could be written back", "what was not synced before is lost", undefined, error);
  if (!(error instanceof KernelPanic)) throw error;
  process.stderr.write(`vkernel: ${error.message}\n${error.state}\n`);
  if (process.env["VKERNEL_DEBUG"] === "1") process.stderr.write(`${(error.cause as Error)?.stack ?? error.stack ?? ""}\n`);
  return EX_PANIC;
}
