// Puts measured tables into a Markdown file, between two marker lines, so that no figure is typed by hand.
// `node tooling/bench/document.mjs RESULTS.json FILE.md` does it with results stored before.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { hammerTables } from "./hammer.mjs";
import { serveTable } from "./serve.mjs";
import { serverTable } from "./servers.mjs";
import { asMarkdown, tables } from "./table.mjs";
import { judge, targetTable } from "./targets.mjs";

const BEGIN = "<!-- measured tables: made by tooling/bench, do not edit -->";
const END = "<!-- end of measured tables -->";
const HAMMER_BEGIN = "<!-- measured tables of HAMMER: made by tooling/bench, do not edit -->";
const SERVERS_BEGIN = "<!-- measured table of servers: made by tooling/bench, do not edit -->";
const SERVERS_END = "<!-- end of measured table of servers -->";
const HAMMER_END = "<!-- end of measured tables of HAMMER -->";
const SERVE_BEGIN = "<!-- measured table of servers and workloads: made by tooling/bench, do not edit -->";
const SERVE_END = "<!-- end of measured table of servers and workloads -->";

function markdown(figures) {
  const peers = figures.peers.map((peer) => `- **${peer}**: ${figures.versions[peer]}`);
  const absent = Object.entries(figures.absent).map(([peer, why]) => `- **${peer}**: left out: ${why}`);
  const notes = figures.notes.map((note) => `- ${note}`);
  const { options, host } = figures;
  return [
    `\`${options.command}\` on ${host.cores} cores of ${host.model}, ${host.system}, load before ${host.load.toFixed(1)}; ` +
      `${options.rounds} round(s) of the rows in ns, ${options.realRounds} of the programs; ${Math.round(figures.seconds / 60)} min.`,
    ["Peers:", "", ...peers, ...absent].join("\n"),
    ...tables(figures).map(asMarkdown),
    figures.checked.length === 0
      ? ""
      : `Outputs compared between the peers: ${figures.checked.length}; different: ${figures.notes.filter((note) => note.includes("outputs differ")).length}.`,
    notes.length === 0 ? "" : ["Notes:", "", ...notes].join("\n"),
    asMarkdown(targetTable(figures)),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** Puts `text` between two marker lines of `file`; returns the rest of it. */
function replaceMarked(file, begin, end, text) {
  const old = readFileSync(file, "utf8");
  const from = old.indexOf(begin);
  const to = old.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file}: no '${begin}' … '${end}' there`);
  writeFileSync(file, `${old.slice(0, from)}${begin}\n\n${text}\n\n${old.slice(to)}`);
  return old.slice(0, from) + old.slice(to + end.length);
}

/** Rewrites the tables of HAMMER in `file`. */
export function updateHammer(file, hammer, { host, command, peers }) {
  const absent = Object.entries(peers.absent).map(([peer, why]) => `${peer} is left out: ${why}.`);
  const head = [
    `\`${command}\` on ${host.cores} cores of ${host.model}, ${host.system}, Node ${peers.node.slice(1)}, load before ${host.load.toFixed(1)}; ` +
      `best of ${peers.rounds} interleaved round(s), by the clock and in brackets for a second of processor time, which a busy machine leaves alone.`,
    ...absent,
  ].join(" ");
  replaceMarked(file, HAMMER_BEGIN, HAMMER_END, [head, ...hammerTables(hammer).map(asMarkdown)].join("\n\n"));
}

/** Rewrites the table of file servers and workloads in `file`. */
export function updateServe(file, serve, { host, command }) {
  const head = `\`${command}\` on ${host.cores} cores of ${host.model}, ${host.system}, load before ${host.load.toFixed(1)}; best of the passes.`;
  const notes = serve.notes.map((note) => `- ${note}`).join("\n");
  replaceMarked(file, SERVE_BEGIN, SERVE_END, [head, asMarkdown(serveTable(serve)), ...(notes === "" ? [] : [`Notes:\n\n${notes}`])].join("\n\n"));
}

/** Rewrites the table of servers in `file`. */
export function updateServers(file, servers, { host, command, rounds }) {
  const head =
    `\`${command}\` on ${host.cores} cores of ${host.model}, ${host.system}, load before ${host.load.toFixed(1)}; ` +
    `best of ${rounds} interleaved round(s).`;
  const notes = servers.notes.map((note) => `- ${note}`).join("\n");
  const text = [head, asMarkdown(serverTable(servers)), notes === "" ? "" : `Notes:\n\n${notes}`].filter((part) => part !== "").join("\n\n");
  replaceMarked(file, SERVERS_BEGIN, SERVERS_END, text);
}

/** Rewrites the marked part of `file`; returns the rows that miss a target and are not named in the rest of the file. */
export function updateDocument(file, figures) {
  const rest = replaceMarked(file, BEGIN, END, markdown(figures));
  const missing = new Set(judge(figures).flatMap((verdict) => verdict.rows));
  return [...missing].filter((row) => !rest.includes(row));
}

if (import.meta.url === pathToFileURL(path.resolve(process.argv[1] ?? "")).href) {
  const [results, file] = process.argv.slice(2);
  if (file === undefined) {
    process.stderr.write("usage: node tooling/bench/document.mjs RESULTS.json FILE.md\n");
    process.exit(2);
  }
  for (const row of updateDocument(file, JSON.parse(readFileSync(results, "utf8")))) {
    process.stderr.write(`${file}: ${row} misses its target and the text does not say why\n`);
  }
}
