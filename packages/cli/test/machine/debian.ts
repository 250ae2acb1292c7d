// SPDX-License-Identifier: BSD-3-Clause
/** Debian's own programs for the host, unpacked beside the tests with the host's apt; nothing is installed. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkout } from "./harness.ts";

/** Making Debian images takes minutes and downloads: only where that is wanted, and apt is at hand. */
export const noDebian: string | null =
  process.env["VKERNEL_DEBIAN"] !== "1" ? "VKERNEL_DEBIAN=1 runs it: it downloads packages and takes minutes"
  : ["apt-get", "dpkg-deb"].some((tool) => spawnSync(tool, ["--version"]).error !== undefined) ? "no apt on this machine"
  : null;

/** Where downloads and what is made of them stay between runs. */
export const debianCache = path.join(checkout, "scratch", "debian");

/** A program of the host's own architecture with all libraries it needs, run out of a folder. */
export class HostProgram {
  readonly #root: string;
  readonly #program: string;

  constructor(name: string) {
    const dir = path.join(debianCache, `host-${name}`);
    this.#root = path.join(dir, "root");
    this.#program = path.join(this.#root, "usr/bin", name);
    if (!existsSync(this.#program)) this.#fetch(dir, name);
  }

  #fetch(dir: string, name: string): void {
    for (const sub of ["state/lists/partial", "cache/archives/partial", "root"]) mkdirSync(path.join(dir, sub), { recursive: true });
    const settings = [["Dir::State", path.join(dir, "state")], ["Dir::State::status", path.join(dir, "status")], ["Dir::Cache", path.join(dir, "cache")], ["APT::Sandbox::User", ""], ["APT::Install-Recommends", "false"]];
    writeFileSync(path.join(dir, "status"), "");
    writeFileSync(path.join(dir, "apt.conf"), settings.map(([key, value]) => `${key} "${value}";\n`).join(""));
    const env = { ...process.env, APT_CONFIG: path.join(dir, "apt.conf") };
    spawnSync("apt-get", ["-qq", "update"], { env }); // lists that cannot be read just now need not be those that count
    execFileSync("apt-get", ["-qq", "-y", "--download-only", "install", name], { env, stdio: ["ignore", "ignore", "inherit"] });
    const archives = path.join(dir, "cache/archives");
    for (const file of readdirSync(archives).filter((f) => f.endsWith(".deb"))) execFileSync("dpkg-deb", ["-x", path.join(archives, file), this.#root]);
  }

  get #env(): NodeJS.ProcessEnv {
    const triplet = readdirSync(path.join(this.#root, "usr/lib")).find((sub) => /-linux-gnu/.test(sub))!;
    const libraries = [`usr/lib/${triplet}`, `usr/lib/${triplet}/samba`, `lib/${triplet}`].map((sub) => path.join(this.#root, sub)).join(":");
    return { ...process.env, LD_LIBRARY_PATH: libraries };
  }

  /** Starts it beside the test, its output line by line. */
  start(args: readonly string[], cwd: string): ChildProcess {
    return spawn("stdbuf", ["-oL", this.#program, ...args], { cwd, env: this.#env, stdio: ["ignore", "pipe", "inherit"] });
  }

  /** Runs it; standard output and error together, and the exit status. */
  run(args: readonly string[], cwd: string): { text: string; status: number | null } {
    const result = spawnSync(this.#program, args, { cwd, encoding: "latin1", env: this.#env, timeout: 120_000 });
    if (result.error) throw result.error;
    return { text: result.stdout + result.stderr, status: result.status };
  }
}
