/* SPDX-License-Identifier: BSD-3-Clause */
/* tty [-s] */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int c, quiet = 0;
	const char *name;

	while ((c = getopt(argc, argv, "s")) != -1)
		if (c == '?') {
			fprintf(stderr, "usage: tty [-s]\n");
			return 2;
		} else
			quiet = 1;
	name = ttyname(0);
	if (!quiet)
		puts(name != NULL ? name : "not a tty");
	return name == NULL;
}
