// SPDX-License-Identifier: BSD-3-Clause
/**
 * The `vkernel` command: two faces. Options only: boots as vkernel(7) does. With a verb first: run, image.
 * @module
 */
import { CommanderError } from "commander";
import { vkernelCommand } from "./cmd/vkernel.ts";
import { report } from "./ui/errors.ts";
import { tuneEngine } from "./v8-flags.ts";

/** Runs the command line; resolves to the exit status. */
export async function main(argv: string[]): Promise<number> {
  tuneEngine();
  let status = 0;
  const command = vkernelCommand((code) => {
    status = code;
  });
  try {
    await command.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    // commander has printed its message; help and version end with 0
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : argv[0] === "run" ? 125 : 1;
    return report("vkernel", error, argv[0] === "run" ? 125 : 1);
  }
}
