// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER in the kernel: vnodes over the inodes of @vkernel/hammer (DragonFly 2.0 sys/vfs/hammer/hammer_vnops.c,
 * hammer_vfsops.c). The only folder that names that package.
 *
 * Invariants
 *   HV1  A vnode holds one reference on its inode, and is the only vnode of it (`vnodes`).
 *   HV2  What the core throws leaves here as an Errno or an IoMiss (error.ts).
 *   HV3  An inode whose last reference could not be given back (no space to record its end) is in `doomed`, and is
 *        tried again with every sync.
 *   HV4  A position in a directory is a small number that stands for a key of the core, the same as long as the
 *        vnode lives: keys take 63 bits, positions must be numbers.
 *   HV5  ctime moves as POSIX says, while the records stay as DragonFly writes them. There, entries of a directory and writes that do
 *        not extend a file move the stored mtime alone, in place, so as not to make a version of the inode each time. But the
 *        kernel never moves mtime without ctime, and utimes(2) stores a ctime of its own: an mtime later than the stored ctime
 *        was moved by the kernel since, and is the ctime to show. Only an mtime ahead of the clock is not: utimes set it.
 *        (Once the clock has reached such an mtime, and nothing else happened, it is shown for the ctime.)
 *   HV6  What is seen as of the past has its ctime for all three times (hammer_vop_getattr): the others are updated in place,
 *        and would be later than what is seen. Reading moves no atime, as the mount's flags say.
 * @module
 */
import type { BlockDevice, HammerFileType, HammerInode, HammerMount as Core } from "@vkernel/hammer";
import { mount as mountCore } from "@vkernel/hammer";
import { EISDIR, ENOTDIR, EROFS, ESTALE } from "../../sys/errno.ts";
import { majorOf, makedev, minorOf } from "../../sys/stat.ts";
import type { Ucred } from "../../sys/ucred.ts";
import { accessOk } from "../../sys/ucred.ts";
import type { Statfs } from "../mount.ts";
import { type Barrier, MNT_LOCAL, MNT_NOATIME, MNT_RDONLY, Mount } from "../mount.ts";
import type { ReaddirKeySink, ReaddirSink, Vattr, VattrChange, VnodeCreate, Vtype, XattrMode } from "../vnode.ts";
import { VBLK, VCHR, VDIR, VFIFO, VLNK, Vnode, VREG, VSOCK } from "../vnode.ts";
import { BACKLOG_MAX, CothreadDisk } from "./cothread-disk.ts";
import { HammerMiss, kernelError, RoomMiss } from "./error.ts";
import { hammerIoctl } from "./ioctl.ts";

const TYPE: Readonly<Record<HammerFileType, Vtype>> = {
  file: VREG,
  dir: VDIR,
  symlink: VLNK,
  chardev: VCHR,
  blockdev: VBLK,
  fifo: VFIFO,
  socket: VSOCK,
};
const HAMMER_TYPE: readonly (HammerFileType | null)[] = [null, "file", "dir", "blockdev", "chardev", "symlink", "socket", "fifo"];
const BLOCK = 16384;
const TWO32 = 4294967296;
/** Object id, TID, PFS. */
const FID_BYTES = 18;
const PFS_SPREAD = 0x9e37_79b1;

/** The guest's own memory and the machine's are bounded together; a mount gets less of it than it would alone. */
const DEFAULT_CACHE_BYTES = 64 << 20;

export interface HammerfsOptions {
  readOnly?: boolean;
  /** Keep no history ("nohistory"). */
  noHistory?: boolean;
  /** Default 64 MiB. */
  cacheBytes?: number;
  /** Wall clock, µs since 1970. */
  now: () => number;
  log: (line: string) => void;
  /** Receives the first failure of the disk or the image; the others go to the log, like everything when it is not given. */
  tell?: (line: string) => void;
}

export class HammerfsMount extends Mount {
  override readonly fstype = "hammer";
  readonly core: Core;
  readonly miss = new HammerMiss();
  /** Wall clock, µs since 1970. */
  readonly now: () => number;
  private readonly log: (line: string) => void;
  /** Where the next failure is said. */
  private failed: (line: string) => void;
  private readonly vnodes = new Map<HammerInode, HammerVnode>();
  private readonly doomed = new Set<HammerInode>();
  /** Volumes that work beside the processor. */
  private readonly disks: readonly CothreadDisk[];
  /** After a forced unmount users may still give vnodes back; the core has given up all inodes by then. */
  private gone = false;

  /**
   * Mounts what is on the devices, recovering it first; takes the devices over and closes them at unmount. Throws
   * HammerError, whose message says what is wrong with the image.
   */
  constructor(from: string, devices: readonly BlockDevice[], options: HammerfsOptions) {
    super(from, MNT_LOCAL | MNT_NOATIME | (options.readOnly === true ? MNT_RDONLY : 0));
    this.now = options.now;
    this.log = options.log;
    this.failed = (line) => {
      this.failed = options.log;
      (options.tell ?? options.log)(line);
    };
    this.disks = devices.filter((d) => d instanceof CothreadDisk);
    this.core = mountCore(devices, {
      now: () => BigInt(Math.floor(options.now())),
      log: (message) => options.log(message),
      closeDevices: true,
      ...(options.readOnly === undefined ? {} : { readOnly: options.readOnly }),
      ...(options.noHistory === undefined ? {} : { noHistory: options.noHistory }),
      cacheBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    });
    if (this.core.readOnly) this.flags |= MNT_RDONLY;
  }

  /** An error of the core as the kernel's (HV2). */
  error(e: unknown): unknown {
    return kernelError(e, this.miss, this.failed);
  }

  /** The vnode of an inode whose reference is handed over. Referenced. */
  vnodeOf(ip: HammerInode): HammerVnode {
    const held = this.vnodes.get(ip);
    if (held === undefined) {
      const vp = new HammerVnode(this, ip);
      this.vnodes.set(ip, vp);
      return vp;
    }
    this.core.rele(ip);
    held.refs++;
    return held;
  }

  /** The vnode is no longer used: gives its inode back. */
  forget(ip: HammerInode): void {
    this.vnodes.delete(ip);
    if (!this.gone) this.release(ip);
  }

  private release(ip: HammerInode): void {
    try {
      this.core.rele(ip);
      this.doomed.delete(ip);
    } catch (e) {
      const failure = this.error(e);
      if (!this.doomed.has(ip)) this.log(`hammer: object ${ip.objId} cannot be destroyed yet: ${String(failure)}`);
      this.core.ref(ip);
      this.doomed.add(ip);
    }
  }

  override root(): Vnode {
    this.core.ref(this.core.root);
    return this.vnodeOf(this.core.root);
  }

  override identity(): string {
    return this.core.info().fsid;
  }

  /** struct hammer's fid: object, PFS, and the TID as of which it is looked at. */
  override fid(vp: Vnode): Uint8Array {
    const { ip } = vp as HammerVnode;
    const fid = new DataView(new ArrayBuffer(FID_BYTES));
    fid.setInt32(0, ip.objHi);
    fid.setInt32(4, ip.objLo);
    fid.setInt32(8, ip.asofHi);
    fid.setInt32(12, ip.asofLo);
    fid.setUint16(16, ip.pfs);
    return new Uint8Array(fid.buffer);
  }

  override vnodeOfFid(bytes: Uint8Array): Vnode {
    if (bytes.length !== FID_BYTES) throw ESTALE;
    const fid = new DataView(bytes.buffer, bytes.byteOffset, FID_BYTES);
    let ip: HammerInode | null;
    try {
      const loc = fid.getUint16(16) << 16;
      ip = this.core.getInode(fid.getInt32(0), fid.getInt32(4), loc, fid.getInt32(8), fid.getInt32(12));
    } catch (e) {
      throw this.error(e);
    }
    if (ip === null) throw ESTALE;
    if (ip.nlinks > 0 || ip.historical) return this.vnodeOf(ip);
    // Removed, and held by somebody who has it open.
    this.release(ip);
    throw ESTALE;
  }

  override statfs(): Statfs {
    const s = this.core.statfs();
    return {
      bsize: s.blockSize, iosize: s.blockSize, blocks: s.blocks, bfree: s.free, bavail: s.avail,
      files: s.files + s.free, ffree: s.free,
    };
  }

  override sync(): void {
    for (const ip of [...this.doomed]) this.release(ip);
    if (this.core.readOnly) return;
    try {
      this.core.sync();
    } catch (e) {
      throw this.error(e);
    }
  }

  override barriers(): readonly Barrier[] {
    return this.disks.map((d) => d.barrier).filter((b) => b !== null);
  }

  /** Before a write: throws an IoMiss when a disk is behind with too much already. */
  throttle(): void {
    for (const disk of this.disks) if (disk.backlog > BACKLOG_MAX) throw new RoomMiss(disk.roomChan);
  }

  /** Only to "read-only" and back while the devices allow it: the core stays mounted as it is. */
  override remount(flags: number): void {
    if ((flags & MNT_RDONLY) === 0 && this.core.readOnly) throw EROFS;
    if ((flags & MNT_RDONLY) !== 0) this.sync();
    this.flags = flags;
  }

  override unmount(): void {
    this.gone = true;
    try {
      this.core.unmount();
    } catch (e) {
      throw this.error(e);
    }
  }
}

export class HammerVnode extends Vnode {
  declare readonly mount: HammerfsMount;
  readonly ip: HammerInode;
  /** HV4: keys of the core by position, from position 3 on. */
  private keys: bigint[] | null = null;
  private positions: Map<bigint, number> | null = null;

  constructor(mount: HammerfsMount, ip: HammerInode) {
    super(mount, TYPE[ip.type]);
    this.ip = ip;
  }

  override getattr(): Vattr {
    const { ip } = this;
    const time = (us: number): [number, number] => [Math.floor(us / 1e6), Math.floor(us % 1e6) * 1000];
    const past = ip.historical;
    const [atimeSec, atimeNsec] = time(past ? ip.ctime : ip.atime);
    const [mtimeSec, mtimeNsec] = time(past ? ip.ctime : ip.mtime);
    const [ctimeSec, ctimeNsec] = time(past ? ip.ctime : this.changeTime());
    return {
      type: this.type,
      mode: ip.mode,
      nlink: ip.nlinks,
      uid: ip.uid,
      gid: ip.gid,
      fsid: this.fsid(),
      fileid: (ip.objHi >>> 0) * TWO32 + (ip.objLo >>> 0),
      size: ip.size,
      blocksize: BLOCK,
      bytes: this.type === VREG ? Math.ceil(ip.size / BLOCK) * BLOCK : ip.size,
      rdev: this.type === VCHR || this.type === VBLK ? makedev(ip.rmajor, ip.rminor) : 0,
      flags: ip.uflags,
      atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec,
    };
  }
  /** ctime of the present, µs (HV5). */
  private changeTime(): number {
    const { ctime, mtime } = this.ip;
    return mtime > ctime && mtime <= this.mount.now() ? mtime : ctime;
  }
  /** The past, and a PFS, are other file systems to programs that compare (device, inode). */
  private fsid(): number {
    const { ip, mount } = this;
    let fsid = mount.fsid;
    if (ip.historical) fsid ^= ip.asofHi ^ ip.asofLo ^ 0x80000;
    if (ip.pfs !== 0) fsid ^= Math.imul(ip.pfs, PFS_SPREAD) >>> 12;
    return fsid === mount.fsid ? fsid : fsid & 0xfffff;
  }
  override size(): number {
    return this.ip.size;
  }
  override access(want: number, cred: Ucred): boolean {
    return accessOk(this.ip.mode, this.ip.uid, this.ip.gid, this.type === VDIR, want, cred);
  }

  private checkWritable(): void {
    if ((this.mount.flags & MNT_RDONLY) !== 0 || this.ip.historical) throw EROFS;
  }

  override setattr(change: VattrChange): void {
    this.checkWritable();
    const { core } = this.mount;
    const us = (sec: number, nsec: number | undefined): number => sec * 1e6 + Math.floor((nsec ?? 0) / 1000);
    try {
      if (change.size !== undefined) core.truncate(this.ip, change.size);
      const { mode, uid, gid, flags, atimeSec, mtimeSec } = change;
      if (mode === undefined && uid === undefined && gid === undefined && flags === undefined && atimeSec === undefined && mtimeSec === undefined) {
        return;
      }
      core.setattr(this.ip, {
        ...(mode === undefined ? {} : { mode }),
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
        ...(flags === undefined ? {} : { uflags: flags }),
        ...(atimeSec === undefined ? {} : { atime: us(atimeSec, change.atimeNsec) }),
        ...(mtimeSec === undefined ? {} : { mtime: us(mtimeSec, change.mtimeNsec) }),
        ctime: "now",
      });
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override lookup(name: string): Vnode | null {
    const { mount } = this;
    let ip: HammerInode | null;
    try {
      ip = mount.core.lookup(this.ip, name);
    } catch (e) {
      throw mount.error(e);
    }
    return ip === null ? null : mount.vnodeOf(ip);
  }

  override parent(): Vnode {
    return this.lookup("..") ?? this.mount.root();
  }

  override create(name: string, what: VnodeCreate): Vnode {
    this.checkWritable();
    const { mount } = this;
    try {
      const ip = mount.core.create(this.ip, name, {
        type: HAMMER_TYPE[what.type]!,
        mode: what.mode,
        uid: what.uid,
        gid: what.gid,
        ...(what.target === undefined ? {} : { target: what.target }),
        ...(what.rdev === undefined ? {} : { rmajor: majorOf(what.rdev), rminor: minorOf(what.rdev) }),
      });
      return mount.vnodeOf(ip);
    } catch (e) {
      throw mount.error(e);
    }
  }

  override link(name: string, target: Vnode): void {
    this.checkWritable();
    try {
      this.mount.core.link((target as HammerVnode).ip, this.ip, name);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override unlink(name: string, _vp: Vnode): void {
    this.checkWritable();
    try {
      this.mount.core.unlink(this.ip, name);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override rmdir(name: string, _vp: Vnode): void {
    this.checkWritable();
    try {
      this.mount.core.rmdir(this.ip, name);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override rename(name: string, _vp: Vnode, toDir: Vnode, toName: string, _toVp: Vnode | null): void {
    this.checkWritable();
    try {
      this.mount.core.rename(this.ip, name, (toDir as HammerVnode).ip, toName);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override exchange(name: string, _vp: Vnode, toDir: Vnode, toName: string, _toVp: Vnode): void {
    this.checkWritable();
    try {
      this.mount.core.exchange(this.ip, name, (toDir as HammerVnode).ip, toName);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override readdir(cookie: number, sink: ReaddirSink): boolean {
    if (this.type !== VDIR) throw ENOTDIR;
    const keys = (this.keys ??= []);
    const positions = (this.positions ??= new Map());
    const start = cookie <= 2 ? BigInt(cookie) : (keys[cookie - 3] ?? -1n);
    if (start < 0n) return true;
    return this.readdirKeys(start, (name, fileid, type, next) => {
      if (next <= 2n) return sink(name, fileid, type, Number(next));
      const known = positions.get(next);
      const position = known ?? keys.length + 3;
      if (known === undefined) {
        keys.push(next);
        positions.set(next, position);
      }
      return sink(name, fileid, type, position);
    });
  }

  override readdirKeys(cookie: bigint, sink: ReaddirKeySink): boolean {
    if (this.type !== VDIR) throw ENOTDIR;
    let stopped = false;
    try {
      this.mount.core.readdir(this.ip, cookie, (name, objId, type, next) => {
        if (sink(name, Number(BigInt.asUintN(53, objId)), TYPE[type], next)) return true;
        stopped = true;
        return false;
      });
    } catch (e) {
      throw this.mount.error(e);
    }
    return !stopped;
  }

  override readlink(): string {
    try {
      return this.mount.core.readlink(this.ip);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override read(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (this.type !== VREG) throw EISDIR;
    try {
      return this.mount.core.read(this.ip, offset, buf, bufOff, len);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override write(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    this.checkWritable();
    this.mount.throttle();
    try {
      return this.mount.core.write(this.ip, offset, buf, bufOff, len);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override getXattr(name: string): Uint8Array | null {
    try {
      return this.mount.core.getXattr(this.ip, name);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override listXattr(): Iterable<string> {
    try {
      return this.mount.core.listXattr(this.ip);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override setXattr(name: string, value: Uint8Array, mode: XattrMode): void {
    this.checkWritable();
    this.mount.throttle();
    try {
      this.mount.core.setXattr(this.ip, name, value, mode);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override removeXattr(name: string): void {
    this.checkWritable();
    try {
      this.mount.core.removeXattr(this.ip, name);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override fsync(): void {
    if (this.mount.core.readOnly) return;
    try {
      this.mount.core.fsync(this.ip);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override ioctl(cmd: number, data: Uint8Array): number {
    try {
      return hammerIoctl(this.mount.core, this.ip, cmd, data);
    } catch (e) {
      throw this.mount.error(e);
    }
  }

  override inactive(): void {
    this.keys = null;
    this.positions = null;
    this.mount.forget(this.ip);
  }
}
