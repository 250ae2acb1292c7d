# SPDX-License-Identifier: BSD-3-Clause
printf 'int write(int,const void*,int);int main(){write(1,"in qemu\\n",8);return 7;}' > q.c
gcc -static -o q q.c && qemu-i386 ./q
echo $?
