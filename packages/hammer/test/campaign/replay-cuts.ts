// SPDX-License-Identifier: BSD-3-Clause
/**
 * Power cuts of replays of REDO that take many flush groups, again and again: the replay after any number of cuts comes to the
 * state that the first would have come to, and the ring never fills.
 */
import { OverlayDevice, type BlockDevice } from "../../src/device.ts";
import { BUFSIZE, ZONE_RAW_BUFFER, offsetHi, offsetLo } from "../../src/disk/index.ts";
import { writeHeader } from "../../src/flusher.ts";
import { openVolumes } from "../../src/io.ts";
import { recover } from "../../src/recover.ts";
import { prepareRedo } from "../../src/redo.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt, type CutLimits, type SimEvent } from "../../src/sim-disk.ts";
import { UndoWriter } from "../../src/undo.ts";
import { demand, demandSound, open } from "./check.ts";
import { filesOf, pattern, same } from "./fsync-cuts.ts";

/** A cache this small holds groups of 64 buffers. */
const TIGHT = { cacheBytes: 1 << 20 };
const SIZE = 15_000;
const THOROUGH = 7;

/** A disk with REDO to be replayed, and its files as fsynced. */
export interface Crashed { device: BlockDevice; files: Map<string, Uint8Array> }

/** A crash after so many small logged writes, all over files of one block each; some are truncated in between. */
export function crashedWithRedo(base: BlockDevice, seed: number, files: number, records: number): Crashed {
  const rnd = new SeededRandom(seed);
  const device = new OverlayDevice(base);
  const m = open(device);
  const all = Array.from({ length: files }, (_, i) => {
    const ip = m.create(m.root, `f${i}`, { type: "file", mode: 0o644, uid: 0, gid: 0 });
    m.write(ip, 0, pattern(SIZE, i), 0, SIZE);
    return ip;
  });
  for (const ip of all) m.fsync(ip);
  for (let n = 0; n < records; n++) {
    const ip = all[(n * 37) % files]!;
    // The first file is never truncated: an fsync of it goes on to write the FIFO only.
    if (ip !== all[0] && rnd.below(50) === 0) m.truncate(ip, rnd.below(SIZE));
    else m.write(ip, rnd.below(SIZE), pattern(1 + rnd.below(60), seed + n), 0, 1 + rnd.below(60));
  }
  m.fsync(all[0]!);
  return { device, files: filesOf(m) };
}

/** Cuts what `log` did to `from` in some epochs, and calls `see` with the image after each cut. */
function cutSome(
  from: BlockDevice, log: readonly SimEvent[], rnd: SeededRandom, limits: CutLimits, wanted: (epoch: number) => boolean,
  see: (image: OverlayDevice, epoch: number, cut: string) => void,
): void {
  const durable = new OverlayDevice(from);
  for (const [n, epoch] of epochs(log).entries()) {
    if (wanted(n)) {
      for (const cut of cutsOfEpoch(log, epoch, rnd, limits)) {
        const image = new OverlayDevice(durable);
        imageAt(image, log, { start: 0, writes: epoch.writes }, cut);
        see(image, n, JSON.stringify(cut));
      }
    }
    imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
  }
}

/** Mounts what a cut left; throws unless the files are as they were fsynced. */
function demandFiles(device: BlockDevice, files: Map<string, Uint8Array>, thorough: boolean, where: string): void {
  demand(same(filesOf(open(device, TIGHT)), files), `${where}: something is lost`);
  if (thorough) demandSound(device, where);
}

/**
 * Cuts the replay in every `every`-th epoch; of the images that result, one is the next to be replayed and cut, `depth` times.
 * Returns how many cuts were tried.
 */
export function cutReplays({ device, files }: Crashed, seed: number, depth: number, every: number, limits: CutLimits): number {
  const rnd = new SeededRandom(seed);
  let from = device;
  let tried = 0;
  for (let level = 0; level < depth; level++) {
    const disk = new SimDisk(new OverlayDevice(from));
    open(disk, TIGHT);
    const count = epochs(disk.log).length;
    const deeper = count - 1 - rnd.below(Math.ceil(count / 2));
    const offset = rnd.below(every);
    let next: BlockDevice = from;
    cutSome(from, disk.log, rnd, limits, (n) => n % every === offset || n === deeper, (image, n, cut) => {
      if (n === deeper && rnd.below(2) === 0) next = new OverlayDevice(image);
      demandFiles(image, files, tried++ % THOROUGH === 0, `seed ${seed}, replay ${level}, cut ${cut} in epoch ${n}`);
    });
    from = next;
  }
  return tried;
}

/**
 * Lays `groups` flush groups of a replay, each of which fills one buffer at the disk's end with its number and as much UNDO as
 * if it had done so `times` times. Cuts that wherever room of the ring is used again, and elsewhere in every `every`-th epoch;
 * the buffer must be as some group left it that is no older than the last one acknowledged. Returns how often room was used
 * again, and how many cuts were tried.
 */
export function cutLongReplay(
  { device, files }: Crashed, seed: number, groups: number, times: number, every: number, limits: CutLimits,
): { reused: number; tried: number } {
  const disk = new SimDisk(new OverlayDevice(device));
  const recovery = recover([disk]);
  const volumes = openVolumes(recovery.devices);
  const undo = new UndoWriter(volumes, recovery.first, recovery.last, recovery.nextSeq);
  const commit = (): void => {
    writeHeader(volumes, undo.first, undo.next);
    volumes.flush();
  };
  undo.beginReplay({ ...prepareRedo(volumes, recovery)!, tid: 16 }, commit);
  const buffer = new Uint8Array(BUFSIZE);
  const address = Math.floor(volumes.root.bufBytes / BUFSIZE - 1) * BUFSIZE;
  const again: number[] = [];
  for (let g = 1; g <= groups; g++) {
    for (let i = 0; i < times; i++) undo.append(offsetHi(ZONE_RAW_BUFFER, address), offsetLo(address), buffer, 0, BUFSIZE);
    undo.endGroup();
    undo.write();
    volumes.flush();
    buffer.fill(g);
    volumes.write(address, buffer, "test");
    commit();
    undo.startCycle();
    commit();
    disk.mark(g);
    const before = undo.next;
    undo.reuse(commit);
    if (undo.next !== before) again.push(disk.log.length);
  }
  const ends = epochs(disk.log).map(({ end }) => end);
  const near = new Set(again.flatMap((at) => {
    const n = ends.findIndex((end) => end >= at);
    return [-4, -3, -2, -1, 0, 1, 2, 3].map((k) => n + k);
  }));
  let tried = 0;
  cutSome(device, disk.log, new SeededRandom(seed), limits, (n) => near.has(n) || n % every === 0, (image, n, cut) => {
    const where = `seed ${seed}, cut ${cut} in epoch ${n}`;
    demandFiles(image, files, tried++ % THOROUGH === 0, where);
    const found = new Uint8Array(BUFSIZE);
    image.read(volumes.root.bufBeg + address, found);
    const acked = disk.log.slice(0, ends[n]! + 1).findLast((e) => e.kind === "mark");
    const least = acked?.kind === "mark" ? acked.note as number : 0;
    demand((found[0] === least || found[0] === least + 1) && found.every((b) => b === found[0]), `${where}: group ${least} was durable, and ${found[0]} is found`);
  });
  return { reused: again.length, tried };
}
