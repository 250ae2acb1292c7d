// SPDX-License-Identifier: BSD-3-Clause
/** Standard output whose reader may go away: `vkernel image ls … | head`. */

let installed = false;

/** From now on a closed standard output ends the program quietly, with the status a shell gives for SIGPIPE. */
export function endOnClosedOutput(): void {
  if (installed) return;
  installed = true;
  process.stdout.on("error", (e: NodeJS.ErrnoException) => {
    if (e.code === "EPIPE") process.exit(128 + 13);
    throw e;
  });
}
