// SPDX-License-Identifier: BSD-3-Clause
/** What all commands share: commander set up so that it throws instead of exiting, and the package's version. */
import { createRequire } from "node:module";
import { Command } from "commander";

/** Version of the cli package. */
export function version(): string {
  return (createRequire(import.meta.url)("@vkernel/cli/package.json") as { version: string }).version;
}

/** A top-level command of that name: errors on standard error as `name: …`, and the nearest match suggested. */
export function topCommand(name: string): Command {
  return new Command(name)
    .version(`${name} ${version()}`, "--version", "print the version and exit")
    .helpOption("-h, --help", "print this help and exit")
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) =>
        write(`${name}: ${text.replace(/^error: /, "").trimEnd()} (try '${name} --help')\n`),
    });
}
