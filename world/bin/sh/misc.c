/* SPDX-License-Identifier: BSD-3-Clause */
/* Builtins about commands and words: alias, command, getopts, read, type, ulimit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <unistd.h>
#include "sh.h"

static struct alias *alias_find(const char *name, size_t n)
{
	struct alias *a;

	for (a = aliases; a != NULL; a = a->next)
		if (strncmp(a->name, name, n) == 0 && a->name[n] == '\0')
			return a;
	return NULL;
}

static void alias_print(const struct alias *a)
{
	printf("%s=", a->name);
	quote_print(a->text);
	putchar('\n');
}

static int alias_builtin(int argc, char **argv)
{
	struct alias *a;
	int i, status = 0;

	if (argc == 1)
		for (a = aliases; a != NULL; a = a->next)
			alias_print(a);
	for (i = 1; i < argc; i++) {
		size_t n = strcspn(argv[i], "=");

		a = alias_find(argv[i], n);
		if (argv[i][n] != '=') {
			if (a != NULL)
				alias_print(a);
			else {
				sh_warn("alias: %s: not found", argv[i]);
				status = 1;
			}
			continue;
		}
		if (a == NULL) {
			a = memset(xmalloc(sizeof(*a)), 0, sizeof(*a));
			argv[i][n] = '\0';
			a->name = xstrdup(argv[i]);
			argv[i][n] = '=';
			a->next = aliases;
			aliases = a;
		}
		free(a->text);
		a->text = xstrdup(argv[i] + n + 1);
	}
	return status;
}

/* An alias whose text is being read stays allocated; it only loses its name. */
static int unalias(int argc, char **argv)
{
	int i, status = 0, all = argc > 1 && strcmp(argv[1], "-a") == 0;
	struct alias **p, *a;

	for (i = 1; i < argc; i++) {
		int found = all;

		for (p = &aliases; (a = *p) != NULL;) {
			if (!all && strcmp(a->name, argv[i]) != 0) {
				p = &a->next;
				continue;
			}
			found = 1;
			*p = a->next;
			if (!a->busy) {
				free(a->name);
				free(a->text);
				free(a);
			}
		}
		if (!found) {
			sh_warn("unalias: %s: not found", argv[i]);
			status = 1;
		}
	}
	return status;
}

/* Says what NAME would run: for type in a sentence, for command -v as one word. */
static int explain(const char *name, int sentence)
{
	struct alias *a = alias_find(name, strlen(name));
	const struct builtin *b = builtin_find(name);
	char path[MAXPATHLEN];
	static const char reserved[] = " ! { } case do done elif else esac fi for if then until while ";
	char key[64];

	snprintf(key, sizeof(key), " %s ", name);
	if (strstr(reserved, key) != NULL)
		printf(sentence ? "%s is a shell keyword\n" : "%s\n", name);
	else if (a != NULL && sentence)
		printf("%s is an alias for %s\n", name, a->text);
	else if (a != NULL)
		alias_print(a);
	else if (func_find(name) != NULL)
		printf(sentence ? "%s is a shell function\n" : "%s\n", name);
	else if (b != NULL)
		printf(sentence ? "%s is a %sshell builtin\n" : "%s\n", name, b->special ? "special " : "");
	else if (find_program(name, path, sizeof(path)) == 0 && access(path, X_OK) == 0) {
		if (sentence)
			printf("%s is %s\n", name, path);
		else
			puts(path);
	} else {
		if (sentence)
			fprintf(stderr, "%s: not found\n", name);
		return 127;
	}
	return 0;
}

static int type(int argc, char **argv)
{
	int i, status = 0;

	for (i = 1; i < argc; i++)
		status |= explain(argv[i], 1);
	return status;
}

static int command_builtin(int argc, char **argv)
{
	int c, how = 0;
	const struct builtin *b;
	struct job *job;

	while ((c = next_option(argc, argv, "pvV")) != -1)
		if (c == '?')
			return 2;
		else if (c != 'p')
			how = c;
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return 0;
	if (how != 0)
		return explain(argv[0], how == 'V');
	b = builtin_find(argv[0]);
	if (b != NULL)
		return b->run(argc, argv);
	job = job_new(NULL, 0);
	if (job_fork(job, FOREGROUND) == 0) {
		subshell_init(0);
		exec_program(argv, var_environ(NULL));
	}
	return job_wait(job);
}

/* POSIX getopts. The place inside a group of letters is kept in a variable of its own kind. */
static int getopts(int argc, char **argv)
{
	static int inner = 1;
	static const char *last;
	const char *spec, *word, *p, *ind = var_get("OPTIND");
	char number[12], letter[2] = "?";
	char **v = argc > 3 ? argv + 3 : params.v;
	int n = argc > 3 ? argc - 3 : params.n, at = ind != NULL ? atoi(ind) : 1, silent;

	if (argc < 3) {
		sh_warn("usage: getopts options name [word ...]");
		return 2;
	}
	spec = argv[1];
	silent = *spec == ':';
	if (at < 1)
		at = 1;
	if (last != NULL && (at > n || v[at - 1] != last))
		inner = 1;
	word = at <= n ? v[at - 1] : NULL;
	if (word == NULL || word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0) {
		if (word != NULL && strcmp(word, "--") == 0)
			at++;
		snprintf(number, sizeof(number), "%d", at);
		var_set("OPTIND", number, 0);
		var_set(argv[2], "?", 0);
		inner = 1;
		last = NULL;
		return 1;
	}
	last = word;
	letter[0] = word[inner++];
	p = letter[0] != ':' ? strchr(spec, letter[0]) : NULL;
	var_unset("OPTARG");
	if (p == NULL) {
		if (silent)
			var_set("OPTARG", letter, 0);
		else
			sh_warn("illegal option -%s", letter);
		var_set(argv[2], "?", 0);
	} else {
		var_set(argv[2], letter, 0);
		if (p[1] == ':') {
			const char *value = word[inner] != '\0' ? word + inner : at < n ? v[at++] : NULL;

			if (value != NULL)
				var_set("OPTARG", value, 0);
			else {
				if (silent)
					var_set("OPTARG", letter, 0);
				else
					sh_warn("option -%s needs an argument", letter);
				var_set(argv[2], silent ? ":" : "?", 0);
			}
			inner = (int)strlen(word);
		}
	}
	if (word[inner] == '\0') {
		at++;
		inner = 1;
		last = NULL;
	}
	snprintf(number, sizeof(number), "%d", at);
	var_set("OPTIND", number, 0);
	return 0;
}

/* Assigns the fields of one line; the last name takes the rest. */
static void read_fields(char **names, char *line, const char *escaped, size_t n)
{
	const char *ifs = var_get("IFS");
	size_t at = 0;

	if (ifs == NULL)
		ifs = " \t\n";
#define SEP(i) (!escaped[i] && line[i] != '\0' && strchr(ifs, line[i]) != NULL)
#define BLANK(i) (SEP(i) && strchr(" \t\n", line[i]) != NULL)
	while (at < n && BLANK(at))
		at++;
	for (; *names != NULL; names++) {
		size_t start = at, end;
		char saved;

		if (names[1] == NULL) {
			for (end = n; end > start && BLANK(end - 1);)
				end--;
			at = n;
		} else {
			while (at < n && !SEP(at))
				at++;
			end = at;
			while (at < n && BLANK(at))
				at++;
			if (at < n && SEP(at)) {
				if (end == at || BLANK(end))
					at++;
				while (at < n && BLANK(at))
					at++;
			}
		}
		saved = line[end];
		line[end] = '\0';
		var_set(*names, line + start, 0);
		line[end] = saved;
	}
#undef SEP
#undef BLANK
}

static int read_builtin(int argc, char **argv)
{
	static char *reply[] = { (char *)"REPLY", NULL };
	struct str line = { 0 }, escaped = { 0 };
	int c, raw = 0, status = 0;
	const char *prompt = NULL;
	char byte;

	while ((c = next_option(argc, argv, "rp:")) != -1)
		if (c == 'r')
			raw = 1;
		else if (c == 'p')
			prompt = optarg;
		else
			return 2;
	for (c = optind; c < argc; c++)
		if (!valid_name(argv[c], strlen(argv[c]))) {
			sh_warn("read: %s: bad variable name", argv[c]);
			return 2;
		}
	if (prompt != NULL && isatty(0))
		write(2, prompt, strlen(prompt));
	str_add(&line, "", 0);
	str_add(&escaped, "", 0);
	for (;;) {
		ssize_t n = read(0, &byte, 1);
		int quoted = 0;

		if (n == -1 && errno == EINTR) {
			check_interrupt();
			if (!signal_pending)
				continue;
		}
		if (n <= 0) {
			status = 1;
			break;
		}
		if (byte == '\\' && !raw) {
			if (read(0, &byte, 1) <= 0) {
				status = 1;
				break;
			}
			if (byte == '\n')
				continue;
			quoted = 1;
		} else if (byte == '\n')
			break;
		if (byte != '\0') {
			str_addc(&line, byte);
			str_addc(&escaped, quoted);
		}
	}
	read_fields(optind < argc ? argv + optind : reply, line.s, escaped.s, line.n);
	str_free(&line);
	str_free(&escaped);
	return status;
}

static const struct { char letter; int which, unit; const char *name; } limits[] = {
	{ 't', RLIMIT_CPU, 1, "cpu time (seconds)" }, { 'f', RLIMIT_FSIZE, 512, "file size (512-blocks)" },
	{ 'd', RLIMIT_DATA, 1024, "data seg size (kbytes)" }, { 's', RLIMIT_STACK, 1024, "stack size (kbytes)" },
	{ 'c', RLIMIT_CORE, 512, "core file size (512-blocks)" }, { 'm', RLIMIT_RSS, 1024, "max memory size (kbytes)" },
	{ 'l', RLIMIT_MEMLOCK, 1024, "locked memory (kbytes)" }, { 'u', RLIMIT_NPROC, 1, "max user processes" },
	{ 'n', RLIMIT_NOFILE, 1, "open files" }, { 'v', RLIMIT_VMEM, 1024, "virtual mem size (kbytes)" },
};

static void limit_print(size_t i, int hard)
{
	struct rlimit rl;
	rlim_t v;

	if (getrlimit(limits[i].which, &rl) == -1) {
		sh_warn("ulimit: %s", strerror(errno));
		return;
	}
	v = hard ? rl.rlim_max : rl.rlim_cur;
	if (v == RLIM_INFINITY)
		puts("unlimited");
	else
		printf("%lld\n", (long long)(v / limits[i].unit));
}

static int ulimit(int argc, char **argv)
{
	int c, hard = 0, soft = 0, all = 0;
	size_t which = 1, i;
	struct rlimit rl;
	rlim_t v;

	while ((c = next_option(argc, argv, "HSatfdscmlunv")) != -1) {
		if (c == '?')
			return 2;
		hard |= c == 'H';
		soft |= c == 'S';
		all |= c == 'a';
		for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
			if (limits[i].letter == c)
				which = i;
	}
	if (all) {
		for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			printf("%-30s -%c  ", limits[i].name, limits[i].letter);
			limit_print(i, hard);
		}
		return 0;
	}
	if (optind >= argc) {
		limit_print(which, hard);
		return 0;
	}
	if (strcmp(argv[optind], "unlimited") == 0)
		v = RLIM_INFINITY;
	else {
		char *end;

		v = strtoll(argv[optind], &end, 10) * limits[which].unit;
		if (*end != '\0' || end == argv[optind]) {
			sh_warn("ulimit: bad number: %s", argv[optind]);
			return 2;
		}
	}
	if (getrlimit(limits[which].which, &rl) == 0) {
		if (hard || !soft)
			rl.rlim_max = v;
		if (soft || !hard)
			rl.rlim_cur = v;
		if (setrlimit(limits[which].which, &rl) == 0)
			return 0;
	}
	sh_warn("ulimit: %s", strerror(errno));
	return 1;
}

const struct builtin misc_builtins[] = {
	{ "alias", alias_builtin, 0 },
	{ "command", command_builtin, 0 },
	{ "getopts", getopts, 0 },
	{ "read", read_builtin, 0 },
	{ "type", type, 0 },
	{ "ulimit", ulimit, 0 },
	{ "unalias", unalias, 0 },
	{ NULL, NULL, 0 },
};
