// SPDX-License-Identifier: BSD-3-Clause
/**
 * Segment descriptors: the 8-byte entries of GDT, LDT and IDT, packed and unpacked.
 *
 * A descriptor is passed as its two 32-bit words `lo` and `hi`, as they lie in memory. The functions on words allocate
 * nothing; SegDesc is the record for people, tests and table builders.
 *
 * Sources: Intel SDM vol. 3A §3.4.5 (code and data), §3.5 and §6.11 (system segments and gates), §5.3 (limits);
 * DragonFly 2.0 sys/cpu/i386/include/segments.h and sys/platform/pc32/i386/tls.c (TLS rules), sys_machdep.c (LDT rules).
 * @module
 */

/** Five-bit types: the S bit (16) and the four type bits, as segments.h numbers them. */
export const SDT_SYSNULL = 0;
export const SDT_SYS286TSS = 1;
export const SDT_SYSLDT = 2;
export const SDT_SYS286BSY = 3;
export const SDT_SYS286CGT = 4;
export const SDT_SYSTASKGT = 5;
export const SDT_SYS286IGT = 6;
export const SDT_SYS286TGT = 7;
export const SDT_SYS386TSS = 9;
export const SDT_SYS386BSY = 11;
export const SDT_SYS386CGT = 12;
export const SDT_SYS386IGT = 14;
export const SDT_SYS386TGT = 15;
export const SDT_MEMRO = 16;
export const SDT_MEMROA = 17;
export const SDT_MEMRW = 18;
export const SDT_MEMRWA = 19;
/** Expand-down data: read only, read/write; + 1 when accessed. */
export const SDT_MEMROD = 20;
export const SDT_MEMRWD = 22;
export const SDT_MEMRWDA = 23;
export const SDT_MEME = 24;
export const SDT_MEMER = 26;
export const SDT_MEMERA = 27;
/** Conforming code: execute only, execute/read; + 1 when accessed. */
export const SDT_MEMEC = 28;
export const SDT_MEMERC = 30;
export const SDT_MEMERAC = 31;

/** Bits of a five-bit type. */
export const SDT_S = 16;
export const SDT_CODE = 8;
/** Code: conforming. Data: expand down. */
export const SDT_C_E = 4;
/** Code: readable. Data: writable. */
export const SDT_R_W = 2;
export const SDT_ACCESSED = 1;

/** Bits of the high word. */
export const DESC_P = 0x8000;
export const DESC_AVL = 0x10_0000;
/** Always 0 in 32-bit descriptors. */
export const DESC_L = 0x20_0000;
export const DESC_DB = 0x40_0000;
export const DESC_G = 0x80_0000;

/** Selector fields. */
export const SEL_RPL = 3;
export const SEL_TI = 4;

export interface SegDesc {
  /** 32-bit linear base address. */
  readonly base: number;
  /** The 20-bit field, before granularity. */
  readonly limitField: number;
  /** Five-bit type, SDT_*. */
  readonly type: number;
  readonly dpl: number;
  readonly present: boolean;
  readonly avl: boolean;
  /** D (code), B (data): 32-bit. */
  readonly db: boolean;
  /** Limit counts 4 KiB units. */
  readonly granular: boolean;
}

/** Unsigned base address. */
export function descBase(lo: number, hi: number): number {
  return ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000)) >>> 0;
}

/** The last valid offset of an expand-up segment (unsigned), granularity applied. */
export function descLimit(lo: number, hi: number): number {
  const field = (lo & 0xffff) | (hi & 0xf_0000);
  return (hi & DESC_G) !== 0 ? ((field << 12) | 0xfff) >>> 0 : field;
}

/** Five-bit type, S included. */
export function descType(hi: number): number {
  return (hi >>> 8) & 31;
}

export function descDpl(hi: number): number {
  return (hi >>> 13) & 3;
}

export function descPresent(hi: number): boolean {
  return (hi & DESC_P) !== 0;
}

/** Whether the type is an expand-down data segment. */
export function isExpandDown(type: number): boolean {
  return (type & (SDT_S | SDT_CODE | SDT_C_E)) === (SDT_S | SDT_C_E);
}

/**
 * Whether all bytes [offset, offset + size) are inside the segment. An access that wraps over 4 GiB is outside, and
 * an expand-down segment reaches from limit + 1 to 0xFFFF or 0xFFFF_FFFF by its B bit.
 */
export function limitAllows(lo: number, hi: number, offset: number, size: number): boolean {
  const limit = descLimit(lo, hi);
  const first = offset >>> 0;
  const last = first + size - 1;
  if (!isExpandDown(descType(hi))) return last <= limit;
  return first > limit && last <= ((hi & DESC_DB) !== 0 ? 0xffff_ffff : 0xffff);
}

/** Low word of a descriptor. Throws RangeError for a limit field of more than 20 bits. */
export function packDescLo(d: SegDesc): number {
  if (d.limitField < 0 || d.limitField > 0xf_ffff)
    throw new RangeError(`segment limit field ${d.limitField} has more than 20 bits`);
  return ((d.limitField & 0xffff) | (d.base << 16)) >>> 0;
}

/** High word of a descriptor. */
export function packDescHi(d: SegDesc): number {
  return (
    (((d.base >>> 16) & 0xff) |
      ((d.type & 31) << 8) |
      ((d.dpl & 3) << 13) |
      (d.present ? DESC_P : 0) |
      (d.limitField & 0xf_0000) |
      (d.avl ? DESC_AVL : 0) |
      (d.db ? DESC_DB : 0) |
      (d.granular ? DESC_G : 0) |
      (d.base & 0xff00_0000)) >>>
    0
  );
}

/** Every field of a code, data, LDT or TSS descriptor. */
export function unpackDesc(lo: number, hi: number): SegDesc {
  return {
    base: descBase(lo, hi),
    limitField: (lo & 0xffff) | (hi & 0xf_0000),
    type: descType(hi),
    dpl: descDpl(hi),
    present: descPresent(hi),
    avl: (hi & DESC_AVL) !== 0,
    db: (hi & DESC_DB) !== 0,
    granular: (hi & DESC_G) !== 0,
  };
}

/** A call, interrupt, trap or task gate. */
export interface GateDesc {
  readonly selector: number;
  readonly offset: number;
  /** Parameter words to copy; call gates only. */
  readonly paramCount: number;
  readonly type: number;
  readonly dpl: number;
  readonly present: boolean;
}

export function packGateLo(g: GateDesc): number {
  return ((g.offset & 0xffff) | (g.selector << 16)) >>> 0;
}

export function packGateHi(g: GateDesc): number {
  return (
    ((g.offset & 0xffff_0000) |
      (g.present ? DESC_P : 0) |
      ((g.dpl & 3) << 13) |
      ((g.type & 31) << 8) |
      (g.paramCount & 31)) >>>
    0
  );
}

export function unpackGate(lo: number, hi: number): GateDesc {
  return {
    selector: lo >>> 16,
    offset: ((hi & 0xffff_0000) | (lo & 0xffff)) >>> 0,
    paramCount: hi & 31,
    type: descType(hi),
    dpl: descDpl(hi),
    present: descPresent(hi),
  };
}

/** How a TLS slot of a thread may look to the host kernel. */
export const TLS_EMPTY = 0;
export const TLS_VALID = 1;
export const TLS_ILLEGAL = 2;

/**
 * Judges a TLS descriptor handed to the host kernel: empty when type and DPL are both 0 (whatever else it says); else it
 * must be a present, accessed read/write data segment of DPL 3, 32-bit, with bits 52–53 clear.
 */
export function checkTlsDesc(hi: number): typeof TLS_EMPTY | typeof TLS_VALID | typeof TLS_ILLEGAL {
  const type = descType(hi);
  const dpl = descDpl(hi);
  if (type === 0 && dpl === 0) return TLS_EMPTY;
  const ok =
    type === SDT_MEMRWA &&
    dpl === 3 &&
    descPresent(hi) &&
    (hi & DESC_DB) !== 0 &&
    (hi & (DESC_AVL | DESC_L)) === 0;
  return ok ? TLS_VALID : TLS_ILLEGAL;
}

/**
 * A TLS descriptor as set_tls_area() builds it. `size` −1 is the whole 4 GiB; above 1 MiB it counts pages, rounded up;
 * below, the limit is `size` itself. Sizes 0 (an empty slot) and below −1 (EINVAL) are the caller's matter.
 */
export function tlsDesc(base: number, size: number): SegDesc {
  const common = { base: base >>> 0, type: SDT_MEMRWA, dpl: 3, present: true, avl: false, db: true };
  if (size === -1) return { ...common, limitField: 0xf_ffff, granular: true };
  if (size > 0x10_0000) return { ...common, limitField: Math.ceil(size / 4096), granular: true };
  // 1 MiB exactly does not fit 20 bits in bytes.
  if (size === 0x10_0000) return { ...common, limitField: 0x100, granular: true };
  return { ...common, limitField: size, granular: false };
}

export const LDT_OK = 0;
/** The descriptor's privilege or kind is refused. */
export const LDT_EACCES = 1;

/**
 * Judges a descriptor for a user LDT: gates and system segments are refused, conforming code must be present, and what is
 * present must have DPL 3. Type 0 is accepted; the caller stores it as not present.
 */
export function checkLdtDesc(hi: number): typeof LDT_OK | typeof LDT_EACCES {
  const type = descType(hi);
  if (type === SDT_SYSNULL) return LDT_OK;
  if ((type & SDT_S) === 0) return LDT_EACCES;
  const conforming = (type & (SDT_CODE | SDT_C_E)) === (SDT_CODE | SDT_C_E);
  if (conforming && !descPresent(hi)) return LDT_EACCES;
  return descPresent(hi) && descDpl(hi) !== 3 ? LDT_EACCES : LDT_OK;
}
