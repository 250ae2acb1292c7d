/* SPDX-License-Identifier: BSD-3-Clause */
/* From the initial stack to main(). */
#include <stdlib.h>
#include <unistd.h>

char **environ;
extern int main(int, char **, char **);

void __start(long *stack) __dead;

void __start(long *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);

	environ = argv + argc + 1;
	if (argc > 0)
		setprogname(argv[0]);
	exit(main(argc, argv, environ));
}
