// SPDX-License-Identifier: BSD-3-Clause
/** Swap space: what does not fit into memory goes to a disk and comes back; swapon, swapoff, mlock; Linux's values. */
import { expect, it } from "vitest";
import { Vkd } from "../../src/dev/vkd.ts";
import { pidDir } from "../../src/abi/linux/procfs-pid.ts";
import { installReclaim } from "../../src/vm/reclaim.ts";
import { DATA, dfly, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOMEM = -12, EBUSY = -16, EINVAL = -22;
const PAGE = 4096, A = DATA, VEC = DATA + 0x2000;
/** The machine has 16 MiB; the disk adds 12, of which mkswap's header takes a page. */
const DISK_PAGES = 3072;
const BIG = 20 << 20;
const S_IFBLK = 0o60000, S_IFCHR = 0o20000;
const UNIT = 5;
/** Linux's number of /dev/vkd5: its major is 97, in the range for local use. */
const DEVICE = ((UNIT << 3) & 0xff) | ((240 + 97) << 8);
const NULL_DEVICE = (1 << 8) | 3;

class SwapBench extends UserBench {
  readonly disk = new Uint8Array(DISK_PAGES * PAGE);
  broken = false;
  constructor(takesSwap = true) {
    super();
    installReclaim(this.k.vm);
    const image = {
      name: "swap", size: this.disk.length, readOnly: false,
      read: (at: number, buf: Uint8Array) => buf.set(this.disk.subarray(at, at + buf.length)),
      write: (at: number, buf: Uint8Array) => {
        if (this.broken) throw Object.assign(new Error("torn out"), { code: "EIO" });
        this.disk.set(buf, at);
      },
      flush: () => {},
    };
    this.k.devsw.add(new Vkd(UNIT, image, (line) => this.log.push(line), takesSwap));
  }
  /** What mkswap writes. */
  header(lastPage: number, version = 1): void {
    new DataView(this.disk.buffer).setUint32(1024, version, true);
    new DataView(this.disk.buffer).setUint32(1028, lastPage, true);
    this.disk.set(Uint8Array.from("SWAPSPACE2", (c) => c.charCodeAt(0)), PAGE - 10);
  }
  async program(program: Program, abi: "linux" | "dragonfly" = "linux"): Promise<void> {
    await this.run(this.start(program, undefined, abi));
  }
}

function* node(u: User): Generator<ReturnType<typeof sys>, void, number> {
  expect(yield sys("mknod", u.text(A, "/swap"), S_IFBLK | 0o600, DEVICE)).toBe(0);
  expect(yield sys("mknod", u.text(A + 64, "/null"), S_IFCHR | 0o600, NULL_DEVICE)).toBe(0);
}
/** What /proc shows of a process. */
function texts({ k }: UserBench, pid: number): { smaps: string; status: string; rollup: string } {
  const proc = k.procs.get(pid)!;
  const nodes = pidDir(proc, null, () => k.mounts.root.mount);
  const text = (name: string): string => {
    const node = nodes.find(name);
    if (node?.kind !== "file") throw new Error(name);
    return String(node.read());
  };
  return { smaps: text("smaps"), status: text("status"), rollup: text("smaps_rollup") };
}
/** kB by name of the mapping at an address in smaps. */
function rows(smaps: string, at: number): Record<string, number> {
  const block = new RegExp(`^${at.toString(16).padStart(8, "0")}-.*\n((?:[A-Z].*\n)*)`, "m").exec(smaps)![1]!;
  return Object.fromEntries([...block.matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, name, kb]) => [name!, Number(kb)]));
}
/** Anonymous memory. */
const map = (len: number): ReturnType<typeof sys> => sys("mmap2", 0, len, 3, 0x22, -1, 0);

it("memory that does not fit goes to the disk and comes back, also for a child; its end frees all of it", async () => {
  const bench = new SwapBench();
  bench.header(DISK_PAGES - 1);
  await bench.program(function* (u) {
    yield* node(u);
    expect(yield sys("swapon", A, 0)).toBe(0);
    expect(bench.k.vm.swap.total).toBe(DISK_PAGES - 1);
    const at = (yield map(BIG)) >>> 0;
    for (let i = 0; i < BIG; i += PAGE) u.setWord(at + i, i ^ 0x5a5a);
    expect(bench.k.vm.swap.used).toBeGreaterThan(1000);
    for (let i = 0; i < BIG; i += PAGE) if (u.word(at + i) !== (i ^ 0x5a5a)) throw new Error(`page ${i / PAGE}`);
    u.child(function* (c) {
      for (let i = 0; i < BIG; i += 64 * PAGE) expect(c.word(at + i)).toBe(i ^ 0x5a5a);
      for (let i = 0; i < BIG; i += 64 * PAGE) c.setWord(at + i, 1);
      yield sys("exit_group", 0);
    });
    yield sys("fork");
    expect(yield sys("wait4", -1, 0, 0, 0)).toBeGreaterThan(0);
    for (let i = 0; i < BIG; i += 64 * PAGE) expect(u.word(at + i)).toBe(i ^ 0x5a5a);
    yield sys("sysinfo", VEC);
    expect([u.word(VEC + 32), u.word(VEC + 36)]).toEqual([DISK_PAGES - 1, DISK_PAGES - 1 - bench.k.vm.swap.used]);
    // All of it does not fit into memory.
    expect(yield sys("swapoff", A)).toBe(ENOMEM);
    expect(yield sys("munmap", at + PAGE, BIG - 1024 * PAGE)).toBe(0);
    expect(yield sys("swapoff", A)).toBe(0);
    expect(u.word(at)).toBe(0x5a5a);
    expect(u.word(at + BIG - PAGE)).toBe((BIG - PAGE) ^ 0x5a5a);
    expect(yield sys("swapoff", A)).toBe(EINVAL);
  });
  expect(bench.k.vm.swap.used).toBe(0);
});

it("without room left the call that needs memory fails; a disk that fails is no room", async () => {
  const bench = new SwapBench();
  await bench.program(function* (u) {
    expect(yield dfly("mknod", u.text(A, "/swap"), S_IFBLK | 0o600, (97 << 8) | (UNIT << 3))).toBe(0);
    expect(yield dfly("swapon", A)).toBe(0);
    expect(bench.k.vm.swap.total).toBe(DISK_PAGES);
    bench.broken = true;
    const at = (yield dfly("mmap", 0, BIG, 3, 0x1002, -1, 0, 0, 0)) >>> 0;
    expect(() => {
      for (let i = 0; i < BIG; i += PAGE) u.setWord(at + i, 1);
    }).toThrow("Cannot allocate memory");
    expect(bench.k.vm.swap.used).toBe(0);
    expect(bench.log.some((line) => line.includes("torn out"))).toBe(true);
    bench.broken = false;
    for (let i = 0; i < BIG; i += PAGE) u.setWord(at + i, i);
    for (let i = 0; i < BIG; i += PAGE) if (u.word(at + i) !== i) throw new Error(`page ${i / PAGE}`);
  }, "dragonfly");
});

it("shared memory goes out and comes back: the same for all who map it, where it was moved, and after they have gone", async () => {
  const bench = new SwapBench();
  const { swap } = bench.k.vm;
  bench.header(DISK_PAGES - 1);
  await bench.program(function* (u) {
    yield* node(u);
    yield sys("swapon", A, 0);
    const pages = BIG / PAGE;
    const id = yield sys("shmget", 0, BIG, 0o600);
    const shared = (yield sys("mmap2", 0, BIG, 3, 0x21, -1, 0)) >>> 0;
    for (let i = 0; i < pages; i++) u.setWord(shared + i * PAGE, i ^ 0x1234);
    const out = swap.used;
    expect(out).toBeGreaterThan(1000);
    // What is not in memory is not in core, and smaps tells where it is; status counts private memory only.
    let there = 0;
    for (let i = 0; i < pages; i += 1024) {
      yield sys("mincore", shared + i * PAGE, 1024 * PAGE, VEC);
      there += [...u.read(VEC, 1024)].filter((c) => c === "\x01").length;
    }
    const { smaps, status } = texts(bench, yield sys("getpid"));
    const ownKb = Number(/^VmSwap:\t *(\d+) kB$/m.exec(status)![1]);
    expect(ownKb).toBeLessThan(64);
    expect(there).toBe(pages - (swap.used - ownKb / 4));
    expect(rows(smaps, shared)).toMatchObject({ Rss: 4 * there, Pss: 4 * there, Swap: BIG / 1024 - 4 * there, SwapPss: 0, Anonymous: 0 });
    u.child(function* (c) {
      for (let i = 0; i < pages; i++) if (c.word(shared + i * PAGE) !== (i ^ 0x1234)) throw new Error(`page ${i} of the child`);
      for (let i = 0; i < pages; i += 3) c.setWord(shared + i * PAGE, -i);
      yield sys("exit_group", 0);
    });
    yield sys("fork");
    expect(yield sys("wait4", -1, 0, 0, 0)).toBeGreaterThan(0);
    const half = BIG / 2;
    const moved = (yield sys("mremap", shared + half, half, half, 3, 0x5000_0000)) >>> 0;
    const at = (i: number): number => (i * PAGE < half ? shared : moved - half) + i * PAGE;
    for (let i = 0; i < pages; i++) if (u.word(at(i)) !== (i % 3 === 0 ? -i : i ^ 0x1234)) throw new Error(`page ${i}`);
    expect(yield sys("swapoff", A)).toBe(ENOMEM);
    expect(yield sys("munmap", moved, half)).toBe(0);
    // Memory that is mapped no more stays as long as another part of its object is.
    expect(yield sys("munmap", shared + 2 * PAGE, half - 2 * PAGE)).toBe(0);
    expect(swap.used).toBeGreaterThan(0);
    expect(yield sys("munmap", shared, 2 * PAGE)).toBe(0);
    expect(swap.used).toBeLessThan(16);

    // A segment that nobody has attached for a while.
    const segment = (yield sys("shmat", id, 0, 0)) >>> 0;
    const few = 256;
    for (let i = 0; i < few; i++) u.setWord(segment + i * PAGE, i + 7);
    expect(yield sys("shmdt", segment)).toBe(0);
    const other = (yield map(BIG)) >>> 0;
    for (let i = 0; i < pages; i++) u.setWord(other + i * PAGE, i);
    yield sys("munmap", other, BIG);
    expect(swap.used).toBeGreaterThanOrEqual(few);
    yield sys("shmctl", id, 14, VEC);
    expect([u.word(VEC + 8), u.word(VEC + 12)]).toEqual([0, few]);
    // What is locked comes in when it is used, and stays.
    expect(yield sys("shmctl", id, 11, 0)).toBe(0);
    const again = (yield sys("shmat", id, 0, 0)) >>> 0;
    for (let i = 0; i < few / 2; i++) expect(u.word(again + i * PAGE)).toBe(i + 7);
    const third = (yield map(BIG)) >>> 0;
    for (let i = 0; i < pages; i++) u.setWord(third + i * PAGE, i);
    yield sys("shmctl", id, 14, VEC);
    expect([u.word(VEC + 8), u.word(VEC + 12)]).toEqual([few / 2, few / 2]);
    yield sys("munmap", third, BIG);
    expect(yield sys("swapoff", A)).toBe(0);
    yield sys("shmctl", id, 14, VEC);
    expect([u.word(VEC + 8), u.word(VEC + 12)]).toEqual([few, 0]);
    for (let i = 0; i < few; i++) expect(u.word(again + i * PAGE)).toBe(i + 7);
  });
  expect(swap.used).toBe(0);
});

it("a disk that refuses shared pages is no room, and none of them is lost", async () => {
  const bench = new SwapBench();
  bench.header(DISK_PAGES - 1);
  await bench.program(function* (u) {
    yield* node(u);
    yield sys("swapon", A, 0);
    const shared = (yield sys("mmap2", 0, BIG, 3, 0x21, -1, 0)) >>> 0;
    bench.broken = true;
    let written = 0;
    expect(() => {
      for (; written < BIG; written += PAGE) u.setWord(shared + written, written);
    }).toThrow("Cannot allocate memory");
    expect(bench.k.vm.swap.used).toBe(0);
    for (let i = 0; i < written; i += PAGE) if (u.word(shared + i) !== i) throw new Error(`page ${i / PAGE}`);
    bench.broken = false;
    for (; written < BIG; written += PAGE) u.setWord(shared + written, written);
    for (let i = 0; i < BIG; i += PAGE) if (u.word(shared + i) !== i) throw new Error(`page ${i / PAGE}`);
  });
});

it("Pss is what each page is divided by its mappings, and smaps_rollup the sums", async () => {
  const bench = new SwapBench();
  await bench.program(function* (u) {
    const own = (yield map(8 * PAGE)) >>> 0;
    const shared = (yield sys("mmap2", 0, 8 * PAGE, 3, 0x21, -1, 0)) >>> 0;
    for (let i = 0; i < 8; i++) u.setWord(own + i * PAGE, i);
    for (let i = 0; i < 8; i++) u.setWord(shared + i * PAGE, i);
    const alone = texts(bench, yield sys("getpid")).smaps;
    expect(rows(alone, own)).toMatchObject({ Rss: 32, Pss: 32, Shared_Dirty: 0, Private_Dirty: 32, Anonymous: 32 });
    expect(rows(alone, shared)).toMatchObject({ Rss: 32, Pss: 32, Shared_Dirty: 0, Private_Dirty: 32, Anonymous: 0 });
    const family: number[] = [];
    for (let i = 0; i < 2; i++) {
      u.child(function* (c) {
        // Its own copy of two pages.
        c.setWord(own, 9);
        c.setWord(own + PAGE, 9);
        c.setWord(shared, c.word(shared) + 1);
        for (;;) yield sys("pause");
      });
      family.push(yield sys("fork"));
    }
    u.words(VEC, 0, 1000);
    while (u.word(shared) !== 2) yield sys("nanosleep", VEC, 0);
    const { smaps } = texts(bench, yield sys("getpid"));
    // Two pages are the parent's alone, six belong to three processes, and so do all that are shared; thirds of a page are rounded down.
    expect(rows(smaps, own)).toMatchObject({ Rss: 32, Pss: 8 + 7, Shared_Dirty: 24, Private_Dirty: 8, Anonymous: 32 });
    expect(rows(smaps, shared)).toMatchObject({ Rss: 32, Pss: 10, Shared_Dirty: 32, Private_Dirty: 0, Anonymous: 0 });
    const child = texts(bench, family[0]!);
    expect(rows(child.smaps, own)).toMatchObject({ Rss: 32, Pss: 8 + 7, Shared_Dirty: 24, Private_Dirty: 8 });
    const total = (name: string): number => [...smaps.matchAll(new RegExp(`^${name}: +(\\d+) kB$`, "gm"))].reduce((sum, [, kb]) => sum + Number(kb), 0);
    const rollup = rows(texts(bench, yield sys("getpid")).rollup, parseInt(smaps, 16));
    for (const name of ["Rss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Anonymous"]) expect(rollup[name]).toBe(total(name));
    // Rounded down once, not for each mapping.
    expect(rollup["Pss"]).toBeGreaterThanOrEqual(total("Pss"));
    expect(rollup["Pss"]! - total("Pss")).toBeLessThan(4);
    expect(rollup["Pss"]! - rollup["Pss_Anon"]! - rollup["Pss_File"]! - rollup["Pss_Shmem"]!).toBeLessThan(3);
    expect(rollup["Pss_Shmem"]).toBe(10);
    for (const pid of family) yield sys("kill", pid, 9);
  });
});

it("what is locked stays: mlock, mlockall for what is mapped later, munlock", async () => {
  const bench = new SwapBench();
  bench.header(DISK_PAGES - 1);
  await bench.program(function* (u) {
    yield* node(u);
    yield sys("swapon", A, 0);
    const locked = (yield map(16 * PAGE)) >>> 0;
    expect(yield sys("mlock", locked + 100, 15 * PAGE)).toBe(0);
    expect(yield sys("mlock", locked, BIG)).toBe(ENOMEM);
    const resident = function* (at: number, pages: number): Generator<ReturnType<typeof sys>, number, number> {
      yield sys("mincore", at, pages * PAGE, VEC);
      return [...u.read(VEC, pages)].filter((c) => c === "\x01").length;
    };
    expect(yield* resident(locked, 16)).toBe(16);
    expect(yield sys("mlockall", 2)).toBe(0);
    const later = (yield map(16 * PAGE)) >>> 0;
    expect(yield sys("mlockall", 8)).toBe(EINVAL);
    for (let i = 0; i < 16; i++) u.setWord(later + i * PAGE, i);
    const pressure = function* (): Generator<ReturnType<typeof sys>, void, number> {
      const at = (yield map(BIG)) >>> 0;
      for (let round = 0; round < 2; round++) for (let i = 0; i < BIG; i += PAGE) u.setWord(at + i, i);
      yield sys("munmap", at, BIG);
    };
    // What is mapped from here on is not locked.
    yield sys("munlockall");
    yield sys("mlock", locked, 16 * PAGE);
    yield sys("mlock", later, 16 * PAGE);
    yield* pressure();
    expect(yield* resident(locked, 16)).toBe(16);
    expect(yield* resident(later, 16)).toBe(16);
    expect(yield sys("munlock", later, 16 * PAGE)).toBe(0);
    yield* pressure();
    expect(yield* resident(locked, 16)).toBe(16);
    const there = yield* resident(later, 16);
    expect(there).toBeLessThan(16);
    const { smaps, status } = texts(bench, yield sys("getpid"));
    expect(rows(smaps, locked)).toMatchObject({ Size: 64, Rss: 64, Swap: 0, Locked: 64 });
    expect(rows(smaps, later)).toMatchObject({ Size: 64, Rss: 4 * there, Swap: 64 - 4 * there, Locked: 0 });
    expect(status).toMatch(/^VmLck:\t *64 kB$/m);
    for (let i = 0; i < 16; i++) expect(u.word(later + i * PAGE)).toBe(i);
  });
});

it("swapon refuses what is no disk, has no header, is in use or may make its users wait; only root may", async () => {
  const bench = new SwapBench();
  await bench.program(function* (u) {
    yield* node(u);
    expect(yield sys("swapon", A + 64, 0)).toBe(EINVAL);
    expect(yield sys("swapon", u.text(A + 128, "/"), 0)).toBe(EINVAL);
    expect(yield sys("swapon", A, 0)).toBe(EINVAL);
    bench.header(10, 2);
    expect(yield sys("swapon", A, 0)).toBe(EINVAL);
    bench.header(10);
    expect(yield sys("swapon", A, 0x80000)).toBe(EINVAL);
    expect(yield sys("swapon", A, 0)).toBe(0);
    expect(bench.k.vm.swap.total).toBe(10);
    expect(yield sys("swapon", A, 0)).toBe(EBUSY);
    yield sys("setresuid", 1000, 1000, 1000);
    expect(yield sys("swapoff", A)).toBe(EPERM);
    expect(yield sys("swapon", A, 0)).toBe(EPERM);
  });
  await new SwapBench(false).program(function* (u) {
    yield* node(u);
    expect(yield sys("swapon", A, 0)).toBe(EINVAL);
  });
});
