// SPDX-License-Identifier: BSD-3-Clause
/** What a system call stores into memory that has to come from a disk (vm/late-stores.ts), when the call is done. */
import { EFAULT } from "../sys/errno.ts";
import { copyout } from "../vm/copyio.ts";
import { NO_STORES } from "../vm/late-stores.ts";
import type { Lwp } from "./proc.ts";
import { whenLoaded } from "./sleep.ts";

/** Takes what the thread's call has put off since the dispatcher looked last. */
export function keepLate(lp: Lwp): void {
  const { stores } = lp.k.vm.late;
  lp.late = lp.late.concat(stores);
  stores.length = 0;
}

/** The call begins anew, and so will its stores. */
export function dropLate(lp: Lwp): void {
  lp.k.vm.late.stores.length = 0;
  lp.late = NO_STORES;
}

/** Makes the stores of the thread's call. Throws EFAULT. */
export function* storeLate(lp: Lwp): Generator<void, void, void> {
  const { late } = lp.k.vm;
  if (late.stores.length > 0) keepLate(lp);
  const stores = lp.late;
  lp.late = NO_STORES;
  for (const { vm, uaddr, bytes } of stores) {
    yield* whenLoaded(lp, () => {
      // Another process may have ended meanwhile
      if (vm.refs === 0) throw EFAULT;
      const { armed } = late;
      late.armed = false;
      try {
        copyout(vm, bytes, 0, uaddr, bytes.length);
      } finally {
        late.armed = armed;
      }
    });
  }
}
