/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * init: the first process. Runs /etc/rc, then one shell on the console; when that shell ends, so does the system,
 * and the shell's status becomes the vkernel's.
 *
 * On a terminal the shell is a login shell with the console as its controlling terminal. When the console is no
 * terminal (the vkernel's standard input is a pipe or a file) the shell simply reads it.
 *
 * Signals: USR1, USR2 halt (the kernel sends USR2 when the host asks to stop); INT reboots.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int requested; /* the signal that asked for the end */

static void request(int sig)
{
	requested = sig;
}

static void handle(int sig, void (*fn)(int))
{
	struct sigaction sa = { .sa_flags = 0 };

	sa.sa_handler = fn;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

static void open_console(void)
{
	int fd, i;

	for (i = 0; i < 3; i++)
		close(i);
	fd = open(_PATH_CONSOLE, O_RDWR);
	if (fd == -1)
		fd = open(_PATH_DEVNULL, O_RDWR);
	while (fd < 2 && fd != -1)
		fd = dup(fd);
	/* Without a terminal the console's output and errors are two streams. */
	if (!isatty(2) && (fd = open(_PATH_CONSERR, O_WRONLY)) != -1) {
		dup2(fd, 2);
		close(fd);
	}
}

/* A child in a session of its own, with the console as its terminal where it is one. */
static pid_t spawn(char *const argv[], const char *path)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setsid();
	open_console();
	ioctl(0, TIOCSCTTY, 0);
	setlogin("root");
	handle(SIGUSR1, SIG_DFL);
	handle(SIGUSR2, SIG_DFL);
	handle(SIGINT, SIG_DFL);
	handle(SIGTERM, SIG_DFL);
	execv(path, argv);
	warn("%s", path);
	_exit(127);
}

/* Waits for `pid`, collecting orphans on the way. -1 when a signal asked for the end first. */
static int await(pid_t pid)
{
	int status;
	pid_t done;

	while (!requested) {
		done = waitpid(-1, &status, 0);
		if (done == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (done == -1 && errno == ECHILD)
			return 1;
	}
	return -1;
}

/* True when no process but init is left, after at most `ms`. */
static int all_gone(int ms)
{
	struct timespec tick = { 0, 20000000 };
	int status;

	for (; ms > 0; ms -= 20) {
		pid_t pid;

		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			;
		if (pid == -1 && errno == ECHILD)
			return 1;
		nanosleep(&tick, NULL);
	}
	return 0;
}

static void stop(int how, int status) __dead;

static void stop(int how, int status)
{
	if (kill(-1, SIGHUP) == 0 && kill(-1, SIGTERM) == 0) {
		kill(-1, SIGCONT);
		if (!all_gone(2000)) {
			kill(-1, SIGKILL);
			all_gone(2000);
		}
	}
	if (how != RB_AUTOBOOT && sysctlbyname("kern.exit_status", NULL, NULL, &status, sizeof(status)) == -1)
		warn("kern.exit_status");
	reboot(how);
	err(1, "reboot");
}

int main(int argc, char **argv)
{
	static char *const environment[] = { (char *)"HOME=/root", (char *)"LOGNAME=root", (char *)"USER=root",
		(char *)"SHELL=/bin/sh", (char *)"PATH=/bin:/sbin:/usr/bin:/usr/sbin", NULL };
	char *const rc[] = { (char *)"sh", (char *)"/etc/rc", NULL };
	char *login[] = { (char *)"-sh", NULL };
	int single = argc > 1 && strcmp(argv[1], "-s") == 0, status;

	if (getpid() != 1)
		errx(1, "already running");
	(void)argv;
	setsid();
	open_console();
	handle(SIGUSR1, request);
	handle(SIGUSR2, request);
	handle(SIGINT, request);
	handle(SIGTERM, SIG_IGN);
	handle(SIGHUP, SIG_IGN);
	environ = (char **)environment;
	if (chdir("/root") == -1)
		chdir("/");
	if (!single && access("/etc/rc", R_OK) == 0 && (status = await(spawn(rc, _PATH_BSHELL))) > 0)
		warnx("/etc/rc ended with status %d", status);
	if (!isatty(0))
		login[0]++;
	status = requested ? -1 : await(spawn(login, _PATH_BSHELL));
	stop(requested == SIGINT ? RB_AUTOBOOT : RB_HALT, status == -1 ? 0 : status);
}
