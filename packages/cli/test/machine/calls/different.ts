// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the answers of this kernel and of the host's differ, and why: single cases with this kernel's answer. Any other answer, and
 * any other case of these calls, has to be right. The kernel calls itself Linux 5.10 for 32-bit machines, the host's may be any later
 * one below 64 bits; what a release or a width decides stands here when the two are seen to differ.
 */

const LONG = "below a 64-bit kernel i386 programs have 4 GB of addresses, here 3";
const each = (names: string, answer: string): Readonly<Record<string, string>> =>
  Object.fromEntries(names.split(" ").map((name) => [name, answer]));

export const KNOWN: readonly { readonly why: string; readonly cases: Readonly<Record<string, string>> }[] = [
  {
    why: LONG,
    cases: {
      ...each("read/2=0xc0000000 execve/2=0xc0000000 execve/3=0xc0000000 execveat/3=0xc0000000", "error 14"),
      ...each("execveat/4=0xc0000000 mq_open/4=0xc0000000 recvfrom/2=0xc0000000", "error 14"),
      ...each("munmap/1=0xc0000000", "error 22"),
    },
  },
  {
    why: "lengths that run over 4 GB: the host's are 64 bits wide, so that rounding to pages does not make them 0",
    cases: { ...each("mlock/2=-1 munlock/2=-1 mlock2/2=-1", "ok"), ...each("madvise/2=-1 shmget/2=-1", "error 22") },
  },
  {
    why: "natively the test is process 1; here it is process 2, below the kernel's own 1",
    cases: {
      ...each("setpriority/2=1", "error 1"),
      ...each("sched_rr_get_interval/1=1 sched_rr_get_interval_time64/1=1 get_robust_list/1=1", "error 3"),
      ...each("setpriority/2=2", "ok"),
    },
  },
  {
    why: "natively descriptor 0 is a socket of the test runner",
    cases: each("socketcall/1=2", "error 88"),
  },
  {
    why: "natively the working directory's path is longer than the buffer",
    cases: { getcwd: "ok", ...each("getcwd/1=0 getcwd/1=16 getcwd/1=0xc0000000", "error 14") },
  },
  {
    why: "since Linux 6.9 the file is opened before the arguments are counted",
    cases: each("execve/2=16 execve/3=16 execveat/3=16 execveat/4=16", "error 14"),
  },
  {
    why: "since Linux 5.18 flock looks at the operation before the descriptor, and lets LOCK_MAND pass",
    cases: { ...each("flock/1=-1 flock/1=99", "error 9"), ...each("flock/2=-1 flock/2=0x7fffffff", "error 22") },
  },
  {
    why: "later releases look up epoll's descriptor before they check the number of events",
    cases: each("epoll_wait/1=-1 epoll_wait/1=99", "error 22"),
  },
  {
    why: "flags since Linux 6.9",
    cases: each("pidfd_send_signal/4=1 pidfd_send_signal/4=2", "error 22"),
  },
  {
    why: "flags since Linux 6.12 and 6.13",
    cases: each("name_to_handle_at/5=1 name_to_handle_at/5=2", "error 22"),
  },
  {
    why: "the 32-bit entry of 64-bit kernels reads the attributes only for a queue that is to be made",
    cases: each("mq_open/4=16", "error 14"),
  },
  {
    why: "no restartable sequences, as in a kernel without CONFIG_RSEQ",
    cases: each("rseq", "error 38"),
  },
  {
    why: "this kernel is one without NUMA, the host's one with it",
    cases: each("mbind get_mempolicy set_mempolicy migrate_pages move_pages set_mempolicy_home_node", "error 38"),
  },
  {
    why: "a directory is refused before the new name is looked at, as in BSD",
    cases: each("link/1=DIR_PATH", "error 1"),
  },
];
