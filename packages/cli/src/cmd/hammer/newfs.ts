// SPDX-License-Identifier: BSD-3-Clause
/**
 * newfs_hammer(8): options, checks and output. Source: DragonFly sbin/newfs_hammer/newfs_hammer.c.
 *
 * On files that do not exist yet, `--size` makes them (sparse). Over an existing HAMMER file system, -f is needed.
 * @module
 */
import { randomFillSync } from "node:crypto";
import { existsSync, rmSync, statSync } from "node:fs";
import type { Command } from "commander";
import { newfs, sizeToStr, uuidText, type NewfsResult } from "@vkernel/hammer";
import { FileDevice, systemNow } from "@vkernel/hammer/node";
import { holdsHammer } from "../../holds-hammer.ts";
import { topCommand } from "../../ui/command.ts";
import { CliError } from "../../ui/errors.ts";
import { parseSize } from "../../ui/size.ts";

interface Options {
  L?: string; f?: boolean; E?: boolean; b?: string; m?: string; u?: string; j?: string; C?: string; V?: string; d?: boolean; size?: string;
}

const BUFSIZE = 16384;
const GIB = 2 ** 30;
const MIN_UNDO = 512 * 2 ** 20;
const VERSION_MAX = 7;

/** getsize(): an integer with a suffix k, m, g or t, and a multiple of 16 KiB. */
function size(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const m = /^(0x[0-9a-f]+|\d+)([kmgt])$/i.exec(text);
  if (!m) throw new CliError(text, "Unknown suffix in number", "k, m, g or t is needed");
  const bytes = Number(m[1]) * 2 ** (10 * (1 + "kmgt".indexOf(m[2]!.toLowerCase())));
  if (bytes % BUFSIZE !== 0) throw new CliError(text, "Value not an integral multiple of 16K");
  return bytes;
}

function warn(text: string): void {
  process.stderr.write(`newfs_hammer: WARNING: ${text}\n`);
}

/** The closing summary, as print_volume() has it. */
function summary(r: NewfsResult, names: string[]): string {
  let text = `---------------------------------------------\nHAMMER version ${r.version}\n`
    + `${names.length} volume${names.length === 1 ? "" : "s"} total size ${sizeToStr(r.totalBytes)}\n`
    + `root-volume:         ${names[0]}\n`
    + `boot-area-size:      ${sizeToStr(r.bootBytes)}\nmemory-log-size:     ${sizeToStr(r.memBytes)}\n`
    + `undo-buffer-size:    ${sizeToStr(r.undoBytes)}\ntotal-pre-allocated: ${sizeToStr(r.preallocatedBytes)}\n`
    + `fsid:                ${uuidText(r.fsid)}\n\n`
    + "NOTE: Please remember that you may have to manually set up a\n"
    + "cron(8) job to prune and reblock the filesystem regularly.\n"
    + "By default, the system automatically runs 'hammer cleanup'\n"
    + "on a nightly basis.  The periodic.conf(5) variable\n"
    + "'daily_clean_hammer_enable' can be unset to disable this.\n"
    + "Also see 'man hammer' and 'man HAMMER' for more information.\n";
  if (r.totalBytes < 10 * GIB)
    text += `\nWARNING: The minimum UNDO/REDO FIFO is ${sizeToStr(MIN_UNDO)}, you really should not\n`
      + "try to format a HAMMER filesystem this small.\n";
  if (r.totalBytes < 50 * GIB)
    text += "\nWARNING: HAMMER filesystems less than 50GB are not recommended!\n"
      + "You may have to run 'hammer prune-everything' and 'hammer reblock'\nquite often, even if using a nohistory mount.\n";
  return text;
}

/** Opens or makes the volumes. Throws when one holds a file system already and -f was not given. */
function openVolumes(names: string[], o: Options, made: string[]): FileDevice[] {
  const devices: FileDevice[] = [];
  try {
    for (const name of names) {
      if (!existsSync(name)) {
        if (o.size === undefined) throw new CliError(name, "no such file", "--size SIZE makes it");
        devices.push(new FileDevice(name, { create: true, size: parseSize(o.size, "--size") }));
        made.push(name);
        continue;
      }
      const device = new FileDevice(name, { readOnly: false });
      devices.push(device);
      if (!o.f && holdsHammer(device)) throw new CliError(name, "holds a HAMMER file system", "-f formats it all the same");
    }
    return devices;
  } catch (e) {
    for (const d of devices) d.close();
    throw e;
  }
}

function run(names: string[], o: Options): void {
  const label = o.L;
  if (label === undefined) throw new CliError("-L", "A filesystem label must be specified");
  if (o.V !== undefined && !(Number(o.V) >= 1 && Number(o.V) <= VERSION_MAX))
    throw new CliError("-V", `I don't understand how to format HAMMER version ${o.V}`);
  const undoBytes = size(o.u);
  const sizes = { bootBytes: size(o.b), memBytes: size(o.m), junkBytes: size(o.j), undoBytes };
  if (o.f && undoBytes !== undefined && undoBytes < MIN_UNDO)
    warn(`You have specified an UNDO/REDO FIFO size less than ${sizeToStr(MIN_UNDO)}, which may lead to VFS panics`);
  const made: string[] = [];
  const devices = openVolumes(names, o, made);
  try {
    for (const [i, d] of devices.entries()) {
      const type = statSync(d.name).isBlockDevice() ? "DEVICE" : "REGFILE";
      process.stdout.write(`Volume ${i} ${type} ${d.name.padEnd(15)} size ${sizeToStr(d.size)}\n`);
      if (o.E) warn(`Cannot TRIM regular file ${d.name}`);
    }
    if (o.E && !o.f) throw new CliError("-E", "the volumes cannot be trimmed", "-f proceeds without");
    const given = Object.fromEntries(Object.entries(sizes).filter(([, v]) => v !== undefined));
    const r = newfs(devices, {
      label, ...given, ...(o.V === undefined ? {} : { version: Number(o.V) }),
      force: o.f ?? false, now: systemNow, random: (b) => randomFillSync(b),
    });
    devices.forEach((d, i) => {
      d.flush();
      process.stdout.write(`initialize freemap volume ${i}\n`);
      if (i === 0) process.stdout.write(`initializing the undo map (${r.undoBytes / 2 ** 20} MB)\n`);
    });
    process.stdout.write(summary(r, names));
  } catch (e) {
    for (const name of made) rmSync(name, { force: true });
    throw e;
  } finally {
    for (const d of devices) d.close();
  }
}

/** The whole command. */
export function newfsCommand(): Command {
  return topCommand("newfs_hammer")
    .description("make a HAMMER file system in image files")
    .usage("-L label [-Efh] [-b bootsize] [-m savesize] [-u undosize]\n                    [-C cachesize[:readahead]] [-V version] special ...")
    .argument("<special...>", "volumes; the first becomes the root volume")
    .option("-L <label>", "label of the file system; required")
    .option("-f", "force: sizes below the minima, an existing file system")
    .option("-E", "trim the volumes first (files cannot be)")
    .option("-b <bootsize>", "boot area")
    .option("-m <savesize>", "memory log")
    .option("-u <undosize>", "UNDO/REDO FIFO, 512m to 1g; less with -f")
    .option("-C <cachesize>", "accepted, no effect")
    .option("-V <version>", "file system version, 1 to 7", "7")
    .option("-j <junksize>", "header area")
    .option("-d", "accepted, no effect")
    .option("--size <size>", "make volumes that do not exist, sparse, of this size")
    .addHelpText("after", "\nExamples:\n  newfs_hammer -L HOME --size 20g home.img\n  newfs_hammer -f -L TEST -u 8m --size 200m test.img")
    .action((names: string[], o: Options) => run(names, o));
}
