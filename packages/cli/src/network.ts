// SPDX-License-Identifier: BSD-3-Clause
/** The guest's network, from --net and --publish. */
import { isIP } from "node:net";
import type { NetworkOptions, PublishedPort } from "@vkernel/vkernel";
import { CliError } from "./ui/errors.ts";

const LOOPBACK = "127.0.0.1";

/** An address as it stands before a colon: IPv6 in brackets. */
export const bracketed = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);

function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}

/** A TCP port of the host, for `option`. Throws CliError. */
export function hostPort(text: string, option: string): number {
  const port = parsePort(text);
  if (port === null) throw new CliError(option, `'${text}' is not a port number`, "1 to 65535");
  return port;
}

function portNumber(text: string, spec: string): number {
  const port = parsePort(text);
  if (port !== null) return port;
  throw new CliError("-p", `'${spec}': '${text}' is not a port number`, "[ADDR:]HOSTPORT:GUESTPORT, for example 8080:80");
}

/** [ADDR:]HOST:GUEST[/udp]; an IPv6 address in brackets. Throws CliError. */
export function publishedPort(spec: string): PublishedPort {
  const parts = /^(?:(\[[^\]]+\]|[^:]+):)?([^:]+):([^:/]+)(?:\/(tcp|udp))?$/.exec(spec);
  if (parts === null) {
    throw new CliError("-p", `'${spec}' is no pair of ports`, "[ADDR:]HOSTPORT:GUESTPORT[/udp], for example 8080:80");
  }
  const host = parts[1]?.replace(/^\[|\]$/g, "") ?? LOOPBACK;
  if (isIP(host) === 0) throw new CliError("-p", `'${spec}': '${host}' is not an IP address`, `${LOOPBACK} or 0.0.0.0`);
  return { host, port: portNumber(parts[2]!, spec), guestPort: portNumber(parts[3]!, spec), kind: parts[4] === "udp" ? "udp" : "tcp" };
}

/** Null without a network. The host's sockets are loaded only when they are used. */
export async function network(
  outgoing: boolean,
  publish: readonly string[],
  further: readonly PublishedPort[] = [],
): Promise<NetworkOptions | null> {
  const ports = [...publish.map(publishedPort), ...further];
  if (!outgoing && ports.length === 0) return null;
  const { NodeNetwork } = await import("@vkernel/hostkernel/node/network");
  return { host: new NodeNetwork(), outgoing, publish: ports };
}
