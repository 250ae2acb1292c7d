// SPDX-License-Identifier: BSD-3-Clause
/**
 * Errors of the package.
 *
 * A HammerError carries a stable `code` (errno names for file system conditions, `E_…` names for refusals
 * to open an image), a message that names volume, offset and structure, and the same facts as data. Numbers
 * belong to the caller's ABI (EAGAIN is 35 in DragonFly and 11 in Linux), so there are none here.
 *
 * "No such entry" is an ordinary answer and is returned as null; no error object is built for it.
 * @module
 */

/** Every code a HammerError can have. */
export type HammerErrorCode =
  | "E2BIG"
  | "EBADCRC"
  | "EBUSY"
  | "EEXIST"
  | "EFBIG"
  | "EINVAL"
  | "EIO"
  | "EISDIR"
  | "EMLINK"
  | "ENAMETOOLONG"
  | "ENOATTR"
  | "ENOENT"
  | "ENOSPC"
  | "ENOTDIR"
  | "ENOTEMPTY"
  | "EOPNOTSUPP"
  | "EPERM"
  | "ERANGE"
  | "EROFS"
  | "EXDEV"
  | "E_BAD_VOLUME"
  | "E_CLOSED"
  | "E_LOCKED"
  | "E_NOT_HAMMER"
  | "E_TOO_SMALL"
  | "E_VERSION"
  | "E_VOLUME_DUPLICATE"
  | "E_VOLUME_FOREIGN"
  | "E_VOLUME_MISSING";

/** Facts about an error: which volume, offset, object. `cause` is the error underneath, if any. */
export interface HammerErrorData {
  volume?: number;
  /** A HAMMER offset (zone, volume, byte) as it stands on disk, or a byte offset of a device. */
  offset?: bigint | number;
  length?: number;
  objId?: bigint;
  name?: string;
  path?: string;
  cause?: unknown;
}

const MARK = Symbol.for("@vkernel/hammer.HammerError");
const MISS = Symbol.for("@vkernel/hammer.BufferMiss");

/** The one error class of the package. Test with isHammerError, not instanceof: a tree may hold two copies. */
export class HammerError extends Error {
  readonly code: HammerErrorCode;
  readonly data: Omit<HammerErrorData, "cause">;

  constructor(code: HammerErrorCode, message: string, data: HammerErrorData = {}) {
    const { cause, ...facts } = data;
    super(message, cause === undefined ? undefined : { cause });
    this.name = "HammerError";
    this.code = code;
    this.data = facts;
    Object.defineProperty(this, MARK, { value: true });
  }
}

/** True for a HammerError of this or any other copy of the package; with a code, only for that code. */
export function isHammerError(e: unknown, code?: HammerErrorCode): e is HammerError {
  return typeof e === "object" && e !== null && MARK in e && (code === undefined || (e as unknown as HammerError).code === code);
}

/**
 * Thrown by the read of an asynchronous device that does not hold the bytes yet: fetch `length` bytes at
 * `offset` of `device`, then repeat the whole call. Thrown only while nothing has been modified. There is a
 * single instance, overwritten by the next miss: take the fields out in the catch clause.
 */
export class BufferMiss extends Error {
  device: object | null = null;
  offset = 0;
  length = 0;

  constructor() {
    super("buffer not present: the device is asynchronous; use the promises interface or retry after loading it");
    this.name = "BufferMiss";
    Object.defineProperty(this, MISS, { value: true });
  }

  /** Fills the shared instance and returns it, ready to be thrown. */
  static at(device: object, offset: number, length: number): BufferMiss {
    $miss.device = device;
    $miss.offset = offset;
    $miss.length = length;
    return $miss;
  }
}

const $miss = new BufferMiss();

/** True for the BufferMiss of this or any other copy of the package. */
export function isBufferMiss(e: unknown): e is BufferMiss {
  return typeof e === "object" && e !== null && MISS in e;
}

/** `0x` and 16 digits: how HAMMER's own tools print offsets, object ids and TIDs. */
export function hex64(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16).padStart(16, "0")}`;
}

/** `0x` and at least 8 digits, for byte offsets and CRCs. */
export function hex32(value: number): string {
  return `0x${(value >= 0 ? value : value >>> 0).toString(16).padStart(8, "0")}`;
}
