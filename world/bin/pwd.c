/* SPDX-License-Identifier: BSD-3-Clause */
/* pwd [-L | -P] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *pwd = getenv("PWD");
	char path[MAXPATHLEN];
	struct stat a, b;
	int c, logical = 0;

	while ((c = getopt(argc, argv, "LP")) != -1)
		if (c == '?') {
			fprintf(stderr, "usage: pwd [-L | -P]\n");
			return 1;
		} else
			logical = c == 'L';
	if (logical && pwd != NULL && *pwd == '/' && stat(pwd, &a) == 0 && stat(".", &b) == 0 && a.st_ino == b.st_ino &&
	    a.st_dev == b.st_dev) {
		puts(pwd);
		return 0;
	}
	if (getcwd(path, sizeof(path)) == NULL)
		err(1, ".");
	puts(path);
	return 0;
}
