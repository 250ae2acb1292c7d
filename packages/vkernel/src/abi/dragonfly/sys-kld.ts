// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly calls on kernel modules (DragonFly 2.0 sys/kern/{kern_linker,kern_module}.c). The kernel is one file, number 1,
 * and its modules are the file systems that it was built with; nothing can be loaded into it.
 */
import { EBUSY, EEXIST, EINVAL, ENOENT, ENOEXEC } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { copyinstr, fuword } from "../../vm/copyio.ts";
import type { Kernel } from "../../kern/kernel.ts";
import type { Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { withPath } from "../../kern/sys-vfs.ts";
import { int, path, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { getPath, getWords, PATH_MAX, putBytes, putField } from "./guest-struct.ts";

const KERNEL_FILE = 1;
const KERNEL_NAME = "kernel";
/** Where a kernel is linked to. */
const KERNEL_ADDRESS = 0xc010_0000;
const MAXMODNAME = 32;
const MODULE_STAT_V1 = 44;
const MODULE_STAT = 48;
const KLD_FILE_STAT = 1044;
const KLD_SYM_LOOKUP = 16;
const KLDSYM_LOOKUP = 1;

/** Names of the modules; a module's number is its place, from 1 on. */
const modules = (k: Kernel): string[] => [...k.vfsops.keys()].sort();

function moduleName(lp: Lwp, id: number): string {
  const name = modules(lp.k)[id - 1];
  if (name === undefined) throw ENOENT;
  return name;
}
/** The module after `id`, 0 behind the last. */
function next(lp: Lwp, id: number): number {
  moduleName(lp, id);
  return id < modules(lp.k).length ? id + 1 : 0;
}

/** struct module_stat: version (its size), name, references, id, data. */
function sysModstat(lp: Lwp, a: Int32Array): number {
  const name = moduleName(lp, a[0]!);
  const version = fuword(lp.proc.vmspace!, a[1]!);
  if (version !== MODULE_STAT && version !== MODULE_STAT_V1) throw EINVAL;
  const b = new Uint8Array(version);
  const dv = new DataView(b.buffer);
  dv.setInt32(0, version, true);
  putField(b, 4, MAXMODNAME, name);
  dv.setInt32(36, 1, true);
  dv.setInt32(40, a[0]!, true);
  putBytes(lp, a[1]!, b);
  return 0;
}
function sysModfind(lp: Lwp, a: Int32Array): number {
  const id = modules(lp.k).indexOf(copyinstr(lp.proc.vmspace!, a[0]!, MAXMODNAME)) + 1;
  if (id === 0) throw ENOENT;
  return id;
}

const fileName = (name: string): string => name.slice(name.lastIndexOf("/") + 1);
function checkFile(id: number): void {
  if (id !== KERNEL_FILE) throw ENOENT;
}

/** A file that is there is no module for this kernel; what is compiled in need not be loaded. */
function sysKldload(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const name = getPath(lp, a[0]!);
  const module = fileName(name).replace(/\.ko$/, "");
  if (module === KERNEL_NAME || modules(lp.k).includes(module)) throw EEXIST;
  withPath(lp, AT_FDCWD, name, NLC_FOLLOW, () => {});
  throw ENOEXEC;
}
function sysKldunload(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  checkFile(a[0]!);
  throw EBUSY;
}
/** struct kld_file_stat: version (its size), name, references, id, address, size. */
function sysKldstat(lp: Lwp, a: Int32Array): number {
  checkFile(a[0]!);
  if (fuword(lp.proc.vmspace!, a[1]!) !== KLD_FILE_STAT) throw EINVAL;
  const b = new Uint8Array(KLD_FILE_STAT);
  const dv = new DataView(b.buffer);
  dv.setInt32(0, KLD_FILE_STAT, true);
  putField(b, 4, PATH_MAX, KERNEL_NAME);
  dv.setInt32(1028, 1, true);
  dv.setInt32(1032, KERNEL_FILE, true);
  dv.setUint32(1036, KERNEL_ADDRESS, true);
  putBytes(lp, a[1]!, b);
  return 0;
}
/** kldsym(file, command, {version, name, value, size}): programs find no addresses of this kernel. */
function sysKldsym(lp: Lwp, a: Int32Array): number {
  const w = getWords(lp, a[2]!, 4);
  if (w[0] !== KLD_SYM_LOOKUP || a[1] !== KLDSYM_LOOKUP) throw EINVAL;
  copyinstr(lp.proc.vmspace!, w[1]!, PATH_MAX);
  throw ENOENT;
}

export const KLD_ROWS: readonly Sysent[] = [
  plain(300, "modnext", [int], (lp, a) => (a[0] === 0 ? 1 : next(lp, a[0]!))),
  plain(301, "modstat", [int, uptr], sysModstat),
  plain(302, "modfnext", [int], (lp, a) => next(lp, a[0]!)),
  plain(303, "modfind", [path], sysModfind),
  plain(304, "kldload", [path], sysKldload),
  plain(305, "kldunload", [int], sysKldunload),
  plain(306, "kldfind", [path], (lp, a) => {
    if (fileName(getPath(lp, a[0]!)) !== KERNEL_NAME) throw ENOENT;
    return KERNEL_FILE;
  }),
  plain(307, "kldnext", [int], (_lp, a) => {
    if (a[0] === 0) return KERNEL_FILE;
    checkFile(a[0]!);
    return 0;
  }),
  plain(308, "kldstat", [int, uptr], sysKldstat),
  plain(309, "kldfirstmod", [int], (_lp, a) => {
    checkFile(a[0]!);
    return 1;
  }),
  plain(337, "kldsym", [int, int, uptr], sysKldsym),
];
