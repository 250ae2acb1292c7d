// SPDX-License-Identifier: BSD-3-Clause
/**
 * The machine's network interfaces: the loopback, and with a network one Ethernet card. They are what programs are told;
 * nothing sends frames.
 * @module
 */
import { isInet4, isLoopback, LOOPBACK4, LOOPBACK6 } from "./address.ts";
import { GATEWAY, type InetDomain, MACHINE, MACHINE6 } from "./domain.ts";

export interface InterfaceAddress {
  readonly host: string;
  /** Bits of the network part. */
  readonly prefix: number;
}
export interface Interface {
  /** From 1 on. */
  readonly index: number;
  readonly name: string;
  readonly loopback: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** Hardware address, six bytes. */
  readonly hardware: readonly number[];
  readonly addresses: readonly InterfaceAddress[];
}
export interface Route {
  /** Null: everything else. */
  readonly to: InterfaceAddress | null;
  readonly gateway: string | null;
  readonly through: Interface;
  /** Address that packets on it carry. */
  readonly source: string;
}

const LOOPBACK: Interface = {
  index: 1,
  name: "lo",
  loopback: true,
  mtu: 65_536,
  hardware: [0, 0, 0, 0, 0, 0],
  addresses: [{ host: LOOPBACK4, prefix: 8 }, { host: LOOPBACK6, prefix: 128 }],
};
const ETHERNET: Interface = {
  index: 2,
  name: "eth0",
  loopback: false,
  mtu: 1500,
  // What user-mode networks give to their first card.
  hardware: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
  addresses: [{ host: MACHINE, prefix: 24 }, { host: MACHINE6, prefix: 64 }],
};

export function interfacesOf(domain: InetDomain): readonly Interface[] {
  return domain.hasNetwork ? [LOOPBACK, ETHERNET] : [LOOPBACK];
}

/** Index of the interface that has a local address: packets to it come in there, whoever sends them. */
export function indexOf(host: string): number {
  return isLoopback(host) ? LOOPBACK.index : ETHERNET.index;
}

/** The main table, most special first. */
export function routesOf(domain: InetDomain): readonly Route[] {
  if (!domain.hasNetwork) return [];
  return [
    { to: { host: "10.0.2.0", prefix: 24 }, gateway: null, through: ETHERNET, source: MACHINE },
    { to: null, gateway: GATEWAY, through: ETHERNET, source: MACHINE },
  ];
}

/** The last address of an IPv4 network. */
export function broadcastOf({ host, prefix }: InterfaceAddress): string {
  const n = host.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const last = n - (n % 2 ** (32 - prefix)) + 2 ** (32 - prefix) - 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join(".");
}
/** The mask of an IPv4 network. */
export function netmaskOf({ prefix }: InterfaceAddress): string {
  const mask = 2 ** 32 - 2 ** (32 - prefix);
  return [24, 16, 8, 0].map((shift) => Math.floor(mask / 2 ** shift) % 256).join(".");
}
export function inet4Of(i: Interface): InterfaceAddress | undefined {
  return i.addresses.find((a) => isInet4(a.host));
}
