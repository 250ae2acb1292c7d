// SPDX-License-Identifier: BSD-3-Clause
/** strace and gdb inside the guest, over ptrace(2). */

const heredoc = (file, text) => `cat > ${file} <<'END'\n${text}\nEND`;

const PROGRAM = String.raw`#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int watched; double half = 0.5;
struct node { int value; struct node *next; };
static int fact(int n) { watched = n; if (n < 2) return 1; return n * fact(n - 1); }
static struct node *list(int n) { struct node *l = 0; for (int i = 0; i < n; i++) { struct node *m = malloc(sizeof *m); m->value = i * i; m->next = l; l = m; } return l; }
static void *worker(void *p) { for (volatile int i = 0; i < 1000; i++) ; return p; }
int main(int argc, char **argv) {
  struct node *l = list(4); printf("fact %d\n", fact(5));
  pthread_t t; pthread_create(&t, 0, worker, 0); pthread_join(t, 0);
  pid_t p = fork(); if (p == 0) { execl("/bin/echo", "echo", "child", (char *)0); _exit(1); }
  int s; waitpid(p, &s, 0); half *= l->value;
  if (argc > 1 && !strcmp(argv[1], "crash")) { int *q = (int *)16; *q = 1; }
  if (argc > 1 && !strcmp(argv[1], "loop")) { for (volatile long i = 0;; i++) usleep(1000); }
  return fact(3);
}`;
const BUILD = `${heredoc("t.c", PROGRAM)}\ngcc -g -O0 -o t t.c -pthread\n`;
const GDB =
  "gdb -q -nx -batch -ex 'set debuginfod enabled off' -ex 'set style enabled off' -ex 'set width 0' -ex 'set confirm off'";
/**
 * What differs between two runs of one kernel, numbers of processes and threads and addresses; and the frame in which a thread waits
 * in a kernel with a page of its own for system calls.
 */
const QUIET =
  "sed -E 's/0x[0-9a-f]{6,}/ADDR/g; s/(process|LWP|Thread|pid|PID) (0x)?[0-9][0-9a-f]*/\\1 N/g; s/\\(LWP N\\)//; s/ADDR in (__kernel_vsyscall|[?][?]) [(][)].*/ADDR in a system call/'";
const gdb = (args, tail) =>
  `${GDB} ${args.map((each) => `-ex '${each}'`).join(" ")} ${tail} 2>&1 < /dev/null | ${QUIET}`;

export const TRACING = [
  {
    name: "strace",
    script: `seq 1 100 > f; strace -o o -e trace=openat,read,write,close,execve cat f > /dev/null; grep -v -e '\\.so' -e locale o | sed -E 's/0x[0-9a-f]+/ADDR/g'; tail -1 o; strace -c -o c true; awk 'END { print $NF }' c; strace -o s -e trace=none -e signal=all sh -c 'kill -USR1 $$'; echo $?; sed -E 's/_pid=[0-9]+/_pid=N/' s; strace -f -o p -e trace=process,pipe2,dup2 sh -c 'echo a | cat; (exit 3)'; echo $?; sed -E 's/^[0-9]+ +//' p | grep -v resumed | grep -c -e clone -e fork -e exited; strace -o e -e inject=openat:error=EACCES:when=3+ cat f; echo $?; tail -2 e | head -1; strace -o v -e trace=/^stat,statx,newfstatat -v stat -c %s f; strace -y -o y -e trace=write sh -c 'echo x > g'; sed 's/([0-9]*/(FD/' y; strace -e trace=exit_group -qq false; echo $?; sleep 50 & strace -qq -p $! -o a & sleep 1; kill %1; wait %2; echo $?; sed -E 's/=[0-9]+/=N/g; s/\\{.*\\}/{}/' a | tail -1; strace -D -o d echo detached; sleep 0.5; grep -c write d; strace -k true 2>&1 | head -1 | cut -c 1-20; strace nosuch; echo $?; strace -C -w -o w ls > /dev/null; echo $?; strace -e fault=write:error=EIO -o i echo x; echo $?; strace -o t -r -T -tt -i -s 5 cat f > /dev/null; grep -c '<' t; strace -o l -e trace=nanosleep,clock_nanosleep timeout 1 sleep 0.1; tail -1 l`,
    limit: 120,
  },
  {
    name: "gdb-breakpoints",
    script: `${BUILD}${gdb(["break fact", "run > out", "backtrace", "continue 3", "backtrace", "info locals", "print n", "print $eip == &fact", "finish", "delete", "break main", "info breakpoints", "continue"], "./t")}; ${gdb(["break list", "run > out", "next 4", "print *l", "print m->value", "step", "set var n = 2", "print n", "watch l", "continue", "continue", "tbreak worker", "delete 2", "continue", "info threads", "thread apply all bt 1", "kill"], "./t")}`,
    limit: 200,
  },
  {
    name: "gdb-steps-and-memory",
    script: `${BUILD}${gdb(["break main", "run > out", "stepi 3", "x/3i $pc", "print half", "set var half = 4.25", "print half", "x/2s argv[0]", "display watched", "until 15", "up", "print sizeof(struct node)", "call fact(4)", "print $_", "info proc cmdline", "info sharedlibrary", "info signals SIGUSR1", "print (int) getpid() > 0", "p $st0", "p $xmm0.v4_float", "call (double) 0.1 + half", "watch watched if watched == 2", "continue", "print watched", "info float", "p $_siginfo.si_signo"], "./t")}; echo`,
    limit: 200,
  },
  {
    name: "gdb-crash-and-signals",
    script: `${BUILD}${gdb(["run crash > out", "backtrace", "print $_siginfo.si_signo", "print $_siginfo._sifields._sigfault.si_addr", "print q", "print $eip == $pc", "continue"], "./t")}; ${gdb(["handle SIGUSR1 stop print", "break usleep", "run loop > out", "signal SIGUSR1"], "./t")}; ${gdb(["set follow-fork-mode child", "set detach-on-fork off", "catch exec", "run > out", "info inferiors", "continue"], "./t")}; ${gdb(["catch syscall write", "run > out", "continue", "delete", "continue"], "./t")}`,
    limit: 200,
  },
  {
    name: "gdb-attach",
    script: `${BUILD}./t loop & sleep 1; ${gdb(["backtrace -1", "info threads", "print half", "set var half = 9", "break usleep", "continue", "continue", "delete", "detach"], "-p $! ./t")} | grep -v -e 'sysdep' -e '^warning' -e '\\.c:[0-9]'; kill $!; wait $! 2> /dev/null; echo $?; sleep 100 & ${gdb(["info proc exe", "kill"], "-p $!")} | tail -2 | sed "s/$!/N/"; wait $! 2> /dev/null; echo $?; gcore -o core $$ > /dev/null 2>&1; ls core.* | wc -l; gdbserver --version 2> /dev/null | head -0`,
    limit: 200,
  },
];
