/* SPDX-License-Identifier: BSD-3-Clause */
/* mv [-finv] source target, mv ... source ... directory. Across file systems it copies and removes. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int force, ask, keep, verbose;

static int run(const char *program, const char *flags, const char *a, const char *b)
{
	char *argv[] = { (char *)program, (char *)flags, (char *)"--", (char *)a, (char *)b, NULL };
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == -1)
		return -1;
	if (pid == 0) {
		execvp(program, argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) == -1)
		return -1;
	return status;
}

static int move(const char *from, const char *to)
{
	struct stat st;
	int c, yes;

	if (lstat(to, &st) == 0) {
		if (keep)
			return 0;
		if (ask || (!force && access(to, W_OK) == -1 && !S_ISLNK(st.st_mode) && isatty(0))) {
			fprintf(stderr, "overwrite %s? (y/n [n]) ", to);
			yes = (c = getchar()) == 'y' || c == 'Y';
			while (c != '\n' && c != EOF)
				c = getchar();
			if (!yes) {
				fprintf(stderr, "not overwritten\n");
				return 0;
			}
		}
	}
	if (rename(from, to) == -1) {
		if (errno != EXDEV) {
			warn("rename %s to %s", from, to);
			return 1;
		}
		if (run("cp", "-Rpf", from, to) != 0 || run("rm", "-rf", from, NULL) != 0)
			return 1;
	}
	if (verbose)
		printf("%s -> %s\n", from, to);
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	char *to, path[MAXPATHLEN];
	int c, failed = 0, into_dir;

	while ((c = getopt(argc, argv, "finv")) != -1)
		switch (c) {
		case 'f': force = 1; ask = keep = 0; break;
		case 'i': ask = 1; force = keep = 0; break;
		case 'n': keep = 1; force = ask = 0; break;
		case 'v': verbose = 1; break;
		default: argc = 0;
		}
	argc -= optind;
	argv += optind;
	if (argc < 2) {
		fprintf(stderr, "usage: mv [-f | -i | -n] [-v] source target\n"
		    "       mv [-f | -i | -n] [-v] source ... directory\n");
		return 1;
	}
	to = argv[--argc];
	into_dir = stat(to, &st) == 0 && S_ISDIR(st.st_mode);
	if (!into_dir && argc > 1)
		errx(1, "%s is not a directory", to);
	for (; argc > 0; argc--, argv++) {
		size_t n = strlen(*argv);
		const char *name;

		while (n > 1 && (*argv)[n - 1] == '/')
			(*argv)[--n] = '\0';
		name = strrchr(*argv, '/');
		snprintf(path, sizeof(path), "%s/%s", to, name != NULL ? name + 1 : *argv);
		failed |= move(*argv, into_dir ? path : to);
	}
	return failed;
}
