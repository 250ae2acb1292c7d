// SPDX-License-Identifier: BSD-3-Clause
/**
 * The command line of hammer(8). What takes a mounted path there takes `-f` volumes and, where one is needed, a path
 * inside the file system here.
 * @module
 */
import type { Command } from "commander";
import { volumePaths } from "@vkernel/hammer/node";
import { topCommand } from "../../ui/command.ts";
import { CliError } from "../../ui/errors.ts";
import { registerAdmin } from "./admin.ts";
import { infoText } from "./info.ts";
import { registerMirror } from "./mirror.ts";
import { registerOffline } from "./offline.ts";
import { globalOptions, type GlobalOptions } from "./options.ts";
import { registerPfsQueries } from "./pfs-text.ts";
import { historyAt, historyCommand, registerQueries } from "./queries.ts";
import { registerRecover } from "./recover.ts";
import { checkRestriction, registerRunning } from "./running.ts";
import { registerStrip } from "./strip.ts";

/** How a command line ended, if not by an error. */
export interface CommandResult { status: number; failureStatus: number }

/** Commands of the original that fail with 2; all others fail with 1. */
const FAIL_WITH_2 = new Set(["config", "viconfig", "snap", "snaplo", "snapq", "snaprm", "snapls", "snapshot"]);

function volumes(options: GlobalOptions): string[] {
  if (options.f === undefined)
    throw new CliError("-f", "no file system was named", "hammer -f IMAGE command; several volumes are joined by colons");
  return volumePaths(options.f);
}

/** The whole command. `result` receives the exit statuses. */
export function hammerCommand(result: CommandResult): Command {
  const hammer = topCommand("hammer");
  globalOptions(hammer)
    .description("look at and maintain HAMMER file systems in image files")
    .usage("-f blkdevs [-2ABFqrvXy] [-b bandwidth] [-c cyclefile] [-e scoreboardfile] [-i delay] [-m memlimit]\n"
      + "              [-p ssh-port] [-R commands] [-S splitsize] [-T path] [-t seconds] command [argument ...]")
    .enablePositionalOptions()
    .addHelpText("after", `
Options stand before the command. "hammer command --help" tells about each. Where the original takes a mounted directory,
paths inside the image are given here.

Examples:
  hammer -f disk.img show                      the whole B-Tree, every CRC checked
  hammer -f disk.img show 1:0000000000000001   from a key on
  hammer -f disk.img checkmap                  nothing after the three lines: allocation is consistent
  hammer -f disk.img history etc/passwd        when a file changed
  hammer -f disk.img recover found/            files out of a damaged image
  hammer -f disk.img -y mirror-copy / ada@backup:/srv/backup.img:/disk`);
  const options = (): GlobalOptions => hammer.opts<GlobalOptions>();
  const vols = (): string[] => volumes(options());
  hammer.hook("preAction", (_, action) => {
    if (FAIL_WITH_2.has(action.name())) result.failureStatus = 2;
    checkRestriction(options(), action.name());
  });

  registerOffline(hammer, options, vols);
  hammer.command("info").argument("[dirpath...]", "for the sake of scripts; -f tells")
    .description("print what the file system is and how full").option("--json", "print the answer as JSON")
    .action((_: string[], o: { json?: boolean }) => infoText(vols(), o.json ?? false));
  registerPfsQueries(hammer, vols);
  registerQueries(hammer, options, vols);
  registerAdmin(hammer, options, vols);
  registerMirror(hammer, options, vols);
  registerRecover(hammer, options, vols, (status) => { result.status = status; });
  registerStrip(hammer, options, vols);
  registerRunning(hammer, options, vols, async (args) => { await hammerCommand(result).parseAsync(args, { from: "user" }); });

  // history@offset[,length] is one word with its range in it.
  hammer.argument("[command]").argument("[arguments...]").allowUnknownOption().action((name: string | undefined, rest: string[]) => {
    const at = name === undefined ? null : historyCommand(name);
    if (at !== null) {
      checkRestriction(options(), "history");
      historyAt(vols(), options(), at, rest);
      return;
    }
    if (name !== undefined) hammer.error(`error: unknown command '${name}'`);
    hammer.outputHelp({ error: true });
    result.status = 1;
  });
  return hammer;
}
