/* SPDX-License-Identifier: BSD-3-Clause */
/* kill [-s signal | -signal] pid ..., kill -l [status]. The shell calls it too, so it never exits. */
#include <ctype.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
	fprintf(stderr, "usage: kill [-s signal | -signal] pid ...\n       kill -l [exit_status]\n");
	return 2;
}

static int number(const char *name)
{
	int sig;
	char *end;

	if (isdigit((unsigned char)*name)) {
		sig = (int)strtol(name, &end, 10);
		return *end == '\0' && sig < NSIG ? sig : -1;
	}
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (sig = 1; sig < NSIG; sig++)
		if (strcasecmp(name, sys_signame[sig]) == 0)
			return sig;
	return -1;
}

static int list(const char *status)
{
	int sig;

	if (status != NULL) {
		sig = atoi(status);
		if (sig >= 128)
			sig -= 128;
		if (sig <= 0 || sig >= NSIG) {
			warnx("unknown signal: %s", status);
			return 1;
		}
		puts(sys_signame[sig]);
		return 0;
	}
	for (sig = 1; sig < NSIG; sig++)
		printf("%s%c", sys_signame[sig], sig == NSIG / 2 || sig == NSIG - 1 ? '\n' : ' ');
	return 0;
}

int main(int argc, char **argv)
{
	int sig = SIGTERM, i = 1, failed = 0;

	if (argc < 2)
		return usage();
	if (strcmp(argv[1], "-l") == 0)
		return list(argv[2]);
	if (strcmp(argv[1], "-s") == 0 || (argv[1][0] == '-' && argv[1][1] != '-' && argc > 2)) {
		const char *name = argv[1] + 1;

		if (strcmp(name, "s") == 0) {
			name = argv[2];
			i++;
		}
		i++;
		if (name == NULL || (sig = number(name)) == -1) {
			warnx("unknown signal: %s", name != NULL ? name : "");
			return 2;
		}
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc)
		return usage();
	for (; i < argc; i++) {
		char *end;
		long pid = strtol(argv[i], &end, 10);

		if (*end != '\0' || end == argv[i]) {
			warnx("illegal process id: %s", argv[i]);
			failed = 1;
		} else if (kill((pid_t)pid, sig) == -1) {
			warn("%s", argv[i]);
			failed = 1;
		}
	}
	return failed;
}
