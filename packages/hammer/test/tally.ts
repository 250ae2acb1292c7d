// SPDX-License-Identifier: BSD-3-Clause
/** Counts what long runs have tried: lines `what number` in the file HAMMER_TALLY, which scripts/nightly.js adds up. */
import { appendFileSync } from "node:fs";

const FILE = process.env["HAMMER_TALLY"];

/** Notes that `n` more of something were tried. */
export function tally(what: "cuts" | "structures" | "mirror cuts", n: number): void {
  if (FILE !== undefined) appendFileSync(FILE, `${what} ${n}\n`);
}
