// SPDX-License-Identifier: BSD-3-Clause
/**
 * The virtual kernel: boots on a host platform and runs unmodified i386 programs of Linux and DragonFly.
 * @packageDocumentation
 */
export {
  bootKernel,
  BootError,
  isBootError,
  isKernelPanic,
  KernelPanic,
  VirtualKernel,
  type BootErrorCode,
  type BootOptions,
  type FirstProgram,
  type MountContext,
  type MountFactory,
  type MountSpec,
  type RunResult,
  type RunStats,
} from "./boot.ts";
export { devFs, hammerFs, hostFs, overlayFs, procFs, tmpFs, type HammerFsOptions } from "./boot-mounts.ts";
export type { JitStatistics, RegionDump, RegionTraceEvent } from "@vkernel/hostkernel";
export { CPU_MODELS, type CpuModel, type CpuModelName, type CpuidOption } from "@vkernel/hostkernel";
export { systemCalls, type SystemCall } from "./abi/system-calls.ts";
export type { NetworkOptions } from "./boot-network.ts";
export type { PublishedPort } from "./net/inet/domain.ts";
export type { StdioKind } from "./boot-console.ts";
export type { Mount, Statfs } from "./vfs/mount.ts";
export { TmpfsMount, type TmpfsOptions } from "./vfs/tmpfs/tmpfs.ts";
export { DevfsMount } from "./vfs/devfs/devfs.ts";
