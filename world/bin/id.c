/* SPDX-License-Identifier: BSD-3-Clause */
/* id [-Ggnru] [user], whoami */
#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

static int names;

static void show(unsigned id, const char *name)
{
	if (names)
		printf("%s", name);
	else
		printf("%u", id);
}

static void pair(const char *label, unsigned id, const char *name)
{
	printf("%s%u", label, id);
	if (strtoul(name, NULL, 10) != id || *name < '0' || *name > '9')
		printf("(%s)", name);
}

int main(int argc, char **argv)
{
	uid_t uid = getuid(), euid = geteuid();
	gid_t gid = getgid(), egid = getegid(), groups[NGROUPS_MAX];
	int c, what = 0, real = 0, n, i;
	struct passwd *pw;

	if (strcmp(getprogname(), "whoami") == 0) {
		puts(user_from_uid(euid));
		return 0;
	}
	while ((c = getopt(argc, argv, "Ggnru")) != -1)
		switch (c) {
		case 'n': names = 1; break;
		case 'r': real = 1; break;
		case '?':
			fprintf(stderr, "usage: id [-G | -g | -u] [-nr] [user]\n");
			return 1;
		default: what = c;
		}
	if (optind < argc) {
		if ((pw = getpwnam(argv[optind])) == NULL)
			errx(1, "%s: no such user", argv[optind]);
		uid = euid = pw->pw_uid;
		gid = egid = pw->pw_gid;
		n = NGROUPS_MAX;
		getgrouplist(argv[optind], gid, groups, &n);
	} else if ((n = getgroups(NGROUPS_MAX, groups)) == -1)
		err(1, "getgroups");
	switch (what) {
	case 'u':
		show(real ? uid : euid, user_from_uid(real ? uid : euid));
		break;
	case 'g':
		show(real ? gid : egid, group_from_gid(real ? gid : egid));
		break;
	case 'G':
		for (i = 0; i < n; i++) {
			if (i > 0)
				putchar(' ');
			show(groups[i], group_from_gid(groups[i]));
		}
		break;
	default:
		pair("uid=", uid, user_from_uid(uid));
		pair(" gid=", gid, group_from_gid(gid));
		if (euid != uid)
			pair(" euid=", euid, user_from_uid(euid));
		if (egid != gid)
			pair(" egid=", egid, group_from_gid(egid));
		for (i = 0; i < n; i++)
			pair(i == 0 ? " groups=" : ", ", groups[i], group_from_gid(groups[i]));
	}
	putchar('\n');
	return 0;
}
