/* SPDX-License-Identifier: BSD-3-Clause */
/* chmod [-fhRv] mode file ... */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <walk.h>

static void *program;
static int recursive, quiet, verbose, links, failed;

static int visit(struct walk *w)
{
	mode_t mode;

	if (w->kind == WALK_ERR) {
		if (!quiet)
			warnc(w->error, "%s", w->path);
		failed = 1;
		return WALK_GO;
	}
	if (w->kind == WALK_DIREND || (S_ISLNK(w->st->st_mode) && !links && w->level > 0))
		return WALK_GO;
	mode = getmode(program, w->st->st_mode) & ALLPERMS;
	if ((S_ISLNK(w->st->st_mode) && links ? lchmod(w->path, mode) : chmod(w->path, mode)) == -1) {
		if (!quiet)
			warn("%s", w->path);
		failed = 1;
	} else if (verbose)
		puts(w->path);
	return recursive ? WALK_GO : WALK_SKIP;
}

int main(int argc, char **argv)
{
	int i;

	/* Options by hand: a mode may start with '-'. */
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strspn(argv[i] + 1, "fhRv") == strlen(argv[i] + 1);
	    i++) {
		recursive |= strchr(argv[i], 'R') != NULL;
		quiet |= strchr(argv[i], 'f') != NULL;
		verbose |= strchr(argv[i], 'v') != NULL;
		links |= strchr(argv[i], 'h') != NULL;
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (argc - i < 2) {
		fprintf(stderr, "usage: chmod [-fhRv] mode file ...\n");
		return 1;
	}
	program = setmode(argv[i]);
	if (program == NULL)
		errx(1, "invalid file mode: %s", argv[i]);
	for (i++; i < argc; i++)
		walk(argv[i], links ? 0 : WALK_ROOTLINK, visit, NULL);
	return failed;
}
