/* SPDX-License-Identifier: BSD-3-Clause */
/* umount [-fv] special | node ..., umount -a [-fv] [-t type] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <unistd.h>

static int flags, verbose;

static int do_unmount(const char *node)
{
	if (unmount(node, flags) == -1) {
		warn("unmount of %s failed", node);
		return 1;
	}
	if (verbose)
		printf("%s: unmounted\n", node);
	return 0;
}

int main(int argc, char **argv)
{
	const char *type = NULL;
	struct statfs *mounted;
	int c, i, n, all = 0, failed = 0;

	while ((c = getopt(argc, argv, "aft:v")) != -1)
		switch (c) {
		case 'a': all = 1; break;
		case 'f': flags |= MNT_FORCE; break;
		case 't': type = optarg; break;
		case 'v': verbose = 1; break;
		default: argc = 0;
		}
	if (!all && optind >= argc) {
		fprintf(stderr, "usage: umount [-fv] special | node ...\n       umount -a [-fv] [-t type]\n");
		return 1;
	}
	n = getfsstat(NULL, 0, MNT_NOWAIT);
	mounted = calloc((size_t)(n > 0 ? n : 1), sizeof(*mounted));
	if (n == -1 || mounted == NULL || (n = getfsstat(mounted, n * (long)sizeof(*mounted), MNT_NOWAIT)) == -1)
		err(1, "getfsstat");
	/* Latest first: they may stand on earlier ones. */
	for (i = n; all && i-- > 0;)
		if (strcmp(mounted[i].f_mntonname, "/") != 0 && strcmp(mounted[i].f_mntonname, "/dev") != 0 &&
		    (type == NULL || strcmp(type, mounted[i].f_fstypename) == 0))
			failed |= do_unmount(mounted[i].f_mntonname);
	for (; !all && optind < argc; optind++) {
		char path[MAXPATHLEN];
		const char *node = realpath(argv[optind], path) != NULL ? path : argv[optind];

		for (i = n; i-- > 0;)
			if (strcmp(mounted[i].f_mntfromname, argv[optind]) == 0) {
				node = mounted[i].f_mntonname;
				break;
			}
		failed |= do_unmount(node);
	}
	return failed;
}
