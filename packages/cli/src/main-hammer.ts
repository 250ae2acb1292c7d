// SPDX-License-Identifier: BSD-3-Clause
/** The `hammer` command: DragonFly's options and output, on image files. */
import { CommanderError } from "commander";
import { hammerCommand, type CommandResult } from "./cmd/hammer/command.ts";
import { report } from "./ui/errors.ts";
import { endOnLostOutput } from "./ui/output.ts";

/** Runs the command line; resolves to the exit status: 0, 1 or, for some commands as in the original, 2. */
export async function main(argv: string[]): Promise<number> {
  endOnLostOutput("hammer");
  const result: CommandResult = { status: 0, failureStatus: 1 };
  try {
    await hammerCommand(result).parseAsync(argv, { from: "user" });
    return result.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    return report("hammer", error, result.failureStatus);
  }
}
