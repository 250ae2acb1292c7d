/* SPDX-License-Identifier: BSD-3-Clause */
/* grep, egrep, fgrep [-AaBCcEeFfHhiLlmnoqRrsvwx] pattern [file ...]. Status 0 found, 1 not, 2 trouble. */
#include <ctype.h>
#include <err.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <walk.h>

struct pattern { char *text; regex_t re; int fixed; struct pattern *next; };

static struct pattern *patterns;
static char options[128];
#define opt(c) options[c]
static long max_count = -1, after, before;
static int found_any, failed, titles = -1;

static void add_patterns(char *text)
{
	char *one;

	while ((one = strsep(&text, "\n")) != NULL) {
		struct pattern *p = calloc(1, sizeof(*p));

		if (p == NULL)
			err(2, "malloc");
		p->text = one;
		p->next = patterns;
		patterns = p;
	}
}

static void read_patterns(const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (f == NULL)
		err(2, "%s", name);
	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		add_patterns(strdup(line));
	}
	if (f != stdin)
		fclose(f);
}

/* Patterns without special characters are looked for as they are. */
static void compile(void)
{
	struct pattern *p;

	for (p = patterns; p != NULL; p = p->next) {
		int flags = (opt('E') ? REG_EXTENDED : 0) | (opt('i') ? REG_ICASE : 0), code;
		char why[128];

		p->fixed = opt('F') || strpbrk(p->text, opt('E') ? "\\.[]*^$+?(){}|" : "\\.[]*^$") == NULL;
		if (!p->fixed && (code = regcomp(&p->re, p->text, flags)) != 0) {
			regerror(code, &p->re, why, sizeof(why));
			errx(2, "%s: %s", p->text, why);
		}
	}
}

static int word_char(int c)
{
	return isalnum(c) || c == '_';
}

static int match_one(const struct pattern *p, const char *line, int from, regmatch_t *m)
{
	if (p->fixed) {
		const char *hit = opt('i') ? strcasestr(line + from, p->text) : strstr(line + from, p->text);

		if (hit == NULL)
			return 0;
		m->rm_so = (regoff_t)(hit - line);
		m->rm_eo = m->rm_so + (regoff_t)strlen(p->text);
		return 1;
	}
	if (regexec(&p->re, line + from, 1, m, from > 0 ? REG_NOTBOL : 0) != 0)
		return 0;
	m->rm_so += from;
	m->rm_eo += from;
	return 1;
}

/* The leftmost, longest match from `from` on, with -w and -x observed. */
static int match(const char *line, int from, regmatch_t *best)
{
	struct pattern *p;
	int len = (int)strlen(line), found = 0;

	for (p = patterns; p != NULL; p = p->next) {
		int at = from;
		regmatch_t m;

		while (at <= len && match_one(p, line, at, &m)) {
			if (opt('x') ? m.rm_so == 0 && m.rm_eo == len :
			    !opt('w') || ((m.rm_so == 0 || !word_char((unsigned char)line[m.rm_so - 1])) &&
			    !word_char((unsigned char)line[m.rm_eo]))) {
				if (!found || m.rm_so < best->rm_so || (m.rm_so == best->rm_so && m.rm_eo > best->rm_eo))
					*best = m;
				found = 1;
				break;
			}
			at = m.rm_so + 1;
		}
	}
	return found;
}

static void head(const char *name, long line, int mark)
{
	if (titles)
		printf("%s%c", name, mark);
	if (opt('n'))
		printf("%ld%c", line, mark);
}

static void print_parts(const char *name, const char *line, long number)
{
	int from = 0;
	regmatch_t m;

	while (match(line, from, &m)) {
		if (m.rm_eo > m.rm_so) {
			head(name, number, ':');
			printf("%.*s\n", m.rm_eo - m.rm_so, line + m.rm_so);
		}
		from = m.rm_eo > m.rm_so ? m.rm_eo : m.rm_so + 1;
		if (line[m.rm_so] == '\0')
			break;
	}
}

static void search(FILE *f, const char *name)
{
	char *line = NULL, **ring = before > 0 ? calloc((size_t)before, sizeof(char *)) : NULL;
	size_t size = 0;
	long number = 0, count = 0, last = 0, trailing = 0, i;
	int binary = 0;
	ssize_t n;
	regmatch_t m;

	while ((max_count < 0 || count < max_count) && (n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		number++;
		if (!opt('a') && memchr(line, '\0', (size_t)n) != NULL)
			binary = 1;
		if (match(line, 0, &m) == opt('v')) {
			if (trailing > 0 && !opt('c') && !opt('l') && !opt('L') && !opt('q')) {
				trailing--;
				head(name, number, '-');
				puts(line);
				last = number;
			} else if (ring != NULL) {
				free(ring[number % before]);
				ring[number % before] = strdup(line);
			}
			continue;
		}
		count++;
		found_any = 1;
		if (opt('q'))
			exit(0);
		if (opt('l') || opt('L'))
			break;
		if (opt('c'))
			continue;
		if (binary) {
			printf("Binary file %s matches\n", name);
			break;
		}
		if (opt('o')) {
			if (!opt('v'))
				print_parts(name, line, number);
			continue;
		}
		i = number - before > last ? number - before : last + 1;
		if ((after > 0 || before > 0) && last > 0 && i > last + 1)
			puts("--");
		for (; ring != NULL && i < number; i++)
			if (i > 0 && ring[i % before] != NULL) {
				head(name, i, '-');
				puts(ring[i % before]);
			}
		head(name, number, ':');
		puts(line);
		last = number;
		trailing = after;
	}
	if (opt('c')) {
		if (titles)
			printf("%s:", name);
		printf("%ld\n", count);
	}
	if ((opt('l') && count > 0) || (opt('L') && count == 0))
		puts(name);
	for (i = 0; ring != NULL && i < before; i++)
		free(ring[i]);
	free(ring);
	free(line);
}

static void search_path(const char *name)
{
	FILE *f = fopen(name, "r");
	struct stat st;

	if (f == NULL) {
		if (!opt('s'))
			warn("%s", name);
		failed = 1;
		return;
	}
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		if (!opt('s'))
			warnx("%s: Is a directory", name);
	} else
		search(f, name);
	fclose(f);
}

static int visit(struct walk *w)
{
	if (w->kind == WALK_ERR) {
		warnc(w->error, "%s", w->path);
		failed = 1;
	} else if (w->kind == WALK_FILE && (S_ISREG(w->st->st_mode) || w->level == 0))
		search_path(w->path);
	return WALK_GO;
}

static void usage(void) __dead;

static void usage(void)
{
	fprintf(stderr, "usage: grep [-acEFHhiLlnoqRsvwx] [-A num] [-B num] [-C num] [-e pattern] [-f file] [-m num]\n"
	    "            [pattern] [file ...]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int c;

	if (strcmp(getprogname(), "egrep") == 0)
		opt('E') = 1;
	if (strcmp(getprogname(), "fgrep") == 0)
		opt('F') = 1;
	while ((c = getopt(argc, argv, "A:aB:C:cEe:Ff:GHhiLlm:noqRrsvwxy")) != -1)
		switch (c) {
		case 'A': after = atol(optarg); break;
		case 'B': before = atol(optarg); break;
		case 'C': after = before = atol(optarg); break;
		case 'e': add_patterns(optarg); break;
		case 'f': read_patterns(optarg); opt('f') = 1; break;
		case 'G': opt('E') = opt('F') = 0; break;
		case 'H': titles = 1; break;
		case 'h': titles = 0; break;
		case 'm': max_count = atol(optarg); break;
		case 'r': opt('R') = 1; break;
		case 'y': opt('i') = 1; break;
		case '?':
			usage();
		default: opt(c) = 1;
		}
	argc -= optind;
	argv += optind;
	if (patterns == NULL && !opt('f')) {
		if (argc == 0)
			usage();
		add_patterns(*argv++);
		argc--;
	}
	compile();
	if (titles < 0)
		titles = argc > 1 || opt('R');
	if (argc == 0 && !opt('R'))
		search(stdin, "(standard input)");
	else if (argc == 0)
		walk(".", WALK_SORT, visit, NULL);
	for (; *argv != NULL; argv++)
		if (opt('R'))
			walk(*argv, WALK_ROOTLINK | WALK_SORT, visit, NULL);
		else if (strcmp(*argv, "-") == 0)
			search(stdin, "(standard input)");
		else
			search_path(*argv);
	return failed ? 2 : !found_any;
}
