/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffered streams. A FILE is either reading or writing at a time; switching needs a flush or a seek,
 * as ISO C demands anyway.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#define EOF (-1)
#define BUFSIZ 4096
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2

typedef struct __file {
	unsigned char *pos;   /* next byte to read or write */
	unsigned char *end;   /* reading: end of data; writing: end of buffer; else == pos */
	unsigned char *buf;
	size_t size;
	int fd;
	short flags;          /* __S* in stdio/local.h */
	unsigned char mode;   /* _IO*BF */
	unsigned char ungot;  /* room for one pushed-back byte before buf[0] is kept by the allocator */
	struct __file *next;  /* list of open streams */
} FILE;

extern FILE __stdin, __stdout, __stderr;
#define stdin (&__stdin)
#define stdout (&__stdout)
#define stderr (&__stderr)

void clearerr(FILE *);
int fclose(FILE *);
FILE *fdopen(int, const char *);
int feof(FILE *);
int ferror(FILE *);
int fflush(FILE *);
int fgetc(FILE *);
char *fgets(char *restrict, int, FILE *restrict);
int fileno(FILE *);
FILE *fopen(const char *restrict, const char *restrict);
int fprintf(FILE *restrict, const char *restrict, ...) __printflike(2, 3);
int fputc(int, FILE *);
int fputs(const char *restrict, FILE *restrict);
size_t fread(void *restrict, size_t, size_t, FILE *restrict);
int fseeko(FILE *, off_t, int);
off_t ftello(FILE *);
size_t fwrite(const void *restrict, size_t, size_t, FILE *restrict);
#define getc fgetc
int getchar(void);
ssize_t getdelim(char **restrict, size_t *restrict, int, FILE *restrict);
ssize_t getline(char **restrict, size_t *restrict, FILE *restrict);
void perror(const char *);
int printf(const char *restrict, ...) __printflike(1, 2);
#define putc fputc
int putchar(int);
int puts(const char *);
int remove(const char *);
int rename(const char *, const char *);
int setvbuf(FILE *restrict, char *restrict, int, size_t);
int snprintf(char *restrict, size_t, const char *restrict, ...) __printflike(3, 4);
int asprintf(char **restrict, const char *restrict, ...) __printflike(2, 3);
int ungetc(int, FILE *);
int vasprintf(char **restrict, const char *restrict, va_list);
int vfprintf(FILE *restrict, const char *restrict, va_list);
int vprintf(const char *restrict, va_list);
int vsnprintf(char *restrict, size_t, const char *restrict, va_list);
