// The suite hammer: packages/hammer/bench, with every peer that can be had, as tables.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../pnpm.mjs";

/** Order of the columns; what was not measured is left out. */
const PEERS = ["HAMMER", "node:fs on tmpfs", "cp to tmpfs", "memfs", "fuse2fs (ext2)", "e2tools (ext2)", "debugfs (ext2)"];
/** Milliseconds that mounting an image of 100 GB may take. */
const MOUNT_LIMIT = 100;

function node(args, prefix = []) {
  const [command, ...rest] = [...prefix, process.execPath, ...args];
  const { status, error } = spawnSync(command, rest, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw error ?? new Error(`${args[0]}: status ${status}`);
}

/** Measures everything. `rounds`: of the comparison; `largest`: entries of the largest directory. */
export function measureHammer(inputs, { rounds, largest }) {
  mkdirSync(inputs.dir, { recursive: true });
  const file = (name) => path.join(inputs.dir, name);
  const args = ["packages/hammer/bench/peers.js", "--rounds", String(rounds), "--json", file("hammer-peers.json")];
  for (const [option, get] of [["--tools", () => inputs.ext2Tools()], ["--memfs", () => inputs.memfs()]]) {
    try {
      args.push(option, get());
    } catch (error) {
      inputs.log(`${option.slice(2)} left out: ${error.message.trim().split("\n")[0]}`);
    }
  }
  // A mount namespace of its own: what is mounted there is nowhere else, and gone with it.
  const apart = ["unshare", ...(process.getuid() === 0 ? [] : ["-r"]), "--mount"];
  node(args, spawnSync(apart[0], [...apart.slice(1), "true"]).status === 0 ? apart : []);
  node(["packages/hammer/bench/scale.js", String(largest), file("hammer-scale.json")]);
  const read = (name) => JSON.parse(readFileSync(file(name), "utf8"));
  return { peers: read("hammer-peers.json"), scale: read("hammer-scale.json") };
}

const figure = (x) => (x >= 10_000 ? `${Math.round(x / 1000)},000` : x >= 1000 ? x.toFixed(0) : x.toFixed(x < 10 ? 2 : 0));

/** Tables { title, head, body } as tooling/bench/table.mjs renders them. */
export function hammerTables({ peers: { rows, best }, scale }) {
  const seen = PEERS.filter((peer) => Object.values(best).some((row) => row[peer] !== undefined));
  const compared = Object.entries(rows).map(([key, { what, unit, target }]) => {
    const own = best[key].HAMMER;
    const cells = seen.map((peer) => {
      const rate = best[key][peer];
      return rate === undefined ? "" : rate.cpu === null ? figure(rate.wall) : `${figure(rate.wall)} (${figure(rate.cpu)})`;
    });
    return [what, unit, ...cells, `≥ ${figure(target)}`, own.wall >= target ? "met" : own.cpu >= target ? "met by a CPU second" : "missed"];
  });
  const growth = scale.rows.map(({ entries, create, cached, again, small, list, remove, held }) =>
    [String(entries), ...[create, cached, again, small, list, remove].map((us) => us.toFixed(1)), held.toFixed(0)]);
  const { make, open, write } = scale.sparse;
  const mounts = [["read-only", open], ["for writing", write]].map(([how, ms]) =>
    [`mounting and unmounting it ${how}`, `${ms.toFixed(1)} ms`, `≤ ${MOUNT_LIMIT} ms`, ms <= MOUNT_LIMIT ? "met" : "missed"]);
  return [
    { title: "HAMMER beside other file systems without a kernel of their own", text: true,
      head: ["row", "unit", ...seen.map((peer) => (peer === "HAMMER" ? "**HAMMER**" : peer)), "target", ""], body: compared },
    { title: "How its costs grow: microseconds of processor time an entry", text: true,
      head: ["entries in the directory", "create", "look up, in cache", "again", "cache of 64 MiB", "list", "remove", "MiB held of 64"], body: growth },
    { title: "A sparse image of 100 GB", text: true, head: ["", "measured", "target", ""], body: [["making it", `${make.toFixed(0)} ms`, "", ""], ...mounts] },
  ];
}
