/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <stdint.h>
#define PRId64 "lld"
#define PRIi64 "lli"
#define PRIo64 "llo"
#define PRIu64 "llu"
#define PRIx64 "llx"
#define PRIX64 "llX"
