/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs trees: pipelines, lists, loops, functions, simple commands. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sh.h"

int last_status, subst_status, sh_pid;
pid_t last_bg;
enum skip skipping;
int skip_count, loop_depth, func_depth, dot_depth;

static int run_simple(struct node *, int flags);

void sh_exit(int status)
{
	last_status = status;
	trap_exit();
	fflush(NULL);
	_exit(last_status & 0xff);
}

/*
 * A child of the shell: it owns no jobs, its traps are gone, and it never returns to the loops it was forked in,
 * so there is no handler to unwind to: sh_raise() ends it.
 */
void subshell_init(int background)
{
	jobs_forget();
	traps_subshell();
	if (background && !job_control) {
		int fd = open("/dev/null", O_RDONLY);

		if (fd > 0) {
			dup2(fd, 0);
			close(fd);
		}
	}
	job_control = 0;
	opt('i') = 0;
	handler = NULL;
}

/* Looks along PATH, or takes a name with a slash as it is. 0, or the errno that explains why not. */
int find_program(const char *name, char *path, size_t size)
{
	const char *dir = var_get("PATH");
	int why = ENOENT;
	struct stat st;

	if (strchr(name, '/') != NULL) {
		strlcpy(path, name, size);
		return 0;
	}
	while (dir != NULL && *dir != '\0') {
		int len = (int)(strchrnul(dir, ':') - dir);

		snprintf(path, size, "%.*s%s%s", len, dir, len > 0 ? "/" : "", name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(path, X_OK) == 0)
				return 0;
			why = EACCES;
		}
		dir += len + (dir[len] == ':');
	}
	return why;
}

void exec_program(char **argv, char **env)
{
	char path[MAXPATHLEN];
	int why = find_program(argv[0], path, sizeof(path));

	if (why == 0) {
		environ = env;
		execve(path, argv, env);
		why = errno;
		if (why == ENOEXEC) {
			char **again = xmalloc(sizeof(char *) * 3);
			int n = 0;

			while (argv[n] != NULL)
				n++;
			again = xrealloc(again, sizeof(char *) * (size_t)(n + 3));
			again[0] = (char *)"sh";
			again[1] = path;
			memcpy(again + 2, argv + 1, sizeof(char *) * (size_t)n);
			execve("/bin/sh", again, env);
		}
	}
	sh_warn("%s: %s", argv[0], why == ENOENT && strchr(argv[0], '/') == NULL ? "not found" : strerror(why));
	_exit(why == ENOENT ? 127 : 126);
}

static void trace(struct words *assigns, struct words *w)
{
	fputs(var_get("PS4") != NULL ? var_get("PS4") : "", stderr);
	for (; assigns != NULL; assigns = assigns->next)
		fprintf(stderr, "%s%s", assigns->text, assigns->next != NULL || w != NULL ? " " : "");
	for (; w != NULL; w = w->next)
		fprintf(stderr, "%s%s", w->text, w->next != NULL ? " " : "");
	fputc('\n', stderr);
}

/* NAME=value words with their values expanded. */
static struct words *expand_assigns(struct words *a)
{
	struct words *out = NULL, **tail = &out;

	for (; a != NULL; a = a->next) {
		size_t eq = strcspn(a->text, "=") + 1;
		char *value = expand_one(a->text + eq, X_ASSIGN);
		struct words *w = arena_alloc(scratch, sizeof(*w));

		w->text = arena_alloc(scratch, eq + strlen(value) + 1);
		memcpy(w->text, a->text, eq);
		strcpy(w->text + eq, value);
		*tail = w;
		tail = &w->next;
	}
	return out;
}

static char **vector(struct words *w, int *argc)
{
	struct words *p;
	char **argv;
	int n = 0;

	for (p = w; p != NULL; p = p->next)
		n++;
	argv = arena_alloc(scratch, (size_t)(n + 1) * sizeof(char *));
	*argc = n;
	for (n = 0; w != NULL; w = w->next)
		argv[n++] = w->text;
	return argv;
}

static int call_function(struct func *f, int argc, struct words *w)
{
	struct params outer = params;
	int status = 0, loops = loop_depth, i;

	if (func_depth >= 500)
		sh_error("%s: functions nested too deeply", f->name);
	params_set(&params, argc - 1, w->next);
	local_push();
	f->running++;
	func_depth++;
	loop_depth = 0;
	{
		jmp_buf here, *above = handler;
		int raised = setjmp(here);

		if (raised == 0) {
			handler = &here;
			status = run_node(f->body, 0);
		}
		handler = above;
		loop_depth = loops;
		func_depth--;
		f->running--;
		local_pop();
		for (i = 0; i < params.n; i++)
			free(params.v[i]);
		free(params.v);
		params = outer;
		if (raised != 0)
			sh_raise(raised);
	}
	if (skipping == SKIP_RETURN) {
		skipping = SKIP_NONE;
		status = last_status;
	}
	return status;
}

/* Variables set for the length of one command: remembered, changed, put back. */
static void assign_all(struct words *a, int flags)
{
	for (; a != NULL; a = a->next)
		var_assign(a->text, flags);
}

/* A builtin or function with its assignments and redirections around it. */
static int run_inside(struct node *n, struct words *assigns, struct words *w, const struct builtin *b,
    struct func *f)
{
	struct saved *saved = NULL;
	int argc, status, keep = b != NULL && b->special, temporary = assigns != NULL && !keep;
	char **argv = vector(w, &argc);
	jmp_buf here, *above = handler;
	int raised;

	if (redirect(n->redirs, &saved) == -1) {
		redir_undo(saved);
		if (keep && !opt('i')) {
			last_status = 2;
			sh_raise(RAISE_ERROR);
		}
		return 1;
	}
	if (temporary) {
		struct words *a;

		local_push();
		for (a = assigns; a != NULL; a = a->next) {
			a->text[strcspn(a->text, "=")] = '\0';
			local_make(a->text);
			a->text[strlen(a->text)] = '=';
		}
	}
	status = 2;
	raised = setjmp(here);
	if (raised == 0) {
		handler = &here;
		assign_all(assigns, keep ? 0 : V_EXPORT);
		if (f != NULL)
			status = call_function(f, argc, w);
		else {
			setprogname(argv[0]);
			status = b->run(argc, argv);
			if (fflush(stdout) == EOF || ferror(stdout)) {
				if (errno != EPIPE)
					sh_warn("%s: write error: %s", argv[0], strerror(errno));
				clearerr(stdout);
				status = 1;
			}
		}
	}
	handler = above;
	if (temporary)
		local_pop();
	if (b != NULL && strcmp(b->name, "exec") == 0 && raised == 0)
		redir_keep(saved);
	else
		redir_undo(saved);
	if (raised != 0)
		sh_raise(raised);
	return status;
}

static int run_simple(struct node *n, int flags)
{
	struct words *w = expand_words(n->words), *assigns;
	const struct builtin *b;
	struct func *f;
	struct job *job;

	if (w == NULL) {
		struct saved *saved = NULL;
		int bad;

		struct words one, *a;

		subst_status = 0;
		/* One after the other: a later value may use an earlier variable. */
		for (a = n->assigns; a != NULL; a = a->next) {
			one = (struct words){ a->text, NULL };
			assigns = expand_assigns(&one);
			if (opt('x'))
				trace(assigns, NULL);
			assign_all(assigns, 0);
		}
		bad = redirect(n->redirs, &saved) == -1;
		redir_undo(saved);
		return bad ? 1 : subst_status; /* of a command substitution in an assignment */
	}
	assigns = expand_assigns(n->assigns);
	if (opt('x'))
		trace(assigns, w);
	b = builtin_find(w->text);
	f = b != NULL && b->special ? NULL : func_find(w->text);
	if (f != NULL)
		return run_inside(n, assigns, w, NULL, f);
	if (b != NULL)
		return run_inside(n, assigns, w, b, NULL);
	if (!(flags & EX_EXIT) || traps_any()) {
		job = job_new(n, 0);
		if (job_fork(job, FOREGROUND) != 0)
			return job_wait(job);
		subshell_init(0);
	} else
		traps_subshell();
	{
		int argc;
		char **argv = vector(w, &argc);

		if (redirect(n->redirs, NULL) == -1)
			_exit(1);
		fflush(NULL);
		exec_program(argv, var_environ(assigns));
	}
}

static int run_pipeline(struct node *n)
{
	struct job *job = job_new(n, 0);
	int in = -1, fd[2];
	struct node *c;

	for (c = n->a; c != NULL; c = c->next) {
		fd[0] = fd[1] = -1;
		if (c->next != NULL && pipe(fd) == -1)
			sh_error("pipe: %s", strerror(errno));
		if (job_fork(job, FOREGROUND) == 0) {
			subshell_init(0);
			if (in != -1) {
				dup2(in, 0);
				close(in);
			}
			if (fd[1] != -1) {
				close(fd[0]);
				if (fd[1] != 1) {
					dup2(fd[1], 1);
					close(fd[1]);
				}
			}
			sh_exit(run_node(c, EX_EXIT));
		}
		if (in != -1)
			close(in);
		if (fd[1] != -1)
			close(fd[1]);
		in = fd[0];
	}
	return job_wait(job);
}

static int run_background(struct node *n)
{
	struct job *job = job_new(n->a, 1);
	pid_t pid = job_fork(job, BACKGROUND);

	if (pid == 0) {
		subshell_init(1);
		sh_exit(run_node(n->a, EX_EXIT));
	}
	last_bg = pid;
	return 0;
}

static int run_subshell(struct node *n, int flags)
{
	struct job *job;

	if (!(flags & EX_EXIT) || traps_any()) {
		job = job_new(n, 0);
		if (job_fork(job, FOREGROUND) != 0)
			return job_wait(job);
		subshell_init(0);
	}
	if (redirect(n->redirs, NULL) == -1)
		sh_exit(1);
	sh_exit(run_node(n->a, EX_EXIT));
}

/* True when a loop has to stop; a `break` or `continue` that means this loop is used up. */
static int loop_ends(void)
{
	check_interrupt();
	if (skipping == SKIP_NONE)
		return 0;
	if (skipping == SKIP_RETURN)
		return 1;
	if (--skip_count > 0)
		return 1;
	if (skipping == SKIP_CONTINUE) {
		skipping = SKIP_NONE;
		return 0;
	}
	skipping = SKIP_NONE;
	return 1;
}

static int run_while(struct node *n)
{
	int status = 0;

	loop_depth++;
	for (;;) {
		int cond = run_node(n->a, EX_TESTED);

		if (skipping != SKIP_NONE) {
			if (loop_ends())
				break;
			continue;
		}
		if ((cond == 0) != (n->type == N_WHILE))
			break;
		status = run_node(n->b, 0);
		if (loop_ends())
			break;
	}
	loop_depth--;
	return status;
}

static int run_for(struct node *n)
{
	struct arena *outer = scratch;
	struct words *w;
	int status = 0;

	scratch = arena_new(); /* the list outlives the commands of the body */
	loop_depth++;
	for (w = expand_words(n->words); w != NULL; w = w->next) {
		struct arena *list = scratch;

		var_set(n->name, w->text, 0);
		scratch = outer;
		status = run_node(n->a, 0);
		scratch = list;
		if (loop_ends())
			break;
	}
	loop_depth--;
	arena_free(scratch);
	scratch = outer;
	return status;
}

static int run_case(struct node *n, int flags)
{
	const char *value = expand_one(n->name, 0);
	struct arm *arm;
	struct words *p;

	for (arm = n->arms; arm != NULL; arm = arm->next)
		for (p = arm->patterns; p != NULL; p = p->next)
			if (fnmatch(expand_one(p->text, X_PATTERN), value, 0) == 0) {
				int status = 0;

				do
					status = arm->body != NULL ? run_node(arm->body, flags & EX_TESTED) : 0;
				while (skipping == SKIP_NONE && arm->fall && (arm = arm->next) != NULL);
				return status;
			}
	return 0;
}

static int run_compound(struct node *n, int flags)
{
	int status;

	switch (n->type) {
	case N_GROUP:
		return run_node(n->a, n->redirs != NULL ? flags & ~EX_EXIT : flags);
	case N_IF:
		status = run_node(n->a, EX_TESTED);
		if (skipping != SKIP_NONE)
			return status;
		if (status == 0)
			return run_node(n->b, flags);
		return n->c != NULL ? run_node(n->c, flags) : 0;
	case N_WHILE:
	case N_UNTIL:
		return run_while(n);
	case N_FOR:
		return run_for(n);
	default:
		return run_case(n, flags);
	}
}

/* A compound command with redirections runs inside them, whichever way it is left. */
static int run_redirected(struct node *n, int flags)
{
	struct saved *saved = NULL;
	jmp_buf here, *above = handler;
	int raised, status = 1;

	if (n->redirs == NULL)
		return run_compound(n, flags);
	if (redirect(n->redirs, &saved) == -1) {
		redir_undo(saved);
		return 1;
	}
	raised = setjmp(here);
	if (raised == 0) {
		handler = &here;
		status = run_compound(n, flags & ~EX_EXIT);
		fflush(stdout);
	}
	handler = above;
	redir_undo(saved);
	if (raised != 0)
		sh_raise(raised);
	return status;
}

int run_node(struct node *n, int flags)
{
	struct arena *outer = scratch;
	int status = 0, simple = 0;

	if (n == NULL || skipping != SKIP_NONE)
		return last_status;
	check_interrupt();
	if (signal_pending)
		traps_run();
	if (opt('n'))
		return 0;
	switch (n->type) {
	case N_SEQ:
		run_node(n->a, flags & EX_TESTED);
		return skipping != SKIP_NONE ? last_status : run_node(n->b, flags);
	case N_AND:
	case N_OR:
		status = run_node(n->a, EX_TESTED);
		if (skipping != SKIP_NONE || (status == 0) != (n->type == N_AND))
			return status;
		return run_node(n->b, flags);
	case N_NOT:
		status = run_node(n->a, EX_TESTED);
		if (skipping == SKIP_NONE)
			status = !status;
		return last_status = status;
	case N_BG:
		status = run_background(n);
		break;
	case N_PIPE:
		status = run_pipeline(n);
		simple = 1;
		break;
	case N_SUBSHELL:
		status = run_subshell(n, flags);
		simple = 1;
		break;
	case N_FUNC:
		func_define(n);
		break;
	case N_CMD:
		scratch = arena_new();
		{
			jmp_buf here, *above = handler;
			int raised = setjmp(here);

			if (raised == 0) {
				handler = &here;
				status = run_simple(n, flags);
			}
			handler = above;
			arena_free(scratch);
			scratch = outer;
			if (raised != 0)
				sh_raise(raised);
		}
		simple = 1;
		break;
	default:
		status = run_redirected(n, flags);
	}
	if (skipping == SKIP_NONE || n->type == N_CMD)
		last_status = status;
	if (simple && status != 0 && opt('e') && !(flags & EX_TESTED) && skipping == SKIP_NONE)
		sh_exit(status);
	return last_status;
}

/* --- whole inputs --- */

/* Runs commands of the input on top until it ends. */
int run_input(int interactive)
{
	int status = 0, eof;

	for (;;) {
		struct arena *arena = arena_new(), *old = scratch;
		struct node *n;
		jmp_buf here, *above = handler;
		int raised;

		prompt_level = 1;
		if (interactive)
			jobs_notify(0);
		scratch = arena_new();
		raised = setjmp(here);
		if (raised == 0) {
			handler = &here;
			if (signal_pending)
				traps_run();
			n = parse_command(arena, &eof);
			if (n != NULL)
				status = run_node(n, 0);
		}
		handler = above;
		arena_free(scratch);
		scratch = old;
		arena_free(arena);
		if (raised != 0 && !interactive)
			sh_raise(raised);
		if (raised != 0) {
			in_drop_line();
			skipping = SKIP_NONE;
			loop_depth = func_depth = 0;
			status = last_status = raised == RAISE_INTERRUPT ? 130 : last_status != 0 ? last_status : 2;
			eof = 0;
			if (raised == RAISE_INTERRUPT)
				write(2, "\n", 1);
			continue;
		}
		if (eof)
			return status;
		if (skipping != SKIP_NONE)
			return last_status;
	}
}

static int run_pushed(struct input *in)
{
	jmp_buf here, *above = handler;
	struct lexer outer = lex;
	int raised, status = 0;

	input_push(in);
	last_status = 0;
	raised = setjmp(here);
	if (raised == 0) {
		handler = &here;
		status = run_input(0);
	}
	handler = above;
	in_drop_line();
	input_pop();
	lex = outer;
	if (raised != 0)
		sh_raise(raised);
	return status;
}

int run_string(const char *text)
{
	return run_pushed(input_string(text));
}

int run_file(const char *path)
{
	int fd = open(path, O_RDONLY), high;

	if (fd == -1)
		return -1;
	high = fcntl(fd, F_DUPFD, 10);
	close(fd);
	fcntl(high, F_SETFD, FD_CLOEXEC);
	return run_pushed(input_fd(high, 0));
}

/* What a command substitution's text prints. Sets subst_status. */
char *command_output(const char *text)
{
	struct str out = { 0 };
	char buf[4096];
	struct job *job;
	int fd[2];
	ssize_t n;

	str_add(&out, "", 0);
	if (pipe(fd) == -1)
		sh_error("pipe: %s", strerror(errno));
	job = job_new(NULL, 0);
	if (job_fork(job, INSIDE) == 0) {
		subshell_init(0);
		close(fd[0]);
		if (fd[1] != 1) {
			dup2(fd[1], 1);
			close(fd[1]);
		}
		run_string(text);
		sh_exit(last_status);
	}
	close(fd[1]);
	while ((n = read(fd[0], buf, sizeof(buf))) > 0 || (n == -1 && errno == EINTR && !interrupted)) {
		ssize_t i;

		for (i = 0; i < n; i++) /* NUL bytes cannot be kept */
			if (buf[i] != '\0')
				str_addc(&out, buf[i]);
	}
	close(fd[0]);
	subst_status = job_wait(job);
	return out.s;
}
