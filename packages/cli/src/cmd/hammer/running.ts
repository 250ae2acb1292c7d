// SPDX-License-Identifier: BSD-3-Clause
/**
 * The commands of hammer(8) that concern a kernel or other processes: bstats, iostats, stats, abort-cleanup, ssh-remote.
 * Source: DragonFly sbin/hammer/cmd_stats.c, cmd_abort.c, cmd_remote.c.
 * @module
 */
import type { Command } from "commander";
import { ImageLock } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import type { GlobalOptions } from "./options.ts";

/** Options that a remote request may bring along; true for those with a value. What names files on this side is not among them. */
const REMOTE_OPTIONS = new Map([["2", false], ["B", false], ["d", false], ["q", false], ["v", false], ["X", false], ["y", false],
  ["b", true], ["i", true], ["S", true], ["t", true]]);
const END_WAIT_MS = 5000;

/**
 * The request in SSH_ORIGINAL_COMMAND as arguments for this side's file system, restricted to `commands` and to paths below
 * `target`. Throws CliError for one that is refused.
 */
export function remoteArguments(request: string | undefined, g: GlobalOptions, commands: string, target: string): string[] {
  if (request === undefined) throw new CliError("ssh-remote", "SSH_ORIGINAL_COMMAND env missing", "this is for authorized_keys: command=\"hammer -f IMG ssh-remote mirror-read /\"");
  const [program, ...words] = request.split(/[ \t\r\n]+/).filter((w) => w !== "");
  if (program === undefined) throw new CliError("hammer-remote", "null command");
  if (!/^(?:.*\/)?hammer$/.test(program)) throw new CliError("hammer-remote", "Command not 'hammer'");
  const options: string[] = [];
  let at = 0;
  for (; at < words.length && words[at]!.startsWith("-"); at++) {
    const letters = words[at]!.slice(1);
    const [first] = letters;
    const valued = REMOTE_OPTIONS.get(first ?? "") === true;
    if (letters === "" || (!valued && ![...letters].every((c) => REMOTE_OPTIONS.get(c) === false)))
      throw new CliError("hammer-remote", `option ${words[at]} is not allowed`);
    options.push(words[at]!);
    if (valued && letters.length === 1) options.push(words[++at] ?? "");
  }
  return [...(g.f === undefined ? [] : ["-f", g.f]), "-R", commands, "-T", target, ...options, "--", ...words.slice(at)];
}

/** Ends the process that cleans the image up; what it had done stays, and the next writer recovers the image. */
async function abortCleanup(volumes: string[]): Promise<void> {
  const holder = ImageLock.holder(volumes[0]!);
  if (holder === null) return;
  if (!/(?:^| )cleanup(?: |$)/.test(holder.command)) throw new CliError(volumes[0]!, `is in use by process ${holder.pid}, which is no cleanup: ${holder.command}`);
  process.kill(holder.pid, "SIGTERM");
  for (let waited = 0; waited < END_WAIT_MS && ImageLock.holder(volumes[0]!)?.pid === holder.pid; waited += 50)
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  if (ImageLock.holder(volumes[0]!)?.pid === holder.pid) throw new CliError(String(holder.pid), "the process does not end");
  process.stdout.write(`Terminated cleanup process ${holder.pid}\n`);
}

/** Adds the commands to `hammer`; `again` runs another command line. */
export function registerRunning(hammer: Command, options: () => GlobalOptions, volumes: () => string[], again: (args: string[]) => Promise<void>): void {
  for (const [name, what] of [["bstats", "B-Tree"], ["iostats", "I/O"], ["stats", "B-Tree and I/O"]] as const)
    hammer.command(name).argument("[interval]").description(`${what} statistics of a running kernel; not of an image`)
      .action(() => {
        throw new CliError(name, `these are counters of the kernel that has the file system mounted (${what}); an image has none`,
          "vkernel run --stats counts what a guest does; hammer info tells how full the image is");
      });
  hammer.command("abort-cleanup").description("end the cleanup that is running on the image")
    .addHelpText("after", "\nThe process gets SIGTERM. What it had done stays done; the next command recovers the image, as after a power cut.")
    .action(() => abortCleanup(volumes()));
  hammer.command("ssh-remote").argument("<commands>", "joined by commas, such as mirror-read").argument("<target>", "path that requests must be below")
    .description("run the request of an ssh client, if it is one of these commands")
    .addHelpText("after", `
For authorized_keys, so that a key gives access to mirroring and nothing else:

  command="hammer -f /srv/disk.img ssh-remote mirror-write /backup" ssh-ed25519 …

The image is the one named here. Requests may not bring -c, -e, -f or other options that name files.`)
    .action((commands: string, target: string) => again(remoteArguments(process.env["SSH_ORIGINAL_COMMAND"], options(), commands, target)));
}

/** Refuses a command that -R does not name. */
export function checkRestriction(g: GlobalOptions, command: string): void {
  if (g.R !== undefined && !g.R.split(",").includes(command)) throw new CliError("hammer-remote", "request does not match restricted command");
}

/** Refuses a path outside of what -T names. */
export function checkTarget(g: GlobalOptions, path: string): void {
  if (g.T === undefined) return;
  const base = g.T.replace(/\/+$/, "");
  if (path !== g.T && path !== base && !path.startsWith(`${base}/`)) throw new CliError("hammer-remote", "restricted target");
  if (path.split("/").some((c) => c.startsWith(".."))) throw new CliError("hammer-remote", "'..' not allowed");
}
