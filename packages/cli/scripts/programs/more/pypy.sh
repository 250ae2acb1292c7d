# SPDX-License-Identifier: BSD-3-Clause
pypy3 -c 'import sys
s=0
for i in range(3000000): s=(s*31+i)%1000003
print(s, sys.implementation.name)
import hashlib,json,threading; print(hashlib.sha256(b"x").hexdigest()[:16]); t=threading.Thread(target=lambda:print("t")); t.start(); t.join()
d={i:i*i for i in range(200000)}; print(sum(d.values()))'
