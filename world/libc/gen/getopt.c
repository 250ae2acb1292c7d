/* SPDX-License-Identifier: BSD-3-Clause */
/* getopt(3) in the POSIX form: options end at the first operand or after "--". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1, opterr = 1, optopt, optreset;
static const char *place = "";

int getopt(int argc, char *const argv[], const char *spec)
{
	const char *opt;

	if (optreset || *place == '\0') {
		optreset = 0;
		if (optind >= argc || argv[optind] == NULL || argv[optind][0] != '-' || argv[optind][1] == '\0')
			return -1;
		place = argv[optind] + 1;
		if (strcmp(place, "-") == 0) {
			place = "";
			optind++;
			return -1;
		}
	}
	optopt = (unsigned char)*place++;
	opt = optopt == ':' ? NULL : strchr(spec, optopt);
	if (opt == NULL) {
		if (*place == '\0')
			optind++;
		if (opterr && *spec != ':')
			fprintf(stderr, "%s: illegal option -- %c\n", getprogname(), optopt);
		return '?';
	}
	if (opt[1] != ':') {
		optarg = NULL;
		if (*place == '\0')
			optind++;
		return optopt;
	}
	if (*place != '\0')
		optarg = (char *)place;
	else if (++optind < argc)
		optarg = argv[optind];
	else {
		place = "";
		if (*spec == ':')
			return ':';
		if (opterr)
			fprintf(stderr, "%s: option requires an argument -- %c\n", getprogname(), optopt);
		return '?';
	}
	optind++;
	place = "";
	return optopt;
}
