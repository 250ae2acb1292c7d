# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
socat TCP-LISTEN:9001,reuseaddr,fork,bind=127.0.0.1 EXEC:cat &
p=$!
sleep 1
echo echo-me | socat - TCP:127.0.0.1:9001
echo via-nc | nc -N 127.0.0.1 9001
socat PTY,link=/tmp/pty1,raw,echo=0 SYSTEM:'echo from-pty; sleep 3' &
sleep 1
timeout 1 cat /tmp/pty1
kill $p
wait 2>/dev/null
