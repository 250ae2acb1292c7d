// SPDX-License-Identifier: BSD-3-Clause
/**
 * undo(1) on image files: -f names the image, the operands are paths inside. Options and output follow the manual.
 * Source: DragonFly usr.bin/undo/undo.c.
 * @module
 */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { createTwoFilesPatch } from "diff";
import { resolvePath, splitPath, toByteString, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { openImage, volumePaths } from "@vkernel/hammer/node";
import { topCommand } from "../../ui/command.ts";
import { CliError } from "../../ui/errors.ts";
import { contents } from "../image/cat.ts";
import { historyTime } from "./queries.ts";

interface Options { f?: string; a?: boolean; d?: boolean; D?: boolean; i?: boolean; u?: boolean; v?: boolean; o?: string; t?: string[] }
type Kind = "file" | "diff" | "rdiff" | "history";

/** A version: what was there from `tid` on. `objId` tells when a name changed hands. */
interface Version { tid: bigint; time: number; objId: bigint }

const MAX_TID = 0xffff_ffff_ffff_ffffn;
const MAX_FILE = 2 ** 52;
const hex = (tid: bigint): string => `0x${tid.toString(16).padStart(16, "0")}`;
const asof = (path: string, tid: bigint): string => (tid === 0n ? path : `${path}@@${hex(tid)}`);

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

  #open(tid: bigint): HammerInode | null {
    return resolvePath(this.#m, toByteString(asof(this.#path, tid)));
  }

  /** Versions by TID, of all objects that ever had this name, oldest first. */
  #versions(): Version[] {
    const m = this.#m;
    const { dir: parent, name } = splitPath(toByteString(this.#path));
    const dir = resolvePath(m, parent);
    if (dir?.type !== "dir") throw new CliError(this.#path, "its directory does not exist");
    const byTid = new Map<bigint, Version>();
    const collect = (ip: HammerInode | null): void => {
      if (ip?.type === "file")
        for (const e of m.dataHistory(ip, 0, MAX_FILE)) if (!byTid.has(e.tid)) byTid.set(e.tid, { ...e, objId: ip.objId });
      if (ip) m.rele(ip);
    };
    for (const e of m.direntHistory(dir, name)) collect(this.#open(e.tid));
    collect(m.lookup(dir, name));
    m.rele(dir);
    return [...byTid.values()].sort((a, b) => (a.tid < b.tid ? -1 : 1));
  }

  run(): void {
    const versions = this.#versions();
    if (versions.length === 0) {
      process.stdout.write(`${this.#path}: No UNDO history found\n`);
      return;
    }
    if (this.#options.a || this.#options.i) this.#all(versions);
    else this.#one(versions);
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

  #bytes(tid: bigint): Buffer | null {
    const ip = this.#open(tid);
    if (ip === null) return null;
    const bytes = ip.type === "file" ? Buffer.concat([...contents(this.#m, ip)]) : Buffer.alloc(0);
    this.#m.rele(ip);
    return bytes;
  }

  #emit(bytes: Buffer, index: number, version: Version): void {
    const o = this.#options;
    if (o.o === "-") {
      process.stdout.write(bytes);
    } else if (o.o !== undefined) {
      writeFileSync(this.#several ? o.o.replace("%s", this.#path.split("/").at(-1)!) : o.o, bytes);
    } else if (o.u) {
      writeFileSync(`${this.#path.split("/").at(-1)!}.undo${o.a ? `.${String(index).padStart(4, "0")}` : ""}`, bytes);
    } else {
      if (this.#kind === "file")
        process.stdout.write(`\n>>> ${this.#path} ${String(index).padStart(4, "0")} ${hex(version.tid)} ${historyTime(version.time)}\n\n`);
      process.stdout.write(bytes);
    }
  }

  #generate(from: Version, to: Version, index: number, changed: boolean): void {
    const a = this.#bytes(from.tid);
    if (this.#kind === "history") {
      process.stdout.write(`\t${hex(from.tid)} ${historyTime(from.time)}${changed ? " inode-change" : ""}${a === null ? " file-deleted" : ""}\n`);
      return;
    }
    const nameA = asof(this.#path, from.tid);
    if (this.#kind === "file") {
      if (a === null) {
        if (index === 0 || this.#options.v) process.stderr.write(`Unable to access either ${nameA} or ${asof(this.#path, to.tid)}\n`);
        return;
      }
      this.#emit(a, index, from);
      return;
    }
    const b = this.#bytes(to.tid);
    const nameB = asof(this.#path, to.tid);
    const [oldName, newName, oldBytes, newBytes] = this.#kind === "diff" ? [nameA, nameB, a, b] : [nameB, nameA, b, a];
    process.stdout.write(`diff -N -r -u ${oldName} ${newName}${this.#kind === "diff" ? ` (to ${historyTime(to.time)})` : ""}\n`);
    // Bytes, not text: the files may be in any encoding.
    const text = (bytes: Buffer | null): string => bytes?.toString("latin1") ?? "";
    if (text(oldBytes) === text(newBytes)) return;
    const patch = createTwoFilesPatch(oldName, newName, text(oldBytes), text(newBytes), undefined, undefined, { context: 3 });
    this.#emit(Buffer.from(patch.replace(/^=+\n/, ""), "latin1"), index, from);
  }
}

/** The whole command. */
export function undoCommand(): Command {
  return topCommand("undo")
    .description("earlier versions of files in a HAMMER image")
    .usage("-f IMAGE [-adDiuv] [-o outfile] [-t transaction-id] [-t transaction-id] path...")
    .argument("<path...>", "files in the image")
    .requiredOption("-f <blkdevs>", "image, or volumes joined by colons")
    .option("-a", "all versions")
    .option("-d", "difference from the older to the newer version")
    .option("-D", "difference from the newer to the older version")
    .option("-i", "list the versions")
    .option("-u", "write to FILE.undo, with -a to FILE.undo.NNNN")
    .option("-v", "more messages")
    .option("-o <outfile>", "write to this file, - for standard output; %s stands for the name when there are several")
    .option("-t <tid>", "version as of a transaction id (0x…), or an index back from 0; twice: the difference", (v: string, l: string[] = []) => [...l, v])
    .addHelpText("after", "\nExamples:\n  undo -f disk.img -i etc/passwd\n  undo -f disk.img -d etc/passwd\n  undo -f disk.img -t 0x00000001061a8ba0 -o passwd.old etc/passwd")
    .action((paths: string[], o: Options) => {
      if (o.o !== undefined && o.u) throw new CliError("-o", "may not be combined with -u");
      if ((o.t?.length ?? 0) > 2) throw new CliError("-t", "at most two versions can be compared");
      const m = openImage(volumePaths(o.f!));
      try {
        for (const path of paths) new Undo(m, path, o, paths.length > 1).run();
      } finally {
        m.unmount();
      }
    });
}
