/* SPDX-License-Identifier: BSD-3-Clause */
/* basename string [suffix] */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *s, *slash;
	size_t n;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: basename string [suffix]\n");
		return 1;
	}
	s = argv[1];
	for (n = strlen(s); n > 1 && s[n - 1] == '/';)
		s[--n] = '\0';
	slash = strrchr(s, '/');
	if (slash != NULL && slash[1] != '\0')
		s = slash + 1;
	n = strlen(s);
	if (argc == 3 && n > strlen(argv[2]) && strcmp(s + n - strlen(argv[2]), argv[2]) == 0)
		s[n - strlen(argv[2])] = '\0';
	puts(s);
	return 0;
}
