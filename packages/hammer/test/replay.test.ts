// SPDX-License-Identifier: BSD-3-Clause
/** Replays of REDO that take many flush groups, cut again and again (campaign/replay-cuts.ts), and the ends of the FIFO's buffers. */
import { describe, expect, it } from "vitest";
import { OverlayDevice } from "../src/device.ts";
import { SimDisk } from "../src/sim-disk.ts";
import { showUndo } from "../src/tools/show-undo.ts";
import { open } from "./campaign/check.ts";
import { filesOf, pattern, prepared } from "./campaign/fsync-cuts.ts";
import { crashedWithRedo, cutLongReplay, cutReplays } from "./campaign/replay-cuts.ts";
import { formatted } from "./formatted.ts";

describe("power cuts of a replay", () => {
  it("of several groups, and of the replays after it, lose nothing", () => {
    expect(cutReplays(crashedWithRedo(formatted(7), 3, 120, 1500), 3, 3, 5, { perKind: 1, random: 1 })).toBeGreaterThan(10);
  });

  it("whose UNDO is more than the ring has room for lose nothing", () => {
    const { reused, tried } = cutLongReplay(crashedWithRedo(formatted(5), 4, 6, 100), 4, 26, 10, 50, { perKind: 1, random: 1 });
    expect(reused).toBe(1);
    expect(tried).toBeGreaterThan(40);
  });
});

it("logged writes of every length up to a line: the FIFO is read to the last byte of its buffers", () => {
  // Seven records of 72 bytes leave 8 bytes of a line, and so of a buffer; other lengths leave others.
  for (const length of [8, 16, 40, 100, 200, 440]) {
    const store = new OverlayDevice(formatted(7));
    const { m, files } = prepared(new SimDisk(store), 1000);
    for (let n = 0; n < 600; n++) m.write(files[0]!, n, pattern(length, n), 0, length);
    m.fsync(files[0]!);
    const text: string[] = [];
    showUndo([store], (part) => text.push(part));
    expect(text.join("").match(/ REDO\(/g)!.length).toBeGreaterThan(600);
    expect(filesOf(open(store))).toEqual(filesOf(m));
  }
});
