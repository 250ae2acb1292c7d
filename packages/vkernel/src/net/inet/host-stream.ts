// SPDX-License-Identifier: BSD-3-Clause
/**
 * A connection of the host as the other end of a guest's TCP socket. What the guest sends lands in the queue of the far end
 * and goes out as fast as the host takes it; what comes in goes into the guest's queue as long as there is room. So
 * a slow side holds up the other, and nothing grows without bound. Urgent bytes go out among the others: the host's interface has no word for them.
 * @module
 */
import { ECONNRESET, Errno, errnoByName } from "../../sys/errno.ts";
import { SHUT_WR } from "../../sys/socket.ts";
import { WaitNode, WOULDBLOCK, type WaitChannel } from "../../sys/wait.ts";
import { pair, Socket, type ByteSink, type ByteSource, type PeerCred } from "../socket.ts";
import type { HostConnection } from "./host.ts";
import type { InetSocket } from "./socket.ts";

/** Bytes handed to the host at once. */
const PIECE = 65_536;

/** Calls back at every wakeup of a channel. */
function watch(channel: WaitChannel, callback: () => void): () => void {
  const node: WaitNode = new WaitNode({
    wake() {
      channel.add(node);
      callback();
    },
  });
  channel.add(node);
  return () => node.channel?.remove(node);
}

class Collector implements ByteSink {
  readonly bytes: Uint8Array;
  length = 0;
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
  get resid(): number {
    return this.bytes.length - this.length;
  }
  put(src: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.resid);
    this.bytes.set(src.subarray(off, off + n), this.length);
    this.length += n;
    return n;
  }
}
class Pending implements ByteSource {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get resid(): number {
    return this.#bytes.length - this.#at;
  }
  get(dst: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.resid);
    dst.set(this.#bytes.subarray(this.#at, this.#at + n), off);
    this.#at += n;
    return n;
  }
}

export class HostStream {
  readonly #guest: InetSocket;
  readonly #far: Socket;
  readonly #connection: HostConnection;
  readonly #cred: PeerCred;
  readonly #incoming: Pending[] = [];
  readonly #unwatch: (() => void)[];
  /** The host has sent its last byte; the guest has been told so. */
  #inEnded = false;
  #inShut = false;
  #outBlocked = false;
  #outEnded = false;
  /** The host's connection is gone; what came before is still to be delivered. */
  #hostGone = false;
  #over = false;

  /** Makes `guest`, which has no peer yet, an end of `connection`. */
  constructor(guest: InetSocket, connection: HostConnection, cred: PeerCred) {
    this.#guest = guest;
    this.#connection = connection;
    this.#cred = cred;
    this.#far = new Socket(guest.family, guest.kind, cred);
    this.#far.oobInline = true;
    if (guest.remote !== null) this.#far.name = guest.remote;
    pair(guest, this.#far);
    this.#unwatch = [
      watch(this.#far.readChan, () => this.#send()),
      watch(guest.roomChan, () => this.#receive()),
    ];
    connection.onData((bytes) => {
      if (bytes === null) this.#inEnded = true;
      else this.#incoming.push(new Pending(bytes));
      this.#receive();
    });
    connection.onDrain(() => {
      this.#outBlocked = false;
      this.#send();
    });
    connection.onClose((error) => this.#closed(error));
  }

  /** From the guest to the host. */
  #send(): void {
    while (!this.#outBlocked && !this.#outEnded && !this.#over) {
      const sink = new Collector(Math.min(this.#far.queued, PIECE));
      let n: number;
      try {
        n = this.#far.recv(sink, false);
      } catch (e) {
        if (!(e instanceof Errno)) throw e;
        // The guest closed with unread bytes: an abrupt end, for the other side as well.
        this.#connection.destroy();
        return;
      }
      if (n === WOULDBLOCK) return;
      if (n === 0) {
        this.#outEnded = true;
        this.#connection.end();
      } else this.#outBlocked = !this.#connection.write(sink.bytes.subarray(0, n));
    }
  }

  /** From the host to the guest. */
  #receive(): void {
    while (this.#incoming.length > 0 && !this.#over) {
      const first = this.#incoming[0]!;
      try {
        if (first.resid > 0 && this.#far.send(first, null, null, this.#cred) === WOULDBLOCK) {
          this.#connection.pause();
          return;
        }
      } catch (e) {
        if (!(e instanceof Errno)) throw e;
        // Nobody will read it any more.
        this.#incoming.length = 0;
        this.#connection.destroy();
        break;
      }
      if (first.resid === 0) this.#incoming.shift();
    }
    if (this.#over) return;
    if (this.#hostGone) this.#finish();
    else if (!this.#inEnded) this.#connection.resume();
    else if (!this.#inShut && this.#far.peer !== null) {
      this.#inShut = true;
      this.#far.shutdown(SHUT_WR);
    }
  }

  #closed(error: string | null): void {
    if (error !== null && this.#far.peer !== null) {
      this.#guest.error = errnoByName(error) ?? ECONNRESET;
      this.#guest.wasReset = true;
      this.#incoming.length = 0;
    }
    this.#hostGone = true;
    this.#receive();
  }
  #finish(): void {
    this.#over = true;
    for (const unwatch of this.#unwatch) unwatch();
    this.#far.close();
  }
}
