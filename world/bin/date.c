/* SPDX-License-Identifier: BSD-3-Clause */
/* date [-nu] [-r seconds | file] [-f format date | [[[[[cc]yy]mm]dd]HH]MM[.ss]] [+format] */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int pair(const char **p)
{
	int v = ((*p)[0] - '0') * 10 + (*p)[1] - '0';

	*p += 2;
	return v;
}

static time_t parse(const char *s, const char *form)
{
	time_t now = time(NULL);
	struct tm tm = *localtime(&now);
	size_t n = strspn(s, "0123456789");
	const char *p = s;

	tm.tm_sec = 0;
	if (form != NULL) {
		p = strptime(s, form, &tm);
		if (p == NULL || *p != '\0')
			errx(1, "%s: does not match %s", s, form);
		return mktime(&tm);
	}
	if (n % 2 != 0 || n < 2 || n > 12 || (s[n] != '\0' && (s[n] != '.' || strlen(s + n) != 3)))
		errx(1, "illegal time format: [[[[[cc]yy]mm]dd]HH]MM[.ss]");
	if (n == 12) {
		tm.tm_year = pair(&p) * 100 - 1900;
		tm.tm_year += pair(&p);
	} else if (n == 10) {
		tm.tm_year = pair(&p);
		tm.tm_year += tm.tm_year < 69 ? 100 : 0;
	}
	if (n >= 8)
		tm.tm_mon = pair(&p) - 1;
	if (n >= 6)
		tm.tm_mday = pair(&p);
	if (n >= 4)
		tm.tm_hour = pair(&p);
	tm.tm_min = pair(&p);
	if (*p == '.')
		tm.tm_sec = atoi(p + 1);
	return mktime(&tm);
}

int main(int argc, char **argv)
{
	const char *format = "%a %b %e %H:%M:%S %Z %Y", *form = NULL;
	time_t t = time(NULL);
	char text[1024], *end;
	struct stat st;
	int c, dry = 0;

	while ((c = getopt(argc, argv, "f:jnr:u")) != -1)
		switch (c) {
		case 'f': form = optarg; break;
		case 'j': dry = 1; break;
		case 'n': break;
		case 'r':
			t = (time_t)strtol(optarg, &end, 0);
			if (*end != '\0') {
				if (stat(optarg, &st) == -1)
					err(1, "%s", optarg);
				t = st.st_mtime;
			}
			break;
		case 'u': setenv("TZ", "UTC0", 1); break;
		default:
			fprintf(stderr, "usage: date [-jnu] [-r seconds | file] [-f format] [new_date] [+format]\n");
			return 1;
		}
	argv += optind;
	if (*argv != NULL && **argv != '+') {
		struct timeval tv = { parse(*argv++, form), 0 };

		t = tv.tv_sec;
		if (!dry && settimeofday(&tv, NULL) == -1)
			err(1, "settimeofday");
	}
	if (*argv != NULL && **argv == '+')
		format = *argv + 1;
	if (strftime(text, sizeof(text), format, localtime(&t)) == 0 && *format != '\0')
		errx(1, "format too long");
	puts(text);
	return 0;
}
