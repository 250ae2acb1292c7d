// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the answers of this kernel and of the host's differ, and why. HOST: calls whose answers depend on the host, its release and its
 * configuration. KNOWN: single cases with this kernel's answer; any other answer, and any other case of these calls, has to be right.
 */

const of = (calls: string): RegExp => new RegExp(`^(${calls})[:/]`);
export const HOST: readonly { readonly calls: RegExp; readonly why: string }[] = [
  { calls: /0xc0000000/, why: "below a 64-bit kernel i386 programs have 4 GB, here 3" },
  { calls: of("mlock|munlock|mlock2|madvise|mremap|munmap|mmap2"), why: "lengths that run over 4 GB: the host's addresses are 64 bits wide" },
  { calls: of("syslog"), why: "the host's dmesg_restrict" },
  { calls: of("flock|sigaltstack|epoll_wait|recvmmsg|sendmmsg|openat2"), why: "the order of checks changed between releases of Linux" },
  { calls: of("setuid|setgid"), why: "the host's test runs in a user namespace of few ids" },
  { calls: of("kill|getpriority|setpriority|sched_rr_get_interval(_time64)?|get_robust_list|rt_tgsigqueueinfo|setpgid"), why: "other processes have these ids" },
  { calls: of("getcwd|socketcall|link|rseq|restart_syscall"), why: "where the program stands, its descriptor 0, the host's file system and configuration" },
];

export const KNOWN: readonly { readonly why: string; readonly cases: Readonly<Record<string, string>> }[] = [
  {
    why: "with two faults, or nothing to do, another one is told; to be looked at one by one",
    cases: {
      "read/2=0": "error 14", "read/2=16": "error 14", "sigaction/2=16": "error 22", "_llseek/2=0x7fffffff": "error 75",
      "sched_getparam/2=0": "error 14", "rt_sigqueueinfo/2=-1": "error 22", "rt_sigqueueinfo/2=65": "error 22",
      "rt_sigqueueinfo/2=9999": "error 22", "pread64/1=FD_WRITER": "error 9", "pwrite64/1=FD_READER": "error 9", "capset/2=0": "error 14",
      "sendfile/2=FD_DIR": "error 21", "sendfile/2=FD_SOCKET": "error 22", "sendfile/2=FD_READER": "error 22",
      "sendfile64/2=FD_DIR": "error 21", "sendfile64/2=FD_SOCKET": "error 22", "sendfile64/2=FD_READER": "error 22",
      "fadvise64/3=-1": "error 22", "epoll_ctl": "error 22", "epoll_ctl/1=FD_DIR": "error 22", "epoll_ctl/1=FD_SOCKET": "error 22",
      "epoll_ctl/1=FD_READER": "error 22", "epoll_ctl/1=FD_WRITER": "error 22", "epoll_ctl/2=-1": "error 22", "epoll_ctl/2=1": "error 22",
      "epoll_ctl/2=2": "error 22", "epoll_ctl/2=0x7fffffff": "error 22", "epoll_ctl/3=FD_DIR": "error 22", "epoll_ctl/4=0": "error 22",
      "epoll_ctl/4=16": "error 22", "timer_settime/3=16": "error 22", "mq_open/1=EMPTY_PATH": "error 22", "mq_open/2=-1": "error 95",
      "mq_open/2=0x7fffffff": "error 95", "mq_open/4=16": "error 14", "mq_unlink/1=EMPTY_PATH": "error 22", "mq_notify": "error 22",
      "mq_notify/1=-1": "error 22", "mq_notify/1=99": "error 22", "mq_notify/1=FD_DIR": "error 22", "mq_notify/1=FD_SOCKET": "error 22",
      "mq_notify/1=FD_READER": "error 22", "mq_notify/1=FD_WRITER": "error 22", "mq_getsetattr/2=16": "error 9", "waitid/3=16": "error 22",
      "splice/1=FD_WRITER": "error 9", "splice/3=FD_READER": "error 9", "vmsplice": "error 9", "vmsplice/1=FD_DIR": "error 9",
      "vmsplice/1=FD_SOCKET": "error 9", "vmsplice/2=0": "error 9", "vmsplice/2=16": "error 9", "vmsplice/3=-1": "error 9",
      "vmsplice/3=1": "error 9", "vmsplice/3=2": "error 9", "vmsplice/3=0x7fffffff": "error 9", "vmsplice/4=1": "error 9",
      "vmsplice/4=2": "error 9", "timerfd_settime/3=0": "error 22", "timerfd_settime/3=16": "error 22", "preadv/1=FD_DIR": "error 21",
      "preadv/1=FD_WRITER": "error 9", "pwritev/1=FD_READER": "error 9", "process_vm_readv": "error 3", "process_vm_readv/1=-1": "error 3",
      "process_vm_readv/1=0x7fffffff": "error 3", "process_vm_readv/2=0": "error 3", "process_vm_readv/2=16": "error 3",
      "process_vm_readv/3=0": "error 3", "process_vm_readv/3=-1": "error 3", "process_vm_readv/4=0": "error 3",
      "process_vm_readv/4=16": "error 3", "process_vm_readv/5=0": "error 3", "process_vm_readv/5=-1": "error 3",
      "process_vm_writev": "error 3", "process_vm_writev/1=-1": "error 3", "process_vm_writev/1=0x7fffffff": "error 3",
      "process_vm_writev/2=0": "error 3", "process_vm_writev/2=16": "error 3", "process_vm_writev/3=0": "error 3",
      "process_vm_writev/3=-1": "error 3", "process_vm_writev/4=0": "error 3", "process_vm_writev/4=16": "error 3",
      "process_vm_writev/5=0": "error 3", "process_vm_writev/5=-1": "error 3", "getrandom/2=-1": "error 14", "socketpair/4=0": "error 97",
      "socketpair/4=16": "error 97", "connect/2=0": "error 88", "connect/2=16": "error 88", "connect/3=-1": "error 88",
      "sendto/1=FD_SOCKET": "error 22", "recvfrom/3=-1": "error 22", "copy_file_range": "ok", "copy_file_range/1=FD_WRITER": "error 9",
      "copy_file_range/3=FD_DIR": "error 9", "copy_file_range/3=FD_READER": "error 9", "copy_file_range/5=-1": "ok",
      "preadv2/1=FD_DIR": "error 21", "preadv2/1=FD_WRITER": "error 9", "preadv2/5=-1": "error 95", "preadv2/5=0x7fffffff": "error 95",
      "pwritev2/1=FD_READER": "error 9", "pwritev2/5=-1": "error 95", "pwritev2/5=0x7fffffff": "error 95",
      "timer_settime64/3=16": "error 22", "timerfd_settime64/3=0": "error 22", "timerfd_settime64/3=16": "error 22",
      "semtimedop_time64/4=16": "error 22", "pidfd_send_signal/4=1": "error 22", "pidfd_send_signal/4=2": "error 22",
    },
  },
  {
    why: "there is no O_TMPFILE",
    cases: {
      "open/2=-1": "error 95", "open/2=0x7fffffff": "error 95", "openat/3=-1": "error 95", "openat/3=0x7fffffff": "error 95",
    },
  },
  {
    why: "with two faults another one is told: rights come before paths",
    cases: {
      "execve/2=16": "error 14", "execve/3=16": "error 14", "mount/1=LONG_PATH": "error 36", "mount/2=EMPTY_PATH": "error 1",
      "mount/2=NONE_PATH": "error 1", "mount/2=FREE_PATH": "error 1", "mount/3=0": "error 14", "mount/3=LONG_PATH": "error 36",
      "mount/4=-1": "ok", "mount/4=0x7fffffff": "ok", "umount/1=EMPTY_PATH": "error 1", "umount/1=NONE_PATH": "error 1",
      "umount/1=FREE_PATH": "error 1", "umount2/1=EMPTY_PATH": "error 1", "umount2/1=NONE_PATH": "error 1",
      "umount2/1=FREE_PATH": "error 1", "umount2/2=-1": "error 1", "umount2/2=0x7fffffff": "error 1", "chroot": "error 1",
      "chroot/1=EMPTY_PATH": "error 1", "chroot/1=NONE_PATH": "error 1", "chroot/1=LINK_PATH": "error 1", "chroot/1=FREE_PATH": "error 1",
      "execveat/3=16": "error 14", "execveat/4=16": "error 14",
    },
  },
  {
    why: "wrong: EACCES for EPERM",
    cases: {
      "nice/1=-1": "error 13",
    },
  },
  {
    why: "there are no FIBMAP and FIGETBSZ",
    cases: {
      "ioctl/2=1": "error 25", "ioctl/2=2": "error 25",
    },
  },
  {
    why: "wrong: sockets and pipes have no modes and owners of their own",
    cases: {
      "fchmod/1=FD_SOCKET": "error 22", "fchmod/1=FD_READER": "error 22", "fchmod/1=FD_WRITER": "error 22",
      "fchown/1=FD_SOCKET": "error 22", "fchown/1=FD_READER": "error 22", "fchown/1=FD_WRITER": "error 22",
      "fchown32/1=FD_SOCKET": "error 22", "fchown32/1=FD_READER": "error 22", "fchown32/1=FD_WRITER": "error 22",
      "flistxattr/1=FD_SOCKET": "ok",
    },
  },
  {
    why: "there are no timers of processor time",
    cases: {
      "timer_create/1=-1": "error 95", "timer_create/1=2": "error 95", "clock_nanosleep/1=2": "error 95",
      "clock_nanosleep_time64/1=2": "error 95",
    },
  },
  {
    why: "with two faults another one is told: both paths are copied in first",
    cases: {
      "renameat/4=0": "error 14", "renameat/4=16": "error 14", "renameat/4=LONG_PATH": "error 36", "linkat/4=0": "error 14",
      "linkat/4=16": "error 14", "linkat/4=LONG_PATH": "error 36", "symlinkat/1=EMPTY_PATH": "error 20",
      "readlinkat/2=EMPTY_PATH": "error 22", "renameat2/4=0": "error 14", "renameat2/4=16": "error 14", "renameat2/4=LONG_PATH": "error 36",
      "renameat2/5=2": "error 22",
    },
  },
  {
    why: "wrong: flags SHM_HUGETLB and CLOSE_RANGE_UNSHARE",
    cases: {
      "shmget/2=-1": "error 28", "shmget/3=-1": "ok", "shmget/3=0x7fffffff": "ok", "close_range/3=2": "error 22",
    },
  },
];
