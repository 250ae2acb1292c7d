// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel serve …`: file servers from images. */
import { Command } from "commander";
import { topCommand } from "../../ui/command.ts";
import { serveNfs, type ServeNfsOptions } from "./nfs.ts";
import { serveSmb, type ServeSmbOptions } from "./smb.ts";

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
    .option("--as-of <when>", "serve the past: a transaction id (0x…), a time, or how long ago; read-only")
    .option("--read-only", "nothing can be changed, and the image is not locked")
    .option("--map-root <user>", "whom the clients' root acts as; nobody unless told")
    .option("--map-all <user>", "whom all clients act as, whatever they say they are")
    .option("--name <name>", "name for vkernel ps, logs and stop; nfs-PORT unless given")
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
  vkernel serve nfs home.img --as-of '2 hours ago'
  vkernel serve nfs home.img --as-of 0x00000001061a8ba0`,
    )
    .action(async (spec: string, options: ServeNfsOptions) => exit(await serveNfs(spec, options)));
  serve
    .command("smb")
    .description("serve a directory to SMB clients (Windows, macOS, Linux) with the Samba of a Debian image")
    .usage("[options] IMAGE[:PATH]")
    .argument("<image[:path]>", "HAMMER image with Samba in it, and which of its directories to share; default /srv/share")
    .option("--port <port>", "TCP port of the host", "4450")
    .option("--bind <addr>", "address of the host to listen at", "127.0.0.1")
    .option("--user <name>", "who may connect, made in the image when missing; default your own name")
    .option("--password-file <file>", "take the password from the first line of a file; asked for otherwise")
    .option("--share <name>", "name of the share; default the directory's")
    .option("--name <name>", "name for vkernel ps, exec, logs and stop; smb-PORT unless given")
    .option("--read-only", "clients can change nothing")
    .option("--snapshot-every <time>", "snapshot the file system at the start and every so often where something has changed (s, m, h, d), or 'never'", "1h")
    .option("-m, --memory <size>", "memory of the virtual machine", "512m")
    .option("--verbose", "show what smbd says on standard error")
    .addHelpText(
      "after",
      `
Make an image with: vkernel image create files.img --debian samba,samba-vfs-modules

The past is in the folder .snapshots of the share, a folder for each snapshot, named by its time (UTC); Windows shows it as
'Previous versions', too. Any FILE@@0x<tid> can be opened as well. Snapshots stay until hammer prune or cleanup removes them.
The password is kept in the image, as Samba keeps it; later starts need none. ^C or SIGTERM ends the server in order, a second
one at once.

Examples:
  vkernel serve smb files.img
  vkernel serve smb files.img:/home/ada --user ada --password-file ~/.smb-password
  vkernel serve smb files.img --bind 0.0.0.0 --port 445 --snapshot-every 15m`,
    )
    .action(async (spec: string, options: ServeSmbOptions) => exit(await serveSmb(spec, options)));
  return serve;
}
