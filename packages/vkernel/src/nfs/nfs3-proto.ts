// SPDX-License-Identifier: BSD-3-Clause
/**
 * NFS version 3 as RFC 1813 declares it: structures, and a table of its procedures with what goes in and what comes out.
 * Server, tests and load scripts are derived from this.
 * @module
 */
import {
  bool, enumeration, fixedOpaque, list, opaque, optional, size64, string, struct, uint32, uint64, union, voidType, type Decoded,
  type Xdr,
} from "./xdr.ts";

export const NFS_PROGRAM = 100003;
export const NFS_V3 = 3;
export const NFS_PORT = 2049;

export const FHSIZE3 = 64;
export const COOKIEVERFSIZE = 8;
export const CREATEVERFSIZE = 8;
export const WRITEVERFSIZE = 8;
/** Longest name and path that is read from a call; what a file system allows may be less. */
const NAME_BYTES = 1024;
const PATH_BYTES = 4096;
/** Bytes of data in one READ or WRITE, and of entries in one READDIR. */
export const MAX_DATA = 256 * 1024;
export const MAX_ENTRIES = 64 * 1024;

/** nfsstat3 */
export const NFS3_OK = 0;
export const NFS3ERR_NOENT = 2;
export const NFS3ERR_IO = 5;
export const NFS3ERR_ACCES = 13;
export const NFS3ERR_EXIST = 17;
export const NFS3ERR_NOTDIR = 20;
export const NFS3ERR_INVAL = 22;
export const NFS3ERR_STALE = 70;
export const NFS3ERR_BADHANDLE = 10001;
export const NFS3ERR_NOT_SYNC = 10002;
export const NFS3ERR_BAD_COOKIE = 10003;
export const NFS3ERR_NOTSUPP = 10004;
export const NFS3ERR_TOOSMALL = 10005;
export const NFS3ERR_SERVERFAULT = 10006;
export const NFS3ERR_BADTYPE = 10007;

/** ftype3 has the numbers of the kernel's vnode types: regular file, directory, block, character, link, socket, fifo. */
const ftype3 = enumeration(7, 1);
const handle3 = opaque(FHSIZE3);
const name3 = string(NAME_BYTES);
const path3 = string(PATH_BYTES);
const time3 = struct({ seconds: uint32, nseconds: uint32 });
const specdata3 = struct({ major: uint32, minor: uint32 });

export const fattr3 = struct({
  type: ftype3,
  mode: uint32,
  nlink: uint32,
  uid: uint32,
  gid: uint32,
  size: size64,
  used: size64,
  rdev: specdata3,
  fsid: uint64,
  fileid: uint64,
  atime: time3,
  mtime: time3,
  ctime: time3,
});
const wccAttr = struct({ size: size64, mtime: time3, ctime: time3 });
const postOpAttr = optional(fattr3);
const postOpHandle = optional(handle3);
export const wccData = struct({ before: optional(wccAttr), after: postOpAttr });

/** time_how */
export const DONT_CHANGE = 0;
export const SET_TO_SERVER_TIME = 1;
export const SET_TO_CLIENT_TIME = 2;
const setTime = union({ [DONT_CHANGE]: voidType, [SET_TO_SERVER_TIME]: voidType, [SET_TO_CLIENT_TIME]: time3 });
export const sattr3 = struct({
  mode: optional(uint32),
  uid: optional(uint32),
  gid: optional(uint32),
  size: optional(size64),
  atime: setTime,
  mtime: setTime,
});
const diropargs3 = struct({ dir: handle3, name: name3 });

/** createmode3 */
export const UNCHECKED = 0;
export const GUARDED = 1;
export const EXCLUSIVE = 2;
const createHow = union({ [UNCHECKED]: sattr3, [GUARDED]: sattr3, [EXCLUSIVE]: fixedOpaque(CREATEVERFSIZE) });

/** stable_how */
export const UNSTABLE = 0;
export const DATA_SYNC = 1;
export const FILE_SYNC = 2;

const deviceData = struct({ attributes: sattr3, spec: specdata3 });
/** Of the seven types regular files, directories and links cannot be made by MKNOD; the call names them all the same. */
const mknodData = union({ 1: voidType, 2: voidType, 3: deviceData, 4: deviceData, 5: voidType, 6: sattr3, 7: sattr3 });

/** Bits of ACCESS. */
export const ACCESS3_READ = 0x01;
export const ACCESS3_LOOKUP = 0x02;
export const ACCESS3_MODIFY = 0x04;
export const ACCESS3_EXTEND = 0x08;
export const ACCESS3_DELETE = 0x10;
export const ACCESS3_EXECUTE = 0x20;

/** Bits of FSINFO's properties. */
export const FSF3_LINK = 0x01;
export const FSF3_SYMLINK = 0x02;
export const FSF3_HOMOGENEOUS = 0x08;
export const FSF3_CANSETTIME = 0x10;

const MOST_ENTRIES = MAX_ENTRIES / 24;
const entry = struct({ fileid: uint64, name: name3, cookie: uint64 });
const entryPlus = struct({ fileid: uint64, name: name3, cookie: uint64, attributes: postOpAttr, handle: postOpHandle });

const oneObject = struct({ object: handle3 });
const wccAlone = struct({ wcc: wccData });
const dirWccAlone = struct({ dirWcc: wccData });
const attributesAlone = struct({ attributes: postOpAttr });
const made = struct({ object: postOpHandle, attributes: postOpAttr, dirWcc: wccData });

const NO_WCC = (): Decoded<typeof wccData> => ({ before: null, after: null });
const noAttributes = (): Decoded<typeof attributesAlone> => ({ attributes: null });
const noWcc = (): Decoded<typeof wccAlone> => ({ wcc: NO_WCC() });
const noDirWcc = (): Decoded<typeof dirWccAlone> => ({ dirWcc: NO_WCC() });

/** One procedure. */
export interface Procedure<A, O, F> {
  readonly number: number;
  readonly args: Xdr<A>;
  /** What follows NFS3_OK. */
  readonly ok: Xdr<O>;
  /** What follows any other status, and how it begins: knowing nothing. */
  readonly fail: Xdr<F>;
  readonly failure: () => F;
  /** Carrying it out twice is not the same as once, so a call that comes again gets the first answer. */
  readonly once: boolean;
}
function row<A, O, F>(number: number, args: Xdr<A>, ok: Xdr<O>, fail: Xdr<F>, failure: () => F, once = false): Procedure<A, O, F> {
  return { number, args, ok, fail, failure, once };
}
const ONCE = true;

/** All procedures but NULL, whose number is 0. */
export const NFS3 = {
  GETATTR: row(1, oneObject, struct({ attributes: fattr3 }), voidType, () => null),
  SETATTR: row(2, struct({ object: handle3, changes: sattr3, guard: optional(time3) }), wccAlone, wccAlone, noWcc, ONCE),
  LOOKUP: row(
    3, struct({ what: diropargs3 }), struct({ object: handle3, attributes: postOpAttr, dirAttributes: postOpAttr }),
    struct({ dirAttributes: postOpAttr }), () => ({ dirAttributes: null as Decoded<typeof postOpAttr> }),
  ),
  ACCESS: row(4, struct({ object: handle3, access: uint32 }), struct({ attributes: postOpAttr, access: uint32 }), attributesAlone, noAttributes),
  READLINK: row(5, oneObject, struct({ attributes: postOpAttr, target: path3 }), attributesAlone, noAttributes),
  READ: row(
    6, struct({ file: handle3, offset: size64, count: uint32 }),
    struct({ attributes: postOpAttr, count: uint32, eof: bool, data: opaque(MAX_DATA) }), attributesAlone, noAttributes,
  ),
  WRITE: row(
    7, struct({ file: handle3, offset: size64, count: uint32, stable: enumeration(3), data: opaque(MAX_DATA) }),
    struct({ wcc: wccData, count: uint32, committed: enumeration(3), verifier: fixedOpaque(WRITEVERFSIZE) }), wccAlone, noWcc, ONCE,
  ),
  CREATE: row(8, struct({ where: diropargs3, how: createHow }), made, dirWccAlone, noDirWcc, ONCE),
  MKDIR: row(9, struct({ where: diropargs3, attributes: sattr3 }), made, dirWccAlone, noDirWcc, ONCE),
  SYMLINK: row(10, struct({ where: diropargs3, attributes: sattr3, target: path3 }), made, dirWccAlone, noDirWcc, ONCE),
  MKNOD: row(11, struct({ where: diropargs3, what: mknodData }), made, dirWccAlone, noDirWcc, ONCE),
  REMOVE: row(12, struct({ what: diropargs3 }), dirWccAlone, dirWccAlone, noDirWcc, ONCE),
  RMDIR: row(13, struct({ what: diropargs3 }), dirWccAlone, dirWccAlone, noDirWcc, ONCE),
  RENAME: row(
    14, struct({ from: diropargs3, to: diropargs3 }), struct({ fromWcc: wccData, toWcc: wccData }),
    struct({ fromWcc: wccData, toWcc: wccData }), () => ({ fromWcc: NO_WCC(), toWcc: NO_WCC() }), ONCE,
  ),
  LINK: row(
    15, struct({ file: handle3, where: diropargs3 }), struct({ attributes: postOpAttr, dirWcc: wccData }),
    struct({ attributes: postOpAttr, dirWcc: wccData }), () => ({ ...noAttributes(), ...noDirWcc() }), ONCE,
  ),
  READDIR: row(
    16, struct({ dir: handle3, cookie: uint64, verifier: fixedOpaque(COOKIEVERFSIZE), count: uint32 }),
    struct({ attributes: postOpAttr, verifier: fixedOpaque(COOKIEVERFSIZE), entries: list(entry, MOST_ENTRIES), eof: bool }),
    attributesAlone, noAttributes,
  ),
  READDIRPLUS: row(
    17, struct({ dir: handle3, cookie: uint64, verifier: fixedOpaque(COOKIEVERFSIZE), dircount: uint32, maxcount: uint32 }),
    struct({ attributes: postOpAttr, verifier: fixedOpaque(COOKIEVERFSIZE), entries: list(entryPlus, MOST_ENTRIES), eof: bool }),
    attributesAlone, noAttributes,
  ),
  FSSTAT: row(
    18, oneObject,
    struct({ attributes: postOpAttr, tbytes: size64, fbytes: size64, abytes: size64, tfiles: size64, ffiles: size64, afiles: size64, invarsec: uint32 }),
    attributesAlone, noAttributes,
  ),
  FSINFO: row(
    19, oneObject,
    struct({
      attributes: postOpAttr, rtmax: uint32, rtpref: uint32, rtmult: uint32, wtmax: uint32, wtpref: uint32, wtmult: uint32,
      dtpref: uint32, maxfilesize: size64, timeDelta: time3, properties: uint32,
    }),
    attributesAlone, noAttributes,
  ),
  PATHCONF: row(
    20, oneObject,
    struct({
      attributes: postOpAttr, linkmax: uint32, nameMax: uint32, noTrunc: bool, chownRestricted: bool, caseInsensitive: bool,
      casePreserving: bool,
    }),
    attributesAlone, noAttributes,
  ),
  COMMIT: row(
    21, struct({ file: handle3, offset: size64, count: uint32 }),
    struct({ wcc: wccData, verifier: fixedOpaque(WRITEVERFSIZE) }), wccAlone, noWcc,
  ),
} as const;

export type Nfs3Name = keyof typeof NFS3;
type Row<N extends Nfs3Name> = (typeof NFS3)[N];
export type Nfs3Args<N extends Nfs3Name> = Row<N> extends Procedure<infer A, infer _O, infer _F> ? A : never;
export type Nfs3Ok<N extends Nfs3Name> = Row<N> extends Procedure<infer _A, infer O, infer _F> ? O : never;
export type Nfs3Fail<N extends Nfs3Name> = Row<N> extends Procedure<infer _A, infer _O, infer F> ? F : never;

export type Fattr3 = Decoded<typeof fattr3>;
export type Sattr3 = Decoded<typeof sattr3>;
export type WccData = Decoded<typeof wccData>;
export type WccAttr = Decoded<typeof wccAttr>;
export type DirOpArgs = Decoded<typeof diropargs3>;
