; SPDX-License-Identifier: BSD-3-Clause
; A child exits with 42, the parent with what it has waited for; the child's store must not be seen by the parent.
%include "linux.inc"
_start:
    sys SYS_fork
    test eax, eax
    jnz parent
    mov dword [bss], 1
    exit 42
parent:
    mov edi, eax
    mov esi, 0
    sys SYS_wait4, -1, bss + 4, 0
    cmp eax, edi
    check e, 1
    cmp dword [bss], 0
    check e, 2
    movzx ebx, byte [bss + 5]
    mov eax, SYS_exit
    int 0x80
finish 16
