// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer` mirror-read, mirror-write, mirror-dump, mirror-copy, mirror-stream: streams over pipes and files, and from image
 * to image. Source of commands and messages: DragonFly sbin/hammer/cmd_mirror.c.
 *
 * A stream is not written to, or read from, a terminal. What concerns people goes to standard error.
 */
import { randomFillSync } from "node:crypto";
import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import {
  createPfs, mirrorCopy, mirrorWrite, MirrorDump, resolvePath, toByteString, type HammerMount, type MirrorPass,
} from "@vkernel/hammer";
import { volumePaths } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { confirm, findParent, hex, maintain, pfsAt, printJson, type GlobalOptions } from "./admin-context.ts";
import { bufferedOutput, readInput, writeOutput } from "./output.ts";

interface MirrorOptions { to?: string; json?: boolean; delay?: string }

const DEFAULT_DELAY = 5;
/** Bytes of a stream that are collected before they are written. */
const PIECE = 1 << 18;

function note(g: GlobalOptions, text: string, level = 0): void {
  if ((g.v ?? 0) - (g.q ?? 0) >= level) process.stderr.write(`${text}\n`);
}

function beginTid(text: string | undefined): bigint {
  if (text === undefined) return 0n;
  if (!/^(0x)?[0-9a-f]+$/i.test(text)) throw new CliError(text, "is no transaction id in hex");
  return BigInt(`0x${text.replace(/^0x/i, "")}`);
}

/** Throws where a stream would go to or come from a terminal. */
function noTerminal(stream: NodeJS.ReadStream | NodeJS.WriteStream, name: string, hint: string): void {
  if (stream.isTTY) throw new CliError(name, "is a terminal", hint);
}

/** hosts, as the original takes them, cannot be reached from here; a pipe does it. */
function checkLocal(path: string): void {
  if (/^[\w.@-]+:\//.test(path))
    throw new CliError(path, "other hosts are reached by a pipe", `hammer -f IMG mirror-read / | ssh ${path.slice(0, path.indexOf(":"))} hammer mirror-write ${path.slice(path.indexOf(":") + 1)}`);
}

/** `hammer mirror-read`. */
function mirrorRead(volumes: string[], g: GlobalOptions, path: string, begin: string | undefined): void {
  noTerminal(process.stdout, "standard output", "a stream goes to a file or into a pipe: hammer -f IMG mirror-read / > changes.mirror");
  const tidBeg = beginTid(begin);
  maintain(volumes, (m) => {
    const pfs = pfsAt(m, path);
    let pieces: Uint8Array[] = [];
    let size = 0;
    let total = 0;
    for (const record of m.mirrorRead({ pfs: pfs.id, tidBeg })) {
      pieces.push(record);
      size += record.length;
      total += record.length;
      if (size >= PIECE) {
        writeOutput(Buffer.concat(pieces));
        pieces = [];
        size = 0;
      }
    }
    writeOutput(Buffer.concat(pieces));
    note(g, `Mirror-read: ${total} bytes, transaction ids up to 0x${hex(pfs.syncEndTid)}`, 1);
  }, { readOnly: true });
}

/** The slave at `path`; if there is nothing, one is made, with -y without asking. */
function slaveAt(m: HammerMount, g: GlobalOptions, path: string, sharedUuid: string): number {
  const old = resolvePath(m, toByteString(path), { follow: false });
  if (old !== null) {
    m.rele(old);
    return pfsAt(m, path).id;
  }
  if (!g.y && !process.stdin.isTTY)
    throw new CliError(path, "PFS slave does not exist", "-y before the command makes one, or pfs-slave with the shared-uuid of the source");
  if (!confirm(g, `PFS slave ${path} does not exist.\nDo you want to create a new slave PFS?`)) throw new CliError(path, "Aborting operation");
  const { dir, name } = findParent(m, path);
  const { id } = createPfs(m, dir, name, { slave: true, sharedUuid, random: (b) => randomFillSync(b) });
  m.rele(dir);
  process.stderr.write(`Creating PFS#${id}\tsucceeded!\n`);
  return id;
}

function report(g: GlobalOptions, path: string, pass: MirrorPass): void {
  if (pass.damaged > 0) note(g, `Mirror-write ${path}: ${pass.damaged} records could not be read whole at the source and were left out`);
  note(g, pass.idle ? `Mirror-write ${path}: nothing new`
    : `Mirror-write ${path}: ${pass.inserted} records with ${pass.bytes} bytes written, ${pass.deleted} marked deleted`, 1);
}

/** `hammer mirror-write`. */
function mirrorWriteCommand(volumes: string[], g: GlobalOptions, path: string): void {
  noTerminal(process.stdin, "standard input", "a stream comes from a file or out of a pipe: hammer -f IMG mirror-write /slave < changes.mirror");
  maintain(volumes, (m) => {
    mirrorWrite(m, readInput(), {
      pfs: (uuid) => slaveAt(m, g, path, uuid),
      onPass: (pass) => {
        report(g, path, pass);
        process.stdout.write(`Source can update synctid to 0x${hex(pass.tidEnd)}\n`);
      },
    });
  });
}

/** `hammer mirror-dump`. */
function mirrorDump(what: string | undefined): void {
  if (what !== undefined && what !== "header") throw new CliError(what, "is no operand of mirror-dump", "header, or nothing");
  noTerminal(process.stdin, "standard input", "a stream comes from a file or out of a pipe: hammer mirror-dump < changes.mirror");
  const out = bufferedOutput();
  const dump = new MirrorDump(out.print, { header: what === "header" });
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

/** One pass from image to image. */
function copyOnce(g: GlobalOptions, from: string[], source: string, to: string[], target: string): MirrorPass | null {
  const deadline = g.t === undefined ? Infinity : Date.now() + Number(g.t) * 1000;
  const terminal = process.stderr.isTTY && (g.q ?? 0) === 0;
  const progress = (bytes: number): boolean => {
    if (terminal) process.stderr.write(`\rmirror-copy: ${(bytes / 2 ** 20).toFixed(0)} MiB\u001b[K`);
    return Date.now() < deadline;
  };
  const run = (a: HammerMount, b: HammerMount): MirrorPass | null => {
    const src = pfsAt(a, source);
    const pfs = slaveAt(b, g, target, src.sharedUuid);
    try {
      return mirrorCopy({ mount: a, pfs: src.id }, { mount: b, pfs }, { progress });
    } finally {
      if (terminal) process.stderr.write("\r\u001b[K");
    }
  };
  return sameFiles(from, to) ? maintain(to, (m) => run(m, m))
    : maintain(from, (a) => maintain(to, (b) => run(a, b)), { readOnly: true });
}

/** `hammer mirror-copy` and `mirror-stream`. */
async function copy(volumes: string[], g: GlobalOptions, source: string, target: string, o: MirrorOptions, stream: boolean): Promise<void> {
  checkLocal(source);
  checkLocal(target);
  if (g.t !== undefined && !/^\d+$/.test(g.t)) throw new CliError("-t", `'${g.t}' is no number of seconds`);
  const delay = o.delay === undefined ? DEFAULT_DELAY : Number(o.delay);
  if (!(delay >= 0)) throw new CliError("--delay", `'${o.delay}' is no number of seconds`);
  const to = o.to === undefined ? volumes : volumePaths(o.to);
  const end = g.t === undefined ? Infinity : Date.now() + Number(g.t) * 1000;
  do {
    const pass = copyOnce(g, volumes, source, to, target);
    if (pass === null) {
      note(g, `Mirror-copy ${target}: stopped by -t; the next run goes on where the slave is complete`);
      return;
    }
    report(g, target, pass);
    if (o.json) printJson("mirror-copy", { source, target, pass });
    if (stream) await sleep(delay * 1000);
  } while (stream && Date.now() < end);
}

/** Adds the commands to `hammer`. */
export function registerMirror(hammer: Command, options: () => GlobalOptions, volumes: () => string[]): void {
  hammer.command("mirror-read").argument("<fs>", "a PFS: its link, its root, or a path in it").argument("[begin-tid]", "only what changed from there on")
    .description("write a PFS as a stream to standard output")
    .action((path: string, begin: string | undefined) => mirrorRead(volumes(), options(), path, begin));
  hammer.command("mirror-write").argument("<fs>", "a slave PFS; made if it does not exist")
    .description("apply a stream from standard input to a slave PFS")
    .action((path: string) => mirrorWriteCommand(volumes(), options(), path));
  hammer.command("mirror-dump").argument("[header]").description("print a stream from standard input as text")
    .action((what: string | undefined) => mirrorDump(what));
  const copying = (name: string, what: string): Command => hammer.command(name).argument("<source>", "a PFS").argument("<target>", "a slave PFS; made if it does not exist")
    .option("--to <blkdevs>", "image of the target; default the one of -f").option("--json", "print the result as JSON").description(what);
  copying("mirror-copy", "bring a slave PFS up to its source")
    .action((a: string, b: string, o: MirrorOptions) => copy(volumes(), options(), a, b, o, false));
  copying("mirror-stream", "as mirror-copy, again and again").option("--delay <seconds>", "between two passes; default 5")
    .action((a: string, b: string, o: MirrorOptions) => copy(volumes(), options(), a, b, o, true));
}
