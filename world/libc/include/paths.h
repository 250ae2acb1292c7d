/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#define _PATH_BSHELL "/bin/sh"
#define _PATH_CONSOLE "/dev/console"
#define _PATH_CONSERR "/dev/conserr"
#define _PATH_DEV "/dev/"
#define _PATH_DEVNULL "/dev/null"
#define _PATH_TTY "/dev/tty"
#define _PATH_DEFPATH "/bin:/sbin:/usr/bin:/usr/sbin"
