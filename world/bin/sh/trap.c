/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals: the shell's own handling, and the user's traps. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sh.h"

/* Action of each trap; [0] is EXIT. NULL: default, "": ignored. */
static char *action[NSIG];
static volatile char pending[NSIG];
static char hard_ignored[NSIG]; /* ignored when the shell started: cannot be trapped */
volatile int interrupted, signal_pending;
static int interactive_signals;

static void catch(int sig)
{
	if (sig == SIGINT && action[SIGINT] == NULL) {
		interrupted = 1;
		return;
	}
	pending[sig] = 1;
	signal_pending = sig;
}

/* Handlers do not restart calls: read and wait have to come back for a trap to run. */
static void set_handler(int sig, void (*handler)(int))
{
	struct sigaction sa = { .sa_flags = 0 };

	sa.sa_handler = handler;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

static int special(int sig)
{
	return interactive_signals && (sig == SIGINT || sig == SIGQUIT || sig == SIGTERM || sig == SIGTSTP ||
	    sig == SIGTTIN || sig == SIGTTOU);
}

static void apply(int sig)
{
	if (hard_ignored[sig])
		return;
	if (action[sig] != NULL)
		set_handler(sig, action[sig][0] == '\0' ? SIG_IGN : catch);
	else if (special(sig))
		set_handler(sig, sig == SIGINT ? catch : SIG_IGN);
	else
		set_handler(sig, SIG_DFL);
}

void traps_init(int interactive)
{
	struct sigaction sa;
	int sig;

	interactive_signals = interactive;
	for (sig = 1; sig < NSIG; sig++) {
		if (!interactive && sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			hard_ignored[sig] = 1;
		if (special(sig))
			apply(sig);
	}
}

/* In a child: traps go back to the default, ignored signals stay ignored. */
void traps_subshell(void)
{
	int sig, was = interactive_signals;

	interactive_signals = 0;
	for (sig = 0; sig < NSIG; sig++) {
		int caught = action[sig] != NULL && action[sig][0] != '\0';

		if (caught) {
			free(action[sig]);
			action[sig] = NULL;
		}
		pending[sig] = 0;
		if (sig > 0 && (caught || (was && (sig == SIGINT || sig == SIGQUIT || sig == SIGTERM || sig == SIGTSTP ||
		    sig == SIGTTIN || sig == SIGTTOU))))
			apply(sig);
	}
	signal_pending = interrupted = 0;
}

int traps_any(void)
{
	int sig;

	for (sig = 0; sig < NSIG; sig++)
		if (action[sig] != NULL && action[sig][0] != '\0')
			return 1;
	return 0;
}

/* Runs an action with $? as it is, and leaves it so. */
static void run_action(const char *text)
{
	int status = last_status;
	char *copy = xstrdup(text);

	run_string(copy);
	free(copy);
	last_status = status;
}

void traps_run(void)
{
	int sig;

	signal_pending = 0;
	for (sig = 1; sig < NSIG; sig++)
		if (pending[sig]) {
			pending[sig] = 0;
			if (action[sig] != NULL)
				run_action(action[sig]);
		}
}

void trap_exit(void)
{
	char *text = action[0];

	if (text != NULL) {
		action[0] = NULL;
		skipping = SKIP_NONE;
		run_action(text);
	}
}

void check_interrupt(void)
{
	if (interrupted) {
		interrupted = 0;
		sh_raise(RAISE_INTERRUPT);
	}
}

/* Number of "INT", "SIGINT", "2" or "EXIT" (0); -1 for none. */
int signal_number(const char *name)
{
	int sig;

	if (isdigit((unsigned char)*name)) {
		sig = atoi(name);
		return sig < NSIG ? sig : -1;
	}
	if (strcasecmp(name, "EXIT") == 0)
		return 0;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (sig = 1; sig < NSIG; sig++)
		if (strcasecmp(name, sys_signame[sig]) == 0)
			return sig;
	return -1;
}

int trap_builtin(int argc, char **argv)
{
	const char *text;
	int i, sig, status = 0;

	if (argc == 1) {
		for (sig = 0; sig < NSIG; sig++)
			if (action[sig] != NULL) {
				printf("trap -- ");
				quote_print(action[sig]);
				printf(" %s\n", sig == 0 ? "EXIT" : sys_signame[sig]);
			}
		return 0;
	}
	i = strcmp(argv[1], "--") == 0 ? 2 : 1;
	/* A first operand that is a number or '-' restores the default. */
	if (argc == i + 1 || isdigit((unsigned char)argv[i][0]))
		text = NULL;
	else
		text = argv[i++];
	if (text != NULL && strcmp(text, "-") == 0)
		text = NULL;
	for (; i < argc; i++) {
		sig = signal_number(argv[i]);
		if (sig == -1) {
			sh_warn("trap: %s: bad signal", argv[i]);
			status = 1;
			continue;
		}
		free(action[sig]);
		action[sig] = text != NULL ? xstrdup(text) : NULL;
		if (sig > 0)
			apply(sig);
	}
	return status;
}
