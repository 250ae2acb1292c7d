# SPDX-License-Identifier: BSD-3-Clause
printf '#include <stdlib.h>\n#include <string.h>\nint main(){char*p=malloc(10);strcpy(p,"abc");free(p);return strlen("xy")-2;}' > lt.c
gcc -O0 -fno-builtin -no-pie -o lt lt.c && ltrace ./lt 2>&1 | sed 's/0x[0-9a-f]*/P/g' | grep -v libc_start
