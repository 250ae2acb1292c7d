// SPDX-License-Identifier: BSD-3-Clause
/**
 * NETLINK_ROUTE: interfaces, addresses and routes for who asks (Linux net/core/rtnetlink.c, net/ipv4/devinet.c,
 * include/uapi/linux/rtnetlink.h). Nothing can be changed.
 * @module
 */
import { ENODEV, EOPNOTSUPP, EPERM, type Errno } from "../../sys/errno.ts";
import { isInet4, isLoopback, toBytes } from "../inet/address.ts";
import type { InetDomain } from "../inet/domain.ts";
import { broadcastOf, type Interface, interfacesOf, type InterfaceAddress, type Route, routesOf } from "../inet/interfaces.ts";
import { MessageBuilder, NLM_F_DUMP, NLM_F_MULTI, parseAttributes, type Request } from "./message.ts";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
/** Kinds come in fours: new, delete, get, set. The others exist and are empty here: neighbours, rules, disciplines. */
const RTM_GET = 2;
const RTM_MAX = 119;

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_RUNNING = 0x40;
export const IFF_MULTICAST = 0x1000;
const IFF_LOWER_UP = 0x1_0000;

const IFLA_ADDRESS = 1;
const IFLA_BROADCAST = 2;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_QDISC = 6;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_LINKMODE = 17;
const OPER_UNKNOWN = 0;
const OPER_UP = 6;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_F_PERMANENT = 0x80;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_KERNEL = 2;
const RTPROT_BOOT = 3;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const SCOPE_HOST = 254;
const RTN_UNICAST = 1;

export function interfaceFlags(i: Interface): number {
  return IFF_UP | IFF_RUNNING | (i.loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST);
}
export function hardwareType(i: Interface): number {
  return i.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
}

interface Asker {
  readonly req: Request;
  readonly port: number;
  /** Flags of the answer. */
  readonly flags: number;
}

function linkMessage(i: Interface, { req, port, flags }: Asker): Uint8Array {
  const m = new MessageBuilder();
  // struct ifinfomsg
  m.u8(AF_UNSPEC, 0).u16(hardwareType(i)).u32(i.index).u32(interfaceFlags(i) | IFF_LOWER_UP).u32(0);
  m.attributeText(IFLA_IFNAME, i.name);
  m.attributeU32(IFLA_TXQLEN, 1000);
  m.attribute(IFLA_OPERSTATE, [i.loopback ? OPER_UNKNOWN : OPER_UP]);
  m.attribute(IFLA_LINKMODE, [0]);
  m.attributeU32(IFLA_MTU, i.mtu);
  m.attributeText(IFLA_QDISC, "noqueue");
  m.attribute(IFLA_ADDRESS, i.hardware);
  m.attribute(IFLA_BROADCAST, i.loopback ? i.hardware : [255, 255, 255, 255, 255, 255]);
  return m.finish(RTM_NEWLINK, flags, req.seq, port);
}

function addressMessage(i: Interface, a: InterfaceAddress, { req, port, flags }: Asker): Uint8Array {
  const four = isInet4(a.host);
  const bytes = toBytes(a.host, !four)!;
  const m = new MessageBuilder();
  // struct ifaddrmsg
  m.u8(four ? AF_INET : AF_INET6, a.prefix, IFA_F_PERMANENT, isLoopback(a.host) ? SCOPE_HOST : SCOPE_UNIVERSE).u32(i.index);
  m.attribute(IFA_ADDRESS, bytes);
  if (four) {
    m.attribute(IFA_LOCAL, bytes);
    if (!i.loopback) m.attribute(IFA_BROADCAST, toBytes(broadcastOf(a), false)!);
    m.attributeText(IFA_LABEL, i.name);
  }
  m.attributeU32(IFA_FLAGS, IFA_F_PERMANENT);
  // struct ifa_cacheinfo: preferred and valid for ever; when it was made and changed
  m.attribute(IFA_CACHEINFO, [...new Array<number>(8).fill(255), ...new Array<number>(8).fill(0)]);
  return m.finish(RTM_NEWADDR, flags, req.seq, port);
}

function routeMessage(r: Route, { req, port, flags }: Asker): Uint8Array {
  const m = new MessageBuilder();
  // struct rtmsg
  m.u8(AF_INET, r.to?.prefix ?? 0, 0, 0, RT_TABLE_MAIN, r.gateway === null ? RTPROT_KERNEL : RTPROT_BOOT);
  m.u8(r.gateway === null ? SCOPE_LINK : SCOPE_UNIVERSE, RTN_UNICAST).u32(0);
  m.attributeU32(RTA_TABLE, RT_TABLE_MAIN);
  if (r.to !== null) m.attribute(RTA_DST, toBytes(r.to.host, false)!);
  if (r.gateway !== null) m.attribute(RTA_GATEWAY, toBytes(r.gateway, false)!);
  else m.attribute(RTA_PREFSRC, toBytes(r.source, false)!);
  m.attributeU32(RTA_OIF, r.through.index);
  return m.finish(RTM_NEWROUTE, flags, req.seq, port);
}

/** The interface that a RTM_GETLINK without NLM_F_DUMP names by index or name. */
function askedLink(domain: InetDomain, req: Request): Interface | undefined {
  const index = req.body.length < 8 ? 0 : new DataView(req.body.buffer, req.body.byteOffset).getInt32(4, true);
  const attribute = parseAttributes(req.body, 16).get(IFLA_IFNAME);
  const name = attribute === undefined ? "" : String.fromCharCode(...attribute).replace(/\0.*$/s, "");
  return interfacesOf(domain).find((i) => (index > 0 ? i.index === index : i.name === name));
}

/** Answers a request: messages in order, or the error. */
export function answerRoute(domain: InetDomain, req: Request, port: number, superuser: boolean): Uint8Array[] | Errno {
  if (req.type < RTM_NEWLINK || req.type > RTM_MAX) return EOPNOTSUPP;
  if (req.type % 4 !== RTM_GET) return superuser ? EOPNOTSUPP : EPERM;
  const dump = (req.flags & NLM_F_DUMP) !== 0;
  const asker: Asker = { req, port, flags: dump ? NLM_F_MULTI : 0 };
  const family = req.body[0] ?? AF_UNSPEC;
  if (!dump) {
    if (req.type !== RTM_GETLINK) return EOPNOTSUPP;
    const i = askedLink(domain, req);
    return i === undefined ? ENODEV : [linkMessage(i, asker)];
  }
  const wanted = (host: string): boolean => family === AF_UNSPEC || family === (isInet4(host) ? AF_INET : AF_INET6);
  switch (req.type) {
    case RTM_GETLINK:
      return interfacesOf(domain).map((i) => linkMessage(i, asker));
    case RTM_GETADDR:
      return interfacesOf(domain).flatMap((i) =>
        i.addresses.filter((a) => wanted(a.host)).map((a) => addressMessage(i, a, asker)),
      );
    case RTM_GETROUTE:
      return family === AF_INET6 ? [] : routesOf(domain).map((r) => routeMessage(r, asker));
    default:
      return [];
  }
}
