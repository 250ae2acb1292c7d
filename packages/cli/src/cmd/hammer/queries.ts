// SPDX-License-Identifier: BSD-3-Clause
/**
 * The commands of hammer(8) that ask a file system something. Formats: DragonFly sbin/hammer/cmd_history.c, cmd_pfs.c,
 * cmd_snapshot.c, cmd_version.c, cmd_volume.c.
 * @module
 */
import { namekey, resolvePath, toByteString, VERSION_DESCRIPTIONS, volumeHeaders, type HammerInode, type HammerMount, type PfsInfo } from "@vkernel/hammer";
import { openDevices, openImage } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { display } from "../image/open.ts";

const hex = (n: bigint): string => BigInt.asUintN(64, n).toString(16).padStart(16, "0");
const two = (n: number): string => String(n).padStart(2, "0");

function mounted(volumes: string[], body: (m: HammerMount) => void): void {
  const m = openImage(volumes);
  try {
    body(m);
  } finally {
    m.unmount();
  }
}

function find(m: HammerMount, path: string): HammerInode {
  const ip = resolvePath(m, toByteString(path));
  if (ip === null) throw new CliError(path, "no such file or directory in the file system");
  return ip;
}

/** `hammer version`. */
export function version(volumes: string[]): void {
  const devices = openDevices(volumes, { readOnly: true });
  try {
    const current = volumeHeaders(devices).find((h) => h.volNo === 0)?.version;
    if (current === undefined) throw new CliError(volumes.join(":"), "the root volume (number 0) is missing");
    process.stdout.write(`min=1 wip=8 max=7 current=${current} description="${VERSION_DESCRIPTIONS[current] ?? "Unknown version"}"\n`
      + `available versions:\n${VERSION_DESCRIPTIONS.slice(1).map((d, i) => `    ${i + 1}\tNORM\t${d}\n`).join("")}`);
  } finally {
    for (const d of devices) d.close();
  }
}

/** `hammer volume-list`. */
export function volumeList(volumes: string[], verbose: boolean): void {
  const devices = openDevices(volumes, { readOnly: true });
  try {
    const list = volumeHeaders(devices).map((h, i) => ({ number: h.volNo, name: volumes[i]! })).sort((a, b) => a.number - b.number);
    for (const v of list)
      process.stdout.write(verbose ? `${v.number}\t${v.name}${v.number === 0 ? " (Root Volume)" : ""}\n` : `${v.name}\n`);
  } finally {
    for (const d of devices) d.close();
  }
}

/** prune-min as days and hours:minutes:seconds. */
function pruneMin(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const rest = seconds % 86400;
  const time = `${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return days === 0 ? time : rest === 0 ? `${days}d` : `${days}d/${time}`;
}

/** Attributes of a PFS as pfs-status and pfs-update print them. */
export function pfsText(m: HammerMount, p: PfsInfo, path: string): string {
  let text = `    sync-beg-tid=0x${hex(p.syncBegTid)}\n    sync-end-tid=0x${hex(p.syncEndTid)}\n`
    + `    shared-uuid=${p.sharedUuid}\n    unique-uuid=${p.uniqueUuid}\n    label="${display(p.label)}"\n`;
  if (p.snapshotsDir !== "") text += `    snapshots="${display(p.snapshotsDir)}"\n`;
  text += `    prune-min=${pruneMin(p.pruneMin)}\n    operating as a ${p.slave ? "SLAVE" : "MASTER"}\n`;
  if (p.snapshotsDir !== "") return text;
  if (m.version >= 3) return `${text}    snapshots directory defaults to /var/hammer/<pfs>\n`;
  return `${text}    snapshots directory ${p.slave ? "not set for slave" : `for master defaults to ${path}/snapshots`}\n`;
}

/** The PFSs that paths lead into. */
function pfsOf(m: HammerMount, path: string): PfsInfo {
  const ip = find(m, path);
  const info = m.listPfs().find((p) => p.id === ip.pfs);
  m.rele(ip);
  if (info === undefined) throw new CliError(path, `PFS#${ip.pfs} has no record`);
  return info;
}

/** `hammer pfs-status`. */
export function pfsStatus(volumes: string[], paths: string[]): void {
  mounted(volumes, (m) => {
    for (const path of paths.length === 0 ? ["/"] : paths) {
      const p = pfsOf(m, path);
      process.stdout.write(`${path}\tPFS#${p.id} {\n${pfsText(m, p, path)}}\n`);
    }
  });
}

/** YYYY-MM-DD HH:MM:SS ZONE. */
function localTime(microseconds: number): string {
  const d = new Date(microseconds / 1000);
  const zone = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(d).find((p) => p.type === "timeZoneName")!.value;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${zone}`;
}

/** `hammer snapls`. */
export function snapls(volumes: string[], paths: string[]): void {
  mounted(volumes, (m) => {
    for (const path of paths.length === 0 ? ["/"] : paths) {
      const p = pfsOf(m, path);
      process.stdout.write(`Snapshots on ${path}\tPFS#${p.id}\nTransaction ID\t\tTimestamp\t\tNote\n`);
      for (const s of m.listSnapshots(p.id))
        process.stdout.write(`0x${hex(s.tid)}\t${localTime(s.time)}\t${s.label === "" ? "-" : display(s.label)}\n`);
    }
  });
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** %d-%b-%Y %H:%M:%S */
export function historyTime(seconds: number): string {
  const d = new Date(seconds * 1000);
  return `${two(d.getDate())}-${MONTHS[d.getMonth()]}-${d.getFullYear()} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** `hammer history`. */
export function history(volumes: string[], paths: string[]): void {
  mounted(volumes, (m) => {
    for (const path of paths) {
      const ip = find(m, path);
      process.stdout.write(`${path}\t${hex(ip.objId)} clean {\n`);
      for (const e of m.fullHistory(ip)) process.stdout.write(`    ${hex(e.tid)} ${historyTime(e.time)}\n`);
      process.stdout.write("}\n");
      m.rele(ip);
    }
  });
}

const ALG0 = 0;

/** `hammer namekey1`: the whole key of the first hash algorithm. */
export function namekey1(name: string): void {
  const k = namekey(ALG0, toByteString(name))!;
  process.stdout.write(`0x${hex((BigInt(k.hi) << 32n) | BigInt(k.lo))}\n`);
}

/** `hammer namekey32`: its upper half. */
export function namekey32(name: string): void {
  process.stdout.write(`0x${namekey(ALG0, toByteString(name))!.hi.toString(16).padStart(8, "0")}\n`);
}
