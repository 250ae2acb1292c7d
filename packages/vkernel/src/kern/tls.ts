// SPDX-License-Identifier: BSD-3-Clause
/**
 * The three TLS descriptors of a thread (DragonFly 2.0 sys/cpu/i386/misc/elf_machdep.c, tls.h; descriptor format:
 * SDM 3A §3.4.5).
 * @module
 */
import type { Lwp } from "./proc.ts";

/** Type of a TLS descriptor with its S bit: read/write data, accessed. */
const SDT_MEMRWA = 19;

export interface TlsDescriptor {
  base: number;
  /** 20 bits, in bytes or pages. */
  limit: number;
  pages: boolean;
}

/** Sets slot 0–2; null empties it. */
export function setTls(lp: Lwp, slot: number, d: TlsDescriptor | null): void {
  const i = slot * 2;
  if (d === null) {
    lp.vf[i] = 0;
    lp.vf[i + 1] = 0;
    return;
  }
  const { base, limit } = d;
  lp.vf[i] = (limit & 0xffff) | (base << 16);
  lp.vf[i + 1] =
    ((base >>> 16) & 0xff) |
    (SDT_MEMRWA << 8) |
    (3 << 13) |
    (1 << 15) |
    (limit & 0xf0000) |
    (1 << 22) |
    (d.pages ? 1 << 23 : 0) |
    (base & 0xff00_0000);
}

/** What slot 0–2 holds, null when it is empty. */
export function getTls(lp: Lwp, slot: number): TlsDescriptor | null {
  const lo = lp.vf[slot * 2]!;
  const hi = lp.vf[slot * 2 + 1]!;
  if ((hi & (1 << 15)) === 0) return null;
  return {
    base: (((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000)) >>> 0),
    limit: (lo & 0xffff) | (hi & 0xf0000),
    pages: (hi & (1 << 23)) !== 0,
  };
}
