// SPDX-License-Identifier: BSD-3-Clause
/**
 * What ltp.js knows about tests of the Linux Test Project: names, or beginnings that end with `*`, of tests of runtest/syscalls
 * with a reason.
 */

/** Tests that would change the machine that they run on, so they run in the vkernel alone and must not fail. */
export const NOT_NATIVE = {
  "reboot*": "restarts the machine",
  "swapo*": "swaps",
  "settimeofday*": "sets the clock",
  "stime*": "sets the clock",
  "clock_settime*": "sets the clock",
  "clock_adjtime*": "adjusts the clock",
  "adjtimex*": "adjusts the clock",
  "leapsec*": "sets the clock",
  "delete_module*": "loads a module",
  "init_module*": "loads a module",
  "finit_module*": "loads a module",
  "kexec*": "replaces the kernel",
  "quotactl*": "sets quotas",
  "acct*": "switches accounting",
  "syslog*": "sets what the console shows",
  "ioctl_loop*": "takes loop devices",
  "perf_event*": "takes performance counters",
};

const notThere = (what) => `${what}: not there, the calls answer ENOSYS`;

/** Tests that end worse in the vkernel, and why. */
export const KNOWN = {
  "bpf*": notThere("eBPF"),
  "perf_event*": notThere("performance counters"),
  "fanotify*": notThere("fanotify"),
  "keyctl*": notThere("key rings"),
  "add_key*": notThere("key rings"),
  "request_key*": notThere("key rings"),
  "migrate_pages*": notThere("NUMA"),
  "move_pages*": notThere("NUMA"),
  "mbind*": notThere("NUMA"),
  "set_mempolicy*": notThere("NUMA"),
  "get_mempolicy*": notThere("NUMA"),
  "io_uring*": notThere("io_uring"),
  "userfaultfd*": notThere("userfaultfd"),
  "landlock*": notThere("Landlock"),
  "lsm_*": notThere("security modules"),
  "cachestat*": notThere("cachestat"),
  "listmount*": notThere("the mount calls of Linux 6.8"),
  "statmount*": notThere("the mount calls of Linux 6.8"),
  "delete_module*": notThere("modules"),
  "init_module*": notThere("modules"),
  "finit_module*": notThere("modules"),
  "kexec*": notThere("kexec"),
  "quotactl*": notThere("quotas"),
  "ioctl_loop*": "no loop devices",
  "ioctl_ns*": "no name spaces",
};
