/* SPDX-License-Identifier: BSD-3-Clause */
/* Builtins that change the shell: cd, export, set, read, eval and so on. */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sh.h"

int next_option(int argc, char **argv, const char *spec)
{
	static char **last;
	int c;

	if (last != argv) {
		last = argv;
		optind = 1;
		optreset = 1;
	}
	c = getopt(argc, argv, spec);
	if (c == -1 || c == '?')
		last = NULL;
	return c;
}

static int colon(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int dot(int argc, char **argv)
{
	char path[MAXPATHLEN];
	int status;

	if (argc < 2) {
		sh_warn(".: file name missing");
		return 2;
	}
	if (strchr(argv[1], '/') != NULL)
		strlcpy(path, argv[1], sizeof(path));
	else {
		/* PATH is searched for a readable file, which need not be executable. */
		const char *dir = var_get("PATH");
		int found = 0;

		while (!found && dir != NULL && *dir != '\0') {
			int len = (int)(strchrnul(dir, ':') - dir);

			snprintf(path, sizeof(path), "%.*s%s%s", len, dir, len > 0 ? "/" : "", argv[1]);
			found = access(path, R_OK) == 0;
			dir += len + (dir[len] == ':');
		}
		if (!found)
			strlcpy(path, argv[1], sizeof(path));
	}
	dot_depth++;
	status = run_file(path);
	dot_depth--;
	if (skipping == SKIP_RETURN) {
		skipping = SKIP_NONE;
		return last_status;
	}
	if (status == -1)
		sh_error(".: cannot open %s: %s", argv[1], strerror(errno));
	return status;
}

static int loop_control(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;

	if (n < 1) {
		sh_warn("%s: bad number: %s", argv[0], argv[1]);
		return 2;
	}
	if (loop_depth > 0) {
		skipping = argv[0][0] == 'b' ? SKIP_BREAK : SKIP_CONTINUE;
		skip_count = n < loop_depth ? n : loop_depth;
	}
	return 0;
}

static int return_builtin(int argc, char **argv)
{
	if (func_depth == 0 && dot_depth == 0) {
		sh_warn("return: not in a function or sourced file");
		return 1;
	}
	skipping = SKIP_RETURN;
	return argc > 1 ? atoi(argv[1]) & 0xff : last_status;
}

static int exit_builtin(int argc, char **argv)
{
	static int warned;

	if (opt('i') && jobs_left() && !warned) {
		sh_warn("you have stopped jobs");
		warned = 1;
		return 1;
	}
	if (argc > 1 && !isdigit((unsigned char)argv[1][0]) && argv[1][0] != '-') {
		sh_warn("exit: bad number: %s", argv[1]);
		sh_exit(2);
	}
	sh_exit(argc > 1 ? atoi(argv[1]) & 0xff : last_status);
}

/* Takes "." and ".." out of an absolute path, by text. */
static void normalize(char *path)
{
	char *out = path, *p = path;

	while (*p != '\0') {
		char *end;
		size_t n;

		while (*p == '/')
			p++;
		end = strchrnul(p, '/');
		n = (size_t)(end - p);
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && *p == '.')) {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p = end;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

static int cd(int argc, char **argv)
{
	const char *dir, *pwd = var_get("PWD"), *search;
	char path[MAXPATHLEN] = "", tried[MAXPATHLEN];
	int c, physical = 0, show = 0;

	while ((c = next_option(argc, argv, "LP")) != -1)
		if (c == '?')
			return 2;
		else
			physical = c == 'P';
	dir = argv[optind];
	if (dir == NULL && (dir = var_get("HOME")) == NULL) {
		sh_warn("cd: HOME not set");
		return 1;
	}
	if (strcmp(dir, "-") == 0) {
		if ((dir = var_get("OLDPWD")) == NULL) {
			sh_warn("cd: OLDPWD not set");
			return 1;
		}
		show = 1;
	}
	search = *dir == '/' || *dir == '.' ? NULL : var_get("CDPATH");
	while (search != NULL && *search != '\0' && path[0] == '\0') {
		int len = (int)(strchrnul(search, ':') - search);
		struct stat st;

		snprintf(tried, sizeof(tried), "%.*s%s%s", len, search, len > 0 ? "/" : "", dir);
		if (stat(tried, &st) == 0 && S_ISDIR(st.st_mode)) {
			strlcpy(path, tried, sizeof(path));
			show |= len > 0;
		}
		search += len + (search[len] == ':');
	}
	if (path[0] == '\0')
		strlcpy(path, dir, sizeof(path));
	if (!physical && pwd != NULL && path[0] != '/') {
		snprintf(tried, sizeof(tried), "%s/%s", pwd, path);
		strlcpy(path, tried, sizeof(path));
	}
	if (!physical && path[0] == '/')
		normalize(path);
	if (chdir(path) == -1 && chdir(dir) == -1) {
		sh_warn("cd: %s: %s", dir, strerror(errno));
		return 1;
	}
	if (physical || path[0] != '/')
		if (getcwd(path, sizeof(path)) == NULL)
			path[0] = '\0';
	if (pwd != NULL)
		var_set("OLDPWD", pwd, V_EXPORT);
	var_set("PWD", path, V_EXPORT);
	if (show)
		puts(path);
	return 0;
}

static int pwd(int argc, char **argv)
{
	const char *known = var_get("PWD");
	char path[MAXPATHLEN];
	struct stat a, b;
	int c, physical = 0;

	while ((c = next_option(argc, argv, "LP")) != -1)
		if (c == '?')
			return 2;
		else
			physical = c == 'P';
	if (!physical && known != NULL && *known == '/' && stat(known, &a) == 0 && stat(".", &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
		puts(known);
		return 0;
	}
	if (getcwd(path, sizeof(path)) == NULL) {
		sh_warn("pwd: %s", strerror(errno));
		return 1;
	}
	puts(path);
	return 0;
}

static int eval(int argc, char **argv)
{
	struct str s = { 0 };
	char *text;
	int i;

	for (i = 1; i < argc; i++) {
		if (i > 1)
			str_addc(&s, ' ');
		str_adds(&s, argv[i]);
	}
	if (s.n == 0)
		return 0;
	text = arena_strdup(scratch, s.s);
	str_free(&s);
	return run_string(text);
}

static int exec_builtin(int argc, char **argv)
{
	int i;

	if (argc < 2)
		return 0;
	for (i = 0; i < argc; i++)
		argv[i] = argv[i + 1];
	traps_subshell();
	fflush(NULL);
	exec_program(argv, var_environ(NULL));
}

static int export_readonly(int argc, char **argv)
{
	int flag = argv[0][0] == 'e' ? V_EXPORT : V_READONLY, i, c, print = 0, status = 0;

	while ((c = next_option(argc, argv, "p")) != -1)
		if (c == '?')
			return 2;
		else
			print = 1;
	i = optind;
	if (i >= argc || print) {
		vars_print(flag, flag == V_EXPORT ? "export " : "readonly ");
		return 0;
	}
	for (; i < argc; i++) {
		if (!valid_name(argv[i], strcspn(argv[i], "="))) {
			sh_warn("%s: %s: bad variable name", argv[0], argv[i]);
			status = 1;
		} else
			var_assign(argv[i], flag);
	}
	return status;
}

static int local_builtin(int argc, char **argv)
{
	int i;

	if (func_depth == 0) {
		sh_warn("local: not in a function");
		return 1;
	}
	for (i = 1; i < argc; i++) {
		size_t n = strcspn(argv[i], "=");
		char *name = arena_strndup(scratch, argv[i], n);

		if (!valid_name(name, n)) {
			sh_warn("local: %s: bad variable name", argv[i]);
			return 1;
		}
		local_make(name);
		if (argv[i][n] == '=')
			var_assign(argv[i], 0);
	}
	return 0;
}

static int unset(int argc, char **argv)
{
	int c, i, status = 0, function = 0, variable = 0;

	while ((c = next_option(argc, argv, "fv")) != -1)
		if (c == 'f')
			function = 1;
		else if (c == 'v')
			variable = 1;
		else
			return 2;
	for (i = optind; i < argc; i++)
		if (function || (!variable && var_get(argv[i]) == NULL && func_find(argv[i]) != NULL))
			func_unset(argv[i]);
		else
			status |= var_unset(argv[i]);
	return status;
}

static int shift(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1, i;

	if (n < 0 || n > params.n) {
		sh_warn("shift: cannot shift that many");
		return 1;
	}
	for (i = 0; i < n; i++)
		free(params.v[i]);
	params.n -= n;
	memmove(params.v, params.v + n, (size_t)(params.n + 1) * sizeof(char *));
	return 0;
}

static const struct { const char *name; char letter; } option_names[] = {
	{ "allexport", 'a' }, { "errexit", 'e' }, { "monitor", 'm' }, { "noclobber", 'C' }, { "noexec", 'n' },
	{ "noglob", 'f' }, { "nounset", 'u' }, { "verbose", 'v' }, { "xtrace", 'x' },
};
#define NOPTIONS (sizeof(option_names) / sizeof(option_names[0]))

static int set_named(const char *name, int on)
{
	size_t i;

	for (i = 0; i < NOPTIONS; i++)
		if (strcmp(option_names[i].name, name) == 0) {
			opt(option_names[i].letter) = (char)on;
			return 0;
		}
	sh_warn("set: %s: no such option", name);
	return 2;
}

static int set(int argc, char **argv)
{
	int i, j;
	size_t k;

	if (argc == 1) {
		vars_print(0, "");
		return 0;
	}
	for (i = 1; i < argc && (argv[i][0] == '-' || argv[i][0] == '+') && argv[i][1] != '\0'; i++) {
		int on = argv[i][0] == '-';
		const char *p = argv[i] + 1;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			goto operands;
		}
		for (; *p != '\0'; p++) {
			if (*p == 'o') {
				if (i + 1 < argc) {
					if (set_named(argv[++i], on) != 0)
						return 2;
				} else
					for (k = 0; k < NOPTIONS; k++)
						printf("%-15s %s\n", option_names[k].name,
						    opt(option_names[k].letter) ? "on" : "off");
			} else if (strchr(OPTIONS, *p) != NULL)
				opt(*p) = (char)on;
			else {
				sh_warn("set: illegal option -%c", *p);
				return 2;
			}
		}
	}
	if (i == argc)
		return 0;
operands:
	for (j = 0; j < params.n; j++)
		free(params.v[j]);
	free(params.v);
	params.n = argc - i;
	params.v = xmalloc((size_t)(params.n + 1) * sizeof(char *));
	for (j = 0; i < argc; i++, j++)
		params.v[j] = xstrdup(argv[i]);
	params.v[j] = NULL;
	return 0;
}

static int times_builtin(int argc, char **argv)
{
	struct rusage self, kids;
	const struct timeval *t[4] = { &self.ru_utime, &self.ru_stime, &kids.ru_utime, &kids.ru_stime };
	int i;

	(void)argc;
	(void)argv;
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &kids);
	for (i = 0; i < 4; i++)
		printf("%dm%d.%03ds%c", (int)t[i]->tv_sec / 60, (int)t[i]->tv_sec % 60, (int)t[i]->tv_usec / 1000,
		    i % 2 ? '\n' : ' ');
	return 0;
}

static int umask_builtin(int argc, char **argv)
{
	mode_t old = umask(0);
	void *program;
	int c, symbolic = 0;

	umask(old);
	while ((c = next_option(argc, argv, "S")) != -1)
		if (c == '?')
			return 2;
		else
			symbolic = 1;
	if (optind >= argc) {
		char text[12];

		if (symbolic) {
			int i;
			static const char classes[] = "ugo";

			strmode(~old & 0777, text);
			for (i = 0; i < 3; i++) {
				const char *p;

				printf("%s%c=", i > 0 ? "," : "", classes[i]);
				for (p = text + 1 + 3 * i; p < text + 4 + 3 * i; p++)
					if (*p != '-')
						putchar(*p);
			}
			putchar('\n');
		} else
			printf("%04o\n", old);
		return 0;
	}
	if (isdigit((unsigned char)argv[optind][0])) {
		char *end;
		unsigned long v = strtoul(argv[optind], &end, 8);

		if (*end != '\0' || v > 0777) {
			sh_warn("umask: %s: bad mask", argv[optind]);
			return 1;
		}
		umask((mode_t)v);
		return 0;
	}
	program = setmode(argv[optind]);
	if (program == NULL) {
		sh_warn("umask: %s: bad mask", argv[optind]);
		return 1;
	}
	umask((mode_t)(~getmode(program, (mode_t)(~old & 0777)) & 0777));
	free(program);
	return 0;
}

extern int echo_main(int, char **), printf_main(int, char **), test_main(int, char **);
static int false_builtin(int argc, char **argv)
{
	return colon(argc, argv) + 1;
}

static const struct builtin builtins[] = {
	{ ".", dot, 1 },
	{ ":", colon, 1 },
	{ "[", test_main, 0 },
	{ "break", loop_control, 1 },
	{ "cd", cd, 0 },
	{ "continue", loop_control, 1 },
	{ "echo", echo_main, 0 },
	{ "eval", eval, 1 },
	{ "exec", exec_builtin, 1 },
	{ "exit", exit_builtin, 1 },
	{ "export", export_readonly, 1 },
	{ "false", false_builtin, 0 },
	{ "history", history_builtin, 0 },
	{ "local", local_builtin, 0 },
	{ "printf", printf_main, 0 },
	{ "pwd", pwd, 0 },
	{ "readonly", export_readonly, 1 },
	{ "return", return_builtin, 1 },
	{ "set", set, 1 },
	{ "shift", shift, 1 },
	{ "test", test_main, 0 },
	{ "times", times_builtin, 1 },
	{ "trap", trap_builtin, 1 },
	{ "true", colon, 0 },
	{ "umask", umask_builtin, 0 },
	{ "unset", unset, 1 },
	{ NULL, NULL, 0 },
};

const struct builtin *builtin_find(const char *name)
{
	static const struct builtin *const tables[] = { builtins, job_builtins, misc_builtins };
	const struct builtin *b;
	size_t i;

	for (i = 0; i < 3; i++)
		for (b = tables[i]; b->name != NULL; b++)
			if (b->name[0] == name[0] && strcmp(b->name, name) == 0)
				return b;
	return NULL;
}
