# SPDX-License-Identifier: BSD-3-Clause
dnsmasq -k -p 5353 -R -h -A /x.test/10.1.2.3 --listen-address=127.0.0.1 --bind-interfaces -u root > /dev/null 2>&1 &
p=$!
for i in 1 2 3 4 5 6; do r=$(dig +short +time=1 +tries=1 -p 5353 @127.0.0.1 x.test); [ "$r" = 10.1.2.3 ] && break; sleep 0.5; done
echo $r
dig +tcp +short -p 5353 @127.0.0.1 x.test
kill $p
wait 2>/dev/null
