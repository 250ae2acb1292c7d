// SPDX-License-Identifier: BSD-3-Clause
/**
 * Out of memory: no page is free, none can be reclaimed, and swap space is full or not there. The process with the most badness ends, with a message; the
 * first process only when it is the only one that holds memory.
 *
 * Counterparts: DragonFly 2.0 sys/vm/vm_pageout.c ("killed: out of swap space"); badness is Linux's (proc(5), oom_score_adj).
 * @module
 */
import { SACTIVE, SSTOP, type Lwp, type Proc } from "./proc.ts";
import { psignal } from "./sig.ts";
import { SIGKILL } from "../sys/signal.ts";
import type { Kernel } from "./kernel.ts";

/** A process with this oom_score_adj is never chosen. */
export const OOM_SCORE_ADJ_MIN = -1000;
export const OOM_SCORE_ADJ_MAX = 1000;

/**
 * Pages the process holds in memory and in swap space, and its oom_score_adj in thousandths of all there are: the process with the most is the first to end.
 * -Infinity for one that must not be chosen.
 */
export function oomBadness(p: Proc): number {
  if (p.vmspace === null || p.oomScoreAdj === OOM_SCORE_ADJ_MIN) return -Infinity;
  return p.vmspace.residentPages() + p.vmspace.swappedPages() + (p.oomScoreAdj * oomPages(p.k)) / 1000;
}

/** Pages of memory and of swap space, which badness is a share of. */
export function oomPages(k: Kernel): number {
  return k.vm.totalPages + k.vm.swap.total;
}

function worst(k: Kernel, mayBeInit: boolean): Proc | null {
  let victim: Proc | null = null;
  let most = -Infinity;
  for (const p of k.procs.values()) {
    if (p.vmspace === null || (p.stat !== SACTIVE && p.stat !== SSTOP) || (p === k.init && !mayBeInit))
      continue;
    const badness = oomBadness(p);
    if (badness > most) {
      most = badness;
      victim = p;
    }
  }
  return victim;
}

/** Ends a process to make room; `lp`, whose fault found none, gives way until its pages are free. */
export function outOfMemory(lp: Lwp): void {
  const k = lp.k;
  const victim = worst(k, false) ?? worst(k, true) ?? lp.proc;
  const { swap, totalPages } = k.vm;
  const room = swap.total === 0 ? "no swap space" : `${swap.total >> 8} MiB of swap space full`;
  k.tell(`pid ${victim.pid} (${victim.comm}), uid ${victim.cred.uid}, was killed: out of memory (${totalPages >> 8} MiB, ${room})`);
  psignal(victim, SIGKILL);
  if (victim !== lp.proc) k.sched.yield(lp);
}
