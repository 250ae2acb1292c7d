// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image …`: HAMMER images without booting anything. */
import { Command } from "commander";
import { topCommand } from "../../ui/command.ts";
import { endOnLostOutput } from "../../ui/output.ts";
import { cat } from "./cat.ts";
import { create, type CreateOptions } from "./create.ts";
import { cp, mkdir, rm, type CpOptions, type MkdirOptions, type RmOptions } from "./edit.ts";
import { exportTar, type ExportOptions } from "./export.ts";
import { info } from "./info.ts";
import { ls, type LsOptions } from "./ls.ts";

/** The `image` command with its verbs. */
export function imageCommand(): Command {
  const image = new Command("image").copyInheritedSettings(topCommand("vkernel"));
  image
    .hook("preAction", () => endOnLostOutput("vkernel"))
    .description("make, read and change HAMMER images without booting them")
    .addHelpText("after", `
IMAGE is a file, or the volumes of a file system joined by colons. Paths inside may carry @@0x<tid> to name the past.

Examples:
  vkernel image create disk.img --size 4g --from rootfs/
  vkernel image create debian.img --debian samba,smbclient
  docker export NAME | vkernel image create disk.img --from -
  vkernel image ls -l disk.img /etc
  vkernel image cat disk.img /etc/motd@@0x00000001061a8ba0
  vkernel image export disk.img / | tar -tvf -`);

  image.command("create").description("make an image, empty or with files in it")
    .argument("<image>")
    .option("--size <size>", "size of the file system (k, m, g, t); the file is sparse; default 8g or twice the content")
    .option("--from <src>", "directory, tar archive (plain or gzip), or - for one on standard input; repeatable: layers, one over the other", (v: string, l: string[] = []) => [...l, v])
    .option("--debian <packages>", "a Debian system (i386) with these packages, joined by commas; needs apt on this machine, and no rights", (v: string, l: string[] = []) => [...l, v])
    .option("--sources <file>", "with --debian: take packages from these sources (sources.list(5)), not from this machine's")
    .option("--cache <dir>", "with --debian: folder for package lists and downloads; default ~/.cache/vkernel/apt")
    .option("-m, --memory <size>", "with --debian: memory of the guest that configures the packages", "512m")
    .option("--verbose", "with --debian: show what the packages' scripts say")
    .option("--world", "fill it with the embedded world, to boot from with -r")
    .option("--label <text>", "label; default the file's name")
    .option("--fs-version <n>", "file system version 1 to 7; default 7")
    .option("--force", "replace an existing file, at the end, when the new one is whole")
    .action((file: string, options: CreateOptions) => create(file, options));

  image.commands.at(-1)!.addHelpText("after", `
Kept: names as they are, contents, types (devices, fifos and sockets, too), hard links, modes, owners, times to the microsecond.
Sparse files stay sparse. Not kept, and said so: extended attributes, access control lists, file flags. In layers,
.wh.NAME removes NAME of the layers before, .wh..wh..opq empties its directory.

--debian plans and downloads with the host's apt, whose own state is neither read nor changed, unpacks the packages without
those they only recommend, and configures them inside the virtual kernel. IMAGE grows as IMAGE.part; after an interruption the
same command goes on where it was.`);

  image.command("ls").description("list directories")
    .argument("<image>").argument("[paths...]", "default /")
    .option("-l, --long", "mode, links, owner, group, size, time, name")
    .option("-R, --recursive", "list directories below, too")
    .option("-d, --directory", "show directories themselves, not what is in them")
    .option("--json", "print JSON")
    .action((file: string, paths: string[], options: LsOptions) => ls(file, paths, options));

  image.command("cat").description("write files to standard output")
    .argument("<image>").argument("<paths...>")
    .action((file: string, paths: string[]) => cat(file, paths));

  image.command("cp").description("copy files between the host and the image")
    .usage("[options] IMAGE SOURCE… DESTINATION")
    .argument("<operands...>", "paths in the image start with a colon; if none does, the last one is meant")
    .option("-r, --recursive", "copy directories, and symlinks as they are")
    .addHelpText("after", `
Examples:
  vkernel image cp disk.img motd :/etc/motd         into the image
  vkernel image cp disk.img :/etc/motd@@0x00000001061a8ba0 old-motd
  vkernel image cp -r disk.img:/home ./home         the same with the image's name in the path`)
    .action((...args: unknown[]) => cp((args.at(-1) as Command).args, args.at(-2) as CpOptions));

  image.command("rm").description("remove files; their past stays in the history")
    .argument("<image>").argument("<paths...>")
    .option("-r, --recursive", "remove directories and what is in them")
    .option("-f, --force", "ignore what does not exist")
    .action((file: string, paths: string[], options: RmOptions) => rm(file, paths, options));

  image.command("mkdir").description("make directories")
    .argument("<image>").argument("<paths...>")
    .option("-p, --parents", "make missing parents, and do not mind existing ones")
    .action((file: string, paths: string[], options: MkdirOptions) => mkdir(file, paths, options));

  image.command("export").description("write a tree as a tar archive")
    .argument("<image>").argument("[path]", "directory or file to export", "/")
    .option("-o, --output <file>", "write to a file instead of standard output")
    .action((file: string, path: string, options: ExportOptions) => exportTar(file, path, options));

  image.command("info").description("say what an image is and how full")
    .argument("<image>")
    .option("--json", "print JSON")
    .action((file: string, options: { json?: boolean }) => info(file, options));

  return image;
}
