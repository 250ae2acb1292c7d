// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer` mirror-read, mirror-read-stream, mirror-write, mirror-dump, mirror-copy, mirror-stream: streams over pipes and
 * files, from image to image, and to other hosts. Source of commands and messages: DragonFly sbin/hammer/cmd_mirror.c.
 *
 * A stream is not written to, or read from, a terminal. What concerns people goes to standard error.
 * @module
 */
import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { mirrorCopy, MirrorDump, mirrorWindows, type HammerMount, type MirrorPass } from "@vkernel/hammer";
import { volumePaths } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { hex, maintain, pfsAt, printJson } from "./admin-context.ts";
import { bandwidth, checkQuiet, delayOption, note, noTerminal, splitSize, timeLimit, writerOf } from "./mirror-options.ts";
import { mirrorReadCommand } from "./mirror-read.ts";
import { copyByProcesses, copyEnd, type CopyEnd } from "./mirror-remote.ts";
import { mirrorWriteCommand, reportPass, slaveAt } from "./mirror-write.ts";
import { verbosity, type GlobalOptions } from "./options.ts";
import { bufferedOutput, readInput } from "./output.ts";

interface MirrorOptions { to?: string; json?: boolean; delay?: string; dryRun?: boolean }

/** Seconds until a lost link is tried again, besides the delay between passes. */
const LINK_PAUSE = 15;

/** `hammer mirror-dump`. */
function mirrorDump(what: string | undefined, o: { json?: boolean }): void {
  if (what !== undefined && what !== "header") throw new CliError(what, "is no operand of mirror-dump", "header, or nothing");
  noTerminal(process.stdin, "standard input", "a stream comes from a file or out of a pipe: hammer mirror-dump < changes.mirror");
  const out = bufferedOutput();
  const dump = new MirrorDump(out.print, { header: what === "header", json: o.json ?? false });
  try {
    for (const piece of readInput()) {
      dump.feed(piece);
      if (dump.done) break;
    }
    dump.end();
  } finally {
    out.flush();
  }
}

function sameFiles(a: readonly string[], b: readonly string[]): boolean {
  const id = (path: string): string => {
    const st = statSync(path);
    return `${st.dev}:${st.ino}`;
  };
  const inA = new Set(a.map(id));
  return b.some((path) => inA.has(id(path)));
}

/** Two images of this machine. */
interface LocalCopy { from: string[]; source: string; to: string[]; target: string; g: GlobalOptions; inTime: () => boolean }

function withBoth<T>({ from, to }: LocalCopy, readOnly: boolean, body: (a: HammerMount, b: HammerMount) => T): T {
  return sameFiles(from, to) ? maintain(to, (m) => body(m, m), { readOnly })
    : maintain(from, (a) => maintain(to, (b) => body(a, b), { readOnly }), { readOnly: true });
}

/** All passes that bring the slave up to its source; null in place of one that -t ended. */
function copyOnce(c: LocalCopy): (MirrorPass | null)[] {
  const { g } = c;
  const terminal = process.stderr.isTTY && verbosity(g) >= 0;
  const limit = bandwidth(g);
  return withBoth(c, false, (a, b) => {
    const src = pfsAt(a, c.source);
    const pfs = slaveAt(b, g, c.target, src.sharedUuid);
    const since = pfsAt(b, c.target).syncEndTid;
    const split = splitSize(g);
    if (!a.readOnly) a.sync();
    const windows = split === Infinity ? [] : mirrorWindows(a, { pfs: src.id, tidBeg: since + 1n }, split);
    const passes: (MirrorPass | null)[] = [];
    let before = 0;
    const progress = (bytes: number): boolean => {
      limit(Math.max(0, bytes - before));
      before = bytes;
      if (terminal) process.stderr.write(`\rmirror-copy: ${(bytes / 2 ** 20).toFixed(0)} MiB\u001b[K`);
      return c.inTime();
    };
    try {
      // The last pass ends where the source is by then, not where it was when it was cut into passes.
      for (const tidEnd of [...windows.slice(0, -1).map((w) => w.tidEnd), undefined]) {
        before = 0;
        const pass = mirrorCopy({ mount: a, pfs: src.id }, { mount: b, pfs }, { progress, tidEnd });
        passes.push(pass);
        if (pass === null) break;
      }
    } finally {
      if (terminal) process.stderr.write("\r\u001b[K");
    }
    return passes;
  });
}

/** What a copy would send. */
function copyDryRun(c: LocalCopy, json: boolean): void {
  withBoth(c, true, (a, b) => {
    const src = pfsAt(a, c.source);
    const slave = b.listPfs().find((p) => p.slave && p.sharedUuid === src.sharedUuid);
    const tidBeg = slave === undefined ? 0n : slave.syncEndTid + 1n;
    const windows = mirrorWindows(a, { pfs: src.id, tidBeg }, splitSize(c.g));
    const bytes = windows.reduce((sum, w) => sum + w.bytes, 0);
    if (json) printJson("hammer mirror-copy", { source: c.source, target: c.target, dryRun: true, slave: slave?.id ?? null, passes: windows.length, bytes });
    else process.stdout.write(`${slave === undefined ? `a slave PFS would be made at ${c.target}; ` : ""}${windows.length} passes from 0x${hex(tidBeg)} on, about ${bytes} bytes, would be sent\n`);
  });
}

async function copyLocal(c: LocalCopy, o: MirrorOptions, stream: boolean): Promise<void> {
  const delay = delayOption(c.g, o.delay) * 1000;
  do {
    if (stream && writerOf(c.from) !== null) {
      await sleep(Math.max(delay, 200)); // its turn comes
      continue;
    }
    checkQuiet(c.from, c.g);
    for (const pass of copyOnce(c)) {
      if (pass === null) {
        note(c.g, `Mirror-copy ${c.target}: stopped by -t; the next run goes on where the slave is complete`);
        return;
      }
      reportPass(c.g, c.target, pass);
      if (o.json) printJson("hammer mirror-copy", { source: c.source, target: c.target, pass });
    }
    if (stream) await sleep(delay);
  } while (stream && c.inTime());
}

/** `hammer mirror-copy` and `mirror-stream`. */
async function copy(volumes: () => string[], g: GlobalOptions, sourceText: string, targetText: string, o: MirrorOptions, stream: boolean): Promise<void> {
  const source = copyEnd(sourceText), target = copyEnd(targetText);
  const inTime = timeLimit(g);
  const given = (end: CopyEnd, option: string | undefined): string[] =>
    end.blkdevs !== null ? volumePaths(end.blkdevs) : option !== undefined ? volumePaths(option) : volumes();
  if (source.host === null && target.host === null) {
    const c: LocalCopy = { from: given(source, undefined), source: source.path, to: given(target, o.to), target: target.path, g, inTime };
    if (o.dryRun) copyDryRun(c, o.json ?? false);
    else await copyLocal(c, o, stream);
    return;
  }
  if (o.dryRun || o.json) throw new CliError(o.dryRun ? "--dry-run" : "--json", "is for images of this machine");
  const local = { from: source.host === null ? given(source, undefined).join(":") : "", to: target.host === null ? given(target, o.to).join(":") : "" };
  const delay = delayOption(g, o.delay);
  for (;;) {
    try {
      await copyByProcesses({ ...g, i: String(delay) }, source, target, local, stream);
      return;
    } catch (e) {
      if (!stream || !inTime()) throw e;
      note(g, `Lost Link: ${(e as Error).message}`);
      await sleep((LINK_PAUSE + delay) * 1000);
    }
  }
}

/** Adds the commands to `hammer`. */
export function registerMirror(hammer: Command, options: () => GlobalOptions, volumes: () => string[]): void {
  for (const [name, what, streaming] of [["mirror-read", "write a PFS as a stream to standard output", false], ["mirror-read-stream", "as mirror-read, and go on with what changes", true]] as const)
    hammer.command(name).argument("<fs>", "a PFS: its link, its root, or a path in it").argument("[begin-tid]", "only what changed from there on")
      .description(what)
      .addHelpText("after", `
Before the command: -2 asks the other end where to begin; -S and -B cut a large transfer into passes, or do not; -b limits the
bytes a second; -t ends after seconds; -c keeps a file with the transaction id to go on from; -i is the least delay of a stream.`)
      .action((path: string, begin: string | undefined) => mirrorReadCommand(volumes(), options(), path, begin, streaming));
  hammer.command("mirror-write").argument("<fs>", "a slave PFS; made if it does not exist, after a question or with -y")
    .description("apply a stream from standard input to a slave PFS")
    .addHelpText("after", "\nA damaged stream is refused at the record, and what was applied of its pass stays invisible. -2 answers the source.")
    .action((path: string) => mirrorWriteCommand(volumes(), options(), path));
  hammer.command("mirror-dump").argument("[header]").description("print a stream from standard input as text").option("--json", "a line of JSON for each record")
    .action((what: string | undefined, o: { json?: boolean }) => mirrorDump(what, o));
  const copying = (name: string, what: string): Command => hammer.command(name)
    .argument("<source>", "a PFS: path, image:/path, [user@]host:path or [user@]host:image:/path").argument("<target>", "a slave PFS, likewise; made if it does not exist")
    .option("--to <blkdevs>", "image of the target; default the one of -f").option("--json", "print the result as JSON")
    .addHelpText("after", `
Other hosts are reached by ssh, or what HAMMER_RSH names; "hammer" is run there, of this program or of DragonFly. Before the
command: -p and -X go to ssh; -y, -v, -b, -S, -B, -t as with mirror-read.

Examples:
  hammer -f disk.img -y mirror-copy --to backup.img / /disk
  hammer -f disk.img -y mirror-copy / ada@backup:/srv/backup.img:/disk      an image there
  hammer -f disk.img mirror-stream / dragonfly.example:/pfs/disk            a mounted file system there`)
    .description(what);
  copying("mirror-copy", "bring a slave PFS up to its source").option("--dry-run", "only tell how much would be sent")
    .action((a: string, b: string, o: MirrorOptions) => copy(volumes, options(), a, b, o, false));
  copying("mirror-stream", "as mirror-copy, again and again").option("--delay <seconds>", "between two passes; as -i")
    .action((a: string, b: string, o: MirrorOptions) => copy(volumes, options(), a, b, o, true));
}
