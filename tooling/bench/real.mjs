// The rows of real programs: whole commands of unmodified Debian i386 programs, and what must come out of them.

const W = "/bench/tmp";
const INPUTS = "/bench/inputs";

/**
 * `output`: the file that the command leaves, or "stdout": its digest must be the same on every peer.
 * `heavy`: visited once (no second, warm run), and not by peers that need minutes for it.
 * `setup`: shell, not timed.
 */
export const PROGRAMS = [
  {
    name: "busybox_sha256_64M",
    command: `busybox sha256sum ${W}/blob64`,
    data: ["blob64"],
    output: "stdout",
  },
  { name: "busybox_gzip_16M", command: `busybox gzip -c ${W}/text16`, data: ["text16"], output: "stdout" },
  {
    name: "busybox_gunzip_16M",
    command: `busybox gunzip -c ${W}/text16.gz`,
    data: ["text16", "text16.gz"],
    output: "stdout",
  },
  { name: "busybox_sort_4M", command: `busybox sort ${W}/lines`, data: ["lines"], output: "stdout" },
  { name: "sh_loop", command: `busybox sh ${INPUTS}/loop.sh`, output: "stdout" },
  { name: "lua", command: `lua5.4 ${INPUTS}/mix.lua`, output: "stdout" },
  { name: "sqlite_100k", command: `sqlite3 :memory: '.read ${INPUTS}/load.sql'`, output: "stdout" },
  { name: "python_start", command: "python3.11 -S -E -c pass", output: "stdout" },
  { name: "python_loop", command: `python3.11 -S -E ${INPUTS}/loop.py`, output: "stdout" },
  { name: "tcc_big", command: `tcc -c -o ${W}/tcc.o ${INPUTS}/big.c`, output: "tcc.o" },
  { name: "gcc_O1_unit", command: `gcc-12 -O1 -c -o ${W}/unit.o ${INPUTS}/cproj/unit0.c`, output: "unit.o" },
  {
    name: "gcc_O1_big",
    command: `gcc-12 -O1 -c -o ${W}/big.o ${INPUTS}/big.c`,
    output: "big.o",
    heavy: true,
  },
  {
    name: "esbuild_bundle",
    command: `esbuild --bundle --minify --log-level=error --outfile=${W}/out.js ${INPUTS}/js/index.js`,
    output: "out.js",
  },
  {
    name: "make_j8_tcc",
    command: `make -s -B -j8 -C ${W}/cproj CC=tcc`,
    setup: `rm -rf ${W}/cproj && cp -r ${INPUTS}/cproj ${W}/cproj`,
    output: "cproj/proj",
  },
  {
    name: "make_j8_gcc",
    command: `make -s -B -j8 -C ${W}/cproj CC=gcc-12`,
    setup: `rm -rf ${W}/cproj && cp -r ${INPUTS}/cproj ${W}/cproj`,
    output: "cproj/proj",
    heavy: true,
  },
];

/** How the inputs come about that are too large to be stored in the guest's image: shell, in their folder. */
export const DATA = {
  blob64: "/bench/bin/mkdata random 65536 2 blob64",
  text16: "/bench/bin/mkdata text 16384 1 text16",
  "text16.gz": "/bin/busybox gzip -c text16 > text16.gz",
  lines: "/bench/bin/mkdata lines 4096 3 lines",
};

/**
 * The shell script that measures one program: `runs` timed runs one after another in one guest, then, with `check`, the
 * digest of what it wrote, as a line `C real.NAME DIGEST`. Results that need another run to be seen (standard output)
 * are checked only with `check` = "all".
 */
export function script(program, runs, check) {
  const name = `real.${program.name}`;
  const lines = [
    "export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root",
    `mkdir -p ${W}`,
    `cd ${W}`,
  ];
  for (const file of program.data ?? []) {
    lines.push(
      `[ -f ${W}/${file} ] || if [ -f /bench/data/${file} ]; then ln -s /bench/data/${file} ${W}/${file}; ` +
        `else ${DATA[file]}; fi`,
    );
  }
  if (program.setup !== undefined) lines.push(program.setup);
  lines.push(`/bench/bin/timeit -r ${runs} ${name} -- ${program.command}`);
  const stdout = program.output === "stdout";
  if (stdout && check === "all") lines.push(`${program.command} > ${W}/checked`);
  if (!stdout || check === "all") {
    lines.push(
      `set -- $(busybox sha256sum ${W}/${stdout ? "checked" : program.output}); echo "C ${name} $1"`,
    );
  }
  return lines.join("\n");
}
