/* SPDX-License-Identifier: BSD-3-Clause */
/* yes [expletive] */
#include <stdio.h>

int main(int argc, char **argv)
{
	while (puts(argc > 1 ? argv[1] : "y") != EOF)
		;
	return 1;
}
