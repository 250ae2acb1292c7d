// SPDX-License-Identifier: BSD-3-Clause
/** The `newfs_hammer` command: formats image files with DragonFly's options and output. */
import { CommanderError } from "commander";
import { newfsCommand } from "./cmd/hammer/newfs.ts";
import { report } from "./ui/errors.ts";
import { endOnLostOutput } from "./ui/output.ts";

/** Runs the command line; resolves to the exit status, 0 or 1. */
export async function main(argv: string[]): Promise<number> {
  endOnLostOutput("newfs_hammer");
  try {
    await newfsCommand().parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    return report("newfs_hammer", error);
  }
}
