// SPDX-License-Identifier: BSD-3-Clause
/**
 * Waiting for children (DragonFly 2.0 sys/kern/kern_exit.c, kern_wait; POSIX waitid).
 *
 * Invariant
 *   W1  A child's end is reported once, unless WNOWAIT; a stop and a continuation once each time they happen.
 * @module
 */
import { ECHILD } from "../sys/errno.ts";
import { CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGCONT } from "../sys/signal.ts";
import { notifyParent, procReap } from "./exit.ts";
import { reapTracee } from "./ptrace.ts";
import { procTimes } from "./resource.ts";
import type { Lwp, Proc } from "./proc.ts";
import { P_CONTINUED, P_WAITED, SSTOP, SZOMB } from "./proc.ts";
import { FOREVER, PCATCH, tsleep } from "./sleep.ts";
import type { Tracee } from "./tracee.ts";

/** Which children: everyone, one process, or one group. */
export const WAIT_ALL = 0;
export const WAIT_PID = 1;
export const WAIT_PGID = 2;

export const W_NOHANG = 0x01;
export const W_UNTRACED = 0x02;
export const W_CONTINUED = 0x04;
export const W_EXITED = 0x08;
/** Leave the child as it is: it can be waited for again. */
export const W_NOWAIT = 0x10;
/** Only children whose exit signal is not SIGCHLD (__WCLONE), or all children whatever theirs is (__WALL). */
export const W_CLONE = 0x20;
export const W_ALL = 0x40;

export interface WaitResult {
  pid: number;
  uid: number;
  /** CLD_* */
  code: number;
  /** Exit code or native signal. */
  status: number;
  core: boolean;
  userNs: number;
  sysNs: number;
  child: Proc;
  /** The thread that is reported to its tracer; null for children. */
  tracee: Tracee | null;
}

function matches(p: Proc, kind: number, id: number, options: number): boolean {
  if (kind === WAIT_PID && p.pid !== id) return false;
  if (kind === WAIT_PGID && p.pgrp.id !== id) return false;
  if ((options & W_ALL) !== 0) return true;
  return ((options & W_CLONE) !== 0) === (p.exitSignal !== SIGCHLD);
}

/** Looks for a child with something to report; null when there is none yet. Throws ECHILD. */
export function waitScan(lp: Lwp, kind: number, id: number, options: number): WaitResult | null {
  const parent = lp.proc;
  let any = false;
  for (const t of parent.tracees) {
    if (!matchesTracee(t, kind, id) || parent.children.has(t.lp.proc) && t.lp.proc.stat === SZOMB) continue;
    any = true;
    if (t.unreported && (t.state !== "dead" || (options & W_EXITED) !== 0)) return traceeChange(t, options);
  }
  for (const p of parent.children) {
    if (!matches(p, kind, id, options)) continue;
    any = true;
    if (p.stat === SZOMB) {
      if ((options & W_EXITED) === 0 || p.zombieFor !== null) continue;
      const killed = (p.xstat & 0x7f) !== 0;
      const core = (p.xstat & 0x80) !== 0;
      const t = procTimes(p);
      const r: WaitResult = {
        pid: p.pid,
        uid: p.cred.ruid,
        code: core ? CLD_DUMPED : killed ? CLD_KILLED : CLD_EXITED,
        status: killed ? p.xstat & 0x7f : (p.xstat >> 8) & 0xff,
        core,
        userNs: t.userNs + p.childUserNs,
        sysNs: t.sysNs + p.childSysNs,
        child: p,
        tracee: null,
      };
      if ((options & W_NOWAIT) === 0) procReap(p);
      return r;
    }
    if (isTraced(p)) continue;
    if (p.stat === SSTOP && (options & W_UNTRACED) !== 0 && (p.flags & P_WAITED) === 0) {
      if ((options & W_NOWAIT) === 0) p.flags |= P_WAITED;
      return stateChange(p, CLD_STOPPED, p.stopSig);
    }
    if ((p.flags & P_CONTINUED) !== 0 && (options & W_CONTINUED) !== 0) {
      if ((options & W_NOWAIT) === 0) p.flags &= ~P_CONTINUED;
      return stateChange(p, CLD_CONTINUED, SIGCONT);
    }
  }
  if (!any) throw ECHILD;
  return null;
}

function stateChange(p: Proc, code: number, status: number): WaitResult {
  const t = procTimes(p);
  return { pid: p.pid, uid: p.cred.ruid, code, status, core: false, userNs: t.userNs, sysNs: t.sysNs, child: p, tracee: null };
}

/** Stops of a traced process are its tracer's business. */
function isTraced(p: Proc): boolean {
  for (const lp of p.lwps.values()) if (lp.trace !== null) return true;
  return false;
}

/** A traced thread is waited for by its own number, whatever signal its process sends at its end. */
function matchesTracee(t: Tracee, kind: number, id: number): boolean {
  if (kind === WAIT_PID) return t.lp.tid === id;
  return kind === WAIT_ALL || t.lp.proc.pgrp.id === id;
}

/** The stop or end of a traced thread. */
function traceeChange(t: Tracee, options: number): WaitResult {
  const { tid, proc } = t.lp;
  const killed = (t.exitStatus & 0x7f) !== 0;
  const dead = t.state === "dead";
  const code = !dead ? CLD_TRAPPED : (t.exitStatus & 0x80) !== 0 ? CLD_DUMPED : killed ? CLD_KILLED : CLD_EXITED;
  const status = !dead ? t.sig : killed ? t.exitStatus & 0x7f : (t.exitStatus >> 8) & 0xff;
  if ((options & W_NOWAIT) === 0) {
    t.unreported = false;
    if (dead && reapTracee(t)) notifyParent(proc);
  }
  return { ...stateChange(proc, code, status), pid: tid, core: code === CLD_DUMPED, tracee: t };
}

/** Waits for a child to report; null with W_NOHANG when there is nothing. Throws ECHILD, EINTR, ERESTART. */
export function* waitChild(lp: Lwp, kind: number, id: number, options: number): Generator<void, WaitResult | null, void> {
  for (;;) {
    const r = waitScan(lp, kind, id, options);
    if (r !== null || (options & W_NOHANG) !== 0) return r;
    yield* tsleep(lp, lp.proc.waitChan, PCATCH, FOREVER);
  }
}
