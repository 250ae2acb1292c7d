/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * find [-HLxdX] [path ...] [expression]: -name -iname -path -type -size -newer -mtime -mmin -user -group -perm -links
 * -inum -empty -maxdepth -mindepth -prune -print -print0 -ls -delete -exec ... {} ; (or +) with ! ( ) -a -o.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>
#include <walk.h>

struct node {
	int (*eval)(struct node *, struct walk *);
	struct node *a, *b;
	const char *text;
	long long number;
	int sign;        /* of a number: -1 less, 1 more, 0 exactly */
	char **argv;     /* -exec */
	char **batch;    /* -exec +: collected names */
	size_t nbatch;
	struct node *next_batch;
};

static char **args;
static struct node *expression, *batches;
static int min_depth, max_depth = -1, depth_first, acts, failed, pruned;
static time_t now;

static struct node *either(void);

static struct node *mk(int (*eval)(struct node *, struct walk *))
{
	struct node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		err(1, "malloc");
	n->eval = eval;
	return n;
}

static int e_and(struct node *n, struct walk *w) { return n->a->eval(n->a, w) && n->b->eval(n->b, w); }
static int e_or(struct node *n, struct walk *w) { return n->a->eval(n->a, w) || n->b->eval(n->b, w); }
static int e_not(struct node *n, struct walk *w) { return !n->a->eval(n->a, w); }
static int e_true(struct node *n, struct walk *w) { (void)n; (void)w; return 1; }
static int e_name(struct node *n, struct walk *w) { return fnmatch(n->text, w->name, n->sign) == 0; }
static int e_path(struct node *n, struct walk *w) { return fnmatch(n->text, w->path, 0) == 0; }
static int e_type(struct node *n, struct walk *w) { return (w->st->st_mode & S_IFMT) == n->number; }

static int compare(const struct node *n, long long v)
{
	return n->sign < 0 ? v < n->number : n->sign > 0 ? v > n->number : v == n->number;
}

static int e_size(struct node *n, struct walk *w)
{
	return compare(n, n->text[0] == 'c' ? w->st->st_size : (w->st->st_size + 511) / 512);
}
static int e_links(struct node *n, struct walk *w) { return compare(n, w->st->st_nlink); }
static int e_inum(struct node *n, struct walk *w) { return compare(n, (long long)w->st->st_ino); }
static int e_mtime(struct node *n, struct walk *w) { return compare(n, (now - w->st->st_mtime) / 86400); }
static int e_mmin(struct node *n, struct walk *w) { return compare(n, (now - w->st->st_mtime + 59) / 60); }
static int e_newer(struct node *n, struct walk *w)
{
	return w->st->st_mtimespec.tv_sec * 1000000000LL + w->st->st_mtimespec.tv_nsec > n->number;
}
static int e_user(struct node *n, struct walk *w) { return w->st->st_uid == n->number; }
static int e_group(struct node *n, struct walk *w) { return w->st->st_gid == n->number; }

static int e_perm(struct node *n, struct walk *w)
{
	long long bits = w->st->st_mode & ALLPERMS;

	return n->sign < 0 ? (bits & n->number) == n->number : bits == n->number;
}

static int e_empty(struct node *n, struct walk *w)
{
	struct dirent *de;
	DIR *d;
	int empty = 1;

	(void)n;
	if (S_ISREG(w->st->st_mode))
		return w->st->st_size == 0;
	if (!S_ISDIR(w->st->st_mode) || (d = opendir(w->path)) == NULL)
		return 0;
	while (empty && (de = readdir(d)) != NULL)
		empty = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0;
	closedir(d);
	return empty;
}

static int e_prune(struct node *n, struct walk *w) { (void)n; (void)w; return pruned = 1; }
static int e_print(struct node *n, struct walk *w) { (void)n; puts(w->path); return 1; }

static int e_print0(struct node *n, struct walk *w)
{
	(void)n;
	fputs(w->path, stdout);
	putchar('\0');
	return 1;
}

static int e_ls(struct node *n, struct walk *w)
{
	char mode[12], when[32];
	time_t t = w->st->st_mtime;

	(void)n;
	strmode(w->st->st_mode, mode);
	strftime(when, sizeof(when), "%b %e %H:%M", localtime(&t));
	printf("%8lld %4lld %s %3u %-8s %-8s %10lld %s %s\n", (long long)w->st->st_ino, (long long)w->st->st_blocks, mode,
	    w->st->st_nlink, user_from_uid(w->st->st_uid), group_from_gid(w->st->st_gid), (long long)w->st->st_size, when, w->path);
	return 1;
}

static int e_delete(struct node *n, struct walk *w)
{
	(void)n;
	if (w->level == 0 && strcmp(w->path, ".") == 0)
		return 1;
	if ((S_ISDIR(w->st->st_mode) ? rmdir(w->path) : unlink(w->path)) == 0)
		return 1;
	warn("%s", w->path);
	failed = 1;
	return 0;
}

static int run(char **argv)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == -1)
		err(1, "fork");
	if (pid == 0) {
		execvp(argv[0], argv);
		warn("%s", argv[0]);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return status == 0;
}

/* The text with each "{}" replaced by the path. */
static char *substitute(const char *s, const char *path)
{
	char *out = malloc(strlen(s) * (strlen(path) + 1) + 1), *o = out;

	if (out == NULL)
		err(1, "malloc");
	while (*s != '\0') {
		if (s[0] == '{' && s[1] == '}') {
			strcpy(o, path);
			o += strlen(path);
			s += 2;
		} else
			*o++ = *s++;
	}
	*o = '\0';
	return out;
}

static int e_exec(struct node *n, struct walk *w)
{
	char *argv[64];
	int i, ok;

	for (i = 0; n->argv[i] != NULL && i < 63; i++)
		argv[i] = substitute(n->argv[i], w->path);
	argv[i] = NULL;
	ok = run(argv);
	while (i-- > 0)
		free(argv[i]);
	return ok;
}

#define BATCH 500

static void flush_batch(struct node *n)
{
	char **argv;
	size_t i, fixed = 0;

	if (n->nbatch == 0)
		return;
	while (n->argv[fixed] != NULL)
		fixed++;
	argv = malloc((fixed + n->nbatch + 1) * sizeof(char *));
	if (argv == NULL)
		err(1, "malloc");
	memcpy(argv, n->argv, fixed * sizeof(char *));
	memcpy(argv + fixed, n->batch, n->nbatch * sizeof(char *));
	argv[fixed + n->nbatch] = NULL;
	if (!run(argv))
		failed = 1;
	for (i = 0; i < n->nbatch; i++)
		free(n->batch[i]);
	n->nbatch = 0;
	free(argv);
}

static int e_batch(struct node *n, struct walk *w)
{
	n->batch[n->nbatch++] = strdup(w->path);
	if (n->nbatch == BATCH)
		flush_batch(n);
	return 1;
}

/* --- parsing --- */

static const char *operand(const char *option)
{
	if (*args == NULL)
		errx(1, "%s: requires an argument", option);
	return *args++;
}

static void set_number(struct node *n, const char *s)
{
	char *end;

	n->sign = *s == '+' ? 1 : *s == '-' ? -1 : 0;
	n->number = strtoll(s + (n->sign != 0), &end, 10);
	n->text = end;
}

static struct node *numeric(int (*eval)(struct node *, struct walk *), const char *option)
{
	struct node *n = mk(eval);

	set_number(n, operand(option));
	return n;
}

static struct node *text(int (*eval)(struct node *, struct walk *), const char *option)
{
	struct node *n = mk(eval);

	n->text = operand(option);
	return n;
}

static struct node *size(const char *option)
{
	struct node *n = numeric(e_size, option);
	const char *unit = n->text;

	if (*unit == 'k' || *unit == 'M' || *unit == 'G') {
		n->number <<= *unit == 'k' ? 10 : *unit == 'M' ? 20 : 30;
		n->text = "c";
	}
	return n;
}

static struct node *type(const char *option)
{
	static const char letters[] = "bcdflps";
	static const int modes[] = { S_IFBLK, S_IFCHR, S_IFDIR, S_IFREG, S_IFLNK, S_IFIFO, S_IFSOCK };
	struct node *n = text(e_type, option);
	const char *hit = strchr(letters, n->text[0]);

	if (n->text[0] == '\0' || hit == NULL)
		errx(1, "-type: %s: unknown type", n->text);
	n->number = modes[hit - letters];
	return n;
}

static struct node *owner(const char *option, int is_group)
{
	struct node *n = text(is_group ? e_group : e_user, option);
	struct passwd *pw = is_group ? NULL : getpwnam(n->text);
	struct group *gr = is_group ? getgrnam(n->text) : NULL;
	char *end;

	n->number = strtoll(n->text, &end, 10);
	if (pw != NULL)
		n->number = pw->pw_uid;
	else if (gr != NULL)
		n->number = gr->gr_gid;
	else if (*end != '\0')
		errx(1, "%s: %s: no such %s", option, n->text, is_group ? "group" : "user");
	return n;
}

static struct node *perm(const char *option)
{
	struct node *n = text(e_perm, option);
	const char *s = n->text;
	void *program;

	if (*s == '-') {
		n->sign = -1;
		s++;
	}
	program = setmode(s);
	if (program == NULL)
		errx(1, "-perm: %s: illegal mode string", s);
	n->number = getmode(program, 0);
	free(program);
	return n;
}

static struct node *newer(const char *option)
{
	struct node *n = text(e_newer, option);
	struct stat st;

	if (stat(n->text, &st) == -1)
		err(1, "%s", n->text);
	n->number = st.st_mtimespec.tv_sec * 1000000000LL + st.st_mtimespec.tv_nsec;
	return n;
}

static struct node *exec(const char *option)
{
	struct node *n = mk(e_exec);

	acts = 1;
	n->argv = args;
	for (; *args != NULL && strcmp(*args, ";") != 0; args++)
		if (strcmp(*args, "+") == 0 && args > n->argv && strcmp(args[-1], "{}") == 0) {
			n->eval = e_batch;
			args[-1] = NULL;
			n->batch = malloc(BATCH * sizeof(char *));
			n->next_batch = batches;
			batches = n;
			args++;
			return n;
		}
	if (*args == NULL)
		errx(1, "%s: no terminating \";\"", option);
	*args++ = NULL;
	return n;
}

static struct node *action(int (*eval)(struct node *, struct walk *))
{
	acts = 1;
	return mk(eval);
}

static struct node *primary(void)
{
	const char *s = operand("expression");
	struct node *n;

	if (strcmp(s, "!") == 0 || strcmp(s, "-not") == 0) {
		n = mk(e_not);
		n->a = primary();
		return n;
	}
	if (strcmp(s, "(") == 0) {
		n = either();
		if (*args == NULL || strcmp(*args++, ")") != 0)
			errx(1, "(: missing closing ')'");
		return n;
	}
	if (strcmp(s, "-name") == 0)
		return text(e_name, s);
	if (strcmp(s, "-iname") == 0) {
		n = text(e_name, s);
		n->sign = FNM_CASEFOLD;
		return n;
	}
	if (strcmp(s, "-path") == 0)
		return text(e_path, s);
	if (strcmp(s, "-type") == 0)
		return type(s);
	if (strcmp(s, "-size") == 0)
		return size(s);
	if (strcmp(s, "-links") == 0)
		return numeric(e_links, s);
	if (strcmp(s, "-inum") == 0)
		return numeric(e_inum, s);
	if (strcmp(s, "-mtime") == 0)
		return numeric(e_mtime, s);
	if (strcmp(s, "-mmin") == 0)
		return numeric(e_mmin, s);
	if (strcmp(s, "-newer") == 0)
		return newer(s);
	if (strcmp(s, "-user") == 0 || strcmp(s, "-group") == 0)
		return owner(s, s[1] == 'g');
	if (strcmp(s, "-perm") == 0)
		return perm(s);
	if (strcmp(s, "-empty") == 0)
		return mk(e_empty);
	if (strcmp(s, "-true") == 0)
		return mk(e_true);
	if (strcmp(s, "-prune") == 0)
		return mk(e_prune);
	if (strcmp(s, "-print") == 0)
		return action(e_print);
	if (strcmp(s, "-print0") == 0)
		return action(e_print0);
	if (strcmp(s, "-ls") == 0)
		return action(e_ls);
	if (strcmp(s, "-delete") == 0) {
		depth_first = 1;
		return action(e_delete);
	}
	if (strcmp(s, "-exec") == 0)
		return exec(s);
	if (strcmp(s, "-depth") == 0) {
		depth_first = 1;
		return mk(e_true);
	}
	if (strcmp(s, "-maxdepth") == 0 || strcmp(s, "-mindepth") == 0) {
		int v = atoi(operand(s));

		if (s[2] == 'a')
			max_depth = v;
		else
			min_depth = v;
		return mk(e_true);
	}
	errx(1, "%s: unknown option", s);
}

static struct node *both(void)
{
	struct node *n = primary();

	while (*args != NULL && strcmp(*args, "-o") != 0 && strcmp(*args, ")") != 0) {
		struct node *m = mk(e_and);

		if (strcmp(*args, "-a") == 0)
			args++;
		m->a = n;
		m->b = primary();
		n = m;
	}
	return n;
}

static struct node *either(void)
{
	struct node *n = both();

	while (*args != NULL && strcmp(*args, "-o") == 0) {
		struct node *m = mk(e_or);

		args++;
		m->a = n;
		m->b = both();
		n = m;
	}
	return n;
}

static int visit(struct walk *w)
{
	if (w->kind == WALK_ERR) {
		warnc(w->error, "%s", w->path);
		failed = 1;
		return WALK_GO;
	}
	if (w->kind == (depth_first ? WALK_DIR : WALK_DIREND))
		return WALK_GO;
	pruned = 0;
	if (w->level >= min_depth && (max_depth < 0 || w->level <= max_depth))
		expression->eval(expression, w);
	if (w->kind == WALK_DIR && (pruned || (max_depth >= 0 && w->level >= max_depth)))
		return WALK_SKIP;
	return WALK_GO;
}

int main(int argc, char **argv)
{
	int flags = WALK_SORT, i, npaths;
	struct node *n;
	char **paths;

	/* By hand, since the expression starts with '-' too. */
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strspn(argv[i] + 1, "HLPdxX") == strlen(argv[i] + 1);
	    i++) {
		depth_first |= strchr(argv[i], 'd') != NULL;
		flags |= strchr(argv[i], 'H') != NULL ? WALK_ROOTLINK : 0;
		flags |= strchr(argv[i], 'L') != NULL ? WALK_LOGICAL : 0;
		flags |= strchr(argv[i], 'x') != NULL ? WALK_XDEV : 0;
	}
	now = time(NULL);
	paths = argv + i;
	for (npaths = 0; paths[npaths] != NULL && paths[npaths][0] != '-' && strcmp(paths[npaths], "!") != 0 &&
	    strcmp(paths[npaths], "(") != 0; npaths++)
		;
	args = paths + npaths;
	expression = *args != NULL ? either() : mk(e_true);
	if (*args != NULL)
		errx(1, "%s: unexpected", *args);
	if (!acts) {
		n = mk(e_and);
		n->a = expression;
		n->b = mk(e_print);
		expression = n;
	}
	for (i = 0; i < npaths; i++)
		walk(paths[i], flags, visit, NULL);
	if (npaths == 0)
		walk(".", flags, visit, NULL);
	for (n = batches; n != NULL; n = n->next_batch)
		flush_batch(n);
	return failed;
}
