// SPDX-License-Identifier: BSD-3-Clause
import { expect } from "vitest";
import type { BlockDevice } from "../src/device.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { show } from "../src/tools/show.ts";

/** Every CRC, the shape of the tree, the freemap of a file system at rest. */
export function expectSound(...devices: BlockDevice[]): void {
  let text = "";
  const print = (t: string): void => { if (t.startsWith("B")) text += t; };
  const { badNodes, badElements, badRecords } = show(devices, print);
  const map = checkmap(devices, print);
  expect({ ...map, badNodes: badNodes + map.badNodes, badElements, badRecords, text }).toEqual({ badNodes: 0, badElements: 0, badRecords: 0, errors: 0, text: "" });
}
