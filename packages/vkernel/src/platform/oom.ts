// SPDX-License-Identifier: BSD-3-Clause
/**
 * Out of memory: no page is free, none can be reclaimed, and swap space is full or not there. The largest process ends, with a message; the first process
 * only when it is the only one that holds memory.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_pageout.c ("killed: out of swap space").
 * @module
 */
import { SACTIVE, SSTOP, type Lwp, type Proc } from "../kern/proc.ts";
import { psignal } from "../kern/sig.ts";
import { SIGKILL } from "../sys/signal.ts";
import type { Kernel } from "../kern/kernel.ts";
import { AST_RESCHED } from "../kern/proc.ts";

function largest(k: Kernel, mayBeInit: boolean): Proc | null {
  let victim: Proc | null = null;
  let most = 0;
  for (const p of k.procs.values()) {
    if (p.vmspace === null || (p.stat !== SACTIVE && p.stat !== SSTOP) || (p === k.init && !mayBeInit))
      continue;
    const pages = p.vmspace.residentPages();
    if (pages > most) {
      most = pages;
      victim = p;
    }
  }
  return victim;
}

/** Ends a process to make room; `lp`, whose fault found none, gives way until its pages are free. */
export function outOfMemory(lp: Lwp): void {
  const k = lp.k;
  const victim = largest(k, false) ?? largest(k, true) ?? lp.proc;
  const { swap, totalPages } = k.vm;
  const room = swap.total === 0 ? "no swap space" : `${swap.total >> 8} MiB of swap space full`;
  k.tell(`pid ${victim.pid} (${victim.comm}), uid ${victim.cred.uid}, was killed: out of memory (${totalPages >> 8} MiB, ${room})`);
  psignal(victim, SIGKILL);
  if (victim !== lp.proc) lp.ast |= AST_RESCHED;
}
