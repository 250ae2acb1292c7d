// SPDX-License-Identifier: BSD-3-Clause
/** `hammer` snapshot, snap, snaplo, snapq, snaprm, config, viconfig. Source: DragonFly sbin/hammer/cmd_snapshot.c, cmd_config.c. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  addSnapshot, fromByteString, isHammerError, removeSnapshot, resolvePath, setConfig, takeSnapshotTid, toByteString, type HammerMount,
} from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { findParent, hex, maintain, pfsAt, pfsIdAt, printJson, type CommandOptions } from "./admin-context.ts";

const two = (n: number): string => String(n).padStart(2, "0");

/** The conversions of strftime that names of snapshots use. */
export function strftime(format: string, d: Date): string {
  return format.replaceAll(/%(.)/g, (whole, c: string) => {
    switch (c) {
      case "Y": return String(d.getFullYear());
      case "m": return two(d.getMonth() + 1);
      case "d": return two(d.getDate());
      case "H": return two(d.getHours());
      case "M": return two(d.getMinutes());
      case "S": return two(d.getSeconds());
      case "y": return two(d.getFullYear() % 100);
      case "j": return String(Math.round((Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) - Date.UTC(d.getFullYear(), 0, 1)) / 86_400_000) + 1).padStart(3, "0");
      case "s": return String(Math.floor(d.getTime() / 1000));
      case "F": return strftime("%Y-%m-%d", d);
      case "T": return strftime("%H:%M:%S", d);
      case "%": return "%";
      default: throw new CliError(format, `conversion ${whole} is not known`, "%Y %y %m %d %j %H %M %S %s %F %T");
    }
  });
}

const isDirectory = (m: HammerMount, path: string): boolean => {
  const ip = resolvePath(m, toByteString(path));
  if (ip === null) return false;
  const yes = ip.type === "dir";
  m.rele(ip);
  return yes;
};

/** Makes a snapshot's link; a link that has the name is replaced, as in the original. */
export function makeLink(m: HammerMount, path: string, target: string): void {
  const { dir, name } = findParent(m, path);
  try {
    const old = m.lookup(dir, name);
    if (old !== null) {
      const { type } = old;
      m.rele(old);
      if (type !== "symlink") throw new CliError(path, "exists already and is no link");
      m.unlink(dir, name);
    }
    m.rele(m.create(dir, name, { type: "symlink", mode: 0o777, uid: 0, gid: 0, target: toByteString(target) }));
  } finally {
    m.rele(dir);
  }
  m.sync();
}

/** Directory part and, for a directory given, a link name made from the time. */
function linkPath(m: HammerMount, path: string): string {
  if (isDirectory(m, path)) return strftime(`${path.replace(/\/+$/, "")}/snap-%Y%m%d-%H%M`, new Date());
  const slash = path.lastIndexOf("/") + 1;
  return path.slice(0, slash) + strftime(path.slice(slash), new Date());
}

/** The root of the PFS that a directory, or the directory of a format, is in: as the original finds the mount point. */
function rootOf(m: HammerMount, path: string): string {
  const dir = isDirectory(m, path) ? path : path.slice(0, path.lastIndexOf("/") + 1) || "/";
  const id = pfsIdAt(m, dir);
  if (id === 0) return "/";
  // The way down to the first directory of the PFS.
  const names = dir.split("/").filter((n) => n !== "");
  for (let n = 1; n <= names.length; n++) {
    const prefix = `/${names.slice(0, n).join("/")}`;
    if (pfsIdAt(m, prefix) === id) return prefix;
  }
  throw new CliError(path, `the root of PFS#${id} cannot be told from it`, "hammer snapshot fs dir-or-format");
}

/** `hammer snapshot [fs] dir-or-format`, `hammer snapshot fs dir-or-format note`. */
export function snapshotCommand(volumes: string[], args: readonly string[]): void {
  maintain(volumes, (m) => {
    if (args.length > 3) throw new CliError("snapshot", "too many operands", "[fs] dir-or-format, or fs dir-or-format note");
    const [fs, where, note] = args.length === 1 ? [rootOf(m, args[0]!), args[0]!, ""] : [args[0]!, args[1]!, args[2] ?? ""];
    const link = linkPath(m, where);
    const pfs = pfsAt(m, fs);
    const tid = takeSnapshotTid(m, pfs.id);
    makeLink(m, link, `${fs.replace(/\/+$/, "")}/@@0x${hex(tid)}`);
    // A slave's TID stays what it is until it is mirrored to again: the record may be there.
    if (m.version >= 3 && !m.listSnapshots(pfs.id).some((x) => x.tid === tid)) addSnapshot(m, tid, toByteString(note), pfs.id);
    process.stdout.write(`${link}\n`);
  });
}

/** `hammer snap`, `snaplo` (target built from the directory given) and `snapq` (no link). */
export function snap(volumes: string[], kind: "snap" | "snaplo" | "snapq", path: string, note: string): void {
  maintain(volumes, (m) => {
    if (m.version < 3)
      throw new CliError("Unable to create snapshot", "This directive requires you to upgrade the filesystem to version 3", "use 'hammer snapshot' for legacy operation");
    const dirPath = isDirectory(m, path) ? path : path.slice(0, path.lastIndexOf("/") + 1) || "/";
    const pfs = pfsAt(m, dirPath);
    const link = kind === "snapq" ? null : linkPath(m, path);
    const tid = takeSnapshotTid(m, pfs.id);
    addSnapshot(m, tid, toByteString(note), pfs.id);
    if (link === null) {
      process.stdout.write(`${/^\.\.?$/.test(dirPath) ? `${dirPath}/` : dirPath}@@0x${hex(tid)}\n`);
      return;
    }
    const base = dirPath.replace(/\/+$/, "");
    makeLink(m, link, kind === "snap" ? `/@@0x${hex(tid)}${pfs.id === 0 ? "" : `:${String(pfs.id).padStart(5, "0")}`}` : `${base}/@@0x${hex(tid)}`);
    process.stdout.write(`${link}\n`);
  });
}

/** Removes a snapshot's record. One that is not there is worth a warning: links may outlive their records. */
function removeRecord(m: HammerMount, tid: bigint, pfs: number): void {
  try {
    removeSnapshot(m, tid, pfs);
  } catch (e) {
    if (!isHammerError(e, "ENOENT")) throw e;
    process.stderr.write(`Warning: hammer snaprm 0x${hex(tid)}: meta-data not found\n`);
  }
}

/** `hammer snaprm path… | tid… | fs tid…`. */
export function snaprm(volumes: string[], args: readonly string[]): void {
  maintain(volumes, (m) => {
    let pfs = 0;
    for (const arg of args) {
      const ip = resolvePath(m, toByteString(arg), { follow: false });
      if (ip === null) {
        if (!/^(?:0x)?[0-9a-f]+$/i.test(arg)) throw new CliError("hammer snaprm", `not a file or tid: ${arg}`);
        removeRecord(m, BigInt(`0x${arg.replace(/^0x/i, "")}`), pfs);
        continue;
      }
      const target = ip.type === "symlink" ? fromByteString(m.readlink(ip)) : null;
      const isDir = ip.type === "dir";
      m.rele(ip);
      const id = target === null ? null : /^(.*?)@@(0x[0-9a-f]+)(?::(\d{5}))?$/i.exec(target);
      if (id && !/^@@[^/]*:\d{5}$/.test(target!)) {
        const base = id[1]! === "" ? "/" : id[1]!;
        removeRecord(m, BigInt(id[2]!), id[3] === undefined ? pfsIdAt(m, base) : Number(id[3]));
        const { dir, name } = findParent(m, arg);
        m.unlink(dir, name);
        m.rele(dir);
      } else if (isDir || target !== null) {
        pfs = pfsIdAt(m, arg);
      } else {
        throw new CliError("hammer snaprm", `not directory or snapshot softlink: ${arg}`);
      }
    }
  });
}

/** What the editor starts with where nothing is configured. */
const TEMPLATE = "# No configuration present, here are some defaults\n# you can uncomment.  Also remove these instructions\n#\n"
  + "#snapshots 1d 60d\n#prune     1d 5m\n#rebalance 1d 5m\n#dedup     1d 5m\n#reblock   1d 5m\n#recopy    30d 10m\n";

/** `hammer config [fs [file]]`. */
export function config(volumes: string[], fs: string, file: string | undefined, o: CommandOptions): void {
  if (file === undefined) {
    maintain(volumes, (m) => {
      const text = m.config(pfsIdAt(m, fs));
      if (text === null) throw new CliError("hammer config", "no configuration found");
      if (o.json) printJson("hammer config", { fs, text: fromByteString(text) });
      else process.stdout.write(Buffer.from(text, "latin1"));
    }, { readOnly: true });
    return;
  }
  const text = readFileSync(file).toString("latin1");
  maintain(volumes, (m) => setConfig(m, text, pfsIdAt(m, fs)));
}

/** `hammer viconfig [fs]`: the configuration in the user's editor. */
export function viconfig(volumes: string[], fs: string): void {
  const old = maintain(volumes, (m) => m.config(pfsIdAt(m, fs)), { readOnly: true }) ?? TEMPLATE;
  const folder = mkdtempSync(`${tmpdir()}/hammer-`);
  try {
    const file = `${folder}/config`;
    writeFileSync(file, old, "latin1");
    const editor = process.env["EDITOR"] ?? process.env["VISUAL"] ?? "vi";
    const run = spawnSync("/bin/sh", ["-c", `${editor} "$0"`, file], { stdio: "inherit" });
    if (run.status !== 0) throw new CliError(editor, "the editor failed; nothing was changed");
    const text = readFileSync(file).toString("latin1");
    if (text === old) process.stdout.write("hammer viconfig: no changes were made\n");
    else maintain(volumes, (m) => setConfig(m, text, pfsIdAt(m, fs)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
