/* SPDX-License-Identifier: BSD-3-Clause */
/* Permission bits as text: setmode/getmode compile and apply chmod's language, strmode prints ls's form. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One clause "who op perms", or an absolute mode (op 0). */
struct clause {
	char op;
	char copy;    /* 'u', 'g', 'o': perms taken from that class */
	char xifany;  /* X: execute for directories and files already executable */
	mode_t who;   /* bits the clause may touch */
	mode_t perms;
};

/* Bits of one class spread over all three. */
static mode_t spread(mode_t rwx)
{
	return (mode_t)(rwx << 6 | rwx << 3 | rwx);
}

static int add(struct clause **list, size_t *n, struct clause c)
{
	struct clause *grown = realloc(*list, (*n + 2) * sizeof(c));

	if (grown == NULL)
		return -1;
	*list = grown;
	grown[(*n)++] = c;
	grown[*n] = (struct clause){ .op = '\0', .who = 0 };
	return 0;
}

/* who* (op perm*)+ ; returns the rest or NULL. */
static const char *symbolic(const char *p, mode_t mask, struct clause **list, size_t *n)
{
	mode_t who = 0;

	for (;; p++) {
		if (*p == 'u')
			who |= S_ISUID | S_IRWXU;
		else if (*p == 'g')
			who |= S_ISGID | S_IRWXG;
		else if (*p == 'o')
			who |= S_IRWXO;
		else if (*p == 'a')
			who |= ALLPERMS;
		else
			break;
	}
	if (*p != '+' && *p != '-' && *p != '=')
		return NULL;
	while (*p == '+' || *p == '-' || *p == '=') {
		/* Without a class the umask decides what is left alone. */
		struct clause c = { .op = *p++, .who = who != 0 ? who : (mode_t)(ALLPERMS & ~mask) };

		if ((*p == 'u' || *p == 'g' || *p == 'o'))
			c.copy = *p++;
		else
			for (;; p++) {
				if (*p == 'r')
					c.perms |= spread(4);
				else if (*p == 'w')
					c.perms |= spread(2);
				else if (*p == 'x')
					c.perms |= spread(1);
				else if (*p == 'X')
					c.xifany = 1;
				else if (*p == 's')
					c.perms |= S_ISUID | S_ISGID;
				else if (*p == 't') {
					c.perms |= S_ISVTX;
					c.who |= S_ISVTX;
				} else
					break;
			}
		if (add(list, n, c) == -1)
			return NULL;
	}
	return p;
}

/* Returns a malloc'd program for getmode, or NULL with errno EINVAL for bad syntax. */
void *setmode(const char *p)
{
	struct clause *list = NULL;
	size_t n = 0;
	mode_t mask;

	if (isdigit((unsigned char)*p)) {
		char *end;
		unsigned long v = strtoul(p, &end, 8);

		if (*end != '\0' || v > ALLPERMS)
			goto bad;
		if (add(&list, &n, (struct clause){ .op = '=', .who = ALLPERMS, .perms = (mode_t)v }) == -1)
			goto bad;
		return list;
	}
	umask(mask = umask(0));
	do {
		p = symbolic(p, mask, &list, &n);
	} while (p != NULL && *p++ == ',');
	if (p != NULL && p[-1] == '\0')
		return list;
bad:
	free(list);
	errno = EINVAL;
	return NULL;
}

/* Applies the program to `mode`; the file type in it matters for X only, and is kept. */
mode_t getmode(const void *program, mode_t mode)
{
	const struct clause *c;

	for (c = program; c->op != '\0'; c++) {
		mode_t bits = c->perms;

		if (c->copy)
			bits |= spread((mode_t)(mode >> (c->copy == 'u' ? 6 : c->copy == 'g' ? 3 : 0) & 7));
		if (c->xifany && (S_ISDIR(mode) || mode & 0111))
			bits |= spread(1);
		bits &= c->who;
		if (c->op == '+')
			mode |= bits;
		else if (c->op == '-')
			mode &= (mode_t)~bits;
		else
			mode = (mode_t)((mode & ~(c->who & ALLPERMS)) | bits);
	}
	return mode;
}

void strmode(int mode, char *out)
{
	static const char types[] = "?pc?d?b?-?l?s?w?";
	int i;

	*out++ = types[mode >> 12 & 15];
	for (i = 6; i >= 0; i -= 3) {
		int rwx = mode >> i & 7, special = mode & (i == 6 ? S_ISUID : i == 3 ? S_ISGID : S_ISVTX);
		char c = i == 0 ? 't' : 's';

		*out++ = rwx & 4 ? 'r' : '-';
		*out++ = rwx & 2 ? 'w' : '-';
		*out++ = special ? (rwx & 1 ? c : (char)toupper(c)) : rwx & 1 ? 'x' : '-';
	}
	*out++ = ' ';
	*out = '\0';
}
