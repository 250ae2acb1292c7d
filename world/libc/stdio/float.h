/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <stddef.h>
/*
 * Formats v >= 0 (or NaN) by conversion f F e E g G with `prec` digits, exactly rounded, into out (NUL-terminated).
 * Returns the length. Precisions beyond what fits in `size` are cut.
 */
size_t __fmt_float(char *out, size_t size, double v, int conv, int prec, int alt);
