/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
extern char **environ;
extern char *optarg;
extern int optind, opterr, optopt, optreset;
int access(const char *, int);
unsigned alarm(unsigned);
int brk(void *);
int chdir(const char *);
int chown(const char *, uid_t, gid_t);
int chroot(const char *);
int close(int);
int dup(int);
int dup2(int, int);
int execv(const char *, char *const[]);
int execve(const char *, char *const[], char *const[]);
int execvp(const char *, char *const[]);
void _exit(int) __dead;
int fchdir(int);
int fchown(int, uid_t, gid_t);
pid_t fork(void);
int fsync(int);
int ftruncate(int, off_t);
char *getcwd(char *, size_t);
gid_t getegid(void);
uid_t geteuid(void);
gid_t getgid(void);
int getgroups(int, gid_t *);
int getgrouplist(const char *, gid_t, gid_t *, int *);
int gethostname(char *, size_t);
int getopt(int, char *const[], const char *);
int getpagesize(void);
pid_t getpgid(pid_t);
pid_t getpgrp(void);
pid_t getpid(void);
pid_t getppid(void);
pid_t getsid(pid_t);
uid_t getuid(void);
int isatty(int);
int lchown(const char *, uid_t, gid_t);
int link(const char *, const char *);
off_t lseek(int, off_t, int);
int pause(void);
int pipe(int[2]);
ssize_t pread(int, void *, size_t, off_t);
ssize_t pwrite(int, const void *, size_t, off_t);
ssize_t read(int, void *, size_t);
ssize_t readlink(const char *restrict, char *restrict, size_t);
int rmdir(const char *);
void *sbrk(intptr_t);
int setegid(gid_t);
int seteuid(uid_t);
int setgid(gid_t);
int setgroups(int, const gid_t *);
int setpgid(pid_t, pid_t);
pid_t setsid(void);
int setuid(uid_t);
int setlogin(const char *);
unsigned sleep(unsigned);
int symlink(const char *, const char *);
void sync(void);
pid_t tcgetpgrp(int);
int tcsetpgrp(int, pid_t);
int truncate(const char *, off_t);
char *ttyname(int);
int unlink(const char *);
int usleep(unsigned);
ssize_t write(int, const void *, size_t);
/* BSD mode strings, string(3): setmode compiles "u+rwX,go=" or an octal number, getmode applies it. */
void *setmode(const char *);
mode_t getmode(const void *, mode_t);
