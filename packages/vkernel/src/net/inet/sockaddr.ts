// SPDX-License-Identifier: BSD-3-Clause
/**
 * struct sockaddr_in and sockaddr_in6, which differ between systems in the first two bytes only:
 * port (2 bytes, network order), then address (4), or flow (4), address (16), scope (4) (RFC 3493 §3.3).
 * @module
 */
import { EINVAL } from "../../sys/errno.ts";
import type { InetName } from "../socket.ts";
import { fromBytes, toBytes } from "./address.ts";

export const SOCKADDR_IN = 16;
export const SOCKADDR_IN6 = 28;
/** Least length of a sockaddr_in6 that callers get away with: without the scope (RFC 2133). */
const SOCKADDR_IN6_OLD = 24;

/** Throws EINVAL for an address that is too short. */
export function readInet(b: Uint8Array, six: boolean): InetName {
  if (b.length < (six ? SOCKADDR_IN6_OLD : SOCKADDR_IN)) throw EINVAL;
  return { host: fromBytes(six ? b.slice(8, 24) : b.slice(4, 8)), port: (b[2]! << 8) | b[3]! };
}

/** The structure, its first two bytes 0. */
export function writeInet(name: InetName, six: boolean): Uint8Array {
  const b = new Uint8Array(six ? SOCKADDR_IN6 : SOCKADDR_IN);
  b[2] = name.port >> 8;
  b[3] = name.port & 0xff;
  const address = toBytes(name.host, six);
  if (address !== null) b.set(address, six ? 8 : 4);
  return b;
}
