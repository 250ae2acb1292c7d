// SPDX-License-Identifier: BSD-3-Clause
/** The `undo` command: earlier versions of files in an image. */
import { CommanderError } from "commander";
import { undoCommand } from "./cmd/hammer/undo.ts";
import { report } from "./ui/errors.ts";
import { endOnLostOutput } from "./ui/output.ts";

/** Runs the command line; resolves to the exit status, 0 or 1. */
export async function main(argv: string[]): Promise<number> {
  endOnLostOutput("undo");
  try {
    await undoCommand().parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    return report("undo", error);
  }
}
