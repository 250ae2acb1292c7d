// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER for programs: paths and promises, in the manner of Node's fs/promises.
 *
 * Works on asynchronous devices as on synchronous ones: an operation that misses bytes waits for them and is repeated;
 * it had changed nothing. Operations of one file system run one after another, in the order in which they were begun.
 * Paths are text (UTF-8 in the image), absolute or not, and may carry `@@0x<tid>` to name the past.
 * @packageDocumentation
 */
import { createPfs, destroyPfs, downgradePfs, updatePfs, upgradePfs, type PfsCreateOptions, type PfsOptions } from "./admin/pfs.ts";
import { prune, type PruneOptions, type PruneResult } from "./admin/prune.ts";
import { rebalance, type RebalanceOptions, type RebalanceResult } from "./admin/rebalance.ts";
import { reblock, type ReblockOptions, type ReblockResult } from "./admin/reblock.ts";
import type { ScanOptions, ScanOutcome } from "./admin/scan.ts";
import { addSnapshot, removeSnapshot, setConfig, takeSnapshotTid } from "./admin/snapshots.ts";
import { AsyncDeviceAdapter, type AsyncBlockDevice } from "./async-device.ts";
import type { BlockDevice } from "./device.ts";
import { HammerError, isBufferMiss } from "./error.ts";
import type { DirentHistoryEntry, HistoryEntry } from "./history.ts";
import { MirrorSource } from "./mirror/copy.ts";
import type { MirrorReadOptions } from "./mirror/read.ts";
import { MirrorReceiver, type MirrorPass, type MirrorWriteOptions } from "./mirror/write.ts";
import { mount as mountSync, type HammerInfo, type HammerMount, type HammerStatfs, type MountOptions } from "./mount.ts";
import type { HammerFileType, HammerInode } from "./object/inode.ts";
import { fromByteString, resolvePath, splitPath, toByteString } from "./path.ts";
import type { PfsInfo } from "./pfs.ts";
import type { SnapshotInfo } from "./snapshot.ts";

export { AsyncDeviceAdapter, type AsyncBlockDevice } from "./async-device.ts";

/** Attributes of an object, as stat shows them. */
export interface Stats {
  objId: bigint;
  type: HammerFileType;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  nlinks: number;
  uflags: number;
  rmajor: number;
  rminor: number;
  /**
   * Milliseconds since 1970, with a fraction: there are microseconds. Of an object in the past, mtime and atime are its
   * ctime, so that archives of a view are always the same.
   */
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  /** TID of the view, null for the present. */
  asof: bigint | null;
  pfs: number;
}

/** An entry of a directory. */
export interface Dirent { name: string; type: HammerFileType; objId: bigint }

/** A long operation can be given up. It ends at the next piece, and rejects with the signal's reason. */
export interface Abortable { signal?: AbortSignalLike }

/** What is needed of an AbortSignal. */
export interface AbortSignalLike { readonly aborted: boolean; throwIfAborted(): void }

/** Which bytes of a file, and when to stop. */
export interface ReadStreamOptions extends Abortable {
  /** First byte; default 0. */
  start?: number;
  /** Byte behind the last; default the end of the file. */
  end?: number;
}

/** Owner and permissions of what is made. */
export interface CreateAttributes { mode?: number; uid?: number; gid?: number }

/** What makes a special file. */
export interface NodeAttributes extends CreateAttributes { rmajor?: number; rminor?: number }

const READ_BYTES = 1 << 20;
/** Calls of a progress function that make a piece of a long operation: some 8,000 records. */
const PIECE_STEPS = 16;

/** A mounted file system. */
export class HammerFs {
  readonly #m: HammerMount;
  readonly #adapters: readonly AsyncDeviceAdapter[];
  /** Tail of the queue of operations. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(m: HammerMount, adapters: readonly AsyncDeviceAdapter[]) {
    this.#m = m;
    this.#adapters = adapters;
  }

  /** Runs `body` when its turn has come, as often as it takes to have all bytes at hand. */
  #run<T>(body: (m: HammerMount) => T): Promise<T> {
    const result = this.#last.then(() => withBytes(() => body(this.#m))).finally(() => {
      for (const a of this.#adapters) a.settle();
    });
    this.#last = result.catch(() => undefined); // the caller sees the error; the next operation starts anyway
    return result;
  }

  #at<T>(path: string, follow: boolean, body: (ip: HammerInode, m: HammerMount) => T): Promise<T> {
    return this.#run((m) => {
      const ip = resolvePath(m, toByteString(path), { follow });
      if (ip === null) throw new HammerError("ENOENT", `${path}: no such file or directory`, { path });
      try {
        return body(ip, m);
      } finally {
        m.rele(ip);
      }
    });
  }

  #in<T>(path: string, body: (dir: HammerInode, name: string, m: HammerMount) => T): Promise<T> {
    const { dir: parent, name } = splitPath(toByteString(path));
    return this.#run((m) => {
      const dir = resolvePath(m, parent);
      if (dir === null) throw new HammerError("ENOENT", `${path}: its directory does not exist`, { path });
      try {
        return body(dir, name, m);
      } finally {
        m.rele(dir);
      }
    });
  }

  /** Attributes of what `path` leads to, symlinks followed. Throws ENOENT. */
  stat(path: string): Promise<Stats> { return this.#at(path, true, stats); }
  /** As stat, of a symlink itself. */
  lstat(path: string): Promise<Stats> { return this.#at(path, false, stats); }

  /** Entries of a directory, without "." and "..", in the order of the B-Tree. Throws ENOENT, ENOTDIR. */
  readdir(path: string): Promise<Dirent[]> {
    return this.#at(path, true, (ip, m) => {
      const list: Dirent[] = [];
      m.readdir(ip, 0, (name, objId, type) => {
        if (name !== "." && name !== "..") list.push({ name: fromByteString(name), objId, type });
        return true;
      });
      return list;
    });
  }

  /** Target of a symlink. */
  readlink(path: string): Promise<string> { return this.#at(path, false, (ip, m) => fromByteString(m.readlink(ip))); }

  /** Up to `length` bytes of a file from `offset`; fewer at its end. */
  read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#at(path, true, (ip, m) => {
      const b = new Uint8Array(Math.max(0, Math.min(length, ip.size - offset)));
      return b.subarray(0, m.read(ip, offset, b, 0, b.length));
    });
  }

  /** A whole file. */
  async readFile(path: string, options: Abortable = {}): Promise<Uint8Array> {
    const { size } = await this.stat(path);
    const out = new Uint8Array(size);
    let at = 0;
    for await (const piece of this.readStream(path, options)) {
      const n = Math.min(piece.length, size - at);
      out.set(piece.subarray(0, n), at);
      at += n;
    }
    return at === size ? out : out.subarray(0, at);
  }

  /** A file, or a part of it, in pieces. What is written meanwhile may be in the pieces or not. */
  async *readStream(path: string, options: ReadStreamOptions = {}): AsyncGenerator<Uint8Array> {
    const { start = 0, end = Infinity, signal } = options;
    for (let at = start; at < end;) {
      signal?.throwIfAborted();
      const piece = await this.read(path, at, Math.min(READ_BYTES, end - at));
      if (piece.length === 0) return;
      yield piece;
      at += piece.length;
    }
  }

  /**
   * Makes a file of pieces as they come, or replaces the contents of an existing one. Returns its size. If it is given up,
   * what was written stays.
   */
  async writeStream(
    path: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: CreateAttributes & Abortable = {},
  ): Promise<number> {
    const { signal, ...attributes } = options;
    await this.writeFile(path, new Uint8Array(0), attributes);
    let at = 0;
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      for (let from = 0; from < piece.length; from += READ_BYTES) at += await this.write(path, at, piece.subarray(from, from + READ_BYTES));
    }
    return at;
  }

  /** Everything below a directory, each before what is in it, symlinks not followed. Paths begin with that of the directory. */
  async *walk(path: string, options: Abortable = {}): AsyncGenerator<Dirent & { path: string }> {
    for (const entry of await this.readdir(path)) {
      options.signal?.throwIfAborted();
      const child = `${path.replace(/\/+$/, "")}/${entry.name}`;
      yield { ...entry, path: child };
      if (entry.type === "dir") yield* this.walk(child, options);
    }
  }

  /** Writes at an offset of an existing file, extending it if need be. */
  write(path: string, offset: number, bytes: Uint8Array): Promise<number> {
    return this.#at(path, true, (ip, m) => m.write(ip, offset, bytes, 0, bytes.length));
  }

  /** Makes a file with these contents, or replaces those of an existing one. */
  async writeFile(path: string, bytes: Uint8Array | string, attributes: CreateAttributes = {}): Promise<void> {
    const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    await this.#in(path, (dir, name, m) => {
      let ip = m.lookup(dir, name);
      if (ip?.type === "symlink") {
        m.rele(ip);
        ip = resolvePath(m, toByteString(path));
      }
      ip ??= m.create(dir, name, { type: "file", mode: 0o644, uid: 0, gid: 0, ...attributes });
      try {
        m.truncate(ip, 0);
      } finally {
        m.rele(ip);
      }
    });
    for (let at = 0; at < content.length; at += READ_BYTES) await this.write(path, at, content.subarray(at, at + READ_BYTES));
  }

  truncate(path: string, size: number): Promise<void> { return this.#at(path, true, (ip, m) => m.truncate(ip, size)); }

  mkdir(path: string, attributes: CreateAttributes = {}): Promise<void> {
    return this.#in(path, (dir, name, m) => m.rele(m.create(dir, name, { type: "dir", mode: 0o755, uid: 0, gid: 0, ...attributes })));
  }

  symlink(target: string, path: string, attributes: CreateAttributes = {}): Promise<void> {
    return this.#in(path, (dir, name, m) =>
      m.rele(m.create(dir, name, { type: "symlink", target: toByteString(target), mode: 0o777, uid: 0, gid: 0, ...attributes })));
  }

  link(existing: string, path: string): Promise<void> {
    return this.#in(path, (dir, name, m) => {
      const ip = resolvePath(m, toByteString(existing), { follow: false });
      if (ip === null) throw new HammerError("ENOENT", `${existing}: no such file`, { path: existing });
      try {
        m.link(ip, dir, name);
      } finally {
        m.rele(ip);
      }
    });
  }

  /** Makes a fifo, socket or device node. */
  mknod(path: string, type: "fifo" | "socket" | "chardev" | "blockdev", attributes: NodeAttributes = {}): Promise<void> {
    return this.#in(path, (dir, name, m) => m.rele(m.create(dir, name, { type, mode: 0o644, uid: 0, gid: 0, ...attributes })));
  }

  unlink(path: string): Promise<void> { return this.#in(path, (dir, name, m) => m.unlink(dir, name)); }
  rmdir(path: string): Promise<void> { return this.#in(path, (dir, name, m) => m.rmdir(dir, name)); }

  rename(from: string, to: string): Promise<void> {
    const target = splitPath(toByteString(to));
    return this.#in(from, (sdir, sname, m) => {
      const tdir = resolvePath(m, target.dir);
      if (tdir === null) throw new HammerError("ENOENT", `${to}: its directory does not exist`, { path: to });
      try {
        m.rename(sdir, sname, tdir, target.name);
      } finally {
        m.rele(tdir);
      }
    });
  }

  chmod(path: string, mode: number): Promise<void> { return this.#at(path, true, (ip, m) => m.setattr(ip, { mode })); }
  chown(path: string, uid: number, gid: number): Promise<void> { return this.#at(path, true, (ip, m) => m.setattr(ip, { uid, gid })); }
  /** File flags of BSD: UF_NODUMP 0x1, UF_IMMUTABLE 0x2, UF_NOHISTORY 0x40, and so on. */
  chflags(path: string, uflags: number): Promise<void> { return this.#at(path, true, (ip, m) => m.setattr(ip, { uflags })); }
  /** Times in milliseconds since 1970. */
  utimes(path: string, atimeMs: number, mtimeMs: number): Promise<void> {
    return this.#at(path, true, (ip, m) => m.setattr(ip, { atime: Math.round(atimeMs * 1000), mtime: Math.round(mtimeMs * 1000) }));
  }

  /** TIDs at which the object changed, oldest first: what can stand behind `@@`. */
  history(path: string): Promise<HistoryEntry[]> { return this.#at(path, false, (ip, m) => m.fullHistory(ip)); }
  /** TIDs at which bytes [offset, offset + length) of a file changed, in order of records: by position, then time. */
  dataHistory(path: string, offset: number, length: number): Promise<HistoryEntry[]> {
    return this.#at(path, true, (ip, m) => m.dataHistory(ip, offset, length));
  }

  /** What a path was the name of, and from when on, oldest first: also of a name that leads nowhere now. */
  nameHistory(path: string): Promise<DirentHistoryEntry[]> { return this.#in(path, (dir, name, m) => m.direntHistory(dir, name)); }

  /**
   * Makes everything durable and notes a snapshot that pruning will keep: what can stand behind `@@`. Throws E_VERSION below
   * version 3.
   */
  snapshot(note = "", pfs = 0): Promise<bigint> {
    return this.#run((m) => {
      const tid = takeSnapshotTid(m, pfs);
      addSnapshot(m, tid, toByteString(note), pfs);
      return tid;
    });
  }

  /** Makes a PFS, a slave on request, and its link at `path`, a directory of PFS 0. */
  createPfs(path: string, options: PfsCreateOptions): Promise<PfsInfo> {
    return this.#in(path, (dir, name, m) => createPfs(m, dir, name, options));
  }

  /** Removes a snapshot's record; its history goes with the next prune. Throws ENOENT, E_VERSION. */
  removeSnapshot(tid: bigint, pfs = 0): Promise<void> { return this.#run((m) => removeSnapshot(m, tid, pfs)); }

  /** Changes attributes of a PFS. */
  updatePfs(pfs: number, options: PfsOptions): Promise<PfsInfo> { return this.#run((m) => updatePfs(m, pfs, options)); }
  /** Makes a slave a master, as of its last complete pass. */
  async upgradePfs(pfs: number): Promise<void> { await this.#run((m) => upgradePfs(m, pfs)); }
  /** Makes a master a slave. */
  async downgradePfs(pfs: number): Promise<void> { await this.#run((m) => downgradePfs(m, pfs)); }
  /** Destroys a PFS with all its history; its link stays, and leads nowhere. */
  async destroyPfs(pfs: number): Promise<void> { await this.#run((m) => destroyPfs(m, pfs)); }

  /** Configuration text of a PFS, by which hammer cleanup goes, or null. */
  config(pfs = 0): Promise<string | null> {
    return this.#run((m) => {
      const text = m.config(pfs);
      return text === null ? null : fromByteString(text);
    });
  }
  setConfig(text: string, pfs = 0): Promise<void> { return this.#run((m) => setConfig(m, toByteString(text), pfs)); }

  /** Destroys history that no range of the table keeps; see pruneTable. Given up, it can be repeated. */
  prune(options: PruneOptions & Abortable): Promise<PruneResult> { return this.#pieces(prune, options); }
  /** Moves records out of thinly used big-blocks. */
  reblock(options: ReblockOptions & Abortable = {}): Promise<ReblockResult> { return this.#pieces(reblock, options); }
  /** Packs the B-Tree. */
  rebalance(options: RebalanceOptions & Abortable = {}): Promise<RebalanceResult> { return this.#pieces(rebalance, options); }

  /**
   * Runs maintenance piece by piece; between two, other operations have their turn and the signal is looked at. Pieces may
   * read more than any cache holds, so they cannot be repeated for bytes that are missing. Throws EINVAL then.
   */
  async #pieces<O extends ScanOptions, R extends ScanOutcome>(operation: (m: HammerMount, options: O) => R, given: O & Abortable): Promise<R> {
    if (this.#adapters.length > 0) throw new HammerError("EINVAL", "maintenance needs devices that are read at once: copy the image into memory, or to a file");
    const { signal, progress, ...options } = given;
    let total: R | null = null;
    for (let resume = options.resume; ;) {
      signal?.throwIfAborted();
      const r: R = await this.#run((m) => {
        let steps = 0;
        const piece = { ...options, ...(resume === undefined ? {} : { resume }), progress: () => ++steps < PIECE_STEPS };
        return operation(m, piece as unknown as O);
      });
      const sums = { ...r } as Record<string, unknown>;
      if (total !== null) for (const [key, value] of Object.entries(total)) if (typeof value === "number") sums[key] = value + (r as unknown as Record<string, number>)[key]!;
      total = sums as unknown as R;
      if (r.stoppedAt === null || progress?.(PIECE_STEPS) === false) return total;
      resume = r.stoppedAt;
    }
  }

  /** What changed in a PFS since a TID, or all of it, as a mirror stream. Other operations wait until a piece is taken. */
  async *mirrorRead(options: MirrorReadOptions & Abortable = {}): AsyncGenerator<Uint8Array> {
    const { signal, ...what } = options;
    const range = await this.#run((m) => {
      if (!m.readOnly) m.sync();
      return new MirrorSource(m, what);
    });
    for (;;) {
      signal?.throwIfAborted();
      const piece = await this.#run(() => range.next(READ_BYTES));
      if (piece === null) return;
      yield piece;
    }
  }

  /** Applies a mirror stream to a slave; see mirrorWrite. Durable on resolution. Given up, it can be resumed. */
  async mirrorWrite(
    stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: MirrorWriteOptions & Abortable,
  ): Promise<MirrorPass[]> {
    const receiver = await this.#run((m) => new MirrorReceiver(m, options));
    for await (const piece of stream) {
      options.signal?.throwIfAborted();
      receiver.feed(piece);
      while (await this.#run(() => receiver.step()));
    }
    const passes = receiver.end();
    for (const a of this.#adapters) await a.drain();
    return passes;
  }

  /** Size and free space, as statfs shows them. */
  statfs(): Promise<HammerStatfs> { return this.#run((m) => m.statfs()); }
  info(): Promise<HammerInfo> { return this.#run((m) => m.info()); }
  listPfs(): Promise<PfsInfo[]> { return this.#run((m) => m.listPfs()); }
  listSnapshots(pfs = 0): Promise<SnapshotInfo[]> { return this.#run((m) => m.listSnapshots(pfs)); }

  /** Makes everything durable. Resolves to a TID as of which the file system can be seen as it is now. */
  async sync(): Promise<bigint> {
    const tid = await this.#run((m) => m.sync());
    for (const a of this.#adapters) await a.drain();
    return tid;
  }

  /** Makes everything durable and closes the devices. */
  async unmount(): Promise<void> {
    try {
      await this.#run((m) => m.unmount());
    } finally {
      for (const a of this.#adapters) await a.end();
    }
  }
}

function stats(ip: HammerInode): Stats {
  return {
    objId: ip.objId, type: ip.type, mode: ip.mode, uid: ip.uid, gid: ip.gid, size: ip.size, nlinks: ip.nlinks, uflags: ip.uflags,
    rmajor: ip.rmajor, rminor: ip.rminor, ctimeMs: ip.ctime / 1000,
    mtimeMs: (ip.historical ? ip.ctime : ip.mtime) / 1000, atimeMs: (ip.historical ? ip.ctime : ip.atime) / 1000, asof: ip.historical ? ip.asof : null, pfs: ip.pfs,
  };
}

/** Repeats `body` until no bytes are missing. */
async function withBytes<T>(body: () => T): Promise<T> {
  for (;;) {
    let device: AsyncDeviceAdapter;
    let offset: number;
    let length: number;
    try {
      return body();
    } catch (e) {
      if (!isBufferMiss(e) || !(e.device instanceof AsyncDeviceAdapter)) throw e;
      ({ device, offset, length } = e as { device: AsyncDeviceAdapter; offset: number; length: number });
    }
    await device.load(offset, length);
  }
}

/** Mounts the file system on devices of either kind. Read-only by default. Throws what the synchronous mount throws. */
export async function mount(
  devices: readonly (BlockDevice | AsyncBlockDevice)[], options: Partial<MountOptions> & Pick<MountOptions, "now">,
): Promise<HammerFs> {
  const adapters: AsyncDeviceAdapter[] = [];
  const all = devices.map((d): BlockDevice => {
    if (!("asynchronous" in d)) return d;
    const a = new AsyncDeviceAdapter(d, options.cacheBytes);
    adapters.push(a);
    return a;
  });
  const m = await withBytes(() => mountSync(all, { readOnly: true, closeDevices: true, ...options }));
  return new HammerFs(m, adapters);
}
