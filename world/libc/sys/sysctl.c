/* SPDX-License-Identifier: BSD-3-Clause */
/* Values the kernel publishes by name: sysctl by name, uname, host name, page size. */
#include <errno.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Node {0,3} turns a name into its MIB. `*size` is in words on entry and return. */
int sysctlnametomib(const char *name, int *mib, size_t *size)
{
	static const int name2oid[2] = { 0, 3 };

	*size *= sizeof(int);
	if (sysctl(name2oid, 2, mib, size, name, strlen(name)) == -1)
		return -1;
	*size /= sizeof(int);
	return 0;
}

int sysctlbyname(const char *name, void *old, size_t *oldlen, const void *new, size_t newlen)
{
	int mib[14];
	size_t n = sizeof(mib) / sizeof(mib[0]) - 2;

	if (sysctlnametomib(name, mib, &n) == -1)
		return -1;
	return sysctl(mib, (unsigned)n, old, oldlen, new, newlen);
}

int gethostname(char *name, size_t size)
{
	return sysctlbyname("kern.hostname", name, &size, NULL, 0);
}

int getpagesize(void)
{
	int mib[2] = { CTL_HW, HW_PAGESIZE }, value;
	size_t size = sizeof(value);

	return sysctl(mib, 2, &value, &size, NULL, 0) == -1 ? -1 : value;
}

static int ask(const char *name, char field[_SYS_NAMELEN])
{
	size_t size = _SYS_NAMELEN;

	if (sysctlbyname(name, field, &size, NULL, 0) == -1 && errno != ENOMEM)
		return -1;
	field[_SYS_NAMELEN - 1] = '\0';
	return 0;
}

int uname(struct utsname *u)
{
	char *p;
	char version[256];
	size_t size = sizeof(version) - 1;

	memset(u, 0, sizeof(*u));
	if (ask("kern.ostype", u->sysname) == -1 || ask("kern.hostname", u->nodename) == -1 ||
	    ask("kern.osrelease", u->release) == -1 || ask("hw.machine", u->machine) == -1)
		return -1;
	memset(version, 0, sizeof(version));
	if (sysctlbyname("kern.version", version, &size, NULL, 0) == -1 && errno != ENOMEM)
		return -1;
	/* kern.version is a paragraph; the field is one line. */
	for (p = version; *p != '\0'; p++)
		if (*p == '\n' || *p == '\t')
			*p = p[1] == '\0' ? '\0' : ' ';
	strlcpy(u->version, version, sizeof(u->version));
	return 0;
}
