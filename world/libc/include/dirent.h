/* SPDX-License-Identifier: BSD-3-Clause */
/* Directory entries have no length field: a record is (16 + d_namlen + 1) rounded up to 8. */
#pragma once
#include <sys/types.h>
#define DT_UNKNOWN 0
#define DT_FIFO 1
#define DT_CHR 2
#define DT_DIR 4
#define DT_BLK 6
#define DT_REG 8
#define DT_LNK 10
#define DT_SOCK 12
struct dirent {
	ino_t d_fileno;
	uint16_t d_namlen;
	uint8_t d_type;
	uint8_t d_unused1;
	uint32_t d_unused2;
	char d_name[256];
};
#define d_ino d_fileno
#define _DIRENT_RECLEN(namlen) ((16 + (namlen) + 1 + 7) & ~7)
#define _DIRENT_NEXT(dp) ((struct dirent *)((char *)(dp) + _DIRENT_RECLEN((dp)->d_namlen)))
typedef struct __dir DIR;
DIR *opendir(const char *);
DIR *fdopendir(int);
struct dirent *readdir(DIR *);
void rewinddir(DIR *);
int closedir(DIR *);
int dirfd(DIR *);
int getdirentries(int, char *, unsigned, long *);
