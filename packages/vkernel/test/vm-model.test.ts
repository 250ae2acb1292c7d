// SPDX-License-Identifier: BSD-3-Clause
/**
 * The vm folder against a model without page tables, caches or sharing: random mapping calls, forks, file calls and
 * accesses in several address spaces. Accesses go the processor's way: the flat translation table first, then the host
 * kernel's walk of the virtual page tables, then vmFault.
 */
import { SimPlatform, type HostKernel } from "@vkernel/hostkernel";
import { describe, expect, it } from "vitest";
import { VkMachine } from "../src/platform/machine.ts";
import {
  MADV_FREE,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../src/sys/mman.ts";
import { copyin, copyout } from "../src/vm/copyio.ts";
import { FAULT_ACCERR, FAULT_BUSERR, FAULT_MAPERR, FAULT_OK, vmFault } from "../src/vm/fault.ts";
import { madvise, mmap, mprotect, mremap, msync, munmap } from "../src/vm/mmap.ts";
import { PageOut } from "../src/vm/pageout.ts";
import { VPTE_MANAGED, VPTE_U, VPTE_V, VPTE_W } from "../src/vm/pmap.ts";
import { VmObject, type Pager } from "../src/vm/object.ts";
import { objectRead, objectWrite } from "../src/vm/object-io.ts";
import type { VmSystem } from "../src/vm/system.ts";
import { Uio } from "../src/vm/uio.ts";
import { type Vmspace, vmspaceAlloc, vmspaceFork, vmspaceFree } from "../src/vm/vmspace.ts";

const PAGE = 4096;
/** The arena straddles a 4 MiB border, so that two page tables are involved. */
const ARENA = 0x103e_c000;
const ARENA_PAGES = 40;
const FLAT_BIAS = 64;

class Random {
  #x: number;
  constructor(seed: number) {
    this.#x = seed | 1;
  }
  below(n: number): number {
    this.#x ^= this.#x << 13;
    this.#x ^= this.#x >>> 17;
    this.#x ^= this.#x << 5;
    return (this.#x >>> 0) % n;
  }
}

/** A file kept by the test, with its object. */
class TestFile implements Pager {
  data: Uint8Array;
  readonly object: VmObject;
  held = 0;
  constructor(sys: VmSystem, data: Uint8Array) {
    this.data = data;
    this.object = VmObject.forPager(sys, this);
  }
  size(): number {
    return this.data.length;
  }
  pageIn(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    const piece = this.data.subarray(offset, offset + len);
    buf.set(piece, bufOff);
    return piece.length;
  }
  pageOut(offset: number, buf: Uint8Array, bufOff: number, len: number): void {
    expect(offset + len).toBeLessThanOrEqual(this.data.length);
    this.data.set(buf.subarray(bufOff, bufOff + len), offset);
  }
  retain(): void {
    this.held++;
  }
  release(): void {
    this.held--;
  }
  write(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (offset + len > this.data.length) this.resize(offset + len);
    this.data.set(buf.subarray(bufOff, bufOff + len), offset);
    return len;
  }
  resize(size: number): void {
    const data = new Uint8Array(size);
    data.set(this.data.subarray(0, size));
    this.data = data;
  }
}

/** What the model knows of shared bytes: a file, or shared anonymous memory. */
interface ModelObject {
  bytes: Uint8Array;
}
interface ModelPage {
  prot: number;
  shared: boolean;
  object: ModelObject | null;
  offset: number;
  /** Own contents of a private page; null = still those of the object, or zeros. */
  own: Uint8Array | null;
}
type ModelSpace = Map<number, ModelPage>;

class World {
  readonly machine = new VkMachine({ platform: new SimPlatform(), ramBytes: 32 * 1024 * 1024 });
  readonly sys = this.machine.vm;
  readonly freeAtStart = this.sys.freePages();
  readonly spaces: { vm: Vmspace; model: ModelSpace }[] = [];
  readonly file: TestFile;
  readonly modelFile: ModelObject;

  /** Shared pages that were seen in swap space. */
  sharedOut = 0;
  /** The hand of page-out, where there is swap space. */
  pageOut: PageOut | null = null;
  /** Slots of swap space; few, so that they are used again. */
  static readonly SWAP_PAGES = 48;

  addSwap(): void {
    const store = new Uint8Array(World.SWAP_PAGES * PAGE);
    this.sys.swap.add({
      name: "memory",
      pages: World.SWAP_PAGES,
      read: (page, buf, off) => buf.set(store.subarray(page * PAGE, (page + 1) * PAGE), off),
      write: (page, buf, off) => store.set(buf.subarray(off, off + PAGE), page * PAGE),
    });
    this.pageOut = new PageOut(this.sys);
  }

  constructor() {
    const contents = Uint8Array.from({ length: 20 * PAGE + 1234 }, (_, i) => (i * 7 + (i >> 12)) & 0xff);
    this.file = new TestFile(this.sys, contents);
    this.modelFile = { bytes: contents.slice() };
    this.spaces.push({ vm: vmspaceAlloc(this.sys), model: new Map() });
  }

  /** The address as the processor reaches it, or −(1 + FAULT_*). */
  access(vm: Vmspace, va: number, write: boolean): number {
    const host: HostKernel = this.machine.host;
    const space = host.addressSpace(vm.hostId);
    for (let attempt = 0; attempt < 3; attempt++) {
      const word = host.memory.i32[(space.table >>> 2) + (va >>> 12) * 2 + (write ? 1 : 0)]!;
      if (word !== 0) return (va + word + FLAT_BIAS) >>> 0;
      const address = space.translate(va, write ? 1 : 0);
      if (address >= 0) return address;
      const fault = vmFault(vm, va, write);
      if (fault !== FAULT_OK) return -1 - fault;
    }
    throw new Error("the fault handler resolves the access and it still faults");
  }
}

/** What an access must do, by the model: the byte array and offset, or a FAULT_* code. */
function expected(
  model: ModelSpace,
  va: number,
  write: boolean,
): { code: number; bytes: Uint8Array; at: number } {
  const none = { bytes: new Uint8Array(PAGE), at: va % PAGE };
  const page = model.get(Math.floor(va / PAGE));
  if (page === undefined) return { ...none, code: FAULT_MAPERR };
  if (page.prot === 0 || (write && (page.prot & PROT_WRITE) === 0)) return { ...none, code: FAULT_ACCERR };
  if (page.own !== null) return { code: FAULT_OK, bytes: page.own, at: va % PAGE };
  const object = page.object;
  if (object === null) {
    if (write) page.own = new Uint8Array(PAGE);
    return { ...none, code: FAULT_OK, ...(page.own !== null && { bytes: page.own }) };
  }
  if (page.offset >= object.bytes.length) return { ...none, code: FAULT_BUSERR };
  if (page.shared) {
    const at = page.offset + (va % PAGE);
    return at < object.bytes.length ? { code: FAULT_OK, bytes: object.bytes, at } : { ...none, code: -1 };
  }
  const view = new Uint8Array(PAGE);
  view.set(object.bytes.subarray(page.offset, page.offset + PAGE));
  if (write) page.own = view;
  return { code: FAULT_OK, bytes: view, at: va % PAGE };
}

function step(world: World, random: Random): string {
  const pick = world.spaces[random.below(world.spaces.length)]!;
  const { vm, model } = pick;
  const { machine, sys, file, modelFile } = world;
  const first = random.below(ARENA_PAGES);
  // Mostly short ranges, or nothing would live long enough to be shared and copied.
  const pages =
    1 + random.below(random.below(20) === 0 ? ARENA_PAGES - first : Math.min(6, ARENA_PAGES - first));
  const addr = ARENA + first * PAGE;
  const len = pages * PAGE;
  const firstVpn = addr / PAGE;
  const action = random.below(3) !== 0 ? random.below(52) : 52 + random.below(48);
  if (action < 45) {
    // Few offsets, so that what is read has been written before.
    const va = addr + [0, 1233, 4095][random.below(3)]!;
    const write = random.below(2) === 0;
    const value = random.below(256);
    const want = expected(model, va, write);
    const got = world.access(vm, va, write);
    const what = `${write ? `write ${value}` : "read"} at ${va.toString(16)} in space ${vm.serial}`;
    // −1: the rest of a file's last page, whose contents are nobody's.
    if (want.code === -1) return what;
    if (want.code !== FAULT_OK) {
      expect(got, what).toBe(-1 - want.code);
    } else {
      expect(got, what).toBeGreaterThan(0);
      if (write) {
        machine.host.memory.u8[got] = value;
        want.bytes[want.at] = value;
      }
      expect(machine.host.memory.u8[got], what).toBe(want.bytes[want.at]);
    }
    return what;
  }
  if (action < 52) {
    // The kernel's own accesses see and make the same bytes.
    const va = addr + [0, 1230, 4088][random.below(3)]!;
    const buf = new Uint8Array(8);
    const write = random.below(2) === 0;
    const what = `${write ? "copyout" : "copyin"} at ${va.toString(16)}`;
    const want = Array.from({ length: 8 }, (_, i) => expected(model, va + i, write));
    if (want.some((w) => w.code === -1)) return what;
    if (want[0]!.code !== FAULT_OK) {
      expect(() => (write ? copyout(vm, buf, 0, va, 8) : copyin(vm, va, buf, 0, 8)), what).toThrow();
      return what;
    }
    if (write) {
      for (let i = 0; i < 8; i++) buf[i] = want[i]!.bytes[want[i]!.at] = random.below(256);
      copyout(vm, buf, 0, va, 8);
    } else {
      copyin(vm, va, buf, 0, 8);
      expect([...buf], what).toEqual(want.map((w) => w.bytes[w.at]));
    }
    return what;
  }
  if (action < 66) {
    const prot = random.below(4) === 0 ? random.below(2) : PROT_READ | PROT_WRITE;
    const kind = random.below(4);
    const shared = (kind & 1) !== 0;
    const fromFile = kind >= 2;
    const offset = fromFile ? random.below(24) * PAGE : 0;
    const flags = MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE) | (fromFile ? 0 : MAP_ANON);
    mmap(vm, { addr, len, prot, flags, object: fromFile ? file.object : null, offset });
    const object = fromFile ? modelFile : shared ? { bytes: new Uint8Array(len) } : null;
    for (let i = 0; i < pages; i++) {
      model.set(firstVpn + i, { prot, shared, object, offset: offset + i * PAGE, own: null });
    }
    return `mmap ${addr.toString(16)} ${pages} pages prot ${prot} ${shared ? "shared" : "private"} ${fromFile ? "file" : "anon"}`;
  }
  if (action < 72) {
    const whole = random.below(12) === 0;
    const from = whole ? 0x1000_0000 : addr;
    const size = whole ? 0x80_0000 : len;
    munmap(vm, from, size);
    for (let vpn = from / PAGE; vpn < (from + size) / PAGE; vpn++) model.delete(vpn);
    return `munmap ${from.toString(16)} ${size / PAGE}`;
  }
  if (action < 82) {
    const covered = Array.from({ length: pages }, (_, i) => model.has(firstVpn + i)).every(Boolean);
    const prot = [0, PROT_READ, PROT_READ | PROT_WRITE][random.below(3)]!;
    if (!covered) return "mprotect skipped";
    mprotect(vm, addr, len, prot);
    for (let i = 0; i < pages; i++) model.get(firstVpn + i)!.prot = prot;
    return `mprotect ${addr.toString(16)} ${pages} to ${prot}`;
  }
  if (action < 87) {
    if (world.spaces.length >= 6) {
      const gone = world.spaces.splice(random.below(world.spaces.length), 1)[0]!;
      vmspaceFree(gone.vm);
      return `free space ${gone.vm.serial}`;
    }
    const child: ModelSpace = new Map();
    for (const [vpn, page] of model)
      child.set(vpn, { ...page, own: page.own === null ? null : page.own.slice() });
    const copy = vmspaceFork(vm);
    world.spaces.push({ vm: copy, model: child });
    return `fork ${vm.serial} to ${copy.serial}`;
  }
  if (action < 90) {
    const covered = Array.from({ length: pages }, (_, i) => model.has(firstVpn + i)).every(Boolean);
    if (!covered) return "madvise skipped";
    madvise(vm, addr, len, MADV_FREE);
    for (let i = 0; i < pages; i++) model.get(firstVpn + i)!.own = null;
    return `madvise free ${addr.toString(16)} ${pages}`;
  }
  if (action < 92) {
    const page = model.get(firstVpn);
    if (page === undefined) return "mremap skipped";
    const target = ARENA + ARENA_PAGES * PAGE + random.below(8) * PAGE;
    const moved = mremap(vm, addr, PAGE, PAGE, true, target);
    expect(moved).toBe(target);
    model.delete(firstVpn);
    model.set(target / PAGE, page);
    munmap(vm, target, PAGE);
    model.delete(target / PAGE);
    return `mremap ${addr.toString(16)} to ${target.toString(16)} and away`;
  }
  if (action < 95) {
    const covered = Array.from({ length: pages }, (_, i) => model.has(firstVpn + i)).every(Boolean);
    if (covered) msync(vm, addr, len);
    else file.object.clean();
    return "msync or fsync";
  }
  const offset = random.below(modelFile.bytes.length);
  if (action < 97) {
    const size = Math.min(1 + random.below(3 * PAGE), modelFile.bytes.length - offset);
    const buf = new Uint8Array(size);
    if (random.below(2) === 0) {
      const got = objectRead(file.object, offset, Uio.kernel(buf, 0, size), size, (at, u8, off, n) =>
        file.pageIn(at, u8, off, n),
      );
      expect(got).toBe(size);
      expect(
        Buffer.compare(buf, modelFile.bytes.subarray(offset, offset + size)),
        `read(2) at ${offset}`,
      ).toBe(0);
      return `read(2) ${size} at ${offset}`;
    }
    for (let i = 0; i < size; i++) buf[i] = random.below(256);
    objectWrite(file.object, offset, Uio.kernel(buf, 0, size), size, (at, u8, off, n) =>
      file.write(at, u8, off, n),
    );
    modelFile.bytes.set(buf, offset);
    return `write(2) ${size} at ${offset}`;
  }
  // Shrink and grow again: what lay behind the end is gone, private copies included.
  const size = random.below(24 * PAGE) + 1;
  const before = modelFile.bytes;
  file.resize(size);
  if (size < before.length) file.object.truncate(size);
  const grown = new Uint8Array(size);
  grown.set(before.subarray(0, size));
  modelFile.bytes = grown;
  if (size < before.length) {
    for (const space of world.spaces) {
      for (const page of space.model.values())
        if (page.object === modelFile && page.offset >= size) page.own = null;
    }
  }
  void sys;
  return `truncate from ${before.length} to ${size}`;
}

/** Pages go out, or all come back. */
function stepSwap(world: World, random: Random): string {
  const { sys, pageOut } = world;
  const what = random.below(40);
  if (what !== 0) {
    const gone = pageOut!.run(1 + random.below(20));
    for (const object of sys.swappedObjects) world.sharedOut += object.swappedCount;
    return `page out ${gone}`;
  }
  expect(pageOut!.empty(sys.swap.areas[0]!)).toBe(true);
  expect(sys.swap.used).toBe(0);
  return "empty swap space";
}

/** Counts all references anew and compares (PG1, PT1, PT2), and checks that no table is reachable as memory (I-NOKERN). */
function recount(world: World): void {
  const { pages, phys } = world.sys;
  const refs = new Int32Array(pages.refs.length);
  refs[0] = 1;
  const directories = new Set<number>();
  const tables = new Set<number>();
  for (const { vm } of world.spaces) {
    refs[vm.pmap.pdir]!++;
    directories.add(vm.pmap.pdir);
    for (let slot = 0; slot < 1024; slot++) {
      const pde = phys.u32[vm.pmap.pdirWord + slot]!;
      if (pde === 0) continue;
      refs[pde >>> 12]!++;
      tables.add(pde >>> 12);
      if ((pde & VPTE_W) !== 0)
        expect(pages.refs[pde >>> 12], "a table that may be written has one owner").toBe(1);
    }
  }
  for (const table of tables) {
    for (let i = 0; i < 1024; i++) {
      const pte = phys.u32[table * 1024 + i]!;
      const pn = pte >>> 12;
      if (pn === 0) continue;
      refs[pn]!++;
      expect(tables.has(pn) || directories.has(pn), "a page table is mapped as memory").toBe(false);
      expect((pte & VPTE_V) === 0, "entries without V name slots of swap space").toBe(pn >= phys.npages);
      if (pn >= phys.npages) {
        expect(pte & 0xfff & ~VPTE_U, "and grant nothing").toBe(0);
        continue;
      }
      expect(pages.objectOf[pn] !== null, "MANAGED marks object pages").toBe((pte & VPTE_MANAGED) !== 0);
      if ((pte & (VPTE_W | VPTE_MANAGED)) === VPTE_W)
        expect(pages.refs[pn], "a writable anonymous page has one holder").toBe(1);
    }
  }
  pages.objectOf.forEach((owner, pn) => {
    if (owner !== null) refs[pn]!++;
  });
  for (const object of world.sys.swappedObjects) {
    expect(object.pager, "files are their own swap space").toBe(null);
    expect(object.swappedCount).toBeGreaterThan(0);
    for (const slot of object.slots()) refs[slot]!++;
  }
  let held = 0;
  for (let pn = 1; pn < refs.length; pn++) {
    if (refs[pn] !== pages.refs[pn]) expect(pages.refs[pn], `references of page ${pn}`).toBe(refs[pn]);
    if (refs[pn] !== 0 && pn < phys.npages) held++;
  }
  expect(refs.subarray(phys.npages).filter((n) => n !== 0).length, "slots in use").toBe(world.sys.swap.used);
  expect(held + pages.freeCount, "free + held = total (I-PAGES)").toBe(pages.total);
}

describe("address spaces against a model", () => {
  const runs = Array.from({ length: 12 }, (_, i) => ({ seed: i + 1, swap: "" }));
  const swapping = Array.from({ length: 8 }, (_, i) => ({ seed: i + 101, swap: ", with swap space" }));
  for (const { seed, swap } of [...runs, ...swapping]) {
    it(`seed ${seed}${swap}: 3000 steps`, () => {
      const world = new World();
      if (swap !== "") world.addSwap();
      const random = new Random(seed * 7919);
      const log: string[] = [];
      for (let i = 0; i < 3000; i++) {
        try {
          if (swap !== "" && random.below(6) === 0) log.push(stepSwap(world, random));
          log.push(step(world, random));
          if (i % 100 === 0) recount(world);
        } catch (e) {
          throw new Error(`step ${i}; before it:\n${log.slice(-25).join("\n")}`, { cause: e });
        }
      }
      const { swap: space } = world.sys;
      if (swap !== "") {
        expect(Math.min(space.outs, space.ins)).toBeGreaterThan(50);
        expect(world.sharedOut).toBeGreaterThan(50);
      }
      for (const { vm } of world.spaces) vmspaceFree(vm);
      expect(space.used).toBe(0);
      expect(world.file.held).toBe(0);
      world.file.object.terminate();
      expect(world.sys.freePages()).toBe(world.freeAtStart);
      expect(Buffer.compare(world.file.data, world.modelFile.bytes)).toBe(0);
      expect(world.machine.host.spaceCount).toBe(0);
    });
  }
});
