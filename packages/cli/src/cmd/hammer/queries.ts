// SPDX-License-Identifier: BSD-3-Clause
/**
 * The commands of hammer(8) that ask a file system something. Formats: DragonFly sbin/hammer/cmd_history.c, cmd_version.c,
 * cmd_volume.c, hammer.c.
 * @module
 */
import type { Command } from "commander";
import { crc32, namekey, resolvePath, toByteString, VERSION_DESCRIPTIONS, volumeHeaders, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { openDevices } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { display } from "../image/open.ts";
import { hex, maintain, printJson } from "./admin-context.ts";
import { verbosity, type GlobalOptions } from "./options.ts";

interface QueryOptions { json?: boolean }

const two = (n: number): string => String(n).padStart(2, "0");
const MAX_VERSION = VERSION_DESCRIPTIONS.length - 1;

/** Version of the file system on the volumes. */
function version(volumes: string[], g: GlobalOptions, o: QueryOptions): void {
  const devices = openDevices(volumes, { readOnly: true });
  try {
    const current = volumeHeaders(devices).find((h) => h.volNo === 0)?.version;
    if (current === undefined) throw new CliError(volumes.join(":"), "the root volume (number 0) is missing");
    const description = VERSION_DESCRIPTIONS[current] ?? "Unknown version";
    if (o.json) {
      printJson("hammer version", { min: 1, max: MAX_VERSION, current, description, available: VERSION_DESCRIPTIONS.slice(1).map((d, i) => ({ version: i + 1, description: d })) });
      return;
    }
    process.stdout.write(`min=1 wip=none max=${MAX_VERSION} current=${current} description="${description}"\n`);
    if (verbosity(g) >= 0)
      process.stdout.write(`available versions:\n${VERSION_DESCRIPTIONS.slice(1).map((d, i) => `    ${i + 1}\tNORM\t${d}\n`).join("")}`);
  } finally {
    for (const d of devices) d.close();
  }
}

/** Numbers and names of the volumes, in order. */
function volumeNumbers(volumes: string[]): { number: number; name: string }[] {
  const devices = openDevices(volumes, { readOnly: true });
  try {
    return volumeHeaders(devices).map((h, i) => ({ number: h.volNo, name: volumes[i]! })).sort((a, b) => a.number - b.number);
  } finally {
    for (const d of devices) d.close();
  }
}

function volumeList(volumes: string[], g: GlobalOptions, o: QueryOptions): void {
  const list = volumeNumbers(volumes);
  if (o.json) printJson("hammer volume-list", { volumes: list.map((v) => ({ ...v, root: v.number === 0 })) });
  else for (const v of list)
    process.stdout.write(verbosity(g) > 0 ? `${v.number}\t${v.name}${v.number === 0 ? " (Root Volume)" : ""}\n` : `${v.name}\n`);
}

function volumeBlkdevs(volumes: string[], o: QueryOptions): void {
  const blkdevs = volumeNumbers(volumes).map((v) => v.name).join(":");
  if (o.json) printJson("hammer volume-blkdevs", { blkdevs });
  else process.stdout.write(`${blkdevs}\n`);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** %d-%b-%Y %H:%M:%S */
export function historyTime(seconds: number): string {
  const d = new Date(seconds * 1000);
  return `${two(d.getDate())}-${MONTHS[d.getMonth()]}-${d.getFullYear()} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Which bytes of a file a history is asked for. */
interface Range { offset: number; length: number }

const DUMP_DEFAULT = 32;

/** `@offset[,length]`, as it stands behind the command or behind a path. */
function range(text: string): Range {
  const m = /^@(\d+|0x[0-9a-f]+)(?:,(\d+|0x[0-9a-f]+))?$/i.exec(text);
  if (!m) throw new CliError(text, "is no @offset[,length]");
  return { offset: Number(m[1]), length: m[2] === undefined ? DUMP_DEFAULT : Number(m[2]) };
}

/** Bytes of a version for a line: what is not printable as a dot. */
function dump(m: HammerMount, path: string, r: Range): string {
  const ip = resolvePath(m, toByteString(path));
  if (ip === null) return "";
  try {
    const buf = new Uint8Array(r.length);
    const n = ip.type === "file" ? m.read(ip, r.offset, buf, 0, r.length) : 0;
    return String.fromCharCode(...buf.subarray(0, n)).replaceAll(/[^ -~]/g, ".");
  } finally {
    m.rele(ip);
  }
}

/** A path of the image, or a path and a range behind it. */
function splitRange(m: HammerMount, operand: string, common: Range | null): { path: string; at: Range | null; ip: HammerInode | null } {
  const whole = resolvePath(m, toByteString(operand));
  const mark = operand.indexOf("@");
  if (whole !== null || common !== null || mark <= 0 || operand[mark + 1] === "@") return { path: operand, at: common, ip: whole };
  const path = operand.slice(0, mark);
  return { path, at: range(operand.slice(mark)), ip: resolvePath(m, toByteString(path)) };
}

function history(volumes: string[], g: GlobalOptions, common: Range | null, operands: readonly string[], o: QueryOptions): void {
  maintain(volumes, (m) => {
    const answers: object[] = [];
    let missing: string | null = null;
    for (const operand of operands) {
      const { path, at, ip } = splitRange(m, operand, common);
      if (ip === null) {
        missing ??= path;
        if (!o.json) process.stdout.write(`${path}\tNo such file or directory\n`);
        continue;
      }
      const list = at === null ? m.history(ip) : m.dataHistory(ip, at.offset, 1);
      const objId = ip.objId;
      m.rele(ip);
      if (o.json) {
        answers.push({ path, objId, offset: at?.offset, history: list.map((e) => ({ tid: e.tid, time: new Date(e.time * 1000).toISOString() })) });
        continue;
      }
      process.stdout.write(`${path}\t${hex(objId)} clean {\n`);
      for (const e of list) {
        const bytes = at !== null && verbosity(g) > 0 ? ` '${dump(m, `${path}@@0x${hex(e.tid)}`, at)}'` : "";
        process.stdout.write(`    ${hex(e.tid)} ${historyTime(e.time)}${bytes}\n`);
      }
      process.stdout.write("}\n");
    }
    if (o.json) printJson("hammer history", { files: answers });
    if (missing !== null) throw new CliError(missing, "no such file or directory in the file system");
  }, { readOnly: true });
}

const ALG0 = 0;
const FIVE_BITS = 0x1f;

/** The experimental sorted hash that namekey2 prints; no file system uses it. */
function sortedHash(name: string): bigint {
  const b = Uint8Array.from(toByteString(name), (c) => c.charCodeAt(0));
  const n = b.length;
  const at = (i: number): bigint => BigInt(b[i]! & FIVE_BITS);
  let key = BigInt((crc32(b) & 0xffff_fffe) >>> 0);
  if (n > 5) {
    const crc = crc32(b, 3, n - 2) | 0;
    key |= BigInt((crc ^ (crc >> 6) ^ (crc >> 12)) & 0x3f) << 42n;
  }
  if (n >= 3) key |= at(2) << 48n;
  if (n >= 2) key |= (at(1) << 53n) | (at(n - 2) << 37n);
  if (n >= 1) key |= (at(0) << 58n) | (at(n - 1) << 32n);
  return key === 0n ? 0x1_0000_0000n : key;
}

/** Adds the commands to `hammer`. */
export function registerQueries(hammer: Command, options: () => GlobalOptions, volumes: () => string[]): void {
  const query = (name: string, what: string): Command => hammer.command(name).description(what).option("--json", "print the answer as JSON");
  query("version", "print the file system version, and with which names the others go").argument("[fs]", "for the sake of scripts; -f tells")
    .action((_: string | undefined, o: QueryOptions) => version(volumes(), options(), o));
  query("volume-list", "list the volumes; with -v their numbers, too").argument("[fs]", "for the sake of scripts; -f tells")
    .action((_: string | undefined, o: QueryOptions) => volumeList(volumes(), options(), o));
  query("volume-blkdevs", "print the volumes in order, joined by colons as -f takes them").argument("[fs]", "for the sake of scripts; -f tells")
    .action((_: string | undefined, o: QueryOptions) => volumeBlkdevs(volumes(), o));
  query("history", "list the transaction ids at which the inodes of files, or data at an offset, changed")
    .argument("<paths...>", "path, or path@offset[,length]")
    .addHelpText("after", `
history@offset[,length] asks for the data at that offset of each file. With -v before the command, length bytes of each
version are shown, by default ${DUMP_DEFAULT}. A removed or renamed file is traced with undo.`)
    .action((paths: string[], o: QueryOptions) => history(volumes(), options(), null, paths, o));
  for (const [name, what, key] of [
    ["namekey1", "print the directory key of a name (algorithm of version 1)", (n: string) => { const k = namekey(ALG0, toByteString(n))!; return `0x${hex((BigInt(k.hi) << 32n) | BigInt(k.lo))}`; }],
    ["namekey2", "print an experimental sorted key of a name, which no file system uses", (n: string) => `0x${hex(sortedHash(n))}`],
    ["namekey32", "print the upper half of the directory key of a name", (n: string) => `0x${namekey(ALG0, toByteString(n))!.hi.toString(16).padStart(8, "0")}`],
  ] as const)
    query(name, what).argument("<filename>").action((filename: string, o: QueryOptions) => {
      if (o.json) printJson(`hammer ${name}`, { name: display(filename), key: key(filename) });
      else process.stdout.write(`${key(filename)}\n`);
    });
}

/** The range in `history@offset[,length]`, the name as the command line has it, or null for another command. */
export function historyCommand(name: string): Range | null {
  return name.startsWith("history@") ? range(name.slice("history".length)) : null;
}

/** Runs `history@offset[,length]`. */
export function historyAt(volumes: string[], g: GlobalOptions, at: Range, paths: readonly string[]): void {
  const json = paths.includes("--json");
  const operands = paths.filter((p) => p !== "--json");
  if (operands.length === 0) throw new CliError("history", "no file was named");
  history(volumes, g, at, operands, { json });
}


