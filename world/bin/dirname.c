/* SPDX-License-Identifier: BSD-3-Clause */
/* dirname string */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *s, *slash;
	size_t n;

	if (argc != 2) {
		fprintf(stderr, "usage: dirname string\n");
		return 1;
	}
	s = argv[1];
	for (n = strlen(s); n > 1 && s[n - 1] == '/';)
		s[--n] = '\0';
	slash = strrchr(s, '/');
	if (slash == NULL) {
		puts(".");
		return 0;
	}
	while (slash > s && slash[-1] == '/')
		slash--;
	slash[slash == s] = '\0';
	puts(s);
	return 0;
}
