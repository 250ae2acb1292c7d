// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly calls for virtual kernels, as a program inside this one finds them (DragonFly 2.0 sys/vm/{vm_vmspace,vm_mmap}.c):
 * the sysctl vm.vkernel_enable is 0 and cannot be set.
 */
import { EINVAL, EOPNOTSUPP } from "../../sys/errno.ts";
import { MADV_CORE, PAGE_MASK } from "../../sys/mman.ts";
import { madvise } from "../../vm/mmap.ts";
import type { Lwp } from "../../kern/proc.ts";
import { fd, hex, int, obsolete, off64, partial, plain, size, type Sysent, uaddr } from "../../kern/sysent.ts";

/** No process has VM spaces. */
const noSpaces = (): never => {
  throw EINVAL;
};

const MADV_INVAL = MADV_CORE + 1;
/** mcontrol(addr, len, behaviour, value): madvise with a value that only a virtual kernel's behaviours look at. */
function sysMcontrol(lp: Lwp, a: Int32Array): number {
  // MADV_SETMAP needs a mapping of the kind MAP_VPAGETABLE, which mmap refuses.
  if (a[2]! < 0 || a[2]! > MADV_INVAL) throw EINVAL;
  const addr = a[0]! >>> 0;
  if (addr + (a[1]! >>> 0) > 0xffff_ffff) throw EINVAL;
  // Translations are only a cache here: there is nothing to make anew.
  if (a[2] === MADV_INVAL) return 0;
  madvise(lp.proc.vmspace!, addr - (addr & PAGE_MASK), (a[1]! >>> 0) + (addr & PAGE_MASK), a[2]!);
  return 0;
}

const NESTED = "as with sysctl vm.vkernel_enable 0: nothing can be created";
export const VMSPACE_ROWS: readonly Sysent[] = [
  plain(485, "mcontrol", [uaddr, size, int, off64], sysMcontrol),
  partial(plain(486, "vmspace_create", [uaddr, int, uaddr], () => {
    throw EOPNOTSUPP;
  }), NESTED),
  partial(plain(487, "vmspace_destroy", [uaddr], noSpaces), NESTED),
  partial(plain(488, "vmspace_ctl", [uaddr, int, uaddr, uaddr], noSpaces), NESTED),
  partial(plain(489, "vmspace_mmap", [uaddr, uaddr, size, hex, hex, fd, off64], noSpaces), NESTED),
  partial(plain(490, "vmspace_munmap", [uaddr, uaddr, size], noSpaces), NESTED),
  partial(plain(491, "vmspace_mcontrol", [uaddr, uaddr, size, int, off64], noSpaces), NESTED),
  partial(plain(492, "vmspace_pread", [uaddr, uaddr, size, hex, off64], noSpaces), NESTED),
  partial(plain(493, "vmspace_pwrite", [uaddr, uaddr, size, hex, off64], noSpaces), NESTED),
  obsolete(534, "vmm_guest_ctl", "ENOSYS, as on every i386 kernel"),
  obsolete(535, "vmm_guest_sync_addr", "ENOSYS, as on every i386 kernel"),
];
