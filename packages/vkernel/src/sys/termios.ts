// SPDX-License-Identifier: BSD-3-Clause
/** Terminal attributes, native numbers (DragonFly 2.0 sys/sys/termios.h, ttydefaults.h). */

/** Indices of control characters. */
export const VEOF = 0;
export const VEOL = 1;
export const VEOL2 = 2;
export const VERASE = 3;
export const VWERASE = 4;
export const VKILL = 5;
export const VREPRINT = 6;
export const VERASE2 = 7;
export const VINTR = 8;
export const VQUIT = 9;
export const VSUSP = 10;
export const VDSUSP = 11;
export const VSTART = 12;
export const VSTOP = 13;
export const VLNEXT = 14;
export const VDISCARD = 15;
export const VMIN = 16;
export const VTIME = 17;
export const VSTATUS = 18;
export const VCHECKPT = 19;
export const NCCS = 20;
/** A control character with this value is switched off. */
export const POSIX_VDISABLE = 0xff;

export const IGNBRK = 0x0001;
export const BRKINT = 0x0002;
export const IGNPAR = 0x0004;
export const PARMRK = 0x0008;
export const INPCK = 0x0010;
export const ISTRIP = 0x0020;
export const INLCR = 0x0040;
export const IGNCR = 0x0080;
export const ICRNL = 0x0100;
export const IXON = 0x0200;
export const IXOFF = 0x0400;
export const IXANY = 0x0800;
export const IMAXBEL = 0x2000;
/** Erasing takes a whole UTF-8 character (as later BSDs and Linux have it; 2.0 knows no such flag). */
export const IUTF8 = 0x4000;

export const OPOST = 0x0001;
export const ONLCR = 0x0002;
export const OXTABS = 0x0004;
export const ONOEOT = 0x0008;
export const OCRNL = 0x0010;
export const ONOCR = 0x0020;
export const ONLRET = 0x0040;

export const CSIZE = 0x0300;
export const CS5 = 0x0000;
export const CS6 = 0x0100;
export const CS7 = 0x0200;
export const CS8 = 0x0300;
export const CSTOPB = 0x0400;
export const CREAD = 0x0800;
export const PARENB = 0x1000;
export const PARODD = 0x2000;
export const HUPCL = 0x4000;
export const CLOCAL = 0x8000;
export const CRTSCTS = 0x0003_0000;

export const ECHOKE = 0x0001;
export const ECHOE = 0x0002;
export const ECHOK = 0x0004;
export const ECHO = 0x0008;
export const ECHONL = 0x0010;
export const ECHOPRT = 0x0020;
export const ECHOCTL = 0x0040;
export const ISIG = 0x0080;
export const ICANON = 0x0100;
export const ALTWERASE = 0x0200;
export const IEXTEN = 0x0400;
export const EXTPROC = 0x0800;
export const TOSTOP = 0x0040_0000;
export const FLUSHO = 0x0080_0000;
export const NOKERNINFO = 0x0200_0000;
export const PENDIN = 0x2000_0000;
export const NOFLSH = 0x8000_0000;

export const TTYDEF_SPEED = 9600;
export const B38400 = 38400;

/** Size of struct termios in guest memory: four flag words, NCCS characters, two speeds. */
export const TERMIOS_SIZE = 44;

/** Attributes of a terminal. Flag words are held as signed 32-bit integers. */
export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  cc: Uint8Array;
  ispeed: number;
  ospeed: number;
}

/** ttydefaults.h: what a terminal has when it is opened first. */
export function defaultTermios(): Termios {
  const cc = new Uint8Array(NCCS).fill(POSIX_VDISABLE);
  cc[VEOF] = 4;
  cc[VERASE] = 0x7f;
  cc[VERASE2] = 8;
  cc[VINTR] = 3;
  cc[VSTATUS] = 0x14;
  cc[VKILL] = 0x15;
  cc[VMIN] = 1;
  cc[VTIME] = 0;
  cc[VQUIT] = 0x1c;
  cc[VSUSP] = 0x1a;
  cc[VDSUSP] = 0x19;
  cc[VSTART] = 0x11;
  cc[VSTOP] = 0x13;
  cc[VLNEXT] = 0x16;
  cc[VDISCARD] = 0x0f;
  cc[VWERASE] = 0x17;
  cc[VREPRINT] = 0x12;
  cc[VCHECKPT] = 5;
  return {
    iflag: BRKINT | ICRNL | IMAXBEL | IXON | IXANY,
    oflag: OPOST | ONLCR,
    cflag: CREAD | CS8 | HUPCL,
    lflag: ECHO | ICANON | ISIG | IEXTEN | ECHOE | ECHOKE | ECHOCTL,
    cc,
    ispeed: TTYDEF_SPEED,
    ospeed: TTYDEF_SPEED,
  };
}

/** Reads a struct termios of guest memory. */
export function readTermios(data: Uint8Array): Termios {
  const dv = new DataView(data.buffer, data.byteOffset, TERMIOS_SIZE);
  return {
    iflag: dv.getInt32(0, true),
    oflag: dv.getInt32(4, true),
    cflag: dv.getInt32(8, true),
    lflag: dv.getInt32(12, true),
    cc: data.slice(16, 16 + NCCS),
    ispeed: dv.getUint32(36, true),
    ospeed: dv.getUint32(40, true),
  };
}

/** Writes a struct termios as guest memory has it. */
export function writeTermios(t: Termios, data: Uint8Array): void {
  const dv = new DataView(data.buffer, data.byteOffset, TERMIOS_SIZE);
  dv.setInt32(0, t.iflag, true);
  dv.setInt32(4, t.oflag, true);
  dv.setInt32(8, t.cflag, true);
  dv.setInt32(12, t.lflag, true);
  data.set(t.cc, 16);
  dv.setUint32(36, t.ispeed, true);
  dv.setUint32(40, t.ospeed, true);
}
