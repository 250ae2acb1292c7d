// SPDX-License-Identifier: BSD-3-Clause
/**
 * The host's network as the kernel above uses it: streams and datagrams, no packets. A part of the platform that is there only
 * when asked for; the rules of platform.ts hold. Errors are symbolic errno values ("ECONNREFUSED").
 * @module
 */

/** Numeric address, and port 1–65535 (0: any free one, for listening). */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

export interface HostConnection {
  readonly remote: HostAddress;
  /** Delivers what arrives from now on, bytes that are the receiver's then; null when the other side has ended its direction. */
  onData(sink: (bytes: Uint8Array | null) => void): void;
  /** Stops delivery until resume(). */
  pause(): void;
  resume(): void;
  /** Takes all pieces, whose bytes are the connection's then. Returns false when the writer should wait for onDrain. */
  write(pieces: readonly Uint8Array[]): boolean;
  onDrain(callback: () => void): void;
  /** Ends this direction behind what was written. */
  end(): void;
  /** Drops the connection. */
  destroy(): void;
  /** Called once, when nothing more will come or go; with the error that ended it, or null. */
  onClose(callback: (error: string | null) => void): void;
}

export interface HostDatagrams {
  send(bytes: Uint8Array, to: HostAddress): void;
  onMessage(sink: (bytes: Uint8Array, from: HostAddress) => void): void;
  close(): void;
}

export interface HostNetwork {
  /** Connects; answers with the connection or an error, once. */
  connect(to: HostAddress, answer: (error: string | null, connection: HostConnection | null) => void): void;
  /** Listens; `answer` tells whether that worked, `accept` receives each connection, paused. Returns what stops it. */
  listen(
    at: HostAddress,
    accept: (connection: HostConnection) => void,
    answer: (error: string | null) => void,
  ): () => void;
  /** Datagrams from a port of the host's choice, or from `at`; of the address family of `at.host`. `bound` tells once whether that worked. */
  datagrams(at: HostAddress, bound?: (error: string | null) => void): HostDatagrams;
  /** Addresses of the name servers that the host asks, best first. */
  nameservers(): readonly HostAddress[];
}
