// SPDX-License-Identifier: BSD-3-Clause
/**
 * Unpacking Debian packages into an image as dpkg --unpack leaves them: files in place, new configuration files beside their
 * names, control files and an "unpacked" entry in dpkg's database, so that dpkg itself, in the guest, does the rest.
 *
 * Invariants
 *   U1  A package stands in the database only when everything of it is on the disk.
 *   U2  Unpacking a package again, after an interruption, leads to the same state.
 *
 * Sources: dpkg 1.21 lib/dpkg/{parsedump,dbdir,trigdeferred}.c, src/main/{unpack,configure}.c; deb-triggers(5), dpkg-divert(1).
 * @module
 */
import { resolvePath, splitPath, type HammerMount } from "@vkernel/hammer";
import { appendText, makeDirectories, readText, removePath, writeText } from "../files.ts";
import { Importer } from "../import.ts";
import { type ControlFiles, controlField, controlFiles, withPackageTar } from "./package.ts";

const ADMIN = "/var/lib/dpkg";
/** Suffix of a configuration file that dpkg --configure is to put in place. */
const NEW = ".dpkg-new";
/** Links that make /usr hold all programs and libraries. */
const MERGED = ["bin", "sbin", "lib"];
/** How the system is called, as Debian's installer writes it; install scripts of mailers ask for a whole name (hostname --fqdn). */
const NAMES = [
  ["/etc/hostname", "vkernel\n"],
  ["/etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tvkernel.localdomain vkernel\n::1\tlocalhost ip6-localhost ip6-loopback\n"],
] as const;

/** The state of a package in dpkg's database: the third word of its Status, or "" when it is not there. */
export function packageStates(m: HammerMount): Map<string, string> {
  const states = new Map<string, string>();
  for (const stanza of (readText(m, `${ADMIN}/status`) ?? "").split("\n\n")) {
    const name = controlField(stanza, "Package");
    if (name !== "") states.set(name, controlField(stanza, "Status").split(" ")[2] ?? "");
  }
  return states;
}

/** Directories, names and the empty database of a system without packages. */
export function prepareRoot(m: HammerMount): void {
  for (const dir of MERGED) {
    m.rele(makeDirectories(m, `/usr/${dir}`));
    const old = m.lookup(m.root, dir);
    if (old === null) m.rele(m.create(m.root, dir, { type: "symlink", mode: 0o777, uid: 0, gid: 0, target: `usr/${dir}` }));
    else m.rele(old);
  }
  for (const dir of ["info", "updates", "triggers", "alternatives", "parts"]) m.rele(makeDirectories(m, `${ADMIN}/${dir}`));
  for (const [file, text] of [["info/format", "1\n"], ["status", ""], ["available", ""], ["diversions", ""], ["statoverride", ""]] as const)
    if (readText(m, `${ADMIN}/${file}`) === null) writeText(m, `${ADMIN}/${file}`, text);
  for (const [file, text] of NAMES) if ((readText(m, file) ?? "") === "") writeText(m, file, text);
}

/** What dpkg-divert has recorded: from path to path, with the package that is not diverted (":" for none). */
function diversions(m: HammerMount): Map<string, { to: string; by: string }> {
  const lines = (readText(m, `${ADMIN}/diversions`) ?? "").split("\n");
  const found = new Map<string, { to: string; by: string }>();
  for (let i = 0; i + 2 < lines.length; i += 3) found.set(lines[i]!, { to: lines[i + 1]!, by: lines[i + 2]! });
  return found;
}

/** Adds a line to a file of the trigger database unless it is there. */
function addLine(m: HammerMount, file: string, line: string): void {
  const text = readText(m, file) ?? "";
  if (!text.split("\n").includes(line)) writeText(m, file, `${text}${line}\n`);
}

/** Registers the interests of a package: in file triggers by path, in others by name. */
function registerTriggers(m: HammerMount, name: string, directives: string): void {
  for (const [, mode, trigger] of directives.matchAll(/^\s*interest(?:-(await|noawait))?\s+(\S+)/gm)) {
    const who = mode === "noawait" ? `${name}/noawait` : name;
    if (trigger!.startsWith("/")) addLine(m, `${ADMIN}/triggers/File`, `${trigger} ${who}`);
    else addLine(m, `${ADMIN}/triggers/${trigger}`, who);
  }
}

/** What is to be done with configuration files: put beside their names, and in a base system, whose programs need them, in place, too. */
export type ConffileMode = "aside" | "in place";

/** The lines of a package's `conffiles`, flags left out. */
function conffilesOf(control: ControlFiles): string[] {
  return (control.get("conffiles")?.text ?? "").split("\n").map((line) => line.trim().replace(/^\S+ +/, "")).filter((line) => line !== "");
}

/** A second name, ending in .dpkg-new, of each configuration file that is in place. */
function linkAside(m: HammerMount, conffiles: readonly string[]): void {
  for (const file of conffiles) {
    const ip = resolvePath(m, file);
    if (ip === null) continue;
    const { dir: where, name } = splitPath(file);
    const dir = resolvePath(m, where)!;
    removePath(m, `${file}${NEW}`);
    m.link(ip, dir, `${name}${NEW}`);
    m.rele(dir);
    m.rele(ip);
  }
}

/** Unpacks one package. `progress` is told of bytes written. */
export async function unpackPackage(m: HammerMount, name: string, deb: string, conffileMode: ConffileMode, progress: (bytes: number) => void): Promise<void> {
  const control = await controlFiles(deb);
  const conffiles = conffilesOf(control);
  const aside = new Set(conffileMode === "aside" ? conffiles : []);
  const diverted = diversions(m);
  const paths: string[] = [];
  const importer = new Importer(m, {
    progress,
    package: {
      entry: (path) => paths.push(path === "" ? "/." : `/${path}`),
      place: (path) => {
        const diversion = diverted.get(`/${path}`);
        const to = diversion === undefined || diversion.by === name ? path : diversion.to.slice(1);
        return aside.has(`/${path}`) ? `${to}${NEW}` : to;
      },
    },
  });
  const root = m.lookup(m.root, ".")!;
  await withPackageTar(deb, "--fsys-tarfile", (tar) => importer.tar(tar, root));
  importer.finish();
  m.rele(root);
  if (conffileMode === "in place") linkAside(m, conffiles);

  const text = control.get("control")!.text.trimEnd();
  const info = controlField(text, "Multi-Arch") === "same" ? `${name}:${controlField(text, "Architecture")}` : name;
  for (const [file, { text: contents, mode }] of control)
    if (file !== "control") writeText(m, `${ADMIN}/info/${info}.${file}`, contents, mode);
  writeText(m, `${ADMIN}/info/${info}.list`, paths.map((path) => `${path}\n`).join(""));
  registerTriggers(m, name, control.get("triggers")?.text ?? "");
  m.sync(); // U1
  const status = text.replace(/^(Package:.*)$/m, "$1\nStatus: install ok unpacked");
  const newConffiles = conffiles.length === 0 ? "" : `\nConffiles:${conffiles.map((file) => `\n ${file} newconffile`).join("")}`;
  appendText(m, `${ADMIN}/status`, `${status}${newConffiles}\n\n`);
}

/** Puts the script that runs before a package is unpacked, and what debconf wants beside it, into `dir`; false when there is none. */
export async function stageInstallScript(m: HammerMount, dir: string, name: string, deb: string): Promise<boolean> {
  const control = await controlFiles(deb);
  if (!control.has("preinst")) return false;
  for (const file of ["preinst", "templates", "config"]) {
    const found = control.get(file);
    if (found !== undefined) writeText(m, `${dir}/${name}.${file}`, found.text, found.mode);
  }
  return true;
}
