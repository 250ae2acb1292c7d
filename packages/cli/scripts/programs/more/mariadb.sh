# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
rm -rf md
mkdir md
printf 'create database t; use t; create table a(i int primary key, s varchar(20)) engine=innodb; insert into a values(1,"x"),(2,"y"); select count(*),max(i) from a;\n' > b.sql
/usr/sbin/mariadbd --no-defaults --datadir=/tmp/md --user=root --skip-networking --socket=/tmp/md/s --skip-grant-tables --innodb-buffer-pool-size=8M --innodb-use-native-aio=0 > md.log 2>&1 &
p=$!
for i in $(seq 60); do mariadb --no-defaults -S /tmp/md/s -e 'select 1' >/dev/null 2>&1 && break; sleep 0.5; done
mariadb --no-defaults -S /tmp/md/s < b.sql
mariadb --no-defaults -S /tmp/md/s -e 'select version() like "10%"'
kill $p
wait $p
echo $?
tail -2 md.log | grep -c "Shutdown complete"
