// Puts measured tables into a Markdown file, between two marker lines, so that no figure is typed by hand.
// `node tooling/bench/document.mjs RESULTS.json FILE.md` does it with results stored before.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { asMarkdown, tables } from "./table.mjs";
import { judge, targetTable } from "./targets.mjs";

const BEGIN = "<!-- measured tables: made by tooling/bench, do not edit -->";
const END = "<!-- end of measured tables -->";

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

/** Rewrites the marked part of `file`; returns the rows that miss a target and are not named in the rest of the file. */
export function updateDocument(file, figures) {
  const text = readFileSync(file, "utf8");
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${file}: no '${BEGIN}' … '${END}' there`);
  const rest = text.slice(0, from) + text.slice(to + END.length);
  writeFileSync(file, `${text.slice(0, from)}${BEGIN}\n\n${markdown(figures)}\n\n${text.slice(to)}`);
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
