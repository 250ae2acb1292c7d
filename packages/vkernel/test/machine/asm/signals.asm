; SPDX-License-Identifier: BSD-3-Clause
; Classic and real-time handlers without restorers, so that both return through the code on the stack. Registers,
; flags and floating-point state must survive; a SIGSEGV handler steps over the faulting instruction. Exits with 0,
; or the number of the check that failed.
%include "linux.inc"
_start:
    sys SYS_sigaction, 10, act, 0
    test eax, eax
    check z, 1
    sys SYS_getpid
    mov [pid], eax
    fldpi
    movups xmm3, [pattern]
    mov esi, 0x11111111
    mov edi, 0x22222222
    mov ebp, 0x33333333
    sys SYS_kill, [pid], 10
    test eax, eax
    check z, 2
    cmp dword [count], 1
    check e, 3
    cmp esi, 0x11111111
    check e, 4
    cmp edi, 0x22222222
    check e, 5
    cmp ebp, 0x33333333
    check e, 6
    fldpi
    fcompp
    fnstsw ax
    and eax, 0x4500
    cmp eax, 0x4000
    check e, 7
    movups [bss + 64], xmm3
    mov eax, [bss + 64]
    cmp eax, [pattern]
    check e, 8
    ; real-time frame, SA_SIGINFO: a fault at a known address
    mov esi, 8
    sys SYS_rt_sigaction, 11, rtact, 0
    test eax, eax
    check z, 9
fault:
    mov eax, [0x1234]
after_fault:
    cmp dword [count], 2
    check e, 10
    exit 0

handler:
    inc dword [count]
    cmp dword [esp + 4], 10
    check e, 20
    lea eax, [esp + 4]
    and eax, 15
    check z, 21
    fninit
    fldz
    xorps xmm3, xmm3
    mov esi, 0
    mov edi, 0
    mov ebp, 0
    std
    cld
    ret

; (int sig, siginfo_t *info, void *ucontext)
rthandler:
    inc dword [count]
    mov ecx, [esp + 8]
    cmp dword [ecx], 11
    check e, 30
    cmp dword [ecx + 8], 1
    check e, 31
    cmp dword [ecx + 12], 0x1234
    check e, 32
    mov edx, [esp + 12]
    ; uc_mcontext begins at 20; eip is its word 14, cr2 its word 21, trapno its word 12
    cmp dword [edx + 20 + 14 * 4], fault
    check e, 33
    cmp dword [edx + 20 + 21 * 4], 0x1234
    check e, 34
    cmp dword [edx + 20 + 12 * 4], 14
    check e, 35
    mov dword [edx + 20 + 14 * 4], after_fault
    ret

act:     dd handler, 0, 0, 0
rtact:   dd rthandler, 4, 0, 0, 0
pattern: dd 0xdeadbeef, 1, 2, 3
count equ bss
pid equ bss + 4
finish 128
