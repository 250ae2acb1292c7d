// SPDX-License-Identifier: BSD-3-Clause
/** Accounting through a whole life with all maintenance: campaign/upkeep.ts. */
import { expect, it } from "vitest";
import { upkeep } from "./campaign/upkeep.ts";

it.each(process.env["HAMMER_NIGHTLY"] === undefined ? [2] : [1, 2, 3, 4, 5, 6, 7])("version %i: every byte is accounted for after each step", (version) => {
  expect(upkeep(version, version, 60)).toBe(300);
});
