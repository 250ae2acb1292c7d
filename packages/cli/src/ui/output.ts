// SPDX-License-Identifier: BSD-3-Clause
/** Standard output that takes no more: its reader has gone (`vkernel image ls … | head`), or the disk that it is on is full. */
import { report } from "./errors.ts";

let installed = false;

/**
 * From now on a closed standard output ends the program quietly, with the status a shell gives for SIGPIPE; what else goes wrong with it
 * is told, and ends it with 1.
 */
export function endOnLostOutput(program: string): void {
  if (installed) return;
  installed = true;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(128 + 13);
    error.path = "standard output";
    process.exit(report(program, error));
  });
}
