// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sleeping: the only way a thread waits (DragonFly 2.0 sys/kern/kern_synch.c, tsleep).
 *
 * Invariants
 *   T1  A sleeping thread is LSSLEEP, on at least one channel or timer, and its generator is suspended in here.
 *   T2  On return or throw the thread is on no channel and its sleep timer is disarmed.
 *   T3  A PCATCH sleep is never entered, and ends, while a signal waits that is to be delivered; stop signals
 *       are taken inside the sleep, which then goes on.
 * @module
 */
import { EINTR, ERESTART } from "../sys/errno.ts";
import { IoMiss } from "../sys/wait.ts";
import { WaitChannel, WaitNode } from "../sys/wait.ts";
import type { Lwp } from "./proc.ts";
import { AST_EXIT, LSSLEEP, SSTOP } from "./proc.ts";
import { Callout } from "./callout.ts";
import { cursig, cursigPending, fatalPending, sigwaitPending } from "./sig.ts";
import { SA_RESTART } from "../sys/signal.ts";

/** tsleep flags: a signal ends the sleep (PCATCH); its system call never restarts (PNORESTART). */
export const PCATCH = 0x100;
export const PNORESTART = 0x200;
/** tsleep flag: only a signal that ends the process ends the sleep, with EINTR. */
export const PKILL = 0x400;

/** Results of a sleep. */
export const SLEEP_WOKEN = 0;
export const SLEEP_TIMEOUT = 1;

/** A timeout that never comes. */
export const FOREVER = Infinity;

/**
 * Waits for `chan` to be woken, at most `timeoutNs` ns (FOREVER: no limit). Returns SLEEP_WOKEN or
 * SLEEP_TIMEOUT; with PCATCH throws EINTR, or ERESTART when the signal's handler was installed with SA_RESTART.
 * A null channel waits for the timeout alone. The caller tests its condition before and after, since wakeups
 * may be spurious; nothing can happen between the test and the sleep.
 */
export function* tsleep(
  lp: Lwp,
  chan: WaitChannel | null,
  flags: number,
  timeoutNs: number,
): Generator<void, number, void> {
  if (chan === null) {
    return yield* sleepOn(lp, NO_CHANNELS, "nanslp", flags, timeoutNs);
  }
  const node = lp.waitNode;
  chan.add(node);
  return yield* sleepOn(lp, lp.ownNodes, chan.wmesg, flags, timeoutNs);
}

/** As tsleep, for several channels at once: any of them ends the sleep. Nulls are passed over. */
export function* tsleepMany(
  lp: Lwp,
  chans: readonly (WaitChannel | null)[],
  wmesg: string,
  flags: number,
  timeoutNs: number,
): Generator<void, number, void> {
  const nodes: WaitNode[] = [];
  for (const chan of chans) {
    if (chan === null) continue;
    let node = lp.pollNodes[nodes.length];
    if (node === undefined) lp.pollNodes.push((node = new WaitNode(lp)));
    chan.add(node);
    nodes.push(node);
  }
  return yield* sleepOn(lp, nodes, wmesg, flags, timeoutNs);
}

const NO_CHANNELS: readonly WaitNode[] = [];

function* sleepOn(
  lp: Lwp,
  nodes: readonly WaitNode[],
  wmesg: string,
  flags: number,
  timeoutNs: number,
): Generator<void, number, void> {
  const k = lp.k;
  lp.timedOut = false;
  if (timeoutNs !== FOREVER) {
    lp.sleepTimer ??= new Callout(() => {
      lp.timedOut = true;
      k.sched.wake(lp);
    });
    k.callouts.reset(lp.sleepTimer, k.nanouptime() + Math.max(0, timeoutNs));
  }
  try {
    for (;;) {
      if ((flags & PCATCH) !== 0 && lp.ast !== 0) {
        if ((lp.ast & AST_EXIT) !== 0 || sigwaitPending(lp)) throw EINTR;
        const sig = cursig(lp);
        if (lp.trace !== null && (sig !== 0 || lp.trace.trap)) {
          // Whether the call goes on shows when the tracer has decided about the signal.
          lp.trace.interrupted((flags & PNORESTART) === 0);
          throw ERESTART;
        }
        if (sig !== 0) {
          const restart = (flags & PNORESTART) === 0 && (lp.proc.sigacts.flags[sig]! & SA_RESTART) !== 0;
          throw restart ? ERESTART : EINTR;
        }
        // cursig may have stopped the process: the scheduler resumes us when it is continued.
        if (lp.proc.stat === SSTOP) yield;
        if (isWoken(nodes)) return SLEEP_WOKEN;
        if (lp.timedOut) return SLEEP_TIMEOUT;
        if (lp.ast !== 0 && cursigPending(lp)) continue;
      }
      if ((flags & PKILL) !== 0 && ((lp.ast & AST_EXIT) !== 0 || fatalPending(lp))) throw EINTR;
      lp.state = LSSLEEP;
      lp.wmesg = wmesg;
      lp.sleepCatch = (flags & PCATCH) !== 0;
      lp.sleepKill = (flags & PKILL) !== 0;
      yield;
      // A wakeup that comes together with the timeout counts: it must not get lost.
      if (isWoken(nodes)) return SLEEP_WOKEN;
      if (lp.timedOut) return SLEEP_TIMEOUT;
    }
  } finally {
    lp.wmesg = "";
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      if (node.channel !== null) node.channel.remove(node);
    }
    if (lp.sleepTimer !== null && lp.sleepTimer.armed) k.callouts.stop(lp.sleepTimer);
  }
}

function isWoken(nodes: readonly WaitNode[]): boolean {
  for (let i = 0; i < nodes.length; i++) if (nodes[i]!.channel === null) return true;
  return false;
}

/** Does something that may need what is not in memory, again after each load; it must change nothing before it throws. */
export function* whenLoaded<T>(lp: Lwp, f: () => T): Generator<void, T, void> {
  for (;;) {
    try {
      return f();
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      yield* waitForLoad(lp, e);
    }
  }
}

/** Waits until data from outside has come in. The failure of a load surfaces in the operation that runs again. */
export function* waitForLoad(lp: Lwp, miss: IoMiss): Generator<void, number, void> {
  const done = new WaitChannel("biord");
  let finished = false;
  miss.load(() => {
    finished = true;
    done.wakeup();
  });
  while (!finished) yield* tsleep(lp, done, 0, FOREVER);
  return 0;
}
