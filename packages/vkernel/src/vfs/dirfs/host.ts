// SPDX-License-Identifier: BSD-3-Clause
/** What dirfs needs of the host's files, and the errors that come from there. */
import type { HostFiles, HostStat } from "@vkernel/hostkernel";
import { EIO, errnoByName } from "../../sys/errno.ts";
import type { Vtype } from "../vnode.ts";
import { VBLK, VCHR, VDIR, VFIFO, VLNK, VREG, VSOCK } from "../vnode.ts";

export type DirfsHostStat = HostStat;

/** All calls but fsyncAsync are synchronous and throw an error with a symbolic `code`. Paths are byte strings. */
export type DirfsHost = Pick<
  HostFiles,
  | "open"
  | "close"
  | "read"
  | "write"
  | "fstat"
  | "ftruncate"
  | "fsyncAsync"
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
  /** Descriptors that are being synced, how often, and whether they are to be closed afterwards. */
  private readonly syncing = new Map<number, { times: number; close: boolean }>();

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
    this.close(held.fd);
  }

  /** Closes a descriptor, once it is not being synced any more. */
  close(fd: number): void {
    const sync = this.syncing.get(fd);
    if (sync === undefined) this.host.close(fd);
    else sync.close = true;
  }

  /** Brings a file to stable storage beside the machine; `done` hears of the failure, null without one. */
  sync(fd: number, done: (failed: boolean) => void): void {
    const sync = this.syncing.get(fd) ?? { times: 0, close: false };
    sync.times++;
    this.syncing.set(fd, sync);
    this.host.fsyncAsync(fd, (error) => {
      if (--sync.times === 0) {
        this.syncing.delete(fd);
        if (sync.close) this.host.close(fd);
      }
      done(error !== null);
    });
  }

  closeAll(): void {
    for (const { fd } of this.open.values()) this.close(fd);
    this.open.clear();
  }
}
