// Debian packages without touching the host: an apt state of our own in a folder, downloads and unpacking there.
// Needs apt and dpkg-deb, no rights, installs nothing.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
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

export class Apt {
  /** `dir` receives the package lists (dir/state), apt's configuration (dir/apt.conf) and the packages (dir/deb). */
  constructor(dir) {
    for (const sub of ["state/lists/partial", "cache/archives/partial", "deb"]) {
      mkdirSync(path.join(dir, sub), { recursive: true });
    }
    const native = output("dpkg", ["--print-architecture"]).trim();
    const settings = [
      ["Dir::State", path.join(dir, "state")],
      ["Dir::State::status", "/var/lib/dpkg/status"],
      ["Dir::Cache", path.join(dir, "cache")],
      ["APT::Architecture", native],
      ["APT::Architectures", `${native},i386`],
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

  /** Unpacks a package into `target`, through its symbolic links of folders (merged /usr). */
  unpack(file, target) {
    mkdirSync(target, { recursive: true });
    const tar = spawnSync("dpkg-deb", ["--fsys-tarfile", file], { maxBuffer: 1 << 30 });
    if (tar.status !== 0) throw new Error(`dpkg-deb: ${file}: ${tar.stderr}`);
    output("tar", ["x", "-C", target, "--keep-directory-symlink", "--no-same-owner"], { input: tar.stdout });
  }
}
