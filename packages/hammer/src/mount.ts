// SPDX-License-Identifier: BSD-3-Clause
/**
 * A mounted file system: what callers see.
 *
 * Names are byte strings (one char code a byte). Every inode handed out carries a reference that the caller gives back
 * with rele. All calls are synchronous; on an asynchronous device a call may throw BufferMiss, before it has changed
 * anything, and is to be repeated once the bytes named are there.
 *
 * Invariants
 *   M1  Whatever is reached through a TID other than the present is read-only, and so is all below it; so are slave PFSs.
 *   M2  A read-only mount writes nothing to any device, not even to recover.
 *   M3  After a call the cache may shrink; between calls only inodes live on.
 * @module
 */
import { BTree, Cursor } from "./btree/cursor.ts";
import { Key, hi32, lo32 } from "./btree/key.ts";
import { BufferCache, LEAST_BUFFERS } from "./buffer.ts";
import type { BlockDevice } from "./device.ts";
import { BUFSIZE, INODE_DATA, BIGBLOCK_SIZE, LOCALIZE_INODE, OBJID_ROOT, REC_INODE, VOLUME, uuidText } from "./disk/index.ts";
import { HammerError, hex64, isBufferMiss } from "./error.ts";
import { fsyncInode } from "./fsync.ts";
import {
  dataHistory, direntHistory, directoryHistory, fullHistory, tidAtTime, inodeHistory, type DirentHistoryEntry, type HistoryEntry,
} from "./history.ts";
import { openVolumes, type Volumes } from "./io.ts";
import type { HammerInfo, HammerStatfs, MountOptions } from "./mount-options.ts";
import { MirrorSource } from "./mirror/copy.ts";
import type { MirrorReadOptions } from "./mirror/read.ts";
import { lookupDirent, readdir, type ReaddirCallback } from "./object/dirent.ts";
import { BlockCache, readFile, truncateFile, writeFile } from "./object/file.ts";
import { HammerInode, InodeTable, decodeInode, objTypeOf } from "./object/inode.ts";
import { destroyInode } from "./object/inode-sync.ts";
import {
  createObject, linkEntry, exchangeEntries, renameEntry, rmdirEntry, setAttributes, unlinkEntry, type CreateOptions, type SetattrOptions,
} from "./object/namespace.ts";
import { metaData } from "./object/record.ts";
import { linkTarget } from "./object/symlink.ts";
import { getXattr, listXattr, removeXattr, setXattr, type SetXattrMode } from "./object/xattr.ts";
import { MAX_TID, parseXlink } from "./object/xlink.ts";
import { listPfs, type PfsInfo } from "./pfs.ts";
import { recover, type Recovery } from "./recover.ts";
import { finishRecovery } from "./replay.ts";
import { listSnapshots, readConfig, type SnapshotInfo } from "./snapshot.ts";
import { Engine } from "./transaction.ts";

const DEFAULT_FSYNC_MODE = 2;
const DEFAULT_CACHE_BYTES = 128 << 20;
/** Bytes of cache for which one unreferenced inode is kept. */
const CACHE_PER_IDLE_INODE = 4096;
const LEAST_IDLE_INODES = 1024;
/** Bytes of a mirror stream put together at a time. */
const MIRROR_BATCH = 1 << 20;
const BLOCKS_PER_BIGBLOCK = BIGBLOCK_SIZE / BUFSIZE;
const $key = new Key();

/** A mounted file system. Made by mount(). */
export class HammerMount {
  readonly vols: Volumes;
  readonly cache: BufferCache;
  readonly tree: BTree;
  readonly inodes: InodeTable;
  readonly blocks: BlockCache;
  /** For lookups that end within one call. */
  readonly cursor: Cursor;
  readonly options: MountOptions;
  readonly readOnly: boolean;
  /** What recovery did when the file system was mounted. */
  readonly recovery: Recovery;
  /** Root directory of PFS 0, now. Referenced while mounted. */
  readonly root: HammerInode;
  #mounted = true;
  /** Ids of the slave PFSs, once somebody has asked. */
  #slaves: Set<number> | null = null;
  /** The writing side; null on a read-only mount. */
  readonly #engine: Engine | null;
  readonly #cacheBytes: number;
  readonly #devices: readonly BlockDevice[];

  /** `devices` are those given to mount; recovery may have laid others over them. */
  constructor(recovery: Recovery, options: MountOptions, readOnly: boolean, devices: readonly BlockDevice[]) {
    this.#devices = devices;
    this.recovery = recovery;
    this.options = options;
    this.readOnly = readOnly;
    this.vols = openVolumes(recovery.devices);
    const cacheBytes = options.cacheBytes ?? DEFAULT_CACHE_BYTES;
    this.#cacheBytes = cacheBytes;
    this.cache = new BufferCache(this.vols, cacheBytes);
    this.tree = new BTree(this.cache);
    this.cursor = new Cursor(this.tree);
    this.inodes = new InodeTable(Math.max(LEAST_IDLE_INODES, Math.floor(cacheBytes / CACHE_PER_IDLE_INODE)), (ip) => this.blocks.forget(ip));
    const { volumes, cache, tree, inodes } = { volumes: this.vols, cache: this.cache, tree: this.tree, inodes: this.inodes };
    this.#engine = readOnly ? null : new Engine({
      volumes, cache, tree, inodes, cacheBytes, now: options.now, noHistory: options.noHistory ?? false,
      undo: recovery,
    });
    this.blocks = this.#engine?.blocks ?? new BlockCache(cacheBytes);
    const root = this.getInode(0, OBJID_ROOT, 0, -1, -1);
    if (root === null || root.type !== "dir")
      throw new HammerError("EIO", `${this.vols.root.device.name}: the root directory (object 1) is missing`);
    this.root = root;
  }

  get version(): number { return this.vols.version; }
  get label(): string { return this.vols.label; }

  /** Figures from the volume header. */
  info(): HammerInfo {
    const h = VOLUME.read(this.vols.root.view, 0); // the writing side keeps it up to date
    return {
      label: h.vol_label, fsid: uuidText(h.vol_fsid), version: this.version, volumes: h.vol_count,
      bigblocks: Number(h.vol0_stat_bigblocks), freeBigblocks: Number(h.vol0_stat_freebigblocks),
      inodes: Number(h.vol0_stat_inodes), nextTid: h.vol0_next_tid,
    };
  }

  statfs(): HammerStatfs {
    const i = this.info();
    const free = i.freeBigblocks * BLOCKS_PER_BIGBLOCK;
    return { blockSize: BUFSIZE, blocks: i.bigblocks * BLOCKS_PER_BIGBLOCK, free, avail: free, files: i.inodes, fsid: i.fsid };
  }

  #check(): void {
    if (!this.#mounted) throw new HammerError("E_CLOSED", `${this.vols.root.device.name}: not mounted any more`);
  }

  /** Invariant M3. One bound for both caches, of which neither is pressed below half. */
  #trim(): void {
    const all = this.#cacheBytes;
    const meta = this.cache.count * BUFSIZE, data = this.blocks.bytes - this.blocks.dirtyBytes;
    if (meta + data <= all) return;
    this.cache.limit = Math.max(LEAST_BUFFERS, Math.floor(Math.max(all / 2, all - data) / BUFSIZE));
    this.blocks.limit = Math.max(all / 2, all - meta);
    this.cache.trim();
    this.blocks.trim();
  }

  /** True for objects of a slave PFS. */
  #inSlave(ip: HammerInode): boolean {
    if (ip.loc === 0) return false;
    this.#slaves ??= new Set(listPfs(this.cursor, 0n).filter((p) => p.slave).map((p) => p.id));
    return this.#slaves.has(ip.pfs);
  }

  /** To be called when PFS records have changed. */
  pfsChanged(): void { this.#slaves = null; }

  /** The writing side, for an operation on `ip`. Throws EROFS for what cannot be changed (M1). */
  #writing(ip: HammerInode): Engine {
    this.#check();
    if (this.#engine === null)
      throw new HammerError("EROFS", `${this.vols.root.device.name}: mounted read-only`, { objId: ip.objId });
    if (ip.historical) throw new HammerError("EROFS", `object ${hex64(ip.objId)} is seen as of ${hex64(ip.asof)}`, { objId: ip.objId });
    if (ip.dummy) throw new HammerError("EROFS", `object ${hex64(ip.objId)} has no inode`, { objId: ip.objId });
    if (this.#inSlave(ip)) throw new HammerError("EROFS", `PFS #${ip.pfs} is a slave: it changes by mirroring only`, { objId: ip.objId });
    return this.#engine;
  }

  /** The inode with that id, referenced; null if it does not exist as of the TID. Throws EIO, EBADCRC, BufferMiss. */
  getInode(objHi: number, objLo: number, loc: number, asofHi: number, asofLo: number): HammerInode | null {
    let ip = this.inodes.get(objHi, objLo, loc, asofHi, asofLo);
    if (ip !== null) {
      this.inodes.ref(ip);
      return ip;
    }
    $key.set(loc | LOCALIZE_INODE, objHi, objLo, REC_INODE, 0, 0);
    if (!this.cursor.lookup($key, asofHi, asofLo)) return null;
    const d = metaData(this.cursor, INODE_DATA.size);
    ip = new HammerInode(objHi, objLo, loc, asofHi, asofLo);
    if (!decodeInode(ip, d.buffer.view, d.at))
      throw new HammerError("EIO", `inode ${hex64(ip.objId)}: unknown object type ${ip.objType}`, { objId: ip.objId });
    ip.refs = 1;
    this.inodes.add(ip);
    return ip;
  }

  /** Takes another reference. */
  ref(ip: HammerInode): void { this.inodes.ref(ip); }

  /** Gives a reference back. The last one of an object without links ends the object; that may throw ENOSPC or EIO. */
  rele(ip: HammerInode): void {
    if (--ip.refs > 0) return;
    if (ip.nlinks === 0 && this.#engine !== null && !ip.historical && !ip.dummy && !this.#inSlave(ip)) this.#end(this.#engine, ip);
    else if (ip.dummy) this.inodes.remove(ip);
    else if (ip.dirty === 0) this.inodes.idle(ip);
  }

  /** Ends an object now or, where that cannot be completed, before the next change: the reference is gone either way. */
  #end(e: Engine, ip: HammerInode): void {
    try {
      this.#destroy(e, ip);
    } catch (error) {
      e.orphans.add(ip);
      if (!isBufferMiss(error)) throw error;
    }
  }

  #destroy(e: Engine, ip: HammerInode): void {
    e.beginShrinking();
    // What could not be completed before has been by now, and may have been this object.
    if (this.inodes.get(ip.objHi, ip.objLo, ip.loc, ip.asofHi, ip.asofLo) === ip) destroyInode(e, ip);
  }

  /** Root directory of `pfs` as of `tid` (all ones: now), referenced; null if it does not exist. */
  asof(tid: bigint, pfs = 0): HammerInode | null {
    this.#check();
    return this.getInode(0, OBJID_ROOT, pfs << 16, hi32(tid), lo32(tid));
  }

  /**
   * Looks `name` up in `dir`: "." and ".." (null above a root directory of the present), `@@` names (as-of views and PFSs),
   * entries. Returns a referenced inode, or null if there is none. Throws ENOTDIR, ENAMETOOLONG, EIO, EBADCRC, BufferMiss.
   */
  lookup(dir: HammerInode, name: string): HammerInode | null {
    this.#check();
    if (dir.type !== "dir") throw new HammerError("ENOTDIR", `object ${hex64(dir.objId)} is not a directory`, { objId: dir.objId, name });
    try {
      if (name === "..") return this.#parent(dir);
      let { asofHi, asofLo } = dir;
      let entry = name;
      if (name.includes("@@")) {
        const x = parseXlink(name);
        if (x !== null) {
          asofHi = hi32(x.tid);
          asofLo = lo32(x.tid);
          entry = x.name;
          if (entry === "" && x.pfs !== null) return this.getInode(0, OBJID_ROOT, x.pfs << 16, asofHi, asofLo);
        }
      }
      if (entry === "" || entry === ".") return this.getInode(dir.objHi, dir.objLo, dir.loc, asofHi, asofLo);
      const t = lookupDirent(this.cursor, dir, entry, asofHi, asofLo);
      if (t === null) return null;
      const { objHi, objLo, loc } = t;
      return this.getInode(objHi, objLo, loc, asofHi, asofLo) ?? this.#dummyInode(dir, entry, objHi, objLo, loc, asofHi, asofLo);
    } finally {
      this.#trim();
    }
  }

  /**
   * What an entry without an inode leads to: a fifo, which copy programs pass over. Ordinary in the past of objects that
   * keep no history, damage in the present.
   */
  #dummyInode(dir: HammerInode, name: string, objHi: number, objLo: number, loc: number, asofHi: number, asofLo: number): HammerInode {
    if (!dir.historical && asofHi === -1 && asofLo === -1)
      this.options.log?.(`directory ${hex64(dir.objId)}: entry "${name}" names an object that does not exist`);
    const ip = new HammerInode(objHi, objLo, loc, asofHi, asofLo);
    ip.dummy = true;
    ip.objType = objTypeOf("fifo");
    ip.type = "fifo";
    ip.refs = 1;
    this.inodes.add(ip);
    return ip;
  }

  #parent(dir: HammerInode): HammerInode | null {
    if ((dir.parentHi | dir.parentLo) !== 0) {
      // The root of a PFS, in file systems of old, names the directory in PFS 0 that holds its link.
      const loc = dir.objHi === 0 && dir.objLo === OBJID_ROOT ? 0 : dir.loc;
      return this.getInode(dir.parentHi, dir.parentLo, loc, dir.asofHi, dir.asofLo);
    }
    return dir.historical ? this.getInode(dir.objHi, dir.objLo, 0, -1, -1) : null;
  }

  /** Lists a directory; see readdir() in object/dirent.ts. `cookie` 0 starts. Throws ENOTDIR, EIO, EBADCRC, BufferMiss. */
  readdir(dir: HammerInode, cookie: bigint | number, callback: ReaddirCallback): void {
    this.#check();
    if (dir.type !== "dir") throw new HammerError("ENOTDIR", `object ${hex64(dir.objId)} is not a directory`, { objId: dir.objId });
    // A cursor of its own: the callback may look names up.
    readdir(new Cursor(this.tree), dir, BigInt(cookie), callback);
    this.#trim();
  }

  /**
   * Reads up to `length` bytes of a file from `offset` into `buf` at `bufOff`. Returns how many; 0 at or behind the end.
   * Throws EISDIR, EINVAL (no file), EIO, EBADCRC, BufferMiss.
   */
  read(ip: HammerInode, offset: number, buf: Uint8Array, bufOff: number, length: number): number {
    this.#check();
    this.#checkFile(ip);
    const n = Math.min(length, ip.size - offset, buf.length - bufOff);
    if (!(n > 0)) return 0;
    readFile(this.blocks, this.cursor, ip, offset, buf, bufOff, n);
    this.#trim();
    return n;
  }

  /** Target of a symlink; links to PFSs come out expanded, as the kernel shows them. Throws EINVAL, EIO, EBADCRC, BufferMiss. */
  readlink(ip: HammerInode): string {
    this.#check();
    if (ip.type !== "symlink") throw new HammerError("EINVAL", `object ${hex64(ip.objId)} is not a symlink`, { objId: ip.objId });
    return linkTarget(this.cursor, ip, () => this.info().nextTid);
  }

  /** Value of an extended attribute, a copy; null if the object has none of that name. Names are byte strings. Throws EIO, EBADCRC, BufferMiss. */
  getXattr(ip: HammerInode, name: string): Uint8Array | null {
    this.#check();
    return getXattr(this.cursor, ip, name);
  }

  /** Names of an object's extended attributes, in no order that means anything. Throws EIO, EBADCRC, BufferMiss. */
  listXattr(ip: HammerInode): string[] {
    this.#check();
    return listXattr(this.cursor, ip);
  }

  /** All pseudo file systems that exist. */
  listPfs(): PfsInfo[] {
    this.#check();
    return listPfs(this.cursor, this.info().nextTid);
  }

  /** Snapshot records of a PFS, in order of their TIDs. */
  listSnapshots(pfs = 0): SnapshotInfo[] {
    this.#check();
    return listSnapshots(this.cursor, pfs);
  }

  /** Configuration text of a PFS, or null. */
  config(pfs = 0): string | null {
    this.#check();
    return readConfig(this.cursor, pfs);
  }

  /** Changes of an object's inode, oldest first. */
  history(ip: HammerInode): HistoryEntry[] {
    this.#check();
    return inodeHistory(this.cursor, ip);
  }

  /** Changes of a file's bytes in [offset, offset + length). */
  dataHistory(ip: HammerInode, offset: number, length: number): HistoryEntry[] {
    this.#check();
    return dataHistory(this.cursor, ip, offset, length);
  }

  /** Changes of what is in a directory, in the order of its entries' keys. */
  directoryHistory(dir: HammerInode): HistoryEntry[] {
    this.#check();
    return directoryHistory(this.cursor, dir);
  }

  /** Every entry a directory ever had under a name, oldest first. */
  direntHistory(dir: HammerInode, name: string): DirentHistoryEntry[] {
    this.#check();
    return direntHistory(this.cursor, dir, name);
  }

  /** Every TID at which the object looked different, oldest first. */
  fullHistory(ip: HammerInode): HistoryEntry[] {
    this.#check();
    return fullHistory(this.cursor, ip);
  }

  /** The last TID given out at or before a time, seconds since 1970; null when history does not reach back so far. Reads everything. */
  tidAt(time: number): bigint | null {
    this.#check();
    return tidAtTime(new Cursor(this.tree), time);
  }

  /** A mirror stream of a PFS, record by record; what changes meanwhile is not in it. */
  *mirrorRead(options: MirrorReadOptions = {}): Generator<Uint8Array> {
    this.#check();
    const source = new MirrorSource(this, options);
    for (let batch = source.records(MIRROR_BATCH); batch !== null; batch = source.records(MIRROR_BATCH)) yield* batch;
  }

  /** Makes an object in `dir`. Returns it referenced. Throws EEXIST, ENOTDIR, EINVAL, ENAMETOOLONG, ENOSPC, EROFS, EIO. */
  create(dir: HammerInode, name: string, options: CreateOptions): HammerInode {
    const ip = createObject(this.#writing(dir), dir, name, options);
    this.#trim();
    return ip;
  }

  /** Writes `length` bytes of `buf` from `bufOff` at `offset`. Returns how many. Throws EISDIR, EINVAL, EFBIG, ENOSPC, EROFS, EIO. */
  write(ip: HammerInode, offset: number, buf: Uint8Array, bufOff: number, length: number): number {
    const e = this.#writing(ip);
    this.#checkFile(ip);
    const n = writeFile(e, ip, offset, buf, bufOff, Math.min(length, buf.length - bufOff));
    this.#trim();
    return n;
  }

  /** Sets the size of a file; what is added reads as zeros. Throws EISDIR, EINVAL, EFBIG, ENOSPC, EROFS, EIO. */
  truncate(ip: HammerInode, size: number): void {
    const e = this.#writing(ip);
    this.#checkFile(ip);
    truncateFile(e, ip, size);
    this.#trim();
  }

  /** Changes attributes. */
  setattr(ip: HammerInode, attributes: SetattrOptions): void {
    setAttributes(this.#writing(ip), ip, attributes);
    this.#trim();
  }

  /**
   * Gives an object an extended attribute: up to 255 bytes of name, and with it 16,376 of value. Throws EEXIST, ENOATTR (see the mode),
   * EINVAL, E2BIG, EOPNOTSUPP (a directory of version 1), ENOSPC, EROFS, EIO.
   */
  setXattr(ip: HammerInode, name: string, value: Uint8Array, mode: SetXattrMode = "set"): void {
    setXattr(this.#writing(ip), ip, name, value, mode);
    this.#trim();
  }

  /** Removes an extended attribute. Throws ENOATTR, ENOSPC, EROFS, EIO. */
  removeXattr(ip: HammerInode, name: string): void {
    removeXattr(this.#writing(ip), ip, name);
    this.#trim();
  }

  /** Makes another entry for an object that is not a directory. Throws EPERM, EXDEV, EEXIST and what create throws. */
  link(ip: HammerInode, dir: HammerInode, name: string): void {
    this.#writing(ip);
    linkEntry(this.#writing(dir), ip, dir, name);
    this.#trim();
  }

  /** Removes an entry that is not a directory's. Throws ENOENT, EISDIR and what create throws. */
  unlink(dir: HammerInode, name: string): void {
    unlinkEntry(this, this.#writing(dir), dir, name);
    this.#trim();
  }

  /** Removes an empty directory. Throws ENOENT, ENOTDIR, ENOTEMPTY and what create throws. */
  rmdir(dir: HammerInode, name: string): void {
    rmdirEntry(this, this.#writing(dir), dir, name);
    this.#trim();
  }

  /** Renames, replacing an existing target as POSIX says. Throws ENOENT, EXDEV, EINVAL, ENOTDIR, EISDIR, ENOTEMPTY, … */
  rename(sdir: HammerInode, sname: string, tdir: HammerInode, tname: string): void {
    this.#writing(sdir);
    renameEntry(this, this.#writing(tdir), sdir, sname, tdir, tname);
    this.#trim();
  }

  /** Lets two entries of a pseudo file system change what they name, in one step. Throws ENOENT, EXDEV, EINVAL, … */
  exchange(sdir: HammerInode, sname: string, tdir: HammerInode, tname: string): void {
    this.#writing(sdir);
    exchangeEntries(this, this.#writing(tdir), sdir, sname, tdir, tname);
    this.#trim();
  }

  /** Returns when the file, as it is now, is durable; what that takes is up to MountOptions.fsyncMode. */
  fsync(ip: HammerInode): void {
    this.#check();
    if (!ip.historical && this.#engine !== null) fsyncInode(this.#engine, ip, this.options.fsyncMode ?? DEFAULT_FSYNC_MODE);
  }

  /** Returns when everything is durable. The result is a TID as of which the file system can be seen as it is now. */
  sync(): bigint {
    this.#check();
    this.#engine?.flush();
    this.#trim();
    return this.info().nextTid;
  }

  #checkFile(ip: HammerInode): void {
    if (ip.type !== "file")
      throw new HammerError(ip.type === "dir" ? "EISDIR" : "EINVAL", `object ${hex64(ip.objId)} is a ${ip.type}, not a file`, { objId: ip.objId });
  }

  /** Stage 2 of recovery, and the flush that ends it. Throws ERANGE, and what writing throws. */
  finishRecovery(): void {
    if (this.#engine !== null && !this.recovery.clean)
      finishRecovery(this, this.#engine, this.recovery, this.options.skipRedo ?? 0, (message) => this.options.log?.(`HAMMER(${this.label}) ${message}`));
  }

  /**
   * The writing side, for maintenance, with nothing dirty and no operation under way. Throws EROFS on a read-only mount and
   * what sync throws.
   */
  engine(): Engine {
    const e = this.#writing(this.root);
    e.flush();
    this.#trim();
    return e;
  }

  /** Makes everything durable and gives up the file system, also when that fails. The devices stay open unless the options say otherwise; they are the caller's. */
  unmount(): void {
    this.#check();
    const e = this.#engine;
    try {
      if (e !== null) {
        // Files that were removed while open end now; their users are gone.
        for (const ip of [...this.inodes.values()]) if (ip.nlinks === 0 && !ip.historical && !ip.dummy && !this.#inSlave(ip)) this.#destroy(e, ip);
        e.flush();
      }
    } catch (error) {
      if (!isBufferMiss(error)) this.#close();
      throw error; // after a BufferMiss still mounted: the call is to be repeated
    }
    this.#close();
  }

  #close(): void {
    this.#mounted = false;
    if (!this.options.closeDevices) return;
    this.vols.close();
    for (const d of this.#devices) if (!this.vols.list.some((v) => v.device === d)) d.close();
  }
}

/**
 * Mounts the file system on `devices` (in any order), recovering it first. Throws EROFS (for writing, on a read-only device),
 * what openVolumes and recover throw, and what carrying out REDO records throws.
 */
export function mount(devices: readonly BlockDevice[], options: MountOptions): HammerMount {
  const readOnly = options.readOnly ?? devices.some((d) => d.readOnly);
  const sealed = readOnly ? undefined : devices.find((d) => d.readOnly);
  if (sealed !== undefined) throw new HammerError("EROFS", `${sealed.name}: opened read-only; open it for writing, or mount read-only`);
  let recovery = recover(devices, { readOnly, log: options.log });
  if (readOnly && options.redoInMemory === true && recovery.redoFrom !== null) {
    new HammerMount(recovery, { ...options, closeDevices: false }, false, []).finishRecovery();
    recovery = { ...recovery, devices: recover(recovery.devices, { readOnly }).devices };
  }
  const m = new HammerMount(recovery, options, readOnly, devices);
  m.finishRecovery();
  return m;
}

export { MAX_TID };
export type { HammerInfo, HammerStatfs, MountOptions };
