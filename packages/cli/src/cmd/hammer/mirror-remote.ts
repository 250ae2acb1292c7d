// SPDX-License-Identifier: BSD-3-Clause
/**
 * mirror-copy and mirror-stream where an end is on another host: `hammer mirror-read` and `hammer mirror-write`, each here
 * or at the end of ssh, joined by pipes in both directions. Source: DragonFly sbin/hammer/cmd_mirror.c,
 * hammer_cmd_mirror_copy().
 *
 * The other host may run DragonFly, with the path of a mounted file system, or this program, with an image:
 * [user@]host:image:/path.
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { CliError } from "../../ui/errors.ts";
import type { GlobalOptions } from "./options.ts";

/** One end of a copy. */
export interface CopyEnd {
  /** null: this machine. */
  host: string | null;
  user: string | null;
  /** Volumes, joined by colons; null: those of -f or --to, or a mounted file system of the host. */
  blkdevs: string | null;
  path: string;
}

/** Takes an operand apart: path, image:/path where there is such an image, [user@]host:path, [user@]host:image:/path. */
export function copyEnd(text: string): CopyEnd {
  const image = /^(.+):(\/[^:]*)$/.exec(text);
  if (image !== null && existsSync(image[1]!.split(":")[0]!)) return { host: null, user: null, blkdevs: image[1]!, path: image[2]! };
  const remote = /^(?:([^@:/]+)@)?([^@:/]+):(.+)$/.exec(text);
  if (remote === null) return { host: null, user: null, blkdevs: null, path: text };
  const [, user, host, rest] = remote;
  // They become arguments of ssh.
  for (const word of [user, host]) if (word?.startsWith("-")) throw new CliError(text, `'${word}' is no name of a user or host`);
  const remoteImage = /^(.+):(\/[^:]*)$/.exec(rest!);
  return { host: host!, user: user ?? null, blkdevs: remoteImage?.[1] ?? null, path: remoteImage?.[2] ?? rest! };
}

/** A word as the shell of the other host takes it. */
function quoted(word: string): string { return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`; }

/** Arguments of the command at one end. */
function commandOf(g: GlobalOptions, end: CopyEnd, command: string, blkdevs: string | null): string[] {
  const verbose = (g.v ?? 0) - (g.q ?? 0);
  const source = command !== "mirror-write";
  return [
    ...(blkdevs === null ? [] : ["-f", blkdevs]),
    ...(verbose > 0 ? [`-${"v".repeat(Math.min(3, verbose))}`] : verbose < 0 ? [`-${"q".repeat(-verbose)}`] : []),
    ...(g.y ? ["-y"] : []), "-2",
    ...(source && g.t !== undefined ? ["-t", g.t] : []), ...(source && g.S !== undefined ? ["-S", g.S] : []), ...(source && g.B ? ["-B"] : []),
    ...(source && g.i !== undefined ? ["-i", g.i] : []), ...(source && g.b !== undefined ? ["-b", g.b] : []),
    ...(source && end.host === null && g.c !== undefined ? ["-c", g.c] : []), ...(source && end.host === null && g.e !== undefined ? ["-e", g.e] : []),
    command, end.path,
  ];
}

function start(g: GlobalOptions, end: CopyEnd, command: string, localVolumes: string): ChildProcess {
  const stdio: ["pipe", "pipe", "inherit"] = ["pipe", "pipe", "inherit"];
  if (end.host === null) return spawn(process.execPath, [process.argv[1]!, ...commandOf(g, end, command, end.blkdevs ?? localVolumes)], { stdio });
  const words = [
    ...(g.X ? ["-C"] : []), ...(end.user === null ? [] : ["-l", end.user]), ...(g.p === undefined ? [] : ["-p", g.p]), end.host,
    "hammer", ...commandOf(g, end, command, end.blkdevs).map(quoted),
  ];
  return spawn(process.env["HAMMER_RSH"] ?? "ssh", words, { stdio });
}

/** Resolves to what went wrong with a process, or null if nothing did. */
function ended(child: ChildProcess, name: string): Promise<string | null> {
  return new Promise((resolve) => {
    child.on("error", (e) => resolve(`${name} cannot be started: ${e.message}`));
    child.on("close", (status, signal) => resolve(status === 0 ? null : `${name} ended with ${signal ?? `status ${status}`}`));
  });
}

/** Runs both ends until they end. Throws CliError if one of them failed. */
export async function copyByProcesses(g: GlobalOptions, source: CopyEnd, target: CopyEnd, volumes: { from: string; to: string }, stream: boolean): Promise<void> {
  const reader = start(g, source, stream ? "mirror-read-stream" : "mirror-read", volumes.from);
  const writer = start(g, target, "mirror-write", volumes.to);
  // An end that is gone is told by its status, not by the pipe to it.
  for (const child of [reader, writer]) child.stdin!.on("error", () => child.stdin!.destroy());
  reader.stdout!.pipe(writer.stdin!);
  writer.stdout!.pipe(reader.stdin!);
  const name = (end: CopyEnd, command: string): string => `${command}${end.host === null ? "" : ` on ${end.host}`}`;
  const failures = await Promise.all([ended(reader, name(source, "mirror-read")), ended(writer, name(target, "mirror-write"))]);
  const [first] = failures.filter((f) => f !== null).reverse();
  if (first !== undefined) throw new CliError("mirror-copy", first, "the slave stays as its last complete pass left it; the next run goes on from there");
}
