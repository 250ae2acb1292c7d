// SPDX-License-Identifier: BSD-3-Clause
/**
 * From a call to its reply: the programs NFS version 3, MOUNT version 3 and the port mapper, on one port. Knows nothing of
 * connections (nfsd.ts).
 *
 * Invariants
 *   NS1  Whatever arrives gets a reply or null, and never an exception but bugs of the kernel: what is no RPC call gets none.
 *   NS2  A reply whose `changed` is not empty may be sent when these file systems have been written back, not before.
 * @module
 */
import type { Kernel } from "../kern/kernel.ts";
import type { Lwp } from "../kern/proc.ts";
import { Errno } from "../sys/errno.ts";
import { ROOT_CRED } from "../sys/ucred.ts";
import type { Mount } from "../vfs/mount.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { Nfs3Error, NfsCall } from "./call.ts";
import { BadHandle, ExportList, NfsExport, type NfsExportOptions } from "./export.ts";
import {
  dirpath, exportList, IPPROTO_TCP, mapping, mappings, MNT3_OK, MNT3ERR_ACCES, MNT3ERR_IO, MNT3ERR_NAMETOOLONG, MNT3ERR_NOENT,
  MNT3ERR_NOTDIR, MOST_MOUNTS, MOUNT_PROGRAM, MOUNT_V3, mountList, mountOk, MOUNTPROC3_DUMP, MOUNTPROC3_EXPORT, MOUNTPROC3_MNT,
  MOUNTPROC3_NULL, MOUNTPROC3_UMNT, MOUNTPROC3_UMNTALL, PMAP_PROGRAM, PMAP_V2, PMAPPROC_DUMP, PMAPPROC_GETPORT, PMAPPROC_NULL,
} from "./mount-proto.ts";
import {
  NFS3, NFS3_OK, NFS3ERR_ACCES, NFS3ERR_BADHANDLE, NFS3ERR_INVAL, NFS3ERR_IO, NFS3ERR_NOTSUPP, NFS3ERR_STALE, NFS_PROGRAM, NFS_V3,
  type Nfs3Name, type Procedure,
} from "./nfs3-proto.ts";
import type { Plain, Stepwise } from "./procedures.ts";
import * as reading from "./read-procedures.ts";
import { RequestCache, type CachedCall } from "./request-cache.ts";
import {
  acceptedHead, acceptedReply, AUTH_BADCRED, AUTH_ERROR, AUTH_NONE, AUTH_SYS, authSys, CALL, callHead, deniedReply, GARBAGE_ARGS,
  PROC_UNAVAIL, PROG_MISMATCH, PROG_UNAVAIL, RPC_MISMATCH, RPC_VERSION, SUCCESS, SYSTEM_ERR, type AuthSys, type CallHead,
} from "./rpc.ts";
import { SIPHASH_KEY } from "./siphash.ts";
import { Decoder, Encoder, GarbageArgs } from "./xdr.ts";
import * as writing from "./write-procedures.ts";

/** A plain procedure in steps: one. */
function whole<N extends Nfs3Name>(plain: Plain<N>): Stepwise<N> {
  return function* (c, args, failure) {
    return yield* c.retried(() => plain(c, args, failure));
  };
}

const HANDLERS: { readonly [N in Nfs3Name]: Stepwise<N> } = {
  GETATTR: whole(reading.getattr),
  SETATTR: writing.setattr,
  LOOKUP: whole(reading.lookup),
  ACCESS: whole(reading.access),
  READLINK: whole(reading.readlink),
  READ: whole(reading.read),
  WRITE: writing.write,
  CREATE: writing.create,
  MKDIR: writing.mkdir,
  SYMLINK: writing.symlink,
  MKNOD: writing.mknod,
  REMOVE: whole(writing.remove),
  RMDIR: whole(writing.rmdir),
  RENAME: whole(writing.rename),
  LINK: whole(writing.link),
  READDIR: whole(reading.readdir),
  READDIRPLUS: whole(reading.readdirplus),
  FSSTAT: whole(reading.fsstat),
  FSINFO: whole(reading.fsinfo),
  PATHCONF: whole(reading.pathconf),
  COMMIT: writing.commit,
};

type AnyProcedure = Procedure<unknown, unknown, unknown>;
type AnyHandler = (c: NfsCall, args: unknown, failure: unknown) => Generator<void, unknown, void>;
interface Found {
  readonly name: Nfs3Name;
  readonly row: AnyProcedure;
  readonly handler: AnyHandler;
}
const BY_NUMBER = new Map<number, Found>(
  (Object.keys(NFS3) as Nfs3Name[]).map((name) => [
    NFS3[name].number,
    { name, row: NFS3[name] as unknown as AnyProcedure, handler: HANDLERS[name] as AnyHandler },
  ]),
);

/** Errnos whose numbers nfsstat3 has not. */
const STATUS: Readonly<Record<string, number>> = {
  ETXTBSY: NFS3ERR_ACCES, EBUSY: NFS3ERR_ACCES, ELOOP: NFS3ERR_INVAL, EOPNOTSUPP: NFS3ERR_NOTSUPP, ENOSYS: NFS3ERR_NOTSUPP,
};
/** nfsstat3 took over the native numbers of these. */
const KNOWN = new Set([
  "EPERM", "ENOENT", "EIO", "ENXIO", "EACCES", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "EFBIG", "ENOSPC", "EROFS",
  "EMLINK", "ENAMETOOLONG", "ENOTEMPTY", "EDQUOT", "ESTALE",
]);

/** nfsstat3 of a failure; null for what is none of the caller's making. */
function statusOf(e: unknown): number | null {
  if (e instanceof Errno) return KNOWN.has(e.name) ? e.native : (STATUS[e.name] ?? NFS3ERR_IO);
  if (e instanceof Nfs3Error) return e.status;
  if (e instanceof BadHandle) return e.stale ? NFS3ERR_STALE : NFS3ERR_BADHANDLE;
  return null;
}
const MOUNT_STATUS: Readonly<Record<string, number>> = {
  ENOENT: MNT3ERR_NOENT, EACCES: MNT3ERR_ACCES, ENOTDIR: MNT3ERR_NOTDIR, ENAMETOOLONG: MNT3ERR_NAMETOOLONG,
};

export interface Reply {
  readonly pieces: readonly Uint8Array[];
  readonly changed: ReadonlySet<Mount>;
  /** Where the answer is to be kept, since the call must not be carried out twice. */
  readonly kept: CachedCall | null;
}
const NOTHING_CHANGED: ReadonlySet<Mount> = new Set();
const plainReply = (pieces: readonly Uint8Array[]): Reply => ({ pieces, changed: NOTHING_CHANGED, kept: null });

export interface NfsServerOptions {
  /** Key of file handles, 16 bytes: clients keep their handles over restarts as long as it stays the same. Random unless given. */
  readonly key?: Uint8Array;
  /** What clients are told when they ask for the port. */
  readonly port: number;
}

const VERIFIER_BYTES = 8;

export class NfsServer {
  readonly exports = new ExportList();
  readonly #options: NfsServerOptions;
  readonly #verifier = new Uint8Array(VERIFIER_BYTES);
  /** Who has mounted what, for MOUNTPROC3_DUMP: "host\0directory". */
  readonly #mounts = new Set<string>();
  readonly requests = new RequestCache();
  /** Calls by name. */
  readonly counts = new Map<string, number>();

  readonly #k: Kernel;
  readonly #key: Uint8Array;

  constructor(k: Kernel, options: NfsServerOptions) {
    this.#k = k;
    this.#options = options;
    k.machine.entropy(this.#verifier);
    this.#key = options.key ?? new Uint8Array(SIPHASH_KEY);
    if (options.key === undefined) k.machine.entropy(this.#key);
  }

  /** Opens an export. Throws the file system's errors, EINVAL for a name that is taken, and IoMiss. */
  addExport(options: NfsExportOptions): void {
    this.exports.add(new NfsExport(this.#k, options, this.#key, String.fromCharCode(...this.#verifier)));
  }

  /**
   * Carries a call out; null when what came is none (NS1). `client` is the sender's address. A call that came before gets what
   * the cache has of it. Nothing of `message` is needed afterwards.
   */
  *handle(lp: Lwp, message: Uint8Array, client: string): Generator<void, Reply | CachedCall | null, void> {
    const from = new Decoder(message);
    let head: CallHead;
    try {
      head = callHead.decode(from);
    } catch (e) {
      if (e instanceof GarbageArgs) return null;
      throw e;
    }
    const { xid, prog, vers, proc } = head;
    if (head.direction !== CALL) return null;
    if (head.rpcvers !== RPC_VERSION) return plainReply(deniedReply(xid, RPC_MISMATCH, RPC_VERSION, RPC_VERSION));
    const expected = VERSIONS.get(prog);
    if (expected === undefined) return plainReply(acceptedReply(xid, PROG_UNAVAIL));
    if (vers !== expected) return plainReply(acceptedReply(xid, PROG_MISMATCH, expected, expected));
    // NULL asks for no credentials.
    if (proc === 0) return plainReply(acceptedReply(xid, SUCCESS));
    let auth: AuthSys | null;
    try {
      auth = credentials(head);
    } catch (e) {
      if (e instanceof GarbageArgs) return plainReply(deniedReply(xid, AUTH_ERROR, AUTH_BADCRED));
      throw e;
    }
    const call = new NfsCall(lp, this.exports, auth, this.#verifier);
    try {
      if (prog === NFS_PROGRAM) return yield* this.#nfs(call, head, from, () => RequestCache.key(client, xid, message));
      if (prog === MOUNT_PROGRAM) return plainReply(yield* this.#mount(call, head, from, client));
      return plainReply(this.#portmap(head, from));
    } catch (e) {
      if (e instanceof GarbageArgs) return plainReply(acceptedReply(xid, GARBAGE_ARGS));
      throw e;
    } finally {
      lp.proc.cred = ROOT_CRED;
    }
  }

  *#nfs(call: NfsCall, { xid, proc }: CallHead, from: Decoder, key: () => string): Generator<void, Reply | CachedCall, void> {
    const found = BY_NUMBER.get(proc);
    if (found === undefined) return plainReply(acceptedReply(xid, PROC_UNAVAIL));
    const { name, row } = found;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const args = row.args.decode(from);
    let kept: CachedCall | null = null;
    if (row.once) {
      const now = this.#k.nanouptime();
      const before = this.requests.find(key(), now);
      if (before !== null) return before;
      kept = this.requests.begin(key(), now);
    }
    const to = new Encoder();
    acceptedHead(to, xid, SUCCESS);
    try {
      yield* NfsServer.#results(call, found, args, to);
    } catch (e) {
      if (kept !== null) this.requests.forget(kept, acceptedReply(xid, SYSTEM_ERR));
      throw e;
    }
    return { pieces: to.pieces, changed: call.changed, kept };
  }

  /** Carries a procedure out and encodes its results, or its failure where that is the caller's matter. */
  static *#results(call: NfsCall, { row, handler }: Found, args: unknown, to: Encoder): Generator<void, void, void> {
    const failure = row.failure();
    const start = to.length;
    try {
      const ok = yield* handler(call, args, failure);
      to.uint32(NFS3_OK);
      row.ok.encode(to, ok);
    } catch (e) {
      const status = statusOf(e);
      if (status === null) throw e;
      to.rewind(start);
      to.uint32(status);
      row.fail.encode(to, failure);
    }
  }

  *#mount(call: NfsCall, { xid, proc }: CallHead, from: Decoder, client: string): Generator<void, readonly Uint8Array[], void> {
    const to = new Encoder();
    acceptedHead(to, xid, SUCCESS);
    switch (proc) {
      case MOUNTPROC3_MNT:
        yield* this.#mnt(call, dirpath.decode(from), client, to);
        break;
      case MOUNTPROC3_DUMP:
        mountList.encode(to, [...this.#mounts].map((text) => {
          const [host, dir] = text.split("\0") as [string, string];
          return { host, dir };
        }));
        break;
      case MOUNTPROC3_UMNT:
        this.#mounts.delete(`${client}\0${dirpath.decode(from)}`);
        break;
      case MOUNTPROC3_UMNTALL:
        for (const text of [...this.#mounts]) if (text.startsWith(`${client}\0`)) this.#mounts.delete(text);
        break;
      case MOUNTPROC3_EXPORT:
        exportList.encode(to, this.exports.list.map((e) => ({ dir: e.name, groups: [] })));
        break;
      default:
        return acceptedReply(xid, proc === MOUNTPROC3_NULL ? SUCCESS : PROC_UNAVAIL);
    }
    return to.pieces;
  }

  *#mnt(call: NfsCall, path: string, client: string, to: Encoder): Generator<void, void, void> {
    const target = this.exports.find(path);
    if (target === null) {
      to.uint32(MNT3ERR_NOENT);
      return;
    }
    let handle: Uint8Array;
    try {
      handle = yield* call.retried(() => {
        const nch = target.export.directory(target.rest, ROOT_CRED);
        try {
          return target.export.handle(nch.vp!);
        } finally {
          cacheDrop(nch);
        }
      });
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
      to.uint32(MOUNT_STATUS[e.name] ?? MNT3ERR_IO);
      return;
    }
    if (this.#mounts.size < MOST_MOUNTS) this.#mounts.add(`${client}\0${path}`);
    to.uint32(MNT3_OK);
    mountOk.encode(to, { handle, flavors: [AUTH_SYS, AUTH_NONE] });
  }

  #portmap({ xid, proc }: CallHead, from: Decoder): readonly Uint8Array[] {
    const all = [...VERSIONS].map(([prog, vers]) => ({ prog, vers, prot: IPPROTO_TCP, port: this.#options.port }));
    const to = new Encoder();
    acceptedHead(to, xid, SUCCESS);
    if (proc === PMAPPROC_GETPORT) {
      const asked = mapping.decode(from);
      const known = all.find((m) => m.prog === asked.prog && m.vers === asked.vers && m.prot === asked.prot);
      to.uint32(known?.port ?? 0);
    } else if (proc === PMAPPROC_DUMP) mappings.encode(to, all);
    else return acceptedReply(xid, proc === PMAPPROC_NULL ? SUCCESS : PROC_UNAVAIL);
    return to.pieces;
  }

  /** The reply to a call of which nobody can say whether it will last: its file system could not be written back. */
  static failed({ pieces }: Reply): readonly Uint8Array[] {
    return acceptedReply(new Decoder(pieces[0]!).uint32(), SYSTEM_ERR);
  }

  close(): void {
    this.exports.close();
  }
}

const VERSIONS = new Map([[NFS_PROGRAM, NFS_V3], [MOUNT_PROGRAM, MOUNT_V3], [PMAP_PROGRAM, PMAP_V2]]);

/** Whom the client says it acts for; null when it does not say. Throws GarbageArgs. */
function credentials({ cred }: CallHead): AuthSys | null {
  if (cred.flavor === AUTH_NONE) return null;
  if (cred.flavor !== AUTH_SYS) throw new GarbageArgs(`credentials of flavour ${cred.flavor}`);
  return authSys.decode(new Decoder(cred.body));
}
