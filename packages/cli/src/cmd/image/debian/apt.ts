// SPDX-License-Identifier: BSD-3-Clause
/**
 * The host's apt, with a state of its own: package lists and downloads live in a cache folder, the host's installed packages,
 * lists and locks are neither read nor changed, no rights are needed. The host gives its sources, their keys, and how to
 * reach them (Acquire::*, proxies above all). Its hooks are not run.
 *
 * The world that apt sees is a Debian of architecture i386 without any package installed. What it downloads, it verifies.
 * Sources: apt.conf(5), apt-get(8), apt-patterns(7); APT::Status-Fd: apt's doc/progress-reporting.md.
 * @module
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, fchmodSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { CliError } from "../../../ui/errors.ts";

/** A package to be installed, and where its archive is once it was downloaded. */
export interface PlannedPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
}

/** A place packages come from, as in sources.list(5). */
export interface AptSource {
  readonly uri: string;
  readonly release: string;
  readonly components: readonly string[];
}

/** What is said on standard error, and how a command ended. */
interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Packages that are Essential, or that apt needs to be one. */
const ESSENTIAL = "?essential";
/** States that /bin, /sbin and /lib are links into /usr, which the image has from the start, and keeps its converter out. */
const MERGED_USR = "usr-is-merged";
const ARCHITECTURE = "i386";
/** apt leaves no bytes of a version unquoted that mean something in a file name. */
const quoted = (text: string): string => text.replaceAll(/[_:]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv, progress?: (line: string) => void): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe", progress === undefined ? "ignore" : "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    if (progress !== undefined) createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on("line", progress);
    child.on("error", (e: NodeJS.ErrnoException) => {
      reject(e.code === "ENOENT"
        ? new CliError("--debian", `'${command}' is not on this machine`, "Debian's packages are fetched with apt: run this on Debian or Ubuntu, or make a root elsewhere and give it with --from ROOT.tar")
        : e);
    });
    child.on("close", (code, signal) => resolve({ status: code ?? (signal === null ? 1 : 128), stdout, stderr }));
  });
}

/** The lines in which apt says what is wrong, without their marks. */
function complaints(text: string): string {
  return text.split("\n").filter((line) => line.startsWith("E: ")).map((line) => line.slice(3)).join(" ");
}

/** A failure of apt as one line. */
function failure(what: string, outcome: Outcome): CliError {
  const unknown = /Unable to locate package (\S+)/.exec(outcome.stderr);
  if (unknown !== null) return new CliError(unknown[1]!, "no such package in the sources of this machine", "apt-cache search finds names; --sources FILE names other sources");
  if (/don't have enough free space/.test(outcome.stderr)) return new CliError(what, complaints(outcome.stderr), "--cache DIR puts the downloads elsewhere");
  if (/Could not get lock/.test(outcome.stderr)) return new CliError(what, complaints(outcome.stderr), "another 'image create --debian' uses this cache: wait, or give --cache DIR");
  const unmet = /The following packages have unmet dependencies:\n([\s\S]*?)\nE:/.exec(outcome.stdout + outcome.stderr);
  const why = unmet === null ? complaints(outcome.stderr) : unmet[1]!.replaceAll(/\s+/g, " ").trim();
  return new CliError(what, why === "" ? outcome.stderr.trim().replaceAll("\n", "; ") : why);
}

/** Writes a file that is the user's alone, whatever it was before. */
function writePrivate(file: string, text: string): void {
  const fd = openSync(file, "w", 0o600);
  try {
    fchmodSync(fd, 0o600);
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** apt with a state of its own below a folder. */
export class Apt {
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(dir: string, env: NodeJS.ProcessEnv) {
    this.#dir = dir;
    this.#env = env;
  }

  /** Prepares the folder. `sources` is a sources.list file in place of the host's. Throws CliError on a host without apt. */
  static async open(folder: string, sources: string | undefined): Promise<Apt> {
    const dir = path.resolve(folder);
    for (const sub of ["state/lists/partial", "cache/archives/partial", "empty", "tmp"]) mkdirSync(path.join(dir, sub), { recursive: true, mode: 0o700 });
    const status = path.join(dir, "status");
    if (!existsSync(status)) writeFileSync(status, "");
    const host = await run("apt-config", ["dump", "Acquire"], process.env);
    if (host.status !== 0) throw failure("apt-config", host);
    const settings: [string, string][] = [
      ["APT::Architecture", ARCHITECTURE],
      ["APT::Install-Recommends", "false"],
      ["APT::Sandbox::User", ""],
      ["Acquire::Languages", "none"],
      ["Dir::State", path.join(dir, "state")],
      ["Dir::State::status", status],
      ["Dir::Cache", path.join(dir, "cache")],
      ["Dir::Etc::main", "/dev/null"],
      ["Dir::Etc::parts", path.join(dir, "empty")],
      ["Dir::Etc::preferences", "/dev/null"],
      ["Dir::Etc::preferencesparts", path.join(dir, "empty")],
    ];
    if (sources !== undefined) {
      if (!existsSync(sources)) throw new CliError("--sources", `${sources}: no such file`, "a file as sources.list(5) describes");
      settings.push(["Dir::Etc::sourcelist", path.resolve(sources)], ["Dir::Etc::sourceparts", path.join(dir, "empty")]);
    }
    const text = settings.map(([name, value]) => `${name} "${value}";\n`).join("");
    const conf = path.join(dir, "apt.conf");
    // The host's settings may hold a proxy's password.
    writePrivate(conf, `${host.stdout}${text}#clear APT::Architectures;\nAPT::Architectures { "${ARCHITECTURE}"; };\n`);
    return new Apt(dir, { ...process.env, APT_CONFIG: conf, TMPDIR: path.join(dir, "tmp"), LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" });
  }

  #run(command: string, args: readonly string[], progress?: (line: string) => void): Promise<Outcome> {
    return run(command, args, this.#env, progress);
  }

  /** Reads the package lists; resolves to what could not be read, or null. Lists of an earlier time serve, too. */
  async update(): Promise<string | null> {
    const outcome = await this.#run("apt-get", ["-q", "update"]);
    return outcome.status === 0 && !/^E: /m.test(outcome.stderr) ? null : complaints(outcome.stderr);
  }

  /** Packages in the order in which apt would install them: those named with all they depend on. Throws CliError. */
  async #simulate(names: readonly string[]): Promise<PlannedPackage[]> {
    const outcome = await this.#run("apt-get", ["-q", "-s", "install", ...names]);
    if (outcome.status !== 0) throw failure("--debian", outcome);
    return [...outcome.stdout.matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm)].map(([, name, version, arch]) => ({
      name: name!.replace(/:.*$/, ""), version: version!, arch: arch!,
    }));
  }

  async #mergedUsr(): Promise<string[]> {
    const { stdout } = await this.#run("apt-cache", ["pkgnames", MERGED_USR]);
    return stdout.split("\n").includes(MERGED_USR) ? [MERGED_USR] : [];
  }

  /** A whole Debian with `names` in it, in order of installation; also the names of what must work before the rest is unpacked. */
  async plan(names: readonly string[]): Promise<{ packages: PlannedPackage[]; base: ReadonlySet<string> }> {
    const root = [ESSENTIAL, ...(await this.#mergedUsr())];
    const packages = await this.#simulate([...names, ...root]);
    if (!packages.some((p) => p.name === "dpkg")) {
      throw new CliError("--debian", `the sources of this machine have no base system for ${ARCHITECTURE}`, "--sources FILE: for example 'deb http://deb.debian.org/debian bookworm main'");
    }
    const planned = new Set(packages.map((p) => p.name));
    const essential = await this.#simulate(root);
    const preDepends = await this.#preDepends(packages);
    const early = await this.#simulate([...root, ...preDepends.filter((name) => planned.has(name))]);
    return { packages, base: new Set([...essential, ...early].map((p) => p.name).filter((name) => planned.has(name))) };
  }

  /** Names that any of the packages needs before it is unpacked. */
  async #preDepends(packages: readonly PlannedPackage[]): Promise<string[]> {
    const outcome = await this.#run("apt-cache", ["show", ...packages.map((p) => `${p.name}=${p.version}`)]);
    if (outcome.status !== 0) throw failure("apt-cache", outcome);
    const names = [...outcome.stdout.matchAll(/^Pre-Depends: (.*)$/gm)].flatMap(([, list]) => list!.split(/[,|]/));
    return [...new Set(names.map((name) => name.trim().replace(/[ (:].*$/, "")))];
  }

  /** Downloads what is not there yet; `progress` is told percentages. Throws CliError. */
  async download(packages: readonly PlannedPackage[], progress: (percent: number) => void): Promise<void> {
    const names = packages.map((p) => `${p.name}=${p.version}`);
    const outcome = await this.#run("apt-get", ["-q", "-y", "--download-only", "-o", "APT::Status-Fd=3", "install", ...names], (line) => {
      const found = /^dlstatus:[^:]*:([\d.]+):/.exec(line);
      if (found !== null) progress(Number(found[1]));
    });
    if (outcome.status !== 0) throw failure("apt-get", outcome);
    for (const p of packages)
      if (!existsSync(this.archive(p))) throw new CliError(this.archive(p), "apt-get has not downloaded it", "run the command again");
  }

  /** The .deb file of a package. */
  archive(p: PlannedPackage): string {
    return path.join(this.#dir, "cache/archives", `${quoted(p.name)}_${quoted(p.version)}_${p.arch}.deb`);
  }

  /** Debian's own sources among those in use, for the new system's apt. */
  async debianSources(): Promise<AptSource[]> {
    const format = "$(ORIGIN)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)";
    const outcome = await this.#run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]);
    const sources = new Map<string, { uri: string; release: string; components: string[] }>();
    for (const line of outcome.stdout.split("\n")) {
      const [origin, uri, release, component] = line.split("\t");
      if (origin !== "Debian" || component === undefined) continue;
      const source = sources.get(`${uri} ${release}`) ?? { uri: uri!, release: release!, components: [] };
      source.components.push(component);
      sources.set(`${uri} ${release}`, source);
    }
    return [...sources.values()];
  }
}
