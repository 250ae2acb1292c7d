/* SPDX-License-Identifier: BSD-3-Clause */
/* tee [-ai] [file ...] */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buf[32768];
	int c, i, n = 1, append = 0, failed = 0, *fds;
	ssize_t got;

	while ((c = getopt(argc, argv, "ai")) != -1)
		switch (c) {
		case 'a': append = 1; break;
		case 'i': signal(SIGINT, SIG_IGN); break;
		default:
			fprintf(stderr, "usage: tee [-ai] [file ...]\n");
			return 1;
		}
	fds = malloc((size_t)(argc - optind + 1) * sizeof(int));
	if (fds == NULL)
		err(1, "malloc");
	fds[0] = 1;
	for (i = optind; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);

		if (fd == -1) {
			warn("%s", argv[i]);
			failed = 1;
		} else
			fds[n++] = fd;
	}
	while ((got = read(0, buf, sizeof(buf))) > 0)
		for (i = 0; i < n; i++) {
			ssize_t at, w;

			for (at = 0; at < got; at += w)
				if ((w = write(fds[i], buf + at, (size_t)(got - at))) == -1) {
					warn("write");
					failed = 1;
					break;
				}
		}
	if (got == -1)
		err(1, "read");
	return failed;
}
