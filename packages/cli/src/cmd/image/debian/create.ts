// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vkernel image create --debian`: a Debian i386 root in a HAMMER image, from the packages of the host's apt.
 *
 * Steps: apt plans and downloads; the base system is unpacked here and configured in the guest; the rest likewise, its install
 * scripts before it is unpacked, as dpkg does. The image grows as IMAGE.part; what it holds says how far it is, so that the same
 * command goes on after an interruption at any point.
 * @module
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { createImage, openImage } from "@vkernel/hammer/node";
import { isHammerError, type HammerMount } from "@vkernel/hammer";
import { CliError } from "../../../ui/errors.ts";
import { StepProgress } from "../../../ui/progress.ts";
import { formatSize } from "../../../ui/size.ts";
import { xdgFolder } from "../../../xdg.ts";
import { readText, removePath, writeText } from "../files.ts";
import { withImage } from "../open.ts";
import { Apt, type PlannedPackage } from "./apt.ts";
import { forbidServices, type InstallScript, runInGuest } from "./configure.ts";
import { packageStates, prepareRoot, stageInstallScript, unpackPackage } from "./unpack.ts";

export interface DebianOptions {
  readonly names: readonly string[];
  readonly sources: string | undefined;
  readonly cache: string | undefined;
  readonly size: number;
  readonly label: string;
  readonly version: number | undefined;
  readonly ramBytes: number;
  readonly verbose: boolean;
  /** Whether a half-made image of other options is thrown away. */
  readonly force: boolean;
}

/** What decides the contents of an image: going on is only possible with the same. */
interface Asked {
  readonly names: readonly string[];
  readonly size: number;
  readonly label: string;
  readonly version: number | null;
  /** Path of a sources file, absolute. */
  readonly sources: string | null;
}

/** What is being made, kept in the image until it is done. */
interface Plan {
  readonly format: 2;
  readonly asked: Asked;
  readonly packages: readonly PlannedPackage[];
  readonly base: readonly string[];
}

/** Directory of what is needed while the image is made. */
const OWN = "/var/lib/vkernel";
const PLAN = `${OWN}/create.json`;
const SCRIPTS = `${OWN}/install`;

/** Folder of apt's lists and downloads. */
function cacheFolder(given: string | undefined): string {
  return given ?? path.join(xdgFolder("XDG_CACHE_HOME"), "vkernel", "apt");
}

function asked(options: DebianOptions): Asked {
  const { names, size, label, version = null, sources } = options;
  return { names, size, label, version, sources: sources === undefined ? null : path.resolve(sources) };
}

/** How two sets of options differ, for people. */
function difference(there: Asked, now: Asked): string {
  const shown = ({ names, size, label, version, sources }: Asked): string[] =>
    [`--debian ${names.join(",")}`, `--size ${formatSize(size)}`, `--label ${label}`, `--fs-version ${version ?? "default"}`, `--sources ${sources ?? "this machine's"}`];
  const here = shown(now);
  return shown(there).filter((option, i) => option !== here[i]).join(", ");
}

/**
 * The plan in a half-made image; null where there is none, or one that was interrupted before it had a plan. What somebody has begun
 * with other options is not thrown away unless `--force` says so. Throws CliError.
 */
function planOf(work: string, options: DebianOptions): Plan | null {
  if (!existsSync(work)) return null;
  let m: HammerMount;
  try {
    m = openImage(work);
  } catch (e) {
    if (isHammerError(e, "E_LOCKED")) throw e;
    return null; // interrupted while it was formatted
  }
  const text = readText(m, PLAN);
  m.unmount();
  if (text === null) return null;
  const plan = JSON.parse(text) as Plan;
  const other = plan.format === 2 ? difference(plan.asked, asked(options)) : "another version of vkernel";
  if (other === "") return plan;
  if (options.force) return null;
  throw new CliError(work, `is a half-made image of ${other}`, "the same options go on with it, --force or removing it starts anew");
}

class DebianMaker {
  readonly #work: string;
  readonly #apt: Apt;
  readonly #plan: Plan;
  readonly #options: DebianOptions;
  readonly #steps: StepProgress;

  constructor(work: string, apt: Apt, plan: Plan, options: DebianOptions, steps: StepProgress) {
    this.#work = work;
    this.#apt = apt;
    this.#plan = plan;
    this.#options = options;
    this.#steps = steps;
  }

  #packages(base: boolean): PlannedPackage[] {
    return this.#plan.packages.filter((p) => this.#plan.base.includes(p.name) === base);
  }

  /** The packages of these that are not in the state yet, which is "unpacked" or further, or "installed". */
  #missing(packages: readonly PlannedPackage[], installed: boolean): Promise<PlannedPackage[]> {
    return withImage(this.#work, { write: false }, (m) => {
      const states = packageStates(m);
      return packages.filter((p) => (installed ? states.get(p.name) !== "installed" : (states.get(p.name) ?? "") === ""));
    });
  }

  async #unpack(packages: readonly PlannedPackage[], base: boolean): Promise<void> {
    const missing = await this.#missing(packages, false);
    if (missing.length === 0) return;
    this.#steps.step(`unpacking ${missing.length} packages`);
    await withImage(this.#work, { write: true }, async (m) => {
      if (base) prepareRoot(m);
      let bytes = 0;
      for (const [i, p] of missing.entries()) {
        await unpackPackage(m, p.name, this.#apt.archive(p), base ? "in place" : "aside", (n) => {
          bytes += n;
          this.#steps.at(`${i + 1} of ${missing.length}, ${formatSize(bytes)}: ${p.name}`);
        });
      }
    });
  }

  async #guest(count: number, scripts: readonly InstallScript[], configure: boolean): Promise<void> {
    let done = 0;
    await runInGuest(this.#work, {
      ramBytes: this.#options.ramBytes, scripts, configure,
      progress: (name) => this.#steps.at(`${Math.min(++done, count)} of ${count}: ${name}`),
      say: (line) => {
        if (this.#options.verbose) this.#steps.note(line);
      },
    });
  }

  /** Packages that all others may count on: unpacked together, since each needs the others to be configured. */
  async #makeBase(): Promise<void> {
    const packages = this.#packages(true);
    await this.#unpack(packages, true);
    const missing = await this.#missing(packages, true);
    if (missing.length === 0) return;
    const scripts = await withImage(this.#work, { write: true }, async (m) => {
      forbidServices(m, true);
      return this.#stageScripts(m, missing);
    });
    this.#steps.step(`configuring ${missing.length} packages of the base system in the guest`);
    await this.#guest(missing.length + scripts.length, scripts, true);
  }

  async #makeRest(): Promise<void> {
    const packages = this.#packages(false);
    const fresh = await this.#missing(packages, false);
    const scripts = await withImage(this.#work, { write: true }, (m) => this.#stageScripts(m, fresh));
    if (scripts.length > 0) {
      this.#steps.step("running install scripts in the guest");
      await this.#guest(scripts.length, scripts, false);
    }
    await this.#unpack(packages, false);
    const missing = await this.#missing(packages, true);
    if (missing.length === 0) return;
    this.#steps.step(`configuring ${missing.length} packages in the guest`);
    await this.#guest(missing.length, [], true);
  }

  async #stageScripts(m: HammerMount, packages: readonly PlannedPackage[]): Promise<InstallScript[]> {
    const scripts: InstallScript[] = [];
    for (const p of packages)
      if (await stageInstallScript(m, SCRIPTS, p.name, this.#apt.archive(p))) scripts.push({ name: p.name, path: `${SCRIPTS}/${p.name}.preinst` });
    return scripts;
  }

  /** Where apt finds more packages, and the traces of making it taken away. */
  async #finish(): Promise<void> {
    const sources = await this.#apt.debianSources();
    await withImage(this.#work, { write: true }, (m) => {
      forbidServices(m, false);
      const list = "/etc/apt/sources.list";
      if (sources.length > 0 && (readText(m, list) ?? "") === "") writeText(m, list, sources.map((s) => `deb ${s.uri} ${s.release} ${s.components.join(" ")}\n`).join(""));
      removePath(m, OWN);
    });
  }

  async make(): Promise<void> {
    await this.#makeBase();
    await this.#makeRest();
    await this.#finish();
  }
}

/** Makes the image; one that is there is replaced at the very end. Throws CliError; IMAGE.part is then kept, to go on from. */
export async function createDebian(image: string, options: DebianOptions): Promise<void> {
  const work = `${image}.part`;
  const steps = new StepProgress("vkernel");
  const folder = cacheFolder(options.cache);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let plan = planOf(work, options);
  const apt = await Apt.open(folder, options.sources);
  if (plan === null) {
    if (existsSync(work)) steps.note(`${work} is there, and not gone on with: starting anew`);
    steps.step("reading package lists");
    const trouble = await apt.update();
    if (trouble !== null) steps.note(`some package lists could not be read, those at hand serve: ${trouble}`);
    const { packages, base } = await apt.plan(options.names);
    plan = { format: 2, asked: asked(options), packages, base: [...base] };
    rmSync(work, { force: true });
    createImage(work, { label: options.label, size: options.size, ...(options.version === undefined ? {} : { version: options.version }) });
    const text = JSON.stringify(plan);
    await withImage(work, { write: true }, (m) => writeText(m, PLAN, text));
  } else steps.note(`${work} is there: going on with it`);
  steps.step(`downloading what is missing of ${plan.packages.length} packages`);
  await apt.download(plan.packages, (percent) => steps.at(`${percent.toFixed(0)} %`));
  try {
    await new DebianMaker(work, apt, plan, options, steps).make();
  } catch (e) {
    if (!isHammerError(e, "ENOSPC")) throw e;
    throw new CliError(work, `the packages do not fit into ${formatSize(options.size)}`, "remove it and give a larger --size; the file is sparse, so more costs nothing until it is used", undefined, e);
  } finally {
    steps.end();
  }
  renameSync(work, image);
}
