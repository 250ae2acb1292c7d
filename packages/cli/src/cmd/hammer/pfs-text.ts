// SPDX-License-Identifier: BSD-3-Clause
/** `hammer` pfs-status and snapls. Formats: DragonFly sbin/hammer/cmd_pfs.c, cmd_snapshot.c. */
import type { Command } from "commander";
import type { HammerMount, PfsInfo } from "@vkernel/hammer";
import { display } from "../image/open.ts";
import { hex, maintain, pfsAt, printJson } from "./admin-context.ts";

const two = (n: number): string => String(n).padStart(2, "0");

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

/** YYYY-MM-DD HH:MM:SS ZONE. */
function localTime(microseconds: number): string {
  const d = new Date(microseconds / 1000);
  const zone = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(d).find((p) => p.type === "timeZoneName")!.value;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${zone}`;
}

/** Attributes for JSON, texts made fit for it. */
export function pfsJson(p: PfsInfo): object {
  return { ...p, label: display(p.label), snapshotsDir: display(p.snapshotsDir) };
}

/** Adds the commands to `hammer`. */
export function registerPfsQueries(hammer: Command, volumes: () => string[]): void {
  const each = (paths: string[], json: boolean | undefined, command: string, one: (m: HammerMount, path: string, p: PfsInfo) => { text: string; json: object }): void => {
    maintain(volumes(), (m) => {
      const answers = (paths.length === 0 ? ["/"] : paths).map((path) => one(m, path, pfsAt(m, path)));
      if (json) printJson(command, { pfs: answers.map((a) => a.json) });
      else process.stdout.write(answers.map((a) => a.text).join(""));
    }, { readOnly: true });
  };
  hammer.command("pfs-status").argument("[paths...]", "links or roots of PFSs; default the root")
    .description("print attributes of pseudo file systems").option("--json", "print the answer as JSON")
    .action((paths: string[], o: { json?: boolean }) => each(paths, o.json, "hammer pfs-status", (m, path, p) =>
      ({ text: `${path}\tPFS#${p.id} {\n${pfsText(m, p, path)}}\n`, json: { path, ...pfsJson(p) } })));
  hammer.command("snapls").argument("[paths...]", "links, roots or any paths of PFSs; default the root")
    .description("list snapshots").option("--json", "print the answer as JSON")
    .action((paths: string[], o: { json?: boolean }) => each(paths, o.json, "hammer snapls", (m, path, p) => {
      const list = m.listSnapshots(p.id);
      return {
        text: `Snapshots on ${path}\tPFS#${p.id}\nTransaction ID\t\tTimestamp\t\tNote\n`
          + list.map((s) => `0x${hex(s.tid)}\t${localTime(s.time)}\t${s.label === "" ? "-" : display(s.label)}\n`).join(""),
        json: { path, id: p.id, snapshots: list.map((s) => ({ tid: s.tid, time: new Date(s.time / 1000).toISOString(), note: display(s.label) })) },
      };
    }));
}
