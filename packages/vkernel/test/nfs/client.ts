// SPDX-License-Identifier: BSD-3-Clause
/** An NFS client that hands its calls to a server in the same process, without a network. */
import { kthreadCreate, makeKernelInit } from "../../src/kern/init-main.ts";
import type { Lwp } from "../../src/kern/proc.ts";
import { FOREVER, tsleep } from "../../src/kern/sleep.ts";
import type { NfsExportOptions } from "../../src/nfs/export.ts";
import { dirpath, MNT3_OK, mountResult, MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT } from "../../src/nfs/mount-proto.ts";
import {
  NFS3, NFS_PROGRAM, NFS_V3, type Nfs3Args, type Nfs3Fail, type Nfs3Name, type Nfs3Ok, type Procedure, type Sattr3,
} from "../../src/nfs/nfs3-proto.ts";
import { AUTH_NONE, AUTH_SYS, authSys, CALL, callHead, NO_AUTH, readReply, RPC_VERSION } from "../../src/nfs/rpc.ts";
import { NfsServer } from "../../src/nfs/server.ts";
import { encoded, Encoder, joined, type Xdr } from "../../src/nfs/xdr.ts";
import { WaitChannel } from "../../src/sys/wait.ts";
import { UserBench } from "../kern/user-bench.ts";

export interface Who {
  readonly uid: number;
  readonly gid: number;
  readonly gids?: readonly number[];
}
export type Answer<N extends Nfs3Name> = { status: 0; ok: Nfs3Ok<N> } | { status: number; fail: Nfs3Fail<N> };

/** Attributes that change nothing. */
export const UNCHANGED: Sattr3 = {
  mode: null, uid: null, gid: null, size: null, atime: { kind: 0, value: null }, mtime: { kind: 0, value: null },
};

/** A kernel whose root is a tmpfs, with a server and a thread that carries calls out. */
export class Service {
  readonly bench = new UserBench();
  readonly server: NfsServer;
  readonly lp: Lwp;
  constructor(exports: readonly NfsExportOptions[], key?: Uint8Array) {
    const { k } = this.bench;
    makeKernelInit(k, k.abis[0]!);
    this.server = new NfsServer(k, { port: 2049, ...(key === undefined ? {} : { key }) });
    for (const e of exports) this.server.addExport(e);
    const p = kthreadCreate(k, "caller", (lp) => tsleep(lp, new WaitChannel("never"), 0, FOREVER));
    this.lp = [...p.lwps.values()][0]!;
  }

  /** The reply to a message, or null when the server has none. */
  send(message: Uint8Array, host = "10.0.2.2"): Uint8Array | null {
    const run = this.server.handle(this.lp, message, host);
    const step = run.next();
    if (step.done !== true) throw new Error("a call waits, though nothing here is ever loaded");
    const answer = step.value;
    if (answer === null) return null;
    if (!("pieces" in answer)) return answer.reply === null ? null : joined(answer.reply);
    for (const mount of answer.changed) mount.sync();
    if (answer.kept !== null) this.server.requests.finish(answer.kept, answer.pieces);
    return joined(answer.pieces);
  }
}

export class Client {
  readonly service: Service;
  who: Who | null;
  #xid = 1;
  constructor(service: Service, who: Who | null = { uid: 0, gid: 0 }) {
    this.service = service;
    this.who = who;
  }

  /** A call of any program as it goes over the wire. */
  message<A>(prog: number, vers: number, proc: number, type: Xdr<A>, args: A, xid = this.#xid++): Uint8Array {
    const { who } = this;
    const body = who === null ? new Uint8Array(0)
      : encoded(authSys, { stamp: 1, machine: "test", uid: who.uid, gid: who.gid, gids: [...(who.gids ?? [])] });
    const to = new Encoder();
    callHead.encode(to, {
      xid, direction: CALL, rpcvers: RPC_VERSION, prog, vers, proc,
      cred: { flavor: who === null ? AUTH_NONE : AUTH_SYS, body }, verf: NO_AUTH,
    });
    type.encode(to, args);
    return to.bytes.slice();
  }

  /** A procedure of NFS version 3. Throws unless it was accepted. */
  call<N extends Nfs3Name>(name: N, args: Nfs3Args<N>, xid?: number): Answer<N> {
    const row = NFS3[name] as unknown as Procedure<Nfs3Args<N>, Nfs3Ok<N>, Nfs3Fail<N>>;
    const reply = this.service.send(this.message(NFS_PROGRAM, NFS_V3, row.number, row.args, args, xid));
    const { denied, stat, results } = readReply(reply!);
    if (denied || stat !== 0) throw new Error(`${name}: ${denied ? "denied" : "not accepted"}, ${stat}`);
    const status = results.uint32();
    const answer = status === 0 ? { status, ok: row.ok.decode(results) } : { status, fail: row.fail.decode(results) };
    if (results.left !== 0) throw new Error(`${name}: ${results.left} bytes too many`);
    return answer as Answer<N>;
  }
  /** The same where it must succeed. */
  must<N extends Nfs3Name>(name: N, args: Nfs3Args<N>): Nfs3Ok<N> {
    const answer = this.call(name, args);
    if (answer.status !== 0) throw new Error(`${name}: status ${answer.status}`);
    return (answer as { ok: Nfs3Ok<N> }).ok;
  }
  /** The status alone. */
  status<N extends Nfs3Name>(name: N, args: Nfs3Args<N>): number {
    return this.call(name, args).status;
  }

  /** The handle of an exported directory. Throws with the status of MNT. */
  mount(path: string): Uint8Array {
    const { results } = readReply(this.service.send(this.message(MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT, dirpath, path))!);
    const answer = mountResult.decode(results);
    if (answer.kind !== MNT3_OK) throw new Error(`MNT: status ${answer.kind}`);
    return (answer.value as { handle: Uint8Array }).handle;
  }

  // What most tests do --------------------------------------------------------------------------------------------

  lookup(dir: Uint8Array, name: string): Uint8Array {
    return this.must("LOOKUP", { what: { dir, name } }).object;
  }
  create(dir: Uint8Array, name: string, attributes: Partial<Sattr3> = {}): Uint8Array {
    const how = { kind: 1 as const, value: { ...UNCHANGED, mode: 0o644, ...attributes } };
    return this.must("CREATE", { where: { dir, name }, how }).object!;
  }
  mkdir(dir: Uint8Array, name: string, mode = 0o755): Uint8Array {
    return this.must("MKDIR", { where: { dir, name }, attributes: { ...UNCHANGED, mode } }).object!;
  }
  write(file: Uint8Array, offset: number, text: string, stable = 2): number {
    const data = Uint8Array.from(text, (c) => c.charCodeAt(0));
    return this.must("WRITE", { file, offset, count: data.length, stable, data }).count;
  }
  read(file: Uint8Array, offset = 0, count = 65536): string {
    return String.fromCharCode(...this.must("READ", { file, offset, count }).data);
  }
  /** All names in a directory, by calls of at most `count` bytes. */
  names(dir: Uint8Array, count = 4096): string[] {
    const all: string[] = [];
    let cookie = 0n;
    let verifier: Uint8Array = new Uint8Array(8);
    for (;;) {
      const answer = this.must("READDIR", { dir, cookie, verifier, count });
      for (const entry of answer.entries) all.push(entry.name);
      if (answer.eof) return all;
      cookie = answer.entries.at(-1)!.cookie;
      ({ verifier } = answer);
    }
  }
}
