// SPDX-License-Identifier: BSD-3-Clause
/**
 * Damaged and hostile images: whatever the bytes, every operation ends, in time, with a result or a HammerError. In half
 * of the images the checksums are made right again, so that the checks of structure hold the line by themselves.
 */
import { crc32c } from "../../src/crc.ts";
import { OverlayDevice, type MemoryDevice } from "../../src/device.ts";
import { isHammerError } from "../../src/error.ts";
import type { HammerMount } from "../../src/mount.ts";
import type { HammerInode } from "../../src/object/inode.ts";
import { prune } from "../../src/admin/prune.ts";
import { reblock } from "../../src/admin/reblock.ts";
import { SeededRandom } from "../../src/sim-disk.ts";
import { blockmap } from "../../src/tools/blockmap.ts";
import { checkmap } from "../../src/tools/checkmap.ts";
import { volumeHeaders } from "../../src/tools/raw.ts";
import { showUndo } from "../../src/tools/show-undo.ts";
import { show } from "../../src/tools/show.ts";
import { formatted } from "../formatted.ts";
import { Driver } from "../model.ts";
import { demand, open } from "./check.ts";

const SECONDS_EACH = 5;
const NODE = 4096;
const EDGES = [0n, 1n, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn];
const quiet = (): void => {};

/** The first places: volume header, freemap entries, start of the FIFO. */
const SPECIAL = 4;
const MOST_DAMAGED = 60;

interface Prepared { base: MemoryDevice; places: { at: number; length: number }[]; bufBeg: number }

/** An image with some of everything, and the places in it that hold something. */
function prepare(): Prepared {
  const base = formatted(7);
  const m = open(base);
  const driver = new Driver(new SeededRandom(5), { maxSize: 24_000, names: 40, maxDirs: 12 });
  for (let i = 0; i < 900; i++) {
    driver.step(m);
    if (i % 40 === 0) m.sync();
  }
  m.unmount();
  const { bufBeg } = volumeHeaders([base])[0]!;
  // Header, first freemap entries, start of the FIFO, then every 4 KiB of B-Tree, meta-data and data in use.
  const places = [{ at: 0, length: 1928 }, { at: bufBeg, length: 64 }, { at: bufBeg + 0x80_0000, length: 256 }, { at: bufBeg + 0x100_0000, length: 16384 }];
  const b = new Uint8Array(NODE), nothing = new Uint8Array(NODE);
  for (let at = bufBeg + 0x180_0000; at + NODE <= base.size; at += NODE) {
    base.read(at, b);
    if (Buffer.compare(b, nothing) !== 0) places.push({ at, length: NODE });
  }
  return { base, places, bufBeg };
}

let $prepared: ReturnType<typeof prepare> | null = null;

/**
 * Damages places; returns what was done, for messages. Half of the images have a few damaged, any of them; the others many,
 * each another node or block of data, none that mounting needs.
 */
function damage(d: OverlayDevice, rnd: SeededRandom, places: Prepared["places"]): string[] {
  const done: string[] = [];
  const many = rnd.below(2) === 0;
  const blocks = places.length - SPECIAL;
  const from = rnd.below(blocks);
  let nth = 0;
  const place = (): { at: number; length: number } => (many ? places[SPECIAL + (from + 7 * nth++) % blocks]!
    : places[rnd.below(3) === 0 ? rnd.below(SPECIAL) : rnd.below(places.length)]!);
  for (let n = many ? 20 + rnd.below(MOST_DAMAGED - 20) : 1 + rnd.below(3); n > 0; n--) {
    const p = place();
    const b = new Uint8Array(8);
    const kind = rnd.below(5);
    if (kind === 0) {
      const at = p.at + rnd.below(p.length);
      d.read(at, b.subarray(0, 1));
      b[0]! ^= 1 << rnd.below(8);
      d.write(at, b.subarray(0, 1));
      done.push(`flip in ${at}`);
    } else if (kind === 1) {
      const at = p.at + rnd.below(p.length);
      d.write(at, Uint8Array.of([0, 255, 1, rnd.below(256)][rnd.below(4)]!));
      done.push(`byte ${at}`);
    } else if (kind === 2) {
      const at = p.at + 8 * rnd.below(p.length >> 3);
      new DataView(b.buffer).setBigUint64(0, EDGES[rnd.below(EDGES.length)]!, true);
      d.write(at, b);
      done.push(`edge value at ${at}`);
    } else if (kind === 3) {
      const at = p.at + 4 * rnd.below(p.length >> 2);
      new DataView(b.buffer).setUint32(0, rnd.below(4) === 0 ? rnd.below(2 ** 31) : rnd.below(65536), true);
      d.write(at, b.subarray(0, 4));
      done.push(`word at ${at}`);
    } else {
      const source = places[SPECIAL + rnd.below(blocks)]!;
      const block = new Uint8Array(Math.min(p.length, NODE));
      d.read(source.at, block);
      d.write(p.at, block);
      done.push(`copy ${source.at} over ${p.at}`);
    }
  }
  return done;
}

/** Makes the CRCs of nodes and freemap entries right again. */
function repairChecksums(d: OverlayDevice, { places, bufBeg }: Prepared): void {
  const b = new Uint8Array(NODE);
  const v = new DataView(b.buffer);
  for (const { at, length } of places) {
    if (length !== NODE) continue;
    d.read(at, b);
    if ((b[20] !== 0x49 && b[20] !== 0x4c) || v.getUint32(20, true) >> 8 !== 0 || b[15] !== 0x80 && v.getBigUint64(8, true) !== 0n) continue;
    v.setUint32(0, crc32c(b, 4, NODE), true);
    d.write(at, b.subarray(0, 4));
  }
  for (const [at, size, count] of [[bufBeg, 32, 1], [bufBeg + 0x80_0000, 16, 16]] as const) {
    for (let i = 0; i < count; i++) {
      const entry = b.subarray(0, size);
      d.read(at + i * size, entry);
      v.setUint32(size - 4, crc32c(entry, 0, size - 4), true);
      d.write(at + i * size, entry);
    }
  }
}

/** Runs `body`; a HammerError is an answer, anything else is a bug. */
function attempt(body: () => void): void {
  try {
    body();
  } catch (e) {
    if (!isHammerError(e)) throw e;
  }
}

function readEverything(m: HammerMount, dir: HammerInode, budget: { objects: number }, depth: number): void {
  const names: string[] = [];
  attempt(() => m.readdir(dir, 0, (name) => {
    if (name !== "." && name !== "..") names.push(name);
    return names.length < 1000;
  }));
  const buf = new Uint8Array(65536);
  for (const name of names) {
    if (budget.objects-- <= 0) return;
    attempt(() => {
      const ip = m.lookup(dir, name);
      if (ip === null) return;
      if (ip.type === "dir" && depth < 20) readEverything(m, ip, budget, depth + 1);
      if (ip.type === "symlink") m.readlink(ip);
      if (ip.type === "file") for (let at = 0; at < ip.size && at < 1 << 22; at += buf.length) m.read(ip, at, buf, 0, buf.length);
      m.fullHistory(ip);
      m.rele(ip);
    });
  }
}

function useReadOnly(d: OverlayDevice, mirrors: boolean): void {
  const m = open(d, { readOnly: true, cacheBytes: 4 << 20 });
  readEverything(m, m.root, { objects: 2000 }, 0);
  attempt(() => m.listPfs());
  attempt(() => m.listSnapshots());
  if (mirrors) attempt(() => { for (const piece of m.mirrorRead()) if (piece.length > 1 << 20) throw new Error("a record of the stream is too long"); });
  m.unmount();
}

function useReadWrite(d: OverlayDevice): void {
  const m = open(new OverlayDevice(d), { cacheBytes: 4 << 20 });
  attempt(() => {
    const ip = m.create(m.root, "new", { type: "file", mode: 0o644, uid: 0, gid: 0 });
    m.write(ip, 0, new Uint8Array(100_000), 0, 100_000);
    m.rele(ip);
    m.sync();
  });
  const names: string[] = [];
  attempt(() => m.readdir(m.root, 0, (name) => names.push(name) < 20));
  for (const name of names.slice(2)) attempt(() => m.unlink(m.root, name));
  attempt(() => m.sync());
  m.unmount();
}

function maintain(d: OverlayDevice): void {
  const m = open(new OverlayDevice(d), { cacheBytes: 4 << 20 });
  attempt(() => prune(m, { ranges: "everything" }));
  attempt(() => reblock(m, {}));
  m.unmount();
}

/** Damages the image with this seed and uses what is left. Returns how many structures were damaged. */
export function useDamaged(seed: number): number {
  $prepared ??= prepare();
  const rnd = new SeededRandom(seed * 7919);
  const d = new OverlayDevice($prepared.base);
  const done = damage(d, rnd, $prepared.places);
  if (rnd.below(2) === 0) repairChecksums(d, $prepared);
  const start = process.cpuUsage().user; // not the clock: the machine may be busy
  try {
    attempt(() => useReadOnly(d, rnd.below(3) === 0));
    attempt(() => checkmap([d], quiet));
    if (rnd.below(4) === 0) attempt(() => show([d], quiet));
    if (rnd.below(8) === 0) attempt(() => blockmap([d], quiet));
    if (rnd.below(8) === 0) attempt(() => showUndo([d], quiet));
    attempt(() => useReadWrite(d));
    if (rnd.below(8) === 0) attempt(() => maintain(d));
  } catch (e) {
    throw new Error(`damaged image ${seed}: ${done.join(", ")}`, { cause: e });
  }
  demand(process.cpuUsage().user - start < SECONDS_EACH * 1e6, `damaged image ${seed} took too long: ${done.join(", ")}`);
  return done.length;
}
