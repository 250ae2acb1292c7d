# SPDX-License-Identifier: BSD-3-Clause
luajit -e 'local s=0 for i=1,5e7 do s=(s+i*7)%1000003 end print(s) local t={} for i=1,2e5 do t[i]=(i*7919)%100003 end table.sort(t) print(t[1],t[#t]) local ffi=require"ffi" ffi.cdef"int getpid(void); unsigned long strlen(const char*);" print(ffi.C.getpid()>0, tonumber(ffi.C.strlen("hello"))) print((jit.status()))'
