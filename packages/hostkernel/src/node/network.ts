// SPDX-License-Identifier: BSD-3-Clause
/**
 * The Node implementation of HostNetwork: `@vkernel/hostkernel/node-network`.
 * @packageDocumentation
 */
import { createSocket } from "node:dgram";
import { getServers } from "node:dns";
import { connect, createServer, isIPv6, type Socket } from "node:net";
import type { HostAddress, HostConnection, HostDatagrams, HostNetwork } from "../network.ts";

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" ? code : "EIO";
}

/** Bytes that may wait here for the host to take them. */
const MOST_WAITING = 65_536;

class NodeConnection implements HostConnection {
  readonly remote: HostAddress;
  readonly #socket: Socket;
  #error: string | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    this.remote = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    socket.on("error", (error) => (this.#error = codeOf(error)));
  }
  onData(sink: (bytes: Uint8Array | null) => void): void {
    this.#socket.on("data", (bytes) => sink(bytes));
    this.#socket.on("end", () => sink(null));
    this.#socket.resume();
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    // One system call for all of them.
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    // Not what write() returns: that is false for any long piece, even one that the host has taken by now, and the writer would
    // wait for a turn of the event loop.
    return socket.writableLength < MOST_WAITING;
  }
  onDrain(callback: () => void): void {
    this.#socket.on("drain", callback);
  }
  end(): void {
    this.#socket.end();
  }
  destroy(): void {
    this.#socket.destroy();
  }
  onClose(callback: (error: string | null) => void): void {
    this.#socket.on("close", () => callback(this.#error));
  }
}

/** Sockets of the Node process. */
export class NodeNetwork implements HostNetwork {
  connect(to: HostAddress, answer: (error: string | null, connection: HostConnection | null) => void): void {
    const socket = connect({ host: to.host, port: to.port, allowHalfOpen: true });
    socket.pause();
    const failed = (error: Error): void => answer(codeOf(error), null);
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      answer(null, new NodeConnection(socket));
    });
  }

  listen(
    at: HostAddress,
    accept: (connection: HostConnection) => void,
    answer: (error: string | null) => void,
  ): () => void {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      accept(new NodeConnection(socket)),
    );
    server.once("error", (error) => answer(codeOf(error)));
    server.listen({ host: at.host, port: at.port }, () => answer(null));
    return () => server.close();
  }

  datagrams(at: HostAddress, bound?: (error: string | null) => void): HostDatagrams {
    const socket = createSocket(isIPv6(at.host) ? "udp6" : "udp4");
    let answer = bound;
    const answered = (error: string | null): void => {
      answer?.(error);
      answer = undefined;
    };
    // A datagram that cannot be sent is a lost one, as on any network.
    socket.on("error", (error: NodeJS.ErrnoException) => answered(error.code ?? error.message));
    socket.on("listening", () => answered(null));
    socket.bind({ address: at.host, port: at.port });
    return {
      send: (bytes, to) => socket.send(bytes, to.port, to.host, () => {}),
      onMessage: (sink) => {
        socket.on("message", (bytes, from) => sink(bytes, { host: from.address, port: from.port }));
      },
      close: () => socket.close(),
    };
  }

  nameservers(): readonly HostAddress[] {
    return getServers().map((server) => {
      const bracketed = /^\[(.*)\]:(\d+)$/.exec(server);
      if (bracketed !== null) return { host: bracketed[1]!, port: Number(bracketed[2]) };
      const withPort = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(server);
      if (withPort !== null) return { host: withPort[1]!, port: Number(withPort[2]) };
      return { host: server, port: 53 };
    });
  }
}
