/* SPDX-License-Identifier: BSD-3-Clause */
/* chroot [-u user] newroot [command [argument ...]] */
#include <err.h>
#include <errno.h>
#include <paths.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char *shell[] = { (char *)"sh", (char *)"-i", NULL };
	struct passwd *pw = NULL;
	int c;

	while ((c = getopt(argc, argv, "u:")) != -1)
		if (c == '?')
			argc = 0;
		else if ((pw = getpwnam(optarg)) == NULL)
			errx(1, "%s: no such user", optarg);
	if (optind >= argc) {
		fprintf(stderr, "usage: chroot [-u user] newroot [command [argument ...]]\n");
		return 1;
	}
	argv += optind;
	if (chdir(argv[0]) == -1 || chroot(".") == -1)
		err(1, "%s", argv[0]);
	if (pw != NULL && (setgid(pw->pw_gid) == -1 || setuid(pw->pw_uid) == -1))
		err(1, "%s", pw->pw_name);
	if (argv[1] == NULL) {
		execv(_PATH_BSHELL, shell);
		err(1, "%s", _PATH_BSHELL);
	}
	execvp(argv[1], argv + 1);
	err(errno == ENOENT ? 127 : 126, "%s", argv[1]);
}
