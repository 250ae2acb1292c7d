// SPDX-License-Identifier: BSD-3-Clause
/** What the internet domain needs of the host's network (the platform's HostNetwork has it, and says what each does). */

export interface HostAddress {
  readonly host: string;
  readonly port: number;
}
export interface HostConnection {
  readonly remote: HostAddress;
  onData(sink: (bytes: Uint8Array | null) => void): void;
  pause(): void;
  resume(): void;
  write(bytes: Uint8Array): boolean;
  onDrain(callback: () => void): void;
  end(): void;
  destroy(): void;
  onClose(callback: (error: string | null) => void): void;
}
export interface HostDatagrams {
  send(bytes: Uint8Array, to: HostAddress): void;
  onMessage(sink: (bytes: Uint8Array, from: HostAddress) => void): void;
  close(): void;
}
export interface HostNetwork {
  connect(to: HostAddress, answer: (error: string | null, connection: HostConnection | null) => void): void;
  listen(
    at: HostAddress,
    accept: (connection: HostConnection) => void,
    answer: (error: string | null) => void,
  ): () => void;
  datagrams(at: HostAddress, bound?: (error: string | null) => void): HostDatagrams;
  nameservers(): readonly HostAddress[];
}
