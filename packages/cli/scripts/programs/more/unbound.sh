# SPDX-License-Identifier: BSD-3-Clause
printf 'server:\n interface: 127.0.0.1\n port: 5454\n do-daemonize: no\n username: ""\n chroot: ""\n directory: "/tmp"\n pidfile: ""\n use-syslog: no\n local-zone: "u.test." static\n local-data: "u.test. A 10.9.8.7"\n module-config: "iterator"\n' > u.conf
unbound -c u.conf >/dev/null 2>&1 &
p=$!
for i in 1 2 3 4 5 6; do r=$(dig +short +time=1 +tries=1 -p 5454 @127.0.0.1 u.test); [ "$r" = 10.9.8.7 ] && break; sleep 0.5; done
echo $r
kill $p
wait 2>/dev/null
