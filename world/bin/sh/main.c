/* SPDX-License-Identifier: BSD-3-Clause */
/* Start-up: options, profiles, and the loop over the input. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sh.h"

char option_on[128];
jmp_buf *handler;

void sh_raise(enum raise what)
{
	if (handler != NULL)
		longjmp(*handler, (int)what);
	if (what == RAISE_INTERRUPT)
		_exit(130);
	sh_exit(last_status != 0 ? last_status : 2);
}

static void message(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", arg0 != NULL && *arg0 == '-' ? arg0 + 1 : arg0);
	if (!opt('i') && lineno > 1)
		fprintf(stderr, "%d: ", lineno);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fflush(stderr);
}

void sh_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void sh_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	last_status = 2;
	sh_raise(RAISE_ERROR);
}

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: sh [-aefilmnuvxC] [-o option] [-c command [name [arg ...]] | -s | file [arg ...]]\n");
	exit(2);
}

/* Profiles may fail without taking the shell along. */
static void source(const char *path)
{
	jmp_buf here;

	if (path == NULL || access(path, R_OK) == -1)
		return;
	if (setjmp(here) == 0) {
		handler = &here;
		dot_depth++;
		run_file(path);
	}
	dot_depth--;
	if (skipping == SKIP_RETURN)
		skipping = SKIP_NONE;
	handler = NULL;
}

static void login_files(void)
{
	const char *home = var_get("HOME");
	char path[1024];

	source("/etc/profile");
	if (home != NULL) {
		snprintf(path, sizeof(path), "%s/.profile", home);
		source(path);
	}
}

int main(int argc, char **argv)
{
	int c, login = argv[0][0] == '-', from_stdin = 0, interactive, i;
	const char *text = NULL, *file = NULL;

	arg0 = argv[0];
	sh_pid = getpid();
	while ((c = getopt(argc, argv, "abc:efhilmnsuvxCo:")) != -1)
		switch (c) {
		case 'c': text = optarg; break;
		case 'l': login = 1; break;
		case 's': from_stdin = 1; break;
		case 'b': break;
		case 'o': {
			char *args[] = { (char *)"set", (char *)"-o", optarg, NULL };

			if (builtin_find("set")->run(3, args) != 0)
				exit(2);
			break;
		}
		case '?': usage();
		default: opt(c) = 1;
		}
	argc -= optind;
	argv += optind;
	if (text != NULL) {
		if (argc > 0)
			arg0 = argv[0];
	} else if (argc > 0 && !from_stdin) {
		file = arg0 = argv[0];
	}
	if ((text != NULL || file != NULL) && argc > 0) {
		argc--;
		argv++;
	}
	interactive = opt('i') = opt('i') || (text == NULL && file == NULL && isatty(0) && isatty(2));
	params.n = argc;
	params.v = xmalloc((size_t)(argc + 1) * sizeof(char *));
	for (i = 0; i < argc; i++)
		params.v[i] = xstrdup(argv[i]);
	params.v[argc] = NULL;
	scratch = arena_new();
	vars_init();
	traps_init(interactive);
	if (interactive)
		opt('m') = 1;
	jobs_init();
	if (login)
		login_files();
	if (interactive && var_get("ENV") != NULL)
		source(expand_one(var_get("ENV"), X_HEREDOC));
	if (text != NULL)
		input_push(input_string(text));
	else if (file != NULL) {
		int fd = open(file, O_RDONLY), high;

		if (fd == -1) {
			sh_warn("cannot open %s: %s", file, strerror(errno));
			exit(errno == ENOENT ? 127 : 126);
		}
		high = fcntl(fd, F_DUPFD, 10);
		close(fd);
		fcntl(high, F_SETFD, FD_CLOEXEC);
		input_push(input_fd(high, 0));
	} else
		input_push(input_fd(0, interactive));
	do {
		run_input(interactive);
		if (interactive && jobs_left()) {
			static int warned;

			if (warned++ == 0) {
				sh_warn("you have stopped jobs");
				continue;
			}
		}
		break;
	} while (1);
	if (interactive)
		fputs("exit\n", stderr);
	sh_exit(last_status);
}
