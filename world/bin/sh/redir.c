/* SPDX-License-Identifier: BSD-3-Clause */
/* Redirections. What they replace is kept above descriptor 10 until the command is done. */
#include <errno.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sh.h"

struct saved { int fd, copy; struct saved *next; }; /* copy -1: it was closed */

static void save(struct saved **list, int fd)
{
	struct saved *s;

	for (s = *list; s != NULL; s = s->next)
		if (s->fd == fd)
			return;
	s = xmalloc(sizeof(*s));
	s->fd = fd;
	s->copy = fcntl(fd, F_DUPFD, 10);
	if (s->copy != -1)
		fcntl(s->copy, F_SETFD, FD_CLOEXEC);
	s->next = *list;
	*list = s;
}

void redir_undo(struct saved *s)
{
	while (s != NULL) {
		struct saved *next = s->next;

		if (s->copy == -1)
			close(s->fd);
		else {
			dup2(s->copy, s->fd);
			close(s->copy);
		}
		free(s);
		s = next;
	}
}

/* exec without a command: the redirections stay. */
void redir_keep(struct saved *s)
{
	while (s != NULL) {
		struct saved *next = s->next;

		if (s->copy != -1)
			close(s->copy);
		free(s);
		s = next;
	}
}

/* A here-document goes into a pipe; one too large for it is fed by a child. */
static int here(const struct redir *r)
{
	const char *body = r->quoted ? r->body : expand_one(r->body, X_HEREDOC);
	size_t n = strlen(body), at = 0;
	int fd[2];

	if (pipe(fd) == -1)
		return -1;
	if (n <= 4096) {
		write(fd[1], body, n);
	} else if (fork() == 0) {
		close(fd[0]);
		while (at < n) {
			ssize_t w = write(fd[1], body + at, n - at);

			if (w <= 0)
				break;
			at += (size_t)w;
		}
		_exit(0);
	}
	close(fd[1]);
	return fd[0];
}

static int open_target(const struct redir *r, const char *name)
{
	struct stat st;

	switch (r->op) {
	case R_IN:
		return open(name, O_RDONLY);
	case R_OUT:
		if (opt('C') && stat(name, &st) == 0 && S_ISREG(st.st_mode)) {
			errno = EEXIST;
			return -1;
		}
		/* FALLTHROUGH */
	case R_CLOBBER:
		return open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	case R_APPEND:
		return open(name, O_WRONLY | O_CREAT | O_APPEND, 0666);
	default:
		return open(name, O_RDWR | O_CREAT, 0666);
	}
}

static int dup_number(const char *s)
{
	const char *p;

	for (p = s; isdigit((unsigned char)*p); p++)
		;
	return *p == '\0' && p > s ? atoi(s) : -1;
}

int redirect(struct redir *r, struct saved **saved)
{
	if (r == NULL)
		return 0;
	fflush(stdout);
	for (; r != NULL; r = r->next) {
		const char *name = r->op == R_HERE ? NULL : expand_one(r->word, 0);
		int fd;

		if (r->op == R_DUPIN || r->op == R_DUPOUT) {
			if (saved != NULL)
				save(saved, r->fd);
			if (strcmp(name, "-") == 0) {
				close(r->fd);
				continue;
			}
			fd = dup_number(name);
			if (fd == -1 || (fd != r->fd && dup2(fd, r->fd) == -1) || fcntl(r->fd, F_GETFD) == -1) {
				sh_warn("%s: %s", name, strerror(EBADF));
				return -1;
			}
			continue;
		}
		fd = r->op == R_HERE ? here(r) : open_target(r, name);
		if (fd == -1) {
			sh_warn("%s%s: %s", r->op == R_IN || r->op == R_HERE ? "cannot open " : "cannot create ",
			    r->op == R_HERE ? "here-document" : name, strerror(errno));
			return -1;
		}
		if (saved != NULL && fd != r->fd)
			save(saved, r->fd);
		else if (saved != NULL) {
			struct saved *s = xmalloc(sizeof(*s));

			*s = (struct saved){ r->fd, -1, *saved };
			*saved = s;
		}
		if (fd != r->fd) {
			dup2(fd, r->fd);
			close(fd);
		}
	}
	return 0;
}
