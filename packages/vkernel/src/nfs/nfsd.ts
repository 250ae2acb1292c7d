// SPDX-License-Identifier: BSD-3-Clause
/**
 * nfsd: the kernel threads that serve NFS, and the connections that they serve (DragonFly 2.0 sys/vfs/nfs/nfs_syscalls.c,
 * nfssvc_nfsd).
 *
 * Invariants
 *   ND1  A connection is in the hands of one thread at a time and is served one call a turn, so that a busy client holds up
 *        nobody.
 *   ND2  Calls that changed names or attributes are answered together, once their file systems have been written back: when
 *        there is nothing else to do, or MOST_PENDING wait; one thread at a time does that.
 *   ND3  There are at most MOST_CONNECTIONS connections and MOST_PARTIAL bytes of calls that are not whole. Beyond that the
 *        connection goes that has been silent longest, those before all that never sent a call; but each has GRACE_NS for its first
 *        call, and who wants in meanwhile waits in the backlog: a flood of connections does not push out who has just come.
 * @module
 */
import { KERNEL_CRED } from "../net/socket.ts";
import { Callout } from "../kern/callout.ts";
import { waitBarriers } from "../kern/durable.ts";
import { kthreadCreate } from "../kern/init-main.ts";
import type { Kernel } from "../kern/kernel.ts";
import type { KernelFrame, Lwp } from "../kern/proc.ts";
import { FOREVER, tsleep, waitForLoad } from "../kern/sleep.ts";
import { ANY4 } from "../net/inet/address.ts";
import { InetSocket } from "../net/inet/socket.ts";
import { Errno } from "../sys/errno.ts";
import { AF_INET, SOCK_STREAM, SOMAXCONN } from "../sys/socket.ts";
import { IoMiss, WaitChannel, WaitNode, WOULDBLOCK } from "../sys/wait.ts";
import type { Mount } from "../vfs/mount.ts";
import { MOST_CALL, NfsConnection } from "./connection.ts";
import { MessageBuffers } from "./rpc.ts";
import { NfsServer, type NfsServerOptions, type Reply } from "./server.ts";

const THREADS = 4;
const MOST_CONNECTIONS = 512;
const MOST_PARTIAL = 64 << 20;
const MOST_PENDING = 64;
/** Time that a connection has for its first call while others wait for its place, ns. */
const GRACE_NS = 1e9;

interface Pending {
  readonly connection: NfsConnection;
  readonly reply: Reply;
}

export class NfsService {
  readonly server: NfsServer;
  readonly #k: Kernel;
  readonly #listener: InetSocket;
  readonly #listenNode: WaitNode;
  readonly #connections = new Set<NfsConnection>();
  readonly #buffers = new MessageBuffers(MOST_CALL);
  /** Connections with something to do, and whether there are new ones. */
  readonly #work: NfsConnection[] = [];
  #arrived = false;
  /** Looks again whether somebody who waits in the backlog can be let in. */
  readonly #again = new Callout(() => {
    this.#arrived = true;
    this.#workChan.wakeupOne();
  });
  readonly #workChan = new WaitChannel("nfsd");
  #pending: Pending[] = [];
  /** A thread writes file systems back; what changes meanwhile is for the next time. */
  #committing = false;
  #partial = 0;

  /** Listens on the guest's port and starts the threads. Throws EADDRINUSE. */
  constructor(k: Kernel, options: NfsServerOptions) {
    this.#k = k;
    this.server = new NfsServer(k, options);
    this.#listener = new InetSocket(AF_INET, SOCK_STREAM, KERNEL_CRED);
    k.inet.bind(this.#listener, { host: ANY4, port: options.port }, KERNEL_CRED);
    this.#listenNode = new WaitNode({
      wake: () => {
        this.#listen();
        this.#arrived = true;
        this.#workChan.wakeupOne();
      },
    });
    this.#listen();
    this.#listener.listen(SOMAXCONN, KERNEL_CRED);
    for (let i = 0; i < THREADS; i++) kthreadCreate(k, "nfsd", (lp) => this.#run(lp));
  }
  #listen(): void {
    this.#listener.readChan.add(this.#listenNode);
  }

  get connections(): number {
    return this.#connections.size;
  }
  /** Bytes of calls that are not whole, over all connections (ND3). */
  get partialBytes(): number {
    return this.#partial;
  }

  *#run(lp: Lwp): KernelFrame {
    for (;;) {
      if (this.#arrived) this.#accept();
      const connection = this.#work.shift();
      if (connection !== undefined) {
        connection.isQueued = false;
        yield* this.#serve(lp, connection);
        if (this.#pending.length >= MOST_PENDING && !this.#committing) yield* this.#commit(lp);
        lp.sysNs = lp.runtimeNs;
        // Still runnable: the others get their turn, and the host.
        yield;
      } else if (this.#pending.length > 0 && !this.#committing) yield* this.#commit(lp);
      else yield* tsleep(lp, this.#workChan, 0, FOREVER);
    }
  }

  #accept(): void {
    this.#arrived = false;
    for (;;) {
      const now = this.#k.nanouptime();
      const isFull = this.#connections.size >= MOST_CONNECTIONS;
      if (isFull && !this.#someCanGo(now)) {
        this.#k.callouts.reset(this.#again, now + GRACE_NS / 4);
        return;
      }
      const socket = this.#listener.accept();
      if (socket === WOULDBLOCK) return;
      if (isFull) this.#evict((c) => this.#canGo(c, now));
      const connection = new NfsConnection(socket as InetSocket, this.#buffers, now, (c) => this.#enqueue(c), (c) => this.#gone(c));
      this.#connections.add(connection);
      this.#enqueue(connection);
    }
  }

  /** Whether a connection may be closed for another that never sent a call either. */
  #canGo(c: NfsConnection, now: number): boolean {
    return c.calls > 0 || now - c.sinceNs >= GRACE_NS;
  }
  /** Clients that are at work go for a new connection only where all are such clients. */
  #someCanGo(now: number): boolean {
    let silent = false;
    for (const c of this.#connections) {
      if (c.calls > 0) continue;
      if (this.#canGo(c, now)) return true;
      silent = true;
    }
    return !silent;
  }

  #enqueue(connection: NfsConnection): void {
    if (connection.isQueued || connection.isBusy || connection.closed) return;
    connection.isQueued = true;
    this.#work.push(connection);
    this.#workChan.wakeupOne();
  }

  /** Closes the connection, of those that are `meant`, that will be missed least (ND3). */
  #evict(meant: (c: NfsConnection) => boolean): void {
    let worst: NfsConnection | null = null;
    for (const c of this.#connections) {
      if (!meant(c) || c.isBusy) continue;
      if (worst === null || (c.calls === 0) > (worst.calls === 0) || ((c.calls === 0) === (worst.calls === 0) && c.lastNs < worst.lastNs)) {
        worst = c;
      }
    }
    if (worst === null) return;
    this.#k.logRated(`nfsd: too many clients at once: ${worst.client} is disconnected`);
    worst.close();
  }
  #gone(connection: NfsConnection): void {
    this.#partial -= connection.accounted;
    connection.accounted = 0;
    this.#connections.delete(connection);
  }

  /** One call of a connection (ND1). */
  *#serve(lp: Lwp, connection: NfsConnection): Generator<void, void, void> {
    connection.isBusy = true;
    try {
      yield* this.#serveOne(lp, connection);
    } finally {
      connection.isBusy = false;
      if (connection.hasInput) this.#enqueue(connection);
    }
  }
  *#serveOne(lp: Lwp, connection: NfsConnection): Generator<void, void, void> {
    connection.flush();
    const message = connection.mayCall ? this.#receive(connection) : null;
    if (message === null) return;
    const answer = yield* this.server.handle(lp, message, connection.client);
    this.#buffers.free(message);
    if (answer === null) connection.close();
    else if (!("pieces" in answer)) {
      if (answer.reply === null) {
        connection.waiting++;
        answer.waiting.push((reply) => this.#answerLate(connection, reply));
      } else connection.send(answer.reply);
    } else if (answer.changed.size > 0) {
      connection.waiting++;
      this.#pending.push({ connection, reply: answer });
    } else {
      if (answer.kept !== null) this.server.requests.finish(answer.kept, answer.pieces);
      connection.send(answer.pieces);
    }
  }

  #receive(connection: NfsConnection): Uint8Array | null {
    const message = connection.receive(this.#k.nanouptime());
    // What arrived just before the end was never on the account; #gone has taken off what was.
    if (!connection.closed) {
      this.#partial += connection.held - connection.accounted;
      connection.accounted = connection.held;
    }
    if (this.#partial > MOST_PARTIAL) this.#evict((c) => c.held > 0);
    return message;
  }

  /** Answers a call that its connection counts among those that wait. */
  #answerLate(connection: NfsConnection, reply: readonly Uint8Array[]): void {
    connection.waiting--;
    connection.send(reply);
    if (connection.hasInput) this.#enqueue(connection);
  }

  /** Writes back what calls have changed, and answers them (ND2). */
  *#commit(lp: Lwp): Generator<void, void, void> {
    const batch = this.#pending;
    this.#pending = [];
    this.#committing = true;
    const written = new Set<Mount>();
    try {
      for (const mount of new Set(batch.flatMap((p) => [...p.reply.changed]))) {
        if (yield* this.#sync(lp, mount)) written.add(mount);
      }
    } finally {
      this.#committing = false;
      this.#answerAll(batch, written);
      if (this.#pending.length > 0) this.#workChan.wakeupOne();
    }
  }
  #answerAll(batch: readonly Pending[], written: ReadonlySet<Mount>): void {
    const { requests } = this.server;
    for (const { connection, reply } of batch) {
      const lasts = [...reply.changed].every((mount) => written.has(mount));
      const pieces = lasts ? reply.pieces : NfsServer.failed(reply);
      if (reply.kept !== null) {
        if (lasts) requests.finish(reply.kept, pieces);
        else requests.forget(reply.kept, pieces);
      }
      this.#answerLate(connection, pieces);
    }
  }

  /** Whether the file system could be written back. */
  *#sync(lp: Lwp, mount: Mount): Generator<void, boolean, void> {
    for (;;) {
      try {
        mount.sync();
        yield* waitBarriers(lp, mount.barriers());
        return true;
      } catch (e) {
        if (e instanceof IoMiss) yield* waitForLoad(lp, e);
        else if (e instanceof Errno) {
          this.#k.log(`nfsd: ${mount.onName}: ${e.message}: changes may be lost`);
          return false;
        } else throw e;
      }
    }
  }

  /** Ends all connections and gives the exports up; the threads find nothing to do any more. */
  close(): void {
    this.#listenNode.channel?.remove(this.#listenNode);
    this.#listener.close();
    for (const connection of [...this.#connections]) connection.close();
    this.server.close();
  }
}
