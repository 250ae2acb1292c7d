// SPDX-License-Identifier: BSD-3-Clause
/**
 * Terminals and processes: controlling terminals, and who may read and write (DragonFly 2.0 sys/kern/tty.c,
 * isbackground and ttioctl; POSIX 11.1).
 *
 * Invariant
 *   JC1  tty.session === s exactly while s.ttyp === tty; tty.pgrp is then a group of s or null.
 * @module
 */
import { EINVAL, EIO, ENOTTY, EPERM } from "../sys/errno.ts";
import * as ioc from "../sys/ioctl.ts";
import { SIG_IGN, sigismember, SIGTTOU } from "../sys/signal.ts";
import { TOSTOP } from "../sys/termios.ts";
import type { Tty, TtyGroup } from "../dev/tty.ts";
import { pgrpIsOrphaned } from "./pgrp.ts";
import type { Lwp, Pgrp } from "./proc.ts";
import { P_CONTROLT, P_PPWAIT } from "./proc.ts";
import { pgsignal } from "./sig.ts";
import { PCATCH, tsleep } from "./sleep.ts";

/** The terminal controls the process's session, and another process group is in its foreground. */
export function isBackground(lp: Lwp, tty: Tty): boolean {
  const { pgrp } = lp.proc;
  return tty.session === pgrp.session && tty.pgrp !== pgrp;
}

/** Whether writing has to wait for the foreground: TOSTOP is set, and SIGTTOU neither blocked nor ignored. */
export function mustStopWrite(lp: Lwp, tty: Tty): boolean {
  return (tty.termios.lflag & TOSTOP) !== 0 && isBackground(lp, tty) && !isImmune(lp, SIGTTOU);
}

function isImmune(lp: Lwp, sig: number): boolean {
  return lp.proc.sigacts.handler[sig] === SIG_IGN || sigismember(lp.sigmask, sig);
}

/**
 * Waits until the process's group is in the foreground, stopping it with `sig` (SIGTTIN, SIGTTOU). Throws EIO when
 * it cannot be stopped: for SIGTTIN when the signal is blocked or ignored, for both when the group is orphaned;
 * EINTR or ERESTART when the signal is caught.
 */
export function* waitForeground(lp: Lwp, tty: Tty, sig: number): Generator<void, void, void> {
  while (isBackground(lp, tty)) {
    const immune = isImmune(lp, sig);
    if (immune && sig === SIGTTOU) return;
    if (immune || pgrpIsOrphaned(lp.proc.pgrp) || (lp.proc.flags & P_PPWAIT) !== 0) throw EIO;
    pgsignal(lp.proc.pgrp, sig);
    // The signal is taken inside the sleep; once continued, look again.
    yield* tsleep(lp, null, PCATCH, 0);
  }
}

/** Gives a session leader without one a controlling terminal. Returns false when that is not possible. */
export function acquireTty(lp: Lwp, tty: Tty): boolean {
  const { session } = lp.proc.pgrp;
  if (session.leader !== lp.proc || session.ttyp !== null || tty.session !== null) return false;
  session.ttyp = tty;
  tty.session = session;
  tty.pgrp = lp.proc.pgrp;
  tty.post = postToGroup;
  lp.proc.flags |= P_CONTROLT;
  return true;
}

/** Groups reach a terminal through this file only, so every TtyGroup is a Pgrp. */
function postToGroup(group: TtyGroup, sig: number): void {
  pgsignal(group as Pgrp, sig);
}

/** Control words that concern sessions and job control; null when `cmd` is none of them. */
export function ttyProcessIoctl(lp: Lwp, tty: Tty, isMaster: boolean, cmd: number, data: Uint8Array): number | null {
  const p = lp.proc;
  const { session } = p.pgrp;
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (cmd) {
    case ioc.TIOCGPGRP:
      if (!isMaster && tty.session !== session) throw ENOTTY;
      // A group that is gone is shown as a number that no group has.
      dv.setInt32(0, tty.pgrp === null ? 99999 : tty.pgrp.id, true);
      return 0;
    case ioc.TIOCSPGRP: {
      if (tty.session !== session) throw ENOTTY;
      const id = dv.getInt32(0, true);
      if (id <= 0) throw EINVAL;
      const pgrp = lp.k.pgrps.get(id);
      if (pgrp === undefined || pgrp.session !== session) throw EPERM;
      tty.pgrp = pgrp;
      return 0;
    }
    case ioc.TIOCGSID:
      if (tty.session === null || (!isMaster && tty.session !== session)) throw ENOTTY;
      dv.setInt32(0, tty.session.sid, true);
      return 0;
    case ioc.TIOCSCTTY:
      if (tty.session === session) return 0;
      if (!acquireTty(lp, tty)) throw EPERM;
      return 0;
    case ioc.TIOCNOTTY:
      if (tty.session !== session) throw ENOTTY;
      p.flags &= ~P_CONTROLT;
      if (session.leader === p) {
        tty.sessionGone(session);
        session.ttyp = null;
      }
      return 0;
    default:
      return null;
  }
}

/** Control words that change the terminal and therefore need the foreground. */
export function ioctlNeedsForeground(cmd: number): boolean {
  switch (cmd) {
    case ioc.TIOCSETA:
    case ioc.TIOCSETAW:
    case ioc.TIOCSETAF:
    case ioc.TIOCSPGRP:
    case ioc.TIOCFLUSH:
    case ioc.TIOCDRAIN:
    case ioc.TIOCSTI:
    case ioc.TIOCSWINSZ:
    case ioc.TIOCSTOP:
    case ioc.TIOCSTART:
      return true;
    default:
      return false;
  }
}
