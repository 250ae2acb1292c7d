; SPDX-License-Identifier: BSD-3-Clause
; Two processes that only compute until each has used three ticks of user time; exits with 0 when both got on and the
; child's time has been added to the parent's account.
%include "linux.inc"
_start:
    sys SYS_fork
    mov edi, eax
burn:
    mov ecx, 1000000
.loop:
    dec ecx
    jnz .loop
    sys SYS_times, tms
    cmp dword [tms], 3
    jb burn
    test edi, edi
    jz child
    mov esi, 0
    sys SYS_wait4, edi, bss, 0
    cmp eax, edi
    check e, 1
    cmp dword [bss], 0
    check e, 2
    sys SYS_times, tms
    cmp dword [tms + 8], 3
    check ae, 3
child:
    exit 0
tms equ bss + 16
finish 32
