/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs: every pipeline the shell starts. With job control each is a process group of its own, and the terminal
 * belongs to the one in the foreground.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "sh.h"

enum state { RUNNING, STOPPED, DONE };

struct proc { pid_t pid; int status; enum state state; };

struct job {
	int id; /* 0: not listed */
	pid_t pgrp;
	int nprocs, background, changed, has_modes;
	struct proc *procs;
	char *text;
	struct termios modes; /* the terminal's, when the job was stopped */
	struct job *next;
};

int job_control, tty_fd = -1;
static struct job *jobs; /* newest first */
static pid_t shell_pgrp;
static struct termios shell_modes;

/* Takes the terminal, waiting in the background until we are given it. */
void jobs_init(void)
{
	pid_t front;

	if (!opt('m'))
		return;
	tty_fd = fcntl(2, F_DUPFD, 10);
	if (tty_fd == -1 || (front = tcgetpgrp(tty_fd)) == -1) {
		sh_warn("cannot access the terminal: job control is off");
		if (tty_fd != -1)
			close(tty_fd);
		tty_fd = -1;
		opt('m') = 0;
		return;
	}
	fcntl(tty_fd, F_SETFD, FD_CLOEXEC);
	while (front != getpgrp()) {
		kill(0, SIGTTIN);
		front = tcgetpgrp(tty_fd);
	}
	shell_pgrp = getpid();
	setpgid(0, shell_pgrp);
	tcsetpgrp(tty_fd, shell_pgrp);
	tcgetattr(tty_fd, &shell_modes);
	job_control = 1;
}

static void job_free(struct job *job)
{
	struct job **p;

	for (p = &jobs; *p != NULL; p = &(*p)->next)
		if (*p == job) {
			*p = job->next;
			break;
		}
	free(job->procs);
	free(job->text);
	free(job);
}

/* In a child: the parent's jobs are not ours. */
void jobs_forget(void)
{
	while (jobs != NULL)
		job_free(jobs);
}

struct job *job_new(const struct node *text, int background)
{
	struct job *job = memset(xmalloc(sizeof(*job)), 0, sizeof(*job));
	struct str s = { 0 };

	if (text != NULL && (job_control || background))
		show_node(&s, text);
	job->text = s.s;
	job->background = background;
	job->next = jobs;
	jobs = job;
	return job;
}

static void enlist(struct job *job)
{
	struct job *j;

	if (job->id != 0)
		return;
	job->id = 1;
	for (j = jobs; j != NULL; j = j->next)
		if (j != job && j->id >= job->id)
			job->id = j->id + 1;
}

pid_t job_fork(struct job *job, enum where where)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == -1)
		sh_error("cannot fork: %s", strerror(errno));
	if (job_control && where != INSIDE) {
		/* Both sides do it, so that neither can see the other too early. */
		pid_t self = pid != 0 ? pid : getpid(), pgrp = job->pgrp != 0 ? job->pgrp : self;

		setpgid(self, pgrp);
		job->pgrp = pgrp;
		if (where == FOREGROUND && pid == 0)
			tcsetpgrp(tty_fd, pgrp);
	} else if (pid == 0 && where == BACKGROUND) {
		signal(SIGINT, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
	}
	if (pid == 0)
		return 0;
	job->procs = xrealloc(job->procs, (size_t)(job->nprocs + 1) * sizeof(struct proc));
	job->procs[job->nprocs++] = (struct proc){ pid, 0, RUNNING };
	if (where == BACKGROUND) {
		enlist(job);
		if (opt('i'))
			fprintf(stderr, "[%d] %d\n", job->id, (int)pid);
	}
	return pid;
}

static enum state state_of(const struct job *job)
{
	int i, stopped = 0;

	for (i = 0; i < job->nprocs; i++) {
		if (job->procs[i].state == RUNNING)
			return RUNNING;
		stopped |= job->procs[i].state == STOPPED;
	}
	return stopped ? STOPPED : DONE;
}

/* Collects one status change. 1 if there was one, 0 if not, -1 with errno. */
static int collect(int block)
{
	int status, i;
	pid_t pid = waitpid(-1, &status, WUNTRACED | (block ? 0 : WNOHANG));
	struct job *job;

	if (pid <= 0)
		return pid;
	for (job = jobs; job != NULL; job = job->next)
		for (i = 0; i < job->nprocs; i++)
			if (job->procs[i].pid == pid && job->procs[i].state != DONE) {
				job->procs[i].status = status;
				job->procs[i].state = WIFSTOPPED(status) ? STOPPED : DONE;
				job->changed = 1;
				return 1;
			}
	return 1;
}

static int exit_status(const struct job *job)
{
	int status = job->procs[job->nprocs - 1].status;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return 128 + (WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status));
}

static void describe(char *out, size_t size, const struct job *job)
{
	int status = job->procs[job->nprocs - 1].status;

	if (state_of(job) == RUNNING)
		strlcpy(out, "Running", size);
	else if (WIFSTOPPED(status) || state_of(job) == STOPPED)
		strlcpy(out, WIFSTOPPED(status) && WSTOPSIG(status) != SIGTSTP ? strsignal(WSTOPSIG(status)) : "Suspended",
		    size);
	else if (WIFEXITED(status)) {
		if (WEXITSTATUS(status) == 0)
			strlcpy(out, "Done", size);
		else
			snprintf(out, size, "Exit %d", WEXITSTATUS(status));
	} else
		snprintf(out, size, "%s%s", strsignal(WTERMSIG(status)), WCOREDUMP(status) ? " (core dumped)" : "");
}

/* The current job is the one stopped last, else the newest; '-' marks the next. */
static struct job *current(int second)
{
	struct job *best = NULL, *j;
	int pass;

	for (pass = 0; pass < 2; pass++)
		for (j = jobs; j != NULL; j = j->next)
			if (j->id != 0 && (state_of(j) == STOPPED) == (pass == 0)) {
				if (!second)
					return j;
				second = 0;
				best = NULL;
			}
	return best;
}

static void print_job(FILE *f, const struct job *job, int pids)
{
	char what[48];

	describe(what, sizeof(what), job);
	fprintf(f, "[%d] %c ", job->id, job == current(0) ? '+' : job == current(1) ? '-' : ' ');
	if (pids)
		fprintf(f, "%d ", (int)job->procs[0].pid);
	fprintf(f, "%-20s %s\n", what, job->text != NULL ? job->text : "");
}

static void give_terminal(pid_t pgrp)
{
	if (job_control)
		tcsetpgrp(tty_fd, pgrp);
}

/* Waits for a job in the foreground; returns its status. The job is gone afterwards unless it was stopped. */
int job_wait(struct job *job)
{
	enum state state;
	int status, last;

	if (job_control && job->pgrp != 0)
		give_terminal(job->pgrp);
	while ((state = state_of(job)) == RUNNING)
		if (collect(1) == -1 && errno != EINTR)
			break;
	if (job_control && job->pgrp != 0)
		give_terminal(shell_pgrp);
	status = exit_status(job);
	last = job->procs[job->nprocs - 1].status;
	if (state == STOPPED) {
		enlist(job);
		job->changed = 0;
		job->background = 1;
		if (job_control) {
			job->has_modes = tcgetattr(tty_fd, &job->modes) == 0;
			tcsetattr(tty_fd, TCSADRAIN, &shell_modes);
		}
		fputc('\n', stderr);
		print_job(stderr, job, 0);
		return status;
	}
	if (job_control && job->pgrp != 0) {
		if (WIFEXITED(last))
			tcgetattr(tty_fd, &shell_modes);
		else
			tcsetattr(tty_fd, TCSADRAIN, &shell_modes);
	}
	job_free(job);
	if (!WIFEXITED(last)) {
		int sig = WTERMSIG(last);

		if (sig == SIGINT && opt('i')) {
			last_status = status;
			sh_raise(RAISE_INTERRUPT);
		}
		if (sig != SIGINT && sig != SIGPIPE)
			fprintf(stderr, "%s%s\n", strsignal(sig), WCOREDUMP(last) ? " (core dumped)" : "");
	}
	return status;
}

/* Reports background jobs that changed, before a prompt; finished ones leave the list. */
void jobs_notify(int all)
{
	struct job *job, *next;

	while (collect(0) > 0)
		;
	for (job = jobs; job != NULL; job = next) {
		next = job->next;
		if (job->id == 0)
			continue;
		if (job->changed || all)
			print_job(all ? stdout : stderr, job, all == 2);
		job->changed = 0;
		if (state_of(job) == DONE)
			job_free(job);
	}
}

/* True when stopped jobs would be left behind. */
int jobs_left(void)
{
	struct job *job;

	for (job = jobs; job != NULL; job = job->next)
		if (job->id != 0 && state_of(job) == STOPPED)
			return 1;
	return 0;
}

/* %n, %%, %+, %-, %name, or a process id. */
static struct job *find(const char *name)
{
	struct job *job;
	int n, i;

	if (name == NULL || strcmp(name, "%%") == 0 || strcmp(name, "%+") == 0 || strcmp(name, "%") == 0)
		return current(0);
	if (strcmp(name, "%-") == 0)
		return current(1);
	n = atoi(name + (*name == '%'));
	for (job = jobs; job != NULL; job = job->next) {
		if (*name == '%' && job->id != 0 && (job->id == n ||
		    (n == 0 && job->text != NULL && strncmp(job->text, name + 1, strlen(name + 1)) == 0)))
			return job;
		for (i = 0; *name != '%' && i < job->nprocs; i++)
			if (job->procs[i].pid == n)
				return job;
	}
	return NULL;
}

static int resume(struct job *job, int foreground)
{
	int i;

	for (i = 0; i < job->nprocs; i++)
		if (job->procs[i].state == STOPPED)
			job->procs[i].state = RUNNING;
	job->changed = 0;
	job->background = !foreground;
	if (foreground) {
		fprintf(stderr, "%s\n", job->text != NULL ? job->text : "");
		give_terminal(job->pgrp);
		if (job->has_modes)
			tcsetattr(tty_fd, TCSADRAIN, &job->modes);
	} else
		fprintf(stderr, "[%d] %s &\n", job->id, job->text != NULL ? job->text : "");
	if (kill(-job->pgrp, SIGCONT) == -1) {
		sh_warn("%s", strerror(errno));
		return 1;
	}
	return foreground ? job_wait(job) : 0;
}

static int fg_bg(int argc, char **argv)
{
	struct job *job = find(argc > 1 ? argv[1] : NULL);

	if (!job_control) {
		sh_warn("%s: no job control", argv[0]);
		return 1;
	}
	while (collect(0) > 0)
		;
	if (job == NULL || state_of(job) == DONE) {
		sh_warn("%s: %s: no such job", argv[0], argc > 1 ? argv[1] : "current");
		return 1;
	}
	return resume(job, argv[0][0] == 'f');
}

static int jobs_builtin(int argc, char **argv)
{
	struct job *job;
	int c, pids = 0, brief = 0;

	while ((c = next_option(argc, argv, "lp")) != -1)
		if (c == 'l')
			pids = 1;
		else if (c == 'p')
			brief = 1;
		else
			return 2;
	if (!brief) {
		jobs_notify(1 + pids);
		return 0;
	}
	for (job = jobs; job != NULL; job = job->next)
		if (job->id != 0)
			printf("%d\n", (int)(job->pgrp != 0 ? job->pgrp : job->procs[0].pid));
	return 0;
}

/* Waits until the job is done; a trapped signal ends the wait. */
static int wait_for(struct job *job)
{
	int status;

	while (state_of(job) == RUNNING) {
		if (collect(1) == -1 && errno != EINTR)
			break;
		check_interrupt();
		if (signal_pending)
			return 128 + signal_pending;
	}
	status = exit_status(job);
	if (state_of(job) == DONE)
		job_free(job);
	return status;
}

static int wait_builtin(int argc, char **argv)
{
	int status = 0, i;
	struct job *job, *next;

	if (argc == 1)
		for (job = jobs; job != NULL; job = next) {
			next = job->next;
			if (job->id != 0 && state_of(job) != STOPPED && (status = wait_for(job)) > 128 && signal_pending)
				return status;
		}
	if (argc == 1)
		return 0;
	for (i = 1; i < argc; i++) {
		job = find(argv[i]);
		status = job != NULL ? wait_for(job) : 127;
	}
	return status;
}

extern int kill_main(int, char **);

/* %job means the whole process group, the rest is kill(1)'s. */
static int kill_builtin(int argc, char **argv)
{
	char **copy = arena_alloc(scratch, (size_t)(argc + 1) * sizeof(char *));
	int i;

	for (i = 0; i < argc; i++) {
		copy[i] = argv[i];
		if (i > 0 && argv[i][0] == '%') {
			struct job *job = find(argv[i]);

			if (job == NULL) {
				sh_warn("kill: %s: no such job", argv[i]);
				return 1;
			}
			copy[i] = arena_alloc(scratch, 16);
			snprintf(copy[i], 16, "%d", (int)(job->pgrp != 0 ? -job->pgrp : job->procs[0].pid));
		}
	}
	return kill_main(argc, copy);
}

const struct builtin job_builtins[] = {
	{ "bg", fg_bg, 0 },
	{ "fg", fg_bg, 0 },
	{ "jobs", jobs_builtin, 0 },
	{ "kill", kill_builtin, 0 },
	{ "wait", wait_builtin, 0 },
	{ NULL, NULL, 0 },
};
