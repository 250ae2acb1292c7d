// SPDX-License-Identifier: BSD-3-Clause
/** `hammer` pfs-master, pfs-slave, pfs-update, pfs-upgrade, pfs-downgrade, pfs-destroy. Source: DragonFly sbin/hammer/cmd_pfs.c. */
import { randomFillSync } from "node:crypto";
import {
  createPfs, destroyPfs, downgradePfs, freePfsId, resolvePath, toByteString, updatePfs, upgradePfs, type HammerMount, type PfsOptions,
} from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { display } from "../image/open.ts";
import { confirm, findParent, maintain, rehearse, pfsAt, printJson, type CommandOptions, type GlobalOptions } from "./admin-context.ts";
import { pfsJson, pfsText } from "./pfs-text.ts";

/** Nd, or [Nd/]hh[:mm[:ss]] in seconds. */
function pruneMin(text: string): number {
  const days = /^(\d+)d$/.exec(text);
  if (days) return Number(days[1]) * 86400;
  const m = /^(?:(\d+)d\/)?(\d+)(?::(\d+)(?::(\d+))?)?$/.exec(text);
  if (!m) throw new CliError("prune-min", `'${text}' is no time`, "Nd or [Nd/]hh[:mm[:ss]]");
  return Number(m[1] ?? 0) * 86400 + Number(m[2]) * 3600 + Number(m[3] ?? 0) * 60 + Number(m[4] ?? 0);
}

function tid(text: string, option: string): bigint {
  if (!/^(0x)?[0-9a-f]+$/i.test(text)) throw new CliError(option, `'${text}' is no transaction id in hex`);
  return BigInt(`0x${text.replace(/^0x/i, "")}`);
}

/** The option=value operands. */
function pfsOptions(args: readonly string[]): PfsOptions {
  const o: PfsOptions = {};
  for (const arg of args) {
    const at = arg.indexOf("=");
    if (at < 0) throw new CliError(arg, `option ${arg} requires an assignment`);
    const name = arg.slice(0, at), value = arg.slice(at + 1);
    switch (name) {
      case "sync-beg-tid": o.syncBegTid = tid(value, name); break;
      case "sync-end-tid": o.syncEndTid = tid(value, name); break;
      case "shared-uuid": o.sharedUuid = value; break;
      case "unique-uuid": o.uniqueUuid = value; break;
      case "label": o.label = toByteString(value.replace(/^"(.*)"$/s, "$1")); break;
      case "snapshots": o.snapshotsDir = toByteString(value); break;
      case "snapshots-clear": o.snapshotsDir = ""; break;
      case "prune-min": o.pruneMin = pruneMin(value); break;
      default: throw new CliError(name, "invalid option",
        "sync-beg-tid, sync-end-tid, shared-uuid, unique-uuid, label, snapshots, snapshots-clear, prune-min");
    }
  }
  return o;
}

/** `hammer pfs-master` and `pfs-slave`. */
export function pfsCreate(volumes: string[], path: string, slave: boolean, args: readonly string[], c: CommandOptions): void {
  const options = pfsOptions(args);
  if (path.endsWith("/")) throw new CliError(path, "Invalid PFS path with trailing /");
  maintain(volumes, (m) => {
    const old = resolvePath(m, toByteString(path), { follow: false });
    if (old !== null) {
      m.rele(old);
      throw new CliError(path, "cannot create, file exists!");
    }
    const { dir, name } = findParent(m, path);
    if (!c.json) process.stdout.write(`Creating PFS#${freePfsId(m)}\t`);
    const info = createPfs(m, dir, name, { ...options, slave, random: (b) => randomFillSync(b) });
    m.rele(dir);
    if (c.json) printJson(slave ? "hammer pfs-slave" : "hammer pfs-master", { path, pfs: pfsJson(info) });
    else process.stdout.write(`succeeded!\n${path}\n${pfsText(m, info, path)}`);
  });
}

/** `hammer pfs-update`. */
export function pfsUpdate(volumes: string[], path: string, args: readonly string[], c: CommandOptions): void {
  const options = pfsOptions(args);
  maintain(volumes, (m) => {
    const info = updatePfs(m, pfsAt(m, path).id, options);
    if (c.json) printJson("hammer pfs-update", { path, pfs: pfsJson(info) });
    else process.stdout.write(`${path}\n${pfsText(m, info, path)}`);
  });
}

/** `hammer pfs-upgrade`. */
export function pfsUpgrade(volumes: string[], path: string, o: CommandOptions): void {
  (o.dryRun ? rehearse : maintain)(volumes, (m) => {
    const p = pfsAt(m, path);
    upgradePfs(m, p.id);
    process.stdout.write(`pfs-upgrade of PFS#${p.id} (${display(p.label)}) ${o.dryRun ? "would succeed" : "succeeded"}\n`);
  });
}

/** `hammer pfs-downgrade`. */
export function pfsDowngrade(volumes: string[], path: string, o: CommandOptions): void {
  (o.dryRun ? rehearse : maintain)(volumes, (m) => {
    const p = pfsAt(m, path);
    downgradePfs(m, p.id);
    process.stdout.write(`pfs-downgrade of PFS#${p.id} (${display(p.label)}) ${o.dryRun ? "would succeed" : "succeeded"}\n`);
  });
}

/** Removes the softlink that a path names, if it names one. */
function removeLink(m: HammerMount, path: string): void {
  const ip = resolvePath(m, toByteString(path), { follow: false });
  if (ip === null) return;
  const isLink = ip.type === "symlink";
  m.rele(ip);
  if (!isLink) return;
  const { dir, name } = findParent(m, path);
  m.unlink(dir, name);
  m.rele(dir);
}

/** `hammer pfs-destroy`. */
export function pfsDestroy(volumes: string[], g: GlobalOptions, path: string, dryRun: boolean): void {
  maintain(volumes, (m) => {
    const p = pfsAt(m, path);
    if (p.id === 0) throw new CliError(path, "You cannot destroy PFS#0");
    if (dryRun) {
      process.stdout.write(`PFS#${p.id} (${display(p.label)}), a ${p.slave ? "SLAVE" : "MASTER"} with ${m.listSnapshots(p.id).length} snapshots, would be destroyed\n`);
      return;
    }
    process.stdout.write(`You have requested that PFS#${p.id} (${display(p.label)}) be destroyed\nThis will irrevocably destroy all data on this PFS!!!!!\n`);
    if (!confirm(g, "Do you really want to do this?")) throw new CliError(path, `No action taken on PFS#${p.id}`);
    if (!p.slave) {
      process.stdout.write("This PFS is currently setup as a MASTER!\n");
      if (!confirm(g, "Are you absolutely sure you want to destroy it?")) throw new CliError(path, `No action taken on PFS#${p.id}`);
    }
    process.stdout.write(`Destroying PFS#${p.id} (${display(p.label)}).. starting destruction pass\n`);
    destroyPfs(m, p.id);
    process.stdout.write(`pfs-destroy of PFS#${p.id} succeeded!\n`);
    removeLink(m, path);
  }, { readOnly: dryRun });
}
