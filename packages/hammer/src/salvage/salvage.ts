// SPDX-License-Identifier: BSD-3-Clause
/**
 * Files from a damaged file system: `hammer recover`.
 *
 * Needs no header, no freemap, no root of the B-Tree: leaves are found by scanning (scan.ts), and objects are put together
 * from their records alone, as of the present.
 *
 * Invariants
 *   V1  Bytes are given out only if they pass the CRC of their element, unless `keepDamaged`; what does not is counted.
 *   V2  Of several copies of an element the one with a delete_tid is right, and any whose data passes its CRC.
 *   V3  Each path is given out once, is made of names without "/" and NUL other than "." and "..", and begins with a
 *       directory of its own for each PFS; a directory comes before what is in it.
 *   V4  An object exists if a live inode, a live entry or live data says so; attributes come from its newest inode.
 *
 * Better than the original tool in what it gives back: hard links, symlinks, blocks of 64 KiB, sizes of files that end in
 * a hole, names as they are, permissions, times. Source: DragonFly sbin/hammer/cmd_recover.c.
 * @module
 */
import { crcMatches } from "../crc.ts";
import type { BlockDevice } from "../device.ts";
import {
  addressOf, DIRENTRY_DATA, DIRENTRY_NAME, FIXKEY_SYMLINK, INODE_DATA, INODE_EXT_SIZE, OBJID_ROOT, REC_DATA, REC_DIRENTRY, REC_EXT, REC_FIX,
  REC_INODE, VERSION_MAX, viewOf, W_CREATE_HI, W_CREATE_LO, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO, W_DELETE_HI, W_DELETE_LO,
  W_KEY_HI, W_KEY_LO, W_LOCALIZATION, W_OBJ_HI, W_OBJ_LO, W_TYPES, XATTR_NAME,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import { decodeInode, HammerInode, type HammerFileType } from "../object/inode.ts";
import { decodeXattr } from "../object/xattr.ts";
import { recover } from "../recover.ts";
import { scanImage, type SalvageScan, type SalvageScanOptions } from "./scan.ts";
import { coveredBytes, DATA_MAX } from "./volumes.ts";

/** How to look for files. */
export interface SalvageOptions extends SalvageScanOptions {
  /** Give out data that fails its CRC, too. */
  keepDamaged?: boolean;
  /** Told what was noticed on the way, such as UNDO records that could not be applied. */
  log?: ((message: string) => void) | undefined;
}

/** A piece of a file. */
export interface SalvagedPiece { offset: number; bytes: Uint8Array }

/** An object that was found. */
export interface SalvagedObject {
  /** `PFS00000/etc/motd`: a byte string. Objects whose names are lost are called `obj_0x…`. */
  path: string;
  /** Further names of the same object. */
  links: readonly string[];
  objId: bigint;
  pfs: number;
  type: HammerFileType;
  /** Attributes; null if no inode was found. */
  attributes: {
    mode: number; uid: number; gid: number; size: number; rmajor: number; rminor: number;
    /** Microseconds since 1970. */
    mtime: number;
    /** False if the newest version of the inode is lost and this is an older one. */
    newest: boolean;
  } | null;
  /** Target of a symlink; null if it is lost. */
  target: string | null;
  /** Extended attributes by name; those whose records are lost are missing. */
  xattrs: ReadonlyMap<string, Uint8Array>;
  /** Contents of a file, older records first; where no piece is there was a hole, or it is lost. */
  pieces(): Generator<SalvagedPiece>;
  /** Bytes that a file has to be cut to, or extended to, when all pieces are written. Known when pieces() is through. */
  size(): number;
}

/** What was found and what was not. */
export interface SalvageReport {
  nodes: number;
  /** Nodes that were freed or moved, whose elements were not used. */
  staleNodes: number;
  /** Nodes that others lead to, and that are nowhere: what was in them is lost. */
  lostNodes: number;
  elements: number;
  bytesScanned: number;
  volumesGiven: number;
  /** Volumes the file system has; 0 if nothing tells. */
  volumesExpected: number;
  /** Volumes whose place was found without a header. */
  placed: { device: string; number: number; bufBeg: number }[];
  /** Records other than file data whose data is lost or fails its CRC. */
  lostRecords: number;
  /** Data records of files that are lost or fail their CRC, and their bytes; complete when all pieces were taken. */
  damagedRecords: number;
  damagedBytes: number;
}

const TWO32 = 4294967296;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** An object as it is put together. */
interface Draft {
  objId: bigint;
  objHi: number;
  objLo: number;
  pfs: number;
  inode: HammerInode | null;
  inodeLive: boolean;
  inodeNewest: boolean;
  isDirectory: boolean;
  /** Elements of its file data. */
  data: number[];
  /** Symlink target of a record of its own. */
  fix: string | null;
  hasFix: boolean;
  /** Extended attributes, null while there are none. */
  xattrs: Map<string, Uint8Array> | null;
  links: { dir: Draft; name: string }[];
  /** Its directory; null for a root. */
  up: Draft | null;
  paths: string[] | null;
}

/** Objects of a damaged file system. */
export class Salvage implements Iterable<SalvagedObject> {
  readonly report: SalvageReport;
  readonly #scan: SalvageScan;
  readonly #keepDamaged: boolean;
  readonly #drafts = new Map<string, Draft>();
  /** For an element, others with its key: copies. */
  readonly #copies = new Map<number, number[]>();
  readonly #taken = new Set<string>();

  /** Scans the devices. Throws only what the progress function throws; a device that misses buffers cannot be scanned. */
  constructor(devices: readonly BlockDevice[], options: SalvageOptions = {}) {
    this.#keepDamaged = options.keepDamaged ?? false;
    const scan = scanImage(undone(devices, options.log), options);
    this.#scan = scan;
    const stale = scan.current.reduce((n, c) => n + (c === 0 ? 1 : 0), 0);
    this.report = {
      nodes: scan.nodes.length, staleNodes: stale, lostNodes: scan.lostNodes, elements: scan.elements.count,
      bytesScanned: scan.bytesScanned, volumesGiven: devices.length, volumesExpected: scan.volumes.expected,
      placed: scan.volumes.list.filter((v) => v.header === null && v.number >= 0)
        .map((v) => ({ device: v.device.name, number: v.number, bufBeg: v.bufBeg })),
      lostRecords: 0, damagedRecords: 0, damagedBytes: 0,
    };
    this.#collect();
  }

  /** Objects, each directory before what is in it. */
  *[Symbol.iterator](): Generator<SalvagedObject> {
    const done = new Set<Draft>();
    for (const d of this.#drafts.values()) yield* this.#withParents(d, done);
  }

  /** Number of objects. */
  get count(): number { return this.#drafts.size; }

  *#withParents(d: Draft, done: Set<Draft>): Generator<SalvagedObject> {
    const chain: Draft[] = [];
    for (let at: Draft | null = d; at !== null && !done.has(at); at = at.up) chain.push(at);
    for (const x of chain.reverse()) {
      done.add(x);
      yield this.#object(x);
    }
  }

  #draft(objHi: number, objLo: number, pfs: number): Draft {
    const key = `${pfs}:${objHi}:${objLo}`;
    let d = this.#drafts.get(key);
    if (d === undefined) {
      d = {
        objId: (BigInt(objHi) << 32n) | BigInt(objLo >>> 0), objHi, objLo, pfs, inode: null, inodeLive: false, inodeNewest: true,
        isDirectory: objHi === 0 && objLo === OBJID_ROOT, data: [], fix: null, hasFix: false, xattrs: null, links: [], up: null, paths: null,
      };
      this.#drafts.set(key, d);
    }
    return d;
  }

  /** Sorts the elements, makes one of copies, and puts them to their objects. */
  #collect(): void {
    const { elements: e, current } = this.#scan;
    const order = e.sorted((i) => current[e.nodeOf(i)] === 1);
    const entries: { i: number; dir: Draft }[] = [];
    const inodes: number[] = [];
    for (let from = 0; from < order.length;) {
      let to = from + 1;
      while (to < order.length && e.sameKey(order[from]!, order[to]!)) to++;
      const copies = [...order.subarray(from, to)];
      const deleted = copies.filter((i) => (e.word(i, W_DELETE_HI) | e.word(i, W_DELETE_LO)) !== 0);
      const use = deleted.length > 0 ? deleted : copies; // V2
      if (use.length > 1) this.#copies.set(use[0]!, use);
      const live = deleted.length === 0;
      const i = use[0]!;
      from = to;
      const type = e.word(i, W_TYPES) & 0xffff;
      if (type === REC_INODE) inodes.push(i);
      if (!live) continue;
      const objHi = e.word(i, W_OBJ_HI), objLo = e.word(i, W_OBJ_LO), pfs = e.word(i, W_LOCALIZATION) >>> 16;
      if (type === REC_DATA && (objHi | objLo) !== 0) this.#draft(objHi, objLo, pfs).data.push(i);
      else if (type === REC_DIRENTRY) entries.push({ i, dir: this.#draft(objHi, objLo, pfs) });
      else if (type === REC_FIX && e.word(i, W_KEY_LO) === FIXKEY_SYMLINK && e.word(i, W_KEY_HI) === 0) this.#fix(i, this.#draft(objHi, objLo, pfs));
      else if (type === REC_EXT) this.#xattr(i, this.#draft(objHi, objLo, pfs));
    }
    this.#entries(entries);
    // Deleted objects have only deleted inodes: those matter for objects that something else says are there (V4).
    for (const i of inodes) this.#inode(i);
    for (const [key, d] of this.#drafts) if (!d.inodeLive && d.links.length === 0 && d.data.length === 0 && !d.hasFix && !d.isDirectory) this.#drafts.delete(key);
    this.#attach();
  }

  /** Data of an element other than file data, checked (V1, V2); null if it is lost. */
  #data(i: number, least: number): Uint8Array | null {
    const found = this.#checked(i);
    if (found !== null && found.ok && found.bytes.length >= least) return found.bytes;
    this.report.lostRecords++;
    return null;
  }

  /** Bytes of the first copy of an element whose data passes its CRC; else of the first that is there at all. */
  #checked(first: number): { bytes: Uint8Array; ok: boolean } | null {
    const { elements: e, volumes } = this.#scan;
    let fallback: Uint8Array | null = null;
    for (const i of this.#copies.get(first) ?? [first]) {
      const length = e.word(i, W_DATA_LEN);
      if (length <= 0 || length > DATA_MAX) continue;
      const bytes = volumes.read(addressOf(e.word(i, W_DATA_HI), e.word(i, W_DATA_LO)), length);
      if (bytes === null) continue;
      const covered = coveredBytes(e.word(i, W_TYPES) & 0xffff, length);
      if (crcMatches(VERSION_MAX, e.word(i, W_DATA_CRC), bytes, 0, covered)) return { bytes, ok: true };
      fallback ??= bytes;
    }
    return fallback === null ? null : { bytes: fallback, ok: false };
  }

  #inode(i: number): void {
    const { elements: e } = this.#scan;
    const live = (e.word(i, W_DELETE_HI) | e.word(i, W_DELETE_LO)) === 0;
    const objHi = e.word(i, W_OBJ_HI), objLo = e.word(i, W_OBJ_LO), pfs = e.word(i, W_LOCALIZATION) >>> 16;
    if (!live && !this.#drafts.has(`${pfs}:${objHi}:${objLo}`)) return;
    const d = this.#draft(objHi, objLo, pfs);
    if (live) d.inodeLive = true;
    const bytes = this.#data(i, INODE_DATA.size);
    const ip = new HammerInode(objHi, objLo, pfs << 16, -1, -1);
    if (bytes === null || !decodeInode(ip, viewOf(bytes), 0)) {
      d.inodeNewest = false;
      return;
    }
    // Elements of one object come in the order of their create_tid.
    d.inode = ip;
    d.inodeNewest = live;
    if (ip.type === "dir") d.isDirectory = true;
  }

  #xattr(i: number, d: Draft): void {
    const bytes = this.#data(i, XATTR_NAME);
    if (bytes === null) return;
    const attribute = decodeXattr(bytes);
    if (attribute !== null) (d.xattrs ??= new Map()).set(attribute.name, attribute.value);
  }

  #fix(i: number, d: Draft): void {
    d.hasFix = true;
    const bytes = this.#data(i, 1);
    if (bytes !== null) d.fix = String.fromCharCode(...bytes);
  }

  /** Directory entries; of two live ones with the same name, which damage can leave, the younger names the object. */
  #entries(list: readonly { i: number; dir: Draft }[]): void {
    const { elements: e } = this.#scan;
    const tid = (i: number): number => (e.word(i, W_CREATE_HI) >>> 0) * TWO32 + (e.word(i, W_CREATE_LO) >>> 0);
    for (const { i, dir } of [...list].sort((a, b) => tid(b.i) - tid(a.i))) {
      dir.isDirectory = true;
      const bytes = this.#data(i, DIRENTRY_NAME + 1);
      if (bytes === null) continue;
      const view = viewOf(bytes);
      const objHi = view.getInt32(DIRENTRY_DATA.off.obj_id + 4, true), objLo = view.getInt32(DIRENTRY_DATA.off.obj_id, true);
      if ((objHi | objLo) === 0 || (objHi === 0 && objLo === OBJID_ROOT)) continue;
      const name = sanitized(String.fromCharCode(...bytes.subarray(DIRENTRY_NAME)));
      const child = this.#draft(objHi, objLo, dir.pfs);
      if (name !== null) child.links.push({ dir, name });
    }
  }

  /**
   * Gives each object its directory: that of its first name, else the one its inode remembers, else the root of its PFS.
   * Every way up ends at a root: where damaged entries form a circle, one of it goes to the root.
   */
  #attach(): void {
    for (const d of [...this.#drafts.values()]) d.up = this.#candidate(d);
    const settled = new Set<Draft>();
    for (const d of this.#drafts.values()) {
      const path = new Set<Draft>();
      let at: Draft | null = d;
      while (at !== null && !settled.has(at) && !path.has(at)) {
        path.add(at);
        at = at.up;
      }
      if (at !== null && path.has(at)) at.up = this.#draft(0, OBJID_ROOT, at.pfs);
      for (const p of path) settled.add(p);
    }
  }

  #candidate(d: Draft): Draft | null {
    if (isRoot(d)) return null;
    const [link] = d.links;
    if (link !== undefined) return link.dir;
    const root = this.#draft(0, OBJID_ROOT, d.pfs);
    const ip = d.inode;
    if (ip === null || (ip.parentHi | ip.parentLo) === 0) return root;
    // Where the directory itself is lost, what was in it stays together.
    const known = this.#drafts.get(`${d.pfs}:${ip.parentHi}:${ip.parentLo}`);
    if (known !== undefined) return known.isDirectory ? known : root;
    const dir = this.#draft(ip.parentHi, ip.parentLo, d.pfs);
    dir.isDirectory = true;
    dir.up = root;
    return dir;
  }

  /** Paths of an object, the first of which it gets, the others being hard links (V3). */
  #paths(d: Draft): string[] {
    if (d.paths !== null) return d.paths;
    if (d.up === null) return (d.paths = [`PFS${String(d.pfs).padStart(5, "0")}`]);
    const named = d.links[0]?.dir === d.up;
    const paths = [this.#unique(`${this.#paths(d.up)[0]!}/${named ? d.links[0]!.name : nameless(d)}`, d)];
    if (!d.isDirectory)
      for (const { dir, name } of d.links.slice(named ? 1 : 0)) paths.push(this.#unique(`${this.#paths(dir)[0]!}/${name}`, d));
    return (d.paths = paths);
  }

  /** The path, or one made of it if another object has it. */
  #unique(path: string, d: Draft): string {
    let candidate = path;
    for (let n = 0; this.#taken.has(candidate); n++)
      candidate = `${path}.${nameless(d)}${n === 0 ? "" : `.${n}`}`;
    this.#taken.add(candidate);
    return candidate;
  }

  #type(d: Draft): HammerFileType {
    if (d.isDirectory) return "dir";
    return d.inode?.type ?? (d.hasFix ? "symlink" : "file");
  }

  #object(d: Draft): SalvagedObject {
    const [path, ...links] = this.#paths(d);
    const ip = d.inode;
    const type = this.#type(d);
    let end = 0;
    return {
      path: path!, links, objId: d.objId, pfs: d.pfs, type,
      attributes: ip === null ? null : {
        mode: ip.mode, uid: ip.uid, gid: ip.gid, size: ip.size, rmajor: ip.rmajor, rminor: ip.rminor, mtime: ip.mtime, newest: d.inodeNewest,
      },
      target: type === "symlink" ? target(d) : null,
      xattrs: d.xattrs ?? NO_XATTRS,
      pieces: () => this.#pieces(d, (n) => { end = Math.max(end, n); }),
      size: () => (ip !== null && ip.type === "file" ? (d.inodeNewest ? ip.size : Math.max(ip.size, end)) : end),
    };
  }

  *#pieces(d: Draft, reaches: (end: number) => void): Generator<SalvagedPiece> {
    const { elements: e } = this.#scan;
    const known = d.inode !== null && d.inodeNewest ? d.inode.size : null;
    const tid = (i: number): number => (e.word(i, W_CREATE_HI) >>> 0) * TWO32 + (e.word(i, W_CREATE_LO) >>> 0);
    const offset = (i: number): number => e.word(i, W_KEY_HI) * TWO32 + (e.word(i, W_KEY_LO) >>> 0) - e.word(i, W_DATA_LEN);
    // Younger records last: where damage has left two for one place, they win.
    const records = d.data.map((i) => ({ i, at: offset(i), tid: tid(i) })).sort((a, b) => a.tid - b.tid || a.at - b.at);
    for (const { i, at } of records) {
      if (at < 0 || !Number.isSafeInteger(at + DATA_MAX)) { this.#damaged(i); continue; }
      const found = this.#checked(i);
      if (found === null || !found.ok) this.#damaged(i);
      if (found === null || (!found.ok && !this.#keepDamaged)) continue;
      // The last block is stored whole: behind the end there are zeros, which belong to nothing.
      let length = found.bytes.length;
      if (known !== null) length = Math.min(length, Math.max(0, known - at));
      else while (length > 0 && found.bytes[length - 1] === 0) length--;
      reaches(at + length);
      if (length > 0) yield { offset: at, bytes: found.bytes.subarray(0, length) };
    }
  }

  #damaged(i: number): void {
    this.report.damagedRecords++;
    this.report.damagedBytes += Math.max(0, this.#scan.elements.word(i, W_DATA_LEN));
  }
}

function isRoot(d: Draft): boolean { return d.objHi === 0 && d.objLo === OBJID_ROOT; }

function nameless(d: Draft): string { return `obj_0x${BigInt.asUintN(64, d.objId).toString(16).padStart(16, "0")}`; }

function target(d: Draft): string | null {
  if (d.fix !== null) return d.fix;
  const ip = d.inode;
  if (ip === null || ip.size > INODE_EXT_SIZE || ip.ext === null) return null;
  return String.fromCharCode(...ip.ext.subarray(0, ip.size));
}

/** A name that can stand in a path, or null for one that cannot (V3). */
function sanitized(name: string): string | null {
  const clean = name.replaceAll(/[\0/]/g, "x");
  return clean === "." || clean === ".." ? null : clean;
}

/** The devices with what an interrupted flush has to be taken back from, if enough of the file system is left to tell. */
function undone(devices: readonly BlockDevice[], log?: (message: string) => void): readonly BlockDevice[] {
  try {
    return recover(devices, { readOnly: true, log }).devices;
  } catch (e) {
    if (!(e instanceof HammerError)) throw e;
    log?.(`UNDO records are not applied: ${e.message}`);
    return devices;
  }
}
