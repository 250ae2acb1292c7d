// SPDX-License-Identifier: BSD-3-Clause
/**
 * IA-32 memory management: the machine's linear memory, paging, translation tables, segment descriptors.
 * @packageDocumentation
 */
export {
  FLAT_BIAS,
  LINK_BYTES,
  PAGE_SIZE,
  PGMASK,
  PGSHIFT,
  STATE_BYTES,
  TABLE_BYTES,
  TABLE_ENTRIES,
  TABLE_ENTRY_BYTES,
  machineLayout,
  type MachineLayout,
  type MachineLayoutOptions,
} from "./layout.ts";
export { MachineMemory, type CodeWrittenListener, type MachineMemoryOptions, type ProtectListener } from "./memory.ts";
export {
  ACCESS_EXEC,
  ACCESS_READ,
  ACCESS_WRITE,
  PF_PRESENT,
  PF_USER,
  PF_WRITE,
  faultCode,
  faultResult,
  type Access,
  type AddressSpace,
} from "./space.ts";
