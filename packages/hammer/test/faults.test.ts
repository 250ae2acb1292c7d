// SPDX-License-Identifier: BSD-3-Clause
/** A device that fails at every possible moment: the error is reported, nothing durable is lost, the image stays sound. */
import { describe, expect, it } from "vitest";
import { OverlayDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SimDisk, type SimFault } from "../src/sim-disk.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { show } from "../src/tools/show.ts";
import { formatted } from "./formatted.ts";
import { textOf } from "./model.ts";

let clock = 1_700_000_000_000_000n;
const options = { now: () => (clock += 1000n) };

function file(m: HammerMount, name: string, size: number): void {
  const ip = m.create(m.root, name, { type: "file", mode: 0o644, uid: 0, gid: 0 });
  m.write(ip, 0, new Uint8Array(size).fill(name.charCodeAt(0)), 0, size);
  m.rele(ip);
}

/** Three durable steps. `reached` counts syncs that returned. Returns true if it came to the end. */
function scenario(disk: SimDisk, reached: string[]): boolean {
  try {
    const m = mount([disk], { ...options, readOnly: false, cacheBytes: 1 << 20 });
    reached.push(textOf(m, m.root));
    for (const step of ["a", "b", "c"]) {
      file(m, `${step}1`, 100);
      file(m, `${step}2`, 40_000);
      if (step === "b") m.unlink(m.root, "a2");
      if (step === "c") m.rename(m.root, "b1", m.root, "a1");
      const text = textOf(m, m.root);
      // An error from here on may come before or after the state is durable.
      reached.push(`?${text}`);
      m.sync();
      reached.push(text);
    }
    m.unmount();
    return true;
  } catch (e) {
    if (!isHammerError(e)) throw e;
    expect(["EIO", "E_BAD_VOLUME"]).toContain(e.code);
    return false;
  }
}

describe.each<SimFault["op"]>(["read", "write", "flush"])("%s errors", (op) => {
  it.each([false, true])("the n-th fails (all later ones, too: %s)", (forever) => {
    const base = formatted(7);
    for (let nth = 1; ; nth++) {
      const store = new OverlayDevice(base);
      const reached: string[] = [];
      const finished = scenario(new SimDisk(store, { faults: [{ op, nth, forever }] }), reached);
      // What was on the disk when the program gave up, seen by a healthy machine.
      const m = mount([store], { ...options, readOnly: false });
      const text = textOf(m, m.root);
      const last = reached.findLast((t) => !t.startsWith("?")) ?? "";
      const pending = reached.at(-1)?.startsWith("?") ? reached.at(-1)!.slice(1) : last;
      expect([last, pending], `${op} ${nth}`).toContain(text);
      file(m, "after", 30_000);
      m.unmount();
      expect(show([store], () => {}), `${op} ${nth}`).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
      expect(checkmap([store], () => {}).errors, `${op} ${nth}`).toBe(0);
      if (finished) {
        expect(nth).toBeGreaterThan(5);
        return;
      }
    }
  });
});

it("E2: after a failed flush every change fails until the file system is mounted again", () => {
  const disk = new SimDisk(new OverlayDevice(formatted(7)));
  const m = mount([disk], { ...options, readOnly: false });
  file(m, "a", 10);
  disk.setFaults([{ op: "flush", nth: disk.count.flush + 1 }]);
  expect(() => m.sync()).toThrowError(expect.objectContaining({ code: "EIO" }));
  disk.setFaults([]);
  expect(() => m.sync()).toThrowError(expect.objectContaining({ code: "EIO" }));
  expect(() => file(m, "b", 10)).toThrowError(expect.objectContaining({ code: "EIO" }));
  expect(() => m.unmount()).toThrowError(expect.objectContaining({ code: "EIO" }));
});

it("a full file system says ENOSPC, can be emptied, and takes new files once their past may be forgotten", () => {
  const store = formatted(7, { size: 100 << 20 });
  const m = mount([store], { ...options, readOnly: false, noHistory: true });
  let n = 0;
  expect(() => {
    for (;; n++) file(m, `f${n}`, 1 << 20);
  }).toThrowError(expect.objectContaining({ code: "ENOSPC" }));
  expect(n).toBeGreaterThan(20);
  m.sync();
  for (let i = 0; i < n; i++) m.unlink(m.root, `f${i}`);
  if (m.lookup(m.root, `f${n}`) !== null) m.unlink(m.root, `f${n}`);
  for (let i = 0; i < 3; i++) {
    file(m, `tick${i}`, 1); // freed space is reused two flushes later
    m.sync();
  }
  for (let i = 0; i < n / 2; i++) file(m, `g${i}`, 1 << 20);
  m.unmount();
  expect(show([store], () => {})).toMatchObject({ badNodes: 0, badElements: 0, badRecords: 0 });
  expect(checkmap([store], () => {}).errors).toBe(0);
});
