/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A compiled regular expression: a program for two machines.
 *
 *   char c | any | set k        consume one byte
 *   jmp x | split x y           x is preferred
 *   save n                      the position becomes capture register n
 *   bol, eol, word...           tests that consume nothing
 *   mark k, progress k          bracket a loop body that can match nothing; progress fails when it did
 *   back n                      what group n matched, again
 *   match
 *
 * regexec.c runs programs without `back` on all alternatives at once (Pike's machine: time is text times
 * program, and the longest of the leftmost matches falls out, as POSIX asks); `back` needs backtracking.
 */
#pragma once
#include <regex.h>
#include <stdint.h>

enum re_op { RE_CHAR, RE_ANY, RE_SET, RE_JMP, RE_SPLIT, RE_SAVE, RE_BOL, RE_EOL, RE_WBEG, RE_WEND, RE_WEDGE, RE_MARK,
	RE_PROGRESS, RE_BACK, RE_MATCH };

struct re_inst { uint8_t op; uint8_t c; uint16_t x, y; };

struct re_prog {
	struct re_inst *inst;
	uint8_t (*set)[32];
	int ninst, nset, nmark, ngroup;
	int flags, has_back;
	int first; /* byte every match starts with, or -1 */
};

#define RE_MAXINST 30000
