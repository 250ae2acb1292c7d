/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System-call stubs. The number goes into eax, arguments are read by the kernel from the caller's frame just
 * above the return address, so a stub needs no frame of its own. Carry set means eax is an errno.
 *
 *   S1  Every other register, edx included, survives a call (syscalls.md 1.3).
 *   S2  A 64-bit argument is two words without alignment; pad words exist only where the table lists them, and
 *       then the C prototype of the stub has them too (sys/wrap.c hides them).
 *
 * Numbers: sys/kern/syscalls.master of DragonFly 2.0.
 */
	.text
	.globl	errno
	.comm	errno, 4, 4

cerror:
	movl	%eax, errno
	movl	$-1, %eax
	movl	$-1, %edx
	ret

	.macro	SYSCALL name, number
	.globl	\name
	.type	\name, @function
\name:
	movl	$\number, %eax
	int	$0x80
	jc	cerror
	ret
	.size	\name, . - \name
	.endm

	SYSCALL _exit, 1
	SYSCALL read, 3
	SYSCALL write, 4
	SYSCALL open, 5
	SYSCALL close, 6
	SYSCALL wait4, 7
	SYSCALL link, 9
	SYSCALL unlink, 10
	SYSCALL chdir, 12
	SYSCALL fchdir, 13
	SYSCALL mknod, 14
	SYSCALL chmod, 15
	SYSCALL chown, 16
	SYSCALL __break, 17
	SYSCALL getfsstat, 18
	SYSCALL getpid, 20
	SYSCALL mount, 21
	SYSCALL unmount, 22
	SYSCALL setuid, 23
	SYSCALL getuid, 24
	SYSCALL geteuid, 25
	SYSCALL access, 33
	SYSCALL chflags, 34
	SYSCALL sync, 36
	SYSCALL kill, 37
	SYSCALL getppid, 39
	SYSCALL dup, 41
	SYSCALL getegid, 43
	SYSCALL getgid, 47
	SYSCALL setlogin, 50
	SYSCALL ioctl, 54
	SYSCALL reboot, 55
	SYSCALL symlink, 57
	SYSCALL readlink, 58
	SYSCALL execve, 59
	SYSCALL umask, 60
	SYSCALL chroot, 61
	SYSCALL munmap, 73
	SYSCALL getgroups, 79
	SYSCALL setgroups, 80
	SYSCALL getpgrp, 81
	SYSCALL setpgid, 82
	SYSCALL setitimer, 83
	SYSCALL getitimer, 86
	SYSCALL dup2, 90
	SYSCALL fcntl, 92
	SYSCALL fsync, 95
	SYSCALL setpriority, 96
	SYSCALL getpriority, 100
	SYSCALL gettimeofday, 116
	SYSCALL getrusage, 117
	SYSCALL settimeofday, 122
	SYSCALL fchown, 123
	SYSCALL fchmod, 124
	SYSCALL rename, 128
	SYSCALL mkfifo, 132
	SYSCALL mkdir, 136
	SYSCALL rmdir, 137
	SYSCALL utimes, 138
	SYSCALL setsid, 147
	SYSCALL statfs, 157
	SYSCALL fstatfs, 158
	SYSCALL __extpread, 173
	SYSCALL __extpwrite, 174
	SYSCALL setgid, 181
	SYSCALL setegid, 182
	SYSCALL seteuid, 183
	SYSCALL getrlimit, 194
	SYSCALL setrlimit, 195
	SYSCALL __mmap, 197
	SYSCALL __lseek, 199
	SYSCALL __truncate, 200
	SYSCALL __ftruncate, 201
	SYSCALL sysctl, 202
	SYSCALL futimes, 206
	SYSCALL getpgid, 207
	SYSCALL poll, 209
	SYSCALL clock_gettime, 232
	SYSCALL nanosleep, 240
	SYSCALL lchown, 254
	SYSCALL lchmod, 274
	SYSCALL lutimes, 276
	SYSCALL getsid, 310
	SYSCALL __getcwd, 326
	SYSCALL sigprocmask, 340
	SYSCALL sigsuspend, 341
	SYSCALL sigaction, 342
	SYSCALL sigpending, 343
	SYSCALL stat, 475
	SYSCALL fstat, 476
	SYSCALL lstat, 477
	SYSCALL getdirentries, 479

/* pid_t fork(void): edx is 1 in the child, whatever eax says. */
	.globl	fork
	.type	fork, @function
fork:
	movl	$2, %eax
	int	$0x80
	jc	cerror
	testl	%edx, %edx
	jz	1f
	xorl	%eax, %eax
1:	ret
	.size	fork, . - fork

/* int pipe(int fd[2]): both descriptors come back in registers. */
	.globl	pipe
	.type	pipe, @function
pipe:
	movl	$42, %eax
	int	$0x80
	jc	cerror
	movl	4(%esp), %ecx
	movl	%eax, (%ecx)
	movl	%edx, 4(%ecx)
	xorl	%eax, %eax
	ret
	.size	pipe, . - pipe

	.section .note.GNU-stack, "", @progbits
