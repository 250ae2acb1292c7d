// SPDX-License-Identifier: BSD-3-Clause
/** kill(2): who may signal whom (DragonFly 2.0 sys/kern/kern_sig.c, CANSIGNAL and sys_kill). */
import { CAP_KILL, capable } from "../sys/capability.ts";
import { EPERM, ESRCH } from "../sys/errno.ts";
import { SIGCONT } from "../sys/signal.ts";
import type { Ucred } from "../sys/ucred.ts";
import type { Proc } from "./proc.ts";
import { P_SYSTEM, SZOMB } from "./proc.ts";
import { type Ksiginfo, psignal } from "./sig.ts";

/** May `from` send `sig` to `p`? SIGCONT may go to any process of the own session. */
export function canSignal(from: Proc, p: Proc, sig: number): boolean {
  const c: Ucred = from.cred;
  const t: Ucred = p.cred;
  if (from === p || capable(c, CAP_KILL)) return true;
  if (c.ruid === t.ruid || c.ruid === t.svuid || c.uid === t.ruid || c.uid === t.svuid) return true;
  return sig === SIGCONT && from.pgrp.session === p.pgrp.session;
}

/**
 * kill(2) with the meaning of pid for both ABIs: > 0 a process, 0 the own group, -1 everyone but init and
 * system processes, < -1 a group. `sig` is native, 0 tests only. Throws ESRCH, EPERM.
 */
export function kill(from: Proc, pid: number, sig: number, info: Ksiginfo): void {
  const k = from.k;
  if (pid > 0) {
    const p = k.procs.get(pid);
    if (p === undefined) throw ESRCH;
    if (!canSignal(from, p, sig)) throw EPERM;
    psignal(p, sig, info);
    return;
  }
  let candidates: Iterable<Proc>;
  if (pid === -1) candidates = [...k.procs.values()].filter((p) => p !== from && p !== k.init && (p.flags & P_SYSTEM) === 0);
  else {
    const pgrp = pid === 0 ? from.pgrp : k.pgrps.get(-pid);
    if (pgrp === undefined) throw ESRCH;
    candidates = [...pgrp.members].filter((p) => (p.flags & P_SYSTEM) === 0);
  }
  let found = false;
  let sent = false;
  for (const p of candidates) {
    if (p.stat === SZOMB && pid === -1) continue;
    found = true;
    if (!canSignal(from, p, sig)) continue;
    sent = true;
    psignal(p, sig, { ...info });
  }
  if (!found) throw ESRCH;
  if (!sent) throw EPERM;
}
