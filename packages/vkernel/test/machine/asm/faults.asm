; SPDX-License-Identifier: BSD-3-Clause
; Dies of the fault that its argument's first letter names.
%include "linux.inc"
_start:
    mov eax, [esp + 8]
    mov al, [eax]
    cmp al, 'k'
    je kernel_read
    cmp al, 'n'
    je null_write
    cmp al, 's'
    je overflow
    cmp al, 'd'
    je divide
    cmp al, 'u'
    je undefined
    cmp al, 'b'
    je breakpoint
    cmp al, 'h'
    je privileged
    cmp al, 'j'
    je jump
    cmp al, 'a'
    je abort
    exit 99
kernel_read:
    mov eax, [0xc0000000]
null_write:
    mov [0], eax
overflow:
    push eax
    jmp overflow
divide:
    xor ecx, ecx
    div ecx
undefined:
    ud2
breakpoint:
    int3
privileged:
    hlt
jump:
    jmp 0xbfc00000
abort:
    sys SYS_getpid
    sys SYS_kill, eax, 6
    exit 98
finish 4
