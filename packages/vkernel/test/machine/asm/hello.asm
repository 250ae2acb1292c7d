; SPDX-License-Identifier: BSD-3-Clause
; Writes a line and exits with 7.
%include "linux.inc"
_start:
    sys SYS_write, 1, text, text_len
    exit 7
text: db "hello", 10
text_len equ $ - text
finish 4
