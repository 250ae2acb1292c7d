// SPDX-License-Identifier: BSD-3-Clause
/**
 * /sys as far as C libraries, language runtimes, procps and network tools read it (sysfs(5); Linux
 * Documentation/ABI/testing/sysfs-devices-system-cpu, sysfs-class-net): the one processor, the network interfaces, and the
 * places that programs list and find empty.
 */
import type { Kernel } from "../../kern/kernel.ts";
import { type Interface, interfacesOf } from "../../net/inet/interfaces.ts";
import { type ProcDir, procDir, type ProcFile, type ProcLink, type ProcNode, ProcfsMount } from "../../vfs/procfs/procfs.ts";

const MODE_DIR = 0o555;
const text = (read: () => string): ProcFile => ({ kind: "file", mode: 0o444, read: () => `${read()}\n` });
const value = (v: string | number): ProcFile => text(() => String(v));
const dir = (nodes: Readonly<Record<string, ProcNode>>): ProcDir => procDir(MODE_DIR, nodes);
const link = (target: string): ProcLink => ({ kind: "link", mode: 0o777, target: () => target });

/** Processor 0, the only one. Lists are in the form of cpulist_parse(), masks in hexadecimal. */
function processors(): ProcDir {
  const alone = { list: value("0"), mask: value("1") };
  const topology = dir({
    physical_package_id: value(0), core_id: value(0), die_id: value(0),
    thread_siblings: alone.mask, thread_siblings_list: alone.list, core_cpus: alone.mask, core_cpus_list: alone.list,
    core_siblings: alone.mask, core_siblings_list: alone.list, package_cpus: alone.mask, package_cpus_list: alone.list,
  });
  return dir({
    online: alone.list, possible: alone.list, present: alone.list, offline: value(""), isolated: value(""), kernel_max: value(0),
    cpu0: dir({ topology }),
  });
}

const IFF_UP = 0x1;
const IFF_BROADCAST = 0x2;
const IFF_LOOPBACK = 0x8;
const IFF_MULTICAST = 0x1000;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

function networkInterface(i: Interface): ProcDir {
  const flags = i.loopback ? IFF_UP | IFF_LOOPBACK : IFF_UP | IFF_BROADCAST | IFF_MULTICAST;
  const hex = (bytes: readonly number[]): string => bytes.map((b) => b.toString(16).padStart(2, "0")).join(":");
  return dir({
    address: value(hex(i.hardware)),
    broadcast: value(hex(i.hardware.map(() => (i.loopback ? 0 : 0xff)))),
    addr_len: value(i.hardware.length),
    carrier: value(1),
    flags: value(`0x${flags.toString(16)}`),
    ifindex: value(i.index),
    iflink: value(i.index),
    mtu: value(i.mtu),
    operstate: value(i.loopback ? "unknown" : "up"),
    tx_queue_len: value(1000),
    type: value(i.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER),
  });
}

function rootDir(k: Kernel): ProcDir {
  const interfaces = interfacesOf(k.inet);
  const byName = (make: (i: Interface) => ProcNode): ProcDir => dir(Object.fromEntries(interfaces.map((i) => [i.name, make(i)])));
  return dir({
    block: dir({}),
    bus: dir({}),
    class: dir({ block: dir({}), net: byName((i) => link(`../../devices/virtual/net/${i.name}`)), tty: dir({}) }),
    devices: dir({ system: dir({ cpu: processors() }), virtual: dir({ net: byName(networkInterface) }) }),
    fs: dir({ cgroup: dir({}) }),
    kernel: dir({ mm: dir({ transparent_hugepage: dir({ enabled: value("always madvise [never]") }) }) }),
    module: dir({}),
    power: dir({}),
  });
}

class SysfsMount extends ProcfsMount {
  override readonly fstype: string = "sysfs";
}

/** The sys file system of a kernel. */
export function linuxSysfs(k: Kernel): ProcfsMount {
  return new SysfsMount(rootDir(k), () => k.microtime());
}
