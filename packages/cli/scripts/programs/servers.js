// SPDX-License-Identifier: BSD-3-Clause
/** Servers with their own clients, on the loopback interface; stress-ng's quick stressors. */

/** Waits until a port answers, at most 20 s. */
const AWAIT = `await() { for i in $(seq 200); do python3 -c "import socket,sys; s=socket.socket(); s.settimeout(1); sys.exit(s.connect_ex(('127.0.0.1', $1)))" && return; sleep 0.1; done; echo "port $1 does not answer"; exit 99; }
`;
const REDIS = `redis-server --save "" --appendonly no --daemonize yes --logfile /dev/null; ${AWAIT}await 6379
`;
const PG = `export PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/tmp/case/data PGHOST=/tmp/case; chown postgres . /tmp/home
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
as initdb -D $PGDATA --no-locale -E UTF8 -A trust > init.log 2>&1 || cat init.log; tail -4 init.log | head -1
as pg_ctl -D $PGDATA -o "-k /tmp/case" -l pg.log -w start | tail -1
`;
const PG_END = `; as pg_ctl -D $PGDATA -m fast stop | tail -1; grep -c 'database system is shut down' pg.log; grep -E 'FATAL|PANIC|ERROR' pg.log | grep -v 'due to administrator command' | sed 's/^.*\\] //'`;

const stressors = {
  processes:
    "clone daemon exec exit-group fork kill nice personality pthread schedpolicy session spawn switch vfork wait zombie",
  memory:
    "brk bigheap fault madvise malloc memfd mincore mlock mmap mmapfixed mmapfork mmapmany mprotect mremap msync munmap pagemove rmap shm shm-sysv stack stackmmap vm vm-segv",
  signals:
    "alarm sigabrt sigchld sigfd sigfpe sigio signest sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap itimer timer timerfd hrtimers sleep nanosleep clock",
  files:
    "access chdir chmod chown chroot copy-file dentry dir dirdeep dirmany dup fallocate fcntl filename flock fsize fstat full getdent handle inotify io iomix lease link lockf locka lockofd mknod null open readahead rename revio seek symlink touch urandom utime xattr zero",
  ipc: "epoll eventfd fifo futex membarrier mq msg mutex pipe pipeherd poll pty ring-pipe seal sem sem-sysv sendfile sock sockfd sockpair sockmany splice tee udp vm-splice yield",
  computing: "bsearch cpu crypt fp hsearch longjmp matrix memcpy qsort skiplist str tsearch wcs zlib",
};

export const SERVERS = [
  {
    name: "redis",
    script: `${REDIS}redis-cli set k v; redis-cli incrby n 41; redis-cli incr n; redis-cli lpush l a b c; redis-cli lrange l 0 -1; redis-cli eval 'return redis.call("get", KEYS[1]) .. "!"' 1 k; redis-cli hset h a 1 b 2; redis-cli hgetall h; seq 1 2000 | sed 's/.*/SET key:& value-&/' | redis-cli --pipe | tail -1; redis-cli dbsize; redis-cli get key:1999; redis-cli setrange s 5 x; redis-cli expire k 100; redis-cli ttl k | grep -c .; (redis-cli subscribe ch > sub & sleep 1; redis-cli publish ch hello; sleep 0.5; kill $!); cat sub; redis-cli save; redis-cli debug reload; redis-cli dbsize; redis-cli bgrewriteaof; sleep 1; redis-cli info persistence | grep -c aof_last_bgrewrite_status:ok; redis-cli shutdown nosave; echo $?`,
    limit: 60,
  },
  {
    name: "redis-benchmark",
    script: `${REDIS}redis-benchmark -q -n 2000 -c 20 --csv | cut -d, -f1; redis-benchmark -q -n 4000 -P 16 -t set,get --csv | cut -d, -f1; redis-cli shutdown nosave`,
    limit: 120,
  },
  {
    name: "nginx",
    script: `mkdir www; echo hello > www/index.html; seq 1 50000 > www/big; mkdir www/d; chmod 755 . www /tmp
cat > conf <<'END'
worker_processes 2; error_log /tmp/case/err; pid /tmp/case/pid; user root;
events { worker_connections 256; }
http { access_log /tmp/case/acc; sendfile on; gzip on; gzip_types text/plain; gzip_min_length 10;
  server { listen 8080; root /tmp/case/www; autoindex off; location /old { return 301 /new; } location /up { proxy_pass http://127.0.0.1:8081/; } }
  server { listen 8081; location / { return 200 "upstream\\n"; } } }
END
nginx -t -c /tmp/case/conf 2>&1 | tail -1; nginx -c /tmp/case/conf; ${AWAIT}await 8080
cat > get.py <<'END'
import http.client, zlib, sys, threading
def get(path, **h):
    c = http.client.HTTPConnection("127.0.0.1", 8080); c.request("GET", path, headers=h); r = c.getresponse(); b = r.read()
    return r.status, r.getheader("Content-Type"), r.getheader("Location"), r.getheader("Content-Range"), len(b), zlib.crc32(b)
for path in ["/", "/big", "/none", "/d/", "/old", "/up"]: print(path, get(path))
print(get("/big", Range="bytes=1000-1999")); print(get("/big", **{"Accept-Encoding": "gzip"})[0])
results = []
def many():
    for i in range(20): results.append(get("/big"))
ts = [threading.Thread(target=many) for i in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]
print(len(results), set(results))
c = http.client.HTTPConnection("127.0.0.1", 8080)
for i in range(50): c.request("GET", "/"); assert c.getresponse().read() == b"hello\\n"
print("kept alive")
END
python3 get.py; nginx -s reload -c /tmp/case/conf 2> /dev/null; sleep 1; python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8080/").read())'; nginx -s quit -c /tmp/case/conf 2> /dev/null; sleep 1; ls pid 2>&1; wc -l < acc; grep -c -E 'emerg|alert|crit' err`,
    limit: 60,
  },
  {
    name: "postgres",
    script: `${PG}cat > t.sql <<'END'
create table t (id serial primary key, name text, n numeric, at timestamp default '2026-01-01');
insert into t (name, n) select 'name ' || i, i * 1.5 from generate_series(1, 5000) i;
select count(*), sum(n), min(name), max(name) from t;
create index on t (name); analyze t; select name from t where name = 'name 777';
begin; delete from t where id > 10; select count(*) from t; rollback; select count(*) from t;
select jsonb_build_object('a', array_agg(id order by id)) from t where id < 5;
create function f(i int) returns int language plpgsql as $$ begin return i * i; end $$; select sum(f(id)) from t where id <= 100;
copy (select id, name from t order by id limit 3) to stdout; select 1 / 0; vacuum t; checkpoint;
with recursive r(i) as (select 1 union all select i + 1 from r where i < 500) select count(*) from r;
END
psql -U postgres -d postgres -X -a -f t.sql 2>&1 | sed 's/^psql:t.sql/t.sql/'
(for i in 1 2 3 4; do psql -U postgres -d postgres -X -q -c "insert into t (name) select 'c$i' from generate_series(1, 200)" & done; wait); psql -U postgres -d postgres -X -t -c "select name, count(*) from t where name like 'c%' group by 1 order by 1"
as kill -9 $(head -1 data/postmaster.pid); sleep 1; rm -f data/postmaster.pid; as pg_ctl -D $PGDATA -o "-k /tmp/case" -l pg2.log -w start | tail -1; grep -c 'redo done' pg2.log; psql -U postgres -d postgres -X -t -c 'select count(*) from t'${PG_END.replaceAll("pg.log", "pg2.log")}`,
    limit: 150,
  },
  {
    name: "pgbench",
    script: `${PG}pgbench -U postgres -i -s 1 -q postgres > b.log 2>&1 || cat b.log; tail -1 b.log | cut -c1-7
pgbench -U postgres -c 4 -j 2 -t 25 postgres 2>/dev/null | grep -E 'clients|processed|failed'; pgbench -U postgres -S -c 2 -t 200 postgres 2>/dev/null | grep -E 'processed|failed'
psql -U postgres -d postgres -X -t -c 'select count(*) from pgbench_history' -c 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)'${PG_END}`,
    limit: 150,
  },
  {
    name: "memcached",
    script: `memcached -u nobody -l 127.0.0.1 -p 11311 -t 2 -d -P /tmp/pid; ${AWAIT}await 11311; while [ ! -s /tmp/pid ]; do sleep 0.1; done
python3 - <<'END'
import socket
s = socket.create_connection(("127.0.0.1", 11311)); f = s.makefile("rwb")
def ask(*lines):
    for l in lines: f.write(l.encode() + b"\\r\\n")
    f.flush(); out = []
    while True:
        l = f.readline().decode().strip(); out.append(l)
        if l in ("STORED", "END", "DELETED", "NOT_FOUND", "ERROR") or l.isdigit(): return out
print(ask("set a 0 0 5", "hello"), ask("get a"), ask("set n 0 0 1", "9"), ask("incr n 33"), ask("delete a"), ask("get a"), ask("bogus"))
for i in range(500): assert ask("set k%d 0 0 %d" % (i, 1000), "x" * 1000) == ["STORED"]
print(sum(len(ask("get k%d" % i)) for i in range(500)))
END
p=$(cat /tmp/pid); kill $p; for i in $(seq 100); do kill -0 $p 2> /dev/null || break; sleep 0.1; done; kill -0 $p 2> /dev/null; echo $?`,
    limit: 60,
  },
  {
    name: "python-http-server",
    script: `mkdir w; seq 1 1000 > w/numbers; echo hi > w/index.html; (cd w; exec python3 -m http.server 8000 > ../log 2>&1) & p=$!; ${AWAIT}await 8000
python3 -c 'import urllib.request as u, zlib; print([(r.status, len(b), zlib.crc32(b)) for p in ["", "numbers"] for r in [u.urlopen("http://127.0.0.1:8000/" + p)] for b in [r.read()]])'; kill $p; wait $p 2>/dev/null; grep -o '"GET.*' log`,
  },
  {
    name: "sysv-ipc-tools",
    script: `m=$(ipcmk -M 10000 | grep -o '[0-9]*$'); s=$(ipcmk -S 3 | grep -o '[0-9]*$'); q=$(ipcmk -Q | grep -o '[0-9]*$'); ipcs -m -i $m | grep -E 'bytes|nattch|mode' | sed 's|[lc]pid=[0-9]*||g'; ipcs -s -i $s | tail -5; ipcs -q -i $q | grep -c qbytes; ipcs | awk 'NF == 6 || NF == 5 { print $5 }'; ipcrm -m $m -s $s -q $q; echo $?; ipcs | grep -c 0x; ipcrm -m $m 2>&1 | sed 's/(.*)/(ID)/'`,
    limit: 20,
  },
  ...Object.entries(stressors).map(([name, list]) => ({
    name: `stress-ng-${name}`,
    // One after the other: what fails is named, what a kernel does not have is skipped by both.
    script: `for s in ${list}; do timeout -k 5 40 stress-ng --$s 1 -t 1 --temp-path /tmp/case > out 2>&1; r=$?; echo "@ $([ $r = 0 ] && echo ok || echo failed) $s"; [ $r = 0 ] || grep -E 'fail|error' out >&2; done`,
    tests: true,
    limit: 40 + 3 * list.split(" ").length,
  })),
];
