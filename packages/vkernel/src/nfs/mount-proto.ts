// SPDX-License-Identifier: BSD-3-Clause
/**
 * The MOUNT protocol, version 3 (RFC 1813 appendix I), and the port mapper's, version 2 (RFC 1833 §3): how clients find the
 * first file handle, and the port.
 * @module
 */
import { array, list, opaque, string, struct, uint32, union, voidType } from "./xdr.ts";
import { FHSIZE3 } from "./nfs3-proto.ts";

export const MOUNT_PROGRAM = 100005;
export const MOUNT_V3 = 3;
const MNTPATHLEN = 1024;
const MNTNAMLEN = 255;
/** Lists are bounded by what the server keeps. */
export const MOST_MOUNTS = 1024;

export const MNT3_OK = 0;
export const MNT3ERR_NOENT = 2;
export const MNT3ERR_IO = 5;
export const MNT3ERR_ACCES = 13;
export const MNT3ERR_NOTDIR = 20;
export const MNT3ERR_NAMETOOLONG = 63;

export const dirpath = string(MNTPATHLEN);
export const mountOk = struct({ handle: opaque(FHSIZE3), flavors: array(uint32, 8) });
/** mountres3 for clients: kinds without data are failures. */
export const mountResult = union({
  [MNT3_OK]: mountOk, 1: voidType, [MNT3ERR_NOENT]: voidType, [MNT3ERR_IO]: voidType, [MNT3ERR_ACCES]: voidType,
  [MNT3ERR_NOTDIR]: voidType, 22: voidType, [MNT3ERR_NAMETOOLONG]: voidType, 10004: voidType, 10006: voidType,
});
export const mountList = list(struct({ host: string(MNTNAMLEN), dir: dirpath }), MOST_MOUNTS);
export const exportList = list(struct({ dir: dirpath, groups: list(string(MNTNAMLEN), MOST_MOUNTS) }), MOST_MOUNTS);

export const MOUNTPROC3_NULL = 0;
export const MOUNTPROC3_MNT = 1;
export const MOUNTPROC3_DUMP = 2;
export const MOUNTPROC3_UMNT = 3;
export const MOUNTPROC3_UMNTALL = 4;
export const MOUNTPROC3_EXPORT = 5;

export const PMAP_PROGRAM = 100000;
export const PMAP_V2 = 2;
export const PMAPPROC_NULL = 0;
export const PMAPPROC_GETPORT = 3;
export const PMAPPROC_DUMP = 4;
export const IPPROTO_TCP = 6;

export const mapping = struct({ prog: uint32, vers: uint32, prot: uint32, port: uint32 });
export const mappings = list(mapping, 16);
