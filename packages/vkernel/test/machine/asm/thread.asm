; SPDX-License-Identifier: BSD-3-Clause
; A thread as C libraries make them: own stack, own %gs, tid stored for the parent and cleared at its end.
%include "linux.inc"
_start:
    ; TLS of the first thread
    sys 243, desc0
    test eax, eax
    check z, 1
    mov eax, [desc0]
    lea eax, [eax * 8 + 3]
    mov gs, ax
    cmp dword [gs:0], 0x1001
    check e, 2
    mov eax, [desc0]
    mov [desc1], eax
    ; VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID
    mov eax, SYS_clone
    mov ebx, 0x100|0x200|0x400|0x800|0x10000|0x40000|0x80000|0x100000|0x200000
    mov ecx, stack_top
    mov edx, tid
    mov esi, desc1
    mov edi, tid
    int 0x80
    test eax, eax
    jz thread
    check ns, 3
    mov ebp, eax
join:
    mov eax, [tid]
    test eax, eax
    jz joined
    mov esi, 0
    sys SYS_futex, tid, 0, eax
    jmp join
joined:
    cmp dword [seen], 0x2002
    check e, 4
    cmp [its_tid], ebp
    check e, 5
    cmp dword [gs:0], 0x1001
    check e, 6
    sys SYS_getpid
    cmp eax, [its_pid]
    check e, 7
    exit 0
thread:
    mov eax, [gs:0]
    mov [seen], eax
    sys SYS_gettid
    mov [its_tid], eax
    sys SYS_getpid
    mov [its_pid], eax
    sys SYS_exit, 0
    ud2
tls0: dd 0x1001
tls1: dd 0x2002
; entry number, base, limit, flags: 32-bit, limit in pages, useable
desc0: dd -1, tls0, 0xfffff, 0x51
desc1: dd -1, tls1, 0xfffff, 0x51
tid equ bss
seen equ bss + 4
its_tid equ bss + 8
its_pid equ bss + 12
stack_top equ bss + 4096
finish 4096
