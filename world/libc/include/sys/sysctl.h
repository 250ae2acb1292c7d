/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
#include <sys/resource.h>
#include <signal.h>
#define CTL_KERN 1
#define CTL_HW 6
#define KERN_PROC 14
#define KERN_PROC_ALL 0
#define KERN_PROC_PID 1
#define KERN_PROC_PGRP 2
#define KERN_PROC_SESSION 3
#define KERN_PROC_TTY 4
#define KERN_PROC_UID 5
#define KERN_PROC_RUID 6
#define KERN_PROC_ARGS 7
#define HW_PAGESIZE 7
struct kinfo_lwp {
	pid_t kl_pid;
	lwpid_t kl_tid;
	int kl_flags, kl_stat, kl_lock, kl_tdflags, kl_mpcount, kl_prio, kl_tdprio;
	struct { unsigned short type, prio; } kl_rtprio;
	uint64_t kl_uticks, kl_sticks, kl_iticks, kl_cpticks;
	unsigned kl_pctcpu, kl_slptime;
	int kl_origcpu, kl_estcpu, kl_cpuid;
	struct rusage kl_ru;
	sigset_t kl_siglist, kl_sigmask;
	uintptr_t kl_wchan;
	char kl_wmesg[8];
};
_Static_assert(sizeof(struct kinfo_lwp) == 208, "struct kinfo_lwp");
struct kinfo_proc {
	uintptr_t kp_paddr;
	int kp_flags, kp_stat, kp_lock, kp_acflag, kp_traceflag;
	uintptr_t kp_fd;
	sigset_t kp_siglist, kp_sigignore, kp_sigcatch;
	int kp_sigflag;
	struct timeval kp_start;
	char kp_comm[17];
	uid_t kp_uid;
	short kp_ngroups;
	gid_t kp_groups[16];
	uid_t kp_ruid, kp_svuid;
	gid_t kp_rgid, kp_svgid;
	pid_t kp_pid, kp_ppid, kp_pgid;
	int kp_jobc;
	pid_t kp_sid;
	char kp_login[20];
	dev_t kp_tdev;
	pid_t kp_tpgid, kp_tsid;
	unsigned short kp_exitstat;
	int kp_nthreads, kp_nice;
	unsigned kp_swtime;
	uint32_t kp_vm_map_size;
	int32_t kp_vm_rssize, kp_vm_swrss, kp_vm_tsize, kp_vm_dsize, kp_vm_ssize; /* pages */
	int kp_jailid;
	struct rusage kp_ru, kp_cru;
	int kp_auxflags;
	struct kinfo_lwp kp_lwp;
	int kp_spare[4];
};
_Static_assert(sizeof(struct kinfo_proc) == 664, "struct kinfo_proc");
#define SIDL 1
#define SACTIVE 2
#define SSTOP 3
#define SZOMB 4
#define LSRUN 1
#define LSSTOP 2
#define LSSLEEP 3
#define P_CONTROLT 2
#define P_SYSTEM 0x200
#define P_TRACED 0x800
int sysctl(const int *, unsigned, void *, size_t *, const void *, size_t);
int sysctlbyname(const char *, void *, size_t *, const void *, size_t);
int sysctlnametomib(const char *, int *, size_t *);
