// SPDX-License-Identifier: BSD-3-Clause
/**
 * undo(1) on image files: -f names the image, the operands are paths inside. Options and output follow the manual.
 *
 * All objects that ever had the name are found by its entries in the directory, so that removed and replaced files have
 * their past, too. Source: DragonFly usr.bin/undo/undo.c.
 * @module
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Command } from "commander";
import { resolvePath, splitPath, toByteString, type HammerInode, type HammerMount, type HistoryEntry } from "@vkernel/hammer";
import { openImage, volumePaths } from "@vkernel/hammer/node";
import { topCommand } from "../../ui/command.ts";
import { CliError } from "../../ui/errors.ts";
import { contents } from "../image/cat.ts";
import { printJson } from "./admin-context.ts";
import { writeOutput } from "./output.ts";
import { historyTime } from "./queries.ts";
import { unifiedDiff } from "./undo-diff.ts";

interface Options { f?: string; a?: boolean; d?: boolean; D?: boolean; i?: boolean; u?: boolean; v?: boolean; o?: string; t?: string[]; json?: boolean }
type Kind = "file" | "diff" | "rdiff" | "history";

/** A version: what was there from `tid` on. `objId` tells when a name changed hands. */
interface Version { tid: bigint; time: number; objId: bigint }

const MAX_TID = 0xffff_ffff_ffff_ffffn;
const MAX_FILE = 2 ** 52;
const hex = (tid: bigint): string => `0x${tid.toString(16).padStart(16, "0")}`;
const asof = (path: string, tid: bigint): string => (tid === 0n ? path : `${path}@@${hex(tid)}`);
const four = (n: number): string => String(n).padStart(4, "0");

/** Where the output of one version goes. */
interface Sink { write(bytes: Uint8Array): void; close(): void; isStdout: boolean }

const STDOUT: Sink = { write: writeOutput, close: () => {}, isStdout: true };

function fileSink(path: string): Sink {
  const fd = openSync(path, "w");
  return {
    write: (bytes) => { for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at); },
    close: () => closeSync(fd),
    isStdout: false,
  };
}

/** The -o template with the name in place of %s. Throws CliError for a malformed one. */
function fillTemplate(template: string, name: string): string {
  let names = 0;
  const filled = template.replaceAll(/%(.?)/gs, (_, c: string) => {
    if (c === "%") return "%";
    if (c !== "s" || ++names > 1) throw new CliError("-o", "Malformed output template", "one %s for the name, %% for a percent sign");
    return name;
  });
  return filled;
}

/** A file with what the commands do to it. */
class Undo {
  readonly #m: HammerMount;
  readonly #path: string;
  readonly #options: Options;
  readonly #kind: Kind;
  readonly #several: boolean;

  constructor(m: HammerMount, path: string, options: Options, several: boolean) {
    this.#m = m;
    this.#path = path;
    this.#options = options;
    this.#several = several;
    const two = (options.t?.length ?? 0) === 2;
    this.#kind = options.i ? "history" : options.D ? "rdiff" : options.d || two ? "diff" : "file";
  }

  get #name(): string { return this.#path.replace(/\/+$/, "").split("/").at(-1)!; }

  #open(tid: bigint): HammerInode | null {
    return resolvePath(this.#m, toByteString(asof(this.#path, tid)));
  }

  #exists(tid: bigint): boolean {
    const ip = this.#open(tid);
    if (ip !== null) this.#m.rele(ip);
    return ip !== null;
  }

  /** TIDs at which an object's contents changed. */
  #changes(ip: HammerInode): HistoryEntry[] {
    const m = this.#m;
    return ip.type === "file" ? m.dataHistory(ip, 0, MAX_FILE) : ip.type === "dir" ? m.directoryHistory(ip) : m.history(ip);
  }

  /** Versions by TID, of all objects that ever had this name, oldest first. */
  versions(): Version[] {
    const m = this.#m;
    const { dir: parent, name } = splitPath(toByteString(this.#path));
    const dir = resolvePath(m, parent);
    if (dir?.type !== "dir") throw new CliError(this.#path, "its directory does not exist");
    const byTid = new Map<bigint, Version>();
    const collect = (ip: HammerInode | null): void => {
      if (ip === null) return;
      for (const e of this.#changes(ip)) if (!byTid.has(e.tid)) byTid.set(e.tid, { ...e, objId: ip.objId });
      m.rele(ip);
    };
    if (name === "") collect(m.lookup(dir, "."));
    else for (const e of m.direntHistory(dir, name)) {
      const ip = this.#open(e.tid);
      if (ip?.dummy) {
        process.stderr.write(`Warning: fake transaction id ${asof(this.#path, e.tid)}\n`);
        m.rele(ip);
      } else {
        collect(ip);
      }
    }
    if (name !== "") collect(m.lookup(dir, name));
    m.rele(dir);
    return [...byTid.values()].sort((a, b) => (a.tid < b.tid ? -1 : 1));
  }

  run(): void {
    const versions = this.versions();
    if (versions.length === 0) process.stdout.write(`${this.#path}: No UNDO history found\n`);
    else if (this.#options.a || this.#options.i) this.#all(versions);
    else this.#one(versions);
  }

  /** The versions for JSON. */
  facts(): object {
    return {
      path: this.#path,
      versions: this.versions().map((v, i, all) => ({
        tid: v.tid, time: new Date(v.time * 1000).toISOString(), objId: v.objId, index: all.length - 1 - i, exists: this.#exists(v.tid),
      })),
    };
  }

  /** -t: a TID with 0x before it, or an index from the newest back. */
  #pick(versions: Version[], text: string): Version {
    if (/^0x[0-9a-f]+$/i.test(text)) {
      const tid = BigInt(text);
      return versions.find((v) => v.tid === tid) ?? { tid, time: 0, objId: 0n };
    }
    if (!/^\+?\d+$/.test(text)) throw new CliError(text, "is no transaction id", "0x and digits, or an index from 0, the newest, backwards");
    const v = versions.at(-1 - Number(text));
    if (v === undefined) throw new CliError(text, `there are only ${versions.length} versions`);
    return v;
  }

  #one(versions: Version[]): void {
    const [first, second] = this.#options.t ?? [];
    const now: Version = { tid: 0n, time: 0, objId: 0n };
    if (first !== undefined) {
      this.#generate(this.#pick(versions, first), second === undefined ? now : this.#pick(versions, second), 0, false);
      return;
    }
    // The version before the newest.
    const before = versions.at(-2);
    if (before === undefined) process.stdout.write(`${this.#path}: No UNDO history found\n`);
    else this.#generate(before, versions.at(-1)!, 0, false);
  }

  #all(versions: Version[]): void {
    process.stdout.write(`${this.#path}: ITERATE ENTIRE HISTORY\n`);
    versions.forEach((v, i) => {
      const next = versions[i + 1];
      // There is no difference to print behind the last.
      if (next === undefined && (this.#kind === "diff" || this.#kind === "rdiff")) return;
      this.#generate(v, next ?? { tid: MAX_TID, time: 0, objId: v.objId }, i, i > 0 && v.objId !== versions[i - 1]!.objId);
    });
  }

  #sink(index: number): Sink {
    const o = this.#options;
    const number = o.a ? `.${four(index)}` : "";
    if (o.o === "-") return STDOUT;
    if (o.o !== undefined) return fileSink(`${this.#several ? fillTemplate(o.o, this.#name) : o.o}${number}`);
    return o.u ? fileSink(`${this.#name}.undo${number}`) : STDOUT;
  }

  #history(v: Version, changed: boolean): void {
    process.stdout.write(`\t${hex(v.tid)} ${historyTime(v.time)}${changed ? " inode-change" : ""}${this.#exists(v.tid) ? "" : " file-deleted"}\n`);
  }

  #generate(from: Version, to: Version, index: number, changed: boolean): void {
    if (this.#kind === "history") {
      this.#history(from, changed);
      return;
    }
    const m = this.#m;
    const a = this.#open(from.tid);
    const b = to.tid === MAX_TID ? null : this.#open(to.tid);
    const nameA = asof(this.#path, from.tid), nameB = asof(this.#path, to.tid);
    try {
      if (a === null && b === null) {
        if (index === 0 || this.#options.v) process.stderr.write(`Unable to access either ${nameA} or ${nameB}\n`);
        return;
      }
      const sink = this.#sink(index);
      try {
        if (this.#kind === "file") this.#file(sink, a, from, index);
        else this.#diff(sink, { name: nameA, ip: a }, { name: nameB, ip: b }, to);
      } finally {
        sink.close();
      }
    } finally {
      for (const ip of [a, b]) if (ip !== null) m.rele(ip);
    }
  }

  #file(sink: Sink, ip: HammerInode | null, v: Version, index: number): void {
    // As the original: between the versions of an iteration, and before a single one.
    if (sink.isStdout && this.#options.o === undefined) process.stdout.write(`\n>>> ${this.#path} ${four(index)} ${hex(v.tid)} ${historyTime(v.time)}\n\n`);
    if (ip?.type === "file") for (const piece of contents(this.#m, ip)) sink.write(piece);
    else if (ip?.type === "dir") process.stderr.write(`undo: ${asof(this.#path, v.tid)}: is a directory (-d shows what changed, vkernel image export copies it)\n`);
  }

  #diff(sink: Sink, a: { name: string; ip: HammerInode | null }, b: { name: string; ip: HammerInode | null }, to: Version): void {
    const [before, after] = this.#kind === "diff" ? [a, b] : [b, a];
    process.stdout.write(`diff -N -r -u ${before.name} ${after.name}${this.#kind === "diff" ? ` (to ${historyTime(to.time)})` : ""}\n`);
    for (const piece of unifiedDiff(this.#m, before, after)) sink.write(Buffer.from(piece, "latin1"));
  }
}

function check(o: Options, several: boolean): void {
  if (o.o !== undefined && o.u) throw new CliError("-o", "may not be combined with -u");
  if (o.i && (o.d || o.D)) throw new CliError("-i", "may not be combined with -d or -D");
  if ((o.t?.length ?? 0) > 2) throw new CliError("-t", "at most two versions can be compared");
  if (o.o !== undefined && several) fillTemplate(o.o, "");
}

/** The whole command. */
export function undoCommand(): Command {
  return topCommand("undo")
    .description("earlier versions of files in a HAMMER image")
    .usage("-f IMAGE [-adDiuv] [-o outfile] [-t transaction-id] [-t transaction-id] path...")
    .argument("<path...>", "files or directories in the image; they need not exist any more")
    .requiredOption("-f <blkdevs>", "image, or volumes joined by colons")
    .option("-a", "all versions, by number")
    .option("-d", "difference from the older to the newer version; of directories, of all that is in them")
    .option("-D", "difference from the newer to the older version")
    .option("-i", "list the versions")
    .option("-u", "write to FILE.undo, with -a to FILE.undo.NNNN, in the current directory")
    .option("-v", "more messages")
    .option("-o <outfile>", "write to this file, with -a to outfile.NNNN; - for standard output; %s stands for the name when there are several")
    .option("-t <tid>", "version as of a transaction id (0x…), or an index back from 0; twice: the difference", (v: string, l: string[] = []) => [...l, v])
    .option("--json", "print the versions as JSON")
    .addHelpText("after", "\nExamples:\n  undo -f disk.img -i etc/passwd\n  undo -f disk.img -d etc/passwd\n  undo -f disk.img -t 0x00000001061a8ba0 -o passwd.old etc/passwd\n  undo -f disk.img -d -t 5 -t 0 etc            what changed in a directory")
    .action((paths: string[], o: Options) => {
      check(o, paths.length > 1);
      const m = openImage(volumePaths(o.f!));
      try {
        const all = paths.map((path) => new Undo(m, path, o, paths.length > 1));
        if (o.json) printJson("undo", { files: all.map((u) => u.facts()) });
        else for (const u of all) u.run();
      } finally {
        m.unmount();
      }
    });
}
