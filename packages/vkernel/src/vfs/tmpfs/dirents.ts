// SPDX-License-Identifier: BSD-3-Clause
/**
 * The entries of a directory in memory, in the order of their making, with positions that stay valid while
 * entries come and go.
 *
 * Invariants
 *   TD1  Cookies grow; an entry keeps its cookie, and no cookie is used again.
 *   TD2  `byName` and `list` hold the same entries; removed ones leave a null in `list` until it is compacted.
 * @module
 */

export interface Dirent<T> {
  name: string;
  readonly cookie: number;
  node: T;
}

export class DirentTable<T> {
  private readonly byName = new Map<string, Dirent<T>>();
  private list: (Dirent<T> | null)[] = [];
  private cookies: number[] = [];
  private nextCookie: number;

  /** Cookies below `firstCookie` belong to the owner ("." and ".."). */
  constructor(firstCookie: number) {
    this.nextCookie = firstCookie;
  }

  get count(): number {
    return this.byName.size;
  }

  get(name: string): T | undefined {
    return this.byName.get(name)?.node;
  }

  add(name: string, node: T): void {
    const entry: Dirent<T> = { name, cookie: this.nextCookie++, node };
    this.byName.set(name, entry);
    this.list.push(entry);
    this.cookies.push(entry.cookie);
  }

  /** Puts another node under an existing name. */
  replace(name: string, node: T): void {
    this.byName.get(name)!.node = node;
  }

  remove(name: string): void {
    const entry = this.byName.get(name)!;
    this.byName.delete(name);
    this.list[this.indexOf(entry.cookie)] = null;
    if (this.list.length > 32 && this.list.length > 2 * this.byName.size) this.compact();
  }

  private compact(): void {
    this.list = this.list.filter((e) => e !== null);
    this.cookies = this.list.map((e) => e!.cookie);
  }

  /** Index of the first entry whose cookie is at least `cookie`. */
  private indexOf(cookie: number): number {
    let lo = 0;
    let hi = this.cookies.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.cookies[mid]! < cookie) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }

  /** Calls `visit` for each entry from `cookie` on until it returns false; true when all were visited. */
  from(cookie: number, visit: (entry: Dirent<T>) => boolean): boolean {
    for (let i = this.indexOf(cookie); i < this.list.length; i++) {
      const entry = this.list[i]!;
      if (entry !== null && !visit(entry)) return false;
    }
    return true;
  }

  values(): IterableIterator<Dirent<T>> {
    return this.byName.values();
  }
}
