// SPDX-License-Identifier: BSD-3-Clause
/**
 * A client's connection: calls out of the stream of a socket, replies into it.
 *
 * Invariants
 *   NN1  While replies wait for room, or MOST_WAITING calls to be answered, no further call is read: whoever does not read is
 *        not served, and costs one reply and what its calls under way answer.
 *   NN2  `onWork` is called whenever there may be something to do: bytes, room, the end.
 * @module
 */
import { Errno } from "../sys/errno.ts";
import { WaitNode, WOULDBLOCK, type WaitChannel } from "../sys/wait.ts";
import type { InetSocket } from "../net/inet/socket.ts";
import { GivenBytes, KERNEL_CRED } from "../net/socket.ts";
import { Uio } from "../vm/uio.ts";
import { MAX_DATA } from "./nfs3-proto.ts";
import { marked, RecordReader, type MessageBuffers } from "./rpc.ts";
import { GarbageArgs } from "./xdr.ts";

/** Bytes of a call besides its data. */
const MOST_HEAD = 8192;
/** Bytes of the longest call. */
export const MOST_CALL = MAX_DATA + MOST_HEAD;
/** Calls of one client that wait to be answered together. */
const MOST_WAITING = 32;

export class NfsConnection {
  readonly socket: InetSocket;
  /** Address of the client. */
  readonly client: string;
  readonly #reader: RecordReader;
  readonly #out: GivenBytes[] = [];
  readonly #readNode: WaitNode;
  readonly #roomNode: WaitNode;
  /** In the queue of connections with work, and in the hands of a thread. */
  isQueued = false;
  isBusy = false;
  closed = false;
  /** Calls that are answered later: they have been carried out, or repeat one that is under way. */
  waiting = 0;
  /** What of `held` the service has put on its account of calls that are not whole. */
  accounted = 0;
  /** Whole calls so far, and when the last byte came, ns. */
  calls = 0;
  lastNs: number;
  /** When it was accepted, ns. */
  readonly sinceNs: number;

  readonly #onClose: (c: NfsConnection) => void;

  constructor(socket: InetSocket, buffers: MessageBuffers, now: number, onWork: (c: NfsConnection) => void, onClose: (c: NfsConnection) => void) {
    this.#reader = new RecordReader(MOST_CALL, buffers);
    this.#onClose = onClose;
    this.socket = socket;
    this.client = socket.remote?.host ?? "";
    this.lastNs = now;
    this.sinceNs = now;
    const wake = (): void => {
      if (!this.closed) this.#listen();
      onWork(this);
    };
    this.#readNode = new WaitNode({ wake });
    this.#roomNode = new WaitNode({ wake: () => onWork(this) });
    this.#listen();
  }
  #listen(): void {
    this.socket.readChan.add(this.#readNode);
  }

  /** Bytes that a call takes up that is not whole yet. */
  get held(): number {
    return this.#reader.capacity;
  }
  get isPartial(): boolean {
    return this.#reader.isPartial;
  }
  /** Replies wait for the client to read. */
  get isBlocked(): boolean {
    return this.#out.length > 0;
  }
  /** Whether another call may be taken (NN1). */
  get mayCall(): boolean {
    return !this.closed && !this.isBlocked && this.waiting < MOST_WAITING;
  }
  /** Whether another look may find a call. */
  get hasInput(): boolean {
    return this.mayCall && this.socket.queued > 0;
  }

  /** The next whole call, or null while there is none; closes the connection at its end and when it makes no sense. */
  receive(now: number): Uint8Array | null {
    for (;;) {
      const space = this.#reader.space(Math.max(1, this.socket.queued));
      let n: number;
      try {
        n = this.socket.recv(Uio.kernel(space, 0, space.length), false);
      } catch (e) {
        if (!(e instanceof Errno)) throw e;
        n = 0;
      }
      if (n === WOULDBLOCK) return null;
      if (n === 0) {
        this.close();
        return null;
      }
      this.lastNs = now;
      let message: Uint8Array | null;
      try {
        message = this.#reader.filled(n);
      } catch (e) {
        if (!(e instanceof GarbageArgs)) throw e;
        this.close();
        return null;
      }
      if (message === null) continue;
      this.calls++;
      return message;
    }
  }

  /** Sends a reply, now or when there is room. It is not changed any more. */
  send(reply: readonly Uint8Array[]): void {
    if (this.closed) return;
    this.#out.push(new GivenBytes(marked(reply)));
    this.flush();
  }

  /** Sends what waits as far as there is room. */
  flush(): void {
    try {
      while (this.#out.length > 0) {
        const first = this.#out[0]!;
        if (this.socket.send(first, null, null, KERNEL_CRED) === WOULDBLOCK) {
          this.#waitFor(this.socket.roomOf(null));
          return;
        }
        if (first.resid === 0) this.#out.shift();
      }
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
      this.close();
    }
  }
  #waitFor(room: WaitChannel): void {
    room.add(this.#roomNode);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#out.length = 0;
    this.#reader.drop();
    for (const node of [this.#readNode, this.#roomNode]) node.channel?.remove(node);
    this.socket.close();
    this.#onClose(this);
  }
}
