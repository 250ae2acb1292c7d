/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment. `environ` starts on the initial stack and moves to the heap at the first change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char **owned; /* the vector, once it is ours to grow */
static size_t room;

static char **find(const char *name, size_t len)
{
	char **e;

	for (e = environ; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return e;
	return NULL;
}

char *getenv(const char *name)
{
	size_t len = strlen(name);
	char **e = find(name, len);

	return e != NULL ? *e + len + 1 : NULL;
}

int putenv(char *entry)
{
	size_t len = (size_t)(strchrnul(entry, '=') - entry), n = 0;
	char **slot = find(entry, len);

	if (entry[len] != '=')
		return unsetenv(entry);
	if (slot != NULL) {
		*slot = entry;
		return 0;
	}
	while (environ != NULL && environ[n] != NULL)
		n++;
	if (owned == NULL || owned != environ || n + 1 >= room) {
		char **grown = malloc((n * 2 + 8) * sizeof(char *));

		if (grown == NULL)
			return -1;
		memcpy(grown, environ, n * sizeof(char *));
		if (owned == environ)
			free(owned);
		owned = environ = grown;
		room = n * 2 + 8;
	}
	environ[n] = entry;
	environ[n + 1] = NULL;
	return 0;
}

int setenv(const char *name, const char *value, int overwrite)
{
	size_t len = strlen(name);
	char *entry;

	if (len == 0 || strchr(name, '=') != NULL) {
		errno = EINVAL;
		return -1;
	}
	if (!overwrite && find(name, len) != NULL)
		return 0;
	entry = malloc(len + strlen(value) + 2);
	if (entry == NULL)
		return -1;
	memcpy(entry, name, len);
	entry[len] = '=';
	strcpy(entry + len + 1, value);
	return putenv(entry);
}

int unsetenv(const char *name)
{
	size_t len = strlen(name);
	char **e;

	while ((e = find(name, len)) != NULL)
		do
			e[0] = e[1];
		while (*e++ != NULL);
	return 0;
}
