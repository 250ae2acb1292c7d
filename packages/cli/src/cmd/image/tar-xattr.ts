// SPDX-License-Identifier: BSD-3-Clause
/**
 * Extended attributes in PAX records: "SCHILY.xattr." and the name, as star, GNU tar and bsdtar write them. In names "=" and "%" are
 * written "%3D" and "%25" (GNU tar, xheader.c): a record's key ends at its first "=".
 */

export const XATTR_KEY = "SCHILY.xattr.";

/** The key of an attribute's record. Names are byte strings. */
export function keyOfXattr(name: string): string {
  return XATTR_KEY + name.replace(/[%=]/g, (c) => (c === "%" ? "%25" : "%3D"));
}

/** The attribute's name in a key that begins with XATTR_KEY. */
export function xattrOfKey(key: string): string {
  return key.slice(XATTR_KEY.length).replace(/%(?:25|3D)/g, (c) => (c === "%25" ? "%" : "="));
}
