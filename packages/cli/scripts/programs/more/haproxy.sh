# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
mkdir -p lw
echo page2 > lw/i.html
busybox httpd -f -p 127.0.0.1:8090 -h /tmp/lw &
b=$!
printf 'defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind 127.0.0.1:8089\n default_backend b\nbackend b\n server s 127.0.0.1:8090\n' > h.cfg
haproxy -f h.cfg >/dev/null 2>&1 &
p=$!
for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf http://127.0.0.1:8089/i.html && break; sleep 0.5; done
kill $p $b
wait 2>/dev/null
