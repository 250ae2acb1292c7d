// SPDX-License-Identifier: BSD-3-Clause
/**
 * The host kernel of a virtual kernel: VM spaces with virtual page tables, run from trapframes; interrupts from signals,
 * co-threads and a clock; the outside world behind HostPlatform.
 * @packageDocumentation
 */
export { HostKernel, type HostKernelOptions, type HostStats } from "./hostkernel.ts";
export { MemoryImage } from "./image.ts";
export { Cothread } from "./cothread.ts";
export { INTR_IO, INTR_TERM, INTR_TIMER, INTR_WINCH, Interrupts } from "./interrupts.ts";
export * from "./frame.ts";
export {
  HostFileError,
  type HostDirent,
  type HostFiles,
  type HostFileType,
  type HostInput,
  type HostIoDone,
  type HostOpenOptions,
  type HostOutput,
  type HostPlatform,
  type HostSignalName,
  type HostStat,
  type HostTerminal,
  type WindowSize,
} from "./platform.ts";
export { SimPlatform, SimFiles, SimTerminal } from "./sim.ts";
