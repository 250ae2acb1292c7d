// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a CPU needs to know of an address space, and the constants of access and page faults.
 *
 * Source of the error-code bits: Intel SDM vol. 3A §4.7.
 * @module
 */

export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
export const ACCESS_EXEC = 2;
export type Access = typeof ACCESS_READ | typeof ACCESS_WRITE | typeof ACCESS_EXEC;

/** Page-fault error code: the page was present (protection violation). */
export const PF_PRESENT = 1;
/** Page-fault error code: the access was a write. */
export const PF_WRITE = 2;
/** Page-fault error code: the access was made at CPL 3. */
export const PF_USER = 4;
/** Not a bit of the hardware: what stands in place of an error code when the page is no memory but a device. */
export const PF_DEVICE = 0x1_0000;
/** translate()'s result for a page that is no memory: the space's `device` does the access. */
export const DEVICE_PAGE = -1 - PF_DEVICE;

/** Does the accesses to the pages of which translate() says DEVICE_PAGE. All bytes of one call lie in one page. */
export interface DeviceAccess {
  /** Reads `length` bytes (1 … 16) at `va` and puts them at linear-memory address `to`. */
  load(va: number, length: number, to: number): void;
  /** Writes `length` bytes (1 … 16) from linear-memory address `from` to `va`. */
  store(va: number, length: number, from: number): void;
}

export interface AddressSpace {
  /**
   * Linear-memory address of the space's flat translation table. It may change between runs, because tables are caches
   * that another space may take over: read it at run entry, keep it for that run only.
   */
  readonly table: number;
  /**
   * Host address for an access to the byte at `va` (0 … 2³²−1, or the same bits signed), or −(1 + page-fault error code)
   * when the access faults. Fills the table as a side effect where the page may be cached: for a write never while the host
   * page is a code page, so a writer that gets an address here looks at `MachineMemory.codePages` itself. Checks the
   * one page that holds `va`; accesses over a page end ask twice. DEVICE_PAGE, for reading and writing, hands the access to
   * `device`.
   */
  translate(va: number, access: number): number;
  /**
   * Asks for the page at `va`, to which translate() says that fetches fault, before anything is fetched from it. Returns whether
   * it is worth asking again: a space that is filled by faults can say yes for what it has at hand, and need not exist.
   */
  populate?(va: number): boolean;
  /** Needed by spaces whose translate() answers DEVICE_PAGE. */
  readonly device?: DeviceAccess;
}

/** translate()'s result for a fault with error code `code`. */
export function faultResult(code: number): number {
  return -1 - code;
}

/** The page-fault error code inside a negative result of translate(). */
export function faultCode(result: number): number {
  return -1 - result;
}
