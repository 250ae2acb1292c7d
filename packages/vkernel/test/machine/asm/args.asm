; SPDX-License-Identifier: BSD-3-Clause
; Prints its arguments and environment, one string a line; exits with argc.
%include "linux.inc"
_start:
    mov ebp, [esp]
    lea esi, [esp + 4]
    xor edi, edi
vector:
    lodsd
    test eax, eax
    jz next
    mov ecx, eax
    xor edx, edx
.len:
    cmp byte [ecx + edx], 0
    je .put
    inc edx
    jmp .len
.put:
    push edi
    sys SYS_write, 1
    sys SYS_write, 1, newline, 1
    pop edi
    jmp vector
next:
    inc edi
    cmp edi, 2
    jb vector
    exit ebp
newline: db 10
finish 4
