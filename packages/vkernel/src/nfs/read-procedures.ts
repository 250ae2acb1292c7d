// SPDX-License-Identifier: BSD-3-Clause
/**
 * The procedures of NFS version 3 that change nothing (RFC 1813 §3.3.1, 3–6, 16–20; DragonFly 2.0 sys/vfs/nfs/nfs_serv.c).
 * @module
 */
import { EACCES, EINVAL, EISDIR } from "../sys/errno.ts";
import { VEXEC, VREAD, VWRITE } from "../sys/ucred.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { NLC_COVERED, NLC_NAME, nlookup, type Nlookup } from "../vfs/nlookup.ts";
import { Errno } from "../sys/errno.ts";
import { vnodeRead } from "../vfs/vnode-pager.ts";
import { VDIR, VLNK, VREG, type Vnode } from "../vfs/vnode.ts";
import { Nfs3Error, type NfsCall } from "./call.ts";
import {
  ACCESS3_DELETE, ACCESS3_EXECUTE, ACCESS3_EXTEND, ACCESS3_LOOKUP, ACCESS3_MODIFY, ACCESS3_READ, COOKIEVERFSIZE, FSF3_CANSETTIME,
  FSF3_HOMOGENEOUS, FSF3_LINK, FSF3_SYMLINK, MAX_DATA, MAX_ENTRIES, NFS3ERR_BAD_COOKIE, NFS3ERR_TOOSMALL, type Fattr3,
} from "./nfs3-proto.ts";
import type { Plain } from "./procedures.ts";

export const getattr: Plain<"GETATTR"> = (c, { object }) =>
  c.withFile(object, (vp) => ({ attributes: c.attributes(vp) }));

/** The name of the directory itself, or of the one above. */
const DOTS = new Set([".", ".."]);

/** The file of `name` in a directory, for as long as `f` runs. */
function withName<T>(nd: Nlookup, name: string, f: (vp: Vnode) => T): T {
  const nch = nlookup(nd, name, NLC_COVERED | NLC_NAME);
  try {
    return f(nch.vp!);
  } finally {
    cacheDrop(nch);
  }
}

export const lookup: Plain<"LOOKUP"> = (c, { what }, failure) =>
  c.withDirectory(what.dir, (dvp, nd, nch) => {
    failure.dirAttributes = c.attributes(dvp);
    if (!DOTS.has(what.name)) c.checkName(what.name);
    const isAbove = what.name === ".." && nch !== c.export.root;
    return withName(nd, what.name, (vp) => {
      // Nothing that has been moved out of the export leads to what is above it there.
      if (isAbove) {
        let at = nch.parent;
        while (at !== null && at !== c.export.root) at = at.parent;
        if (at === null && vp !== dvp) throw EACCES;
      }
      return { object: c.export.handle(vp), attributes: c.attributes(vp), dirAttributes: c.attributes(dvp) };
    });
  });

export const access: Plain<"ACCESS"> = (c, args, failure) =>
  c.withFile(args.object, (vp) => {
    failure.attributes = c.attributes(vp);
    let granted = 0;
    const may = (want: number, bits: number): void => {
      if (vp.access(want, c.cred)) granted |= bits;
    };
    may(VREAD, ACCESS3_READ);
    if (!c.export.readOnly) {
      may(VWRITE, ACCESS3_MODIFY | ACCESS3_EXTEND);
      if (vp.type === VDIR) may(VWRITE | VEXEC, ACCESS3_DELETE);
    }
    if (vp.type === VDIR) may(VEXEC, ACCESS3_LOOKUP);
    else may(VEXEC, ACCESS3_EXECUTE);
    return { attributes: c.attributes(vp), access: granted & args.access };
  });

export const readlink: Plain<"READLINK"> = (c, { object }, failure) =>
  c.withFile(object, (vp) => {
    failure.attributes = c.attributes(vp);
    if (vp.type !== VLNK) throw EINVAL;
    const target = vp.readlink();
    return { attributes: c.attributes(vp), target };
  });

export const read: Plain<"READ"> = (c, args, failure) =>
  c.withFile(args.file, (vp) => {
    failure.attributes = c.attributes(vp);
    if (vp.type !== VREG) throw vp.type === VDIR ? EISDIR : EINVAL;
    // Whoever may execute a file may have its pages read.
    if (!vp.access(VEXEC, c.cred)) c.checkAccess(vp, VREAD);
    const size = vp.size();
    const want = Math.max(0, Math.min(args.count, MAX_DATA, size - args.offset));
    const data = new Uint8Array(want);
    const count = want === 0 ? 0 : vnodeRead(vp, args.offset, data, 0, want);
    return {
      attributes: c.attributes(vp), count, eof: args.offset + count >= size,
      data: count === want ? data : data.subarray(0, count),
    };
  });

// Directories -----------------------------------------------------------------------------------------------------

const XDR_WORD = 4;
/** XDR bytes of an entry besides its name: announcement, file id, length of the name, cookie. */
const ENTRY_BYTES = 24;
/** The same of an entry with attributes and handle: two announcements, fattr3, length of the handle. */
const PLUS_BYTES = ENTRY_BYTES + 2 * XDR_WORD + 84 + XDR_WORD;
/** The rest of the answer: attributes of the directory, verifier, end of the list, eof. */
const LIST_BYTES = 4 + 84 + 8 + 8;

const padded = (bytes: number): number => (bytes + 3) & ~3;

/** Positions are the file system's, valid for ever; where it has no identity, as long as this server runs. */
function cookieVerifier(c: NfsCall): Uint8Array {
  return c.export.mount.identity() === null ? c.verifier : new Uint8Array(COOKIEVERFSIZE);
}

function checkDirectory(c: NfsCall, dvp: Vnode, cookie: bigint, verifier: Uint8Array): void {
  if (!dvp.access(VREAD, c.cred)) throw EACCES;
  const expected = cookieVerifier(c);
  if (cookie !== 0n && verifier.some((byte, i) => byte !== expected[i])) throw new Nfs3Error(NFS3ERR_BAD_COOKIE);
}

interface Listed {
  readonly fileid: bigint;
  readonly name: string;
  readonly cookie: bigint;
}

/** Entries from `cookie` on, as many as `fits` lets through; whether they are the last ones. */
function listEntries(
  c: NfsCall,
  dvp: Vnode,
  cookie: bigint,
  fits: (nameBytes: number) => boolean,
): { readonly entries: Listed[]; readonly eof: boolean } {
  const entries: Listed[] = [];
  const isRoot = dvp === c.export.root.vp;
  const ownId = isRoot ? dvp.getattr().fileid : 0;
  let full = false;
  const eof = dvp.readdirKeys(cookie, (name, fileid, _type, next) => {
    if (!fits(name.length)) {
      full = true;
      return false;
    }
    entries.push({ fileid: BigInt(isRoot && name === ".." ? ownId : fileid), name, cookie: next });
    return true;
  });
  if (full && entries.length === 0) throw new Nfs3Error(NFS3ERR_TOOSMALL);
  return { entries, eof };
}

export const readdir: Plain<"READDIR"> = (c, args, failure) =>
  c.withDirectory(args.dir, (dvp) => {
    failure.attributes = c.attributes(dvp);
    checkDirectory(c, dvp, args.cookie, args.verifier);
    let room = Math.min(args.count, MAX_ENTRIES) - LIST_BYTES;
    const listed = listEntries(c, dvp, args.cookie, (bytes) => (room -= ENTRY_BYTES + padded(bytes)) >= 0);
    return { attributes: c.attributes(dvp), verifier: cookieVerifier(c), ...listed };
  });

export const readdirplus: Plain<"READDIRPLUS"> = (c, args, failure) =>
  c.withDirectory(args.dir, (dvp, nd) => {
    failure.attributes = c.attributes(dvp);
    checkDirectory(c, dvp, args.cookie, args.verifier);
    const handleBytes = padded(args.dir.length);
    let room = Math.min(args.maxcount, MAX_ENTRIES) - LIST_BYTES;
    let names = args.dircount;
    const { entries, eof } = listEntries(c, dvp, args.cookie, (bytes) => {
      const first = names === args.dircount;
      names -= ENTRY_BYTES + padded(bytes);
      room -= PLUS_BYTES + handleBytes + padded(bytes);
      // `dircount` is what a client hopes for, and less than an entry is of no use to it.
      return room >= 0 && (first || names >= 0);
    });
    const visible = dvp.access(VEXEC, c.cred);
    const more = entries.map((entry) => ({ ...entry, ...(visible ? objectOf(c, nd, entry.name) : NOTHING) }));
    return { attributes: c.attributes(dvp), verifier: cookieVerifier(c), entries: more, eof };
  });

interface Known {
  readonly attributes: Fattr3 | null;
  readonly handle: Uint8Array | null;
}
const NOTHING: Known = { attributes: null, handle: null };

/** What is told of an entry besides its name; nothing where it cannot be looked up. */
function objectOf(c: NfsCall, nd: Nlookup, name: string): Known {
  try {
    return withName(nd, name, (vp) => ({ attributes: c.attributes(vp), handle: c.export.handle(vp) }));
  } catch (e) {
    if (e instanceof Errno) return NOTHING;
    throw e;
  }
}

// The file system as a whole --------------------------------------------------------------------------------------

export const fsstat: Plain<"FSSTAT"> = (c, { object }, failure) =>
  c.withFile(object, (vp) => {
    failure.attributes = c.attributes(vp);
    const s = vp.mount.statfs();
    return {
      attributes: failure.attributes,
      tbytes: s.blocks * s.bsize, fbytes: s.bfree * s.bsize, abytes: s.bavail * s.bsize,
      tfiles: s.files, ffiles: s.ffree, afiles: s.ffree, invarsec: 0,
    };
  });

/** Sizes of READ and WRITE should be a multiple of this. */
const TRANSFER_UNIT = 4096;
/** Times are kept to the microsecond. */
const TIME_STEP = { seconds: 0, nseconds: 1000 };

export const fsinfo: Plain<"FSINFO"> = (c, { object }, failure) =>
  c.withFile(object, (vp) => {
    failure.attributes = c.attributes(vp);
    return {
      attributes: failure.attributes,
      rtmax: MAX_DATA, rtpref: MAX_DATA, rtmult: TRANSFER_UNIT,
      wtmax: MAX_DATA, wtpref: MAX_DATA, wtmult: TRANSFER_UNIT,
      dtpref: MAX_ENTRIES, maxfilesize: Number.MAX_SAFE_INTEGER, timeDelta: TIME_STEP,
      properties: FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME,
    };
  });

const LINK_MAX = 32767;

export const pathconf: Plain<"PATHCONF"> = (c, { object }, failure) =>
  c.withFile(object, (vp) => {
    failure.attributes = c.attributes(vp);
    return {
      attributes: failure.attributes, linkmax: LINK_MAX, nameMax: vp.mount.nameMax, noTrunc: true, chownRestricted: true,
      caseInsensitive: false, casePreserving: true,
    };
  });
