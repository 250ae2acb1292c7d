// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer recover`: what can still be read of a damaged image, into a directory. Source: DragonFly
 * sbin/hammer/cmd_recover.c.
 *
 * Nothing outside the target is written: paths are made of checked names, each is made once, and nothing that is there
 * already is opened. As with tar, root gives everything back to its owners, with all bits of its mode, and makes devices; others
 * are told what that leaves out. Node makes no special files, so mknod(1) does.
 * @module
 */
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, ftruncateSync, lchownSync, linkSync, lutimesSync, mkdirSync, openSync, readdirSync, symlinkSync, utimesSync, writeSync } from "node:fs";
import type { Command } from "commander";
import { Salvage, sizeToStr, volumeHeaders, type BlockDevice, type SalvagedObject, type ScanExtent } from "@vkernel/hammer";
import { openDevices } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { display } from "../image/open.ts";
import { printJson, type GlobalOptions } from "./admin-context.ts";

interface RecoverCommandOptions { json?: boolean; dryRun?: boolean }

/** Exit status when something of what was found is incomplete. */
const INCOMPLETE = 2;
const PERMISSIONS = 0o777;
/** What root gives: set-uid, set-gid and sticky bits, too. */
const ALL_BITS = 0o7777;
const MKNOD_TYPE: Readonly<Record<string, string>> = { fifo: "p", chardev: "c", blockdev: "b" };

/** What became of the objects. */
interface Tally {
  dirs: number; files: number; symlinks: number; links: number; bytes: number;
  /** Fifos and devices made, and special files left out. */
  special: number; leftOut: number;
  /** Objects that belong to somebody else now. */
  otherOwner: number;
  incomplete: string[];
}

/** Writes objects below the target. Directories get their permissions last: some forbid to write into them. */
class Writer {
  readonly tally: Tally = { dirs: 0, files: 0, symlinks: 0, links: 0, bytes: 0, special: 0, leftOut: 0, otherOwner: 0, incomplete: [] };
  readonly #target: Buffer;
  readonly #dryRun: boolean;
  readonly #say: (text: string) => void;
  readonly #uid = process.getuid?.() ?? -1;
  readonly #gid = process.getgid?.() ?? -1;
  readonly #dirs: { path: Buffer; o: SalvagedObject }[] = [];

  constructor(target: string, dryRun: boolean, say: (text: string) => void) {
    this.#target = Buffer.from(`${target}/`);
    this.#dryRun = dryRun;
    this.#say = say;
  }

  #host(path: string): Buffer { return Buffer.concat([this.#target, Buffer.from(path, "latin1")]); }

  add(o: SalvagedObject, damagedRecords: () => number): void {
    const path = this.#host(o.path);
    const t = this.tally;
    switch (o.type) {
      case "dir":
        this.#say(`mkdir ${display(o.path)}\n`);
        if (!this.#dryRun) mkdirSync(path);
        this.#dirs.push({ path, o });
        t.dirs++;
        return;
      case "file": {
        this.#say(`mkfile ${display(o.path)}\n`);
        const before = damagedRecords();
        this.#file(path, o);
        if (damagedRecords() !== before || o.attributes === null || !o.attributes.newest) t.incomplete.push(o.path);
        t.files++;
        break;
      }
      case "symlink":
        if (o.target === null) {
          t.incomplete.push(o.path);
          return;
        }
        this.#say(`symlink ${display(o.path)}\n`);
        if (!this.#dryRun) {
          symlinkSync(Buffer.from(o.target, "latin1"), path);
          this.#own(path, o);
          if (o.attributes !== null) lutimesSync(path, o.attributes.mtime / 1e6, o.attributes.mtime / 1e6);
        }
        t.symlinks++;
        break;
      default: {
        const why = this.#special(path, o);
        if (why !== null) {
          process.stderr.write(`hammer: ${display(o.path)}: a ${o.type}, left out: ${why}\n`);
          t.leftOut++;
          return;
        }
        this.#say(`mknod ${display(o.path)}\n`);
        t.special++;
      }
    }
    for (const link of o.links) {
      this.#say(`link ${display(link)}\n`);
      if (!this.#dryRun) linkSync(path, this.#host(link));
      t.links++;
    }
  }

  #file(path: Buffer, o: SalvagedObject): void {
    const fd = this.#dryRun ? -1 : openSync(path, "wx", 0o600);
    try {
      for (const piece of o.pieces()) {
        this.tally.bytes += piece.bytes.length;
        for (let done = 0; fd >= 0 && done < piece.bytes.length;) done += writeSync(fd, piece.bytes, done, piece.bytes.length - done, piece.offset + done);
      }
      if (fd >= 0) ftruncateSync(fd, o.size());
    } finally {
      if (fd >= 0) closeSync(fd);
    }
    if (fd >= 0) this.#attributes(path, o);
  }

  /** Makes a fifo or device. Returns why it cannot be made, or null. */
  #special(path: Buffer, o: SalvagedObject): string | null {
    const type = MKNOD_TYPE[o.type];
    if (type === undefined || o.attributes === null) return type === undefined ? "it is of use only to who made it" : "its inode is lost";
    const device = type === "p" ? [] : [String(o.attributes.rmajor), String(o.attributes.rminor)];
    if (device.length > 0 && this.#uid !== 0) return `only root makes devices (${device.join(", ")})`;
    const name = path.toString();
    if (!Buffer.from(name).equals(path)) return "its name is no UTF-8";
    if (this.#dryRun) return null;
    const { status, error, stderr } = spawnSync("mknod", ["--", name, type, ...device], { encoding: "utf8" });
    if (status !== 0) return error?.message ?? stderr.trim();
    this.#attributes(path, o);
    return null;
  }

  end(): void {
    if (!this.#dryRun) for (const { path, o } of this.#dirs.reverse()) this.#attributes(path, o);
  }

  #own(path: Buffer, o: SalvagedObject): void {
    if (o.attributes === null) return;
    const { uid, gid } = o.attributes;
    if (this.#uid === 0) lchownSync(path, uid, gid);
    else if (uid !== this.#uid || gid !== this.#gid) this.tally.otherOwner++;
  }

  /** Owner before mode: changing it takes set-uid bits away. */
  #attributes(path: Buffer, o: SalvagedObject): void {
    if (o.attributes === null) return;
    this.#own(path, o);
    chmodSync(path, o.attributes.mode & (this.#uid === 0 ? ALL_BITS : PERMISSIONS));
    utimesSync(path, o.attributes.mtime / 1e6, o.attributes.mtime / 1e6);
  }
}

/** Makes the target directory; one that exists must be empty, so that nothing in it is mixed up with what is recovered. */
function makeTarget(target: string): void {
  try {
    mkdirSync(target);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EEXIST") throw e;
    if (readdirSync(target).length > 0) throw new CliError(target, "is not empty", "give a directory that is empty, or not there yet");
  }
}

function volumeNumber(d: BlockDevice): string {
  try {
    return String(volumeHeaders([d])[0]!.volNo);
  } catch {
    return "?"; // the header is lost, which is why we are here
  }
}

function run(volumes: string[], g: GlobalOptions, target: string, how: string | undefined, o: RecoverCommandOptions): number {
  if (how !== undefined && how !== "full" && how !== "quick") throw new CliError(how, "is no kind of recovery", "full or quick, or nothing");
  const extent: ScanExtent = how ?? "normal";
  const level = (g.v ?? 0) - (g.q ?? 0);
  const out = (text: string): void => { if (!o.json && level >= 0) process.stdout.write(text); };
  const terminal = process.stderr.isTTY && level >= 0;
  const devices = openDevices(volumes, { readOnly: true });
  try {
    if (!o.dryRun) makeTarget(target);
    out(`Running ${how === undefined ? "" : `${how} `}raw scan of HAMMER image, recovering to ${target}\n`);
    for (const d of devices) out(`Scanning volume ${volumeNumber(d)} size ${sizeToStr(d.size)}\n`);
    let shown = 0;
    const salvage = new Salvage(devices, {
      extent, keepDamaged: g.F ?? false,
      log: (message) => { if (level > 0) process.stderr.write(`hammer: ${message}\n`); },
      progress: (done, total) => {
        if (!terminal || Date.now() - shown < 200) return;
        shown = Date.now();
        process.stderr.write(`\rrecover: ${Math.floor((done * 100) / Math.max(1, total))} % scanned\u001b[K`);
      },
    });
    if (shown !== 0) process.stderr.write("\r\u001b[K");
    const r = salvage.report;
    const writer = new Writer(target, o.dryRun ?? false, out);
    for (const object of salvage) writer.add(object, () => r.damagedRecords);
    writer.end();
    const t = writer.tally;
    const missing = r.volumesExpected > r.volumesGiven ? r.volumesExpected - r.volumesGiven : 0;
    const lost = r.lostNodes + r.lostRecords + r.damagedRecords + t.incomplete.length + missing > 0 || (r.nodes === 0);
    if (o.json) {
      printJson("hammer recover", { target, extent, dryRun: o.dryRun ?? false, ...t, incomplete: t.incomplete.map(display), report: r });
    } else {
      for (const p of r.placed) out(`Volume ${p.number} (${p.device}) has no header: its data begin at byte ${p.bufBeg}\n`);
      out(`Recovered ${t.files} files with ${t.bytes} bytes, ${t.dirs} directories, ${t.symlinks} symlinks, ${t.special} fifos and devices, ${t.links} further links\n`);
      if (t.otherOwner > 0) process.stderr.write(`hammer: ${t.otherOwner} objects had other owners: only root can restore them\n`);
      for (const path of t.incomplete) process.stderr.write(`hammer: ${display(path)}: incomplete\n`);
      if (missing > 0) process.stderr.write(`hammer: ${missing} of ${r.volumesExpected} volumes were not given\n`);
      if (r.nodes === 0) process.stderr.write("hammer: no B-Tree node was found (full looks everywhere)\n");
      if (r.lostNodes + r.lostRecords + r.damagedRecords > 0)
        process.stderr.write(`hammer: lost: ${r.lostNodes} B-Tree nodes, ${r.lostRecords} records, ${r.damagedRecords} data records with ${r.damagedBytes} bytes\n`);
    }
    return lost ? INCOMPLETE : 0;
  } finally {
    for (const d of devices) d.close();
  }
}

/** Adds the command to `hammer`. */
export function registerRecover(hammer: Command, options: () => GlobalOptions, volumes: () => string[], setStatus: (status: number) => void): void {
  hammer.command("recover").argument("<targetdir>", "directory to make, or an empty one").argument("[full|quick]")
    .description("recover files from a damaged file system")
    .option("--dry-run", "only tell what would be written").option("--json", "print the result as JSON")
    .addHelpText("after", `
Scans for B-Tree nodes and puts files together from the records in them, as of the present: header, freemap, root of the
B-Tree and whole volumes may be lost. Each PFS gets a directory PFSnnnnn, objects without a name are called obj_0x….

  full    look at every byte, and use what seems to have been freed or moved, too
  quick   look only where the freemap says that there are B-Tree nodes

Data that fails its CRC is left out (zeros stand for it) and reported; with -F before the command it is written as it is.
Permissions and times are restored, owners are not. Nothing is written to the image. Exit status: 0 if everything that
was found is whole, ${INCOMPLETE} if something is missing, 1 if recovery was not possible.`)
    .action((target: string, how: string | undefined, o: RecoverCommandOptions) => {
      setStatus(run(volumes(), options(), target, how, o));
    });
}
