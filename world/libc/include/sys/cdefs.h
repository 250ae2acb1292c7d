/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#define __dead __attribute__((noreturn))
#define __printflike(f, a) __attribute__((format(printf, f, a)))
