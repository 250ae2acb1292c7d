// What the figures are to reach, and which do.
import { geometricMean, groupOf } from "./results.mjs";
import { cold, settled } from "./table.mjs";

const INTEGER = [
  "int_mix",
  "sha256_per_KiB",
  "sieve_1M",
  "fib_per_call",
  "indirect_call",
  "qsort_per_elem",
  "i64_mix",
  "i64_div",
];

/** Rows bounded by a multiple of native's time. */
const ROW_LIMITS = [
  { what: "integer and call rows", limit: 2.5, rows: INTEGER.map((name) => `cpu.${name}`) },
  { what: "interpreter dispatch", limit: 7, rows: ["cpu.vm_switch_per_op", "cpu.vm_goto_per_op"] },
  { what: "SSE2 double", limit: 4, rows: ["fp.nbody_step_sse2", "fp.lu48_sse2"] },
  { what: "x87", limit: 40, rows: ["fp.nbody_step_x87", "fp.lu48_x87"] },
  {
    what: "memcpy, memset",
    limit: 3,
    rows: ["mem.memcpy_16K_per_KiB", "mem.memset_16K_per_KiB", "mem.memcpy_16M_per_KiB"],
  },
  {
    what: "rep string",
    limit: 3,
    rows: [
      "rep_movsb_4K_per_KiB",
      "rep_movsd_4K_per_KiB",
      "rep_movsd_16B",
      "rep_stosd_4K_per_KiB",
      "repne_scasb_4K_per_KiB",
      "repe_cmpsb_4K_per_KiB",
    ].map((name) => `str.${name}`),
  },
  { what: "self-modifying code", limit: 50, rows: ["smc.patch_and_call", "smc.generate_and_run"] },
  { what: "data beside code", limit: 20, rows: ["smc.data_in_code_page"] },
];

/** Rows bounded in nanoseconds. */
const TIME_LIMITS = [
  { what: "null system call", row: "boundary.null_int80", ns: 150 },
  { what: "anonymous page fault", row: "boundary.fault_anon_page", ns: 1000 },
];

const WARM_UP = ["real.python_start", "real.tcc_big", "real.gcc_O1_unit"];

/** Lines { what, limit, measured, met, rows }: `rows` are those that miss. */
export function judge({ rows, peers }) {
  const cell = (row, peer) => rows[row]?.peers[peer];
  const verdicts = [];
  const add = (what, limit, measured, met, missing = []) =>
    verdicts.push({ what, limit, measured, met, rows: missing });
  const times = (row, pick = settled) => {
    const own = pick(cell(row, "vkernel"));
    const base = settled(cell(row, "native"));
    return own === undefined || base === undefined ? undefined : own / base;
  };
  const mean = (key, pick) => {
    const list = Object.keys(rows)
      .filter((row) => groupOf(row)?.key === key)
      .map((row) => times(row, pick))
      .filter((value) => value !== undefined);
    return list.length === 0 ? undefined : geometricMean(list);
  };

  const kernel = mean("kernel", settled);
  if (kernel !== undefined)
    add("processor rows, geometric mean", "≤ 4 × native", `${kernel.toFixed(2)} ×`, kernel <= 4);
  for (const { what, limit, rows: names } of ROW_LIMITS) {
    const seen = names.map((row) => [row, times(row)]).filter(([, value]) => value !== undefined);
    if (seen.length === 0) continue;
    const missing = seen.filter(([, value]) => value > limit).map(([row]) => row);
    const worst = Math.max(...seen.map(([, value]) => value));
    add(what, `each ≤ ${limit} × native`, `at most ${worst.toFixed(2)} ×`, missing.length === 0, missing);
  }
  const real = mean("real", cold);
  if (real !== undefined) {
    add("real programs, geometric mean, first run", "≤ 5 × native", `${real.toFixed(2)} ×`, real <= 5);
    const both = Object.keys(rows).filter(
      (row) => groupOf(row)?.key === "real" && cell(row, "qemu-user") && cell(row, "vkernel"),
    );
    if (both.length > 0) {
      const speed = geometricMean(
        both.map((row) => settled(cell(row, "qemu-user")) / cold(cell(row, "vkernel"))),
      );
      add(
        "real programs against qemu-user, first run",
        "≥ 1.5 × its speed",
        `${speed.toFixed(2)} ×`,
        speed >= 1.5,
      );
    }
  }
  for (const row of WARM_UP) {
    const own = cell(row, "vkernel");
    const qemu = settled(cell(row, "qemu-user"));
    if (own === undefined) continue;
    if (qemu !== undefined) {
      const met = own.cold <= qemu;
      add(
        `${row}, first run`,
        "no slower than qemu-user",
        `${(own.cold / qemu).toFixed(2)} × its time`,
        met,
        met ? [] : [row],
      );
    }
    if (own.warm !== undefined) {
      const met = own.warm < own.cold;
      add(
        `${row}, second run`,
        "faster than the first",
        `${(own.warm / own.cold).toFixed(2)} × its time`,
        met,
        met ? [] : [row],
      );
    }
  }
  for (const { what, row, ns } of TIME_LIMITS) {
    const own = settled(cell(row, "vkernel"));
    if (own !== undefined) add(what, `≤ ${ns} ns`, `${own.toFixed(0)} ns`, own <= ns, own <= ns ? [] : [row]);
  }
  for (const peer of ["qemu-user", "v86"].filter((name) => peers.includes(name))) {
    const compared = Object.keys(rows).filter((row) => cell(row, peer) && cell(row, "vkernel"));
    if (compared.length === 0) continue;
    const slower = compared.filter((row) => cold(cell(row, "vkernel")) > cold(cell(row, peer)));
    add(
      `no row slower than ${peer}`,
      `0 of ${compared.length} rows`,
      `${slower.length}`,
      slower.length === 0,
      slower,
    );
  }
  return verdicts;
}

/** The verdicts as a table. */
export function targetTable(figures) {
  const body = judge(figures).map(({ what, limit, measured, met, rows }) => [
    what,
    limit,
    measured,
    met ? "met" : "missed",
    rows.length > 0 ? rows.join(", ") : "",
  ]);
  return { title: "Targets", text: true, head: ["target", "bound", "measured", "", "rows that miss"], body };
}
