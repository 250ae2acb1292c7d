// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer cleanup`: does what the configuration of a PFS asks for, when it is due. What ran when, and how far, is kept
 * where DragonFly keeps it, in the directory of the PFS's snapshots inside the file system.
 *
 * From version 3 on the configuration is a record of the PFS, and its snapshots are records, too; the directory is
 * /var/hammer/<pfs>. Below, both are in <pfs>/snapshots: a file `config`, and softlinks. A file system that was upgraded
 * is converted on the first run.
 * Source: DragonFly sbin/hammer/cmd_cleanup.c.
 * @module
 */
import {
  addSnapshot, dedup, prune, pruneTable, rebalance, reblock, removeSnapshot, resolvePath, setConfig, takeSnapshotTid,
  toByteString, type HammerMount, type PfsInfo,
} from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { entriesOf } from "../image/open.ts";
import { hex, maintain, pacing, pfsAt, pfsIdAt, printJson, type CommandOptions } from "./admin-context.ts";
import { linkedSnapshots } from "./admin-maint.ts";
import { makeLink, strftime } from "./admin-snapshots.ts";
import { linkTime, State } from "./cleanup-state.ts";
import { verbosity, type GlobalOptions } from "./options.ts";

const BASE = "/var/hammer";
const CONFIG = "config";
const UNIT: Record<string, number> = { d: 86400, h: 3600, m: 60, s: 1, "": 1 };
const RECORDS_FROM = 3;
/** PFSs whose history is worth nothing. */
const SCRATCH = new Set(["/tmp", "/var/tmp", "/usr/obj"]);

function defaultConfig(path: string): string {
  return `snapshots ${SCRATCH.has(path) ? "0d 0d" : "1d 60d"}\nprune     1d 5m\nrebalance 1d 5m\n#dedup\t   1d 5m\nreblock   1d 5m\nrecopy    30d 10m\n`;
}

/** Number and d, h, m or s, in seconds. */
function seconds(text: string | undefined): number {
  if (text === undefined) return 0;
  const m = /^(\d+)([dhms]?)$/.exec(text);
  if (!m) throw new CliError(text, "is no time", "a number and d, h, m or s");
  return Number(m[1]) * UNIT[m[2]!]!;
}

/** What became of a line of the configuration; with --dry-run, what would. "expire": only old snapshots are removed. */
type Outcome = "run" | "skip" | "disabled" | "expire" | "unknown";

/** What is told of one path with --json; `directives` is null with the reason in `error` when nothing could be done. */
interface Told {
  path: string;
  pfs: number | null;
  state: string | null;
  directives: { directive: string; outcome: Outcome }[] | null;
  error: string | null;
}

/** How cleanup is run, and where it says what it does. */
interface Run { m: HammerMount; g: GlobalOptions; dryRun: boolean; done: Set<number>; say: (text: string) => void }

/** Where the state of a PFS is, after conversion from the old ways; its configuration. Null, and said so, if it cannot be cleaned up. */
function prepare({ m, dryRun, say }: Run, path: string, pfs: PfsInfo): { state: State; config: string } | null {
  const own = pfs.snapshotsDir;
  if (own !== "" && !own.startsWith("/")) {
    say(" WARNING: pfs-slave's snapshots dir is not absolute\n");
    return null;
  }
  if (own === "" && pfs.slave && m.version < RECORDS_FROM) {
    say(" WARNING: must configure snapshot dir for PFS slave\n\tWe suggest <fs>/var/slaves/<name> where <fs> is the base HAMMER fs\n\tcontaining the slave\n");
    return null;
  }
  const old = own === "" && pfs.slave ? null : new State(m, own === "" ? `${path === "/" ? "" : path}/snapshots` : own);
  const file = old?.read(CONFIG) ?? null;
  const text = file === null ? null : Buffer.from(file).toString("latin1");
  if (m.version < RECORDS_FROM) {
    if (!dryRun && !old!.exists) old!.make();
    if (text === null && !dryRun) old!.write(CONFIG, Buffer.from(defaultConfig(path)));
    return { state: old!, config: text ?? defaultConfig(path) };
  }
  const config = text ?? m.config(pfs.id) ?? defaultConfig(path);
  if (text !== null && !dryRun) {
    say("(migrating) ");
    migrateSnapshots({ m, say }, pfs, old!);
    old!.remove(CONFIG);
  }
  if (!dryRun && m.config(pfs.id) !== config) setConfig(m, config, pfs.id);
  if (own !== "") {
    if (!dryRun && !old!.exists) old!.make();
    return { state: old!, config };
  }
  const state = new State(m, path === "/" ? `${BASE}/root` : `${BASE}${path}`);
  if (!state.exists && !dryRun) {
    const move = old !== null && old.exists;
    if (old !== null) say(move ? ` HAMMER UPGRADE: Moving snapshots\n\tMoving snapshots from ${old.path} to ${state.path}\n` : ` HAMMER UPGRADE: Creating snapshots\n\tCreating snapshots in ${state.path}\n`);
    state.make();
    if (move) old.moveTo(state);
  }
  return { state, config };
}

/** Makes records of the snapshots that softlinks stand for, so that pruning does not depend on the links. */
function migrateSnapshots({ m, say }: Pick<Run, "m" | "say">, pfs: PfsInfo, old: State): void {
  let n = 0;
  const known = new Set(m.listSnapshots(pfs.id).map((s) => s.tid));
  for (const name of old.links()) {
    const tid = /@@0x([0-9a-f]+)$/i.exec(old.target(name));
    if (tid === null || linkTime(name) === null) {
      say(`    non-canonical snapshot softlink: ${old.path}/${name}->${old.target(name)}\n`);
      continue;
    }
    const value = BigInt(`0x${tid[1]}`);
    if (known.has(value)) continue;
    addSnapshot(m, value, "migrated", pfs.id, linkTime(name)! * 1000);
    known.add(value);
    n++;
  }
  if (n > 0) say(` (${n} snapshots)`);
}

/** One PFS. */
class Cleanup {
  readonly #m: HammerMount;
  readonly #g: GlobalOptions;
  readonly #dryRun: boolean;
  readonly #path: string;
  readonly #pfs: PfsInfo;
  readonly #state: State;
  readonly #verbose: boolean;
  readonly #say: (text: string) => void;
  #snapshotsDisabled = false;
  #onlyExpiring = false;

  constructor(run: Run, path: string, pfs: PfsInfo, state: State) {
    this.#m = run.m;
    this.#g = run.g;
    this.#dryRun = run.dryRun;
    this.#path = path;
    this.#pfs = pfs;
    this.#state = state;
    this.#verbose = verbosity(run.g) > 0;
    this.#say = run.say;
  }

  run(config: string): { directive: string; outcome: Outcome }[] {
    const told: { directive: string; outcome: Outcome }[] = [];
    this.#say(` handle PFS#${this.#pfs.id} using ${this.#state.path}\n`);
    for (const line of config.split("\n")) {
      const [command, first, second, third] = line.trim().split(/\s+/);
      if (command === undefined || command === "" || command.startsWith("#")) continue;
      this.#say(`${command.padStart(20)} - `);
      told.push({ directive: command, outcome: this.#directive(command, seconds(first), seconds(second), third) });
    }
    // Configurations in files may be older than rebalancing.
    if (this.#m.version < RECORDS_FROM && !this.#dryRun && !/^\s*rebalance\b/m.test(config))
      this.#state.write(CONFIG, Buffer.from(`${config}rebalance 1d 5m\n`, "latin1"));
    return told;
  }

  #directive(command: string, period: number, limit: number, flag: string | undefined): Outcome {
    const now = new Date();
    const state = this.#state;
    const any = flag?.includes("any") ?? false;
    if (command === "snapshots" && period === 0) {
      const snapshots = state.links().length + this.#records().length;
      this.#onlyExpiring = limit > 0 && snapshots > 0;
      this.#snapshotsDisabled = !this.#onlyExpiring;
      this.#say(this.#onlyExpiring ? "only removing old snapshots\n" : "disabled\n");
      if (this.#onlyExpiring && !this.#dryRun) this.#expire(limit, any);
      return this.#onlyExpiring ? "expire" : "disabled";
    }
    const actions: Record<string, () => void> = {
      snapshots: () => { this.#expire(limit, any); this.#snapshot(now); },
      prune: () => this.#prune(limit), rebalance: () => this.#rebalance(limit), reblock: () => this.#reblock("reblock", limit, 95),
      recopy: () => this.#reblock("recopy", limit, 100), dedup: () => this.#dedup(limit),
    };
    const action = actions[command];
    if (period === 0) {
      this.#say("disabled\n");
      return "disabled";
    }
    if (action === undefined) {
      this.#say("unknown directive\n");
      return "unknown";
    }
    if (!this.#g.F && !state.due(command, period, now)) {
      this.#say("skip\n");
      return "skip";
    }
    this.#say(command === "prune" && this.#onlyExpiring ? "run - WARNING snapshot softlinks present but snapshots disabled" : "run");
    // The others print a dot for each of their parts.
    if (this.#verbose || this.#dryRun || command === "snapshots" || command === "prune") this.#say("\n");
    if (!this.#dryRun) {
      action();
      state.ran(command, now);
    }
    return "run";
  }

  #records(): ReturnType<HammerMount["listSnapshots"]> { return this.#m.version < RECORDS_FROM ? [] : this.#m.listSnapshots(this.#pfs.id); }

  #dot(): void { if (!this.#verbose) this.#say("."); }
  #line(): void { if (!this.#verbose) this.#say("\n"); }

  /** The command that does the same by itself; with -v. */
  #command(text: string): void { if (this.#verbose) this.#say(`    hammer ${text}\n`); }

  /** Removes snapshots older than `age` seconds: records, and links whose names tell a time. */
  #expire(age: number, any: boolean): void {
    const now = Date.now();
    for (const name of this.#state.links()) {
      const time = linkTime(name);
      if (!(any || name.startsWith("snap-")) || time === null || now - time <= age * 1000) continue;
      if (this.#verbose) this.#say(`    expire ${this.#state.path}/${name}\n`);
      this.#state.remove(name);
    }
    for (const s of this.#records()) {
      if (now * 1000 - s.time <= age * 1e6) continue;
      if (this.#verbose) this.#say(`    expire 0x${hex(s.tid)} ${new Date(s.time / 1000).toISOString()} ${s.label}\n`);
      removeSnapshot(this.#m, s.tid, this.#pfs.id);
    }
  }

  #snapshot(now: Date): void {
    const m = this.#m;
    this.#command(`snapshot ${this.#path} ${this.#state.path}`);
    const link = strftime(`${this.#state.path}/snap-%Y%m%d-%H%M`, now);
    const old = resolvePath(m, toByteString(link), { follow: false });
    if (old !== null) {
      m.rele(old); // one in this minute is enough
      return;
    }
    const tid = takeSnapshotTid(m, this.#pfs.id);
    makeLink(m, link, `${this.#path.replace(/\/+$/, "")}/@@0x${hex(tid)}`);
    if (m.version >= RECORDS_FROM && !this.#records().some((s) => s.tid === tid)) addSnapshot(m, tid, "", this.#pfs.id);
  }

  /** Runs an operation for at most `limit` seconds; 0: without a limit. */
  #paced(what: string, limit: number, run: (progress: (seen: number) => boolean) => void): void {
    const pace = pacing({ ...this.#g, t: String(limit) }, what);
    try {
      run(pace.progress);
    } finally {
      pace.end();
    }
  }

  #prune(limit: number): void {
    const m = this.#m, pfs = this.#pfs;
    const snapshots = [...this.#records(), ...linkedSnapshots(m, this.#state.path).filter((l) => l.pfs === pfs.id)];
    this.#command(`-c ${this.#state.path}/.prune.cycle -t ${limit} ${this.#snapshotsDisabled ? `prune-everything ${this.#path}` : `prune ${this.#state.path}`}`);
    const ranges = this.#snapshotsDisabled ? "everything" as const : pruneTable(snapshots, pfs.pruneMin, Date.now() / 1000);
    if (ranges.length === 0) return;
    if (ranges === "everything") for (const s of this.#records()) removeSnapshot(m, s.tid, pfs.id);
    this.#paced("prune", limit, (progress) =>
      this.#state.resumable("prune", pfs.id, (resume) => prune(m, { ranges, pfs: pfs.id, progress, ...resume })));
  }

  #rebalance(limit: number): void {
    const pfs = this.#pfs.id;
    this.#dot();
    this.#command(`-c ${this.#state.path}/.rebalance.cycle -t ${limit} rebalance ${this.#path}`);
    this.#paced("rebalance", limit, (progress) =>
      this.#state.resumable("rebalance", pfs, (resume) => rebalance(this.#m, { pfs, progress, ...resume })));
    this.#dot();
    this.#line();
  }

  #reblock(name: string, limit: number, dataFill: number): void {
    const pfs = this.#pfs.id;
    for (const [suffix, kind] of [["1", "btree"], ["2", "inodes"], ["4", "dirs"], ["3", "data"]] as const) {
      this.#dot();
      this.#command(`-c ${this.#state.path}/.${name}-${suffix}.cycle -t ${limit} reblock-${kind} ${this.#path}${kind === "data" && dataFill < 100 ? ` ${dataFill}` : ""}`);
      this.#paced(`${name} ${kind}`, limit, (progress) => this.#state.resumable(`${name}-${suffix}`, pfs, (resume) =>
        reblock(this.#m, { pfs, kinds: [kind], fill: kind === "data" ? dataFill : 100, progress, ...resume })));
    }
    this.#line();
  }

  #dedup(limit: number): void {
    this.#dot();
    this.#command(`-t ${limit} dedup ${this.#path}`);
    this.#paced("dedup", limit, (progress) => { dedup(this.#m, { pfs: this.#pfs.id, progress }); });
    this.#dot();
    this.#line();
  }
}

/** The root, and links of PFSs in it and in its directories: where they are mounted from by custom. */
function customaryPaths(m: HammerMount): string[] {
  const found = ["/"];
  const search = (path: string, deeper: boolean): void => {
    const dir = resolvePath(m, toByteString(path), { follow: false })!;
    for (const name of entriesOf(m, dir)) {
      const ip = m.lookup(dir, name);
      if (ip === null) continue;
      const below = `${path === "/" ? "" : path}/${name}`;
      if (ip.type === "symlink" && /^@@[^/]*:\d{5}$/.test(m.readlink(ip))) found.push(below);
      else if (ip.type === "dir" && deeper) search(below, false);
      m.rele(ip);
    }
    m.rele(dir);
  };
  search("/", true);
  return found;
}

/** `hammer cleanup [fs…]`. */
export function cleanup(volumes: string[], g: GlobalOptions, paths: readonly string[], o: CommandOptions): void {
  const dryRun = o.dryRun ?? false;
  const told: Told[] = [];
  let failed = false;
  maintain(volumes, (m) => {
    const say = o.json ? (): void => {} : (text: string): void => { process.stdout.write(text); };
    const run: Run = { m, g, dryRun, done: new Set(), say };
    for (const given of paths.length === 0 ? customaryPaths(m) : paths) {
      const path = `/${given.replaceAll(/^\/+|\/+$/g, "")}`;
      const one: Told = { path, pfs: null, state: null, directives: null, error: null };
      told.push(one);
      say(`cleanup ${path.padEnd(20)} -`);
      if (paths.length === 0 && !m.listPfs().some((p) => p.id === pfsIdAt(m, path))) {
        one.error = "its PFS does not exist any more";
        say(` ${one.error}\n`);
        continue;
      }
      const pfs = pfsAt(m, path);
      one.pfs = pfs.id;
      if (run.done.has(pfs.id)) {
        one.error = "already handled";
        say(` PFS#${pfs.id} already handled\n`);
        continue;
      }
      run.done.add(pfs.id);
      const ready = prepare(run, path, pfs);
      if (ready === null) {
        one.error = "its snapshots directory is not configured";
        failed = true;
      } else {
        one.state = ready.state.path;
        one.directives = new Cleanup(run, path, pfs, ready.state).run(ready.config);
      }
    }
  }, { readOnly: dryRun });
  if (o.json) printJson("hammer cleanup", { dryRun, cleanup: told });
  if (failed) throw new CliError("cleanup", "not every PFS could be cleaned up");
}
