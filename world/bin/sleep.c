/* SPDX-License-Identifier: BSD-3-Clause */
/* sleep number[s|m|h|d] ...; fractions are fine. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
	double total = 0;
	struct timespec ts;
	int i;

	if (argc < 2) {
		fprintf(stderr, "usage: sleep number[s|m|h|d] ...\n");
		return 1;
	}
	for (i = 1; i < argc; i++) {
		char *end;
		double v = strtod(argv[i], &end);
		static const char units[] = "smhd";
		static const int factor[] = { 1, 60, 3600, 86400 };
		const char *u = *end != '\0' ? strchr(units, *end) : units;

		if (end == argv[i] || u == NULL || (*end != '\0' && end[1] != '\0') || v < 0)
			errx(1, "invalid time interval: %s", argv[i]);
		total += v * factor[u - units];
	}
	if (total > 2147483647.0)
		total = 2147483647.0;
	ts.tv_sec = (time_t)total;
	ts.tv_nsec = (long)((total - ts.tv_sec) * 1e9);
	if (nanosleep(&ts, &ts) == -1 && errno != EINTR)
		err(1, "nanosleep");
	return 0;
}
