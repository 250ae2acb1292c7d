/* SPDX-License-Identifier: BSD-3-Clause */
/* ps [-aAdelujwx] [-p pid] [-t tty] [-U user] [-o keyword,...] */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

typedef struct kinfo_proc kp;

/* --- what the kernel knows --- */

static kp *fetch(int op, int arg, size_t *n)
{
	int mib[4] = { CTL_KERN, KERN_PROC, op, arg };
	unsigned len = op == KERN_PROC_ALL ? 3 : 4;
	size_t size = 0;
	kp *buf = NULL;

	do {
		if (sysctl(mib, len, NULL, &size, NULL, 0) == -1)
			err(1, "kern.proc");
		size += size / 8 + sizeof(kp); /* more may be born meanwhile */
		buf = realloc(buf, size);
		if (buf == NULL)
			err(1, "malloc");
	} while (sysctl(mib, len, buf, &size, NULL, 0) == -1 && errno == ENOMEM);
	*n = size / sizeof(kp);
	return buf;
}

/* "cons" for /dev/console, "p3" for /dev/pts/3, "??" without a terminal. */
static const char *tty_name(dev_t dev)
{
	static dev_t last;
	static char name[16];
	static const char *const dirs[] = { "/dev/", "/dev/pts/" };
	struct dirent *de;
	struct stat st;
	char path[64];
	unsigned i;

	if (dev == (dev_t)-1)
		return "??";
	if (dev == last && name[0] != '\0')
		return name;
	last = dev;
	strcpy(name, "?");
	for (i = 0; i < 2; i++) {
		DIR *d = opendir(dirs[i]);

		while (d != NULL && (de = readdir(d)) != NULL) {
			snprintf(path, sizeof(path), "%s%.40s", dirs[i], de->d_name);
			if (strncmp(de->d_name, "std", 3) != 0 && stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == dev) {
				const char *s = de->d_name;

				if (strncmp(s, "tty", 3) == 0)
					s += 3;
				else if (strcmp(s, "console") == 0)
					s = "cons";
				snprintf(name, sizeof(name), "%s%s", i == 1 ? "p" : "", s);
			}
		}
		if (d != NULL)
			closedir(d);
	}
	return name;
}

static void put_command(const kp *p)
{
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_ARGS, p->kp_pid };
	static char args[4096];
	size_t n = sizeof(args) - 1, i;

	if (p->kp_stat == SZOMB) {
		printf("<defunct>");
		return;
	}
	if (sysctl(mib, 4, args, &n, NULL, 0) == -1 || n == 0) {
		printf("(%s)", p->kp_comm);
		return;
	}
	for (i = 0; i + 1 < n; i++)
		if (args[i] == '\0')
			args[i] = ' ';
	args[n - 1] = '\0';
	printf("%s", args);
}

/* --- columns --- */

static const char *state(const kp *p)
{
	static char s[8];
	char *o = s;

	if (p->kp_stat == SZOMB)
		*o++ = 'Z';
	else if (p->kp_stat == SSTOP)
		*o++ = 'T';
	else if (p->kp_lwp.kl_stat == LSRUN)
		*o++ = 'R';
	else
		*o++ = p->kp_lwp.kl_slptime > 20 ? 'I' : 'S';
	if (p->kp_nice < 0)
		*o++ = '<';
	else if (p->kp_nice > 0)
		*o++ = 'N';
	if (p->kp_sid == p->kp_pid)
		*o++ = 's';
	if (p->kp_flags & P_CONTROLT && p->kp_pgid == p->kp_tpgid)
		*o++ = '+';
	*o = '\0';
	return s;
}

static const char *cpu_time(const kp *p)
{
	static char s[24];
	uint64_t us = p->kp_lwp.kl_uticks + p->kp_lwp.kl_sticks;

	if (p->kp_stat == SZOMB)
		us = (uint64_t)(p->kp_ru.ru_utime.tv_sec + p->kp_ru.ru_stime.tv_sec) * 1000000;
	snprintf(s, sizeof(s), "%u:%02u.%02u", (unsigned)(us / 60000000), (unsigned)(us / 1000000 % 60), (unsigned)(us / 10000 % 100));
	return s;
}

static const char *started(const kp *p)
{
	static char s[24];
	time_t now = time(NULL), t = p->kp_start.tv_sec;

	strftime(s, sizeof(s), now - t < 86400 ? "%l:%M%p" : "%e%b%y", localtime(&t));
	return s;
}

enum key { PID, PPID, PGID, SID, USER, UID, TT, STAT, TIME, CPU, MEM, VSZ, RSS, PRI, NI, WCHAN, START, COMM, COMMAND, JOBC, THREADS };

static const struct column { const char *name, *title; int width; } columns[] = {
	[PID] = { "pid", "PID", 5 }, [PPID] = { "ppid", "PPID", 5 }, [PGID] = { "pgid", "PGID", 5 }, [SID] = { "sess", "SESS", 5 },
	[USER] = { "user", "USER", -8 }, [UID] = { "uid", "UID", 5 }, [TT] = { "tt", "TT", -4 }, [STAT] = { "stat", "STAT", -5 },
	[TIME] = { "time", "TIME", 8 }, [CPU] = { "%cpu", "%CPU", 5 }, [MEM] = { "%mem", "%MEM", 5 }, [VSZ] = { "vsz", "VSZ", 6 },
	[RSS] = { "rss", "RSS", 6 }, [PRI] = { "pri", "PRI", 3 }, [NI] = { "ni", "NI", 3 }, [WCHAN] = { "wchan", "WCHAN", -8 },
	[START] = { "start", "STARTED", -8 }, [COMM] = { "comm", "COMMAND", -16 }, [COMMAND] = { "command", "COMMAND", 0 },
	[JOBC] = { "jobc", "JOBC", 4 }, [THREADS] = { "nlwp", "NLWP", 4 },
};
#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

static unsigned long physmem(void)
{
	unsigned long v = 0;
	size_t size = sizeof(v);

	return sysctlbyname("hw.physmem", &v, &size, NULL, 0) == 0 ? v : 0;
}

static const char *value(enum key key, const kp *p)
{
	static char s[48];
	static unsigned long memory;
	unsigned tenths;

	switch (key) {
	case PID: snprintf(s, sizeof(s), "%d", (int)p->kp_pid); break;
	case PPID: snprintf(s, sizeof(s), "%d", (int)p->kp_ppid); break;
	case PGID: snprintf(s, sizeof(s), "%d", (int)p->kp_pgid); break;
	case SID: snprintf(s, sizeof(s), "%d", (int)p->kp_sid); break;
	case UID: snprintf(s, sizeof(s), "%u", p->kp_uid); break;
	case JOBC: snprintf(s, sizeof(s), "%d", p->kp_jobc); break;
	case THREADS: snprintf(s, sizeof(s), "%d", p->kp_nthreads); break;
	case USER: return user_from_uid(p->kp_uid);
	case TT: return tty_name(p->kp_tdev);
	case STAT: return state(p);
	case TIME: return cpu_time(p);
	case CPU:
		tenths = (p->kp_lwp.kl_pctcpu * 1000 + 1024) / 2048;
		snprintf(s, sizeof(s), "%u.%u", tenths / 10, tenths % 10);
		break;
	case MEM:
		if (memory == 0)
			memory = physmem() / 4096;
		tenths = memory != 0 ? (unsigned)p->kp_vm_rssize * 1000 / memory : 0;
		snprintf(s, sizeof(s), "%u.%u", tenths / 10, tenths % 10);
		break;
	case VSZ: snprintf(s, sizeof(s), "%u", p->kp_vm_map_size / 1024); break;
	case RSS: snprintf(s, sizeof(s), "%d", p->kp_vm_rssize * 4); break;
	case PRI: snprintf(s, sizeof(s), "%d", p->kp_lwp.kl_prio); break;
	case NI: snprintf(s, sizeof(s), "%d", p->kp_nice); break;
	case WCHAN: snprintf(s, sizeof(s), "%.8s", p->kp_lwp.kl_wmesg[0] != '\0' ? p->kp_lwp.kl_wmesg : "-"); break;
	case START: return started(p);
	case COMM: return p->kp_comm;
	case COMMAND: return "";
	}
	return s;
}

static int parse_keywords(char *list, enum key *keys, int n)
{
	char *word;
	unsigned i;

	while ((word = strsep(&list, ", \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (strcmp(word, "args") == 0)
			word = (char *)"command";
		else if (strcmp(word, "tty") == 0)
			word = (char *)"tt";
		else if (strcmp(word, "state") == 0)
			word = (char *)"stat";
		else if (strcmp(word, "nice") == 0)
			word = (char *)"ni";
		for (i = 0; i < NCOLUMNS; i++)
			if (strcasecmp(columns[i].name, word) == 0)
				break;
		if (i == NCOLUMNS)
			errx(1, "%s: keyword not found", word);
		if (n < 24)
			keys[n++] = (enum key)i;
	}
	return n;
}

static void put_cell(enum key key, const char *text, int last)
{
	int w = columns[key].width;

	if (last && w < 0)
		w = 0;
	printf("%*s%s", w, text, last ? "" : " ");
}

static int by_tty(const void *x, const void *y)
{
	const kp *a = x, *b = y;

	if (a->kp_tdev != b->kp_tdev)
		return a->kp_tdev < b->kp_tdev ? -1 : 1;
	return a->kp_pid - b->kp_pid;
}

static dev_t tty_device(const char *name)
{
	char path[64];
	struct stat st;
	static const char *const forms[] = { "%s", "/dev/%s", "/dev/tty%s", "/dev/pts/%s" };
	unsigned i;

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), forms[i], i == 3 && *name == 'p' ? name + 1 : name);
		if (stat(strcmp(name, "cons") == 0 ? "/dev/console" : path, &st) == 0 && S_ISCHR(st.st_mode))
			return st.st_rdev;
	}
	errx(1, "%s: no such terminal", name);
}

int main(int argc, char **argv)
{
	static char normal[] = "pid,tt,stat,time,command", user[] = "user,pid,%cpu,%mem,vsz,rss,tt,stat,start,time,command",
	    longer[] = "uid,pid,ppid,pri,ni,vsz,rss,wchan,stat,tt,time,command",
	    jobs[] = "user,pid,ppid,pgid,sess,jobc,stat,tt,time,command";
	enum key keys[24];
	int nkeys = 0, everyone = 0, detached = 0, op = KERN_PROC_ALL, arg = 0, c, i, given = 0;
	char *format = normal;
	size_t n, r;
	kp *procs;
	dev_t own = (dev_t)-1;
	struct passwd *pw;

	/* "ps aux" without the dash, as everyone types it. */
	if (argc > 1 && isalpha((unsigned char)argv[1][0])) {
		char *dashed = malloc(strlen(argv[1]) + 2);

		if (dashed == NULL)
			err(1, "malloc");
		dashed[0] = '-';
		strcpy(dashed + 1, argv[1]);
		argv[1] = dashed;
	}
	while ((c = getopt(argc, argv, "aAdejlo:p:t:uU:wx")) != -1)
		switch (c) {
		case 'a': everyone = 1; break;
		case 'A':
		case 'd':
		case 'e': everyone = detached = 1; break;
		case 'j': format = jobs; break;
		case 'l': format = longer; break;
		case 'o': nkeys = parse_keywords(optarg, keys, nkeys); break;
		case 'p': op = KERN_PROC_PID; arg = atoi(optarg); given = 1; break;
		case 't': op = KERN_PROC_TTY; arg = (int)tty_device(optarg); given = 1; break;
		case 'u': format = user; break;
		case 'U':
			pw = getpwnam(optarg);
			op = KERN_PROC_RUID;
			arg = pw != NULL ? (int)pw->pw_uid : atoi(optarg);
			given = 1;
			break;
		case 'w': break;
		case 'x': detached = 1; break;
		default:
			fprintf(stderr, "usage: ps [-aAdejluwx] [-o keywords] [-p pid] [-t tty] [-U user]\n");
			return 1;
		}
	if (nkeys == 0)
		nkeys = parse_keywords(format, keys, 0);
	procs = fetch(op, arg, &n);
	qsort(procs, n, sizeof(*procs), by_tty);
	for (r = 0; r < n; r++)
		if (procs[r].kp_pid == getpid())
			own = procs[r].kp_tdev;
	for (i = 0; i < nkeys; i++)
		put_cell(keys[i], columns[keys[i]].title, i == nkeys - 1);
	putchar('\n');
	for (c = 1, r = 0; r < n; r++) {
		const kp *p = &procs[r];

		if (!given && !everyone && p->kp_uid != geteuid())
			continue;
		/* Without a terminal of our own (a pipeline as the console) all processes are of interest. */
		if (!given && !detached && own != (dev_t)-1 && p->kp_tdev == (dev_t)-1)
			continue;
		c = 0;
		for (i = 0; i < nkeys; i++)
			if (keys[i] == COMMAND) {
				put_command(p);
				if (i < nkeys - 1)
					putchar(' ');
			} else
				put_cell(keys[i], value(keys[i], p), i == nkeys - 1);
		putchar('\n');
	}
	return c;
}
