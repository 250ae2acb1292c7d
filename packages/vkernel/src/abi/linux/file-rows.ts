// SPDX-License-Identifier: BSD-3-Clause
/** All file calls of the Linux table. */
import type { Sysent } from "../../kern/sysent.ts";
import { FILE_CTL_ROWS } from "./file-ctl.ts";
import { FILE_HANDLE_ROWS } from "./file-handle.ts";
import { FILE_IO_ROWS } from "./file-io.ts";
import { FILE_PATH_ROWS } from "./file-path.ts";
import { FILE_STAT_ROWS } from "./file-stat.ts";
import { FILE_XATTR_ROWS } from "./file-xattr.ts";

export const FILE_ROWS: readonly Sysent[] = [...FILE_IO_ROWS, ...FILE_PATH_ROWS, ...FILE_XATTR_ROWS, ...FILE_STAT_ROWS, ...FILE_CTL_ROWS, ...FILE_HANDLE_ROWS];
