// SPDX-License-Identifier: BSD-3-Clause
/**
 * What goes over a control socket: frames of a length (4 bytes), a type and a payload. The first frame of a client is its
 * request.
 */
import type { Socket } from "node:net";

/** JSON: requests, answers, signals, window sizes. */
export const MESSAGE = 0;
/** Bytes of standard input or output, and of standard error. */
export const DATA = 1;
export const ERROR_DATA = 2;
/** The end of standard input. */
export const END = 3;

const HEAD = 5;
/** Longest payload; data goes in pieces. */
const MOST = 1 << 20;

export interface Program {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
}
export interface TerminalSize {
  readonly rows: number;
  readonly cols: number;
}

export type Request =
  | { readonly op: "info" }
  | { readonly op: "ps" }
  | { readonly op: "logs"; readonly follow: boolean }
  | { readonly op: "stop"; readonly seconds: number }
  | { readonly op: "attach"; readonly size: TerminalSize | null }
  | { readonly op: "exec"; readonly program: Program; readonly size: TerminalSize | null };

/** What a client may say after its request. */
export type Event = { readonly signal: string } | { readonly size: TerminalSize };

function sendFrame(socket: Socket, type: number, payload: Uint8Array): boolean {
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(payload.length);
  head[4] = type;
  socket.write(head);
  return socket.write(payload);
}

/** Sends bytes as one frame, or as many as it takes; false when the writer should wait for "drain". */
export function send(socket: Socket, type: number, payload: Uint8Array): boolean {
  socket.cork();
  let at = 0;
  for (; payload.length - at > MOST; at += MOST) sendFrame(socket, type, payload.subarray(at, at + MOST));
  const more = sendFrame(socket, type, payload.subarray(at));
  socket.uncork();
  return more;
}
/** Sends a message, which is always one frame: the other end refuses one that is too long. */
export function sendMessage(socket: Socket, message: unknown): void {
  socket.cork();
  sendFrame(socket, MESSAGE, Buffer.from(JSON.stringify(message)));
  socket.uncork();
}

/** Calls `sink` for each whole frame; a frame that is too long ends the connection. */
export function onFrames(socket: Socket, sink: (type: number, payload: Buffer) => void): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    while (held.length >= HEAD) {
      const length = held.readUInt32BE();
      if (length > MOST) {
        socket.destroy(new Error(`a frame of ${length} bytes`));
        return;
      }
      if (held.length < HEAD + length) return;
      const type = held[4]!;
      const payload = held.subarray(HEAD, HEAD + length);
      held = held.subarray(HEAD + length);
      sink(type, payload);
    }
  });
}
