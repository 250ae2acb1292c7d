/* SPDX-License-Identifier: BSD-3-Clause */
/* echo [-n] [string ...]; as in 4.4BSD no escapes, but a trailing \c also suppresses the newline. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int newline = 1, i = 1;

	if (i < argc && strcmp(argv[i], "-n") == 0) {
		newline = 0;
		i++;
	}
	for (; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (i + 1 == argc && n >= 2 && strcmp(argv[i] + n - 2, "\\c") == 0) {
			newline = 0;
			n -= 2;
		}
		fwrite(argv[i], 1, n, stdout);
		if (i + 1 < argc)
			putchar(' ');
	}
	if (newline)
		putchar('\n');
	return ferror(stdout) != 0;
}
