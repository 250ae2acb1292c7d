/* SPDX-License-Identifier: BSD-3-Clause */
/* dd [operand=value ...]: if of bs ibs obs count skip seek conv=notrunc,noerror,sync,lcase,ucase,swab status=none */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static size_t ibs = 512, obs = 512;
static long long count = -1, skip, seek, in_full, in_part, out_full, out_part, total;
static int notrunc, noerror, pad, lower, upper, swap, quiet, in, out;
static const char *from = "stdin", *to = "stdout";

/* 10, 4k, 2m, 1g, 3b (blocks of 512), 2x512 */
static long long number(const char *s)
{
	char *end;
	long long v = strtoll(s, &end, 0);

	if (end == s || v < 0)
		errx(1, "%s: illegal numeric value", s);
	switch (tolower((unsigned char)*end)) {
	case 'b': v *= 512; end++; break;
	case 'k': v <<= 10; end++; break;
	case 'm': v <<= 20; end++; break;
	case 'g': v <<= 30; end++; break;
	case 'w': v *= 4; end++; break;
	}
	if (*end == 'x' || *end == '*')
		return v * number(end + 1);
	if (*end != '\0')
		errx(1, "%s: illegal numeric value", s);
	return v;
}

static void conversions(char *list)
{
	char *word;

	while ((word = strsep(&list, ",")) != NULL)
		if (strcmp(word, "notrunc") == 0)
			notrunc = 1;
		else if (strcmp(word, "noerror") == 0)
			noerror = 1;
		else if (strcmp(word, "sync") == 0)
			pad = 1;
		else if (strcmp(word, "lcase") == 0)
			lower = 1;
		else if (strcmp(word, "ucase") == 0)
			upper = 1;
		else if (strcmp(word, "swab") == 0)
			swap = 1;
		else
			errx(1, "unknown conversion %s", word);
}

static void operand(char *arg)
{
	char *value = strchr(arg, '=');

	if (value == NULL)
		errx(1, "unknown operand %s", arg);
	*value++ = '\0';
	if (strcmp(arg, "if") == 0)
		from = value;
	else if (strcmp(arg, "of") == 0)
		to = value;
	else if (strcmp(arg, "bs") == 0)
		ibs = obs = (size_t)number(value);
	else if (strcmp(arg, "ibs") == 0)
		ibs = (size_t)number(value);
	else if (strcmp(arg, "obs") == 0)
		obs = (size_t)number(value);
	else if (strcmp(arg, "count") == 0)
		count = number(value);
	else if (strcmp(arg, "skip") == 0 || strcmp(arg, "iseek") == 0)
		skip = number(value);
	else if (strcmp(arg, "seek") == 0 || strcmp(arg, "oseek") == 0)
		seek = number(value);
	else if (strcmp(arg, "conv") == 0)
		conversions(value);
	else if (strcmp(arg, "status") == 0)
		quiet = strcmp(value, "none") == 0;
	else
		errx(1, "unknown operand %s", arg);
}

static void open_files(void)
{
	in = strcmp(from, "stdin") == 0 ? 0 : open(from, O_RDONLY);
	if (in == -1)
		err(1, "%s", from);
	out = strcmp(to, "stdout") == 0 ? 1 : open(to, O_WRONLY | O_CREAT | (seek == 0 && !notrunc ? O_TRUNC : 0), 0666);
	if (out == -1)
		err(1, "%s", to);
	if (out != 1 && seek > 0 && !notrunc && ftruncate(out, seek * (off_t)obs) == -1 && errno != EINVAL)
		err(1, "%s", to);
}

static void position(char *buf)
{
	if (skip > 0 && lseek(in, skip * (off_t)ibs, SEEK_CUR) == -1)
		for (; skip > 0 && read(in, buf, ibs) > 0; skip--)
			;
	if (seek > 0 && lseek(out, seek * (off_t)obs, SEEK_CUR) == -1)
		err(1, "%s", to);
}

static void convert(char *buf, size_t n)
{
	size_t i;

	for (i = 0; lower && i < n; i++)
		buf[i] = (char)tolower((unsigned char)buf[i]);
	for (i = 0; upper && i < n; i++)
		buf[i] = (char)toupper((unsigned char)buf[i]);
	for (i = 0; swap && i + 1 < n; i += 2) {
		char t = buf[i];

		buf[i] = buf[i + 1];
		buf[i + 1] = t;
	}
}

static void put(const char *p, size_t n)
{
	while (n > 0) {
		size_t piece = n < obs ? n : obs;
		ssize_t w = write(out, p, piece);

		if (w == -1)
			err(1, "%s", to);
		if ((size_t)w == obs)
			out_full++;
		else
			out_part++;
		p += w;
		n -= (size_t)w;
		total += w;
	}
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	char *buf;
	size_t held = 0;
	ssize_t n;
	long long ms;

	while (*++argv != NULL)
		operand(*argv);
	(void)argc;
	if (ibs == 0 || obs == 0)
		errx(1, "block size must not be zero");
	open_files();
	buf = malloc(ibs + obs);
	if (buf == NULL)
		err(1, "malloc");
	clock_gettime(CLOCK_MONOTONIC, &a);
	position(buf);
	while (count < 0 || in_full + in_part < count) {
		n = read(in, buf + held, ibs);
		if (n == 0)
			break;
		if (n == -1) {
			warn("%s", from);
			if (!noerror)
				break;
			lseek(in, (off_t)ibs, SEEK_CUR);
			if (!pad)
				continue;
			n = 0;
		}
		if ((size_t)n == ibs)
			in_full++;
		else
			in_part++;
		if (pad && (size_t)n < ibs) {
			memset(buf + held + n, 0, ibs - (size_t)n);
			n = (ssize_t)ibs;
		}
		convert(buf + held, (size_t)n);
		held += (size_t)n;
		/* With one block size a short read is written as it came. */
		if (ibs == obs || held >= obs) {
			size_t now = ibs == obs ? held : held / obs * obs;

			put(buf, now);
			memmove(buf, buf + now, held - now);
			held -= now;
		}
	}
	put(buf, held);
	if (close(out) == -1)
		err(1, "%s", to);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000LL + (b.tv_nsec - a.tv_nsec) / 1000000;
	if (!quiet)
		fprintf(stderr, "%lld+%lld records in\n%lld+%lld records out\n%lld bytes transferred in %lld.%03lld secs (%lld bytes/sec)\n",
		    in_full, in_part, out_full, out_part, total, ms / 1000, ms % 1000, total * 1000 / (ms > 0 ? ms : 1));
	return 0;
}
