/* SPDX-License-Identifier: BSD-3-Clause */
/* touch [-acfhm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]] [-d YYYY-MM-DDThh:mm:SS] file ... */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static time_t stamp(char *arg)
{
	time_t now = time(NULL);
	struct tm tm = *localtime(&now);
	char *dot = strchr(arg, '.'), *rest, form[16] = "%m%d%H%M";

	tm.tm_sec = 0;
	if (dot != NULL) {
		*dot = '\0';
		tm.tm_sec = atoi(dot + 1);
	}
	if (strlen(arg) == 12)
		strcpy(form, "%Y%m%d%H%M");
	else if (strlen(arg) == 10)
		strcpy(form, "%y%m%d%H%M");
	rest = strptime(arg, form, &tm);
	if (rest == NULL || *rest != '\0')
		errx(1, "out of range or illegal time specification: [[CC]YY]MMDDhhmm[.SS]");
	return mktime(&tm);
}

static time_t date(char *arg)
{
	struct tm tm = { .tm_mday = 1 };
	char *rest = strptime(arg, "%Y-%m-%d", &tm);

	if (rest != NULL && (*rest == 'T' || *rest == ' '))
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (rest == NULL || (*rest != '\0' && strcmp(rest, "Z") != 0))
		errx(1, "illegal date: %s (YYYY-MM-DDThh:mm:SS)", arg);
	return *rest == 'Z' ? timegm(&tm) : mktime(&tm);
}

int main(int argc, char **argv)
{
	int c, access = 0, modify = 0, create = 1, now = 1, link = 0, failed = 0;
	struct timeval tv[2];
	struct stat st;

	gettimeofday(&tv[0], NULL);
	tv[1] = tv[0];
	while ((c = getopt(argc, argv, "acd:fhmr:t:")) != -1)
		switch (c) {
		case 'a': access = 1; break;
		case 'c': create = 0; break;
		case 'd':
		case 't':
			tv[0] = tv[1] = (struct timeval){ c == 'd' ? date(optarg) : stamp(optarg), 0 };
			now = 0;
			break;
		case 'f': break;
		case 'h': link = 1; create = 0; break;
		case 'm': modify = 1; break;
		case 'r':
			if (stat(optarg, &st) == -1)
				err(1, "%s", optarg);
			tv[0] = (struct timeval){ st.st_atime, st.st_atimespec.tv_nsec / 1000 };
			tv[1] = (struct timeval){ st.st_mtime, st.st_mtimespec.tv_nsec / 1000 };
			now = 0;
			break;
		default: argc = 0;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: touch [-acfhm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]] [-d date] file ...\n");
		return 1;
	}
	if (!access && !modify)
		access = modify = 1;
	for (argv += optind; *argv != NULL; argv++) {
		struct timeval set[2] = { tv[0], tv[1] };

		if ((link ? lstat(*argv, &st) : stat(*argv, &st)) == -1) {
			int fd;

			if (errno == ENOENT && !create)
				continue;
			fd = errno == ENOENT ? open(*argv, O_WRONLY | O_CREAT, 0666) : -1;
			if (fd == -1 || fstat(fd, &st) == -1) {
				warn("%s", *argv);
				failed = 1;
				continue;
			}
			close(fd);
		}
		if (!access)
			set[0] = (struct timeval){ st.st_atime, st.st_atimespec.tv_nsec / 1000 };
		if (!modify)
			set[1] = (struct timeval){ st.st_mtime, st.st_mtimespec.tv_nsec / 1000 };
		if ((link ? lutimes(*argv, set) : utimes(*argv, now && access && modify ? NULL : set)) == -1) {
			warn("%s", *argv);
			failed = 1;
		}
	}
	return failed;
}
