// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer cleanup`: does what the configuration of a PFS asks for, when it is due. What ran when, and how far, is kept
 * where DragonFly keeps it, in the directory of the PFS's snapshots inside the file system.
 * Source: DragonFly sbin/hammer/cmd_cleanup.c.
 * @module
 */
import {
  addSnapshot, dedup, prune, pruneTable, rebalance, reblock, removeSnapshot, resolvePath, setConfig, takeSnapshotTid,
  toByteString, type HammerInode, type HammerMount, type PfsInfo, type ScanOutcome, type ScanPosition,
} from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { entriesOf } from "../image/open.ts";
import { decodeCycle, encodeCycle, maintain, pacing, pfsAt, type GlobalOptions } from "./admin-context.ts";
import { linkedSnapshots } from "./admin-maint.ts";
import { DEFAULT_CONFIG, makeLink, strftime } from "./admin-snapshots.ts";

const BASE = "/var/hammer";
const UNIT: Record<string, number> = { d: 86400, h: 3600, m: 60, s: 1, "": 1 };

/** Number and d, h, m or s, in seconds. */
function seconds(text: string | undefined): number {
  if (text === undefined) return 0;
  const m = /^(\d+)([dhms]?)$/.exec(text);
  if (!m) throw new CliError(text, "is no time", "a number and d, h, m or s");
  return Number(m[1]) * UNIT[m[2]!]!;
}

/** The files in which cleanup keeps its state, in one directory of the image. */
class State {
  readonly #m: HammerMount;
  readonly path: string;

  constructor(m: HammerMount, path: string) {
    this.#m = m;
    this.path = path;
    let dir = m.root;
    m.ref(dir);
    for (const name of toByteString(path).split("/").filter((n) => n !== "")) {
      const next = m.lookup(dir, name) ?? m.create(dir, name, { type: "dir", mode: 0o755, uid: 0, gid: 0 });
      m.rele(dir);
      dir = next;
    }
    m.rele(dir);
  }

  /** The directory, referenced. */
  #dir(): HammerInode {
    const dir = resolvePath(this.#m, toByteString(this.path));
    if (dir === null) throw new CliError(this.path, "the snapshots directory is gone");
    return dir;
  }

  read(name: string): Uint8Array | null {
    const m = this.#m;
    const dir = this.#dir();
    const ip = m.lookup(dir, name);
    m.rele(dir);
    if (ip === null) return null;
    const bytes = new Uint8Array(ip.size);
    m.read(ip, 0, bytes, 0, bytes.length);
    m.rele(ip);
    return bytes;
  }

  /** Writes a file under another name first, so that it is there as a whole or as it was. */
  write(name: string, bytes: Uint8Array): void {
    const m = this.#m;
    const dir = this.#dir();
    const ip = m.create(dir, `${name}.new`, { type: "file", mode: 0o644, uid: 0, gid: 0 });
    m.write(ip, 0, bytes, 0, bytes.length);
    m.rele(ip);
    m.rename(dir, `${name}.new`, dir, name);
    m.rele(dir);
  }

  remove(name: string): void {
    const dir = this.#dir();
    const ip = this.#m.lookup(dir, name);
    if (ip !== null) {
      this.#m.rele(ip);
      this.#m.unlink(dir, name);
    }
    this.#m.rele(dir);
  }

  /** Names of the snapshot links. */
  links(): string[] {
    const m = this.#m;
    const dir = this.#dir();
    const names = entriesOf(m, dir).filter((name) => {
      if (name.startsWith(".")) return false;
      const ip = m.lookup(dir, name);
      const isLink = ip?.type === "symlink";
      if (ip !== null) m.rele(ip);
      return isLink;
    });
    m.rele(dir);
    return names;
  }

  /** Whether `period` seconds are over since the command ran; whole days, hours and minutes count by the clock on the wall. */
  due(command: string, period: number, now: Date): boolean {
    const text = this.read(`.${command}.period`);
    if (text === null) return true;
    const last = new Date(Number(Buffer.from(text).toString("latin1").trim()) * 1000);
    if (Number.isNaN(last.getTime())) return true;
    const current = new Date(now);
    for (const d of [current, last]) {
      d.setMilliseconds(0);
      if (period % 60 === 0) d.setSeconds(0);
      if (period % 3600 === 0) d.setMinutes(0);
      if (period % 86400 === 0) d.setHours(0);
    }
    return (current.getTime() - last.getTime()) / 1000 >= period;
  }

  ran(command: string, when: Date): void {
    this.write(`.${command}.period`, Buffer.from(`0x${Math.floor(when.getTime() / 1000).toString(16).padStart(8, "0")}\n`));
  }

  /** Runs an operation that may stop before its end, from where it stopped the last time. */
  resumable(name: string, pfs: number, operation: (resume: { resume?: ScanPosition }) => ScanOutcome): void {
    const old = this.read(`.${name}.cycle`);
    const position = old === null ? undefined : decodeCycle(old, pfs);
    const { stoppedAt } = operation(position === undefined ? {} : { resume: position });
    if (stoppedAt !== null) this.write(`.${name}.cycle`, encodeCycle(stoppedAt));
    else if (old !== null) this.remove(`.${name}.cycle`);
  }
}

/** Time in a link's name, yyyymmdd[-HHMM] behind the first - or dot; null if there is none. */
function linkTime(name: string): number | null {
  const m = /^[^-.]*[-.](\d{4})(\d\d)(\d\d)(?:-(\d\d)(\d\d))?/.exec(name);
  return m ? new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3]), Number(m[4] ?? 0), Number(m[5] ?? 0)).getTime() : null;
}

/** One PFS. */
class Cleanup {
  readonly #m: HammerMount;
  readonly #g: GlobalOptions;
  readonly #path: string;
  readonly #pfs: PfsInfo;
  readonly #state: State;
  #snapshotsDisabled = false;

  constructor(m: HammerMount, g: GlobalOptions, path: string, pfs: PfsInfo) {
    this.#m = m;
    this.#g = g;
    this.#path = path;
    this.#pfs = pfs;
    const below = path.replaceAll(/^\/+|\/+$/g, "");
    this.#state = new State(m, pfs.snapshotsDir === "" ? `${BASE}/${below === "" ? "root" : below}` : pfs.snapshotsDir);
  }

  run(): void {
    process.stdout.write(` handle PFS#${this.#pfs.id} using ${this.#state.path}\n`);
    let config = this.#m.config(this.#pfs.id);
    if (config === null) {
      config = DEFAULT_CONFIG;
      setConfig(this.#m, config, this.#pfs.id);
    }
    for (const line of config.split("\n")) {
      const [command, first, second, third] = line.trim().split(/\s+/);
      if (command === undefined || command === "" || command.startsWith("#")) continue;
      process.stdout.write(`${command.padStart(20)} - `);
      this.#directive(command, seconds(first), seconds(second), third);
    }
  }

  #directive(command: string, period: number, limit: number, flag: string | undefined): void {
    const now = new Date();
    const state = this.#state;
    const say = (text: string): void => { process.stdout.write(`${text}\n`); };
    if (command === "snapshots" && period === 0) {
      const any = state.links().length + this.#m.listSnapshots(this.#pfs.id).length > 0;
      this.#snapshotsDisabled = limit === 0 || !any;
      say(this.#snapshotsDisabled ? "disabled" : "only removing old snapshots");
      if (!this.#snapshotsDisabled) this.#expire(limit, flag === "any");
      return;
    }
    const actions: Record<string, () => void> = {
      snapshots: () => { this.#expire(limit, flag === "any"); this.#snapshot(now); },
      prune: () => this.#prune(limit), rebalance: () => this.#rebalance(limit), reblock: () => this.#reblock("reblock", limit, 95),
      recopy: () => this.#reblock("recopy", limit, 100), dedup: () => this.#dedup(limit),
    };
    const action = actions[command];
    if (action === undefined) {
      say("unknown directive");
    } else if (period === 0) {
      say("disabled");
    } else if (!this.#g.F && !state.due(command, period, now)) {
      say("skip");
    } else {
      say("run");
      action();
      state.ran(command, now);
    }
  }

  /** Removes snapshots older than `age` seconds: records, and links whose names tell a time. */
  #expire(age: number, any: boolean): void {
    const now = Date.now();
    for (const name of this.#state.links()) {
      const time = linkTime(name);
      if ((any || name.startsWith("snap-")) && time !== null && now - time > age * 1000) this.#state.remove(name);
    }
    for (const s of this.#m.listSnapshots(this.#pfs.id)) if (now * 1000 - s.time > age * 1e6) removeSnapshot(this.#m, s.tid, this.#pfs.id);
  }

  #snapshot(now: Date): void {
    const m = this.#m;
    const link = strftime(`${this.#state.path}/snap-%Y%m%d-%H%M`, now);
    const old = resolvePath(m, toByteString(link), { follow: false });
    if (old !== null) {
      m.rele(old); // one in this minute is enough
      return;
    }
    const tid = takeSnapshotTid(m, this.#pfs.id);
    makeLink(m, link, `${this.#path.replace(/\/+$/, "")}/@@0x${tid.toString(16).padStart(16, "0")}`);
    if (!m.listSnapshots(this.#pfs.id).some((s) => s.tid === tid)) addSnapshot(m, tid, "", this.#pfs.id);
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
    const snapshots = [...m.listSnapshots(pfs.id), ...linkedSnapshots(m, this.#state.path)];
    const ranges = this.#snapshotsDisabled ? "everything" as const : pruneTable(snapshots, pfs.pruneMin, Date.now() / 1000);
    if (ranges.length === 0) return;
    if (ranges === "everything") for (const s of m.listSnapshots(pfs.id)) removeSnapshot(m, s.tid, pfs.id);
    this.#paced("prune", limit, (progress) =>
      this.#state.resumable("prune", pfs.id, (resume) => prune(m, { ranges, pfs: pfs.id, progress, ...resume })));
  }

  #rebalance(limit: number): void {
    const pfs = this.#pfs.id;
    this.#paced("rebalance", limit, (progress) =>
      this.#state.resumable("rebalance", pfs, (resume) => rebalance(this.#m, { pfs, progress, ...resume })));
  }

  #reblock(name: string, limit: number, dataFill: number): void {
    const pfs = this.#pfs.id;
    for (const [suffix, kind] of [["1", "btree"], ["2", "inodes"], ["4", "dirs"], ["3", "data"]] as const)
      this.#paced(`${name} ${kind}`, limit, (progress) => this.#state.resumable(`${name}-${suffix}`, pfs, (resume) =>
        reblock(this.#m, { pfs, kinds: [kind], fill: kind === "data" ? dataFill : 100, progress, ...resume })));
  }

  #dedup(limit: number): void {
    this.#paced("dedup", limit, (progress) => { dedup(this.#m, { pfs: this.#pfs.id, progress }); });
  }
}

/** `hammer cleanup [fs…]`. */
export function cleanup(volumes: string[], g: GlobalOptions, paths: readonly string[]): void {
  maintain(volumes, (m) => {
    if (m.version < 3) throw new CliError("cleanup", `needs file system version 3; this is version ${m.version}`, "hammer version-upgrade");
    for (const path of paths) {
      process.stdout.write(`cleanup ${path.padEnd(20)} -`);
      new Cleanup(m, g, path, pfsAt(m, path)).run();
    }
  });
}
