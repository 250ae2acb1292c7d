// SPDX-License-Identifier: BSD-3-Clause
/** What dirfs needs of the host's files, and the errors that come from there. */
import type { HostFiles, HostStat } from "@vkernel/hostkernel";
import { EIO, errnoByName } from "../../sys/errno.ts";
import type { Vtype } from "../vnode.ts";
import { VBLK, VCHR, VDIR, VFIFO, VLNK, VREG, VSOCK } from "../vnode.ts";

export type DirfsHostStat = HostStat;

/** All calls are synchronous and throw an error with a symbolic `code`. Paths are byte strings. */
export type DirfsHost = Pick<
  HostFiles,
  | "open"
  | "close"
  | "read"
  | "write"
  | "fstat"
  | "ftruncate"
  | "fsync"
  | "lstat"
  | "readdir"
  | "readlink"
  | "mkdir"
  | "rmdir"
  | "unlink"
  | "rename"
  | "link"
  | "symlink"
  | "chmod"
  | "utimes"
>;

const TYPES: Readonly<Record<DirfsHostStat["type"], Vtype>> = {
  file: VREG,
  dir: VDIR,
  symlink: VLNK,
  char: VCHR,
  block: VBLK,
  fifo: VFIFO,
  socket: VSOCK,
};

export function vtypeOf(type: DirfsHostStat["type"]): Vtype {
  return TYPES[type];
}

/** Runs a call of the host and gives its failure to the guest as the same errno, EIO when it has no counterpart. */
export function hostCall<T>(f: () => T): T {
  try {
    return f();
  } catch (e) {
    const code = codeOf(e);
    if (code === null) throw e;
    throw errnoByName(code) ?? EIO;
  }
}

/** lstat, with null for a name that does not exist. */
export function lstatOrNull(host: DirfsHost, path: string): DirfsHostStat | null {
  try {
    return host.lstat(path);
  } catch (e) {
    const code = codeOf(e);
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    if (code === null) throw e;
    throw errnoByName(code) ?? EIO;
  }
}

function codeOf(e: unknown): string | null {
  if (typeof e !== "object" || e === null || !("code" in e)) return null;
  return typeof e.code === "string" ? e.code : null;
}

/** Open host files, the least recently used closed first: guests keep far more vnodes than a host allows files. */
export class FdPool<K extends object> {
  private readonly host: DirfsHost;
  private readonly max: number;
  private readonly open = new Map<K, { fd: number; write: boolean }>();

  constructor(host: DirfsHost, max = 64) {
    this.host = host;
    this.max = max;
  }

  /** The descriptor of a file, opened when it is not: `path` says where it is now. */
  get(key: K, path: () => string, write: boolean): number {
    const held = this.open.get(key);
    if (held !== undefined && (held.write || !write)) {
      this.open.delete(key);
      this.open.set(key, held);
      return held.fd;
    }
    const fd = hostCall(() => this.host.open(path(), { write }));
    this.drop(key);
    this.open.set(key, { fd, write });
    if (this.open.size > this.max) {
      const [oldest] = this.open.keys();
      this.drop(oldest!);
    }
    return fd;
  }

  /** Takes the descriptor out of the pool for a file that is about to lose its name; null when it is not open. */
  take(key: K): number | null {
    const held = this.open.get(key);
    if (held === undefined) return null;
    this.open.delete(key);
    return held.fd;
  }

  drop(key: K): void {
    const held = this.open.get(key);
    if (held === undefined) return;
    this.open.delete(key);
    this.host.close(held.fd);
  }

  closeAll(): void {
    for (const { fd } of this.open.values()) this.host.close(fd);
    this.open.clear();
  }
}
