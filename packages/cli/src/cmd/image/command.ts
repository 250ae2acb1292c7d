// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image …`: HAMMER images without booting anything. */
import { Command } from "commander";
import { topCommand } from "../../ui/command.ts";
import { endOnClosedOutput } from "../../ui/output.ts";
import { cat } from "./cat.ts";
import { exportTar, type ExportOptions } from "./export.ts";
import { info } from "./info.ts";
import { ls, type LsOptions } from "./ls.ts";

/** The `image` command with its verbs. */
export function imageCommand(): Command {
  const image = new Command("image").copyInheritedSettings(topCommand("vkernel"));
  image
    .hook("preAction", endOnClosedOutput)
    .description("make, read and change HAMMER images without booting them")
    .addHelpText("after", `
IMAGE is a file, or the volumes of a file system joined by colons. Paths inside may carry @@0x<tid> to name the past.

Examples:
  vkernel image ls -l disk.img /etc
  vkernel image cat disk.img /etc/motd@@0x00000001061a8ba0
  vkernel image export disk.img / | tar -tvf -`);

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
