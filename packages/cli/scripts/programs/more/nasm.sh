# SPDX-License-Identifier: BSD-3-Clause
printf 'global _start\nsection .text\n_start: mov eax,4\nmov ebx,1\nmov ecx,m\nmov edx,6\nint 80h\nmov eax,1\nmov ebx,5\nint 80h\nsection .data\nm: db "nasm!",10\n' > n.asm
nasm -felf32 n.asm && ld -m elf_i386 -o n n.o && ./n
echo $?
