/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stdio files share. */
#pragma once
#include <stdio.h>

#define __SRD 1    /* buffer holds input */
#define __SWR 2    /* buffer holds output */
#define __SCANRD 4
#define __SCANWR 8
#define __SEOF 0x10
#define __SERR 0x20
#define __SAPP 0x40
#define __SOWNBUF 0x80 /* free(buf) on close */
#define __SHEAP 0x100  /* free the FILE on close */
#define __SSTRING 0x200 /* vsnprintf's pretended stream: no descriptor, excess is dropped */

/* Bytes kept free before the data for ungetc. */
#define UNGET 4

int __swrite_ready(FILE *);
int __sflush(FILE *);
