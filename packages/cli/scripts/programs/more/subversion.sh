# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
rm -rf sr sw
svnadmin create sr
svn -q co file:///tmp/sr sw
cd sw
echo a > a
svn -q add a
svn ci -m one | tail -2
svn log -q | grep -c '^r1'
svnadmin verify ../sr 2>&1 | tail -1
