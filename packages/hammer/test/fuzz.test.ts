// SPDX-License-Identifier: BSD-3-Clause
/** Damaged and hostile images: campaign/damage.ts. */
import { expect, it } from "vitest";
import { useDamaged } from "./campaign/damage.ts";

/** Nightly runs go on to a million. */
const STRUCTURES = 5000;

it(`${STRUCTURES} damaged structures`, () => {
  let structures = 0;
  for (let seed = 1; structures < STRUCTURES; seed++) structures += useDamaged(seed);
  expect(structures).toBeGreaterThanOrEqual(STRUCTURES);
}, 120_000);

/** What the million found: each of these once ended in something else than an answer or a HammerError. */
it.each([
  [19497, "a freemap that calls a big-block of changed meta-data free"],
])("damaged image %i: %s", (seed) => {
  expect(useDamaged(seed)).toBeGreaterThan(0);
});
