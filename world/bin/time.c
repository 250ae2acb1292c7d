/* SPDX-License-Identifier: BSD-3-Clause */
/* time [-lp] utility [argument ...] */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void usage_line(long v, const char *what)
{
	fprintf(stderr, "%10ld  %s\n", v, what);
}

int main(int argc, char **argv)
{
	struct timespec before, after;
	struct rusage ru;
	int c, portable = 0, details = 0, status;
	long ms;
	pid_t pid;

	while ((c = getopt(argc, argv, "lp")) != -1)
		switch (c) {
		case 'l': details = 1; break;
		case 'p': portable = 1; break;
		default: argc = 0;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: time [-lp] utility [argument ...]\n");
		return 125;
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	pid = fork();
	if (pid == -1)
		err(125, "fork");
	if (pid == 0) {
		execvp(argv[optind], argv + optind);
		err(errno == ENOENT ? 127 : 126, "%s", argv[optind]);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (wait4(pid, &status, 0, &ru) == -1)
		if (errno != EINTR)
			err(125, "wait");
	clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000L + (after.tv_nsec - before.tv_nsec) / 1000000;
	fprintf(stderr, portable ? "real %ld.%02ld\nuser %d.%02d\nsys %d.%02d\n" :
	    "%9ld.%02ld real %9d.%02d user %9d.%02d sys\n", ms / 1000, ms % 1000 / 10, (int)ru.ru_utime.tv_sec,
	    (int)ru.ru_utime.tv_usec / 10000, (int)ru.ru_stime.tv_sec, (int)ru.ru_stime.tv_usec / 10000);
	if (details) {
		usage_line(ru.ru_maxrss, "maximum resident set size");
		usage_line(ru.ru_minflt, "page reclaims");
		usage_line(ru.ru_majflt, "page faults");
		usage_line(ru.ru_inblock, "block input operations");
		usage_line(ru.ru_oublock, "block output operations");
		usage_line(ru.ru_nsignals, "signals received");
		usage_line(ru.ru_nvcsw, "voluntary context switches");
		usage_line(ru.ru_nivcsw, "involuntary context switches");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
