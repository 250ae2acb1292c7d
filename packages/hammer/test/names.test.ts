// SPDX-License-Identifier: BSD-3-Clause
/** Name hashes and `@@` suffixes against vectors computed with DragonFly's own functions. */
import { describe, expect, it } from "vitest";
import { namekey } from "../src/object/namekey.ts";
import { fromByteString, toByteString } from "../src/path.ts";
import { SeededRandom } from "../src/sim-disk.ts";
import { MAX_TID, expandPfsLink, parseXlink, pfsLinkId } from "../src/object/xlink.ts";
import { fixtureDir, readFixture } from "./fixtures.ts";

const hex64 = (hi: number, lo: number) => `0x${hi.toString(16).padStart(8, "0")}${lo.toString(16).padStart(8, "0")}`;

const dir = fixtureDir("hammer");
describe.skipIf(dir === null)("vectors.json (needs shared/fixtures/hammer)", () => {
  const vectors = dir === null ? null : JSON.parse(readFixture(`${dir}/vectors.json`).toString());

  it("dirhash", () => {
    expect(vectors.dirhash.length).toBeGreaterThan(50);
    for (const v of vectors.dirhash) {
      const name = Buffer.from(v.utf8_hex, "hex").toString("latin1");
      for (const alg of [0, 1]) {
        const k = namekey(alg, name)!;
        expect(`${v.name} ${hex64(k.hi, k.lo)} +${k.maxIterations}`)
          .toBe(`${v.name} ${v[`alg${alg}`]} +${Number(v[`alg${alg}_max`])}`);
      }
    }
  });

  it("str_to_tid", () => {
    for (const v of vectors.str_to_tid) {
      const x = parseXlink(`name@@${v.text}`);
      expect(x === null ? { ok: false } : { ok: true, tid: x.tid, pfs: x.pfs, name: x.name }, v.text)
        .toEqual(v.ok
          ? { ok: true, tid: BigInt(v.tid), pfs: v.ispfs ? Number(v.localization) >>> 16 : null, name: "name" }
          : { ok: false });
    }
  });
});

it("algorithms 2 and 3 do not exist", () => {
  expect(namekey(2, "a")).toBeNull();
  expect(namekey(3, "a")).toBeNull();
});

it("the range of a key carries into its upper half", () => {
  // Found by search: a name whose ALG1 low half is above 0xff000000.
  for (let i = 0; ; i++) {
    const k = namekey(1, `n${i}`)!;
    if (k.lo < 0xff01_0000) continue;
    expect(BigInt(k.maxHi) * 2n ** 32n + BigInt(k.maxLo)).toBe(BigInt(k.hi) * 2n ** 32n + BigInt(k.lo) + 0xff_ffffn);
    expect(k.maxHi).toBe(k.hi + 1);
    break;
  }
});

it("names pseudo file systems as the kernel does", () => {
  expect(pfsLinkId("@@PFS00012")).toBe(12);
  expect(pfsLinkId("@@PFS0012")).toBe(-1);
  expect(expandPfsLink(1, null)).toBe("@@-1:00001");
  expect(expandPfsLink(2, 0x1_0003_80c0n)).toBe("@@0x00000001000380c0:00002");
  expect(parseXlink("@@-1:00001")).toEqual({ name: "", tid: MAX_TID, pfs: 1 });
});

describe("texts of names", () => {
  it("lead back to the same bytes, whatever they are", () => {
    const rnd = new SeededRandom(11);
    const texts = ["", "plain", "na\u00efve \u{1f40b}", "\ufeffmark", "\ud83d\udc8b"];
    for (const text of texts) expect(fromByteString(toByteString(text))).toBe(text);
    for (let n = 0; n < 2000; n++) {
      const bytes = String.fromCharCode(...Array.from({ length: rnd.below(12) }, () => [rnd.below(128), 0x80 + rnd.below(128), 0xc3, 0xa9, 0xed, 0xf0][rnd.below(6)]!));
      expect(toByteString(fromByteString(bytes))).toBe(bytes);
    }
    expect(fromByteString("latin\xe9")).toBe("latin\udce9");
  });
});
