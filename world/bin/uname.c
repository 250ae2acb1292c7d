/* SPDX-License-Identifier: BSD-3-Clause */
/* uname [-aimnprsv] */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char order[] = "snrvmp";
	struct utsname u;
	char version[256], ident[64] = "";
	size_t size = sizeof(version), isize = sizeof(ident);
	char want[128] = { 0 };
	const char *p, *sep = "";
	int c;

	while ((c = getopt(argc, argv, "aimnprsv")) != -1)
		switch (c) {
		case 'a': want['s'] = want['n'] = want['r'] = want['v'] = want['m'] = 1; break;
		case '?':
			fprintf(stderr, "usage: uname [-aimnprsv]\n");
			return 1;
		default: want[c] = 1;
		}
	if (optind == 1)
		want['s'] = 1;
	if (uname(&u) == -1)
		err(1, "uname");
	/* The structure's field is short: the kernel's own text is not. */
	if (sysctlbyname("kern.version", version, &size, NULL, 0) == 0)
		version[strcspn(version, "\n")] = '\0';
	else
		strlcpy(version, u.version, sizeof(version));
	for (p = order; *p != '\0'; p++) {
		if (!want[(unsigned char)*p])
			continue;
		printf("%s%s", sep, *p == 's' ? u.sysname : *p == 'n' ? u.nodename : *p == 'r' ? u.release :
		    *p == 'v' ? version : u.machine);
		sep = " ";
	}
	if (want['i']) {
		sysctlbyname("hw.platform", ident, &isize, NULL, 0);
		printf("%s%s", sep, ident);
	}
	putchar('\n');
	return 0;
}
