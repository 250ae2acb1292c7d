// SPDX-License-Identifier: BSD-3-Clause
/** Waits for gdb on a port of the loopback interface; the connection is the link that a kernel's debugger uses. */
import { createServer, type Socket } from "node:net";
import type { DebugLink } from "@vkernel/hostkernel";
import { CliError } from "./ui/errors.ts";

const LOOPBACK = "127.0.0.1";

class SocketLink implements DebugLink {
  readonly #socket: Socket;
  #gone = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.pause();
    // A connection that breaks is a debugger that has gone: 'close' follows.
    socket.on("error", () => socket.destroy());
    socket.once("close", () => (this.#gone = true));
  }
  write(bytes: Uint8Array): void {
    if (!this.#gone) this.#socket.write(bytes);
  }
  onBytes(sink: (bytes: Uint8Array) => void): void {
    this.#socket.on("data", sink);
    this.#socket.resume();
  }
  onClose(callback: () => void): void {
    if (this.#gone) callback();
    else this.#socket.once("close", callback);
  }
  /** Sends what is left and closes. */
  end(): void {
    this.#socket.end();
    this.#socket.unref();
  }
}
export type GdbLink = SocketLink;

function port(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 0 || n > 65535) throw new CliError("--gdb", `'${text}' is not a port`, "a number from 0 (any) to 65535");
  return n;
}

/** Listens on port `text` (0: any free one), says where, and resolves with the first connection; further ones are refused. */
export function awaitGdb(text: string): Promise<GdbLink> {
  const wanted = port(text);
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      server.close();
      resolve(new SocketLink(socket));
    });
    server.once("error", (error) => reject(new CliError("--gdb", error.message)));
    server.listen(wanted, LOOPBACK, 1, () => {
      const address = server.address();
      const at = typeof address === "object" && address !== null ? address.port : wanted;
      process.stderr.write(`vkernel: waiting for gdb: target remote ${LOOPBACK}:${at}\n`);
    });
  });
}
