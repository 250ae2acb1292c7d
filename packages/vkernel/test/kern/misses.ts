// SPDX-License-Identifier: BSD-3-Clause
/**
 * A machine in which nothing is ever in memory: in each system call the first use of a page of the process, and the first of
 * each operation on a file, have to wait for a disk. What a call does must not depend on it.
 *
 * Invariants
 *   MI1  A miss is thrown before anything happens, and loads one thing: that page, or leave for that operation with those
 *        arguments. The next call misses it anew.
 *   MI2  What the program itself looks at between calls is there.
 * @module
 */
import { IoMiss } from "../../src/sys/wait.ts";
import { TmpfsNode } from "../../src/vfs/tmpfs/tmpfs.ts";
import { Vnode } from "../../src/vfs/vnode.ts";
import { PageOut } from "../../src/vm/pageout.ts";
import type { SwapDevice } from "../../src/vm/swap.ts";
import type { Kernel } from "../../src/kern/kernel.ts";
import type { Lwp } from "../../src/kern/proc.ts";

const PAGE = 4096;
/** Operations that HAMMER may have to look at its disk for; attributes are in memory while a vnode is. */
const OPERATIONS = [
  "setattr", "lookup", "parent", "create", "link", "unlink", "rmdir", "rename", "readdir", "readlink", "read", "write", "writePage", "fsync",
] as const;

/** More than any call needs. */
const MISSES_MOST = 5000;
const SPACES_MOST = 8;

let wanted = false;
let current: Misses | null = null;

class Miss extends IoMiss {
  readonly #loading: (() => void)[];
  readonly #loaded: Set<string>;
  readonly #key: string;
  constructor(loading: (() => void)[], loaded: Set<string>, key: string) {
    super();
    this.#loading = loading;
    this.#loaded = loaded;
    this.#key = key;
  }
  load(done: (failure: unknown) => void): void {
    this.#loading.push(() => {
      this.#loaded.add(this.#key);
      done(null);
    });
  }
}

export class Misses implements SwapDevice {
  readonly name = "elsewhere";
  readonly pages = 16384;
  readonly #k: Kernel;
  readonly #loading: (() => void)[] = [];
  /** What the present call of each thread has waited for. */
  readonly #loaded = new WeakMap<Lwp, Set<string>>();
  /** Whether a call is under way (MI2). */
  active = false;
  /** Misses in this call. */
  #count = 0;
  readonly #store = new Map<number, Uint8Array>();
  readonly #out: PageOut;
  readonly #vnodes = new WeakMap<Vnode, number>();
  #serial = 0;

  /** For each new bench, when the tests of this run are to be made on such a machine, else null. */
  static forBench(k: Kernel): Misses | null {
    current = wanted ? new Misses(k) : null;
    return current;
  }

  private constructor(k: Kernel) {
    this.#k = k;
    this.#out = new PageOut(k.vm);
    k.vm.swap.add(this);
  }

  /** A thread makes a call: nothing is in memory any more. */
  begin(lp: Lwp): void {
    this.active = false;
    this.work();
    // Bombs of processes are about something else, and each of them would have to be looked through
    if (this.#k.vm.spaces.size <= SPACES_MOST) this.#out.run(Infinity);
    this.#loaded.set(lp, new Set());
    this.#count = 0;
    this.active = true;
  }

  /** The disk answers one question; whether there was one. */
  work(): boolean {
    const next = this.#loading.shift();
    next?.();
    return next !== undefined;
  }

  private need(key: string): void {
    const lp = this.#k.curlwp;
    if (!this.active || lp === null) return;
    const loaded = this.#loaded.get(lp);
    if (loaded === undefined || loaded.has(key)) return;
    if (++this.#count > MISSES_MOST) throw new Error(`a call does not come to an end: it still waits for ${key}`);
    throw new Miss(this.#loading, loaded, key);
  }

  operation(vp: Vnode, name: string, args: readonly unknown[]): void {
    // Files without a name are in memory alone.
    if (vp.mount.rootNch === null) return;
    let serial = this.#vnodes.get(vp);
    if (serial === undefined) this.#vnodes.set(vp, (serial = ++this.#serial));
    const plain = args.map((a) => (a instanceof Uint8Array || a instanceof Vnode ? "" : typeof a === "object" ? JSON.stringify(a) : String(a)));
    this.need(`${serial} ${name} ${typeof args[0] === "function" ? "" : plain.join(" ")}`);
  }

  read(page: number, buf: Uint8Array, off: number): void {
    this.need(`page ${page}`);
    buf.set(this.#store.get(page)!, off);
  }
  write(page: number, buf: Uint8Array, off: number): void {
    this.#store.set(page, buf.slice(off, off + PAGE));
  }
}

/** From now on tests of this run are made on such machines. */
export function missEverywhere(): void {
  wanted = true;
  const proto = TmpfsNode.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of OPERATIONS) {
    const op = proto[name]!;
    proto[name] = function (this: Vnode, ...args: unknown[]) {
      current?.operation(this, name, args);
      return op.apply(this, args);
    };
  }
}
