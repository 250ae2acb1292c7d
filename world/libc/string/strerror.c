/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of error and signal numbers, as in DragonFly's lib/libc/gen/{errlst,siglist}.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *const errlist[] = {
	[0] = "Undefined error: 0",
	[EPERM] = "Operation not permitted",
	[ENOENT] = "No such file or directory",
	[ESRCH] = "No such process",
	[EINTR] = "Interrupted system call",
	[EIO] = "Input/output error",
	[ENXIO] = "Device not configured",
	[E2BIG] = "Argument list too long",
	[ENOEXEC] = "Exec format error",
	[EBADF] = "Bad file descriptor",
	[ECHILD] = "No child processes",
	[EDEADLK] = "Resource deadlock avoided",
	[ENOMEM] = "Cannot allocate memory",
	[EACCES] = "Permission denied",
	[EFAULT] = "Bad address",
	[ENOTBLK] = "Block device required",
	[EBUSY] = "Device busy",
	[EEXIST] = "File exists",
	[EXDEV] = "Cross-device link",
	[ENODEV] = "Operation not supported by device",
	[ENOTDIR] = "Not a directory",
	[EISDIR] = "Is a directory",
	[EINVAL] = "Invalid argument",
	[ENFILE] = "Too many open files in system",
	[EMFILE] = "Too many open files",
	[ENOTTY] = "Inappropriate ioctl for device",
	[ETXTBSY] = "Text file busy",
	[EFBIG] = "File too large",
	[ENOSPC] = "No space left on device",
	[ESPIPE] = "Illegal seek",
	[EROFS] = "Read-only file system",
	[EMLINK] = "Too many links",
	[EPIPE] = "Broken pipe",
	[EDOM] = "Numerical argument out of domain",
	[ERANGE] = "Result too large",
	[EAGAIN] = "Resource temporarily unavailable",
	[36] = "Operation now in progress",
	[37] = "Operation already in progress",
	[38] = "Socket operation on non-socket",
	[39] = "Destination address required",
	[40] = "Message too long",
	[41] = "Protocol wrong type for socket",
	[42] = "Protocol not available",
	[43] = "Protocol not supported",
	[44] = "Socket type not supported",
	[EOPNOTSUPP] = "Operation not supported",
	[46] = "Protocol family not supported",
	[47] = "Address family not supported by protocol family",
	[48] = "Address already in use",
	[49] = "Can't assign requested address",
	[50] = "Network is down",
	[51] = "Network is unreachable",
	[52] = "Network dropped connection on reset",
	[53] = "Software caused connection abort",
	[54] = "Connection reset by peer",
	[55] = "No buffer space available",
	[56] = "Socket is already connected",
	[57] = "Socket is not connected",
	[58] = "Can't send after socket shutdown",
	[59] = "Too many references: can't splice",
	[ETIMEDOUT] = "Operation timed out",
	[61] = "Connection refused",
	[ELOOP] = "Too many levels of symbolic links",
	[ENAMETOOLONG] = "File name too long",
	[64] = "Host is down",
	[65] = "No route to host",
	[ENOTEMPTY] = "Directory not empty",
	[67] = "Too many processes",
	[68] = "Too many users",
	[69] = "Disc quota exceeded",
	[70] = "Stale NFS file handle",
	[77] = "No locks available",
	[ENOSYS] = "Function not implemented",
	[EFTYPE] = "Inappropriate file type or format",
	[82] = "Identifier removed",
	[83] = "No message of desired type",
	[EOVERFLOW] = "Value too large to be stored in data type",
	[85] = "Operation canceled",
	[EILSEQ] = "Illegal byte sequence",
	[87] = "Attribute not found",
};

char *strerror(int code)
{
	static char unknown[32];

	if (code >= 0 && (size_t)code < sizeof(errlist) / sizeof(errlist[0]) && errlist[code] != NULL)
		return (char *)errlist[code];
	snprintf(unknown, sizeof(unknown), "Unknown error: %d", code);
	return unknown;
}

const char *const sys_signame[NSIG] = {
	"Signal 0", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "EMT", "FPE", "KILL", "BUS", "SEGV", "SYS", "PIPE",
	"ALRM", "TERM", "URG", "STOP", "TSTP", "CONT", "CHLD", "TTIN", "TTOU", "IO", "XCPU", "XFSZ", "VTALRM",
	"PROF", "WINCH", "INFO", "USR1", "USR2", "THR", "CKPT", "CKPTEXIT",
};

static const char *const siglist[NSIG] = {
	"Signal 0", "Hangup", "Interrupt", "Quit", "Illegal instruction", "Trace/BPT trap", "Abort trap", "EMT trap",
	"Floating point exception", "Killed", "Bus error", "Segmentation fault", "Bad system call", "Broken pipe",
	"Alarm clock", "Terminated", "Urgent I/O condition", "Suspended (signal)", "Suspended", "Continued",
	"Child exited", "Stopped (tty input)", "Stopped (tty output)", "I/O possible", "Cputime limit exceeded",
	"Filesize limit exceeded", "Virtual timer expired", "Profiling timer expired", "Window size changes",
	"Information request", "User defined signal 1", "User defined signal 2", "Thread signal", "Checkpoint",
	"Checkpoint and exit",
};

const char *strsignal(int sig)
{
	static char unknown[32];

	if (sig > 0 && sig < NSIG)
		return siglist[sig];
	snprintf(unknown, sizeof(unknown), "Unknown signal: %d", sig);
	return unknown;
}
