// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel errors: one instance for each errno, thrown and compared by identity, so that throwing allocates
 * nothing. The kernel speaks symbols; numbers belong to the ABI (EAGAIN is 35 for DragonFly and 11 for Linux),
 * so each ABI maps `name` to its own number. `native` is DragonFly's number (DragonFly 2.0 sys/sys/errno.h).
 * @module
 */

/** A system call's failure as seen by the process. Not an `Error`: it carries no stack and is never built anew. */
export class Errno {
  readonly name: string;
  /** DragonFly's number; names that only Linux knows carry the nearest native number. */
  readonly native: number;
  readonly message: string;
  constructor(name: string, native: number, message: string) {
    this.name = name;
    this.native = native;
    this.message = message;
  }
  toString(): string {
    return `${this.name}: ${this.message}`;
  }
}

const all = new Map<string, Errno>();
function e(name: string, native: number, message: string): Errno {
  const errno = new Errno(name, native, message);
  all.set(name, errno);
  return errno;
}

export const EPERM = e("EPERM", 1, "Operation not permitted");
export const ENOENT = e("ENOENT", 2, "No such file or directory");
export const ESRCH = e("ESRCH", 3, "No such process");
export const EINTR = e("EINTR", 4, "Interrupted system call");
export const EIO = e("EIO", 5, "Input/output error");
export const ENXIO = e("ENXIO", 6, "Device not configured");
export const E2BIG = e("E2BIG", 7, "Argument list too long");
export const ENOEXEC = e("ENOEXEC", 8, "Exec format error");
export const EBADF = e("EBADF", 9, "Bad file descriptor");
export const ECHILD = e("ECHILD", 10, "No child processes");
export const EDEADLK = e("EDEADLK", 11, "Resource deadlock avoided");
export const ENOMEM = e("ENOMEM", 12, "Cannot allocate memory");
export const EACCES = e("EACCES", 13, "Permission denied");
export const EFAULT = e("EFAULT", 14, "Bad address");
export const ENOTBLK = e("ENOTBLK", 15, "Block device required");
export const EBUSY = e("EBUSY", 16, "Device busy");
export const EEXIST = e("EEXIST", 17, "File exists");
export const EXDEV = e("EXDEV", 18, "Cross-device link");
export const ENODEV = e("ENODEV", 19, "Operation not supported by device");
export const ENOTDIR = e("ENOTDIR", 20, "Not a directory");
export const EISDIR = e("EISDIR", 21, "Is a directory");
export const EINVAL = e("EINVAL", 22, "Invalid argument");
export const ENFILE = e("ENFILE", 23, "Too many open files in system");
export const EMFILE = e("EMFILE", 24, "Too many open files");
export const ENOTTY = e("ENOTTY", 25, "Inappropriate ioctl for device");
export const ETXTBSY = e("ETXTBSY", 26, "Text file busy");
export const EFBIG = e("EFBIG", 27, "File too large");
export const ENOSPC = e("ENOSPC", 28, "No space left on device");
export const ESPIPE = e("ESPIPE", 29, "Illegal seek");
export const EROFS = e("EROFS", 30, "Read-only file system");
export const EMLINK = e("EMLINK", 31, "Too many links");
export const EPIPE = e("EPIPE", 32, "Broken pipe");
export const EDOM = e("EDOM", 33, "Numerical argument out of domain");
export const ERANGE = e("ERANGE", 34, "Result too large");
export const EAGAIN = e("EAGAIN", 35, "Resource temporarily unavailable");
export const EINPROGRESS = e("EINPROGRESS", 36, "Operation now in progress");
export const EALREADY = e("EALREADY", 37, "Operation already in progress");
export const ENOTSOCK = e("ENOTSOCK", 38, "Socket operation on non-socket");
export const EDESTADDRREQ = e("EDESTADDRREQ", 39, "Destination address required");
export const EMSGSIZE = e("EMSGSIZE", 40, "Message too long");
export const EPROTOTYPE = e("EPROTOTYPE", 41, "Protocol wrong type for socket");
export const ENOPROTOOPT = e("ENOPROTOOPT", 42, "Protocol not available");
export const EPROTONOSUPPORT = e("EPROTONOSUPPORT", 43, "Protocol not supported");
export const ESOCKTNOSUPPORT = e("ESOCKTNOSUPPORT", 44, "Socket type not supported");
export const EOPNOTSUPP = e("EOPNOTSUPP", 45, "Operation not supported");
export const EPFNOSUPPORT = e("EPFNOSUPPORT", 46, "Protocol family not supported");
export const EAFNOSUPPORT = e("EAFNOSUPPORT", 47, "Address family not supported by protocol family");
export const EADDRINUSE = e("EADDRINUSE", 48, "Address already in use");
export const EADDRNOTAVAIL = e("EADDRNOTAVAIL", 49, "Can't assign requested address");
export const ENETDOWN = e("ENETDOWN", 50, "Network is down");
export const ENETUNREACH = e("ENETUNREACH", 51, "Network is unreachable");
export const ECONNABORTED = e("ECONNABORTED", 53, "Software caused connection abort");
export const ECONNRESET = e("ECONNRESET", 54, "Connection reset by peer");
export const ENOBUFS = e("ENOBUFS", 55, "No buffer space available");
export const EISCONN = e("EISCONN", 56, "Socket is already connected");
export const ENOTCONN = e("ENOTCONN", 57, "Socket is not connected");
export const ESHUTDOWN = e("ESHUTDOWN", 58, "Can't send after socket shutdown");
export const ETOOMANYREFS = e("ETOOMANYREFS", 59, "Too many references: can't splice");
export const ETIMEDOUT = e("ETIMEDOUT", 60, "Operation timed out");
export const ECONNREFUSED = e("ECONNREFUSED", 61, "Connection refused");
export const ELOOP = e("ELOOP", 62, "Too many levels of symbolic links");
export const ENAMETOOLONG = e("ENAMETOOLONG", 63, "File name too long");
export const EHOSTUNREACH = e("EHOSTUNREACH", 65, "No route to host");
export const ENOTEMPTY = e("ENOTEMPTY", 66, "Directory not empty");
export const EPROCLIM = e("EPROCLIM", 67, "Too many processes");
export const EDQUOT = e("EDQUOT", 69, "Disc quota exceeded");
export const ESTALE = e("ESTALE", 70, "Stale file handle");
export const ENOLCK = e("ENOLCK", 77, "No locks available");
export const ENOSYS = e("ENOSYS", 78, "Function not implemented");
export const EIDRM = e("EIDRM", 82, "Identifier removed");
export const ENOMSG = e("ENOMSG", 83, "No message of desired type");
export const EOVERFLOW = e("EOVERFLOW", 84, "Value too large to be stored in data type");
export const ECANCELED = e("ECANCELED", 85, "Operation canceled");
export const EILSEQ = e("EILSEQ", 86, "Illegal byte sequence");
export const ENOATTR = e("ENOATTR", 87, "Attribute not found");
export const ELIBBAD = e("ELIBBAD", 8, "Accessing a corrupted shared library");

/**
 * Internal results that never reach a process (DragonFly 2.0 sys/sys/errno.h: negative errnos).
 * ERESTART: run the system call again after the signal has been handled. EJUSTRETURN: leave the frame as it is.
 */
export const ERESTART = e("ERESTART", -1, "restart system call");
export const EJUSTRETURN = e("EJUSTRETURN", -2, "don't modify registers, just return");

/** Looks an errno up by name, for layers that report plain codes (file systems, the host platform). */
export function errnoByName(name: string): Errno | undefined {
  return all.get(name);
}

/** All errnos, for tables and tests. */
export function allErrnos(): IterableIterator<Errno> {
  return all.values();
}
