; SPDX-License-Identifier: BSD-3-Clause
; A child writes 300000 bytes into a pipe, the parent counts them to the end of file; exits with 0 if all came.
%include "linux.inc"
_start:
    sys SYS_pipe, fds
    sys SYS_fork
    test eax, eax
    jnz parent
    sys SYS_close, [fds]
    mov edi, 100
.more:
    sys SYS_write, [fds + 4], bss + 16, 3000
    cmp eax, 3000
    check e, 1
    dec edi
    jnz .more
    exit 0
parent:
    sys SYS_close, [fds + 4]
    xor edi, edi
.more:
    sys SYS_read, [fds], bss + 16, 7777
    add edi, eax
    test eax, eax
    jg .more
    check z, 2
    cmp edi, 300000
    check e, 3
    mov esi, 0
    sys SYS_wait4, -1, bss, 0
    movzx ebx, byte [bss + 1]
    mov eax, SYS_exit
    int 0x80
fds equ bss + 8
finish 8192
