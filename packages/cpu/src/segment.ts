// SPDX-License-Identifier: BSD-3-Clause
/**
 * Segment registers: the form in which the processor keeps them, and where it finds descriptors.
 *
 * Source: SDM vol. 3A §3.4.2, §3.4.5.
 * @module
 */

/** A segment register with its hidden part. */
export interface SegmentValue {
  readonly selector: number;
  /** Linear base address. */
  readonly base: number;
  /** Highest valid offset (expand-up) in bytes, granularity already applied. */
  readonly limit: number;
  /** Attributes: access byte in bits 0–7 (P, DPL, S, type), AVL L D/B G in bits 12–15. 0 = null segment. */
  readonly rights: number;
}

/** Where descriptors come from: the GDT and LDT of the virtual CPU. */
export interface DescriptorSource {
  /**
   * Stores the two words of the descriptor that `selector` names into `into` (low, high) and returns true; false when the
   * index lies outside its table.
   */
  read(selector: number, into: Int32Array): boolean;
}

// Access byte and attributes of SegmentValue.rights.
export const RIGHTS_ACCESSED = 0x01;
/** Data: writable. Code: readable. */
export const RIGHTS_RW = 0x02;
/** Data: expand-down. Code: conforming. */
export const RIGHTS_EC = 0x04;
export const RIGHTS_CODE = 0x08;
/** S: code or data, not a system descriptor. */
export const RIGHTS_S = 0x10;
export const RIGHTS_DPL_SHIFT = 5;
export const RIGHTS_P = 0x80;
/** D/B: 32-bit default operand size (code), 32-bit stack pointer (stack), 4 GiB upper bound (expand-down). */
export const RIGHTS_DB = 0x4000;
export const RIGHTS_G = 0x8000;

export const USER_CODE_SELECTOR = 0x23;
export const USER_DATA_SELECTOR = 0x2b;

/** Flat 32-bit user code, base 0, limit 4 GiB. */
export const FLAT_CODE: SegmentValue = {
  selector: USER_CODE_SELECTOR,
  base: 0,
  limit: 0xffff_ffff,
  rights: 0xc0fb,
};
/** Flat 32-bit user data, base 0, limit 4 GiB. */
export const FLAT_DATA: SegmentValue = {
  selector: USER_DATA_SELECTOR,
  base: 0,
  limit: 0xffff_ffff,
  rights: 0xc0f3,
};
/** What a null selector leaves in a data segment register. */
export const NULL_SEGMENT: SegmentValue = { selector: 0, base: 0, limit: 0, rights: 0 };

/** Descriptors of a CPU that has been given no tables: flat user code at 0x23 and flat user data at 0x2b. */
export const FLAT_DESCRIPTORS: DescriptorSource = {
  read(selector, into) {
    if ((selector & 0xfffc) === (USER_CODE_SELECTOR & 0xfffc)) {
      into[0] = 0x0000_ffff;
      into[1] = 0x00cf_fb00;
      return true;
    }
    if ((selector & 0xfffc) === (USER_DATA_SELECTOR & 0xfffc)) {
      into[0] = 0x0000_ffff;
      into[1] = 0x00cf_f300;
      return true;
    }
    return false;
  },
};
