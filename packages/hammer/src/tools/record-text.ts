// SPDX-License-Identifier: BSD-3-Clause
/**
 * Contents of B-Tree records as `hammer show` prints them under the element.
 * Source: DragonFly sbin/hammer/cmd_show.c, print_record().
 * @module
 */
import {
  DIRENTRY_DATA, DIRENTRY_NAME, FIXKEY_SYMLINK, INODE_DATA, PFS_DATA, REC_CONFIG, REC_DATA, REC_DB, REC_DIRENTRY, REC_EXT,
  REC_FIX, REC_INODE, REC_PFS, REC_SNAPSHOT, SNAPSHOT_DATA, uuidText, viewOf,
} from "../disk/index.ts";
import { decodeXattr } from "../object/xattr.ts";
import { cString, hexdump, x16, x2, x8 } from "./format.ts";
import type { RawElm } from "./raw.ts";

const REC_UNKNOWN = 0;
const PAD = " ".repeat(17);
/** The original dumps at most one buffer of a record. */
const DUMP_MAX = 16384;

interface RecordTextOptions {
  indent: string;
  obfuscate: boolean;
  verbose: number;
}

function inodeText(v: DataView, b: Uint8Array, o: RecordTextOptions): string {
  const d = INODE_DATA.read(v, 0);
  let text = `\n${o.indent}${PAD}inode size=${BigInt.asIntN(64, d.size)} nlinks=${BigInt.asIntN(64, d.nlinks)}`
    + ` mode=${d.mode.toString(8).padStart(5, "0")} uflags=${x8(d.uflags)} caps=${x2(d.cap_flags)}`
    + ` pobjid=${x16(d.parent_obj_id)} ot=${x2(d.obj_type)}\n`
    + `${o.indent}${PAD}      ctime=${x16(d.ctime)} mtime=${x16(d.mtime)} atime=${x16(d.atime)}`;
  // A target of 24 bytes has no NUL; the original prints on into the fields behind it.
  if (d.ext[0] !== 0) text += ` symlink="${cString(b, INODE_DATA.off.ext)}"`;
  return text;
}

function pfsText(v: DataView, o: RecordTextOptions): string {
  const d = PFS_DATA.read(v, 0);
  return `\n${o.indent}${PAD}pfs sync_beg_tid=${x16(d.sync_beg_tid)} sync_end_tid=${x16(d.sync_end_tid)}\n`
    + `${PAD}    shared_uuid=${uuidText(d.shared_uuid)}\n${PAD}    unique_uuid=${uuidText(d.unique_uuid)}\n`
    + `${PAD}    mirror_flags=${x8(d.mirror_flags)} label="${d.label}"`
    + (d.snapshots === "" ? "" : ` snapshots="${d.snapshots}"`);
}

function configText(b: Uint8Array, o: RecordTextOptions): string {
  const lines = cString(b, 0).split(/[\r\n]/).filter((line) => line !== "");
  return `\n${o.indent}${PAD}config text="\n`
    + lines.map((line) => `${o.indent}${PAD}            ${line}\n`).join("")
    + `${o.indent}${PAD}            "`;
}

function dump(b: Uint8Array): string {
  const prefix = "\t\t  ";
  return `\n${hexdump(b.subarray(0, DUMP_MAX), prefix)}${b.length > DUMP_MAX ? `${prefix}....\n` : ""}`;
}

/** The lines for the record's data; empty for kinds that are not printed at this verbosity. */
export function recordText(elm: RawElm, data: Uint8Array, o: RecordTextOptions): string {
  // Records may be shorter than their structure: missing bytes read as zero.
  const b = new Uint8Array(Math.max(data.length, PFS_DATA.size));
  b.set(data);
  const v = viewOf(b);
  const head = `\n${o.indent}${PAD}`;
  switch (elm.recType) {
    case REC_UNKNOWN:
      return `${head}unknown`;
    case REC_INODE:
      return inodeText(v, b, o);
    case REC_DIRENTRY:
      return `${head}dir-entry objid=${x16(v.getBigInt64(DIRENTRY_DATA.off.obj_id, true))} lo=${x8(v.getUint32(DIRENTRY_DATA.off.localization, true))}`
        + (o.obfuscate ? "" : ` name="${cString(data, DIRENTRY_NAME).padStart(data.length - DIRENTRY_NAME)}"`);
    case REC_FIX:
      return elm.key === BigInt(FIXKEY_SYMLINK) ? `${head}fix-symlink name="${cString(data, 0).padStart(data.length)}"` : "";
    case REC_PFS:
      return pfsText(v, o);
    case REC_SNAPSHOT:
      return `${head}snapshot tid=${x16(v.getBigUint64(SNAPSHOT_DATA.off.tid, true))} label="${SNAPSHOT_DATA.read(v, 0).label}"`;
    case REC_CONFIG:
      return o.verbose > 2 ? configText(data, o) : "";
    case REC_DATA:
      return o.verbose > 3 ? dump(data) : "";
    case REC_EXT: {
      const attribute = o.obfuscate ? null : decodeXattr(data);
      return (attribute === null ? "" : `${head}ext-attribute name="${attribute.name}" size=${attribute.value.length}`) + (o.verbose > 2 ? dump(data) : "");
    }
    case REC_DB:
      return o.verbose > 2 ? dump(data) : "";
    default:
      return ""; // the original stops with an assertion at an unknown record type
  }
}
