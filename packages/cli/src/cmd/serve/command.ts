// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel serve …`: file servers from images. */
import { Command } from "commander";
import { topCommand } from "../../ui/command.ts";
import { serveNfs, type ServeNfsOptions } from "./nfs.ts";

/** The `serve` command with its protocols. */
export function serveCommand(exit: (status: number) => void): Command {
  const serve = new Command("serve")
    .copyInheritedSettings(topCommand("vkernel"))
    .description("serve files of an image over the network");

  serve
    .command("nfs")
    .description("serve a directory to NFS clients (version 3, TCP); the kernel itself is the server")
    .usage("[options] IMAGE[:PATH]")
    .argument("<image[:path]>", "HAMMER image or directory of the host, and what of it to serve")
    .option("--port <port>", "TCP port, for NFS and MOUNT both", "2049")
    .option("--bind <addr>", "address of the host to listen at", "127.0.0.1")
    .option("--as-of <when>", "serve the past: a transaction id (0x…) or a time; read-only")
    .option("--read-only", "nothing can be changed, and the image is not locked")
    .option("--map-root <user>", "whom the clients' root acts as; nobody unless told")
    .option("--map-all <user>", "whom all clients act as, whatever they say they are")
    .option("--verbose", "show the kernel's messages on standard error")
    .addHelpText(
      "after",
      `
USER is a name in the image's /etc/passwd, uid or uid:gid. Clients say themselves who they are (AUTH_SYS): bind to other
addresses only in a network whose machines are trusted. ^C or SIGTERM ends the server in order, a second one at once.

Examples:
  vkernel serve nfs home.img
  vkernel serve nfs home.img:/projects --port 20490 --map-all 1000
  vkernel serve nfs home.img --as-of 2026-11-17T18:00
  vkernel serve nfs home.img --as-of 0x00000001061a8ba0`,
    )
    .action(async (spec: string, options: ServeNfsOptions) => exit(await serveNfs(spec, options)));
  return serve;
}
