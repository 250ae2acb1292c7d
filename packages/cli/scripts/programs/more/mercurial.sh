# SPDX-License-Identifier: BSD-3-Clause
export HOME=/tmp
rm -rf hgr
hg init hgr
cd hgr
echo a > a
hg add a
hg commit -u me -d '0 0' -m one
echo b >> a
hg commit -u me -d '0 0' -m two
hg log --template '{rev} {node|short} {desc}\n'
hg verify | tail -1
hg diff -r 0 -r 1 | md5sum
