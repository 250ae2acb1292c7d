// SPDX-License-Identifier: BSD-3-Clause
/** `hammer info`. Source of the format: DragonFly sbin/hammer/cmd_info.c. */
import { openImage } from "@vkernel/hammer/node";
import { display } from "../image/open.ts";
import { printJson } from "./admin-context.ts";

const BIGBLOCK = 8 << 20;
const UNITS = ["B", "K", "M", "G", "T", "P"];

/** humanize_number() with a width of 6 and autoscaling: at most four digits and a letter. */
function humanize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)}${UNITS[unit]}`;
}

function percent(part: number, total: number): string {
  return `(${(total === 0 ? 0 : (part * 100) / total).toFixed(2)}%)`;
}

/** Prints identification, space and PFSs of the file system. */
export function infoText(volumes: string[], json: boolean): void {
  const m = openImage(volumes);
  try {
    const i = m.info();
    if (json) {
      printJson("hammer info", {
        label: display(i.label), volumes, rootVolume: m.vols.root.device.name, fsid: i.fsid, version: i.version,
        bigblocks: { total: i.bigblocks, used: i.bigblocks - i.freeBigblocks, reserved: 0, free: i.freeBigblocks, bytesEach: BIGBLOCK },
        inodes: i.inodes, pfs: m.listPfs().map((p) => ({ id: p.id, mode: p.slave ? "SLAVE" : "MASTER", snapshots: m.listSnapshots(p.id).length })),
      });
      return;
    }
    const rootVolume = m.vols.root.device.name;
    const total = i.bigblocks;
    const free = i.freeBigblocks;
    const reserved = 0; // nothing is pending on a file system at rest
    const used = total - free - reserved;
    const n = (value: number): string => String(value).padStart(10);
    const size = (label: string, value: number, what: string): string => `\t${label.padEnd(15)}${humanize(value).padStart(6)} ${what}\n`;
    const snapshots = (id: number): number => m.listSnapshots(id).length;
    process.stdout.write("Volume identification\n"
      + `\tLabel               ${display(i.label)}\n\tNo. Volumes         ${i.volumes}\n`
      + `\tHAMMER Volumes      ${volumes.join(":")}\n\tRoot Volume         ${rootVolume}\n`
      + `\tFSID                ${i.fsid}\n\tHAMMER Version      ${i.version}\n`
      + "Big-block information\n"
      + `\tTotal      ${n(total)}\n\tUsed       ${n(used)} ${percent(used, total)}\n`
      + `\tReserved   ${n(reserved)} ${percent(reserved, total)}\n\tFree       ${n(free)} ${percent(free, total)}\n`
      + "Space information\n"
      + `\tNo. Inodes ${n(i.inodes)}\n`
      + size("Total size", total * BIGBLOCK, `(${total * BIGBLOCK} bytes)`)
      + size("Used", used * BIGBLOCK, percent(used, total))
      + size("Reserved", reserved * BIGBLOCK, percent(reserved, total))
      + size("Free", free * BIGBLOCK, percent(free, total))
      + "PFS information\n\t  PFS#  Mode    Snaps\n"
      + m.listPfs().map((p) => `\t${String(p.id).padStart(6)}  ${p.slave ? "SLAVE" : "MASTER"}${p.slave ? " " : ""}  `
        + `${snapshots(p.id)}${p.id === 0 ? " (root PFS)" : ""}\n`).join(""));
  } finally {
    m.unmount();
  }
}
