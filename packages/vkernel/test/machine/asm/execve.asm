; SPDX-License-Identifier: BSD-3-Clause
; Executes /args with three arguments and one variable.
%include "linux.inc"
_start:
    sys SYS_execve, path, argv, envp
    exit 1
path: db "/args", 0
a1: db "one", 0
a2: db "two words", 0
e1: db "NAME=value", 0
argv: dd path, a1, a2, 0
envp: dd e1, 0
finish 4
