// SPDX-License-Identifier: BSD-3-Clause
/** The mount tables of /proc: mounts and mountinfo, seen from a process's root directory. */
import { MNT_NOATIME, MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, type Mount } from "../../vfs/mount.ts";
import { cacheFullpath } from "../../vfs/namecache.ts";
import type { Proc } from "../../kern/proc.ts";

const LINUX_TYPES: Readonly<Record<string, string>> = { procfs: "proc", devfs: "devtmpfs" };

function optionsOf(mount: Mount): string {
  const f = mount.flags;
  return (
    ((f & MNT_RDONLY) !== 0 ? "ro" : "rw") +
    ((f & MNT_NOSUID) !== 0 ? ",nosuid" : "") +
    ((f & MNT_NODEV) !== 0 ? ",nodev" : "") +
    ((f & MNT_NOEXEC) !== 0 ? ",noexec" : "") +
    ((f & MNT_NOATIME) !== 0 ? ",noatime" : "")
  );
}

/** Blanks in names are written in octal (getmntent(3)). */
const escape = (s: string): string =>
  s.replace(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);

/** The mounts that the process can see, with their paths. */
function* visible(p: Proc): Generator<{ mount: Mount; on: string }> {
  const root = p.fd?.rdir ?? p.k.mounts.root;
  for (const mount of p.k.mounts.list) {
    const on = mount.rootNch === null ? null : cacheFullpath(mount.rootNch, root);
    if (on !== null) yield { mount, on };
  }
}

export function mountLines(p: Proc): string {
  let out = "";
  for (const { mount, on } of visible(p)) {
    const type = LINUX_TYPES[mount.fstype] ?? mount.fstype;
    out += `${escape(mount.from)} ${escape(on)} ${type} ${optionsOf(mount)} 0 0\n`;
  }
  return out;
}

export function mountinfoLines(p: Proc): string {
  let out = "";
  for (const { mount, on } of visible(p)) {
    const type = LINUX_TYPES[mount.fstype] ?? mount.fstype;
    const parent = mount.covered === null ? 0 : mount.covered.mount.fsid;
    const options = optionsOf(mount);
    out += `${mount.fsid} ${parent} 0:${mount.fsid} / ${escape(on)} ${options} - ${type} ${escape(mount.from)} ${options.slice(0, 2)}\n`;
  }
  return out;
}
