// SPDX-License-Identifier: BSD-3-Clause
/** ioctl requests about network interfaces, on any socket (netdevice(7); Linux include/uapi/linux/{sockios,if}.h). */
import { CAP_NET_ADMIN, capable } from "../../sys/capability.ts";
import { EADDRNOTAVAIL, EINVAL, ENODEV, ENOTTY, EOPNOTSUPP, EPERM } from "../../sys/errno.ts";
import { copyin, copyinWords, copyout, suword } from "../../vm/copyio.ts";
import { writeInet } from "../../net/inet/sockaddr.ts";
import { broadcastOf, inet4Of, type Interface, interfacesOf, netmaskOf } from "../../net/inet/interfaces.ts";
import { hardwareType, interfaceFlags } from "../../net/netlink/route.ts";
import type { Lwp } from "../../kern/proc.ts";

const SIOCGIFNAME = 0x8910;
const SIOCGIFCONF = 0x8912;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFADDR = 0x8915;
const SIOCGIFDSTADDR = 0x8917;
const SIOCGIFBRDADDR = 0x8919;
const SIOCGIFNETMASK = 0x891b;
const SIOCGIFMETRIC = 0x891d;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFTXQLEN = 0x8942;
const SIOCGIFMAP = 0x8970;
/** Requests that set something; what they would need is not there to be had. */
const SETTERS = new Set([
  0x8914, 0x8916, 0x8918, 0x891a, 0x891c, 0x891e, 0x8920, 0x8922, 0x8923, 0x8924, 0x8937, 0x8943, 0x8971, 0x890b, 0x890c,
]);

/** struct ifreq: a name of 16 bytes, then a union of 16. */
const IFNAMSIZ = 16;
const IFREQ = 32;
const AF_INET = 2;

export function isNetdevIoctl(cmd: number): boolean {
  return (cmd >= SIOCGIFNAME && cmd <= SIOCGIFMAP) || SETTERS.has(cmd);
}

function socketAddress(host: string): Uint8Array {
  const b = writeInet({ host, port: 0 }, false);
  b[0] = AF_INET;
  return b;
}

function addressOf(i: Interface): { host: string; prefix: number } {
  const a = inet4Of(i);
  if (a === undefined) throw EADDRNOTAVAIL;
  return a;
}

/** What a request about one interface stores in the union. */
function answer(i: Interface, cmd: number): Uint8Array {
  const int = (v: number): Uint8Array => new Uint8Array(Int32Array.of(v).buffer);
  switch (cmd) {
    case SIOCGIFFLAGS:
      return int(interfaceFlags(i)).subarray(0, 2);
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
      return socketAddress(addressOf(i).host);
    case SIOCGIFBRDADDR:
      return socketAddress(i.loopback ? "0.0.0.0" : broadcastOf(addressOf(i)));
    case SIOCGIFNETMASK:
      return socketAddress(netmaskOf(addressOf(i)));
    case SIOCGIFMETRIC:
      return int(0);
    case SIOCGIFMTU:
      return int(i.mtu);
    case SIOCGIFHWADDR: {
      const b = new Uint8Array(16);
      b[0] = hardwareType(i) & 255;
      b[1] = hardwareType(i) >> 8;
      b.set(i.hardware, 2);
      return b;
    }
    case SIOCGIFINDEX:
      return int(i.index);
    case SIOCGIFTXQLEN:
      return int(1000);
    case SIOCGIFMAP:
      return new Uint8Array(16);
    default:
      throw ENOTTY;
  }
}

/** struct ifconf: a length and a buffer of ifreqs; without a buffer the length that is needed. */
function ifconf(lp: Lwp, arg: number): number {
  const vm = lp.proc.vmspace!;
  const w = new Int32Array(2);
  copyinWords(vm, arg, w, 2);
  const all = interfacesOf(lp.k.inet).filter((i) => inet4Of(i) !== undefined);
  if (w[1] === 0) {
    suword(vm, arg, all.length * IFREQ);
    return 0;
  }
  if (w[0]! < 0) throw EINVAL;
  const fit = Math.min(all.length, Math.floor(w[0]! / IFREQ));
  const out = new Uint8Array(fit * IFREQ);
  for (const [n, i] of all.slice(0, fit).entries()) {
    out.set(Uint8Array.from(i.name, (c) => c.charCodeAt(0)), n * IFREQ);
    out.set(socketAddress(addressOf(i).host), n * IFREQ + IFNAMSIZ);
  }
  copyout(vm, out, 0, w[1]!, out.length);
  suword(vm, arg, out.length);
  return 0;
}

/** A request of isNetdevIoctl(). Throws ENODEV, EADDRNOTAVAIL, EPERM, EOPNOTSUPP, ENOTTY, EFAULT. */
export function netdevIoctl(lp: Lwp, cmd: number, arg: number): number {
  const vm = lp.proc.vmspace!;
  if (cmd === SIOCGIFCONF) return ifconf(lp, arg);
  if (SETTERS.has(cmd)) throw capable(lp.proc.cred, CAP_NET_ADMIN) ? EOPNOTSUPP : EPERM;
  const req = new Uint8Array(IFREQ);
  copyin(vm, arg, req, 0, IFREQ);
  const all = interfacesOf(lp.k.inet);
  if (cmd === SIOCGIFNAME) {
    const index = new DataView(req.buffer).getInt32(IFNAMSIZ, true);
    const i = all.find((x) => x.index === index);
    if (i === undefined) throw ENODEV;
    req.fill(0, 0, IFNAMSIZ);
    req.set(Uint8Array.from(i.name, (c) => c.charCodeAt(0)));
    copyout(vm, req, 0, arg, IFREQ);
    return 0;
  }
  const name = String.fromCharCode(...req.subarray(0, IFNAMSIZ)).replace(/\0.*$/s, "");
  const i = all.find((x) => x.name === name);
  if (i === undefined) throw ENODEV;
  req.set(answer(i, cmd), IFNAMSIZ);
  copyout(vm, req, 0, arg, IFREQ);
  return 0;
}
