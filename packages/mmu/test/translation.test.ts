// SPDX-License-Identifier: BSD-3-Clause
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FLAT_BIAS, LINK_MAY_WRITE, MachineMemory, Translation, type SpaceTable } from "@vkernel/mmu";

const HANDLES = 3;
const SLOTS = 2;
const PAGES = 6;
/** Virtual pages in three slices, the two ends of the space among them. */
const VPNS = [0, 1, 2, 0x3ff, 0x400, 0x8048, 0xf_fffe, 0xf_ffff];

interface Mapping {
  hpn: number;
  read: boolean;
  /** Allowed to write; the table says so only while the page is no code page. */
  write: boolean;
  fetch: boolean;
}

/** What the tables must say, kept without any cache structure. */
class Model {
  readonly memory = new MachineMemory({ ramBytes: PAGES * 4096, spaces: SLOTS, cpuBytes: 0 });
  readonly translation = new Translation(this.memory);
  readonly handles: SpaceTable[] = Array.from({ length: HANDLES }, () => this.translation.createTable());
  readonly maps: Map<number, Mapping>[] = Array.from({ length: HANDLES }, () => new Map());

  fill(h: number, vpn: number, hpn: number, read: boolean, write: boolean, fetch: boolean): void {
    const handle = this.handles[h]!;
    handle.fill(vpn * 4096, this.memory.pageAddress(hpn), read, write, fetch);
    const map = this.maps[h]!;
    const before = map.get(vpn);
    const mayFetch = fetch || (before?.hpn === hpn && before.fetch);
    map.delete(vpn);
    if (handle.resident && (read || write)) this.put(map, vpn, { hpn, read, write, fetch: mayFetch });
  }
  /** What becomes of an entry for a code page: T3, T6. */
  put(map: Map<number, Mapping>, vpn: number, m: Mapping): void {
    if (this.memory.codePages[m.hpn] === 0 || (m.read && m.fetch)) map.set(vpn, m);
    else map.delete(vpn);
  }

  forget(h: number, firstVpn: number, count: number, writeOnly: boolean): void {
    for (const [vpn, m] of this.maps[h]!) {
      if (vpn < firstVpn || vpn >= firstVpn + count) continue;
      m.write = false;
      if (!writeOnly || !m.read) this.maps[h]!.delete(vpn);
    }
  }

  check(): void {
    const { memory } = this;
    const { layout } = memory;
    const aliases = new Array<number>(PAGES).fill(0);
    for (let h = 0; h < HANDLES; h++) {
      const handle = this.handles[h]!;
      if (!handle.resident) {
        this.maps[h]!.clear();
        continue;
      }
      const table = handle.address;
      for (const vpn of VPNS) {
        const m = this.maps[h]!.get(vpn);
        const word = m ? (memory.pageAddress(m.hpn) - FLAT_BIAS - vpn * 4096) >>> 0 : 0;
        expect(memory.u32[(table + vpn * 8) >>> 2], `T2 read word of space ${h} page ${vpn}`).toBe(
          m?.read ? word : 0,
        );
        const isCode = m !== undefined && memory.codePages[m.hpn] !== 0;
        expect(memory.u32[(table + vpn * 8 + 4) >>> 2], `T3 write word of space ${h} page ${vpn}`).toBe(
          m?.write && !isCode ? word : 0,
        );
        const link = memory.i32[(table + layout.linksBase - layout.tablesBase + vpn * 8) >>> 2]!;
        const flagged = (link & LINK_MAY_WRITE) !== 0;
        expect(flagged, `T3 link of space ${h} page ${vpn}`).toBe(isCode && m.write);
        if (m) aliases[m.hpn]!++;
      }
    }
    for (let hpn = 0; hpn < PAGES; hpn++)
      expect(this.translation.countAliases(hpn), `T2 list of page ${hpn}`).toBe(aliases[hpn]);
  }
}

const handleNo = fc.nat({ max: HANDLES - 1 });
const pageNo = fc.nat({ max: PAGES - 1 });
const vpn = fc.constantFrom(...VPNS);

type Step = (m: Model) => void;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(handleNo, vpn, pageNo, fc.boolean(), fc.boolean(), fc.boolean()).map(
      ([h, v, p, r, w, x]): Step =>
        (m) =>
          m.fill(h, v, p, r, w, x),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(handleNo, vpn).map(([h, v]): Step => (m) => {
      m.handles[h]!.allowFetch(v * 4096);
      const entry = m.maps[h]!.get(v);
      if (entry) entry.fetch = true;
    }),
  },
  {
    weight: 3,
    arbitrary: handleNo.map((h): Step => (m) => {
      const resident = m.handles[h]!.resident;
      void m.handles[h]!.address;
      if (!resident) m.maps[h]!.clear();
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(handleNo, vpn, fc.constantFrom(1, 2, 0x400, 0x10_0000), fc.boolean())
      .map(([h, v, n, wo]): Step => (m) => {
        const length = Math.min(n, 0x10_0000 - v) * 4096;
        if (wo) m.handles[h]!.withdrawWrite(v * 4096, length);
        else m.handles[h]!.invalidate(v * 4096, length);
        m.forget(h, v, n, wo);
      }),
  },
  {
    weight: 1,
    arbitrary: handleNo.map((h): Step => (m) => {
      m.handles[h]!.wipe();
      m.maps[h]!.clear();
    }),
  },
  {
    weight: 1,
    arbitrary: handleNo.map((h): Step => (m) => {
      m.handles[h]!.release();
      m.maps[h]!.clear();
    }),
  },
  {
    weight: 2,
    arbitrary: pageNo.map((p): Step => (m) => {
      m.memory.protectCode(p);
      for (const map of m.maps) for (const [v, e] of map) if (e.hpn === p) m.put(map, v, e);
    }),
  },
  {
    weight: 1,
    arbitrary: pageNo.map((p): Step => (m) => {
      if (m.memory.codePages[p] !== 0) m.memory.unprotectCode(p);
    }),
  },
  {
    weight: 1,
    arbitrary: pageNo.map((p): Step => (m) => {
      m.translation.removeHostPage(p);
      for (const map of m.maps) for (const [v, e] of map) if (e.hpn === p) map.delete(v);
    }),
  },
);

describe("translation tables", () => {
  it("agree with a plain map after any operations (T2, T3, T4)", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const m = new Model();
        for (const s of steps) {
          s(m);
          m.check();
        }
      }),
      { numRuns: 60, seed: 20071 },
    );
  });

  it("T1: refuse a page outside RAM", () => {
    const memory = new MachineMemory({ ramBytes: 4 * 4096, spaces: 1, cpuBytes: 0 });
    const table = new Translation(memory).createTable();
    void table.address;
    for (const host of [0, memory.ramBase - 4096, memory.ramBase + memory.ramBytes, memory.ramBase + 1]) {
      expect(() => table.fill(0, host, true, true, true)).toThrow(/I-BOUND/);
    }
  });

  it("T4: a wiped table is all zero, ends included", () => {
    const memory = new MachineMemory({ ramBytes: 4 * 4096, spaces: 1, cpuBytes: 0 });
    const table = new Translation(memory).createTable();
    const base = table.address;
    for (const v of VPNS) table.fill(v * 4096, memory.ramBase, true, true, true);
    table.wipe();
    expect(memory.u32.subarray(base >>> 2, (base >>> 2) + 2 * 0x10_0000).every((w) => w === 0)).toBe(true);
  });

  it("takes the table used longest ago", () => {
    const memory = new MachineMemory({ ramBytes: 4096, spaces: 2, cpuBytes: 0 });
    const translation = new Translation(memory);
    const [a, b, c] = [translation.createTable(), translation.createTable(), translation.createTable()];
    void a.address;
    void b.address;
    void a.address;
    void c.address;
    expect([a.resident, b.resident, c.resident]).toEqual([true, false, true]);
    expect(translation.evictions).toBe(1);
  });

  it("M2: reports each code page that a kernel-side write touches, and no other", () => {
    const memory = new MachineMemory({ ramBytes: 4 * 4096, spaces: 1, cpuBytes: 0 });
    const seen: number[][] = [];
    memory.onCodeWritten((...args) => seen.push(args));
    memory.protectCode(1);
    memory.protectCode(2);
    memory.memoryWritten(memory.ramBase, 4096);
    expect(seen).toEqual([]);
    memory.memoryWritten(memory.ramBase + 0xffc, 0x1008);
    expect(seen).toEqual([
      [1, 0, 4096],
      [2, 0, 4],
    ]);
  });
});
