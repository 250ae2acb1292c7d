// SPDX-License-Identifier: BSD-3-Clause
/** Where the answers of this kernel and of the host's differ, and why; the last ones are known faults. */

const of = (calls: string): RegExp => new RegExp(`^(${calls})[:/]`);
export const DIFFERENT: readonly { readonly calls: RegExp; readonly why: string }[] = [
  { calls: /0xc0000000/, why: "below a 64-bit kernel i386 programs have 4 GB, here 3" },
  { calls: of("mlock|munlock|mlock2|madvise|mremap|munmap|mmap2"), why: "lengths that run over 4 GB: the host's addresses are 64 bits wide" },
  { calls: of("syslog"), why: "the host's dmesg_restrict" },
  { calls: of("flock|sigaltstack|epoll_wait|recvmmsg|sendmmsg|openat2"), why: "the order of checks changed between releases of Linux" },
  { calls: of("setuid|setgid"), why: "the host's test runs in a user namespace of few ids" },
  { calls: of("kill|getpriority|setpriority|sched_rr_get_interval(_time64)?|get_robust_list|rt_tgsigqueueinfo|setpgid"), why: "other processes have these ids" },
  { calls: of("getcwd|socketcall|link|rseq|restart_syscall"), why: "where the program stands, its descriptor 0, the host's file system and configuration" },
  { calls: of("chroot|mount|umount|umount2|execve|execveat"), why: "with two faults another one is told: rights come before paths" },
  { calls: of("renameat|renameat2|linkat|symlinkat|readlinkat"), why: "with two faults another one is told: both paths are copied in first" },
  {
    calls: of(
      "read|sendfile(64)?|preadv2?|pwritev2?|pread64|pwrite64|splice|vmsplice|process_vm_(readv|writev)|copy_file_range|epoll_ctl|connect|" +
        "sendto|recvfrom|socketpair|waitid|sigaction|timer_settime(64)?|timerfd_settime(64)?|semtimedop_time64|pidfd_send_signal|" +
        "mq_(open|unlink|getsetattr|notify)|rt_sigqueueinfo|sched_getparam|capset|ppoll(_time64)?|poll|getrandom|_llseek|fadvise64",
    ),
    why: "with two faults, or nothing to do, another one is told; to be looked at one by one",
  },
  { calls: of("nice"), why: "wrong: EACCES for EPERM" },
  { calls: of("fchmod|fchown|fchown32|flistxattr"), why: "wrong: sockets and pipes have no modes and owners of their own" },
  { calls: of("open|openat"), why: "there is no O_TMPFILE" },
  { calls: of("timer_create|clock_nanosleep(_time64)?"), why: "there are no timers of processor time" },
  { calls: of("ioctl"), why: "there are no FIBMAP and FIGETBSZ" },
  { calls: of("shmget|close_range"), why: "wrong: flags SHM_HUGETLB and CLOSE_RANGE_UNSHARE" },
];
