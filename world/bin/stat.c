/* SPDX-License-Identifier: BSD-3-Clause */
/* stat [-FLnqx] [-f format] [file ...]; conversions of -f are a useful part of BSD's. */
#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *when(time_t t, const char *fmt)
{
	static char text[64];

	strftime(text, sizeof(text), fmt, localtime(&t));
	return text;
}

static const char *kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return "Directory";
	case S_IFREG: return "Regular File";
	case S_IFLNK: return "Symbolic Link";
	case S_IFCHR: return "Character Device";
	case S_IFBLK: return "Block Device";
	case S_IFIFO: return "Fifo File";
	case S_IFSOCK: return "Socket";
	default: return "???";
	}
}

static const char *target(const char *path)
{
	static char link[MAXPATHLEN];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	return link;
}

static void verbose(const char *path, const struct stat *st)
{
	char mode[12];

	strmode(st->st_mode, mode);
	mode[10] = '\0';
	printf("  File: \"%s\"%s%s\n", path, S_ISLNK(st->st_mode) ? " -> " : "", S_ISLNK(st->st_mode) ? target(path) : "");
	printf("  Size: %-12lld FileType: %s\n", (long long)st->st_size, kind(st->st_mode));
	printf("  Mode: (%04o/%s)         Uid: (%5u/%8s)", st->st_mode & ALLPERMS, mode, st->st_uid, user_from_uid(st->st_uid));
	printf("  Gid: (%5u/%8s)\n", st->st_gid, group_from_gid(st->st_gid));
	printf("Device: %d,%d   Inode: %lld    Links: %u\n", major(st->st_dev), minor(st->st_dev), (long long)st->st_ino, st->st_nlink);
	printf("Access: %s\n", when(st->st_atime, "%a %b %e %H:%M:%S %Y"));
	printf("Modify: %s\n", when(st->st_mtime, "%a %b %e %H:%M:%S %Y"));
	printf("Change: %s\n", when(st->st_ctime, "%a %b %e %H:%M:%S %Y"));
}

/* %S? before a letter asks for text instead of a number. */
static void field(int c, int text, const char *path, const struct stat *st)
{
	char mode[12];

	switch (c) {
	case 'N': printf("%s", path); break;
	case 'Y': printf("%s", S_ISLNK(st->st_mode) ? target(path) : ""); break;
	case 'T': printf("%s", kind(st->st_mode)); break;
	case 'd': printf("%u", st->st_dev); break;
	case 'i': printf("%lld", (long long)st->st_ino); break;
	case 'p':
		if (text) {
			strmode(st->st_mode, mode);
			mode[10] = '\0';
			printf("%s", mode);
		} else
			printf("%o", st->st_mode);
		break;
	case 'l': printf("%u", st->st_nlink); break;
	case 'u':
		if (text)
			printf("%s", user_from_uid(st->st_uid));
		else
			printf("%u", st->st_uid);
		break;
	case 'g':
		if (text)
			printf("%s", group_from_gid(st->st_gid));
		else
			printf("%u", st->st_gid);
		break;
	case 'r': printf("%u", st->st_rdev); break;
	case 'a':
	case 'm':
	case 'c': {
		time_t t = c == 'a' ? st->st_atime : c == 'm' ? st->st_mtime : st->st_ctime;

		if (text)
			printf("%s", when(t, "%b %e %H:%M:%S %Y"));
		else
			printf("%d", (int)t);
		break;
	}
	case 'z': printf("%lld", (long long)st->st_size); break;
	case 'b': printf("%lld", (long long)st->st_blocks); break;
	case 'k': printf("%u", st->st_blksize); break;
	case 'f': printf("%u", st->st_flags); break;
	case 'n': putchar('\n'); break;
	case 't': putchar('\t'); break;
	case '%': putchar('%'); break;
	default: errx(1, "%%%c: bad format", c);
	}
}

static void formatted(const char *fmt, const char *path, const struct stat *st)
{
	for (; *fmt != '\0'; fmt++) {
		int text = 0;

		if (*fmt != '%' || fmt[1] == '\0') {
			putchar(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == 'S' && fmt[1] != '\0') {
			text = 1;
			fmt++;
		}
		field(*fmt, text, path, st);
	}
}

int main(int argc, char **argv)
{
	const char *fmt = "%d %i %Sp %l %Su %Sg %r %z \"%Sa\" \"%Sm\" \"%Sc\" %k %b %f %N";
	int c, i, follow = 0, quiet = 0, newline = 1, failed = 0, expanded = 0;
	struct stat st;

	while ((c = getopt(argc, argv, "Ff:Llnqx")) != -1)
		switch (c) {
		case 'f': fmt = optarg; break;
		case 'F':
		case 'l': fmt = "%Sp %l %Su %Sg %z %Sm %N"; break;
		case 'L': follow = 1; break;
		case 'n': newline = 0; break;
		case 'q': quiet = 1; break;
		case 'x': expanded = 1; break;
		default:
			fprintf(stderr, "usage: stat [-FLnqx] [-f format] [file ...]\n");
			return 1;
		}
	for (i = optind; i < argc || i == optind; i++) {
		const char *path = i < argc ? argv[i] : "(stdin)";

		if ((i >= argc ? fstat(0, &st) : follow ? stat(path, &st) : lstat(path, &st)) == -1) {
			if (!quiet)
				warn("%s", path);
			failed = 1;
			continue;
		}
		if (expanded)
			verbose(path, &st);
		else {
			formatted(fmt, path, &st);
			if (newline)
				putchar('\n');
		}
	}
	return failed;
}
