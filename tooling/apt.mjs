// Debian packages without touching the host: an apt state of our own in a folder, downloads and unpacking there.
// Needs apt and dpkg-deb, no rights, installs nothing.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Runs a command to its end; its standard output. Throws with the command's own message when it fails. */
export function output(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${String(result.stderr || result.stdout).trim()}`);
  }
  return result.stdout;
}

/** Makes `dir`, without what an interrupted run has left there. What is filled there and then renamed is whole. */
export function emptyFolder(dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return dir;
}

/**
 * Settings that make apt read copies of the host's lists of places with source packages switched on, kept in dir/sources.
 * Both forms are known: `deb …` lines (.list) and stanzas (.sources).
 */
function sourcesOf(dir) {
  const parts = path.join(dir, "sources");
  cpSync("/etc/apt/sources.list.d", parts, { recursive: true });
  if (existsSync("/etc/apt/sources.list")) cpSync("/etc/apt/sources.list", path.join(parts, "main.list"));
  for (const name of readdirSync(parts)) {
    const file = path.join(parts, name);
    const text = readFileSync(file, "utf8");
    if (name.endsWith(".list")) writeFileSync(file, text.replace(/^deb (.*)$/gm, "deb $1\ndeb-src $1"));
    if (name.endsWith(".sources")) writeFileSync(file, text.replace(/^Types:.*$/gm, "Types: deb deb-src"));
  }
  return [
    ["Dir::Etc::sourcelist", "/dev/null"],
    ["Dir::Etc::sourceparts", parts],
  ];
}

export class Apt {
  /**
   * `dir` receives the package lists (dir/state), apt's configuration (dir/apt.conf) and the packages (dir/deb). With
   * `alone` (an architecture) apt sees an empty system of that architecture instead of the host, and source packages too.
   */
  constructor(dir, { alone } = {}) {
    for (const sub of ["state/lists/partial", "cache/archives/partial", "deb", "src"]) {
      mkdirSync(path.join(dir, sub), { recursive: true });
    }
    const native = alone ?? output("dpkg", ["--print-architecture"]).trim();
    const status = alone ? path.join(dir, "status") : "/var/lib/dpkg/status";
    if (alone) writeFileSync(status, "");
    const settings = [
      ["Dir::State", path.join(dir, "state")],
      ["Dir::State::status", status],
      ["Dir::Cache", path.join(dir, "cache")],
      ["APT::Architecture", native],
      ["APT::Architectures", alone ?? `${native},i386`],
      ...(alone ? sourcesOf(dir) : []),
      ["APT::Sandbox::User", ""],
      ["Debug::NoLocking", "true"],
    ];
    const conf = path.join(dir, "apt.conf");
    const lists = ([name, value]) =>
      name === "APT::Architectures"
        ? `${name} { ${value
            .split(",")
            .map((arch) => `"${arch}";`)
            .join(" ")} };\n`
        : `${name} "${value}";\n`;
    writeFileSync(conf, settings.map(lists).join(""));
    /** Environment in which apt's own commands see this state. */
    this.env = { ...process.env, APT_CONFIG: conf };
    this.deb = path.join(dir, "deb");
    this.src = path.join(dir, "src");
    this.archives = path.join(dir, "cache/archives");
  }

  /** Reads the package lists; resolves to a message when some could not be read. */
  update() {
    try {
      output("apt-get", ["-qq", "update"], { env: this.env });
      return null;
    } catch (error) {
      // A mirror in the middle of a sync refuses some lists; the others are enough if every package is in them.
      return `some package lists could not be read: ${error.message}`;
    }
  }

  /** The file of a package ("busybox-static:i386", "seabios"), fetched unless it is there. */
  fetch(wanted) {
    const [name, arch] = wanted.split(":");
    const have = () =>
      readdirSync(this.deb).find(
        (file) => file.startsWith(`${name}_`) && (!arch || file.endsWith(`_${arch}.deb`)),
      );
    if (have() === undefined)
      output("apt-get", ["-qq", "download", wanted], { cwd: this.deb, env: this.env });
    const file = have();
    if (file === undefined)
      throw new Error(`apt-get download ${wanted}: no such file in ${this.deb} afterwards`);
    return path.join(this.deb, file);
  }

  /** Files of `packages` and of what they depend on, in an order of apt's; only in an Apt that stands `alone`. */
  resolve(packages) {
    const get = (...options) =>
      output("apt-get", ["-qq", "-y", "--no-install-recommends", ...options, "install", ...packages], {
        env: this.env,
      });
    get("--download-only");
    // Inst name (version …), then Conf lines; versions are escaped in file names
    const names = [...get("--simulate").matchAll(/^Inst (\S+) \((\S+) .*\[(\S+)\]\)/gm)];
    return names.map(([, name, version, arch]) =>
      path.join(this.archives, `${name}_${version.replaceAll(":", "%3a")}_${arch}.deb`),
    );
  }

  /** The folder that holds the files of a source package, fetched unless they are there; only in an Apt that stands `alone`. */
  source(name) {
    const folder = path.join(this.src, name);
    if (!existsSync(folder)) {
      const fresh = emptyFolder(`${folder}.new`);
      output("apt-get", ["-qq", "--download-only", "source", name], { cwd: fresh, env: this.env });
      renameSync(fresh, folder);
    }
    return folder;
  }

  /** Unpacks a package into `target`, through its symbolic links of folders (merged /usr). */
  unpack(file, target) {
    mkdirSync(target, { recursive: true });
    const tar = spawnSync("dpkg-deb", ["--fsys-tarfile", file], { maxBuffer: 1 << 30 });
    if (tar.status !== 0) throw new Error(`dpkg-deb: ${file}: ${tar.stderr}`);
    output("tar", ["x", "-C", target, "--keep-directory-symlink", "--no-same-owner"], { input: tar.stdout });
  }
}
