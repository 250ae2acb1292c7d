// SPDX-License-Identifier: BSD-3-Clause
/** What DragonFly's calls refuse: to others than the superuser, and for values that make no sense. */
import { describe, expect, it } from "vitest";
import { type Call, DATA, dfly, type User, UserBench } from "../kern/user-bench.ts";

const EPERM = 1, ENOENT = 2, ESRCH = 3, EBADF = 9, ECHILD = 10, EACCES = 13, EBUSY = 16, EEXIST = 17, ENOTDIR = 20, EISDIR = 21, EINVAL = 22;
const ENOTTY = 25, EFBIG = 27, ESPIPE = 29, ERANGE = 34, EAGAIN = 35, ENOTSOCK = 38, EPROTONOSUPPORT = 43, EOPNOTSUPP = 45, EAFNOSUPPORT = 47;
const ENOTCONN = 57, ENAMETOOLONG = 63, ENOTEMPTY = 66, ENOSYS = 78, EOVERFLOW = 84, ENOMEM = 12, EDOM = 33, E2BIG = 7, ELOOP = 62, EFAULT = 14;

const USER = 1000;
const Z = DATA + 0x8000, STR = DATA + 0x1000;

/** Strings stand one after the other; each test may use some. */
function str(u: User, ...texts: string[]): number[] {
  let at = STR;
  return texts.map((t) => {
    const here = u.text(at, t);
    at += (t.length + 16) & ~7;
    return here;
  });
}

/** A file, a directory with something in it, a device, all of them the superuser's; then the program. */
async function run(program: (u: User) => Generator<Call, void, number>): Promise<void> {
  const bench = new UserBench();
  const p = bench.start(
      function* (u) {
        const [f, d, inD, dev, loop] = str(u, "/f", "/d", "/d/x", "/null", "/loop");
        yield dfly("close", yield dfly("open", f!, 0x201, 0o644));
        yield dfly("mkdir", d!, 0o755);
        yield dfly("close", yield dfly("open", inD!, 0x201, 0o600));
        yield dfly("mknod", dev!, 0o20666, 0x202);
        yield dfly("symlink", loop!, loop!);
        yield* program(u);
      },
      undefined,
      "dragonfly",
  );
  expect(await bench.run(p)).toBe(0);
}

type Make = (u: User) => Call;

describe("refused to users", () => {
  const words = (u: User, ...w: number[]): number => (u.words(Z, ...w), Z);
  it.each<[string, number, Make]>([
    ["reboot", EPERM, () => dfly("reboot", 8)],
    ["settimeofday", EPERM, (u) => dfly("settimeofday", words(u, 1, 0), 0)],
    ["clock_settime", EPERM, (u) => dfly("clock_settime", 0, words(u, 1, 0))],
    ["adjtime", EPERM, (u) => dfly("adjtime", words(u, 1, 0), 0)],
    ["ntp_adjtime that changes something", EPERM, (u) => dfly("ntp_adjtime", words(u, 1, ...Array.from({ length: 16 }, () => 0)))],
    ["mount", EPERM, (u) => dfly("mount", ...str(u, "tmpfs", "/d"), 0, 0)],
    ["unmount", EPERM, (u) => dfly("unmount", ...str(u, "/"), 0)],
    ["mountctl", EPERM, (u) => dfly("mountctl", ...str(u, "/"), 17, -1, 0, 0, Z, 256)],
    ["chroot", EPERM, (u) => dfly("chroot", ...str(u, "/d"))],
    ["chroot_kernel", EPERM, (u) => dfly("chroot_kernel", ...str(u, "/d"))],
    ["mknod", EPERM, (u) => dfly("mknod", ...str(u, "/n"), 0o20666, 0x202)],
    ["revoke", EPERM, (u) => dfly("revoke", ...str(u, "/null"))],
    ["acct", EPERM, () => dfly("acct", 0)],
    ["swapon", EPERM, (u) => dfly("swapon", ...str(u, "/null"))],
    ["swapoff", EPERM, (u) => dfly("swapoff", ...str(u, "/null"))],
    ["sethostname", EPERM, (u) => dfly("sethostname", ...str(u, "x"), 1)],
    ["setdomainname", EPERM, (u) => dfly("setdomainname", ...str(u, "x"), 1)],
    ["sethostid", EPERM, () => dfly("sethostid", 1)],
    ["setlogin", EPERM, (u) => dfly("setlogin", ...str(u, "x"))],
    ["setuid", EPERM, () => dfly("setuid", 0)],
    ["setgid", EPERM, () => dfly("setgid", 0)],
    ["seteuid", EPERM, () => dfly("seteuid", 0)],
    ["setegid", EPERM, () => dfly("setegid", 0)],
    ["setreuid", EPERM, () => dfly("setreuid", 0, -1)],
    ["setregid", EPERM, () => dfly("setregid", 0, -1)],
    ["setresuid", EPERM, () => dfly("setresuid", -1, -1, 0)],
    ["setresgid", EPERM, () => dfly("setresgid", -1, -1, 0)],
    ["setgroups", EPERM, () => dfly("setgroups", 0, 0)],
    ["setrlimit above the hard limit", EPERM, (u) => dfly("setrlimit", 8, words(u, 1 << 20, 0, 1 << 20, 0))],
    ["kldload", EPERM, (u) => dfly("kldload", ...str(u, "/f"))],
    ["kldunload", EPERM, () => dfly("kldunload", 1)],
    ["varsym_set of the system", EPERM, (u) => dfly("varsym_set", 3, ...str(u, "A", "b"))],
    ["exec_sys_register", EPERM, () => dfly("exec_sys_register", 0)],
    ["exec_sys_unregister", EPERM, () => dfly("exec_sys_unregister", -2)],
    ["sys_checkpoint outside of its group", EPERM, () => dfly("sys_checkpoint", 1, -1, -1, 0)],
    ["jail", EPERM, (u) => dfly("jail", words(u, 1, 0, 0, 0, 0))],
    ["jail_attach", EPERM, () => dfly("jail_attach", 1)],
    ["usched_set", EPERM, (u) => dfly("usched_set", 0, 1, words(u, 0), 4)],
    ["sched_setparam", EPERM, (u) => dfly("sched_setparam", 0, words(u, 1))],
    ["sched_setscheduler", EPERM, (u) => dfly("sched_setscheduler", 0, 1, words(u, 1))],
    ["sched_rr_get_interval", EPERM, () => dfly("sched_rr_get_interval", 0, Z)],
    ["rtprio to real time", EPERM, (u) => dfly("rtprio", 1, 0, words(u, 0))],
    ["lwp_rtprio to real time", EPERM, (u) => dfly("lwp_rtprio", 1, 0, -1, words(u, 4))],
    ["setpriority upwards", EACCES, () => dfly("setpriority", 0, 0, -5)],
    ["mlock", EPERM, () => dfly("mlock", Z, 4096)],
    ["munlock", EPERM, () => dfly("munlock", Z, 4096)],
    ["kill of init", EPERM, () => dfly("kill", 1, 15)],
    ["lwp_kill of others", EPERM, () => dfly("lwp_kill", 1, 0, 15)],
    ["sysctl that sets", EPERM, (u) => {
      u.words(Z + 64, 1, 10);
      return dfly("__sysctl", Z + 64, 2, 0, 0, ...str(u, "name"), 4);
    }],
    ["chmod of another's file", EPERM, (u) => dfly("chmod", ...str(u, "/f"), 0o777)],
    ["chown", EPERM, (u) => dfly("chown", ...str(u, "/f"), USER, USER)],
    ["lchown", EPERM, (u) => dfly("lchown", ...str(u, "/f"), USER, -1)],
    ["chflags", EPERM, (u) => dfly("chflags", ...str(u, "/f"), 1)],
    ["lchflags", EPERM, (u) => dfly("lchflags", ...str(u, "/f"), 1)],
    ["utimes to a time", EPERM, (u) => dfly("utimes", ...str(u, "/f"), words(u, 1, 0, 1, 0))],
    ["utimes to now", EACCES, (u) => dfly("utimes", ...str(u, "/f"), 0)],
    ["open for writing", EACCES, (u) => dfly("open", ...str(u, "/f"), 1, 0)],
    ["open of a private file", EACCES, (u) => dfly("open", ...str(u, "/d/x"), 0, 0)],
    ["truncate", EACCES, (u) => dfly("truncate", ...str(u, "/f"), 0, 0, 0)],
    ["unlink", EACCES, (u) => dfly("unlink", ...str(u, "/d/x"))],
    ["mkdir", EACCES, (u) => dfly("mkdir", ...str(u, "/d/new"), 0o755)],
    ["rmdir in a sticky directory", EPERM, (u) => dfly("rmdir", ...str(u, "/d"))],
    ["rename", EACCES, (u) => dfly("rename", ...str(u, "/d/x", "/d/y"))],
    ["link", EACCES, (u) => dfly("link", ...str(u, "/f", "/d/y"))],
    ["symlink", EACCES, (u) => dfly("symlink", ...str(u, "/f", "/d/y"))],
    ["mkfifo", EACCES, (u) => dfly("mkfifo", ...str(u, "/d/y"), 0o600)],
    ["access", EACCES, (u) => dfly("access", ...str(u, "/f"), 2)],
    ["eaccess", EACCES, (u) => dfly("eaccess", ...str(u, "/d/x"), 4)],
    ["execve of what is not executable", EACCES, (u) => dfly("execve", ...str(u, "/f"), words(u, 0), 0)],
    ["shmctl of another's segment", EPERM, () => dfly("shmctl", 0, 0, 0)],
    ["semop on another's semaphores", EACCES, (u) => dfly("semop", 0, words(u, 1 << 16), 1)],
    ["msgsnd to another's queue", EACCES, (u) => dfly("msgsnd", 0, words(u, 1, 0), 4, 0)],
  ])("%s", async (_what, want, make) => {
    await run(function* (u) {
      yield dfly("shmget", 0, 4096, 0o600);
      yield dfly("semget", 0, 1, 0o600);
      yield dfly("msgget", 0, 0o600);
      u.words(Z, 1024, 0, 1024, 0);
      yield dfly("setrlimit", 8, Z);
      yield dfly("setresgid", USER, USER, USER);
      yield dfly("setgroups", 0, 0);
      yield dfly("setresuid", USER, USER, USER);
      expect(yield make(u)).toBe(-want);
    });
  });
});

describe("refused values", () => {
  const words = (u: User, ...w: number[]): number => (u.words(Z, ...w), Z);
  it.each<[string, number, Make]>([
    ["read of a negative size", EINVAL, () => dfly("read", 0, Z, -1)],
    ["write of a negative size", EINVAL, () => dfly("write", 0, Z, -1)],
    ["read of a descriptor for writing", EBADF, () => dfly("read", 1, Z, 1)],
    ["readv of too many pieces", EINVAL, () => dfly("readv", 0, Z, 1025)],
    ["readv of more than INT_MAX", EINVAL, (u) => dfly("readv", 0, words(u, Z, 0x7fff_ffff, Z, 0x7fff_ffff), 2)],
    ["extpread with a negative offset", EINVAL, () => dfly("extpread", 0, Z, 4, 0, -2, -1)],
    ["extpread with flags of others", EINVAL, () => dfly("extpread", 0, Z, 4, 1, 0, 0)],
    ["extpread of a pipe", ESPIPE, () => dfly("extpread", 2, Z, 4, 0, 0, 0)],
    ["lseek to a negative place", EINVAL, () => dfly("lseek", 0, 0, -1, -1, 0)],
    ["lseek with an unknown whence", EINVAL, () => dfly("lseek", 0, 0, 0, 0, 9)],
    ["lseek of a pipe", ESPIPE, () => dfly("lseek", 2, 0, 0, 0, 0)],
    ["open of nothing", ENOENT, (u) => dfly("open", ...str(u, ""), 0, 0)],
    ["open of what is not there", ENOENT, (u) => dfly("open", ...str(u, "/none"), 0, 0)],
    ["open below a file", ENOTDIR, (u) => dfly("open", ...str(u, "/f/x"), 0, 0)],
    ["open of a directory for writing", EISDIR, (u) => dfly("open", ...str(u, "/d"), 1, 0)],
    ["open that must make", EEXIST, (u) => dfly("open", ...str(u, "/f"), 0xa02, 0)],
    ["open of a link to itself", ELOOP, (u) => dfly("open", ...str(u, "/loop"), 0, 0)],
    ["a name of 256 bytes", ENAMETOOLONG, (u) => dfly("open", ...str(u, `/${"n".repeat(256)}`), 0, 0)],
    ["a path of 1024 bytes", ENAMETOOLONG, (u) => dfly("open", ...str(u, "/d".repeat(512)), 0, 0)],
    ["close twice", EBADF, () => dfly("close", 77)],
    ["dup2 beyond the limit", EBADF, () => dfly("dup2", 0, 1 << 20)],
    ["fcntl of an unknown command", EINVAL, () => dfly("fcntl", 0, 99, 0)],
    ["fcntl F_DUPFD beyond the limit", EINVAL, () => dfly("fcntl", 0, 0, 1 << 20)],
    ["flock with both modes missing", EBADF, () => dfly("flock", 0, 0)],
    ["ioctl that the file does not know", ENOTTY, () => dfly("ioctl", 0, 0x2000_6601 + 0x50, 0)],
    ["ftruncate to a negative size", EINVAL, () => dfly("ftruncate", 0, 0, -1, -1)],
    ["truncate of a directory", EISDIR, (u) => dfly("truncate", ...str(u, "/d"), 0, 0, 0)],
    ["mkdir of what is there", EEXIST, (u) => dfly("mkdir", ...str(u, "/d"), 0o755)],
    ["rmdir of what is not empty", ENOTEMPTY, (u) => dfly("rmdir", ...str(u, "/d"))],
    ["rmdir of .", EINVAL, (u) => dfly("rmdir", ...str(u, "/d/."))],
    ["rmdir of a file", ENOTDIR, (u) => dfly("rmdir", ...str(u, "/f"))],
    ["unlink of a directory", EPERM, (u) => dfly("unlink", ...str(u, "/d"))],
    ["link to a directory", EPERM, (u) => dfly("link", ...str(u, "/d", "/e"))],
    ["rename into itself", EINVAL, (u) => dfly("rename", ...str(u, "/d", "/d/e"))],
    ["rename of a directory over a file", ENOTDIR, (u) => dfly("rename", ...str(u, "/d", "/f"))],
    ["rename of a file over a directory", EISDIR, (u) => dfly("rename", ...str(u, "/f", "/d"))],
    ["readlink of a file", EINVAL, (u) => dfly("readlink", ...str(u, "/f"), Z, 8)],
    ["mknod of no type", EINVAL, (u) => dfly("mknod", ...str(u, "/n"), 0o140000, 0)],
    ["access in unknown ways", EINVAL, (u) => dfly("access", ...str(u, "/f"), 8)],
    ["pathconf of an unknown name", EINVAL, (u) => dfly("pathconf", ...str(u, "/f"), 99)],
    ["chdir to a file", ENOTDIR, (u) => dfly("chdir", ...str(u, "/f"))],
    ["fchdir to a file", ENOTDIR, () => dfly("fchdir", 0)],
    ["getdirentries of a file", ENOTDIR, () => dfly("getdirentries", 0, Z, 1024, 0)],
    ["unlinkat with unknown flags", EINVAL, (u) => dfly("unlinkat", -328243, ...str(u, "/f"), 8)],
    ["fstatat with unknown flags", EINVAL, (u) => dfly("fstatat", -328243, ...str(u, "/f"), Z, 2)],
    ["openat relative to a file", ENOTDIR, (u) => dfly("openat", 0, ...str(u, "x"), 0, 0)],
    ["revoke of a file", EINVAL, (u) => dfly("revoke", ...str(u, "/f"))],
    ["mountctl below a root", EINVAL, (u) => dfly("mountctl", ...str(u, "/d"), 17, -1, 0, 0, Z, 256)],
    ["mountctl of an unknown kind", EOPNOTSUPP, (u) => dfly("mountctl", ...str(u, "/"), 99, -1, 0, 0, Z, 256)],
    ["mountctl with a long argument", EINVAL, (u) => dfly("mountctl", ...str(u, "/"), 17, -1, Z, 1025, Z, 256)],
    ["mount of an unknown type", 19, (u) => dfly("mount", ...str(u, "nofs", "/d"), 0, 0)],
    ["unmount of the root", EBUSY, (u) => dfly("unmount", ...str(u, "/"), 0)],
    ["unmount of a directory", EINVAL, (u) => dfly("unmount", ...str(u, "/d"), 0)],
    ["wait4 with unknown options", EINVAL, () => dfly("wait4", -1, 0, 0x100, 0)],
    ["wait4 without children", ECHILD, () => dfly("wait4", -1, 0, 0, 0)],
    ["kill with signal 65", EINVAL, () => dfly("kill", 2, 65)],
    ["killpg of nobody", ESRCH, () => dfly("killpg", 4000, 15)],
    ["kill of nobody", ESRCH, () => dfly("kill", 4000, 0)],
    ["lwp_kill with thread -1", EINVAL, () => dfly("lwp_kill", -1, -1, 0)],
    ["lwp_kill of an unknown thread", ESRCH, () => dfly("lwp_kill", -1, 77, 0)],
    ["sigaction of SIGKILL", EINVAL, (u) => dfly("sigaction", 9, words(u, 1, 0, 0, 0, 0, 0), 0)],
    ["sigaction of signal 0", EINVAL, () => dfly("sigaction", 0, 0, 0)],
    ["sigaction of signal 35", EINVAL, () => dfly("sigaction", 35, 0, 0)],
    ["sigprocmask in an unknown way", EINVAL, (u) => dfly("sigprocmask", 9, words(u, 0, 0, 0, 0), 0)],
    ["sigaltstack too small", ENOMEM, (u) => dfly("sigaltstack", words(u, DATA, 8191, 0), 0)],
    ["sigaltstack with unknown flags", EINVAL, (u) => dfly("sigaltstack", words(u, DATA, 8192, 2), 0)],
    ["sigvec of signal 32", EINVAL, () => dfly("sigvec", 32, 0, 0)],
    ["setitimer of an unknown timer", EINVAL, (u) => dfly("setitimer", 3, words(u, 0, 0, 1, 0), 0)],
    ["setitimer with bad microseconds", EINVAL, (u) => dfly("setitimer", 0, words(u, 0, 0, 0, 1_000_000), 0)],
    ["nanosleep with bad nanoseconds", EINVAL, (u) => dfly("nanosleep", words(u, 0, 1_000_000_000), 0)],
    ["nanosleep of a negative time", EINVAL, (u) => dfly("nanosleep", words(u, -1, 0), 0)],
    ["clock_gettime of an unknown clock", EINVAL, () => dfly("clock_gettime", 3, Z)],
    ["clock_settime of the monotonic clock", EINVAL, (u) => dfly("clock_settime", 4, words(u, 1, 0))],
    ["select of a negative number", EINVAL, () => dfly("select", -1, 0, 0, 0, 0)],
    ["poll of too many", EINVAL, () => dfly("poll", Z, 1 << 20, 0)],
    ["getrlimit of an unknown limit", EINVAL, () => dfly("getrlimit", 12, Z)],
    ["getrusage of an unknown kind", EINVAL, () => dfly("getrusage", 1, Z)],
    ["getpriority of an unknown kind", EINVAL, () => dfly("getpriority", 3, 0)],
    ["getpriority of nobody", ESRCH, () => dfly("getpriority", 0, 4000)],
    ["ioprio_get of nobody", ESRCH, () => dfly("ioprio_get", 0, 4000)],
    ["rtprio with an unknown function", EINVAL, (u) => dfly("rtprio", 2, 0, words(u, 1))],
    ["rtprio with an unknown class", EINVAL, (u) => dfly("rtprio", 1, 0, words(u, 9))],
    ["rtprio above 31", EINVAL, (u) => dfly("rtprio", 1, 0, words(u, 1 | (32 << 16)))],
    ["sched_setparam of an ordinary thread", EINVAL, (u) => dfly("sched_setparam", 0, words(u, 1))],
    ["sched_get_priority_max of no policy", EINVAL, () => dfly("sched_get_priority_max", 9)],
    ["usched_set of processor 1", EFBIG, (u) => dfly("usched_set", 0, 1, words(u, 1), 4)],
    ["usched_set of another process", EINVAL, (u) => dfly("usched_set", 1, 1, words(u, 0), 4)],
    ["usched_set of an unknown scheduler", EINVAL, (u) => dfly("usched_set", 0, 0, ...str(u, "none"), 0)],
    ["setpgid of nobody", ESRCH, () => dfly("setpgid", 4000, 0)],
    ["getsid of nobody", ESRCH, () => dfly("getsid", 4000)],
    ["getgroups with too little room", EINVAL, (u) => {
      u.words(Z, 1, 2, 3);
      return dfly("getgroups", -1, Z);
    }],
    ["getlogin with too little room", ERANGE, () => dfly("getlogin", Z, 0)],
    ["__getcwd with too little room", EINVAL, () => dfly("__getcwd", Z, 1)],
    ["rfork with both kinds of table", EINVAL, () => dfly("rfork", 0x1004 | 0x10)],
    ["rfork with the kernel's own bits", EINVAL, () => dfly("rfork", 0x4000_0010)],
    ["extexit in an unknown way", EINVAL, () => dfly("extexit", 9, 0, 0)],
    ["set_tls_area beyond the third", ERANGE, () => dfly("set_tls_area", 3, Z, 8)],
    ["get_tls_area of one that is not set", ENOENT, () => dfly("get_tls_area", 2, Z, 8)],
    ["umtx_sleep on another value", EBUSY, (u) => dfly("umtx_sleep", words(u, 1), 2, 0)],
    ["umtx_sleep off a word's boundary", EFAULT, () => dfly("umtx_sleep", Z + 1, 0, 0)],
    ["umtx_sleep for a negative time", EINVAL, () => dfly("umtx_sleep", Z, 0, -1)],
    ["umtx_sleep until its end", EAGAIN, (u) => dfly("umtx_sleep", words(u, 0), 0, 1000)],
    ["mmap of memory with a descriptor", EINVAL, () => dfly("mmap", 0, 4096, 3, 0x1002, 0, 0, 0, 0)],
    ["mmap of a negative size", EINVAL, () => dfly("mmap", 0, -4096, 3, 0x1002, -1, 0, 0, 0)],
    ["mmap of a stack that cannot be written", EINVAL, () => dfly("mmap", 0, 4096, 1, 0x400, -1, 0, 0, 0)],
    ["mmap of a virtual page table", EOPNOTSUPP, () => dfly("mmap", 0, 4096, 3, 0x3002, -1, 0, 0, 0)],
    ["mmap of a pipe", EINVAL, () => dfly("mmap", 0, 4096, 1, 1, 2, 0, 0, 0)],
    ["munmap over a hole", EINVAL, () => dfly("munmap", 0x2000_0000, 4096)],
    ["msync over a hole", EINVAL, () => dfly("msync", 0x2000_0000, 4096, 0)],
    ["msync both ways", EINVAL, () => dfly("msync", DATA, 4096, 3)],
    ["madvise of an unknown kind", EINVAL, () => dfly("madvise", DATA, 4096, 10)],
    ["mcontrol of an unknown kind", EINVAL, () => dfly("mcontrol", DATA, 4096, 12, 0, 0)],
    ["minherit of an unknown kind", EINVAL, () => dfly("minherit", DATA, 4096, 3)],
    ["break below the data", EINVAL, () => dfly("break", 4096)],
    ["sbrk", EOPNOTSUPP, () => dfly("sbrk", 0)],
    ["vadvise", EINVAL, () => dfly("vadvise", 0)],
    ["quota", ENOSYS, () => dfly("quota")],
    ["aio_read", ENOSYS, () => dfly("aio_read", Z)],
    ["ktrace", ENOSYS, () => dfly("ktrace", Z, 0, 0, 0)],
    ["vmm_guest_ctl", ENOSYS, () => dfly("vmm_guest_ctl", 0, 0)],
    ["vmspace_create", EOPNOTSUPP, () => dfly("vmspace_create", 1, 0, 0)],
    ["vmspace_destroy", EINVAL, () => dfly("vmspace_destroy", 1)],
    ["getkerninfo of an unknown kind", EOPNOTSUPP, () => dfly("getkerninfo", 99 << 8, 0, 0, 0)],
    ["__sysctl of one number", EINVAL, (u) => dfly("__sysctl", words(u, 1), 1, 0, 0, 0, 0)],
    ["__sysctl of 13 numbers", EINVAL, (u) => dfly("__sysctl", words(u, 1), 13, 0, 0, 0, 0)],
    ["__sysctl of an unknown node", ENOENT, (u) => dfly("__sysctl", words(u, 1, 999), 2, 0, 0, 0, 0)],
    ["__sysctl of a node that holds others", EISDIR, (u) => {
      u.words(Z + 64, 0);
      return dfly("__sysctl", words(u, 1, 14), 2, 0, Z + 64, 0, 0);
    }],
    ["uuidgen of none", EINVAL, () => dfly("uuidgen", Z, 0)],
    ["uuidgen of too many", EINVAL, () => dfly("uuidgen", Z, 2049)],
    ["varsym_get of what is not set", ENOENT, (u) => dfly("varsym_get", -1, ...str(u, "NONE"), Z, 8)],
    ["varsym_set of what is not set to nothing", ENOENT, (u) => dfly("varsym_set", 1, ...str(u, "NONE"), 0)],
    ["varsym_set of an unknown level", EINVAL, (u) => dfly("varsym_set", 9, ...str(u, "A", "b"))],
    ["varsym_list of an unknown level", EINVAL, (u) => dfly("varsym_list", 9, Z, 64, words(u, 0))],
    ["a name of a variable of 64 bytes", ENAMETOOLONG, (u) => dfly("varsym_set", 1, ...str(u, "N".repeat(64), "v"))],
    ["modnext of an unknown module", ENOENT, () => dfly("modnext", 999)],
    ["kldstat of an unknown file", ENOENT, () => dfly("kldstat", 2, Z)],
    ["kldstat of another version", EINVAL, (u) => dfly("kldstat", 1, words(u, 8))],
    ["kldfind of what is not loaded", ENOENT, (u) => dfly("kldfind", ...str(u, "none.ko"))],
    ["kldload of the kernel", EEXIST, (u) => dfly("kldload", ...str(u, "/boot/kernel"))],
    ["kldunload of the kernel", EBUSY, () => dfly("kldunload", 1)],
    ["jail of an unknown version", EINVAL, (u) => dfly("jail", words(u, 2, 0, 0, 0))],
    ["jail_attach of no jail", EINVAL, () => dfly("jail_attach", 1)],
    ["sys_checkpoint of another process", EINVAL, () => dfly("sys_checkpoint", 1, -1, 1, 0)],
    ["exec_sys_unregister of none", ENOENT, () => dfly("exec_sys_unregister", 5)],
    ["acct of a directory", EACCES, (u) => dfly("acct", ...str(u, "/d"))],
    ["profil with a scale above one", EINVAL, () => dfly("profil", Z, 64, 0, 0x1_0001)],
    ["swapon of a file", 15, (u) => dfly("swapon", ...str(u, "/f"))],
    ["swapoff of what is not swapped to", EINVAL, (u) => dfly("swapoff", ...str(u, "/f"))],
    ["socket of an unknown family", EPROTONOSUPPORT, () => dfly("socket", 99, 1, 0)],
    ["socket of an unknown type", EPROTONOSUPPORT, () => dfly("socket", 1, 99, 0)],
    ["bind of a file", ENOTSOCK, () => dfly("bind", 0, Z, 16)],
    ["bind to another family", EAFNOSUPPORT, (u) => dfly("bind", 4, words(u, 0x1c02, 0, 0, 0), 16)],
    ["connect to nobody", ENOENT, (u) => dfly("connect", 4, u.text(Z + 2, "/nosock") - 2 + (u.poke(Z + 1, 1), 0), 10)],
    ["getpeername without a peer", ENOTCONN, (u) => dfly("getpeername", 4, Z, words(u, 16))],
    ["shutdown without a peer", ENOTCONN, () => dfly("shutdown", 4, 0)],
    ["accept on a socket that does not listen", EINVAL, () => dfly("accept", 4, 0, 0)],
    ["setsockopt with a bad time", EDOM, (u) => dfly("setsockopt", 4, 0xffff, 0x1006, words(u, 0, 1_000_000), 8)],
    ["sendfile from a pipe", EINVAL, () => dfly("sendfile", 2, 4, 0, 0, 0, 0, 0, 0)],
    ["sendfile to a file", ENOTSOCK, () => dfly("sendfile", 0, 0, 0, 0, 0, 0, 0, 0)],
    ["sendfile to nobody", ENOTCONN, () => dfly("sendfile", 0, 4, 0, 0, 0, 0, 0, 0)],
    ["semget of too many", EINVAL, () => dfly("semget", 0, 100_000, 0o600)],
    ["semop of too many", E2BIG, () => dfly("semop", 0, Z, 1000)],
    ["shmat of no segment", EINVAL, () => dfly("shmat", 7, 0, 0)],
    ["msgctl of an unknown kind", EINVAL, () => dfly("msgctl", 0, 9, 0)],
    ["shmsys of an unknown kind", EINVAL, () => dfly("shmsys", 9, 0, 0, 0)],
  ])("%s", async (_what, want, make) => {
    await run(function* (u) {
      const [f] = str(u, "/f");
      expect([yield dfly("open", f!, 2, 0), yield dfly("open", f!, 1, 0), yield dfly("pipe")]).toEqual([0, 1, 2]);
      expect(yield dfly("socket", 1, 1, 0)).toBe(4);
      expect(yield make(u)).toBe(-want);
    });
  });

  it("EOVERFLOW: a first variable that does not fit", async () => {
    await run(function* (u) {
      yield dfly("varsym_set", 1, ...str(u, "NAME", "value"));
      u.words(Z, 0);
      expect(yield dfly("varsym_list", 1, Z + 64, 4, Z)).toBe(-EOVERFLOW);
    });
  });
});
