// SPDX-License-Identifier: BSD-3-Clause
/** The promises interface on a device whose bytes have to be waited for. */
import { expect, it } from "vitest";
import type { BlockDevice } from "../src/device.ts";
import { mount as mountSync } from "../src/mount.ts";
import { mount, type AsyncBlockDevice } from "../src/promises.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { show } from "../src/tools/show.ts";
import { crashedWithRedo } from "./campaign/replay-cuts.ts";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";
import { formatted } from "./formatted.ts";

interface Remote extends AsyncBlockDevice { log: string[]; failWrites: boolean }

function remote(store: BlockDevice): Remote {
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const log: string[] = [];
  return {
    asynchronous: true, name: "remote", size: store.size, readOnly: false, log, failWrites: false,
    async read(offset, length) {
      await turn();
      const b = new Uint8Array(length);
      store.read(offset, b);
      log.push("read");
      return b;
    },
    async write(offset, bytes) {
      await turn();
      if (this.failWrites) throw new Error("the line is cut");
      store.write(offset, bytes);
      log.push("write");
    },
    async flush() {
      await turn();
      log.push("flush");
    },
    async close() { log.push("close"); },
  };
}

let clock = 1_700_000_000_000_000n;
const options = { now: () => (clock += 1000n) };

it("reads, writes and travels in time over a device that makes it wait", async () => {
  const store = formatted();
  const fs = await mount([remote(store)], { ...options, readOnly: false, cacheBytes: 1 << 20 });
  await fs.mkdir("/docs");
  await fs.writeFile("/docs/größe", "first");
  const tid = await fs.sync();
  const big = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7) & 0xff);
  await fs.writeFile("/docs/größe", big);
  await fs.symlink("größe", "/docs/link");
  await fs.link("/docs/größe", "/hard");
  expect(Buffer.from(await fs.readFile("/docs/link")).equals(big)).toBe(true);
  const then = `/@@0x${tid.toString(16).padStart(16, "0")}/docs/größe`;
  expect(new TextDecoder().decode(await fs.readFile(then))).toBe("first");
  expect(await fs.stat(then)).toMatchObject({ size: 5, type: "file", asof: tid });
  expect(await fs.stat("/hard")).toMatchObject({ size: 3_000_000, nlinks: 2, asof: null });
  expect((await fs.readdir("/docs")).map((e) => `${e.type} ${e.name}`).sort()).toEqual(["file größe", "symlink link"]);
  await expect(fs.stat("/nope")).rejects.toMatchObject({ code: "ENOENT" });
  await expect(fs.writeFile(then, "x")).rejects.toMatchObject({ code: "EROFS" });
  await fs.unmount();

  const m = mountSync([store], { ...options, readOnly: true });
  expect(m.recovery.clean).toBe(true);
  m.unmount();
  expect(show([store], () => {})).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
  expect(checkmap([store], () => {}).errors).toBe(0);
});

it("operations run in the order in which they were begun", async () => {
  const fs = await mount([remote(formatted())], { ...options, readOnly: false });
  const done: number[] = [];
  await Promise.all(Array.from({ length: 20 }, (_, i) => fs.mkdir(`/d${i}`).then(() => done.push(i))));
  expect(done).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect((await fs.readdir("/")).length).toBe(20);
  await fs.unmount();
});

it("A2: everything before a flush is on the device before the flush", async () => {
  const device = remote(formatted());
  const fs = await mount([device], { ...options, readOnly: false });
  await fs.writeFile("/a", "a");
  device.log.length = 0;
  await fs.sync();
  const events = device.log.filter((e) => e !== "read");
  expect(events.at(-1)).toBe("flush");
  expect(events.filter((e) => e === "flush").length).toBeGreaterThanOrEqual(3);
  await fs.unmount();
});

it("A3: a device that fails is not written to again, and the caller learns it", async () => {
  const store = formatted();
  const device = remote(store);
  const fs = await mount([device], { ...options, readOnly: false });
  await fs.writeFile("/a", "durable");
  await fs.sync();
  device.failWrites = true;
  await fs.writeFile("/b", "lost");
  await expect(fs.sync()).rejects.toMatchObject({ code: "EIO" });
  device.failWrites = false;
  await expect(fs.sync()).rejects.toMatchObject({ code: "EIO" });
  const m = mountSync([store], { ...options, readOnly: true });
  expect([m.lookup(m.root, "a")?.size, m.lookup(m.root, "b")]).toEqual([7, null]);
  m.unmount();
});

it("streams in and out; a signal ends them at the next piece", async () => {
  const fs = await mount([remote(formatted())], { ...options, readOnly: false });
  const pieces = Array.from({ length: 5 }, (_, i) => new Uint8Array(700_000).fill(i));
  expect(await fs.writeStream("/f", pieces, { mode: 0o600 })).toBe(3_500_000);
  expect(await fs.stat("/f")).toMatchObject({ size: 3_500_000, mode: 0o600 });
  const part: Uint8Array[] = [];
  for await (const piece of fs.readStream("/f", { start: 699_999, end: 1_400_001 })) part.push(piece);
  expect(Buffer.concat(part).equals(Buffer.concat([Buffer.of(0), pieces[1]!, Buffer.of(2)]))).toBe(true);

  const stop = new AbortController();
  const got: number[] = [];
  await expect((async () => {
    for await (const piece of fs.readStream("/f", { signal: stop.signal })) {
      got.push(piece.length);
      stop.abort(new Error("enough"));
    }
  })()).rejects.toThrow("enough");
  expect(got).toEqual([1 << 20]);
  await expect(fs.readFile("/f", { signal: stop.signal })).rejects.toThrow("enough");
  await expect(fs.writeStream("/f", pieces, { signal: stop.signal })).rejects.toThrow("enough");
  expect((await fs.stat("/f")).size).toBe(0);
  await expect((async () => { for await (const _ of fs.mirrorRead({ signal: stop.signal })) throw new Error("not reached"); })()).rejects.toThrow("enough");
  await fs.unmount();
});

it("mirrors from one asynchronous device to another; given up, it is resumed", async () => {
  const from = formatted(), to = formatted();
  const source = await mount([remote(from)], { ...options, readOnly: false, cacheBytes: 1 << 20 });
  const target = await mount([remote(to)], { ...options, readOnly: false, cacheBytes: 1 << 20 });
  const { sharedUuid } = (await source.listPfs())[0]!;
  const slave = await target.createPfs("/slave", { slave: true, sharedUuid, random: (b) => b.fill(5) });
  for (let i = 0; i < 40; i++) await source.writeFile(`/f${i}`, new Uint8Array(80_000).fill(i));
  const since = async (): Promise<bigint> => (await target.listPfs()).find((p) => p.id === slave.id)!.syncEndTid + 1n;
  const stop = new AbortController();
  let taken = 0;
  const some = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of source.mirrorRead({ tidBeg: await since() })) {
      if (++taken === 3) stop.abort(new Error("enough"));
      yield piece;
    }
  };
  await expect(target.mirrorWrite(some(), { pfs: slave.id, signal: stop.signal })).rejects.toThrow("enough");
  expect(await since()).toBe(2n);
  const [pass] = await target.mirrorWrite(source.mirrorRead({ tidBeg: await since() }), { pfs: slave.id });
  expect(pass!.damaged).toBe(0);
  for (let i = 0; i < 40; i++) expect((await target.readFile(`/slave/f${i}`)).every((b) => b === i)).toBe(true);
  await source.unmount();
  await target.unmount();
  expect(show([to], () => {})).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
  expect(checkmap([to], () => {}).errors).toBe(0);
});

it("special files, flags, names' histories, configuration, snapshots, PFSs", async () => {
  const store = formatted();
  const fs = await mount([store], { ...options, readOnly: false });
  await fs.mknod("/null", "chardev", { rmajor: 2, rminor: 2, mode: 0o666 });
  expect(await fs.stat("/null")).toMatchObject({ type: "chardev", rmajor: 2, rminor: 2, mode: 0o666 });
  await fs.writeFile("/a", "one");
  await fs.sync();
  await fs.chflags("/a", 0x1);
  expect((await fs.stat("/a")).uflags).toBe(0x1);
  await fs.write("/a", 0, new TextEncoder().encode("two"));
  await fs.sync();
  expect((await fs.dataHistory("/a", 0, 3)).length).toBeGreaterThanOrEqual(2);
  const { objId } = await fs.stat("/a");
  await fs.unlink("/a");
  await fs.sync();
  expect((await fs.nameHistory("/a")).map((e) => e.objId)).toEqual([objId]);
  const tid = await fs.snapshot("kept");
  await fs.removeSnapshot(tid);
  expect(await fs.listSnapshots()).toEqual([]);
  await fs.setConfig("snapshots 1d 60d\n");
  expect(await fs.config()).toBe("snapshots 1d 60d\n");
  const { id } = await fs.createPfs("/home", { random: (b) => { b.fill(1); } });
  expect(await fs.updatePfs(id, { label: "Home" })).toMatchObject({ label: "Home" });
  await fs.downgradePfs(id);
  expect((await fs.listPfs()).at(-1)).toMatchObject({ slave: true });
  await fs.upgradePfs(id);
  await fs.destroyPfs(id);
  expect((await fs.listPfs()).map((p) => p.id)).toEqual([0]);
  expect((await fs.statfs()).free).toBeGreaterThan(0);
  await fs.unmount();
});

it("maintenance in pieces: others have their turn, a signal ends it, and it can be repeated", async () => {
  const store = formatted();
  const fs = await mount([store], { ...options, readOnly: false });
  // More records than one piece takes.
  await fs.mkdir("/d");
  for (let n = 0; n < 4500; n++) await fs.writeFile(`/d/${n}`, "x");
  await fs.sync();
  for (let n = 0; n < 4500; n += 2) await fs.unlink(`/d/${n}`);
  await fs.sync();
  const whole = await fs.prune({ ranges: "everything", dryRun: true });
  expect(whole.dirEntries).toBe(2250);
  const order: string[] = [];
  const pruning = fs.prune({ ranges: "everything" }).then((r) => { order.push("pruned"); return r; });
  const reading = fs.stat("/d/1").then(() => order.push("read"));
  await reading;
  const r = await pruning;
  expect(order).toEqual(["read", "pruned"]);
  expect({ ...r, bytes: 0 }).toEqual({ ...whole, bytes: 0 });
  await expect(fs.reblock({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  let pieces = 0;
  const stopped = await fs.reblock({ progress: () => ++pieces < 1 });
  const rest = await fs.reblock(stopped.stoppedAt === null ? {} : { resume: stopped.stoppedAt });
  expect(rest.stoppedAt).toBeNull();
  expect((await fs.rebalance()).stoppedAt).toBeNull();
  await fs.unmount();
  const quiet = (): void => {};
  expect(checkmap([store], quiet)).toEqual({ badNodes: 0, errors: 0 });
  expect(show([store], quiet)).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
  const waiting = await mount([remote(store)], { ...options, readOnly: false });
  await expect(waiting.prune({ ranges: "everything" })).rejects.toMatchObject({ code: "EINVAL" });
  await waiting.unmount();
});

const real = fixtureDir("hammer-real");
it.skipIf(real === null)("walks a genuine image: every path leads back to what was listed, also names that are no UTF-8", async () => {
  const fs = await mount([loadImage(`${real}/basic-v7.img.gz`)], { ...options, readOnly: true });
  let seen = 0, escaped = 0;
  for await (const { path, type, objId } of fs.walk("/")) {
    expect(await fs.lstat(path)).toMatchObject({ type, objId });
    if (/[\udc80-\udcff]/u.test(path)) escaped++;
    seen++;
  }
  expect(seen).toBe(JSON.parse(readFixture(`${real}/basic-v7.json.gz`).toString()).entries.length - 1); // the root is not below itself
  expect(escaped).toBeGreaterThan(0);
  await fs.unmount();
});

it("carries out REDO after a crash, though every buffer has to be waited for", async () => {
  const { device, files } = crashedWithRedo(formatted(7), 5, 12, 200);
  const fs = await mount([remote(device)], { ...options, readOnly: false, cacheBytes: 1 << 20 });
  for (const [name, bytes] of files) expect(Buffer.compare(await fs.readFile(`/${name}`), bytes), name).toBe(0);
  await fs.unmount();
});
