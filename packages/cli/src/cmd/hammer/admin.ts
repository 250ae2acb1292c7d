// SPDX-License-Identifier: BSD-3-Clause
/** The commands of hammer(8) that change a file system, as part of the command line. */
import type { Command } from "commander";
import type { ReblockKind } from "@vkernel/hammer";
import type { CommandOptions } from "./admin-context.ts";
import { cleanup } from "./admin-cleanup.ts";
import { dedupCommand, pruneCommand, reblockCommand, rebalanceCommand, synctid, versionUpgrade } from "./admin-maint.ts";
import { pfsCreate, pfsDestroy, pfsDowngrade, pfsUpdate, pfsUpgrade } from "./admin-pfs.ts";
import { volumeAdd, volumeDel } from "./admin-volumes.ts";
import type { GlobalOptions } from "./options.ts";
import { config, snap, snaprm, snapshotCommand, viconfig } from "./admin-snapshots.ts";

/** Adds them to `hammer`. `volumes` gives the -f volumes or throws. */
export function registerAdmin(hammer: Command, options: () => GlobalOptions, volumes: () => string[]): void {
  const json = (c: Command): Command => c.option("--json", "print the result as JSON");

  json(hammer.command("prune").alias("softprune").argument("<softlink-dir>", "directory of snapshot links, or any of the PFS")
    .description("destroy history that no snapshot shows").option("--dry-run", "only count"))
    .action((path: string, o: CommandOptions) => pruneCommand(volumes(), options(), path, false, o));
  json(hammer.command("prune-everything").argument("<fs>").description("destroy all history and snapshots of a PFS").option("--dry-run", "only count"))
    .action((path: string, o: CommandOptions) => pruneCommand(volumes(), options(), path, true, o));

  const kinds: [string, ReblockKind[], string][] = [
    ["reblock", ["btree", "inodes", "dirs", "data"], "everything"], ["reblock-btree", ["btree"], "B-Tree nodes"],
    ["reblock-inodes", ["inodes"], "inodes"], ["reblock-dirs", ["dirs"], "directory entries"], ["reblock-data", ["data"], "file data"],
  ];
  for (const [name, list, what] of kinds)
    json(hammer.command(name).argument("<fs>").argument("[fill]", "percentage; fuller big-blocks are left alone; default 100")
      .description(`move ${what} out of thinly used big-blocks`).option("--dry-run", "only count"))
      .action((path: string, fill: string | undefined, o: CommandOptions) => reblockCommand(volumes(), options(), path, fill, list, o));
  json(hammer.command("rebalance").argument("<fs>").argument("[saturation]", "percentage from 50; default 85").description("pack the B-Tree").option("--dry-run", "only count"))
    .action((path: string, saturation: string | undefined, o: CommandOptions) => rebalanceCommand(volumes(), options(), path, saturation, o));
  json(hammer.command("dedup").argument("<fs>").description("share data that files have in common"))
    .action((path: string, o: CommandOptions) => dedupCommand(volumes(), options(), path, false, o));
  json(hammer.command("dedup-simulate").argument("<fs>").description("tell how much could be shared"))
    .action((path: string, o: CommandOptions) => dedupCommand(volumes(), options(), path, true, o));

  json(hammer.command("cleanup").argument("[fs...]", "links, roots or paths of PFSs; default all master PFSs and the root"))
    .description("snapshots, prune, rebalance, dedup, reblock as configured and due").option("--dry-run", "only tell what is due")
    .addHelpText("after", `
What is to be done is in the configuration of the PFS (hammer config), below version 3 in the file config of its snapshots
directory:

  snapshots  <period> <retention> [any]     prune    <period> <max-runtime>     rebalance <period> <max-runtime>
  dedup      <period> <max-runtime>         reblock  <period> <max-runtime>     recopy    <period> <max-runtime>

with times in d, h, m or s; a period of 0 disables. -F before the command runs all of it, whether due or not.`)
    .action((paths: string[], o: CommandOptions) => cleanup(volumes(), options(), paths, o));

  json(hammer.command("pfs-master").argument("<path>").argument("[options...]", "label=… snapshots=… prune-min=… …").description("make a pseudo file system"))
    .action((path: string, args: string[], o: CommandOptions) => pfsCreate(volumes(), path, false, args, o));
  json(hammer.command("pfs-slave").argument("<path>").argument("[options...]", "shared-uuid=… label=… …").description("make a mirroring target"))
    .action((path: string, args: string[], o: CommandOptions) => pfsCreate(volumes(), path, true, args, o));
  json(hammer.command("pfs-update").argument("<path>").argument("[options...]").description("change attributes of a pseudo file system"))
    .action((path: string, args: string[], o: CommandOptions) => pfsUpdate(volumes(), path, args, o));
  hammer.command("pfs-upgrade").argument("<path>").description("make a slave a master").option("--dry-run", "only tell whether it can be")
    .action((path: string, o: CommandOptions) => pfsUpgrade(volumes(), path, o));
  hammer.command("pfs-downgrade").argument("<path>").description("make a master a slave").option("--dry-run", "only tell whether it can be")
    .action((path: string, o: CommandOptions) => pfsDowngrade(volumes(), path, o));
  hammer.command("pfs-destroy").argument("<path>").description("destroy a pseudo file system").option("--dry-run", "only tell what would be destroyed")
    .action((path: string, o: CommandOptions) => pfsDestroy(volumes(), options(), path, o.dryRun ?? false));

  hammer.command("snapshot").argument("<args...>", "[fs] dir-or-format [note]").description("make a snapshot and a link to it")
    .action((args: string[]) => snapshotCommand(volumes(), args));
  for (const [kind, what] of [["snap", "make a snapshot and a link to it"], ["snaplo", "as snap, with a target built from the directory given"], ["snapq", "make a snapshot without a link"]] as const)
    hammer.command(kind).argument("<path>").argument("[note]").description(what)
      .action((path: string, note: string | undefined) => snap(volumes(), kind, path, note ?? ""));
  hammer.command("snaprm").argument("<args...>", "paths of links | tids | fs tids").description("remove snapshots").action((args: string[]) => snaprm(volumes(), args));
  json(hammer.command("config").argument("[fs]").argument("[file]").description("print or replace the cleanup configuration"))
    .action((fs: string | undefined, file: string | undefined, o: CommandOptions) => config(volumes(), fs ?? "/", file, o));
  hammer.command("viconfig").argument("[fs]").description("edit the cleanup configuration").action((fs: string | undefined) => viconfig(volumes(), fs ?? "/"));

  hammer.command("volume-add").argument("<device>").argument("[fs]").option("--size <size>", "make the file with this size, sparse")
    .description("add a volume").action((device: string, _fs: string | undefined, o: { size?: string }) => volumeAdd(volumes(), options(), device, o));
  hammer.command("volume-del").argument("<device>").argument("[fs]").description("move everything off a volume and take it away")
    .option("--dry-run", "only tell what would be moved").action((device: string, _fs: string | undefined, o: CommandOptions) => volumeDel(volumes(), options(), device, o));

  hammer.command("version-upgrade").argument("<fs-and-version...>", "[fs] version [force]").description("make the file system one of a later version").option("--dry-run", "only tell whether it can be")
    .action((args: string[], o: CommandOptions) => versionUpgrade(volumes(), args, o));
  json(hammer.command("synctid").argument("[fs]", "a path in the PFS; default the root").argument("[quick]", "accepted: an image is always synced whole"))
    .description("make everything durable and print a transaction id that shows it")
    .action((fs: string | undefined, quick: string | undefined, o: CommandOptions) => synctid(volumes(), fs, quick, o));
}
