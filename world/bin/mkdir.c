/* SPDX-License-Identifier: BSD-3-Clause */
/* mkdir [-pv] [-m mode] directory ... */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int verbose;

/* Makes the directories above as well; those get u+wx whatever the umask says. */
static int build(char *path)
{
	mode_t mask = umask(0);
	struct stat st;
	char *p = path;
	int bad = 0;

	umask(mask & (mode_t)~(S_IWUSR | S_IXUSR));
	while (!bad) {
		char saved;

		p += strspn(p, "/");
		p += strcspn(p, "/");
		saved = *p;
		*p = '\0';
		if (saved == '\0' || p[1 + strspn(p + 1, "/")] == '\0')
			umask(mask);
		if (mkdir(path, 0777) == 0) {
			if (verbose)
				puts(path);
		} else if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode)) {
			warn("%s", path);
			bad = 1;
		}
		*p = saved;
		if (saved == '\0')
			break;
	}
	umask(mask);
	return bad;
}

int main(int argc, char **argv)
{
	void *mode = NULL;
	int c, parents = 0, failed = 0, bad;

	while ((c = getopt(argc, argv, "m:pv")) != -1)
		switch (c) {
		case 'm':
			if ((mode = setmode(optarg)) == NULL)
				errx(1, "invalid file mode: %s", optarg);
			break;
		case 'p': parents = 1; break;
		case 'v': verbose = 1; break;
		default: argc = 0;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: mkdir [-pv] [-m mode] directory ...\n");
		return 1;
	}
	for (; optind < argc; optind++) {
		char *path = argv[optind];

		if (parents)
			bad = build(path);
		else if ((bad = mkdir(path, 0777)) == -1)
			warn("%s", path);
		else if (verbose)
			puts(path);
		if (!bad && mode != NULL && chmod(path, getmode(mode, 0777)) == -1) {
			warn("%s", path);
			bad = 1;
		}
		failed |= bad != 0;
	}
	return failed;
}
