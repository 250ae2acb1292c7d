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
import { GivenBytes, pair, Socket, type ByteSink, type PeerCred } from "../socket.ts";
import type { HostConnection } from "./host.ts";
import type { InetSocket } from "./socket.ts";

/** Bytes handed to the host at once. */
const MOST_AT_ONCE = 262_144;
/** Pieces up to this length are copied to stand beside each other, */
const SHORT = 2048;
/** as many as fit. */
const TOGETHER = 16_384;
const NO_BYTES = new Uint8Array(0);

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

/** Collects what the guest sent as it lies in the queue; short pieces that follow each other are put together. */
class Outgoing implements ByteSink {
  readonly pieces: Uint8Array[] = [];
  resid = MOST_AT_ONCE;
  /** Room behind the last piece, which is a copy; else empty. */
  #room: Uint8Array = NO_BYTES;
  #lastIsShort = false;

  put(src: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.resid);
    this.resid -= n;
    const piece = src.subarray(off, off + n);
    const isShort = n <= SHORT;
    if (isShort && this.#lastIsShort) this.#append(piece);
    else {
      this.pieces.push(piece);
      this.#room = NO_BYTES;
    }
    this.#lastIsShort = isShort;
    return n;
  }
  #append(piece: Uint8Array): void {
    const last = this.pieces.at(-1)!;
    if (this.#room.length < last.length + piece.length) {
      if (this.#room.length > 0) {
        this.pieces.push(piece);
        this.#room = NO_BYTES;
        return;
      }
      this.#room = new Uint8Array(TOGETHER);
      this.#room.set(last);
    }
    this.#room.set(piece, last.length);
    this.pieces[this.pieces.length - 1] = this.#room.subarray(0, last.length + piece.length);
  }
}

export class HostStream {
  readonly #guest: InetSocket;
  readonly #far: Socket;
  readonly #connection: HostConnection;
  readonly #cred: PeerCred;
  readonly #incoming: GivenBytes[] = [];
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
      else this.#incoming.push(new GivenBytes([bytes]));
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
      const sink = new Outgoing();
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
      } else this.#outBlocked = !this.#connection.write(sink.pieces);
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
