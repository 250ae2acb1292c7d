// SPDX-License-Identifier: BSD-3-Clause
/** `hammer` volume-add and volume-del. Source: DragonFly sbin/hammer/cmd_volume.c. */
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { addVolume, removeVolume, type HammerMount } from "@vkernel/hammer";
import { FileDevice, openImage } from "@vkernel/hammer/node";
import { holdsHammer } from "../../holds-hammer.ts";
import { CliError } from "../../ui/errors.ts";
import { parseSize } from "../../ui/size.ts";
import { confirm, pacing, rehearse, type CommandOptions, type GlobalOptions } from "./admin-context.ts";

/** `hammer volume-add device [fs]`. */
export function volumeAdd(volumes: string[], g: GlobalOptions, file: string, o: { size?: string }): void {
  const make = !existsSync(file);
  if (make && o.size === undefined) throw new CliError(file, "no such file", "--size SIZE makes it");
  const device = make ? new FileDevice(file, { create: true, size: parseSize(o.size!, "--size") }) : new FileDevice(file, { readOnly: false });
  try {
    if (!make && holdsHammer(device) && !confirm(g, `${file} holds a HAMMER volume. Overwrite it?`)) throw new CliError(file, "no action taken");
    const m = openImage(volumes, { readOnly: false });
    try {
      const { number } = addVolume(m, device);
      process.stdout.write(`Volume ${number} added: the file system is now -f ${[...volumes, file].join(":")}\n`);
    } catch (e) {
      m.vols.close();
      throw e;
    }
  } catch (e) {
    device.close();
    if (make) rmSync(file, { force: true });
    throw e;
  }
  device.close();
}

/** The volume of the file system that is kept in a file. */
function volumeIn(m: HammerMount, file: string): number {
  const volume = m.vols.list.find((v) => v.device.name === file);
  if (volume === undefined) throw new CliError(file, "is not open as a volume");
  return volume.number;
}

/** `hammer volume-del device [fs]`. */
export function volumeDel(volumes: string[], g: GlobalOptions, file: string, o: CommandOptions): void {
  const index = volumes.findIndex((v) => path.resolve(v) === path.resolve(file));
  if (index < 0) throw new CliError(file, "is none of the volumes given with -f");
  if (o.dryRun) {
    rehearse(volumes, (m) => {
      const { number, moved } = removeVolume(m, volumeIn(m, volumes[index]!), { reblock: true, dryRun: true });
      process.stdout.write(moved === null ? `Volume ${number} is empty and can be removed\n`
        : `Volume ${number} can be removed: ${moved.nodesMoved} B-Tree nodes and ${moved.elementsMoved} data elements of ${moved.bytesMoved} bytes would be moved\n`);
    });
    return;
  }
  const m = openImage(volumes, { readOnly: false });
  try {
    const number = volumeIn(m, volumes[index]!);
    const pace = pacing({ ...g, t: "0" }, "volume-del");
    if (!confirm(g, `Everything will be moved off ${file}, which then is no volume any more. Proceed?`)) throw new CliError(file, "no action taken");
    const r = removeVolume(m, number, { reblock: true, progress: pace.progress });
    pace.end();
    process.stdout.write(`Volume ${r.number} removed: the file system is now -f ${volumes.filter((_, i) => i !== index).join(":")}\n`);
  } catch (e) {
    m.vols.close();
    throw e;
  }
}
