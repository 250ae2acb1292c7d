/* SPDX-License-Identifier: BSD-3-Clause */
/* which [-as] program ... */
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

static int all, silent;

static int runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int search(const char *name)
{
	const char *dir = getenv("PATH");
	char path[MAXPATHLEN];
	int found = 0;

	if (strchr(name, '/') != NULL) {
		found = runnable(name);
		if (found && !silent)
			puts(name);
		return found;
	}
	for (dir = dir != NULL ? dir : _PATH_DEFPATH; !found || all;) {
		int n = (int)(strchrnul(dir, ':') - dir);

		snprintf(path, sizeof(path), "%.*s/%s", n > 0 ? n : 1, n > 0 ? dir : ".", name);
		if (runnable(path)) {
			found = 1;
			if (!silent)
				puts(path);
		}
		if (dir[n] == '\0')
			break;
		dir += n + 1;
	}
	return found;
}

int main(int argc, char **argv)
{
	int c, failed = 0;

	while ((c = getopt(argc, argv, "as")) != -1)
		switch (c) {
		case 'a': all = 1; break;
		case 's': silent = 1; break;
		default: argc = 0;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: which [-as] program ...\n");
		return 1;
	}
	for (; optind < argc; optind++)
		failed |= !search(argv[optind]);
	return failed;
}
