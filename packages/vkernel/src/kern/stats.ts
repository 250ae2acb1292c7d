// SPDX-License-Identifier: BSD-3-Clause
/** Counters of one kernel, for `--stats` and sysctl. */
import type { Abi } from "./abi.ts";

export class KernelStats {
  /** Calls by number, one array for each ABI. */
  readonly syscalls = new Map<Abi, Uint32Array>();
  /** Calls that are not implemented, by "abi name". */
  readonly missing = new Map<string, number>();
  switches = 0;
  forks = 0;
  execs = 0;
  pageFaults = 0;
  signals = 0;
  /** Time of all threads that have ended, ns. */
  userNs = 0;
  sysNs = 0;
  idleNs = 0;
}
