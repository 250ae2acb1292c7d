// SPDX-License-Identifier: BSD-3-Clause
/**
 * Mirroring as a conversation: passes of large transfers, answers of targets, streams that break off (campaign/mirror-cuts.ts).
 */
import { describe, expect, it } from "vitest";
import { upgradePfs } from "../src/admin/pfs.ts";
import { OverlayDevice } from "../src/device.ts";
import { mirrorCopy } from "../src/mirror/copy.ts";
import { mirrorHello, MirrorReplies, mirrorTerm, mirrorUpdate, mirrorWindows } from "../src/mirror/session.ts";
import { MirrorReceiver, mirrorWrite } from "../src/mirror/write.ts";
import { open } from "./campaign/check.ts";
import { cutMirrors, seen, source, target } from "./campaign/mirror-cuts.ts";
import { formatted } from "./formatted.ts";
import { expectSound } from "./sound.ts";

const join = (parts: Iterable<Uint8Array>): Uint8Array => Buffer.concat([...parts]);

describe("a large transfer", () => {
  const { m, tids, uuid } = source(1, 160);

  it.each([1, 20_000, 100_000, 1e12])("in passes of %d bytes and more: they follow each other and bring what one pass brings", (split) => {
    const windows = mirrorWindows(m, { tidBeg: 0n }, split);
    expect(windows[0]!.tidBeg).toBe(0n);
    expect(windows.at(-1)!.tidEnd).toBe(m.info().nextTid);
    windows.forEach((w, i) => {
      expect(w.tidEnd).toBeGreaterThan(w.tidBeg);
      if (i > 0) expect(w.tidBeg).toBe(windows[i - 1]!.tidEnd + 1n);
      if (i < windows.length - 1) expect(w.bytes).toBeGreaterThanOrEqual(split);
    });
    if (split === 1) expect(windows.length).toBeGreaterThan(8);
    if (split === 1e12) expect(windows.length).toBe(1);
    const { device, pfs } = target(uuid);
    const t = open(device);
    for (const w of windows) mirrorCopy({ mount: m, pfs: 0 }, { mount: t, pfs }, { tidEnd: w.tidEnd });
    for (const tid of tids) expect(seen(t, pfs, tid)).toBe(seen(m, 0, tid));
    expect(mirrorWindows(m, { tidBeg: m.info().nextTid }, split)).toEqual([]);
    // What passes ended at need be no state of the source, but a master made of the slave is whole.
    upgradePfs(t, pfs);
    t.unmount();
    expectSound(device);
  });

  it("the estimate is near the stream", () => {
    const [w] = mirrorWindows(m, {}, 1e12);
    const bytes = join(m.mirrorRead()).length;
    expect(w!.bytes / bytes).toBeGreaterThan(0.7);
    expect(w!.bytes / bytes).toBeLessThan(1.6);
  });
});

describe("answers of a target", () => {
  it("are taken apart however they arrive, and what is none is refused", () => {
    const m = open(new OverlayDevice(formatted()));
    const stream = join([mirrorHello(m, 0), mirrorUpdate(0x1234_5678_9abc_def0n), mirrorTerm()]);
    const { sharedUuid, syncEndTid } = m.listPfs()[0]!;
    for (const size of [1, 7, stream.length]) {
      const replies = new MirrorReplies();
      const got: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) {
        replies.feed(stream.subarray(at, at + size));
        for (let r = replies.next(); r !== null; r = replies.next()) got.push(r);
      }
      expect(got).toEqual([{ type: "hello", sharedUuid, syncEndTid }, { type: "update", tid: 0x1234_5678_9abc_def0n }, { type: "term" }]);
    }
    const replies = new MirrorReplies();
    replies.feed([...m.mirrorRead()].at(-1)!);
    expect(() => replies.next()).toThrow("is no answer of a target");
    const damaged = new MirrorReplies();
    damaged.feed(mirrorUpdate(7n).map((b, i) => (i === 20 ? b ^ 1 : b)));
    expect(() => damaged.next()).toThrow("fails its CRC");
    m.unmount();
  });
});

describe("a stream that breaks off", () => {
  it("at any byte, with the power at the target: nothing is seen of it, and the next brings all", () => {
    expect(cutMirrors(1, 60)).toBe(60);
  });

  it("a source that ends in the middle says so: the pass is dropped without an error", () => {
    const { m, uuid } = source(1, 30);
    const { device, pfs } = target(uuid);
    const t = open(device);
    const records = [...m.mirrorRead()];
    const receiver = new MirrorReceiver(t, { pfs });
    receiver.feed(join([...records.slice(0, records.length >> 1), mirrorTerm()]));
    while (receiver.step());
    expect(receiver.end()).toEqual([]);
    expect(receiver).toMatchObject({ ended: true, interrupted: true });
    expect(t.listPfs().find((p) => p.id === pfs)!.syncEndTid).toBe(1n);
    expect(mirrorWrite(t, records, { pfs })).toHaveLength(1);
    t.unmount();
    expectSound(device);
  });
});
