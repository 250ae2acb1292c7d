// SPDX-License-Identifier: BSD-3-Clause
/**
 * On-disk structures of HAMMER, by their C names.
 * @packageDocumentation
 */
export * from "./blockmap.ts";
export * from "./btree.ts";
export * from "./fifo.ts";
export * from "./inode.ts";
export { layout, viewOf, type Field, type Layout, type StructOf } from "./layout.ts";
export * from "./offset.ts";
export * from "./pfs.ts";
export * from "./record.ts";
export * from "./volume.ts";
