// SPDX-License-Identifier: BSD-3-Clause
/**
 * The virtual kernel: boots on a host platform and runs unmodified i386 programs of Linux and DragonFly.
 * @packageDocumentation
 */
export { BootError, isBootError, isKernelPanic, KernelPanic, UnwrittenError, type BootErrorCode } from "./boot-error.ts";
export type { FirstProgram } from "./boot-first.ts";
export {
  bootKernel,
  VirtualKernel,
  type BootOptions,
  type MountContext,
  type MountFactory,
  type MountSpec,
  type NfsOptions,
  type RunResult,
  type RunStats,
} from "./boot.ts";
export type { ProcessInfo, ProgramEnd, SpawnedProgram, SpawnOptions } from "./boot-spawn.ts";
export { devFs, hammerFs, hostFs, overlayFs, procFs, snapshotsFs, sysFs, tmpFs, type HammerFsOptions, type SnapshotsFsOptions } from "./boot-mounts.ts";
export { SNAPSHOT_NAME_FORMAT } from "./vfs/hammer/snapshots.ts";
export type { JitStatistics, RegionDump, RegionTraceEvent } from "@vkernel/hostkernel";
export { CPU_MODELS, type CpuModel, type CpuModelName, type CpuidOption } from "@vkernel/hostkernel";
export { systemCalls, type SystemCall } from "./abi/system-calls.ts";
export { NFS_PORT } from "./nfs/nfs3-proto.ts";
export { NOBODY, type ExportUser, type NfsExportOptions } from "./nfs/export.ts";
export type { NetworkOptions } from "./boot-network.ts";
export type { PublishedPort } from "./net/inet/domain.ts";
export type { StdioKind } from "./boot-console.ts";
export type { Mount, Statfs } from "./vfs/mount.ts";
export { TmpfsMount, type TmpfsOptions } from "./vfs/tmpfs/tmpfs.ts";
export { DevfsMount } from "./vfs/devfs/devfs.ts";
