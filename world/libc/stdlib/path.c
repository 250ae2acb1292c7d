/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of files: canonical paths, temporary files, programs found along PATH. */
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

/* Resolves links, "." and "..". `out` needs MAXPATHLEN bytes, or is NULL for a malloc'd result. */
char *realpath(const char *restrict path, char *restrict out)
{
	char rest[MAXPATHLEN], done[MAXPATHLEN], link[MAXPATHLEN];
	int links = 0;

	if (*path == '\0') {
		errno = ENOENT;
		return NULL;
	}
	if (*path == '/')
		done[0] = '\0';
	else if (getcwd(done, sizeof(done)) == NULL)
		return NULL;
	else if (strcmp(done, "/") == 0)
		done[0] = '\0';
	if (strlcpy(rest, path, sizeof(rest)) >= sizeof(rest))
		goto toolong;
	while (rest[0] != '\0') {
		char *name = rest + strspn(rest, "/");
		size_t len = strcspn(name, "/"), at = strlen(done);
		struct stat st;
		char saved[MAXPATHLEN];

		strlcpy(saved, name + len, sizeof(saved));
		if (len == 2 && name[0] == '.' && name[1] == '.') {
			char *slash = strrchr(done, '/');

			if (slash != NULL)
				*slash = '\0';
		} else if (len > 0 && !(len == 1 && name[0] == '.')) {
			if (at + 1 + len >= sizeof(done))
				goto toolong;
			done[at] = '/';
			memcpy(done + at + 1, name, len);
			done[at + 1 + len] = '\0';
			if (lstat(done, &st) == -1)
				return NULL;
			if (S_ISLNK(st.st_mode)) {
				ssize_t n = readlink(done, link, sizeof(link) - 1);

				if (n == -1)
					return NULL;
				if (++links > 32) {
					errno = ELOOP;
					return NULL;
				}
				link[n] = '\0';
				done[link[0] == '/' ? 0 : at] = '\0';
				if (strlcat(link, saved, sizeof(link)) >= sizeof(link))
					goto toolong;
				strlcpy(saved, link, sizeof(saved));
			} else if (saved[0] != '\0' && !S_ISDIR(st.st_mode)) {
				errno = ENOTDIR;
				return NULL;
			}
		}
		strlcpy(rest, saved, sizeof(rest));
	}
	if (done[0] == '\0')
		strcpy(done, "/");
	if (out == NULL)
		return strdup(done);
	return strcpy(out, done);
toolong:
	errno = ENAMETOOLONG;
	return NULL;
}

/* Replaces the trailing X's of `template` and creates the file, mode 0600. */
int mkstemp(char *template)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	size_t end = strlen(template), start = end;
	unsigned seed = (unsigned)getpid();
	int try;

	while (start > 0 && template[start - 1] == 'X')
		start--;
	for (try = 0; try < 1000; try++) {
		unsigned v = seed * 1000 + (unsigned)try;
		size_t i;
		int fd;

		for (i = end; i-- > start; v /= 36)
			template[i] = digits[v % 36];
		fd = open(template, O_RDWR | O_CREAT | O_EXCL, 0600);
		if (fd != -1 || errno != EEXIST)
			return fd;
	}
	return -1;
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

/* A file the kernel does not know how to run is handed to the shell, as in every BSD. */
static void run_script(const char *path, char *const argv[])
{
	size_t n = 0;
	char **shell;

	while (argv[n] != NULL)
		n++;
	shell = malloc((n + 3) * sizeof(char *));
	if (shell == NULL)
		return;
	shell[0] = (char *)"sh";
	shell[1] = (char *)path;
	memcpy(shell + 2, argv + (n > 0), (n > 0 ? n : 1) * sizeof(char *));
	execve(_PATH_BSHELL, shell, environ);
	free(shell);
}

int execvp(const char *name, char *const argv[])
{
	const char *dir = getenv("PATH");
	char path[MAXPATHLEN];
	int denied = 0;

	if (strchr(name, '/') != NULL) {
		execve(name, argv, environ);
		if (errno == ENOEXEC)
			run_script(name, argv);
		return -1;
	}
	if (dir == NULL)
		dir = _PATH_DEFPATH;
	for (;;) {
		int len = (int)(strchrnul(dir, ':') - dir);

		if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", len > 0 ? len : 1, len > 0 ? dir : ".", name) <
		    sizeof(path)) {
			execve(path, argv, environ);
			if (errno == ENOEXEC) {
				run_script(path, argv);
				return -1;
			}
			if (errno == EACCES)
				denied = 1;
			else if (errno != ENOENT && errno != ENOTDIR)
				return -1;
		}
		if (dir[len] == '\0')
			break;
		dir += len + 1;
	}
	errno = denied ? EACCES : ENOENT;
	return -1;
}
