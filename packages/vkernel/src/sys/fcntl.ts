// SPDX-License-Identifier: BSD-3-Clause
/** open(2), fcntl(2) and flock(2) constants, native numbers (DragonFly 2.0 sys/sys/fcntl.h). */

export const O_RDONLY = 0x0000;
export const O_WRONLY = 0x0001;
export const O_RDWR = 0x0002;
export const O_ACCMODE = 0x0003;
/** In an open file's flags the access mode is held as FREAD/FWRITE bits: (mode + 1) & O_ACCMODE. */
export const FREAD = 0x0001;
export const FWRITE = 0x0002;
export const O_NONBLOCK = 0x0004;
export const O_APPEND = 0x0008;
export const O_SHLOCK = 0x0010;
export const O_EXLOCK = 0x0020;
export const O_ASYNC = 0x0040;
export const O_FSYNC = 0x0080;
export const O_NOFOLLOW = 0x0100;
export const O_CREAT = 0x0200;
export const O_TRUNC = 0x0400;
export const O_EXCL = 0x0800;
export const O_NOCTTY = 0x8000;
export const O_DIRECT = 0x00010000;
export const O_CLOEXEC = 0x00020000;
export const O_FBLOCKING = 0x00040000;
export const O_FNONBLOCKING = 0x00080000;
export const O_FAPPEND = 0x00100000;
export const O_FOFFSET = 0x00200000;
export const O_DIRECTORY = 0x08000000;
/** Only names the file: no read, write or device open (Linux O_PATH). */
export const O_PATH = 0x10000000;
/** A file without a name in the directory that the path names (Linux O_TMPFILE). */
export const O_TMPFILE = 0x20000000;
/** Reading leaves the time of last access as it is; the owner's to ask for (Linux O_NOATIME). */
export const O_NOATIME = 0x40000000;

export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_GETOWN = 5;
export const F_SETOWN = 6;
export const F_GETLK = 7;
export const F_SETLK = 8;
export const F_SETLKW = 9;
export const F_DUPFD_CLOEXEC = 17;
export const FD_CLOEXEC = 1;
/** What F_SETFL may change. */
export const FCNTLFLAGS = O_APPEND | O_ASYNC | O_FSYNC | O_NONBLOCK | O_DIRECT | O_NOATIME;

export const F_RDLCK = 1;
export const F_UNLCK = 2;
export const F_WRLCK = 3;

export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** Descriptor of the *at calls that means the working directory (DragonFly 2.4; Linux has -100). */
export const AT_FDCWD = 0xfffafdcd | 0;
