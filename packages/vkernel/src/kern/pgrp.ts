// SPDX-License-Identifier: BSD-3-Clause
/**
 * Process groups, sessions and the job control count (DragonFly 2.0 sys/kern/kern_proc.c).
 *
 * Invariant
 *   J1  pgrp.jobc is the number of members whose parent is in another group of the same session: processes that
 *       somebody who knows job control can continue. At 0 the group is orphaned.
 * @module
 */
import { EPERM, ESRCH, EACCES, EINVAL } from "../sys/errno.ts";
import { SIGCONT, SIGHUP } from "../sys/signal.ts";
import { P_CONTROLT, P_EXEC, Pgrp, type Proc, Session, SSTOP, SZOMB } from "./proc.ts";
import { psignal } from "./sig.ts";

export function pgrpIsOrphaned(pgrp: Pgrp): boolean {
  return pgrp.jobc === 0;
}

/** Does `p` count for the job control of its group, given its parent? */
function counts(p: Proc, pgrp: Pgrp): boolean {
  const parent = p.parent;
  return parent !== null && parent.pgrp !== pgrp && parent.pgrp.session === pgrp.session;
}

/** Adds what `p` means for its own group and its children's groups (entering), or takes it away (leaving). */
export function fixJobControl(p: Proc, entering: boolean): void {
  if (counts(p, p.pgrp)) adjust(p.pgrp, entering);
  for (const child of p.children) {
    if (child.stat === SZOMB || child.pgrp === p.pgrp || child.pgrp.session !== p.pgrp.session) continue;
    adjust(child.pgrp, entering);
  }
}

function adjust(pgrp: Pgrp, entering: boolean): void {
  if (entering) {
    pgrp.jobc++;
    return;
  }
  if (--pgrp.jobc === 0) orphaned(pgrp);
}

/** Stopped members of a group that has become orphaned get SIGHUP and SIGCONT (POSIX). */
function orphaned(pgrp: Pgrp): void {
  for (const p of pgrp.members) {
    if (p.stat !== SSTOP) continue;
    for (const q of pgrp.members) {
      psignal(q, SIGHUP);
      psignal(q, SIGCONT);
    }
    return;
  }
}

/** Puts a new process into its parent's group. */
export function joinPgrp(p: Proc, pgrp: Pgrp): void {
  p.pgrp = pgrp;
  pgrp.members.add(p);
}

/** Takes a process out of its group; an empty group disappears, and with its last group the session. */
export function leavePgrp(p: Proc): void {
  const pgrp = p.pgrp;
  if (!pgrp.members.delete(p) || pgrp.members.size > 0) return;
  p.k.pgrps.delete(pgrp.id);
  pgrp.session.groups--;
  pgrp.session.ttyp?.groupGone(pgrp);
}

/** Moves `p` to the group `id`, making it in p's session (or a new session) when needed. */
function enterPgrp(p: Proc, id: number, newSession: boolean): void {
  const k = p.k;
  let pgrp = k.pgrps.get(id);
  if (pgrp === p.pgrp && !newSession) return;
  fixJobControl(p, false);
  if (pgrp === undefined || newSession) {
    pgrp = new Pgrp(id, newSession ? new Session(p.pid, p) : p.pgrp.session);
    leavePgrp(p);
    k.pgrps.set(id, pgrp);
  } else leavePgrp(p);
  joinPgrp(p, pgrp);
  fixJobControl(p, true);
}

/** setsid(2): EPERM for a process that leads a group. Returns the new session's id. */
export function setsid(p: Proc): number {
  if (p.pgrp.id === p.pid || p.k.pgrps.has(p.pid)) throw EPERM;
  enterPgrp(p, p.pid, true);
  p.flags &= ~P_CONTROLT;
  return p.pid;
}

/** setpgid(2): errors as in POSIX: ESRCH, EACCES (child has executed), EPERM, EINVAL. */
export function setpgid(caller: Proc, pid: number, pgid: number): void {
  if (pgid < 0) throw EINVAL;
  let p = caller;
  if (pid !== 0 && pid !== caller.pid) {
    const target = caller.k.procs.get(pid);
    if (target === undefined || target.parent !== caller) throw ESRCH;
    if (target.pgrp.session !== caller.pgrp.session) throw EPERM;
    if ((target.flags & P_EXEC) !== 0) throw EACCES;
    p = target;
  }
  if (p.pgrp.session.leader === p) throw EPERM;
  const id = pgid === 0 ? p.pid : pgid;
  if (id !== p.pid) {
    const pgrp = caller.k.pgrps.get(id);
    if (pgrp === undefined || pgrp.session !== caller.pgrp.session) throw EPERM;
  }
  enterPgrp(p, id, false);
}
