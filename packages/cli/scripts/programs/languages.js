// SPDX-License-Identifier: BSD-3-Clause
/** perl, python3, lua5.4, sqlite3, git, esbuild (a Go program) at work on files, processes and sockets. */

const heredoc = (file, text) => `cat > ${file} <<'END'\n${text}\nEND`;

const PERL = String.raw`use strict; use warnings; use POSIX qw(:sys_wait_h strftime); use IO::Socket::INET; use IO::Select; use Fcntl qw(:flock SEEK_SET); use File::Temp; use Time::HiRes qw(sleep alarm); use threads; use Data::Dumper;
$| = 1; my %h = map { $_ => $_ ** 2 } 1 .. 50; print join(",", map { $h{$_} } sort { $a <=> $b } keys %h), "\n";
my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die $!; my $port = $s->sockport;
if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or die $!; print $c "line $_\n" for 1 .. 3; shutdown $c, 1; print "child heard ", scalar <$c>; exit 7 }
my $c = $s->accept; print "server: $_" while <$c>; print $c "bye\n"; close $c; wait; print $? >> 8, "\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 0.1; sleep 5 }; print $@; local $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0; print "chld\n" }; system("true"); my $p = fork // die; exit 3 unless $p; sleep 20;
open my $f, "+>", "f" or die; flock $f, LOCK_EX; print $f "x" x 1000; seek $f, 10, SEEK_SET; read $f, my $b, 5; print "$b\n"; print -s $f, " ", (stat "f")[7], "\n"; truncate $f, 5; print -s "f", "\n";
pipe my $r, my $w; print $w "data"; close $w; my $n = IO::Select->new($r)->can_read(1); print "$n ", <$r>, "\n"; open my $q, "-|", "echo piped; exit 4"; print <$q>; close $q; print $? >> 8, "\n";
my @t = map { my $i = $_; threads->create(sub { my $x = 0; $x += $_ * $i for 1 .. 500; $x }) } 1 .. 4; print join(" ", map { $_->join } @t), "\n"; print strftime("%F", gmtime 1e9), "\n"; print Dumper([1, { a => undef }]); print sprintf("%vd %s", "1.22.333", $^O), "\n"; mkdir "d"; symlink "f", "l"; print join(" ", sort glob "*"), " ", readlink "l", "\n"; utime 5, 6, "f"; print((stat "f")[9], "\n"); chmod 0600, "f"; printf "%o\n", (stat "f")[2]; kill 0, $$ or die; exec "sh", "-c", "echo replaced; exit 9";`;

const PYTHON = String.raw`import asyncio, concurrent.futures, ctypes, hashlib, json, mmap, multiprocessing, os, queue, signal, socket, sqlite3, struct, subprocess, tempfile, threading, zlib
print(subprocess.run(["sh", "-c", "cat; echo err >&2; exit 3"], input=b"in", capture_output=True))
with concurrent.futures.ThreadPoolExecutor(4) as e: print(sum(e.map(lambda n: n * n, range(100))))
async def main():
    server = await asyncio.start_server(lambda r, w: handle(r, w), "127.0.0.1", 0)
    async def handle(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()
    globals()["handle"] = handle
    async def client(i):
        r, w = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1]); w.write(b"hello %d\n" % i); d = await r.read(); w.close(); return d
    print(await asyncio.gather(*[client(i) for i in range(5)]))
    p = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.1; echo async; exit 2", stdout=-1); print(await p.communicate(), p.returncode)
    try: await asyncio.wait_for(asyncio.sleep(9), 0.05)
    except asyncio.TimeoutError: print("timeout")
asyncio.run(main())
def square(q, n): q.put(n * n)
q = multiprocessing.Queue(); ps = [multiprocessing.Process(target=square, args=(q, i)) for i in range(4)]; [p.start() for p in ps]; print(sorted(q.get() for _ in ps)); [p.join() for p in ps]
with multiprocessing.Pool(2) as pool: print(pool.map(abs, range(-5, 0)))
m = mmap.mmap(-1, 8192); m[:5] = b"share"
if os.fork() == 0: m[5] = 33; os._exit(0)
os.wait(); print(m[:6])
db = sqlite3.connect("t.db"); db.execute("create table t(a, b)"); db.executemany("insert into t values (?, ?)", [(i, str(i) * 3) for i in range(500)]); db.commit(); print(db.execute("select count(*), max(b) from t").fetchone())
a, b = socket.socketpair(); socket.send_fds(a, [b"fd"], [os.open("t.db", os.O_RDONLY)]); print(socket.recv_fds(b, 10, 2)[0])
print(ctypes.CDLL(None).abs(-4), hashlib.sha256(b"x").hexdigest(), zlib.crc32(b"abc"), json.dumps({"a": [1, None]}), struct.pack("<Id", 5, 2.5))
signal.signal(signal.SIGUSR1, lambda *a: print("usr1")); os.kill(os.getpid(), signal.SIGUSR1)
lock = threading.Condition(); done = []
def wait():
    with lock:
        while not done: lock.wait()
ts = [threading.Thread(target=wait) for _ in range(8)]; [t.start() for t in ts]
with lock: done.append(1); lock.notify_all()
[t.join() for t in ts]; print(len(threading.enumerate()))
with tempfile.TemporaryDirectory() as d: open(d + "/x", "w").write("y"); print(os.listdir(d))
print(os.path.exists(d)); os.abort()`;

/** Urgent bytes, O_ASYNC, owners of files and the signals they get. */
const SIGIO = String.raw`import errno, fcntl, os, signal, socket, struct, time
def attempt(f, *a):
    try: return f(*a)
    except OSError as e: return errno.errorcode[e.errno]
def pair():
    s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); a = s.accept()[0]; s.close(); return c, a
def readable(s, ev):
    import select; p = select.poll(); p.register(s, ev); return [e for _, e in p.poll(0)]
PRI = 2
def settle(): time.sleep(0.1)
c, a = pair()
print("none", attempt(a.recv, 1, socket.MSG_OOB))
c.send(b"abc"); c.send(b"xyZ", socket.MSG_OOB); c.send(b"def"); settle()
at = lambda: struct.unpack("i", fcntl.ioctl(a, 0x8905, b"\0" * 4))[0]
inq = lambda: struct.unpack("i", fcntl.ioctl(a, 0x541b, b"\0" * 4))[0]
print(readable(a, 3), at(), inq(), a.recv(1, socket.MSG_OOB | socket.MSG_PEEK))
print(a.recv(100), at(), inq(), readable(a, 3)); print(a.recv(1, socket.MSG_OOB), readable(a, 3), attempt(a.recv, 1, socket.MSG_OOB)); print(a.recv(100, socket.MSG_PEEK), at(), a.recv(100), at(), inq())
c.send(b"!", socket.MSG_OOB); settle(); print(readable(a, 3), at(), inq()); a.setblocking(False); print(attempt(a.recv, 10), at(), attempt(a.recv, 1, socket.MSG_OOB)); a.setblocking(True)
c.send(b"1", socket.MSG_OOB); c.send(b"2", socket.MSG_OOB); settle(); print(inq(), a.recv(1, socket.MSG_OOB)); print(attempt(a.recv, 10, socket.MSG_DONTWAIT), at())
a.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1); c.send(b"ab", socket.MSG_OOB); c.send(b"c"); settle(); print(attempt(a.recv, 1, socket.MSG_OOB), readable(a, 3), inq(), at()); print(a.recv(10), at(), readable(a, 3)); print(a.recv(10), at())
m = a.recvmsg(1) if c.send(b"q") else None; print(m)
a.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 0); c.send(b"u", socket.MSG_OOB); settle(); print(a.recvmsg(4, 0, socket.MSG_OOB)[:3])
u = socket.socketpair(); d = socket.socket(type=socket.SOCK_DGRAM); d.bind(("127.0.0.1", 0)); print(attempt(d.sendto, b"x", socket.MSG_OOB, d.getsockname()))
c, a = pair(); signal.signal(signal.SIGURG, lambda *x: print("urg")); fcntl.fcntl(a, fcntl.F_SETOWN, os.getpid()); c.send(b"x", socket.MSG_OOB); settle()
rt = signal.SIGRTMIN + 2; signal.pthread_sigmask(signal.SIG_BLOCK, [rt, signal.SIGIO]); W = lambda: signal.sigtimedwait([rt, signal.SIGIO], 0.3)
def show(i, *fds): print(None if i is None else ("io" if i.si_signo == signal.SIGIO else "rt", i.si_code, i.si_band))
r, w = os.pipe(); fl = fcntl.fcntl(r, fcntl.F_GETFL)
print(attempt(fcntl.fcntl, r, fcntl.F_SETOWN, 999999), fcntl.fcntl(r, fcntl.F_SETOWN, os.getpid()), fcntl.fcntl(r, fcntl.F_GETOWN) == os.getpid())
os.write(w, b"x"); show(W()); fcntl.fcntl(r, fcntl.F_SETFL, fl | os.O_ASYNC); show(W()); os.write(w, b"x"); show(W())
print(attempt(fcntl.fcntl, r, fcntl.F_SETSIG, 99), fcntl.fcntl(r, fcntl.F_SETSIG, rt), fcntl.fcntl(r, fcntl.F_GETSIG) - signal.SIGRTMIN); os.write(w, b"y"); os.write(w, b"z"); show(W()); show(W()); show(W())
os.close(w); show(W()); fcntl.fcntl(r, fcntl.F_SETFL, fl); show(W()); os.close(r)
o = struct.unpack("ii", fcntl.fcntl(a, 16, b"\0" * 8)); print(o[0], o[1] == os.getpid()); print(attempt(fcntl.fcntl, a, 15, struct.pack("ii", 7, 1))); fcntl.fcntl(a, 15, struct.pack("ii", 2, os.getpgrp())); print(fcntl.fcntl(a, 16, b"\0" * 8)[:4], fcntl.fcntl(a, fcntl.F_GETSIG))
fcntl.fcntl(a, 15, struct.pack("ii", 0, __import__("threading").get_native_id())); fcntl.fcntl(a, fcntl.F_SETSIG, rt); fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK | os.O_RDWR); c.send(b"data"); show(W()); show(W())
print(a.recv(10)); n = 0
while type(attempt(a.send, b"x" * 65536)) is int: pass
show(W()); settle()
while True:
    c.settimeout(0.2)
    try: c.recv(1 << 20)
    except TimeoutError: break
show(W()); c.close(); show(W())
l = socket.create_server(("127.0.0.1", 0)); fcntl.fcntl(l, fcntl.F_SETOWN, os.getpid()); fcntl.fcntl(l, fcntl.F_SETSIG, rt); fcntl.fcntl(l, fcntl.F_SETFL, os.O_ASYNC | os.O_RDWR); k = socket.create_connection(l.getsockname()); show(W())`;

const LUA = String.raw`local f = assert(io.open("f", "w")); for i = 1, 2000 do f:write(i, "\n") end f:close()
local n = 0 for l in io.lines("f") do n = n + tonumber(l) end print(n, io.open("nothere")) local p = io.popen("echo piped; exit 3") print(p:read("a"), p:close())
print(os.execute("kill -9 $$")) print(os.rename("f", "g"), os.remove("g"), os.remove("g")) print(os.date("!%F", 86400), os.getenv("HOME"), type(os.clock()))
local co = coroutine.create(function(...) local x = ... while true do x = coroutine.yield(x * 2) end end) print(coroutine.resume(co, 4), coroutine.resume(co, 5))
print(pcall(error, { code = 2 }), select("#", table.unpack({ 1, nil, 3 }, 1, 3)), string.pack("<i4", 7):byte(1, -1)) local t = setmetatable({}, { __index = function(_, k) return k .. "!" end, __gc = function() print("gc") end }) print(t.x) t = nil collectgarbage()
print(string.format("%q %g %5.1f %a", "a\nb", 1e20, 2.25, 1), math.type(3), 3 // 0.0, -7 % 3, 1 << 63, "10" + 5) os.exit(5)`;

const SQL = String.raw`PRAGMA journal_mode=wal;
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT); CREATE INDEX tk ON t(k);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 5000) INSERT INTO t SELECT n, n * 7919 % 1009, 'row' || n FROM c;
BEGIN; UPDATE t SET v = v || 'x' WHERE k < 100; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT;
SELECT count(*), sum(k), max(v) FROM t; SELECT k % 5, group_concat(id) FROM t WHERE id < 30 GROUP BY 1; EXPLAIN QUERY PLAN SELECT * FROM t WHERE k = 5;
CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('the quick fox'), ('lazy dog'); SELECT x FROM f WHERE f MATCH 'quick';
SELECT json_group_array(id) FROM t WHERE id < 5; PRAGMA integrity_check; PRAGMA wal_checkpoint(TRUNCATE); VACUUM; SELECT rank() OVER (ORDER BY k), id FROM t WHERE id < 6; SELECT * FROM none;`;

const GIT = `git config --global user.name A; git config --global user.email a@b; git config --global init.defaultBranch main; export GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000' GIT_PAGER=cat`;

export const LANGUAGES = [
  { name: "perl", script: `${heredoc("t.pl", PERL)}\nperl t.pl` },
  {
    name: "python",
    script: `${heredoc("t.py", PYTHON)}\nPYTHONHASHSEED=0 python3 -u t.py; echo $?`,
    limit: 100,
  },
  { name: "python-sigio-and-urgent-bytes", script: `${heredoc("t.py", SIGIO)}\npython3 -u t.py; echo $?` },
  { name: "lua", script: `${heredoc("t.lua", LUA)}\nlua5.4 t.lua 2>&1; echo $?` },
  {
    name: "sqlite",
    script: `${heredoc("q.sql", SQL)}\nsqlite3 db '.read q.sql'; echo $?; sqlite3 db .dump | sha256sum; for i in 1 2 3 4 5 6; do sqlite3 -cmd '.timeout 20000' db "BEGIN IMMEDIATE; UPDATE t SET k = k + 1 WHERE id = 1; COMMIT" > /dev/null & done; wait; sqlite3 db 'SELECT k FROM t WHERE id = 1; PRAGMA integrity_check'; sqlite3 db '.backup copy' && cmp <(sqlite3 db .dump) <(sqlite3 copy .dump) 2>/dev/null; sqlite3 db 'PRAGMA journal_mode=delete; BEGIN; DELETE FROM t; SELECT count(*) FROM t; ROLLBACK; SELECT count(*) FROM t'; ls; head -c 4000 db > cut; sqlite3 cut 'PRAGMA integrity_check' 2>&1 | head -1; sqlite3 /nothere/db 'select 1'; echo $?`,
  },
  {
    name: "git",
    script: `${GIT}; git init -q r; cd r; for i in 1 2 3 4 5; do seq 1 $((i * 300)) > f$i; mkdir -p d$i; echo $i > d$i/x; git add -A; git commit -q -m "commit $i"; done; git log --oneline --stat; git checkout -q -b side HEAD~2; echo side > s; git add s; git commit -qm side; git merge -q --no-edit main; git log --graph --format='%h %s'; git checkout -q main; sed -i '5s/$/!/' f1; git diff; git stash -q; git stash list; git stash pop; git commit -qam edit; git rebase -q side 2>&1; git tag -a v1 -m tag; git describe; git gc -q --aggressive --prune=now; git count-objects -v | grep -v size; git fsck --full; cd ..; git clone -q r c; git clone -q --bare --depth 2 file:///tmp/case/r b 2>&1; git -C c log --format=%H | sha256sum; echo more >> c/f2; git -C c commit -qam push; git -C c push -q origin HEAD:refs/heads/new; git -C r branch -a; git -C r archive new | tar t | sort | tail -3; git -C c mv f1 g1; git -C c status --short; git -C c blame -L 1,2 s | cut -c 1-8; git -C c grep -n side; git -C c bundle create -q x HEAD; git -C c bundle verify x > /dev/null; echo $?; git -C c worktree add -q ../w new 2>&1; ls w; git -C r format-patch -1 --stdout new | git -C b apply --stat 2>&1; git -C c bisect start -q HEAD v1~2 > /dev/null; git -C c bisect run -q sh -c 'test ! -e s' > /dev/null 2>&1; git -C c bisect reset -q; git nosuch; echo $?`,
    limit: 120,
  },
  {
    name: "git-server",
    script: `${GIT}; git init -q r; cd r; seq 1 5000 > f; git add f; git commit -qm one; cd ..; touch r/.git/git-daemon-export-ok; git daemon --base-path=/tmp/case --reuseaddr --listen=127.0.0.1 --port=9418 --pid-file=p --detach; for i in 1 2 3 4 5 6 7 8 9; do [ -s p ] && break; sleep 0.1; done; git clone -q git://127.0.0.1/r c && cmp r/f c/f && echo cloned; git ls-remote git://127.0.0.1/r; git clone -q git://127.0.0.1/none n; echo $?; kill $(cat p)`,
  },
  {
    name: "esbuild",
    script: `mkdir src; for i in $(seq 1 60); do echo "import { f$((i % 59 + 1)) } from './m$((i % 59 + 1)).js'; export function f$i(a) { const x = a?.b ?? $i; return [...Array(x)].map((y, z) => y * z) }" > src/m$i.js; done; echo "import { f1 } from './m1.js'; import data from './d.json'; console.log(f1(data))" > src/main.js; echo '{"a": [1, 2]}' > src/d.json; for o in '' '--minify' '--minify --target=es2017 --sourcemap --format=cjs'; do esbuild src/main.js --bundle --outfile=out.js --log-level=error $o; sha256sum out.js*; rm -f out.js.map; done; echo 'let x = ;' | esbuild; echo $?; echo 'const a: number = 1; enum E { A }' | esbuild --loader=ts; esbuild nothere.js; echo $?; esbuild --version; GOMAXPROCS=4 GOGC=5 esbuild src/m1.js --bundle --minify | sha256sum`,
  },
];
