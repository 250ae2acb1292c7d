/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

int __getcwd(char *, unsigned);

char *getcwd(char *buf, size_t size)
{
	char *p = buf;

	if (p == NULL && (p = malloc(size = MAXPATHLEN)) == NULL)
		return NULL;
	if (__getcwd(p, (unsigned)size) == -1) {
		if (buf == NULL)
			free(p);
		return NULL;
	}
	return p;
}
