/* SPDX-License-Identifier: BSD-3-Clause */
/* hexdump [-bCcdovx] [-n length] [-s skip] [file ...]; -C is the form most wanted. */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **files;
static FILE *in;
static int failed;

/* Bytes of all files, one after the other. */
static int next(void)
{
	int c;

	for (;;) {
		if (in != NULL && (c = getc(in)) != EOF)
			return c;
		if (in != NULL && in != stdin)
			fclose(in);
		in = NULL;
		while (in == NULL) {
			if (*files == NULL)
				return EOF;
			in = strcmp(*files, "-") == 0 ? stdin : fopen(*files, "r");
			if (in == NULL) {
				warn("%s", *files);
				failed = 1;
			}
			files++;
		}
	}
}

static void show_char(int c)
{
	static const char names[] = "0......abtnvfr";

	if (c == 0 || (c >= 7 && c <= 13))
		printf("  \\%c", names[c]);
	else if (isprint(c))
		printf("   %c", c);
	else
		printf(" %03o", c);
}

static void line(const unsigned char *b, int n, int form)
{
	int i;

	if (form == 'C') {
		for (i = 0; i < 16; i++) {
			printf(i % 8 == 0 ? "  " : " ");
			if (i < n)
				printf("%02x", b[i]);
			else
				printf("  ");
		}
		printf("  |");
		for (i = 0; i < n; i++)
			putchar(isprint(b[i]) ? b[i] : '.');
		putchar('|');
	} else if (form == 'b' || form == 'c') {
		for (i = 0; i < n; i++)
			if (form == 'b')
				printf(" %03o", b[i]);
			else
				show_char(b[i]);
	} else
		for (i = 0; i < n; i += 2) {
			unsigned v = b[i] | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0);

			printf(form == 'd' ? "   %05u" : form == 'o' ? "  %06o" : form == 'x' ? "    %04x" : " %04x", v);
		}
	putchar('\n');
}

int main(int argc, char **argv)
{
	static char *standard[] = { (char *)"-", NULL };
	unsigned char b[16], last[16];
	long long length = -1, skip = 0, at;
	int c, form = 0, all = 0, n, repeated = 0, first = 1;

	while ((c = getopt(argc, argv, "bCcdn:os:vx")) != -1)
		switch (c) {
		case 'n': length = strtoll(optarg, NULL, 0); break;
		case 's': skip = strtoll(optarg, NULL, 0); break;
		case 'v': all = 1; break;
		case '?':
			fprintf(stderr, "usage: hexdump [-bCcdovx] [-n length] [-s skip] [file ...]\n");
			return 1;
		default: form = c;
		}
	files = optind < argc ? argv + optind : standard;
	for (at = 0; at < skip && next() != EOF; at++)
		;
	for (;; at += n) {
		for (n = 0; n < 16 && (length < 0 || length-- > 0) && (c = next()) != EOF; n++)
			b[n] = (unsigned char)c;
		if (n == 0)
			break;
		if (!all && !first && n == 16 && memcmp(b, last, 16) == 0) {
			if (!repeated)
				puts("*");
			repeated = 1;
			continue;
		}
		repeated = first = 0;
		memcpy(last, b, sizeof(last));
		printf(form == 'C' ? "%08llx" : "%07llx", at);
		line(b, n, form);
		if (n < 16) {
			at += n;
			break;
		}
	}
	if (at > skip)
		printf(form == 'C' ? "%08llx\n" : "%07llx\n", at);
	return failed;
}
