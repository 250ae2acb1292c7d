# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
mkdir -p lw
echo page > lw/i.html
printf 'server.document-root="/tmp/lw"\nserver.port=8088\nserver.bind="127.0.0.1"\nindex-file.names=("i.html")\nserver.modules=("mod_access")\n' > l.conf
lighttpd -D -f l.conf > /dev/null 2>&1 &
p=$!
for i in 1 2 3 4 5 6 7 8 9 10; do curl -s http://127.0.0.1:8088/ && break; sleep 0.5; done
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8088/none
kill $p
wait $p 2>/dev/null
