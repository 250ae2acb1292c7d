// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer show`: walks the B-Tree of an image, checks every node, element and record, and prints them in the
 * original's format. Works on damaged images: what cannot be read is flagged, not thrown.
 *
 * Flags of a node line: B bad; I not readable, M mirror_tid above the parent's, U unknown type, C element count.
 * Flags of an element line: G or B, then L left of its bounds, R right of them, T type, C child or data, M
 * mirror_tid. Source: DragonFly sbin/hammer/cmd_show.c.
 * @module
 */
import type { BlockDevice } from "../device.ts";
import { crc32, crc32c } from "../crc.ts";
import {
  BIGBLOCK_SIZE, INODE_CRC_SIZE, INODE_DATA, INTERNAL_ELMS, LEAF_ELMS, NODE_SIZE, REC_INODE, TYPE_INTERNAL, TYPE_LEAF,
  TYPE_RECORD, XBUFSIZE,
} from "../disk/index.ts";
import { x16, x2, x8 } from "./format.ts";
import { printHeader } from "./header.ts";
import { RawVolumes, type RawElm, type RawNode } from "./raw.ts";
import { recordText } from "./record-text.ts";
import { ZoneStats } from "./zone-stats.ts";

const MAX_COUNT: Readonly<Record<number, number>> = { [TYPE_INTERNAL]: INTERNAL_ELMS, [TYPE_LEAF]: LEAF_ELMS };

const MAX_TID = 0xffff_ffff_ffff_ffffn;
const MIN_KEY = -0x8000_0000_0000_0000n;
const MAX_KEY = 0x7fff_ffff_ffff_ffffn;
const CRC32C_VERSION = 7;
/** What to print. */
export interface ShowOptions {
  /** `lo[:objid[:rt[:key[:tid]]]]` in hex: where to start. */
  search?: string | undefined;
  /** Skip subtrees outside the search key: never, always, or (default) until it is found. */
  filter?: "no" | "yes" | "default";
  /** Leave out names. */
  obfuscate?: boolean;
  /** Indent by depth. */
  indent?: boolean;
  /** -q count: from 2 on no record contents. */
  quiet?: number;
  /** Handed each node, in the order printed. */
  onNode?: (node: ShownNode) => void;
  /** -v count: 1 totals and zone statistics, 3 config texts, 4 data dumps. */
  verbose?: number;
}

/** A node as `show` found it, with its elements; flags as in the text, empty where all is right. */
export interface ShownNode {
  offset: bigint; parent: bigint; type: string; depth: number; mirrorTid: bigint; flags: string;
  elements: (RawElm & { flags: string; error: string | null })[];
}

/** What was found. `records` counts leaf elements, `elements` all but right boundaries. */
export interface ShowSummary {
  nodes: number;
  elements: number;
  records: number;
  depth: number;
  badNodes: number;
  badElements: number;
  badRecords: number;
}

interface SearchKey { lo: number; objId: bigint; recType: number; key: bigint; tid: bigint; limit: number }

function parseSearch(text: string | undefined): SearchKey | null {
  if (text === undefined || text === "none") return null;
  const [lo, objId, recType, key, tid] = text.split(":").map((part) => BigInt(`0x${part.replace(/^0x/i, "") || "0"}`));
  return {
    lo: Number(lo ?? 0n) >>> 0, objId: BigInt.asIntN(64, objId ?? 0n), recType: Number(recType ?? 0n),
    key: BigInt.asIntN(64, key ?? 0n), tid: tid ?? 0n, limit: Math.min(5, text.split(":").length),
  };
}

function order<T extends number | bigint>(a: T, b: T, weight: number): number {
  return a < b ? -weight : a > b ? weight : 0;
}

function compareTid(a: bigint, b: bigint): number {
  return a === b ? 0 : a === 0n ? 1 : b === 0n ? -1 : order(a, b, 1);
}

/** Compares the first `limit` fields of two keys; a create_tid of 0 is infinite. */
function compareKeys(a: Omit<SearchKey, "limit">, b: Omit<SearchKey, "limit">, limit = 5): number {
  return order(a.lo, b.lo, 5)
    || (limit > 1 && order(a.objId, b.objId, 4))
    || (limit > 2 && order(a.recType, b.recType, 3))
    || (limit > 3 && order(a.key, b.key, 2))
    || (limit > 4 && compareTid(a.tid, b.tid))
    || 0;
}

class Show {
  readonly summary: ShowSummary = { nodes: 0, elements: 0, records: 0, depth: 0, badNodes: 0, badElements: 0, badRecords: 0 };
  readonly #volumes: RawVolumes;
  readonly #print: (text: string) => void;
  readonly #options: ShowOptions;
  readonly #search: SearchKey | null;
  readonly #stats: ZoneStats | null;
  /** Nodes printed: in a sound tree each is met once. A damaged one may be a maze. */
  readonly #seen = new Set<bigint>();
  #filter: "no" | "yes" | "default";
  #depth = -1;
  /** The node being put together for onNode. */
  #shown: ShownNode | null = null;

  constructor(volumes: RawVolumes, print: (text: string) => void, options: ShowOptions) {
    this.#volumes = volumes;
    this.#print = print;
    this.#options = options;
    this.#search = parseSearch(options.search);
    this.#filter = options.filter ?? "default";
    this.#stats = options.verbose ? new ZoneStats() : null;
  }

  run(): void {
    printHeader(this.#volumes, this.#print);
    const s = this.#search;
    if (s) {
      const fields = [
        ` lo=${x8(s.lo)}`, ` objid=${x16(s.objId)}`, ` rt=${x2(s.recType)}`, ` key=${x16(s.key)}`, ` tid=${x16(s.tid)}`,
      ];
      this.#print(`arg="${this.#options.search}"${fields.slice(0, s.limit).join("")}\n`);
    }
    this.#node(this.#volumes.header.btreeRoot, MAX_TID, null, null);
    this.#stats?.print(this.#print);
    const { badNodes, badElements, badRecords } = this.summary;
    if (badNodes || this.#options.verbose) this.#print(`${badNodes} bad nodes\n`);
    if (badElements || this.#options.verbose) this.#print(`${badElements} bad elms\n`);
    if (badRecords || this.#options.verbose) this.#print(`${badRecords} bad records\n`);
  }

  get #indent(): string { return this.#options.indent ? "\t".repeat(Math.min(this.#depth, 9)) : ""; }

  #node(offset: bigint, mirrorTid: bigint, left: RawElm | null, right: RawElm | null): void {
    this.#depth++;
    const s = this.summary;
    if (this.#seen.has(offset)) {
      this.#print(`${this.#indent}B    NODE ${x16(offset)} (MET BEFORE)\n`);
      s.badNodes++;
      this.#depth--;
      return;
    }
    this.#seen.add(offset);
    s.nodes++;
    s.depth = Math.max(s.depth, this.#depth + 1);
    const node = this.#volumes.node(offset);
    let badc = " ";
    let badm = " ";
    if (node === null) {
      badc = "B";
      badm = "I";
    } else {
      if (!node.crcOk) badc = "B";
      if (node.mirrorTid > mirrorTid) badm = "M";
      badm = this.#countFlag(node) ?? badm;
      if (badm !== " ") badc = "B";
    }
    if (badc !== " ") s.badNodes++;
    const indent = this.#indent;
    if (node === null) {
      // The original stops here with an assertion; the rest of the tree is worth having.
      this.#print(`${indent}${badc}${badm}   NODE ${x16(offset)} (IO ERROR)\n`);
      this.#depth--;
      return;
    }
    this.#print(`${indent}${badc}${badm}   NODE ${x16(offset)} cnt=${String(node.count).padStart(2, "0")} p=${x16(node.parent)} `
      + `type=${String.fromCharCode(node.type || 0x3f)} depth=${this.#depth} mirror=${x16(node.mirrorTid)} `
      + `fill=${this.#fill(offset)} {\n`);
    this.#stats?.add(offset, NODE_SIZE);
    const internal = node.type === TYPE_INTERNAL;
    const count = Math.max(0, Math.min(node.count, internal ? INTERNAL_ELMS : LEAF_ELMS));
    const shown: ShownNode | null = this.#options.onNode === undefined ? null : {
      offset, parent: node.parent, type: String.fromCharCode(node.type || 0x3f), depth: this.#depth, mirrorTid: node.mirrorTid,
      flags: `${badc}${badm}`.trim(), elements: [],
    };
    this.#shown = shown;
    for (let i = 0; i < count; i++) this.#element(node, offset, i, left, right);
    this.#shown = null;
    if (shown !== null) this.#options.onNode!(shown);
    if (internal) this.#element(node, offset, count, left, right);
    this.#print(`${indent}     }\n`);
    if (internal) this.#children(node, count);
    this.#depth--;
  }

  #children(node: RawNode, count: number): void {
    for (let i = 0; i < count; i++) {
      const elm = node.elm(i);
      const next = node.elm(i + 1);
      if (this.#search && this.#filter !== "no" && this.#outOfRange(elm, next)) continue;
      if (elm.subtreeOffset === 0n) continue;
      this.#node(elm.subtreeOffset, elm.mirrorTid, elm, next);
      // Once the key is found, print normally from there on.
      if (this.#search && this.#filter === "default") this.#filter = "no";
    }
  }

  #countFlag(node: RawNode): string | null {
    const max = MAX_COUNT[node.type];
    if (max === undefined) return "U";
    if (node.count > max || node.count < 0) return "C";
    if (node.count !== 0) return null;
    const parent = this.#volumes.node(node.parent);
    return parent !== null && parent.count === 1 ? null : "C";
  }

  #outOfRange(elm: RawElm, next: RawElm): boolean {
    const s = this.#search!;
    if (compareKeys(elm, s, s.limit) > 0) return true;
    const r = compareKeys(next, s, s.limit);
    return s.limit >= 5 ? r <= 0 : r < 0;
  }

  #element(node: RawNode, nodeOffset: bigint, i: number, left: RawElm | null, right: RawElm | null): void {
    const elm = node.elm(i);
    const internal = node.type === TYPE_INTERNAL;
    const boundary = internal && i === node.count;
    if (!boundary) this.summary.elements++;
    const flags = this.#elementFlags(node, nodeOffset, elm, boundary, left, right);
    if (flags[0] === "B") this.summary.badElements++;
    this.#shown?.elements.push({ ...elm, flags: flags.replace(/^[GB]-/, "").replaceAll("-", ""), error: null });
    const mark = internal && i === 0 && isTreeStart(elm) ? ">"
      : internal && i !== 0 && isTreeEnd(elm) ? "<"
      : elm.deleteTid !== 0n ? "d" : " ";
    const indent = this.#indent;
    const type = elm.btype === 0 ? "*" : String.fromCharCode(elm.btype);
    let line = `${indent}${flags} ${boundary ? "RBN" : "ELM"} ${String(i).padStart(2)} ${type} `
      + `lo=${x8(elm.lo)} objid=${x16(elm.objId)} rt=${x2(elm.recType)} key=${x16(elm.key)} tid=${x16(elm.tid)}\n`
      + `${indent}               ${mark} del=${x16(elm.deleteTid)} ot=${x2(elm.objType)}`;
    if (internal) {
      line += ` suboff=${x16(elm.subtreeOffset)} mirror=${x16(elm.mirrorTid)}`;
      if (this.#search && !boundary && !this.#outOfRange(elm, node.elm(i + 1))) line += " *";
    } else if (node.type === TYPE_LEAF) {
      if (elm.btype === TYPE_RECORD) line += this.#leaf(elm);
      else line += ` badtype=${elm.btype}`;
      if (this.#search && compareKeys(elm, this.#search, this.#search.limit) === 0) line += " *";
    }
    this.#print(`${line}\n`);
  }

  #leaf(elm: RawElm): string {
    this.summary.records++;
    const { which, error, data } = this.#checkData(elm);
    let text = ` dataoff=${x16(elm.dataOffset)}/${elm.dataLen} ${which}crc=${x8(elm.dataCrc)}`;
    if (error !== null) {
      text += ` error=${error}`;
      const shown = this.#shown?.elements.at(-1);
      if (shown !== undefined) shown.error = error;
      this.summary.badRecords++;
    }
    text += ` fill=${this.#fill(elm.dataOffset)}`;
    const verbose = this.#options.verbose ?? 0;
    if ((this.#options.quiet ?? 0) < 2 && data !== null)
      text += recordText(elm, data, { indent: this.#indent, obfuscate: this.#options.obfuscate ?? false, verbose });
    this.#stats?.add(elm.dataOffset, elm.dataLen);
    return text;
  }

  #checkData(elm: RawElm): { which: string; error: string | null; data: Uint8Array | null } {
    if (elm.dataOffset === 0n || elm.dataLen === 0) return { which: "", error: "ZO", data: null };
    if (elm.dataLen < 0 || elm.dataLen > XBUFSIZE) return { which: "", error: "BX", data: null };
    const data = this.#volumes.bytes(elm.dataOffset, elm.dataLen);
    if (data === null) return { which: "", error: "BX", data: null };
    const inode = elm.recType === REC_INODE;
    if (inode && elm.dataLen !== INODE_DATA.size) return { which: "", error: "BI", data };
    const covered = inode ? INODE_CRC_SIZE : elm.dataLen;
    if (this.#volumes.header.version >= CRC32C_VERSION) {
      const crc = crc32c(data, 0, covered);
      if (crc === elm.dataCrc) return { which: "i", error: crc === 0 ? "Bx" : null, data };
    }
    const crc = crc32(data, 0, covered);
    const matches = crc === elm.dataCrc;
    return { which: matches ? "o" : "", error: crc === 0 ? "Bx" : matches ? null : "BX", data };
  }

  #elementFlags(
    node: RawNode, nodeOffset: bigint, elm: RawElm, boundary: boolean, left: RawElm | null, right: RawElm | null,
  ): string {
    let l = "-", r = "-", t = "-", c = "-", m = "-";
    const checkBounds = (inclusive: boolean): void => {
      if (left === null || right === null) return;
      if (compareKeys(elm, left) < 0) l = "L";
      else if (inclusive ? compareKeys(elm, right) > 0 : compareKeys(elm, right) >= 0) r = "R";
    };
    if (node.type === TYPE_INTERNAL) {
      if (elm.mirrorTid > node.mirrorTid) m = "M";
      if (boundary) {
        if (elm.subtreeOffset !== 0n) c = "C";
        if (elm.btype === 0) checkBounds(true);
        else t = "T";
      } else {
        const child = elm.subtreeOffset === 0n ? null : this.#volumes.node(elm.subtreeOffset);
        if (child === null || child.parent !== nodeOffset) c = "C";
        if (elm.btype === TYPE_INTERNAL || elm.btype === TYPE_LEAF) checkBounds(false);
        else t = "T";
      }
    } else if (node.type === TYPE_LEAF) {
      if (elm.dataOffset === 0n || elm.dataLen === 0) c = "C";
      if (node.mirrorTid === 0n ? !(node.parent === 0n && node.count === 2)
        : elm.tid > node.mirrorTid || elm.deleteTid > node.mirrorTid) m = "M";
      if (elm.btype === TYPE_RECORD) checkBounds(false);
      else t = "T";
    } else {
      t = "T";
    }
    const all = l + r + t + c + m;
    return `${all === "-----" ? "G" : "B"}-${all}`;
  }

  #fill(offset: bigint): string {
    const f = this.#volumes.lookup(offset);
    const where = `z${offset >> 60n}:v${(offset >> 52n) & 0xffn}:${(offset >> 42n) & 0x3ffffn}:`
      + `${(offset >> 23n) & 0x7ffffn}:${offset & 0x7f_ffffn}=`;
    if (f.error !== 0) return `${where}B${f.error}`;
    return `${where}${100 - Math.trunc((f.layer2!.bytesFree * 100) / BIGBLOCK_SIZE)}%`;
  }
}

function isTreeStart(e: RawElm): boolean {
  return e.lo === 0 && e.objId === MIN_KEY && e.key === MIN_KEY && e.tid === 1n && e.deleteTid === 1n
    && e.recType === 0 && e.objType === 0 && e.btype !== 0;
}

function isTreeEnd(e: RawElm): boolean {
  return e.lo === 0xffff_ffff && e.objId === MAX_KEY && e.key === MAX_KEY && e.tid === MAX_TID && e.deleteTid === 0n
    && e.recType === 0xffff && e.objType === 0 && e.btype === 0;
}

/** Prints the B-Tree of the file system on `devices` and says what is wrong with it. */
export function show(devices: readonly BlockDevice[], print: (text: string) => void, options: ShowOptions = {}): ShowSummary {
  const s = new Show(new RawVolumes(devices), print, options);
  s.run();
  return s.summary;
}
