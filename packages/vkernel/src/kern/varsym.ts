// SPDX-License-Identifier: BSD-3-Clause
/**
 * Variant symlinks: `${NAME}` in a symbolic link stands for a variable of the process, its user or the system
 * (DragonFly 2.0 sys/kern/kern_varsym.c).
 *
 * Invariants
 *   VS1  `size` is what the set's variables are accounted with; a set that has reached VARSYM_SET_MAX takes no more.
 *   VS2  A process's set is its own: fork copies it.
 * @module
 */
import { E2BIG, ENOENT } from "../sys/errno.ts";
import type { Proc } from "./proc.ts";

/** Levels, in the order in which they are searched, and the mask that selects one. */
export const VARSYM_PROC = 1;
export const VARSYM_USER = 2;
export const VARSYM_SYS = 3;
export const VARSYM_PRISON = 4;
export const levelMask = (level: number): number => 1 << level;

/** Longest name and value, with their NULs. */
export const VARSYM_NAME_MAX = 64;
export const VARSYM_DATA_MAX = 256;
/** Bytes after which a set takes no more variables, and what each costs besides its text. */
const VARSYM_SET_MAX = 8192;
const ENTRY_COST = 36;

export class VarsymSet {
  private readonly vars = new Map<string, string>();
  private size = 0;

  copy(): VarsymSet {
    const set = new VarsymSet();
    for (const [name, data] of this.vars) set.vars.set(name, data);
    set.size = this.size;
    return set;
  }
  get(name: string): string | undefined {
    return this.vars.get(name);
  }
  /** Sets a variable, which becomes the last one. Throws E2BIG. */
  set(name: string, data: string): void {
    if (this.vars.has(name)) this.remove(name);
    if (this.size >= VARSYM_SET_MAX) throw E2BIG;
    this.vars.set(name, data);
    this.size += ENTRY_COST + name.length + data.length;
  }
  /** Throws ENOENT. */
  remove(name: string): void {
    const data = this.vars.get(name);
    if (data === undefined) throw ENOENT;
    this.vars.delete(name);
    this.size -= ENTRY_COST + name.length + data.length;
  }
  clear(): void {
    this.vars.clear();
    this.size = 0;
  }
  /** In the order in which they were set. */
  entries(): IterableIterator<[name: string, data: string]> {
    return this.vars.entries();
  }
}

/** The variables of a kernel: the system's and those of each user. */
export class Varsyms {
  readonly system = new VarsymSet();
  private readonly users = new Map<number, VarsymSet>();
  /** Sysctl vfs.varsym_enable: whether links are expanded. */
  enabled = false;

  ofUser(uid: number): VarsymSet {
    let set = this.users.get(uid);
    if (set === undefined) this.users.set(uid, (set = new VarsymSet()));
    return set;
  }
}

/** The set of a level as a process sees it, null when there is none. */
export function varsymSet(p: Proc, level: number): VarsymSet | null {
  switch (level) {
    case VARSYM_PROC:
      return p.varsyms;
    case VARSYM_USER:
      return p.k.varsyms.ofUser(p.cred.ruid);
    case VARSYM_SYS:
      return p.k.varsyms.system;
    default:
      return null;
  }
}

/** The value of a variable at the first of the levels of `mask` that has it. */
export function varsymFind(p: Proc, mask: number, name: string): string | undefined {
  for (const level of [VARSYM_PROC, VARSYM_USER, VARSYM_SYS]) {
    if ((mask & levelMask(level)) === 0) continue;
    const data = varsymSet(p, level)!.get(name);
    if (data !== undefined) return data;
  }
  return undefined;
}
