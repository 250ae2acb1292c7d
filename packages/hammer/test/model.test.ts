// SPDX-License-Identifier: BSD-3-Clause
/** Random operations against a model: the present, the past, and the image left behind, in several versions of the format. */
import { describe, expect, it } from "vitest";
import { OverlayDevice } from "../src/device.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom } from "../src/sim-disk.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { show } from "../src/tools/show.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";

/** Every CRC, the shape of the tree, the freemap. */
export function expectSound(device: OverlayDevice): void {
  let text = "";
  const { badNodes, badElements, badRecords } = show([device], (t) => { if (t.startsWith("B")) text += t; });
  expect({ badNodes, badElements, badRecords, text }).toEqual({ badNodes: 0, badElements: 0, badRecords: 0, text: "" });
  text = "";
  const map = checkmap([device], (t) => { if (t.startsWith("B")) text += t; });
  expect({ ...map, text }).toEqual({ badNodes: 0, errors: 0, text: "" });
}

describe.each([1, 5, 7])("version %i", (version) => {
  it("present, past and image are the model's", () => {
    const device = new OverlayDevice(formatted(version));
    const rnd = new SeededRandom(version);
    const driver = new Driver(rnd, { maxSize: 80_000, names: 14, maxDirs: 6 });
    const past: { tid: bigint; text: string }[] = [];
    let clock = 1_700_000_000_000_000n;
    const open = (readOnly: boolean): HammerMount => mount([device], { readOnly, now: () => (clock += 1000n) });
    const log: string[] = [];
    let m = open(false);
    try {
      for (let i = 0; i < 600; i++) {
        log.push(driver.step(m));
        // Until something has been written there is no TID to look back to.
        if (rnd.below(12) === 0 && driver.model.text() !== "") past.push({ tid: m.sync(), text: driver.model.text() });
        if (rnd.below(60) === 0) {
          m.unmount();
          expectSound(device);
          m = open(false);
          log.push("remount");
          expect(textOf(m, m.root)).toBe(driver.model.text());
        }
      }
    } catch (e) {
      throw new Error(`after: ${log.slice(-5).join("; ")}`, { cause: e });
    }
    expect(textOf(m, m.root)).toBe(driver.model.text());
    m.unmount();
    expectSound(device);

    m = open(true);
    expect(textOf(m, m.root)).toBe(driver.model.text());
    expect(past.length).toBeGreaterThan(20);
    for (const p of past) {
      const root = m.asof(p.tid)!;
      expect(textOf(m, root), `as of 0x${p.tid.toString(16)}`).toBe(p.text);
      m.rele(root);
    }
    m.unmount();
  });
});
