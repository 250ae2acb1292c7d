// SPDX-License-Identifier: BSD-3-Clause
/** What sockets and their users say to each other: addresses, credentials, files on their way, where bytes come from and go. */
import { Capabilities } from "../sys/capability.ts";

/** Who is at the other end. */
export interface PeerCred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Rights beyond the user's own. */
  readonly caps: Capabilities;
}

/** The kernel's own end of a connection. */
export const KERNEL_CRED: PeerCred = { pid: 0, uid: 0, gid: 0, caps: Capabilities.FULL };

/** Open files on their way from one process to another. */
export interface Rights {
  /** Nobody will take them any more. */
  dispose(): void;
}

/** Where received bytes go, and where bytes to be sent come from: a Uio has both. */
export interface ByteSink {
  put(src: Uint8Array, off: number, len: number): number;
  readonly resid: number;
}
export interface ByteSource {
  get(dst: Uint8Array, off: number, len: number): number;
  /** Gives away the next bytes as they lie, at least one and at most `most`: nobody will change them. Absent where they must be copied. */
  take?(most: number): Uint8Array;
  readonly resid: number;
}

/** Address in the internet domain; `host` is canonical text, see inet/address.ts. */
export interface InetName {
  readonly host: string;
  readonly port: number;
}
/** Address of a netlink socket; the kernel's port is 0. */
export interface NetlinkName {
  readonly port: number;
  /** Multicast groups, a bit mask. */
  readonly groups: number;
}
/** Address of a socket: in the local domain a path, or an abstract name that begins with NUL, "" = none. */
export type SocketName = string | InetName | NetlinkName;

/** What an IP packet's header says besides its sender: hop limit or time to live, traffic class or type of service, destination. */
export interface PacketFields {
  readonly hopLimit: number;
  readonly trafficClass: number;
  readonly to: string;
}
/** What a program wants a datagram's header to say, whatever the socket's others do. */
export interface PacketOptions {
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  /** Its own address. */
  readonly source?: string;
}
