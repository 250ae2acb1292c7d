/* SPDX-License-Identifier: BSD-3-Clause */
/* mkfifo [-m mode] fifo ... */
#include <err.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	void *mode = NULL;
	int c, failed = 0;

	while ((c = getopt(argc, argv, "m:")) != -1)
		if (c == '?')
			argc = 0;
		else if ((mode = setmode(optarg)) == NULL)
			errx(1, "invalid file mode: %s", optarg);
	if (optind >= argc) {
		fprintf(stderr, "usage: mkfifo [-m mode] fifo ...\n");
		return 1;
	}
	for (; optind < argc; optind++)
		if (mkfifo(argv[optind], 0666) == -1 || (mode != NULL && chmod(argv[optind], getmode(mode, 0666)) == -1)) {
			warn("%s", argv[optind]);
			failed = 1;
		}
	return failed;
}
