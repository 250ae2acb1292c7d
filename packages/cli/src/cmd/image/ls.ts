// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image ls`: names, or with -l what `ls -l` shows. */
import type { HammerInode, HammerMount } from "@vkernel/hammer";
import { display, entriesOf, find, join, outputVersion, withImage } from "./open.ts";

export interface LsOptions { long?: boolean; recursive?: boolean; json?: boolean; directory?: boolean }

const TYPE_LETTER: Record<HammerInode["type"], string> = {
  file: "-", dir: "d", symlink: "l", chardev: "c", blockdev: "b", fifo: "p", socket: "s",
};

/** drwxr-xr-x and the like, with set-id and sticky bits. */
export function modeString(ip: Pick<HammerInode, "type" | "mode">): string {
  let text = TYPE_LETTER[ip.type];
  for (let shift = 6; shift >= 0; shift -= 3) {
    const bits = (ip.mode >> shift) & 7;
    const special = (ip.mode >> (9 + shift / 3)) & 1;
    const letter = shift === 0 ? "t" : "s";
    text += (bits & 4 ? "r" : "-") + (bits & 2 ? "w" : "-")
      + (special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? "x" : "-");
  }
  return text;
}

/** Microseconds to ISO 8601 in UTC, to the second. */
export function isoTime(microseconds: number): string {
  return new Date(microseconds / 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

interface Row { path: string; ip: Record<string, unknown>; columns: string[] }

function row(m: HammerMount, ip: HammerInode, shown: string, path: string): Row {
  const target = ip.type === "symlink" ? m.readlink(ip) : undefined;
  const device = ip.type === "chardev" || ip.type === "blockdev";
  return {
    path,
    ip: {
      path: display(path), type: ip.type, mode: ip.mode.toString(8).padStart(4, "0"), nlinks: ip.nlinks, uid: ip.uid, gid: ip.gid,
      size: ip.size, mtime: new Date(ip.mtime / 1000).toISOString(), objId: `0x${ip.objId.toString(16).padStart(16, "0")}`,
      ...(target === undefined ? {} : { target: display(target) }),
      ...(device ? { major: ip.rmajor, minor: ip.rminor } : {}),
    },
    columns: [
      modeString(ip), String(ip.nlinks), String(ip.uid), String(ip.gid), device ? `${ip.rmajor}, ${ip.rminor}` : String(ip.size),
      isoTime(ip.historical ? ip.ctime : ip.mtime), display(shown) + (target === undefined ? "" : ` -> ${display(target)}`),
    ],
  };
}

function printLong(rows: Row[]): void {
  const widths = [1, 2, 3, 4].map((i) => Math.max(0, ...rows.map((r) => r.columns[i]!.length)));
  for (const { columns: c } of rows) {
    process.stdout.write(`${c[0]} ${c[1]!.padStart(widths[0]!)} ${c[2]!.padStart(widths[1]!)} ${c[3]!.padStart(widths[2]!)} `
      + `${c[4]!.padStart(widths[3]!)} ${c[5]} ${c[6]}\n`);
  }
}

/** Lists the paths. */
export function ls(image: string, paths: string[], options: LsOptions): Promise<void> {
  return withImage(image, { write: false }, (m) => {
    const json: unknown[] = [];
    const wanted = paths.length === 0 ? ["/"] : paths;
    const print = (rows: Row[]): void => {
      if (options.json) json.push(...rows.map((r) => r.ip));
      else if (options.long) printLong(rows);
      else for (const r of rows) process.stdout.write(`${r.columns[6]!.split(" -> ")[0]}\n`);
    };
    const list = (dir: HammerInode, path: string, heading: boolean): void => {
      if (heading && !options.json) process.stdout.write(`${display(path)}:\n`);
      const below: { ip: HammerInode; path: string }[] = [];
      const rows: Row[] = [];
      for (const name of entriesOf(m, dir)) {
        const ip = m.lookup(dir, name)!;
        rows.push(row(m, ip, name, join(path, name)));
        if (options.recursive && ip.type === "dir") below.push({ ip, path: join(path, name) });
        else m.rele(ip);
      }
      print(rows);
      for (const b of below) {
        if (!options.json) process.stdout.write("\n");
        list(b.ip, b.path, true);
        m.rele(b.ip);
      }
    };
    wanted.forEach((path, i) => {
      const ip = find(m, image, path, { follow: !options.long && !options.directory });
      if (ip.type === "dir" && !options.directory) {
        if (i > 0 && !options.json) process.stdout.write("\n");
        list(ip, path, options.recursive === true || wanted.length > 1);
      } else {
        print([row(m, ip, path, path)]);
      }
      m.rele(ip);
    });
    if (options.json) process.stdout.write(`${JSON.stringify({ ...outputVersion("vkernel image ls"), entries: json }, null, 2)}\n`);
  });
}
