/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test expression, and [ expression ]. The shell calls it too, so it never exits. Status 0 true, 1 false, 2 error.
 * The grammar is POSIX's, with ( ) ! -a -o; up to four arguments its special rules come first.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct expr { char **v; int n, at, bad; };

static int either(struct expr *);

static int complain(struct expr *e, const char *what, const char *arg)
{
	if (!e->bad)
		warnx("%s%s%s", arg != NULL ? arg : "", arg != NULL ? ": " : "", what);
	e->bad = 1;
	return 0;
}

static long long number(struct expr *e, const char *s)
{
	char *end;
	long long v = strtoll(s, &end, 10);

	while (*end == ' ')
		end++;
	if (end == s || *end != '\0')
		complain(e, "bad number", s);
	return v;
}

static int is_unary(const char *op)
{
	return op[0] == '-' && op[1] != '\0' && op[2] == '\0' && strchr("bcdefghknprstuwxzGLOS", op[1]) != NULL;
}

static int unary(struct expr *e, int op, const char *arg)
{
	struct stat st;

	switch (op) {
	case 'n': return *arg != '\0';
	case 'z': return *arg == '\0';
	case 't': return isatty((int)number(e, arg));
	case 'r': return access(arg, R_OK) == 0;
	case 'w': return access(arg, W_OK) == 0;
	case 'x': return access(arg, X_OK) == 0;
	}
	if ((op == 'h' || op == 'L' ? lstat(arg, &st) : stat(arg, &st)) == -1)
		return 0;
	switch (op) {
	case 'b': return S_ISBLK(st.st_mode);
	case 'c': return S_ISCHR(st.st_mode);
	case 'd': return S_ISDIR(st.st_mode);
	case 'f': return S_ISREG(st.st_mode);
	case 'g': return (st.st_mode & S_ISGID) != 0;
	case 'h':
	case 'L': return S_ISLNK(st.st_mode);
	case 'k': return (st.st_mode & S_ISVTX) != 0;
	case 'p': return S_ISFIFO(st.st_mode);
	case 's': return st.st_size > 0;
	case 'u': return (st.st_mode & S_ISUID) != 0;
	case 'G': return st.st_gid == getegid();
	case 'O': return st.st_uid == geteuid();
	case 'S': return S_ISSOCK(st.st_mode);
	default: return 1;
	}
}

static const char *const binary_ops[] = { "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt",
	"-ot", "-ef" };

static int binary_op(const char *op)
{
	size_t i;

	for (i = 0; i < sizeof(binary_ops) / sizeof(binary_ops[0]); i++)
		if (strcmp(op, binary_ops[i]) == 0)
			return (int)i;
	return -1;
}

static int newer(const char *a, const char *b)
{
	struct stat x, y;

	if (stat(a, &x) == -1)
		return 0;
	if (stat(b, &y) == -1)
		return 1;
	return x.st_mtime != y.st_mtime ? x.st_mtime > y.st_mtime : x.st_mtimespec.tv_nsec > y.st_mtimespec.tv_nsec;
}

static int binary(struct expr *e, const char *a, int op, const char *b)
{
	struct stat x, y;

	switch (op) {
	case 0:
	case 1: return strcmp(a, b) == 0;
	case 2: return strcmp(a, b) != 0;
	case 3: return strcmp(a, b) < 0;
	case 4: return strcmp(a, b) > 0;
	case 5: return number(e, a) == number(e, b);
	case 6: return number(e, a) != number(e, b);
	case 7: return number(e, a) < number(e, b);
	case 8: return number(e, a) <= number(e, b);
	case 9: return number(e, a) > number(e, b);
	case 10: return number(e, a) >= number(e, b);
	case 11: return newer(a, b);
	case 12: return newer(b, a);
	default: return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
	}
}

static int primary(struct expr *e)
{
	int left = e->n - e->at, v;
	char **a = e->v + e->at;

	if (left <= 0)
		return complain(e, "argument expected", NULL);
	if (left >= 3 && binary_op(a[1]) >= 0) {
		e->at += 3;
		return binary(e, a[0], binary_op(a[1]), a[2]);
	}
	if (strcmp(a[0], "!") == 0 && left > 1) {
		e->at++;
		return !primary(e);
	}
	if (strcmp(a[0], "(") == 0 && left > 1) {
		e->at++;
		v = either(e);
		if (e->at >= e->n || strcmp(e->v[e->at], ")") != 0)
			return complain(e, "closing paren expected", NULL);
		e->at++;
		return v;
	}
	if (is_unary(a[0]) && left >= 2) {
		e->at += 2;
		return unary(e, a[0][1], a[1]);
	}
	e->at++;
	return a[0][0] != '\0';
}

static int both(struct expr *e)
{
	int v = primary(e);

	while (e->at < e->n && strcmp(e->v[e->at], "-a") == 0) {
		e->at++;
		v &= primary(e);
	}
	return v;
}

static int either(struct expr *e)
{
	int v = both(e);

	while (e->at < e->n && strcmp(e->v[e->at], "-o") == 0) {
		e->at++;
		v |= both(e);
	}
	return v;
}

int main(int argc, char **argv)
{
	struct expr e = { argv + 1, argc - 1, 0, 0 };
	const char *name = strrchr(argv[0], '/');
	int v;

	if (strcmp(name != NULL ? name + 1 : argv[0], "[") == 0) {
		if (e.n == 0 || strcmp(e.v[e.n - 1], "]") != 0) {
			warnx("missing ]");
			return 2;
		}
		e.n--;
	}
	if (e.n == 0)
		return 1;
	if (e.n == 1)
		return e.v[0][0] == '\0';
	if (e.n == 2 && strcmp(e.v[0], "!") == 0)
		return e.v[1][0] != '\0';
	if (e.n == 4 && strcmp(e.v[0], "!") == 0 && binary_op(e.v[2]) >= 0)
		v = !binary(&e, e.v[1], binary_op(e.v[2]), e.v[3]), e.at = 4;
	else
		v = either(&e);
	if (e.at < e.n)
		complain(&e, "unexpected operator", e.v[e.at]);
	return e.bad ? 2 : !v;
}
