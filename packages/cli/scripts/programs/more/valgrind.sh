# SPDX-License-Identifier: BSD-3-Clause
printf '#include <stdlib.h>\n#include <stdio.h>\nint main(){char*p=malloc(10);p[10]=1;puts("ran");return 0;}' > v.c
gcc -g -O0 -o v v.c && valgrind --error-exitcode=9 ./v 2>&1 | sed 's/==[0-9]*==//; s/0x[0-9A-F]*/P/g' | grep -E "ran|Invalid write|definitely|ERROR SUMMARY"
