// SPDX-License-Identifier: BSD-3-Clause
import { SimPlatform } from "@vkernel/hostkernel";
import { describe, expect, it } from "vitest";
import { VkMachine } from "../src/platform/machine.ts";
import { EFAULT, EINVAL, ENAMETOOLONG, ENOMEM } from "../src/sys/errno.ts";
import {
  MADV_FREE,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_TRYFIXED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  VM_MAX_USER_ADDRESS,
} from "../src/sys/mman.ts";
import { IoMiss } from "../src/sys/wait.ts";
import {
  casuword,
  copyin,
  copyinstr,
  copyout,
  fubyte,
  fuhalf,
  fuword,
  subyte,
  suhalf,
  suword,
  uwordKey,
} from "../src/vm/copyio.ts";
import { FAULT_BUSERR, FAULT_NOMEM, FAULT_OK, vmEnterResident, vmFault } from "../src/vm/fault.ts";
import { brk, madvise, mincore, mmap, mprotect, mremap, munmap } from "../src/vm/mmap.ts";
import { VmObject, type Pager } from "../src/vm/object.ts";
import { pmapPte } from "../src/vm/pmap.ts";
import { Uio } from "../src/vm/uio.ts";
import { type Vmspace, vmspaceAlloc, vmspaceFork, vmspaceFree } from "../src/vm/vmspace.ts";

const PAGE = 4096;
const RW = PROT_READ | PROT_WRITE;
const MiB = 1024 * 1024;

function setup(): { machine: VkMachine; vm: Vmspace } {
  const machine = new VkMachine({ platform: new SimPlatform(), ramBytes: 32 * MiB });
  return { machine, vm: vmspaceAlloc(machine.vm) };
}

function anon(vm: Vmspace, addr: number, len: number, prot = RW): number {
  return mmap(vm, {
    addr,
    len,
    prot,
    flags: MAP_ANON | MAP_PRIVATE | (addr ? MAP_FIXED : 0),
    object: null,
    offset: 0,
  });
}

function pagerOf(bytes: Uint8Array): Pager {
  return {
    size: () => bytes.length,
    pageIn: (offset, buf, bufOff, len) => {
      const piece = bytes.subarray(offset, offset + len);
      buf.set(piece, bufOff);
      return piece.length;
    },
    pageOut: (offset, buf, bufOff, len) => bytes.set(buf.subarray(bufOff, bufOff + len), offset),
    retain: () => {},
    release: () => {},
  };
}

describe("mmap and its relatives", () => {
  it("places mappings downward from mmapTop and reuses holes", () => {
    const { vm } = setup();
    const a = anon(vm, 0, 3 * PAGE);
    const b = anon(vm, 0, PAGE);
    expect(a).toBe(vm.mmapTop - 3 * PAGE);
    expect(b).toBe(a - PAGE);
    munmap(vm, a, PAGE);
    expect(anon(vm, 0, PAGE)).toBe(a);
    expect(vm.map.entries).toHaveLength(1);
  });

  it("takes a free hint and ignores an occupied one", () => {
    const { vm } = setup();
    const hint = (addr: number) =>
      mmap(vm, { addr, len: PAGE, prot: RW, flags: MAP_ANON | MAP_PRIVATE, object: null, offset: 0 });
    expect(hint(0x2000_0123)).toBe(0x2000_1000);
    expect(hint(0x2000_1000)).not.toBe(0x2000_1000);
    expect(() =>
      mmap(vm, {
        addr: 0x2000_1000,
        len: PAGE,
        prot: RW,
        flags: MAP_ANON | MAP_TRYFIXED,
        object: null,
        offset: 0,
      }),
    ).toThrow();
  });

  it("refuses impossible requests (B13)", () => {
    const { vm } = setup();
    const call =
      (addr: number, len: number, flags: number, offset = 0) =>
      () =>
        mmap(vm, { addr, len, prot: RW, flags: flags | MAP_PRIVATE, object: null, offset });
    expect(call(0, 0, MAP_ANON)).toThrow(expect.objectContaining(EINVAL));
    expect(call(0, 0xffff_ffff, MAP_ANON)).toThrow(expect.objectContaining(ENOMEM));
    expect(call(0, PAGE, MAP_ANON, 123)).toThrow(expect.objectContaining(EINVAL));
    expect(call(0x1001, PAGE, MAP_ANON | MAP_FIXED)).toThrow(expect.objectContaining(EINVAL));
    expect(call(VM_MAX_USER_ADDRESS - PAGE, 2 * PAGE, MAP_ANON | MAP_FIXED)).toThrow(
      expect.objectContaining(ENOMEM),
    );
    expect(() => munmap(vm, 0x1000, 0)).toThrow(expect.objectContaining(EINVAL));
    expect(() => mprotect(vm, 0x1000, PAGE, RW)).toThrow(expect.objectContaining(ENOMEM));
  });

  it("brk grows and shrinks one heap entry; freed heap reads as zeros again", () => {
    const { vm } = setup();
    vm.brkBase = vm.brkEnd = 0x0810_0010;
    expect(brk(vm, 0x0812_0000)).toBe(0x0812_0000);
    suword(vm, 0x0811_f000, 5);
    expect(brk(vm, 0x0811_0000)).toBe(0x0811_0000);
    expect(brk(vm, 0x0812_0001)).toBe(0x0812_0001);
    expect(fuword(vm, 0x0811_f000)).toBe(0);
    expect(brk(vm, 0x0810_0000)).toBe(0x0812_0001);
    expect(brk(vm, 0x0900_0000, 0x1000)).toBe(0x0812_0001);
    expect(vm.map.entries.filter((e) => e.tag === "heap")).toHaveLength(1);
  });

  it("mremap moves pages with their contents and grows in place where it can", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, 2 * PAGE);
    suword(vm, a + PAGE, 77);
    expect(mremap(vm, a, 2 * PAGE, 4 * PAGE, false, -1)).toBe(a);
    anon(vm, a + 4 * PAGE, PAGE, PROT_READ);
    expect(() => mremap(vm, a, 4 * PAGE, 8 * PAGE, false, -1)).toThrow(expect.objectContaining(ENOMEM));
    const moved = mremap(vm, a, 4 * PAGE, 8 * PAGE, true, -1);
    expect(fuword(vm, moved + PAGE)).toBe(77);
    expect(() => fuword(vm, a)).toThrow(expect.objectContaining(EFAULT));
  });

  it("mincore sees what is resident", () => {
    const { vm } = setup();
    const a = anon(vm, 0, 3 * PAGE);
    subyte(vm, a + PAGE, 1);
    const out = new Uint8Array(3);
    mincore(vm, a, 3 * PAGE, out);
    expect([...out].map((bits) => bits & 1)).toEqual([0, 1, 0]);
  });
});

describe("copying to and from processes", () => {
  it("crosses pages, and checks range and rights before each (B3, B4)", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, 2 * PAGE);
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
    copyout(vm, bytes, 0, a + 100, 5000);
    const back = new Uint8Array(5000);
    copyin(vm, a + 100, back, 0, 5000);
    expect(Buffer.compare(bytes, back)).toBe(0);
    expect(() => copyin(vm, VM_MAX_USER_ADDRESS, back, 0, 1)).toThrow(expect.objectContaining(EFAULT));
    expect(() => copyin(vm, 0xffff_fff0, back, 0, 100)).toThrow(expect.objectContaining(EFAULT));
    expect(() => copyin(vm, a + 2 * PAGE - 4, back, 0, 8)).toThrow(expect.objectContaining(EFAULT));
    mprotect(vm, a, PAGE, PROT_READ);
    expect(() => copyout(vm, bytes, 0, a, 1)).toThrow(expect.objectContaining(EFAULT));
    copyin(vm, a | 0, back, 0, 1);
  });

  it("words of every size, unaligned and across a page", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, 2 * PAGE);
    suword(vm, a + PAGE - 2, 0x8765_4321 | 0);
    expect(fuword(vm, a + PAGE - 2)).toBe(0x8765_4321 | 0);
    expect([fubyte(vm, a + PAGE - 2), fuhalf(vm, a + PAGE)]).toEqual([0x21, 0x8765]);
    suhalf(vm, a + PAGE - 1, 0xbeef);
    expect(fuword(vm, a + PAGE - 2) >>> 0).toBe(0x87be_ef21);
    suword(vm, a, 5);
    expect(casuword(vm, a, 4, 9)).toBe(5);
    expect(casuword(vm, a, 5, 9)).toBe(5);
    expect(fuword(vm, a)).toBe(9);
  });

  it("strings end at NUL, at the limit or at the end of memory (D3)", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, PAGE);
    copyout(vm, Uint8Array.from([0x61, 0xff, 0x62, 0]), 0, a + PAGE - 4, 4);
    expect(copyinstr(vm, a + PAGE - 4, 100)).toBe("a\xffb");
    expect(() => copyinstr(vm, a + PAGE - 4, 3)).toThrow(expect.objectContaining(ENAMETOOLONG));
    subyte(vm, a + PAGE - 1, 0x63);
    expect(() => copyinstr(vm, a + PAGE - 4, 100)).toThrow(expect.objectContaining(EFAULT));
  });

  it("a write to a page that is shared after fork goes to the caller's copy only (B11)", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, PAGE);
    suword(vm, a, 1);
    const child = vmspaceFork(vm);
    for (let i = 2; i < 100; i++) {
      suword(i & 1 ? vm : child, a, i);
      expect(fuword(i & 1 ? vm : child, a)).toBe(i);
      expect(fuword(i & 1 ? child : vm, a)).toBe(i - 1);
    }
  });

  it("futex keys: equal for one shared word under two addresses, different for private ones", () => {
    const { machine, vm } = setup();
    const object = VmObject.anonymous(machine.vm, 2 * PAGE);
    const map = (addr: number) =>
      mmap(vm, { addr, len: 2 * PAGE, prot: RW, flags: MAP_SHARED | MAP_FIXED, object, offset: 0 });
    map(0x2000_0000);
    map(0x3000_0000);
    expect(uwordKey(vm, 0x2000_1004)).toBe(uwordKey(vm, 0x3000_1004));
    expect(uwordKey(vm, 0x2000_1004)).not.toBe(uwordKey(vm, 0x3000_0004));
    const p = anon(vm, 0x1000_0000, PAGE);
    const child = vmspaceFork(vm);
    expect(uwordKey(vm, p)).not.toBe(uwordKey(child, p));
    expect(uwordKey(vm, 0x2000_1004)).toBe(uwordKey(child, 0x2000_1004));
  });
});

describe("uio", () => {
  it("windows cover user memory piece by piece, longest runs first", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, 3 * PAGE);
    const uio = Uio.iov(vm, [a + 10, a + 5000, a], [20, 0, 3 * PAGE]);
    expect(uio.resid).toBe(20 + 3 * PAGE);
    expect(uio.window(true)).toBe(20);
    uio.u8.fill(7, uio.off, uio.off + 20);
    uio.advance(20);
    let total = 0;
    while (uio.window(false) > 0) {
      total += uio.len;
      uio.advance(uio.len);
    }
    expect([total, uio.resid]).toEqual([3 * PAGE, 0]);
    expect([fubyte(vm, a + 9), fubyte(vm, a + 10), fubyte(vm, a + 29), fubyte(vm, a + 30)]).toEqual([
      0, 7, 7, 0,
    ]);
  });

  it("put and get move what fits; a bad second page surfaces after the first was moved", () => {
    const { vm } = setup();
    const a = anon(vm, 0x2000_0000, PAGE);
    const uio = Uio.user(vm, a + PAGE - 3, 6);
    expect(() => uio.put(Uint8Array.of(1, 2, 3, 4, 5, 6), 0, 6)).toThrow(expect.objectContaining(EFAULT));
    expect(uio.resid).toBe(3);
    expect(fubyte(vm, a + PAGE - 1)).toBe(3);
    const out = new Uint8Array(3);
    expect(Uio.user(vm, a + PAGE - 3, 3).get(out, 0, 10)).toBe(3);
    expect([...out]).toEqual([1, 2, 3]);
    expect(() => Uio.user(vm, a, 6 * PAGE).prefault(true)).toThrow(expect.objectContaining(EFAULT));
    expect(() => Uio.user(vm, VM_MAX_USER_ADDRESS - 1, 2)).toThrow(expect.objectContaining(EFAULT));
  });
});

describe("files in memory", () => {
  it("a miss of the pager passes through the fault with nothing changed", () => {
    const { machine, vm } = setup();
    class Miss extends IoMiss {
      load(done: (failure: unknown) => void): void {
        done(null);
      }
    }
    const miss = new Miss();
    let ready = false;
    const pager = pagerOf(new Uint8Array(PAGE).fill(3));
    const object = VmObject.forPager(machine.vm, {
      ...pager,
      pageIn: (...args) => {
        if (!ready) throw miss;
        return pager.pageIn(...args);
      },
    });
    mmap(vm, {
      addr: 0x2000_0000,
      len: PAGE,
      prot: PROT_READ,
      flags: MAP_SHARED | MAP_FIXED,
      object,
      offset: 0,
    });
    const free = machine.vm.freePages();
    expect(() => vmFault(vm, 0x2000_0000, false)).toThrow(miss);
    expect(machine.vm.freePages()).toBe(free);
    ready = true;
    expect(vmFault(vm, 0x2000_0000, false)).toBe(FAULT_OK);
    expect(fubyte(vm, 0x2000_0000)).toBe(3);
  });

  it("what is resident is entered without a fault, what is not stays out and is not read", () => {
    const { machine, vm } = setup();
    let pageIns = 0;
    const pager = pagerOf(new Uint8Array(64 * PAGE).fill(7));
    const object = VmObject.forPager(machine.vm, {
      ...pager,
      pageIn: (...args) => {
        pageIns++;
        return pager.pageIn(...args);
      },
    });
    const text = 0x2000_0000;
    const data = 0x2100_0000;
    const map = (space: Vmspace, addr: number, prot: number): number =>
      mmap(space, { addr, len: 64 * PAGE, prot, flags: MAP_PRIVATE | MAP_FIXED, object, offset: 0 });
    map(vm, text, PROT_READ | PROT_EXEC);
    const far = text + 40 * PAGE;
    expect([vmEnterResident(vm, far), pageIns, vm.residentPages()]).toEqual([false, 0, 0]);
    expect(vmFault(vm, far, false, true)).toBe(FAULT_OK);
    const read = pageIns;

    const later = vmspaceAlloc(machine.vm);
    map(later, text, PROT_READ | PROT_EXEC);
    map(later, data, PROT_READ);
    expect(vmEnterResident(later, far)).toBe(true);
    expect(pmapPte(later.pmap, far)).toBe(pmapPte(vm.pmap, far));
    // Not executable, and nothing mapped.
    expect(vmEnterResident(later, data + 40 * PAGE)).toBe(false);
    expect(vmEnterResident(later, 0x3000_0000)).toBe(false);
    expect(pageIns).toBe(read);
    vmspaceFree(later);
    vmspaceFree(vm);
  });

  it("beyond the end is SIGBUS (B14), the rest of the last page reads as zeros", () => {
    const { machine, vm } = setup();
    const object = VmObject.forPager(machine.vm, pagerOf(new Uint8Array(100).fill(9)));
    mmap(vm, {
      addr: 0x2000_0000,
      len: 2 * PAGE,
      prot: PROT_READ,
      flags: MAP_PRIVATE | MAP_FIXED,
      object,
      offset: 0,
    });
    expect([fubyte(vm, 0x2000_0063), fubyte(vm, 0x2000_0064)]).toEqual([9, 0]);
    expect(vmFault(vm, 0x2000_1000, false)).toBe(FAULT_BUSERR);
  });

  it("reading a file larger than memory works: clean pages make room, modified ones are written back", () => {
    const { machine, vm } = setup();
    const bytes = new Uint8Array(48 * MiB);
    for (let page = 0; page < bytes.length / PAGE; page++) bytes[page * PAGE + 7] = page % 251;
    const object = VmObject.forPager(machine.vm, pagerOf(bytes));
    mmap(vm, {
      addr: 0x2000_0000,
      len: bytes.length,
      prot: RW,
      flags: MAP_SHARED | MAP_FIXED,
      object,
      offset: 0,
    });
    for (let pass = 0; pass < 2; pass++) {
      for (let page = 0; page < bytes.length / PAGE; page++) {
        expect(fubyte(vm, 0x2000_0000 + page * PAGE + 7)).toBe((page % 251) + (page % 16 === 0 ? pass : 0));
        if (page % 16 === 0) subyte(vm, 0x2000_0000 + page * PAGE + 7, (page % 251) + 1 + pass);
      }
    }
    vmspaceFree(vm);
    object.terminate();
    expect(bytes[16 * 5 * PAGE + 7]).toBe(80 + 2);
    expect(machine.vm.freePages()).toBe(machine.vm.totalPages);
  });

  it("anonymous memory beyond RAM is FAULT_NOMEM, and all of it comes back (F3, I-PAGES)", () => {
    const { machine, vm } = setup();
    anon(vm, 0x2000_0000, 64 * MiB);
    let touched = 0;
    let result = FAULT_OK;
    while ((result = vmFault(vm, 0x2000_0000 + touched * PAGE, true)) === FAULT_OK) touched++;
    expect(result).toBe(FAULT_NOMEM);
    expect(touched).toBeGreaterThan((32 * MiB) / PAGE - 32);
    expect(() => vmspaceAlloc(machine.vm)).toThrow(expect.objectContaining(ENOMEM));
    madvise(vm, 0x2000_0000, 64 * MiB, MADV_FREE);
    expect(vmFault(vm, 0x2000_0000, true)).toBe(FAULT_OK);
    vmspaceFree(vm);
    expect(machine.vm.freePages()).toBe(machine.vm.totalPages);
  });

  it("fresh pages are zeros after others have filled memory with a pattern (B16, I-FREE)", () => {
    const { machine, vm } = setup();
    anon(vm, 0x2000_0000, 64 * MiB);
    for (let va = 0x2000_0000; vmFault(vm, va, true) === FAULT_OK; va += PAGE) {
      copyout(vm, new Uint8Array(PAGE).fill(0xa5), 0, va, PAGE);
    }
    vmspaceFree(vm);
    const other = vmspaceAlloc(machine.vm);
    anon(other, 0x2000_0000, 8 * MiB);
    const page = new Uint8Array(PAGE);
    for (let va = 0x2000_0000; va < 0x2000_0000 + 8 * MiB; va += PAGE) {
      copyin(other, va, page, 0, PAGE);
      expect(page.every((byte) => byte === 0)).toBe(true);
    }
  });
});
