/* SPDX-License-Identifier: BSD-3-Clause */
/* chown [-fhRv] owner[:group] file ..., chown :group file ..., chgrp [-fhRv] group file ... */
#include <ctype.h>
#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <walk.h>

static uid_t uid = (uid_t)-1;
static gid_t gid = (gid_t)-1;
static int recursive, quiet, verbose, links, failed;

static unsigned number(const char *what, const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (!isdigit((unsigned char)*s) || *end != '\0')
		errx(1, "%s: illegal %s name", s, what);
	return (unsigned)v;
}

static void set_group(const char *s)
{
	struct group *gr;

	if (*s != '\0')
		gid = (gr = getgrnam(s)) != NULL ? gr->gr_gid : number("group", s);
}

static void set_owner(const char *s)
{
	struct passwd *pw;

	if (*s != '\0')
		uid = (pw = getpwnam(s)) != NULL ? pw->pw_uid : number("user", s);
}

static int visit(struct walk *w)
{
	if (w->kind == WALK_ERR) {
		if (!quiet)
			warnc(w->error, "%s", w->path);
		failed = 1;
		return WALK_GO;
	}
	if (w->kind == WALK_DIREND)
		return WALK_GO;
	if ((links || w->level > 0 ? lchown(w->path, uid, gid) : chown(w->path, uid, gid)) == -1) {
		if (!quiet) {
			warn("%s", w->path);
			failed = 1;
		}
	} else if (verbose)
		puts(w->path);
	return recursive ? WALK_GO : WALK_SKIP;
}

int main(int argc, char **argv)
{
	int c, chgrp = strcmp(getprogname(), "chgrp") == 0;
	char *colon;

	while ((c = getopt(argc, argv, "fhHLPRv")) != -1)
		switch (c) {
		case 'f': quiet = 1; break;
		case 'h': links = 1; break;
		case 'R': recursive = 1; break;
		case 'v': verbose = 1; break;
		case 'H':
		case 'L':
		case 'P': break;
		default: argc = 0;
		}
	argc -= optind;
	argv += optind;
	if (argc < 2) {
		fprintf(stderr, "usage: %s [-fhRv] %s file ...\n", getprogname(), chgrp ? "group" : "owner[:group]");
		return 1;
	}
	if (chgrp)
		set_group(*argv);
	else {
		colon = strchr(*argv, ':');
		if (colon != NULL) {
			*colon = '\0';
			set_group(colon + 1);
		}
		set_owner(*argv);
	}
	while (*++argv != NULL)
		walk(*argv, links ? 0 : WALK_ROOTLINK, visit, NULL);
	return failed;
}
