// SPDX-License-Identifier: BSD-3-Clause
/**
 * The table of what programs.js found, kept in a Markdown file between two comments. A run replaces the rows of its cases and leaves the
 * others, so that the table may be filled in pieces; rows of cases that no longer exist go.
 */
const BEGIN = "<!-- results of programs.js: written by --report, not by hand -->";
const END = "<!-- end of results -->";
const COLUMNS = ["case", "result", "tests", "native s", "vkernel s", "day", "differences, each with its cause"];

/** Differences of a case that are told one by one. */
const NOTES = 6;

const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const seconds = (ms) => (ms === null ? "" : (ms / 1000).toFixed(1));

/** One line of the table: a case { suite, name } and how it ended. */
function row({ suite, name, word, tests, nativeMs, vkernelMs, day, lines, known }) {
  const all = [...lines, ...known.map((text) => `known: ${text}`)];
  const notes = all.length > NOTES ? [...all.slice(0, NOTES - 1), `and ${all.length - NOTES + 1} more`] : all;
  const cells = [`${suite} ${name}`, word, tests, seconds(nativeMs), seconds(vkernelMs), day, notes.join("; ")];
  return `| ${cells.map(cell).join(" | ")} |`;
}

/** "suite case" of a line of the table. */
const nameOf = (line) => /^\| (\S+ \S+) \|/.exec(line)?.[1];

/**
 * `text` with `results` in its table; `order` is the list of all cases there are, as "suite case". Throws when the text has no table.
 */
export function updateReport(text, results, order) {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`no table: the lines '${BEGIN}' and '${END}' are missing`);
  const rows = new Map(
    text
      .slice(from, to)
      .split("\n")
      .map((line) => [nameOf(line), line]),
  );
  for (const result of results) rows.set(`${result.suite} ${result.name}`, row(result));
  const kept = order.filter((name) => rows.has(name));
  const words = new Map();
  for (const name of kept) {
    const word = rows.get(name).split(" | ", 2)[1];
    words.set(word, (words.get(word) ?? 0) + 1);
  }
  const sum = [...words].map(([word, n]) => `${n} ${word}`).join(", ");
  const never = order.length - kept.length;
  const lines = [
    BEGIN,
    "",
    `${order.length} cases: ${sum}${never === 0 ? "" : `, ${never} not run yet`}.`,
    "",
    `| ${COLUMNS.join(" | ")} |`,
    `|${COLUMNS.map(() => " --- |").join("")}`,
    ...kept.map((name) => rows.get(name)),
    "",
  ];
  return `${text.slice(0, from)}${lines.join("\n")}${text.slice(to)}`;
}
