; SPDX-License-Identifier: BSD-3-Clause
; Copies standard input to standard output; exits with 0 at the end of file.
%include "linux.inc"
_start:
    sys SYS_read, 0, bss, 4096
    test eax, eax
    jz .end
    check ns, 1
    sys SYS_write, 1, bss, eax
    jmp _start
.end:
    exit 0
finish 4096
