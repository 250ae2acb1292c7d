// SPDX-License-Identifier: BSD-3-Clause
/**
 * The command line of hammer(8). What takes a mounted path there takes `-f` volumes and, where one is needed, a path
 * inside the file system here.
 * @module
 */
import type { Command } from "commander";
import { blockmap, checkmap, show, showUndo, type BlockDevice } from "@vkernel/hammer";
import { openDevices, volumePaths } from "@vkernel/hammer/node";
import { topCommand } from "../../ui/command.ts";
import { CliError } from "../../ui/errors.ts";
import { bufferedOutput } from "./output.ts";
import { registerAdmin } from "./admin.ts";
import { registerMirror } from "./mirror.ts";
import { infoText } from "./info.ts";
import { history, namekey1, namekey32, pfsStatus, snapls, version, volumeList } from "./queries.ts";

interface GlobalOptions { f?: string; q?: number; v?: number }

const count = (_: string, before = 0): number => before + 1;

/** Opens the -f volumes without mounting, runs a tool that prints, closes them. */
function offline(options: GlobalOptions, tool: (devices: readonly BlockDevice[], print: (text: string) => void) => void): void {
  const devices = openDevices(volumes(options), { readOnly: true });
  const out = bufferedOutput();
  try {
    tool(devices, out.print);
  } finally {
    out.flush();
    for (const d of devices) d.close();
  }
}

function volumes(options: GlobalOptions): string[] {
  if (options.f === undefined)
    throw new CliError("-f", "no file system was named", "hammer -f IMAGE command; several volumes are joined by colons");
  return volumePaths(options.f);
}

/** -q and -v cancel each other, as in the original. */
function levels(o: GlobalOptions): { quiet: number; verbose: number } {
  const level = (o.v ?? 0) - (o.q ?? 0);
  return { quiet: Math.max(0, -level), verbose: Math.max(0, level) };
}

/** `show` takes its key and these words in any order. */
function showOptions(args: string[]): Parameters<typeof show>[2] {
  const words = new Set(args.flatMap((a) => a.split(",")));
  const take = (word: string): boolean => words.delete(word);
  const filter = take("filter") ? "yes" : take("nofilter") ? "no" : "default";
  const obfuscate = take("obfuscate");
  const indent = take("indent");
  const [search, extra] = [...words];
  if (extra !== undefined) throw new CliError("show", `'${extra}' is no option`, "filter, nofilter, obfuscate, indent");
  if (search !== undefined && search !== "none" && !/^(?:(?:0x)?[0-9a-f]+)(?::(?:0x)?[0-9a-f]+){0,4}$/i.test(search))
    throw new CliError("show", `'${search}' is no key`, "lo[:objid[:rt[:key[:tid]]]] in hex");
  return { search, filter, obfuscate, indent };
}

/** The whole command. */
export function hammerCommand(): Command {
  const hammer = topCommand("hammer")
    .description("look at and maintain HAMMER file systems in image files")
    .usage("-f blkdevs [-Aqvy] [-c cyclefile] [-t seconds] command [argument ...]")
    .enablePositionalOptions()
    .option("-f <blkdevs>", "volumes of the file system, joined by colons")
    .option("-q", "less; repeatable", count)
    .option("-v", "more; repeatable", count)
    .addHelpText("after", `
Examples:
  hammer -f disk.img show                      the whole B-Tree, every CRC checked
  hammer -f disk.img show 1:0000000000000001   from a key on
  hammer -f disk.img checkmap                  nothing after the three lines: allocation is consistent
  hammer -f disk.img history etc/passwd        when a file changed`);
  const options = (): GlobalOptions => hammer.opts<GlobalOptions>();

  hammer.command("show").argument("[key-and-options...]", "lo[:objid[:rt[:key[:tid]]]] filter nofilter obfuscate indent")
    .description("print and check the B-Tree")
    .action((args: string[]) => offline(options(), (d, print) => show(d, print, { ...showOptions(args), ...levels(options()) })));
  hammer.command("show-undo").description("print the UNDO/REDO FIFO")
    .action(() => offline(options(), (d, print) => showUndo(d, print)));
  hammer.command("blockmap").description("print the freemap")
    .action(() => offline(options(), (d, print) => blockmap(d, print, levels(options()))));
  hammer.command("checkmap").description("compare the freemap with a recount")
    .action(() => offline(options(), (d, print) => checkmap(d, print, levels(options()))));

  hammer.command("info").description("print what the file system is and how full")
    .action(() => infoText(volumes(options())));
  hammer.command("pfs-status").argument("[paths...]", "links or roots of PFSs; default the root")
    .description("print attributes of pseudo file systems")
    .action((paths: string[]) => pfsStatus(volumes(options()), paths));
  hammer.command("snapls").argument("[paths...]").description("list snapshots")
    .action((paths: string[]) => snapls(volumes(options()), paths));
  hammer.command("history").argument("<paths...>").description("list the transaction ids at which files changed")
    .action((paths: string[]) => history(volumes(options()), paths));
  hammer.command("version").description("print the file system version")
    .action(() => version(volumes(options())));
  hammer.command("volume-list").description("list the volumes")
    .action(() => volumeList(volumes(options()), levels(options()).verbose > 0));
  hammer.command("namekey1").argument("<name>").description("print the directory key of a name (algorithm 0)")
    .action((name: string) => namekey1(name));
  hammer.command("namekey32").argument("<name>").description("print the upper half of it")
    .action((name: string) => namekey32(name));
  registerAdmin(hammer, options, () => volumes(options()));
  registerMirror(hammer, options, () => volumes(options()));
  return hammer;
}
