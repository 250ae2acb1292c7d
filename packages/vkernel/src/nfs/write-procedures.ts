// SPDX-License-Identifier: BSD-3-Clause
/**
 * The procedures of NFS version 3 that change something (RFC 1813 §3.3.2, 7–15, 21; DragonFly 2.0 sys/vfs/nfs/nfs_serv.c).
 * What they have changed is durable before the client is answered: files by COMMIT and stable WRITE here, names and attributes
 * by the server, for several calls at once (NfsCall.changed).
 * @module
 */
import { CAP_FSETID, capable } from "../sys/capability.ts";
import { fsyncWaiting } from "../kern/durable.ts";
import { createAt, makeDirectory, makeLink, makeNode, makeSymlink, removeDirectory, removeFile, renameFile } from "../kern/sys-vfs.ts";
import { setMode, setOwner, setTimes, type NewTime } from "../kern/sys-vfs-attr.ts";
import { clearSetId, OFF_MAX, truncateVnode } from "../kern/vnode-file.ts";
import { EACCES, EEXIST, EFBIG, EINVAL, EISDIR, EPERM, ETXTBSY } from "../sys/errno.ts";
import { NOTE_EXTEND, NOTE_WRITE } from "../sys/event.ts";
import { ALLPERMS, makedev, SF_APPEND, SF_IMMUTABLE, UF_APPEND, UF_IMMUTABLE } from "../sys/stat.ts";
import { VWRITE } from "../sys/ucred.ts";
import { cacheDrop, type Nchandle } from "../vfs/namecache.ts";
import { NLC_COVERED, NLC_CREATE, NLC_NAME, nlookup, type Nlookup } from "../vfs/nlookup.ts";
import { vnodeNote } from "../vfs/notify.ts";
import { vnodeWrite } from "../vfs/vnode-pager.ts";
import { VDIR, VREG, vref, vrele, type Vnode, type Vtype } from "../vfs/vnode.ts";
import { Nfs3Error, wccAttributes, type NfsCall } from "./call.ts";
import {
  EXCLUSIVE, FILE_SYNC, GUARDED, NFS3ERR_BADTYPE, NFS3ERR_NOT_SYNC, SET_TO_CLIENT_TIME, SET_TO_SERVER_TIME, UNSTABLE, type DirOpArgs,
  type Nfs3Ok, type Sattr3, type WccData,
} from "./nfs3-proto.ts";
import type { Plain, Stepwise } from "./procedures.ts";

/** What is known before a change, and what to say when it fails. */
function before(c: NfsCall, vp: Vnode): WccData {
  const va = vp.getattr();
  return { before: wccAttributes(va), after: c.attributes(vp, va) };
}
/** The same after a change. */
function after(c: NfsCall, wcc: WccData, vp: Vnode): WccData {
  return { before: wcc.before, after: c.attributes(vp) };
}

// Attributes ------------------------------------------------------------------------------------------------------

function newTime(how: Sattr3["atime"]): NewTime {
  if (how.kind === SET_TO_SERVER_TIME) return "now";
  return how.kind === SET_TO_CLIENT_TIME ? { sec: how.value.seconds, nsec: how.value.nseconds } : null;
}

/** Whether a regular file may be written. Throws EACCES, EPERM, ETXTBSY, EISDIR, EINVAL. */
function checkWritable(c: NfsCall, vp: Vnode): void {
  if (vp.type !== VREG) throw vp.type === VDIR ? EISDIR : EINVAL;
  c.checkAccess(vp, VWRITE);
  if (vp.textCount > 0) throw ETXTBSY;
  if ((vp.getattr().flags & (UF_IMMUTABLE | SF_IMMUTABLE | UF_APPEND | SF_APPEND)) !== 0) throw EPERM;
}

function setSize(c: NfsCall, vp: Vnode, size: number): void {
  checkWritable(c, vp);
  if (size > OFF_MAX) throw EFBIG;
  truncateVnode(vp, size);
}

/** Sets what `changes` names, in the order in which rights are lost: the size first, the owner last but for the times. */
function setAttributes(c: NfsCall, vp: Vnode, changes: Sattr3): void {
  const { lp } = c;
  if (changes.size !== null) setSize(c, vp, changes.size);
  if (changes.uid !== null || changes.gid !== null) setOwner(lp, vp, changes.uid ?? -1, changes.gid ?? -1);
  if (changes.mode !== null) setMode(lp, vp, changes.mode & ALLPERMS);
  setTimes(lp, vp, newTime(changes.atime), newTime(changes.mtime));
}

export const setattr: Stepwise<"SETATTR"> = function* (c, args, failure) {
  const vp = yield* c.retried(() => c.withFile(args.object, vref));
  try {
    failure.wcc = before(c, vp);
    c.willChange(vp);
    const { guard } = args;
    const { ctime } = failure.wcc.before!;
    if (guard !== null && (guard.seconds !== ctime.seconds || guard.nseconds !== ctime.nseconds)) {
      throw new Nfs3Error(NFS3ERR_NOT_SYNC);
    }
    yield* c.retried(() => setAttributes(c, vp, args.changes));
    return { wcc: after(c, failure.wcc, vp) };
  } catch (e) {
    // Some of it may have been done.
    failure.wcc = { before: failure.wcc.before, after: c.attributes(vp) };
    throw e;
  } finally {
    vrele(vp);
  }
};

// Data ------------------------------------------------------------------------------------------------------------

export const write: Stepwise<"WRITE"> = function* (c, args, failure) {
  const { offset, data } = args;
  const want = Math.min(args.count, data.length);
  const { vp, count } = yield* c.retried(() =>
    c.withFile(args.file, (file) => {
      failure.wcc = before(c, file);
      c.checkMayChange();
      checkWritable(c, file);
      if (offset + want > OFF_MAX) throw EFBIG;
      const grows = offset + want > file.size();
      const written = want === 0 ? 0 : vnodeWrite(file, offset, data, 0, want);
      if (written > 0) vnodeNote(file, grows ? NOTE_WRITE | NOTE_EXTEND : NOTE_WRITE);
      if (written > 0 && !capable(c.cred, CAP_FSETID)) clearSetId(file);
      return { vp: vref(file), count: written };
    }),
  );
  try {
    if (args.stable !== UNSTABLE) yield* fsyncWaiting(c.lp, vp);
    return {
      wcc: after(c, failure.wcc, vp), count, committed: args.stable === UNSTABLE ? UNSTABLE : FILE_SYNC, verifier: c.verifier,
    };
  } finally {
    vrele(vp);
  }
};

export const commit: Stepwise<"COMMIT"> = function* (c, args, failure) {
  const vp = yield* c.retried(() => c.withFile(args.file, vref));
  try {
    failure.wcc = before(c, vp);
    if (vp.type !== VREG) throw EINVAL;
    yield* fsyncWaiting(c.lp, vp);
    return { wcc: after(c, failure.wcc, vp), verifier: c.verifier };
  } finally {
    vrele(vp);
  }
};

// New files -------------------------------------------------------------------------------------------------------

type Made = Nfs3Ok<"CREATE">;

/** Looks a file up that was just made, or was there. Referenced. */
function found(nd: Nlookup, name: string): Vnode {
  const nch = nlookup(nd, name, NLC_COVERED | NLC_NAME);
  try {
    return vref(nch.vp!);
  } finally {
    cacheDrop(nch);
  }
}

/** CREATE, MKDIR, SYMLINK, MKNOD: `make` makes the file, or returns that it was there; then it gets the rest of its attributes. */
function* makeObject(
  c: NfsCall,
  where: DirOpArgs,
  failure: { dirWcc: WccData },
  make: (nd: Nlookup) => Vnode,
  finish: (vp: Vnode) => void,
): Generator<void, Made, void> {
  c.checkName(where.name);
  const { vp, dvp, wcc } = yield* c.retried(() =>
    c.withDirectory(where.dir, (dir, nd) => {
      const dirWcc = before(c, dir);
      failure.dirWcc = dirWcc;
      c.willChange(dir);
      return { vp: make(nd), dvp: vref(dir), wcc: dirWcc };
    }),
  );
  try {
    failure.dirWcc = after(c, wcc, dvp);
    yield* c.retried(() => finish(vp));
    return { object: c.export.handle(vp), attributes: c.attributes(vp), dirWcc: after(c, wcc, dvp) };
  } finally {
    vrele(dvp);
    vrele(vp);
  }
}

/** The rest of a new file's attributes: its maker may set them all. */
function finishAttributes(c: NfsCall, vp: Vnode, a: Sattr3): void {
  const { size, uid, gid, mode: _made, ...times } = a;
  const va = vp.getattr();
  const isNew = { uid: uid === va.uid ? null : uid, gid: gid === va.gid ? null : gid };
  setAttributes(c, vp, { ...times, ...isNew, mode: null, size: vp.type === VREG && size !== 0 ? size : null });
}

/** The verifier of an exclusive CREATE is kept in the file's times until the client sets them. */
function verifierTimes(verifier: Uint8Array): { atimeSec: number; atimeNsec: number; mtimeSec: number; mtimeNsec: number } {
  const v = new DataView(verifier.buffer, verifier.byteOffset);
  return { atimeSec: v.getUint32(0), atimeNsec: 0, mtimeSec: v.getUint32(4), mtimeNsec: 0 };
}

function isMadeBy(vp: Vnode, verifier: Uint8Array): boolean {
  const times = verifierTimes(verifier);
  const va = vp.getattr();
  return va.type === VREG && va.atimeSec === times.atimeSec && va.mtimeSec === times.mtimeSec;
}

/** The name that a file is to get, negative or not; held. */
function nameToMake(nd: Nlookup, name: string): Nchandle {
  return nlookup(nd, name, NLC_CREATE | NLC_COVERED | NLC_NAME);
}

export const create: Stepwise<"CREATE"> = function* (c, { where, how }, failure) {
  let existed = false;
  const make = (nd: Nlookup): Vnode => {
    const nch = nameToMake(nd, where.name);
    try {
      if (nch.vp === null) return vref(createAt(c.lp, nch, VREG, how.kind === EXCLUSIVE ? 0 : (how.value.mode ?? 0)));
      if (how.kind === GUARDED || nch.vp.type !== VREG) throw EEXIST;
      if (how.kind === EXCLUSIVE && !isMadeBy(nch.vp, how.value)) throw EEXIST;
      existed = true;
      return vref(nch.vp);
    } finally {
      cacheDrop(nch);
    }
  };
  const finish = (vp: Vnode): void => {
    if (how.kind === EXCLUSIVE) vp.setattr(verifierTimes(how.value));
    else if (!existed) finishAttributes(c, vp, how.value);
    else if (how.value.size !== null) setSize(c, vp, how.value.size);
  };
  return yield* makeObject(c, where, failure, make, finish);
};

export const mkdir: Stepwise<"MKDIR"> = function* (c, { where, attributes }, failure) {
  const make = (nd: Nlookup): Vnode => {
    makeDirectory(c.lp, nd, where.name, attributes.mode ?? 0);
    return found(nd, where.name);
  };
  return yield* makeObject(c, where, failure, make, (vp) => finishAttributes(c, vp, attributes));
};

export const symlink: Stepwise<"SYMLINK"> = function* (c, { where, attributes, target }, failure) {
  const make = (nd: Nlookup): Vnode => {
    if (target.includes("\0")) throw EINVAL;
    makeSymlink(c.lp, target, nd, where.name);
    return found(nd, where.name);
  };
  return yield* makeObject(c, where, failure, make, (vp) => finishAttributes(c, vp, { ...attributes, size: null }));
};

export const mknod: Stepwise<"MKNOD"> = function* (c, { where, what }, failure) {
  if (what.kind === 1 || what.kind === 2 || what.kind === 5) throw new Nfs3Error(NFS3ERR_BADTYPE);
  const isDevice = what.kind === 3 || what.kind === 4;
  const attributes = isDevice ? what.value.attributes : what.value;
  const rdev = isDevice ? makedev(what.value.spec.major, what.value.spec.minor) : 0;
  const make = (nd: Nlookup): Vnode => {
    makeNode(c.lp, nd, where.name, what.kind as Vtype, attributes.mode ?? 0, rdev);
    return found(nd, where.name);
  };
  return yield* makeObject(c, where, failure, make, (vp) => finishAttributes(c, vp, { ...attributes, size: null }));
};

// Names -----------------------------------------------------------------------------------------------------------

function removing(
  c: NfsCall,
  what: DirOpArgs,
  failure: { dirWcc: WccData },
  remove: typeof removeFile,
): { dirWcc: WccData } {
  return c.withDirectory(what.dir, (dvp, nd) => {
    failure.dirWcc = before(c, dvp);
    c.checkName(what.name);
    c.willChange(dvp);
    remove(c.lp, nd, what.name);
    return { dirWcc: after(c, failure.dirWcc, dvp) };
  });
}

export const remove: Plain<"REMOVE"> = (c, { what }, failure) => removing(c, what, failure, removeFile);
export const rmdir: Plain<"RMDIR"> = (c, { what }, failure) => removing(c, what, failure, removeDirectory);

export const rename: Plain<"RENAME"> = (c, { from, to }, failure) =>
  c.withDirectory(from.dir, (fromDir, fromNd) => {
    failure.fromWcc = before(c, fromDir);
    const fromExport = c.export;
    return c.withDirectory(to.dir, (toDir, toNd) => {
      failure.toWcc = before(c, toDir);
      // Two exports may have different rights; a file stays in its own.
      if (c.export !== fromExport) throw EACCES;
      c.checkName(from.name);
      c.checkName(to.name);
      c.willChange(toDir);
      renameFile(c.lp, fromNd, from.name, toNd, to.name);
      return { fromWcc: after(c, failure.fromWcc, fromDir), toWcc: after(c, failure.toWcc, toDir) };
    });
  });

export const link: Plain<"LINK"> = (c, { file, where }, failure) =>
  c.withFile(file, (vp) => {
    failure.attributes = c.attributes(vp);
    const fileExport = c.export;
    return c.withDirectory(where.dir, (dvp, nd) => {
      failure.dirWcc = before(c, dvp);
      if (c.export !== fileExport) throw EACCES;
      c.checkName(where.name);
      c.willChange(dvp);
      makeLink(c.lp, vp, nd, where.name);
      return { attributes: c.attributes(vp), dirWcc: after(c, failure.dirWcc, dvp) };
    });
  });
