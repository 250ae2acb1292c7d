// Figures as tables: one renderer of rows of cells, as aligned text for a terminal or as Markdown.
import { GROUPS, geometricMean, groupOf } from "./results.mjs";

const ratio = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
function time(value, unit) {
  if (unit === "ms")
    return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} ms`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} µs`;
  return `${value.toFixed(value < 100 ? 2 : 0)} ns`;
}

/** The time a row counts with: programs have a first and a second run; the second tells of the peer, not of the disk. */
export const settled = (cell) => cell?.value ?? cell?.warm ?? cell?.cold;
export const cold = (cell) => cell?.value ?? cell?.cold;
const warm = (cell) => cell?.warm;

/** Columns of a group: title, peer and which figure. Peers that keep something between runs get two. */
function columns(group, peers) {
  const others = peers.filter((peer) => peer !== "native");
  return others.flatMap((peer) =>
    group.key === "real" && peer !== "qemu-user"
      ? [
          { title: `${peer} 1st ×`, peer, pick: cold },
          { title: `${peer} 2nd ×`, peer, pick: warm },
        ]
      : [{ title: `${peer} ×`, peer, pick: settled }],
  );
}

/** A group of rows as { title, head, body }: native's time, then each peer as a multiple of it, then geometric means. */
export function groupTable(group, figures) {
  const cols = columns(group, figures.peers);
  const rows = Object.entries(figures.rows).filter(([name]) => groupOf(name) === group);
  const ratios = cols.map(() => []);
  const body = rows.map(([name, { unit, peers }]) => {
    const base = settled(peers.native);
    const cells = cols.map(({ peer, pick }, i) => {
      const value = pick(peers[peer]);
      if (value === undefined) return "–";
      if (base === undefined) return time(value, unit);
      ratios[i].push(value / base);
      return ratio(value / base);
    });
    const own = figures.peers.includes("vkernel")
      ? [time(settled(peers.vkernel) ?? NaN, unit).replace(/^NaN.*/, "–")]
      : [];
    return [name, base === undefined ? "–" : time(base, unit), ...own, ...cells];
  });
  const own = figures.peers.includes("vkernel") ? ["vkernel"] : [];
  const means = ratios.map((list) =>
    list.length === 0 ? "–" : `${ratio(geometricMean(list))} (${list.length})`,
  );
  if (ratios.some((list) => list.length > 0)) {
    body.push(["geometric mean (rows)", "", ...own.map(() => ""), ...means]);
  }
  return { title: group.title, head: ["row", "native", ...own, ...cols.map((col) => col.title)], body };
}

export function tables(figures) {
  return GROUPS.map((group) => groupTable(group, figures)).filter((table) => table.body.length > 0);
}

/** As aligned text; columns of words (`text`) stand left, figures right. */
export function asText({ title, text, head, body }) {
  const widths = head.map((_, i) => Math.max(...[head, ...body].map((row) => row[i].length)));
  const pad = (cell, i) => (i === 0 || text ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  const line = (row) => row.map(pad).join("  ").trimEnd();
  return [title, line(head), ...body.map(line)].join("\n");
}

export function asMarkdown({ title, text, head, body }) {
  const line = (row) => `| ${row.join(" | ")} |`;
  const rule = line(head.map((_, i) => (i === 0 || text ? "---" : "---:")));
  return [`### ${title}`, "", line(head), rule, ...body.map(line)].join("\n");
}
