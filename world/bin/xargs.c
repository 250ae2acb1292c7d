/* SPDX-License-Identifier: BSD-3-Clause */
/* xargs [-0rt] [-n number] [-I replacement] [utility [argument ...]] */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAXARGS 5000
#define MAXBYTES 32768

static char *vector[MAXARGS + 1];
static int fixed, n, limit = MAXARGS, nul, trace, status;
static size_t bytes;

static void run(char **argv)
{
	int st, i;
	pid_t pid;

	if (trace) {
		for (i = 0; argv[i] != NULL; i++)
			fprintf(stderr, "%s%s", i > 0 ? " " : "", argv[i]);
		fputc('\n', stderr);
	}
	pid = fork();
	if (pid == -1)
		err(1, "fork");
	if (pid == 0) {
		execvp(argv[0], argv);
		st = errno == ENOENT ? 127 : 126;
		warn("%s", argv[0]);
		_exit(st);
	}
	while (waitpid(pid, &st, 0) == -1 && errno == EINTR)
		;
	if (WIFSIGNALED(st) || WEXITSTATUS(st) == 255)
		errx(1, "%s: terminated; aborting", argv[0]);
	if (WEXITSTATUS(st) == 126 || WEXITSTATUS(st) == 127)
		exit(WEXITSTATUS(st));
	if (WEXITSTATUS(st) != 0)
		status = 1;
}

static void flush(void)
{
	vector[n] = NULL;
	run(vector);
	while (n > fixed)
		free(vector[--n]);
	bytes = 0;
}

/* The next argument: up to a blank, with quotes and backslashes, or up to a NUL. NULL at the end. */
static char *next(int whole_line)
{
	static char word[8192];
	size_t len = 0;
	int c, quote = 0, any = 0;

	while ((c = getchar()) != EOF && !nul && (isspace(c) && !any))
		;
	for (; c != EOF; c = getchar()) {
		if (nul ? c == '\0' : quote == 0 && (c == '\n' || (isspace(c) && !whole_line)))
			break;
		any = 1;
		if (!nul && quote == 0 && (c == '\'' || c == '"')) {
			quote = c;
			continue;
		}
		if (!nul && c == quote) {
			quote = 0;
			continue;
		}
		if (!nul && quote == 0 && c == '\\' && (c = getchar()) == EOF)
			break;
		if (len + 1 < sizeof(word))
			word[len++] = (char)c;
	}
	if (quote != 0)
		errx(1, "unterminated quote");
	if (!any && c == EOF)
		return NULL;
	word[len] = '\0';
	return strdup(word);
}

static void replace(const char *mark, char **argv)
{
	char *line, *out[MAXARGS];
	int i;

	while ((line = next(1)) != NULL) {
		for (i = 0; argv[i] != NULL; i++) {
			char *at = strstr(argv[i], mark);

			if (at == NULL) {
				out[i] = strdup(argv[i]);
				continue;
			}
			if (asprintf(&out[i], "%.*s%s%s", (int)(at - argv[i]), argv[i], line, at + strlen(mark)) == -1)
				err(1, "malloc");
		}
		out[i] = NULL;
		run(out);
		while (i-- > 0)
			free(out[i]);
		free(line);
	}
}

int main(int argc, char **argv)
{
	static char *echo[] = { (char *)"echo", NULL };
	const char *mark = NULL;
	int c, ran = 0, skip_empty = 0;
	char *word;

	while ((c = getopt(argc, argv, "0I:n:rt")) != -1)
		switch (c) {
		case '0': nul = 1; break;
		case 'I': mark = optarg; break;
		case 'n':
			limit = atoi(optarg);
			if (limit < 1)
				errx(1, "illegal argument count");
			break;
		case 'r': skip_empty = 1; break;
		case 't': trace = 1; break;
		default:
			fprintf(stderr, "usage: xargs [-0rt] [-n number] [-I replstr] [utility [argument ...]]\n");
			return 1;
		}
	argv += optind;
	if (*argv == NULL)
		argv = echo;
	if (mark != NULL) {
		replace(mark, argv);
		return status;
	}
	for (; argv[fixed] != NULL && fixed < MAXARGS / 2; fixed++)
		vector[fixed] = argv[fixed];
	n = fixed;
	while ((word = next(0)) != NULL) {
		if (n > fixed && (n - fixed >= limit || n >= MAXARGS || bytes + strlen(word) + 1 > MAXBYTES)) {
			flush();
			ran = 1;
		}
		bytes += strlen(word) + 1;
		vector[n++] = word;
	}
	if (n > fixed || (!ran && !skip_empty))
		flush();
	return status;
}
