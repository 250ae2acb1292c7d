// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer` prune, prune-everything, reblock*, rebalance, dedup, dedup-simulate, version-upgrade, synctid.
 * Formats: DragonFly sbin/hammer/cmd_softprune.c, cmd_reblock.c, cmd_rebalance.c, cmd_dedup.c, cmd_version.c.
 * @module
 */
import {
  dedup, prune, pruneTable, rebalance, reblock, removeSnapshot, takeSnapshotTid, upgradeVersion,
  resolvePath, type DedupOptions, type HammerMount, type PfsInfo, type ReblockKind,
} from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { display, entriesOf } from "../image/open.ts";
import { sizeOption, verbosity } from "./options.ts";
import { confirm, find, hex, maintain, rehearse, pacing, pfsAt, printJson, readCycle, writeCycle, type CommandOptions, type GlobalOptions } from "./admin-context.ts";

const BIGBLOCK = 8388608;
const NODE = 4096;
const two = (n: number): string => String(n).padStart(2, "0");
const place = (p: { objHi: number; objLo: number; localization: number }): string =>
  `${hex((BigInt(p.objHi | 0) << 32n) | BigInt(p.objLo >>> 0))}:${(p.localization & 0xffff).toString(16).padStart(4, "0")}`;

function percentage(text: string | undefined, fallback: number, least: number): number {
  const value = text === undefined ? fallback : Number(text.replace(/%$/, ""));
  if (!(value >= least && value <= 100)) throw new CliError(String(text), `a percentage from ${least} to 100 was expected`);
  return value;
}

/** A snapshot that a softlink stands for. */
export interface LinkedSnapshot {
  tid: bigint;
  /** Microseconds since 1970: the lesser of the link's ctime and mtime, by which it ages. */
  time: number;
  /** The PFS it is a snapshot of, which need not be the one that holds the link; and the path by which the link names it. */
  pfs: number;
  base: string;
}

/** Snapshots that softlinks in a directory stand for: targets with @@0x… at the end. Links whose file system is gone are none. */
export function linkedSnapshots(m: HammerMount, path: string): LinkedSnapshot[] {
  const dir = find(m, path);
  const found: LinkedSnapshot[] = [];
  if (dir.type === "dir") {
    for (const name of entriesOf(m, dir)) {
      const ip = m.lookup(dir, name);
      if (ip === null) continue;
      // The link of a pseudo file system reads much the same, but stands for no snapshot.
      const target = ip.type === "symlink" ? m.readlink(ip) : "";
      const parts = /^@@[^/]*:\d{5}$/.test(target) ? null : /^(.*)@@(0x[0-9a-f]+)(?::(\d{5}))?$/is.exec(target);
      if (parts !== null) {
        const base = parts[1] === "" ? resolvePath(m, "", { from: dir }) : resolvePath(m, parts[1]!, parts[1]!.startsWith("/") ? {} : { from: dir });
        if (base !== null) {
          found.push({ tid: BigInt(parts[2]!), time: Math.min(ip.ctime, ip.mtime), pfs: parts[3] === undefined ? base.pfs : Number(parts[3]), base: parts[1]! });
          m.rele(base);
        }
      }
      m.rele(ip);
    }
  }
  m.rele(dir);
  return found;
}

/** What `prune` is about: the PFS that the links in the directory are snapshots of; without links the one the path is in. */
function pruned(m: HammerMount, path: string, links: readonly LinkedSnapshot[]): { pfs: PfsInfo; name: string } {
  const ids = [...new Set(links.map((l) => l.pfs))];
  if (ids.length > 1) throw new CliError(path, "Currently only one HAMMER filesystem may be specified in the softlink scan", `its links lead to PFS ${ids.join(", ")}`);
  if (ids.length === 0) return { pfs: pfsAt(m, path), name: path };
  const pfs = m.listPfs().find((p) => p.id === ids[0]);
  if (pfs === undefined) throw new CliError(path, `its links lead to PFS#${ids[0]}, which does not exist`);
  return { pfs, name: display(links[0]!.base === "" ? path : links[0]!.base) };
}

/** `hammer prune` and `prune-everything`. */
export function pruneCommand(volumes: string[], g: GlobalOptions, path: string, everything: boolean, o: CommandOptions): void {
  (o.dryRun ? rehearse : maintain)(volumes, (m) => {
    const links = everything ? [] : linkedSnapshots(m, path);
    const { pfs, name } = pruned(m, path, links);
    if (everything && !o.dryRun && !confirm(g, `All history of PFS#${pfs.id} and its snapshots will be destroyed. Proceed?`))
      throw new CliError(path, "no action taken");
    const snapshots = [...(m.version < 3 ? [] : m.listSnapshots(pfs.id)), ...links];
    const ranges = everything ? "everything" as const : pruneTable(snapshots, pfs.pruneMin, Date.now() / 1000);
    const say = (text: string): void => { if (!o.json) process.stdout.write(text); };
    if (ranges !== "everything") for (const r of ranges) say(`TID ${hex(r.beg)} - ${hex(r.end)}\n`);
    say(everything ? `Prune ${name}: EVERYTHING\n` : `Prune ${name}: ${ranges.length} snapshots\n`);
    if (ranges.length === 0) {
      if (o.json) printJson("hammer prune", { path, pfs: pfs.id, ranges: [], pruned: null });
      else process.stderr.write("No snapshots found\n");
      return;
    }
    say(`Prune ${name}: objspace 8000000000000000:0000 7fffffffffffffff:ffff pfs_id ${pfs.id}\n`);
    const s = pfs.pruneMin;
    say(`Prune ${name}: prune_min is ${Math.floor(s / 86400)}d/${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}\n`);
    if (everything && !o.dryRun) for (const snapshot of m.version < 3 ? [] : m.listSnapshots(pfs.id)) removeSnapshot(m, snapshot.tid, pfs.id);
    const pace = pacing(g, "prune");
    const resume = readCycle(g, pfs.id);
    const r = prune(m, { ranges, pfs: pfs.id, progress: pace.progress, dryRun: o.dryRun ?? false, ...(resume === undefined ? {} : { resume }) });
    pace.end();
    if (!o.dryRun) writeCycle(g, r.stoppedAt);
    if (o.json) {
      printJson("hammer prune", { path, pfs: pfs.id, ranges, dryRun: o.dryRun ?? false, pruned: r });
      return;
    }
    say(r.stoppedAt === null ? `Prune ${name} ${o.dryRun ? "would destroy what follows" : "succeeded"}\n` : `Prune ${name} interrupted by timer at ${place(r.stoppedAt).replace(":", " ")}\n`);
    say(`Pruned ${r.records}/${r.scanned} records (${r.dirEntries} directory entries) and ${r.bytes} bytes\n`);
  });
}

/** `hammer reblock` and its four kinds. */
export function reblockCommand(volumes: string[], g: GlobalOptions, path: string, fillText: string | undefined, kinds: readonly ReblockKind[], o: CommandOptions): void {
  const fill = percentage(fillText, 100, 0);
  const dryRun = o.dryRun ?? false;
  (dryRun ? rehearse : maintain)(volumes, (m) => {
    const pfs = pfsAt(m, path);
    const say = (text: string): void => { if (!o.json) process.stdout.write(text); };
    say(`reblock start 8000000000000000:0000\nfree level ${Math.floor((100 - fill) * BIGBLOCK / 100)}/${BIGBLOCK}\n`);
    const pace = pacing(g, "reblock");
    const resume = readCycle(g, pfs.id);
    const r = reblock(m, { fill, kinds, pfs: pfs.id, allPfs: g.A ?? false, dryRun, progress: pace.progress, ...(resume === undefined ? {} : { resume }) });
    pace.end();
    if (!dryRun) writeCycle(g, r.stoppedAt);
    if (o.json) {
      printJson("hammer reblock", { path, pfs: pfs.id, fill, dryRun, reblocked: r });
      return;
    }
    say(r.stoppedAt === null ? `Reblock ${path} ${dryRun ? "would move what follows" : "succeeded"}\n` : `Reblock ${path} interrupted by timer at ${place(r.stoppedAt)}\n`);
    say(`Reblocked:\n    ${r.nodesMoved}/${r.nodes} B-Tree nodes\n    ${r.nodesMoved * NODE}/${r.nodes * NODE} B-Tree bytes\n`
      + `    ${r.elementsMoved}/${r.elements} data elements\n    ${r.bytesMoved}/${r.bytes} data bytes\n`);
    if (r.damaged > 0) process.stderr.write(`hammer: ${r.damaged} damaged data elements were left in place\n`);
  });
}

/** `hammer rebalance`. */
export function rebalanceCommand(volumes: string[], g: GlobalOptions, path: string, text: string | undefined, o: CommandOptions): void {
  const saturation = Math.floor(62 * percentage(text, 85, 50) / 100);
  const dryRun = o.dryRun ?? false;
  (dryRun ? rehearse : maintain)(volumes, (m) => {
    const pfs = pfsAt(m, path);
    if (!o.json) process.stdout.write("rebalance start 8000000000000000:0000\n");
    const pace = pacing(g, "rebalance");
    const resume = readCycle(g, pfs.id);
    const r = rebalance(m, { saturation, pfs: pfs.id, allPfs: g.A ?? false, progress: pace.progress, ...(resume === undefined ? {} : { resume }) });
    pace.end();
    if (!dryRun) writeCycle(g, r.stoppedAt);
    if (o.json) {
      printJson("hammer rebalance", { path, pfs: pfs.id, saturation, dryRun, rebalanced: r });
      return;
    }
    process.stdout.write(`${r.stoppedAt === null ? `Rebalance ${path} ${dryRun ? "would do what follows" : "succeeded"}` : `Rebalance ${path} interrupted by timer at ${place(r.stoppedAt)}`}\n`
      + `Rebalance:\n    ${r.nodes} B-Tree nodes scanned\n    ${r.deleted} B-Tree nodes deleted\n`
      + `    0 collision retries\n    ${r.rebalanced} B-Tree nodes rebalanced\n`);
  });
}

const UNITS = ["", "K", "M", "G", "T", "P"];

/** humanize_unsigned() into eight characters. */
function humanize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)}${UNITS[unit]}B`.padStart(8);
}

/** Memory for one entry of dedup's tables, estimated from above: the object, its place in the map, its share of arrays. */
const DEDUP_ENTRY_BYTES = 256;

/** What -v, and -vv, tell of the passes of dedup; without them each but the last leaves a dot. */
function dedupMessages(simulate: boolean, path: string, pfs: number, level: number): Pick<DedupOptions, "onPass" | "onLimit" | "onData"> {
  const crc = (n: number): string => n.toString(16).padStart(8, "0");
  const say = (text: string): void => { process.stdout.write(text); };
  const id = simulate ? "simu-pass" : "main-pass";
  return {
    onPass(from) {
      if (level <= 0) {
        if (from > 0) say(".");
        return;
      }
      say(`B-Tree pass  crc-range ${crc(from)}-max\n`);
      if (from === 0) say(`${id} ${path}: objspace 8000000000000000:0000 7fffffffffffffff:ffff\n${id} ${path}: pfs_id ${pfs}\n`);
    },
    ...(level > 0 ? { onLimit: (from, to) => say(`memory limit  crc-range ${crc(from)}-${crc(to)}\n`) } : {}),
    ...(level > 1 ? {
      onData(all) {
        say(`=== Dumping ${simulate ? "simulated dedup" : "dedup"} entries:\n`);
        for (const d of all) say(`\tcrc=${crc(d.crc)} cnt=${d.references} size=${d.referencedBytes}\n`);
        say("end of dump ===\n");
      },
    } : {}),
  };
}

/** `hammer dedup` and `dedup-simulate`. */
export function dedupCommand(volumes: string[], g: GlobalOptions, path: string, simulate: boolean, o: CommandOptions): void {
  maintain(volumes, (m) => {
    const pfs = pfsAt(m, path);
    const name = simulate ? "Dedup-simulate" : "Dedup";
    if (!o.json) process.stdout.write(`${name} running\n`);
    const pace = pacing(g, "dedup");
    const listening = o.json ? {} : dedupMessages(simulate, path, pfs.id, verbosity(g));
    const memory = Math.max(1 << 20, sizeOption(g.m, "-m", 1 << 30));
    const r = dedup(m, { pfs: pfs.id, simulate, progress: pace.progress, maxEntries: Math.floor(memory / DEDUP_ENTRY_BYTES), ...listening });
    pace.end();
    if (o.json) {
      printJson(simulate ? "hammer dedup-simulate" : "hammer dedup", { path, pfs: pfs.id, ...r });
      return;
    }
    process.stdout.write(`${name} ${path} ${r.complete ? "succeeded" : "interrupted by timer"}\n`);
    if (simulate) {
      process.stdout.write(`Simulated dedup ratio = ${r.ratio.toFixed(2)}\n`);
      return;
    }
    const n = (value: number): string => String(value).padStart(8);
    process.stdout.write(`Dedup ratio = ${r.ratio.toFixed(2)} (in this run)\n    ${humanize(r.referencedBytes)} referenced\n`
      + `    ${humanize(r.allocatedBytes)} allocated\n    ${humanize(0)} skipped\n    ${n(r.crcCollisions)} CRC collisions\n`
      + `    ${n(0)} SHA collisions\n    ${n(r.underflows)} big-block underflows\n`
      + `    ${n(r.newRecords)} new dedup records\n    ${n(r.newBytes)} new dedup bytes\n`);
  });
}

/** `hammer version-upgrade [fs] version [force]`. */
export function versionUpgrade(volumes: string[], args: readonly string[], o: CommandOptions): void {
  const words = args.at(-1) === "force" ? args.slice(0, -1) : args; // no version is a work in progress: force changes nothing
  const text = words.at(-1);
  if (text === undefined || words.length > 2 || !/^\d+$/.test(text)) throw new CliError(args.join(" "), "is no version", "hammer version-upgrade [fs] version [force]");
  (o.dryRun ? rehearse : maintain)(volumes, (m) => {
    const before = m.version;
    upgradeVersion(m, Number(text));
    if (o.dryRun) {
      process.stdout.write(`hammer version-upgrade: ${before === m.version ? `it is version ${before} already` : `version ${before} would become ${m.version}`}\n`);
      return;
    }
    process.stdout.write("hammer version-upgrade: succeeded\n");
    if (before < 3 && m.version >= 3)
      process.stdout.write("NOTE!  Please run 'hammer cleanup' to convert the\n<pfs>/snapshots directories to the new meta-data\n"
        + "format.  Once converted configuration data will\nno longer resides in <pfs>/snapshots and you can\neven rm -rf it entirely if you want.\n");
  });
}

/** `hammer synctid [fs] [quick]`. */
export function synctid(volumes: string[], fs: string | undefined, quick: string | undefined, o: CommandOptions): void {
  if (quick !== undefined && quick !== "quick") throw new CliError(quick, "is no operand of synctid", "quick, or nothing");
  maintain(volumes, (m) => {
    const tid = takeSnapshotTid(m, fs === undefined ? 0 : pfsAt(m, fs).id);
    if (o.json) printJson("hammer synctid", { tid });
    else process.stdout.write(`0x${hex(tid)}\n`);
  });
}
