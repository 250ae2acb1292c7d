// SPDX-License-Identifier: BSD-3-Clause
/**
 * Builds the embedded world: every program of bin/ crunched into one static DragonFly/i386 executable, and the
 * tree of tree.conf around it.
 *
 *   node world/build.mjs [OUTPUT]      default: packages/cli/world
 *
 * Writes OUTPUT/programs (the executable), OUTPUT/etc/... and OUTPUT/manifest.json. As BSD's crunchgen does, each
 * program is linked by itself first and keeps only its entry point visible, so that programs need not agree on
 * names. The result depends on the sources and the compiler's version alone: no paths, times or build ids.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const WORLD = dirname(fileURLToPath(import.meta.url));

/** Modification time of everything in the tree: 2009-02-16, in the days of DragonFly 2.0 and 2.2. */
const MTIME = 1234742400;

const CFLAGS = [
  "-m32", "-march=i686", "-mtune=generic", "-Os", "-std=gnu11", "-ffreestanding", "-fno-builtin", "-fno-pic", "-fno-pie",
  "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-ident", "-ffunction-sections", "-fdata-sections",
  "-fno-tree-loop-distribute-patterns", "-fcf-protection=none", "-mpreferred-stack-boundary=2", "-fomit-frame-pointer", "-Wall", "-Wextra", "-Wno-clobbered",
];
const LDFLAGS = [
  "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,--gc-sections", "-Wl,-z,noseparate-code",
  "-Wl,-z,max-page-size=4096", "-Wl,-z,norelro", "-Wl,--hash-style=sysv", "-Wl,-s",
];

/** First line of the compiler's version: what the bytes depend on besides the sources. */
export async function compilerVersion() {
  const { stdout } = await run("gcc", ["--version"]);
  return stdout.split("\n")[0];
}

async function sourcesBelow(dir) {
  const names = await readdir(dir, { withFileTypes: true });
  const found = [];
  for (const entry of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) found.push(...(await sourcesBelow(path)));
    else if (/\.[cS]$/.test(entry.name)) found.push(path);
  }
  return found;
}

/** Runs tasks a few at a time, results in order. */
async function pooled(tasks) {
  const results = new Array(tasks.length);
  let next = 0;
  const worker = async () => {
    while (next < tasks.length) {
      const i = next++;
      results[i] = await tasks[i]();
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, cpus().length) }, worker));
  return results;
}

async function gcc(args) {
  try {
    await run("gcc", args, { cwd: WORLD, env: { ...process.env, LC_ALL: "C", SOURCE_DATE_EPOCH: String(MTIME) } });
  } catch (error) {
    throw new Error(`gcc ${args.at(-1)}: ${error.stderr || error.message}`, { cause: error });
  }
}

/** C identifier of a program's entry point. */
const entryPoint = (name) => `${name.replace(/\W/g, "_")}_main`;

async function compileAll(work, includes) {
  const flags = [...CFLAGS, "-nostdinc", "-isystem", includes, "-Ilibc/include"];
  const compile = (source, extra = []) => async () => {
    const object = join(work, relative(WORLD, source).replace(/[/.]/g, "_") + ".o");
    await gcc([...flags, ...extra, "-c", relative(WORLD, source), "-o", object]);
    return object;
  };
  const libc = (await sourcesBelow(join(WORLD, "libc"))).map((source) => compile(source));
  const programs = [];
  for (const entry of (await readdir(join(WORLD, "bin"), { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(WORLD, "bin", entry.name);
    const name = basename(entry.name, ".c");
    if (!entry.isDirectory() && !entry.name.endsWith(".c")) continue;
    const sources = entry.isDirectory() ? await sourcesBelow(path) : [path];
    programs.push({ name, tasks: sources.map((source) => compile(source, [`-Dmain=${entryPoint(name)}`])) });
  }
  const objects = await pooled([...libc, ...programs.flatMap((p) => p.tasks)]);
  let at = libc.length;
  return { libc: objects.slice(0, at), programs: programs.map(({ name, tasks }) => ({ name, objects: objects.slice(at, (at += tasks.length)) })) };
}

/** Links one program's objects and hides all its names but the entry point. */
async function isolate(work, { name, objects }) {
  const linked = join(work, `${name}.lo`);
  await run("ld", ["-m", "elf_i386", "-r", "-o", linked, ...objects]);
  await run("objcopy", [`--keep-global-symbol=${entryPoint(name)}`, linked]);
  return linked;
}

/** The table that maps names to programs; names that share a program come from tree.conf. */
function crunchSource(programs, links) {
  const rows = links.map(({ name, program }) => ({ name, entry: entryPoint(program) }));
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = [...new Set(programs.map((p) => entryPoint(p.name)))];
  return [
    "struct crunched { const char *name; int (*main)(int, char **, char **); };",
    ...entries.map((e) => `int ${e}(int, char **, char **);`),
    `const struct crunched crunched[] = {`,
    ...rows.map((r) => `\t{ "${r.name}", ${r.entry} },`),
    `};`,
    `const unsigned ncrunched = ${rows.length};`,
    "",
  ].join("\n");
}

/** tree.conf: "path type mode [argument]", one entry a line, parents first. */
function parseTree(text) {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "")
    .map((line) => {
      const [path, type, mode, argument] = line.split(/\s+/);
      return { path, type, mode: Number.parseInt(mode, 8), argument };
    });
}

/** Builds into `output`; returns the compiler's version line. */
export async function buildWorld(output) {
  const tree = parseTree(await readFile(join(WORLD, "tree.conf"), "utf8"));
  const work = await mkdtemp(join(tmpdir(), "world-"));
  try {
    const includes = (await run("gcc", ["-m32", "-print-file-name=include"])).stdout.trim();
    const { libc, programs } = await compileAll(work, includes);
    const isolated = await pooled(programs.map((p) => () => isolate(work, p)));
    const links = tree.filter((e) => e.type === "prog").map((e) => ({ name: basename(e.path), program: e.argument ?? basename(e.path) }));
    for (const { program } of links) {
      if (!programs.some((p) => p.name === program)) throw new Error(`tree.conf names ${program}, which bin/ does not have`);
    }
    await writeFile(join(work, "crunch_table.c"), crunchSource(programs, links));
    const flags = [...CFLAGS, "-nostdinc", "-isystem", includes, "-Ilibc/include"];
    await gcc([...flags, "-c", "crunch.c", "-o", join(work, "crunch.o")]);
    await gcc([...flags, "-c", join(work, "crunch_table.c"), "-o", join(work, "crunch_table.o")]);
    await rm(output, { recursive: true, force: true });
    await mkdir(output, { recursive: true });
    await gcc([...LDFLAGS, "-o", join(output, "programs"), join(work, "crunch.o"), join(work, "crunch_table.o"), ...isolated, ...libc, "-lgcc"]);
    await writeManifest(output, tree, await compilerVersion());
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Builds one program of these files against the world's libc, for tests. */
export async function buildProgram(sources, output) {
  const work = await mkdtemp(join(tmpdir(), "world-"));
  try {
    const includes = (await run("gcc", ["-m32", "-print-file-name=include"])).stdout.trim();
    const flags = [...CFLAGS, "-nostdinc", "-isystem", includes, "-Ilibc/include"];
    const objects = await pooled(
      [...sources, ...(await sourcesBelow(join(WORLD, "libc")))].map((path, i) => async () => {
        const object = join(work, `${i}.o`);
        await gcc([...flags, "-c", path, "-o", object]);
        return object;
      }),
    );
    await gcc([...LDFLAGS, "-o", output, ...objects, "-lgcc"]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function writeManifest(output, tree, compiler) {
  let first;
  const entries = [];
  for (const { path, type, mode, argument } of tree) {
    const entry = { path, type, mode, uid: 0, gid: 0 };
    if (type === "prog" && first === undefined) {
      first = path;
      entries.push({ ...entry, type: "file", source: "programs" });
    } else if (type === "prog") {
      entries.push({ ...entry, type: "hardlink", target: first });
    } else if (type === "file") {
      const source = argument ?? path.slice(1);
      await mkdir(dirname(join(output, source)), { recursive: true });
      await writeFile(join(output, source), await readFile(join(WORLD, source)));
      entries.push({ ...entry, source });
    } else if (type === "dir") {
      entries.push(entry);
    } else if (type === "symlink") {
      entries.push({ ...entry, target: argument });
    } else {
      throw new Error(`tree.conf: ${path}: unknown type ${type}`);
    }
  }
  const lines = entries.map((e) => `    ${JSON.stringify(e)}`).join(",\n");
  await writeFile(
    join(output, "manifest.json"),
    `{\n  "compiler": ${JSON.stringify(compiler)},\n  "mtime": ${MTIME},\n  "entries": [\n${lines}\n  ]\n}\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildWorld(process.argv[2] ?? join(WORLD, "..", "packages", "cli", "world"));
}
