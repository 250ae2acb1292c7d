; SPDX-License-Identifier: BSD-3-Clause
; Waits for three ticks of an interval timer; exits with their number.
%include "linux.inc"
_start:
    sys SYS_sigaction, 14, act, 0
    sys SYS_setitimer, 0, every, 0
.wait:
    sys SYS_pause
    cmp dword [count], 3
    jb .wait
    exit [count]
handler:
    inc dword [count]
    ret
act: dd handler, 0, 0, 0
every: dd 0, 5000, 0, 5000
count equ bss
finish 4
