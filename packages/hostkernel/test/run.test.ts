// SPDX-License-Identifier: BSD-3-Clause
/** Guests made of bytes, run through vmspace_ctl. */
import { describe, expect, it } from "vitest";
import {
  type HostErrno,
  INTR_IO,
  INTR_TIMER,
  MADV_INVAL,
  PGEX_FPFAULT,
  PGEX_W,
  TF_CS,
  TF_DS,
  TF_EAX,
  TF_EBX,
  TF_ECX,
  TF_EFLAGS,
  TF_EIP,
  TF_ERR,
  TF_ES,
  TF_ESP,
  TF_FS,
  TF_GS,
  TF_SS,
  TF_TRAPNO,
  TF_XFLAGS,
  T_BOUND,
  T_BPTFLT,
  T_DIVIDE,
  T_DNA,
  T_OFLOW,
  T_PAGEFLT,
  T_PRIVINFLT,
  T_PROTFLT,
  T_SYSCALL80,
  T_TRCTRAP,
  VPTE_A,
  VPTE_M,
} from "../src/index.ts";
import { DATA, INT80, le32, loadEax, movEax, RO, STACK_TOP, storeEax, TEXT, Tiny } from "./tiny.ts";

/** Runs `code` to its first stop. */
function stop(code: readonly number[], prepare: (tiny: Tiny) => void = () => {}): Tiny {
  const tiny = new Tiny();
  tiny.program(1, code);
  tiny.start();
  prepare(tiny);
  expect(tiny.run(1)).toBe(0);
  return tiny;
}

describe("what stops a guest", () => {
  it("int 0x80: trap 0x80, err 2, eip behind the instruction", () => {
    const { tf } = stop([...movEax(20), ...INT80]);
    expect([tf[TF_TRAPNO], tf[TF_ERR], tf[TF_XFLAGS]]).toEqual([T_SYSCALL80, 2, 0]);
    expect(tf[TF_EIP]).toBe(TEXT + 7);
    expect(tf[TF_EAX]).toBe(20);
    expect(tf[TF_ESP]).toBe(STACK_TOP);
  });

  it("lcall 7,0: trap 0x80, err 7, eip behind the instruction", () => {
    const { tf } = stop([...movEax(4), 0x9a, 0, 0, 0, 0, 7, 0, 0x90]);
    expect([tf[TF_TRAPNO], tf[TF_ERR]]).toEqual([T_SYSCALL80, 7]);
    expect(tf[TF_EIP]).toBe(TEXT + 12);
  });

  it("a page fault: err is the exact address, xflags the hardware's code, eip the instruction", () => {
    const write = stop([...movEax(1), ...storeEax(0x5003)]).tf;
    expect([write[TF_TRAPNO], write[TF_ERR], write[TF_EIP]]).toEqual([T_PAGEFLT, 0x5003, TEXT + 5]);
    expect(write[TF_XFLAGS]! & PGEX_W).toBe(PGEX_W);
    const read = stop(loadEax(0x9000_0000)).tf;
    expect([read[TF_TRAPNO], read[TF_ERR]! >>> 0]).toEqual([T_PAGEFLT, 0x9000_0000]);
    expect(read[TF_XFLAGS]! & PGEX_W).toBe(0);
    const fetch = stop([0xe9, ...le32(0x1000_0000 - TEXT - 5)]).tf;
    expect([fetch[TF_TRAPNO], fetch[TF_ERR], fetch[TF_EIP]]).toEqual([T_PAGEFLT, 0x1000_0000, 0x1000_0000]);
  });

  it("exceptions carry BSD trap numbers", () => {
    const cases: [string, number[], number, number, number][] = [
      ["div by zero", [0x31, 0xc0, 0xf7, 0xf0], T_DIVIDE, 0, TEXT + 2],
      ["int3", [0xcc], T_BPTFLT, 0, TEXT + 1],
      ["ud2", [0x0f, 0x0b], T_PRIVINFLT, 0, TEXT],
      ["hlt", [0xf4], T_PROTFLT, 0, TEXT],
      ["cli", [0xfa], T_PROTFLT, 0, TEXT],
      ["int 0x21", [0xcd, 0x21], T_PROTFLT, 0x21 * 8 + 2, TEXT],
      ["into with OF", [0xb0, 0x7f, 0x04, 0x01, 0xce], T_OFLOW, 0, TEXT + 5],
      ["bound", [...movEax(9), 0x62, 0x05, ...le32(DATA)], T_BOUND, 0, TEXT + 5],
      ["mov ds, kernel selector", [...movEax(0x10), 0x8e, 0xd8], T_PROTFLT, 0x10, TEXT + 5],
    ];
    for (const [what, code, trapno, err, eip] of cases) {
      const { tf } = stop(code);
      expect([tf[TF_TRAPNO], tf[TF_ERR], tf[TF_EIP]], what).toEqual([trapno, err, eip]);
    }
  });

  it("single step: one T_TRCTRAP behind one instruction, TF cleared in the frame", () => {
    const { tf } = stop([0x90, 0x40, 0x40], (tiny) => (tiny.tf[TF_EFLAGS] = 0x302));
    expect([tf[TF_TRAPNO], tf[TF_EIP], tf[TF_EAX]]).toEqual([T_TRCTRAP, TEXT + 1, 0]);
    expect(tf[TF_EFLAGS]! & 0x100).toBe(0);
  });
});

describe("frames", () => {
  it("selectors and flags are those of user mode whatever the frame says (GR1)", () => {
    const { tf } = stop(INT80, (tiny) => {
      tiny.tf.set([0x8, 0x10, 0x18, 0x10], TF_ES);
      tiny.tf[TF_DS] = 0x10;
      tiny.tf[TF_ES] = 0x10;
      tiny.tf[TF_CS] = 0x8;
      tiny.tf[TF_SS] = 0x10;
      tiny.tf[TF_EFLAGS] = 0x2_3001;
    });
    expect([tf[TF_CS], tf[TF_DS], tf[TF_ES], tf[TF_SS]]).toEqual([0x1f, 0x2f, 0x2f, 0x2f]);
    expect(tf[TF_EFLAGS]! & 0x2_3203).toBe(0x203);
  });

  it("TLS descriptors reach GDT slots 15 to 17", () => {
    const tiny = new Tiny();
    const { data } = tiny.program(1, [0x65, 0xa1, 8, 0, 0, 0, 0x64, 0x8b, 0x1d, 4, 0, 0, 0, ...INT80]);
    tiny.image.dv.setUint32(data * 4096 + 0x108, 0x1234_5678, true);
    tiny.image.dv.setUint32(data * 4096 + 0x204, 0x9abc_def0 | 0, true);
    tiny.start();
    const slot = (i: number, base: number): void => {
      tiny.vf[i * 2] = ((base & 0xffff) << 16) | 0xffff;
      tiny.vf[i * 2 + 1] = (base & 0xff00_0000) | 0x00cf_f300 | ((base >>> 16) & 0xff);
    };
    slot(0, DATA + 0x100);
    slot(2, DATA + 0x200);
    tiny.tf[TF_GS] = 0x7b;
    tiny.tf[TF_FS] = 0x8b;
    tiny.run(1);
    expect([tiny.tf[TF_EAX], tiny.tf[TF_EBX]! >>> 0]).toEqual([0x1234_5678, 0x9abc_def0]);
    expect([tiny.tf[TF_GS], tiny.tf[TF_FS]]).toEqual([0x7b, 0x8b]);
    // A new base in the same slot is felt although the selector is the same.
    slot(0, DATA + 0x100 - 8);
    tiny.tf[TF_EIP] = TEXT;
    tiny.image.dv.setUint32(data * 4096 + 0x100, 77, true);
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(77);
  });

  it("an illegal TLS descriptor is ENXIO and nothing runs", () => {
    const tiny = new Tiny();
    tiny.program(1, INT80);
    tiny.start();
    tiny.vf[1] = 0x00cf_9300; // DPL 0
    const before = tiny.tf.slice();
    let errno = 0;
    try {
      tiny.run(1);
    } catch (e) {
      errno = (e as HostErrno).errno;
    }
    expect(errno).toBe(6);
    expect([...tiny.tf]).toEqual([...before]);
  });

  it("a selector that cannot be loaded is the guest's protection fault, and is repaired", () => {
    const { tf } = stop(INT80, (tiny) => (tiny.tf[TF_GS] = 0x7b));
    expect([tf[TF_TRAPNO], tf[TF_ERR], tf[TF_EIP], tf[TF_GS]]).toEqual([T_PROTFLT, 0x78, TEXT, 0]);
  });

  it("a command other than RUN is EOPNOTSUPP", () => {
    const tiny = new Tiny();
    tiny.program(1, INT80);
    expect(() => tiny.host.vmspaceCtl(1, 2, tiny.tf, tiny.vf)).toThrow(/EOPNOTSUPP/);
  });
});

describe("floating point goes to threads on demand", () => {
  it("PGEX_FPFAULT makes the first FP instruction T_DNA; without it, it runs", () => {
    const code = [0x40, 0xd9, 0xe8, 0xdd, 0x1d, ...le32(DATA), ...INT80];
    const tiny = stop(code, (t) => (t.tf[TF_XFLAGS] = PGEX_FPFAULT));
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_EIP], tiny.tf[TF_XFLAGS]]).toEqual([T_DNA, TEXT + 1, 0]);
    tiny.run(1);
    expect(tiny.tf[TF_TRAPNO]).toBe(T_SYSCALL80);
  });

  it("state travels through images", () => {
    const tiny = new Tiny();
    const { data } = tiny.program(1, [
      0xdd,
      0x05,
      ...le32(DATA),
      ...INT80,
      0xdd,
      0x1d,
      ...le32(DATA + 8),
      ...INT80,
    ]);
    tiny.image.dv.setFloat64(data * 4096, 2.5, true);
    tiny.start();
    tiny.run(1);
    const mine = new Uint8Array(512);
    tiny.host.fpSave(mine);
    const fresh = new Uint8Array(512);
    new DataView(fresh.buffer).setUint16(0, 0x127f, true);
    new DataView(fresh.buffer).setUint32(24, 0x1f80, true);
    tiny.host.fpRestore(fresh);
    tiny.host.fpRestore(mine);
    tiny.run(1);
    expect(tiny.image.dv.getFloat64(data * 4096 + 8, true)).toBe(2.5);
  });
});

describe("interrupts", () => {
  const SPIN = [0x40, 0xeb, 0xfd];

  it("the deadline breaks into a loop without system calls (I-STOP)", () => {
    const tiny = stop(SPIN, (t) => t.host.interrupts.setDeadline(t.platform.monotonicNs() + 20_000));
    expect(tiny.tf[TF_TRAPNO]).toBe(0);
    expect(tiny.host.interrupts.take()).toBe(1 << INTR_TIMER);
    expect(tiny.tf[TF_EAX]).toBeGreaterThan(0);
  });

  it("one that is pending before entry returns at once, the guest unchanged", () => {
    const tiny = stop(SPIN, (t) => t.host.interrupts.raise(INTR_IO));
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_EIP], tiny.tf[TF_EAX]]).toEqual([0, TEXT, 0]);
    expect(tiny.host.interrupts.take()).toBe(1 << INTR_IO);
  });

  it("a guest that only makes system calls meets the deadline too", () => {
    const tiny = new Tiny();
    tiny.program(1, [...INT80, 0xeb, 0xfc]);
    tiny.start();
    tiny.host.interrupts.setDeadline(tiny.platform.monotonicNs() + 20_000);
    let calls = 0;
    do {
      tiny.run(1);
      calls++;
    } while (tiny.tf[TF_TRAPNO] === T_SYSCALL80 && calls < 1e6);
    expect(tiny.tf[TF_TRAPNO]).toBe(0);
  });
});

describe("page tables under a running guest", () => {
  it("a read sets A, the write after it sets M (I-A/M)", () => {
    const tiny = new Tiny();
    const { pdir } = tiny.program(1, [...loadEax(DATA), ...INT80, ...storeEax(DATA), ...INT80]);
    const pte = tiny.pte(pdir, DATA);
    tiny.start();
    tiny.run(1);
    expect(tiny.image.u32[pte]! & (VPTE_A | VPTE_M)).toBe(VPTE_A);
    tiny.run(1);
    expect(tiny.image.u32[pte]! & (VPTE_A | VPTE_M)).toBe(VPTE_A | VPTE_M);
  });

  it("after INVAL the new entry counts, also in code that has run (I-TLB)", () => {
    const tiny = new Tiny();
    const { pdir, data } = tiny.program(1, [...loadEax(DATA), ...INT80, 0xeb, 0xf7]);
    const other = tiny.page();
    tiny.image.u32[data * 1024] = 111;
    tiny.image.u32[other * 1024] = 222;
    tiny.start();
    for (let i = 0; i < 3; i++) tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(111);
    tiny.map(pdir, DATA, other);
    tiny.host.vmspaceMcontrol(1, DATA, 4096, MADV_INVAL, 0);
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(222);
  });

  it("M cleared during a hot loop is set again at the next write (B21)", () => {
    const tiny = new Tiny();
    const { pdir } = tiny.program(1, [0xff, 0x05, ...le32(DATA), ...INT80, 0xeb, 0xf6]);
    const pte = tiny.pte(pdir, DATA);
    tiny.start();
    for (let i = 0; i < 100; i++) {
      tiny.image.u32[pte] = tiny.image.u32[pte]! & ~VPTE_M;
      tiny.host.vmspaceMcontrol(1, DATA, 4096, MADV_INVAL, 0);
      tiny.run(1);
      expect(tiny.image.u32[pte]! & VPTE_M).toBe(VPTE_M);
    }
  });

  it("write protection takes hold in a loop at once and the write completes once after it is lifted (B9, B10)", () => {
    const tiny = new Tiny();
    const { pdir, data } = tiny.program(1, [0xff, 0x05, ...le32(DATA), ...INT80, 0xeb, 0xf6]);
    tiny.start();
    tiny.run(1);
    tiny.map(pdir, DATA, data, RO);
    tiny.host.vmspaceMcontrol(1, DATA, 4096, MADV_INVAL, 0);
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_ERR], tiny.image.u32[data * 1024]]).toEqual([T_PAGEFLT, DATA, 1]);
    tiny.map(pdir, DATA, data);
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.image.u32[data * 1024]]).toEqual([T_SYSCALL80, 2]);
  });

  it("two spaces run different code at one address, turn by turn", () => {
    const tiny = new Tiny();
    tiny.program(1, [...movEax(1), ...INT80, 0xeb, 0xf7]);
    tiny.program(2, [...movEax(2), ...INT80, 0xeb, 0xf7]);
    tiny.start();
    for (let i = 0; i < 20; i++) {
      tiny.tf[TF_EIP] = TEXT;
      tiny.run(1 + (i % 2));
      expect(tiny.tf[TF_EAX]).toBe(1 + (i % 2));
    }
  });

  it("more spaces than translation tables: each still sees its own memory", () => {
    const tiny = new Tiny();
    for (let id = 1; id <= 12; id++)
      tiny.program(id, [...loadEax(DATA), 0xff, 0x05, ...le32(DATA), ...INT80, 0xeb, 0xf1]);
    for (let round = 0; round < 5; round++) {
      for (let id = 1; id <= 12; id++) {
        tiny.start();
        tiny.run(id);
        expect(tiny.tf[TF_EAX]).toBe(round);
      }
    }
    expect(tiny.host.stats().evictions).toBeGreaterThan(0);
  });
});

describe("counters", () => {
  it("instructions retired", () => {
    const tiny = stop([0xb9, ...le32(10), 0x49, 0x75, 0xfd, ...INT80]);
    // mov, 10 × (dec, jnz), int
    expect(tiny.tf[TF_ECX]).toBe(0);
    const { instructions, runs } = tiny.host.stats();
    expect(runs).toBe(1);
    expect(instructions).toBeGreaterThanOrEqual(21);
    expect(instructions).toBeLessThanOrEqual(22);
  });
});
