// The lines that guest programs print, collected over peers and rounds, and the figures formed from them.
//
//   R name unit min median reps iterations first_ns     a result
//   C name value                                         a value that must be equal on every peer
//   F name reason                                        a wrong outcome

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
export const geometricMean = (list) => Math.exp(list.reduce((sum, x) => sum + Math.log(x), 0) / list.length);

/** Groups of rows, by the first part of the name; the mean of each is a figure of its own. */
export const GROUPS = [
  { title: "Processor rows", prefixes: ["cpu", "fp", "mem", "str", "smc"], key: "kernel" },
  { title: "Kernel boundary", prefixes: ["boundary"], key: "boundary" },
  { title: "Real programs", prefixes: ["real"], key: "real" },
];
export const groupOf = (row) => GROUPS.find((group) => group.prefixes.includes(row.split(".")[0]));

/**
 * The first run of a program in a guest and the second one, ms. Of two runs timeit prints the lesser as the minimum, the
 * greater as the median, and which one was first.
 */
function programRuns(least, middle, reps, first) {
  if (reps === 1) return { cold: first };
  const firstWasGreater = Math.abs(first - middle) < Math.abs(first - least);
  return { cold: first, warm: firstWasGreater ? least : middle };
}

export class Results {
  constructor() {
    /** row -> { unit, peers: peer -> samples: { value } of a row in ns, { cold, warm? } of a program } */
    this.rows = new Map();
    /** checked name -> value -> peers */
    this.checks = new Map();
    this.notes = new Set();
  }

  /** Takes what one run of `peer` printed; `ended` is null or how it failed to end well. */
  take(peer, what, { stdout, stderr, ended }) {
    const seen = new Set();
    for (const line of stdout.split("\n")) {
      const [kind, name, ...rest] = line.trim().split(" ");
      if (kind === "R" && rest.length >= 6) {
        seen.add(name);
        this.#sample(peer, name, rest);
      } else if (kind === "C" && rest.length > 0) this.#check(peer, name, rest.join(" "));
      else if (kind === "F") this.notes.add(`${peer} ${name}: ${rest.join(" ")}`);
    }
    if (ended === null) return seen;
    const said = stderr.trim().split("\n").at(-1);
    this.notes.add(`${peer} ${what}: ${ended}${said === "" ? "" : ` (${said})`}`);
    return seen;
  }

  #sample(peer, name, [unit, least, middle, reps, , first]) {
    const row = this.rows.get(name) ?? { unit, peers: new Map() };
    this.rows.set(name, row);
    const samples = row.peers.get(peer) ?? [];
    row.peers.set(peer, samples);
    if (unit !== "ms") samples.push({ value: Number(middle) });
    else samples.push(programRuns(Number(least), Number(middle), Number(reps), Number(first) / 1e6));
  }

  #check(peer, name, value) {
    const values = this.checks.get(name) ?? new Map();
    this.checks.set(name, values);
    values.set(value, (values.get(value) ?? new Set()).add(peer));
  }

  /** Everything as plain data, for --json and the tables. */
  figures() {
    const rows = {};
    for (const [name, { unit, peers }] of this.rows) {
      const cells = {};
      for (const [peer, samples] of peers) {
        const keys = ["value", "cold", "warm"].filter((key) => samples.some((sample) => key in sample));
        cells[peer] = Object.fromEntries(
          keys.map((key) => [
            key,
            median(samples.filter((sample) => key in sample).map((sample) => sample[key])),
          ]),
        );
      }
      rows[name] = { unit, peers: cells };
    }
    for (const [name, values] of this.checks) {
      if (values.size === 1) continue;
      const views = [...values].map(([value, peers]) => `${[...peers].join(", ")}: ${value}`);
      this.notes.add(`${name}: outputs differ: ${views.join("; ")}`);
    }
    return { rows, checked: [...this.checks.keys()], notes: [...this.notes] };
  }
}
