// SPDX-License-Identifier: BSD-3-Clause
/**
 * Device control words, native numbers (DragonFly 2.0 sys/sys/ioccom.h, ttycom.h, filio.h). A word says in
 * which direction its argument block travels and how long it is.
 */

/** Directions; all values unsigned. */
export const IOC_VOID = 0x2000_0000;
export const IOC_OUT = 0x4000_0000;
export const IOC_IN = 0x8000_0000;
/** Longest argument block of a word. */
export const IOCPARM_MAX = 0x1fff;

/** Bytes of the argument block. */
export function iocparmLen(cmd: number): number {
  return (cmd >>> 16) & 0x1fff;
}

export const TIOCGETA = 0x402c_7413;
export const TIOCSETA = 0x802c_7414;
export const TIOCSETAW = 0x802c_7415;
export const TIOCSETAF = 0x802c_7416;
export const TIOCGWINSZ = 0x4008_7468;
export const TIOCSWINSZ = 0x8008_7467;
export const TIOCGPGRP = 0x4004_7477;
export const TIOCSPGRP = 0x8004_7476;
export const TIOCSCTTY = 0x2000_7461;
export const TIOCNOTTY = 0x2000_7471;
export const TIOCGSID = 0x4004_7463;
export const TIOCGETD = 0x4004_741a;
export const TIOCSETD = 0x8004_741b;
export const TIOCOUTQ = 0x4004_7473;
export const TIOCSTI = 0x8001_7472;
export const TIOCFLUSH = 0x8004_7410;
export const TIOCDRAIN = 0x2000_745e;
export const TIOCSTOP = 0x2000_746f;
export const TIOCSTART = 0x2000_746e;
export const TIOCEXCL = 0x2000_740d;
export const TIOCNXCL = 0x2000_740e;
export const TIOCSBRK = 0x2000_747b;
export const TIOCCBRK = 0x2000_747a;
export const TIOCSDTR = 0x2000_7479;
export const TIOCCDTR = 0x2000_7478;
export const TIOCMGET = 0x4004_746a;
export const TIOCMSET = 0x8004_746d;
export const TIOCMBIS = 0x8004_746c;
export const TIOCMBIC = 0x8004_746b;
export const TIOCCONS = 0x8004_7462;
export const TIOCPKT = 0x8004_7470;
export const TIOCREMOTE = 0x8004_7469;
export const TIOCEXT = 0x8004_7460;
export const TIOCSIG = 0x2000_745f;
export const TIOCSTAT = 0x2000_7465;
export const TIOCSDRAINWAIT = 0x8004_7457;
export const TIOCGDRAINWAIT = 0x4004_7456;
export const TIOCISPTMASTER = 0x2000_7455;
/** Number of a pseudo terminal, and its slave's lock (Linux TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK). */
export const TIOCGPTN = 0x4004_7480;
export const TIOCSPTLCK = 0x8004_7481;
export const TIOCGPTLCK = 0x4004_7482;

/** Packet mode status bits (TIOCPKT). */
export const TIOCPKT_DATA = 0x00;
export const TIOCPKT_FLUSHREAD = 0x01;
export const TIOCPKT_FLUSHWRITE = 0x02;
export const TIOCPKT_STOP = 0x04;
export const TIOCPKT_START = 0x08;
export const TIOCPKT_NOSTOP = 0x10;
export const TIOCPKT_DOSTOP = 0x20;
export const TIOCPKT_IOCTL = 0x40;

export const FIOCLEX = 0x2000_6601;
export const FIONCLEX = 0x2000_6602;
export const FIONREAD = 0x4004_667f;
export const FIONBIO = 0x8004_667e;
export const FIOASYNC = 0x8004_667d;
export const FIOSETOWN = 0x8004_667c;
export const FIOGETOWN = 0x4004_667b;
export const SIOCATMARK = 0x4004_7307;
export const FIODTYPE = 0x4004_667a;
export const FIOGETLBA = 0x4004_6679;

export const DIOCWLABEL = 0x8004_646d;
export const DIOCGPART = 0x4088_6468;
