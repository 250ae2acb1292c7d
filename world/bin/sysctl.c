/* SPDX-License-Identifier: BSD-3-Clause */
/* sysctl [-abdnw] name[=value] ..., sysctl -a */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CTL_MAXNAME 12

static int values_only, names_only;

/* Kind and format of a node, from {0,4,...}. */
static int describe(const int *mib, size_t n, unsigned *kind, char *format, size_t size)
{
	int query[CTL_MAXNAME + 2] = { 0, 4 };
	char buf[128];
	size_t len = sizeof(buf) - 1;

	memcpy(query + 2, mib, n * sizeof(int));
	if (sysctl(query, (unsigned)n + 2, buf, &len, NULL, 0) == -1)
		return -1;
	buf[len] = '\0';
	memcpy(kind, buf, sizeof(*kind));
	strlcpy(format, buf + sizeof(*kind), size);
	return 0;
}

static void print_struct(const char *format, const char *data, size_t n)
{
	const int *w = (const int *)data;

	if (strcmp(format, "S,timeval") == 0) {
		time_t t = w[0];

		printf("{ sec = %d, usec = %d } %.24s", w[0], w[1], ctime(&t));
	} else if (strcmp(format, "S,clockinfo") == 0)
		printf("{ hz = %d, tick = %d, stathz = %d, profhz = %d }", w[0], w[1], w[3], w[4]);
	else if (strcmp(format, "S,loadavg") == 0)
		printf("{ %.2f %.2f %.2f }", (double)w[0] / w[3], (double)w[1] / w[3], (double)w[2] / w[3]);
	else
		printf("<%u bytes, format %s>", (unsigned)n, format);
}

static int show(const char *name, const int *mib, size_t n, int everything)
{
	char format[64], *data;
	unsigned kind;
	size_t size = 0;

	if (describe(mib, n, &kind, format, sizeof(format)) == -1 || (kind & 15) == 1)
		return -1;
	if (names_only) {
		puts(name);
		return 0;
	}
	if (sysctl(mib, (unsigned)n, NULL, &size, NULL, 0) == -1 || (data = malloc((size += 1024) + 1)) == NULL ||
	    sysctl(mib, (unsigned)n, data, &size, NULL, 0) == -1)
		return -1;
	if (everything && strcmp(format, "S,proc") == 0)
		return 0;
	if (!values_only)
		printf("%s: ", name);
	data[size] = '\0';
	if (format[0] == 'A') {
		size_t len = strlen(data);

		printf("%.*s", (int)(len > 0 && data[len - 1] == '\n' ? len - 1 : len), data);
	} else if (format[0] == 'I')
		printf("%d", *(int *)data);
	else
		print_struct(format, data, size);
	putchar('\n');
	free(data);
	return 0;
}

static int set(const char *name, const int *mib, size_t n, const char *value)
{
	char format[64], *end;
	unsigned kind;
	int v, bad;

	if (describe(mib, n, &kind, format, sizeof(format)) == -1) {
		warn("%s", name);
		return 1;
	}
	if (!names_only)
		show(name, mib, n, 0);
	if (format[0] == 'I') {
		v = (int)strtol(value, &end, 0);
		if (*end != '\0' || end == value)
			errx(1, "%s: invalid integer '%s'", name, value);
		bad = sysctl(mib, (unsigned)n, NULL, NULL, &v, sizeof(v));
	} else
		bad = sysctl(mib, (unsigned)n, NULL, NULL, value, strlen(value) + 1);
	if (bad == -1) {
		warn("%s", name);
		return 1;
	}
	show(name, mib, n, 0);
	return 0;
}

/* All leaves below `top`, in the kernel's order. */
static int list(const int *top, size_t ntop)
{
	int query[CTL_MAXNAME + 2], next[CTL_MAXNAME + 2], mib[CTL_MAXNAME];
	size_t n = ntop, size;
	char name[128];
	int any = 0;

	memcpy(mib, top, ntop * sizeof(int));
	for (;;) {
		query[0] = 0;
		query[1] = 2;
		memcpy(query + 2, mib, n * sizeof(int));
		size = sizeof(next);
		if (sysctl(query, (unsigned)n + 2, next, &size, NULL, 0) == -1)
			return any;
		n = size / sizeof(int);
		if (n < ntop || memcmp(next, top, ntop * sizeof(int)) != 0)
			return any;
		memcpy(mib, next, size);
		query[1] = 1;
		memcpy(query + 2, mib, size);
		size = sizeof(name);
		if (sysctl(query, (unsigned)n + 2, name, &size, NULL, 0) == 0 && show(name, mib, n, 1) == 0)
			any = 1;
	}
}

int main(int argc, char **argv)
{
	int c, all = 0, failed = 0, mib[CTL_MAXNAME];
	static const int root[1] = { 1 };

	while ((c = getopt(argc, argv, "aANnw")) != -1)
		switch (c) {
		case 'A':
		case 'a': all = 1; break;
		case 'N': names_only = 1; break;
		case 'n': values_only = 1; break;
		case 'w': break;
		default: argc = 0;
		}
	if (!all && optind >= argc) {
		fprintf(stderr, "usage: sysctl [-Nn] name[=value] ...\n       sysctl [-Nn] -a\n");
		return 1;
	}
	if (all)
		list(root, 0);
	for (; optind < argc; optind++) {
		char *value = strchr(argv[optind], '=');
		size_t n = CTL_MAXNAME;

		if (value != NULL)
			*value++ = '\0';
		if (sysctlnametomib(argv[optind], mib, &n) == -1) {
			warnx("unknown oid '%s'", argv[optind]);
			failed = 1;
		} else if (value != NULL)
			failed |= set(argv[optind], mib, n, value);
		else if (show(argv[optind], mib, n, 0) == -1 && !list(mib, n)) {
			warn("%s", argv[optind]);
			failed = 1;
		}
	}
	return failed;
}
