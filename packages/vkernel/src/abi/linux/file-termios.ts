// SPDX-License-Identifier: BSD-3-Clause
/**
 * Terminal attributes as Linux programs see them (Linux include/uapi/asm-generic/termbits.h): the same ideas as
 * BSD's under other bits, control characters at other places, and speeds as codes.
 */
import * as t from "../../sys/termios.ts";

/** struct termios of the kernel, and struct termios2 with its two speeds. */
export const LINUX_TERMIOS_SIZE = 36;
export const LINUX_TERMIOS2_SIZE = 44;
const LINUX_NCCS = 19;

type Pairs = readonly (readonly [linux: number, native: number])[];

const IFLAGS: Pairs = [
  [0x0001, t.IGNBRK], [0x0002, t.BRKINT], [0x0004, t.IGNPAR], [0x0008, t.PARMRK], [0x0010, t.INPCK],
  [0x0020, t.ISTRIP], [0x0040, t.INLCR], [0x0080, t.IGNCR], [0x0100, t.ICRNL], [0x0400, t.IXON],
  [0x0800, t.IXANY], [0x1000, t.IXOFF], [0x2000, t.IMAXBEL], [0x4000, t.IUTF8],
];
const OFLAGS: Pairs = [
  [0x0001, t.OPOST], [0x0004, t.ONLCR], [0x0008, t.OCRNL], [0x0010, t.ONOCR], [0x0020, t.ONLRET], [0x1800, t.OXTABS],
];
const CFLAGS: Pairs = [
  [0x0040, t.CSTOPB], [0x0080, t.CREAD], [0x0100, t.PARENB], [0x0200, t.PARODD], [0x0400, t.HUPCL],
  [0x0800, t.CLOCAL], [0x8000_0000 | 0, t.CRTSCTS],
];
const LFLAGS: Pairs = [
  [0x0001, t.ISIG], [0x0002, t.ICANON], [0x0008, t.ECHO], [0x0010, t.ECHOE], [0x0020, t.ECHOK],
  [0x0040, t.ECHONL], [0x0080, t.NOFLSH | 0], [0x0100, t.TOSTOP], [0x0200, t.ECHOCTL], [0x0400, t.ECHOPRT],
  [0x0800, t.ECHOKE], [0x1000, t.FLUSHO], [0x4000, t.PENDIN], [0x8000, t.IEXTEN], [0x1_0000, t.EXTPROC],
];
/** Native index of each Linux control character; -1 for one that BSD has not (VSWTC). */
const CC: readonly number[] = [
  t.VINTR, t.VQUIT, t.VERASE, t.VKILL, t.VEOF, t.VTIME, t.VMIN, -1, t.VSTART, t.VSTOP, t.VSUSP, t.VEOL, t.VREPRINT,
  t.VDISCARD, t.VWERASE, t.VLNEXT, t.VEOL2,
];

const LINUX_CSIZE_SHIFT = 4;
const CBAUD = 0x100f;
const BOTHER = 0x1000;
/** Bit rates of the codes 0-15 and 0x1001-0x100f. */
const RATES: readonly number[] = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const HIGH_RATES: readonly number[] = [
  0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000,
  3500000, 4000000,
];

function speedCode(rate: number): number {
  const low = RATES.indexOf(rate);
  if (low >= 0) return low;
  const high = HIGH_RATES.indexOf(rate);
  return high > 0 ? 0x1000 | high : BOTHER;
}
function speedOf(code: number, other: number): number {
  if (code === BOTHER) return other;
  return (code & 0x1000) !== 0 ? HIGH_RATES[code & 15]! : RATES[code & 15]!;
}

function toLinux(pairs: Pairs, native: number): number {
  let out = 0;
  for (const [linux, bits] of pairs) if ((native & bits) === bits) out |= linux;
  return out;
}
function toNative(pairs: Pairs, linux: number): number {
  let out = 0;
  for (const [bits, native] of pairs) if ((linux & bits) === bits) out |= native;
  return out;
}

/** Encodes struct termios (36 bytes) or termios2 (44 bytes), by the size of `out`. */
export function encodeTermios(native: t.Termios, out: Uint8Array): void {
  const dv = new DataView(out.buffer, out.byteOffset, out.byteLength);
  dv.setInt32(0, toLinux(IFLAGS, native.iflag), true);
  dv.setInt32(4, toLinux(OFLAGS, native.oflag), true);
  const size = ((native.cflag & t.CSIZE) >> 8) << LINUX_CSIZE_SHIFT;
  dv.setInt32(8, toLinux(CFLAGS, native.cflag) | size | speedCode(native.ospeed), true);
  dv.setInt32(12, toLinux(LFLAGS, native.lflag), true);
  out[16] = 0;
  for (let i = 0; i < LINUX_NCCS; i++) {
    const at = CC[i] ?? -1;
    const c = at < 0 ? 0 : native.cc[at]!;
    const isCount = at === t.VMIN || at === t.VTIME;
    out[17 + i] = c === t.POSIX_VDISABLE && !isCount ? 0 : c;
  }
  if (out.length >= LINUX_TERMIOS2_SIZE) {
    dv.setUint32(36, native.ispeed, true);
    dv.setUint32(40, native.ospeed, true);
  }
}

/** struct termio: the lower halves of the flags, the line discipline, the first eight characters. */
export const LINUX_TERMIO_SIZE = 18;
const TERMIO_CC = 8;

export function encodeTermio(native: t.Termios, out: Uint8Array): void {
  const full = new Uint8Array(LINUX_TERMIOS_SIZE);
  encodeTermios(native, full);
  for (let i = 0; i < 4; i++) out.set(full.subarray(4 * i, 4 * i + 2), 2 * i);
  out.set(full.subarray(16, 17 + TERMIO_CC), 8);
}

/** As decodeTermios; the upper halves stay as they are in `current`. */
export function decodeTermio(data: Uint8Array, current: t.Termios): t.Termios {
  const full = new Uint8Array(LINUX_TERMIOS_SIZE);
  encodeTermios(current, full);
  for (let i = 0; i < 4; i++) full.set(data.subarray(2 * i, 2 * i + 2), 4 * i);
  full.set(data.subarray(8, 9 + TERMIO_CC), 16);
  return decodeTermios(full, current);
}

/**
 * Decodes struct termios or termios2. What Linux has no bit or character for keeps its value in `current`, except
 * that the delayed suspend key goes: a Linux program expects ^Y to be input.
 */
export function decodeTermios(data: Uint8Array, current: t.Termios): t.Termios {
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const cflag = dv.getInt32(8, true);
  const cc = current.cc.slice();
  for (let i = 0; i < CC.length; i++) {
    const at = CC[i]!;
    if (at < 0) continue;
    const c = data[17 + i]!;
    cc[at] = c === 0 && at !== t.VMIN && at !== t.VTIME ? t.POSIX_VDISABLE : c;
  }
  cc[t.VDSUSP] = t.POSIX_VDISABLE;
  const has2 = data.length >= LINUX_TERMIOS2_SIZE;
  const code = cflag & CBAUD;
  const ospeed = speedOf(code, has2 ? dv.getUint32(40, true) : current.ospeed);
  return {
    iflag: toNative(IFLAGS, dv.getInt32(0, true)),
    oflag: toNative(OFLAGS, dv.getInt32(4, true)),
    cflag: toNative(CFLAGS, cflag) | (((cflag >> LINUX_CSIZE_SHIFT) & 3) << 8),
    lflag: toNative(LFLAGS, dv.getInt32(12, true)) | (current.lflag & (t.ALTWERASE | t.NOKERNINFO)),
    cc,
    ispeed: ospeed,
    ospeed,
  };
}
