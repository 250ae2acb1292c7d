// SPDX-License-Identifier: BSD-3-Clause
/**
 * B-Tree keys as 32-bit halves, their order, separators, visibility.
 *
 * All halves are int32 (upper halves of obj_id and key are signed in the order too; everything else compares
 * unsigned). Order: localization, obj_id, rec_type, key, create_tid; a create_tid of 0 is beyond all others.
 * Source: DragonFly sys/vfs/hammer/hammer_btree.c, hammer_btree_cmp, hammer_btree_chkts,
 * hammer_make_separator.
 * @module
 */
import {
  W_CREATE_HI as CREATE_HI_, W_CREATE_LO as CREATE_LO_, W_DELETE_HI as DELETE_HI_, W_DELETE_LO as DELETE_LO_,
  W_KEY_HI as KEY_HI_, W_KEY_LO as KEY_LO_, W_LOCALIZATION as LOC_, W_OBJ_HI as OBJ_HI_, W_OBJ_LO as OBJ_LO_,
  W_TYPES as TYPES_,
} from "../disk/btree.ts";

const OBJ_LO = OBJ_LO_, OBJ_HI = OBJ_HI_, KEY_LO = KEY_LO_, KEY_HI = KEY_HI_, CREATE_LO = CREATE_LO_;
const CREATE_HI = CREATE_HI_, DELETE_LO = DELETE_LO_, DELETE_HI = DELETE_HI_, TYPES = TYPES_, LOC = LOC_;
const SIGN = -2147483648;

/** A search key. Fields are int32. */
export class Key {
  localization = 0;
  objHi = 0;
  objLo = 0;
  recType = 0;
  keyHi = 0;
  keyLo = 0;
  /** create_tid; 0,0 is plus infinity. */
  tidHi = 0;
  tidLo = 0;

  /** Sets everything but create_tid, which becomes 1, the least. */
  set(localization: number, objHi: number, objLo: number, recType: number, keyHi: number, keyLo: number): this {
    this.localization = localization | 0;
    this.objHi = objHi | 0;
    this.objLo = objLo | 0;
    this.recType = recType;
    this.keyHi = keyHi | 0;
    this.keyLo = keyLo | 0;
    this.tidHi = 0;
    this.tidLo = 1;
    return this;
  }

  setTid(hi: number, lo: number): this {
    this.tidHi = hi | 0;
    this.tidLo = lo | 0;
    return this;
  }

  /** Takes the key of the element at word `at`. */
  load(w: Int32Array, at: number): this {
    this.localization = w[at + LOC]!;
    this.objHi = w[at + OBJ_HI]!;
    this.objLo = w[at + OBJ_LO]!;
    this.recType = w[at + TYPES]! & 0xffff;
    this.keyHi = w[at + KEY_HI]!;
    this.keyLo = w[at + KEY_LO]!;
    this.tidHi = w[at + CREATE_HI]!;
    this.tidLo = w[at + CREATE_LO]!;
    return this;
  }

  copy(k: Key): this {
    this.localization = k.localization;
    this.objHi = k.objHi;
    this.objLo = k.objLo;
    this.recType = k.recType;
    this.keyHi = k.keyHi;
    this.keyLo = k.keyLo;
    this.tidHi = k.tidHi;
    this.tidLo = k.tidLo;
    return this;
  }

  /** Writes the ten words of an element base: delete_tid 0 and obj_type, btype as given. */
  store(w: Int32Array, at: number, objType: number, btype: number): void {
    w[at + OBJ_LO] = this.objLo;
    w[at + OBJ_HI] = this.objHi;
    w[at + KEY_LO] = this.keyLo;
    w[at + KEY_HI] = this.keyHi;
    w[at + CREATE_LO] = this.tidLo;
    w[at + CREATE_HI] = this.tidHi;
    w[at + DELETE_LO] = 0;
    w[at + DELETE_HI] = 0;
    w[at + TYPES] = this.recType | (objType << 16) | (btype << 24);
    w[at + LOC] = this.localization;
  }
}

/** Unsigned 64-bit order of two values in halves: -1, 0, 1. */
export function cmpU64(aHi: number, aLo: number, bHi: number, bLo: number): number {
  if (aHi !== bHi) return (aHi ^ SIGN) < (bHi ^ SIGN) ? -1 : 1;
  if (aLo !== bLo) return (aLo ^ SIGN) < (bLo ^ SIGN) ? -1 : 1;
  return 0;
}

/**
 * Compares a key with the element at word `at`: negative if the key comes first. The magnitude names the field
 * that decided (5 localization, 4 obj_id, 3 rec_type, 2 key, 1 create_tid), as in the original.
 */
export function cmpKey(k: Key, w: Int32Array, at: number): number {
  let a = k.localization, b = w[at + LOC]!;
  if (a !== b) return (a ^ SIGN) < (b ^ SIGN) ? -5 : 5;
  a = k.objHi;
  b = w[at + OBJ_HI]!;
  if (a !== b) return a < b ? -4 : 4;
  a = k.objLo;
  b = w[at + OBJ_LO]!;
  if (a !== b) return (a ^ SIGN) < (b ^ SIGN) ? -4 : 4;
  a = k.recType;
  b = w[at + TYPES]! & 0xffff;
  if (a !== b) return a < b ? -3 : 3;
  a = k.keyHi;
  b = w[at + KEY_HI]!;
  if (a !== b) return a < b ? -2 : 2;
  a = k.keyLo;
  b = w[at + KEY_LO]!;
  if (a !== b) return (a ^ SIGN) < (b ^ SIGN) ? -2 : 2;
  const aHi = k.tidHi, aLo = k.tidLo, bHi = w[at + CREATE_HI]!, bLo = w[at + CREATE_LO]!;
  if (aHi === bHi && aLo === bLo) return 0;
  if ((aHi | aLo) === 0) return 1;
  if ((bHi | bLo) === 0) return -1;
  return cmpU64(aHi, aLo, bHi, bLo);
}

/** True if the element at word `at` is alive as of the TID; an as-of of 0 asks only whether it is undeleted. */
export function visible(w: Int32Array, at: number, asofHi: number, asofLo: number): boolean {
  const deleteHi = w[at + DELETE_HI]!, deleteLo = w[at + DELETE_LO]!;
  const live = (deleteHi | deleteLo) === 0;
  if ((asofHi | asofLo) === 0) return live;
  return cmpU64(w[at + CREATE_HI]!, w[at + CREATE_LO]!, asofHi, asofLo) <= 0
    && (live || cmpU64(asofHi, asofLo, deleteHi, deleteLo) < 0);
}

const TWO64 = 1n << 64n;

function half(left: bigint, right: bigint): bigint {
  return BigInt.asIntN(64, left + (BigInt.asIntN(64, right - left + 1n) >> 1n) + TWO64);
}

/** Sets `out` to a separator of left < right: left < out <= right (hammer_make_separator). Cold: splits only. */
export function makeSeparator(left: Key, right: Key, out: Key): Key {
  out.copy(right);
  const l = left.localization >>> 0, r = right.localization >>> 0;
  out.localization = (l + Math.floor((r - l + 1) / 2)) | 0;
  if (l !== r) return out;
  const lo = int64(left.objHi, left.objLo), ro = int64(right.objHi, right.objLo);
  if (lo !== ro) {
    const obj = half(lo, ro);
    out.objHi = hi32(obj);
    out.objLo = lo32(obj);
    return out;
  }
  out.recType = left.recType + ((right.recType - left.recType + 1) >> 1);
  if (left.recType !== right.recType) return out;
  const key = half(int64(left.keyHi, left.keyLo), int64(right.keyHi, right.keyLo));
  out.keyHi = hi32(key);
  out.keyLo = lo32(key);
  return out;
}

/** Signed 64-bit value of two halves. */
export function int64(hi: number, lo: number): bigint {
  return (BigInt(hi | 0) << 32n) | BigInt(lo >>> 0);
}

/** Unsigned 64-bit value of two halves. */
export function uint64(hi: number, lo: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** Upper half of a 64-bit value as int32. */
export function hi32(x: bigint): number { return Number(BigInt.asIntN(32, x >> 32n)); }
/** Lower half of a 64-bit value as int32. */
export function lo32(x: bigint): number { return Number(BigInt.asIntN(32, x)); }
