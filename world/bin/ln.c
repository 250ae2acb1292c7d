/* SPDX-License-Identifier: BSD-3-Clause */
/* ln [-fhinsv] source [target], ln ... source ... directory */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

static int force, symbolic, verbose, nofollow;

static int make(const char *from, const char *to)
{
	struct stat st;

	if (!symbolic) {
		if (stat(from, &st) == -1) {
			warn("%s", from);
			return 1;
		}
		if (S_ISDIR(st.st_mode)) {
			warnx("%s: is a directory", from);
			return 1;
		}
	}
	if (force)
		unlink(to);
	if ((symbolic ? symlink(from, to) : link(from, to)) == -1) {
		warn("%s", to);
		return 1;
	}
	if (verbose)
		printf("%s %c> %s\n", to, symbolic ? '-' : '=', from);
	return 0;
}

int main(int argc, char **argv)
{
	const char *to;
	struct stat st;
	int c, failed = 0, into_dir;

	while ((c = getopt(argc, argv, "fhinsv")) != -1)
		switch (c) {
		case 'f': force = 1; break;
		case 'h':
		case 'n': nofollow = 1; break;
		case 'i': force = 0; break;
		case 's': symbolic = 1; break;
		case 'v': verbose = 1; break;
		default: argc = 0;
		}
	argc -= optind;
	argv += optind;
	if (argc < 1) {
		fprintf(stderr, "usage: ln [-fhinsv] source_file [target_file]\n"
		    "       ln [-fhinsv] source_file ... target_dir\n");
		return 1;
	}
	to = argc == 1 ? "." : argv[--argc];
	into_dir = (nofollow ? lstat(to, &st) : stat(to, &st)) == 0 && S_ISDIR(st.st_mode);
	if (!into_dir && argc > 1)
		errx(1, "%s: not a directory", to);
	for (; argc > 0; argc--, argv++) {
		char path[MAXPATHLEN];
		const char *name = strrchr(*argv, '/');

		snprintf(path, sizeof(path), "%s/%s", to, name != NULL ? name + 1 : *argv);
		failed |= make(*argv, into_dir ? path : to);
	}
	return failed;
}
