// SPDX-License-Identifier: BSD-3-Clause
/**
 * The `vkernel` command: two faces. Options only: boots as vkernel(7) does. With a verb first: run, image.
 * @module
 */
import { CommanderError } from "commander";
import { vkernelCommand } from "./cmd/vkernel.ts";
import { report } from "./ui/errors.ts";
import { tuneEngine } from "./v8-flags.ts";

/** Verbs that pass a program's exit status on, and so have one of their own for what they fail at themselves. */
const PASS_ON: ReadonlySet<string | undefined> = new Set(["run", "boot", "exec"]);

/** Runs the command line; resolves to the exit status. */
export async function main(argv: string[]): Promise<number> {
  tuneEngine();
  const failure = PASS_ON.has(argv[0]) ? 125 : 1;
  let status = 0;
  const command = vkernelCommand((code) => {
    status = code;
  });
  try {
    await command.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    // commander has printed its message; help and version end with 0
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : failure;
    return report("vkernel", error, failure);
  }
}
