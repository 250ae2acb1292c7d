/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>
#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
extern char **environ;
void abort(void) __dead;
int abs(int);
int atexit(void (*)(void));
int atoi(const char *);
long atol(const char *);
long long atoll(const char *);
void *bsearch(const void *, const void *, size_t, size_t, int (*)(const void *, const void *));
void *calloc(size_t, size_t);
void exit(int) __dead;
void _Exit(int) __dead;
void free(void *);
char *getenv(const char *);
void *malloc(size_t);
int mkstemp(char *);
int putenv(char *);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
void *realloc(void *, size_t);
char *realpath(const char *restrict, char *restrict);
int setenv(const char *, const char *, int);
int unsetenv(const char *);
double strtod(const char *restrict, char **restrict);
long strtol(const char *restrict, char **restrict, int);
long long strtoll(const char *restrict, char **restrict, int);
long long strtonum(const char *, long long, long long, const char **);
unsigned long strtoul(const char *restrict, char **restrict, int);
unsigned long long strtoull(const char *restrict, char **restrict, int);
const char *getprogname(void);
void setprogname(const char *);
