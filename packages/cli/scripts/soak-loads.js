// SPDX-License-Identifier: BSD-3-Clause
/**
 * Loads of the soak test: shell scripts for the guest, their order decided by a seed. A step that ends otherwise than it must prints a
 * line that begins with `FAIL`, and the load's exit status is the number of those (at most 99).
 */

/** Draws the next number below `n` into $r; the sequence is a linear congruence over the seed in $s. */
const DRAW = "s=$(( (s * 1103515245 + 12345) & 2147483647 )); r=$(( (s >> 12) % $1 ))";

const FAIL = 'fail() { echo "FAIL $*"; bad=$((bad + 1)); }';
const END = "[ $bad -gt 99 ] && bad=99; exit $bad";

/**
 * `count` short processes one after another: busybox (static, on /bb) and Debian's dynamic tools, each made by fork and exec and waited for.
 */
export function shortProcesses(seed, count) {
  const kinds = [
    "/bb/bin/busybox true || fail true",
    "/bb/bin/busybox false && fail false",
    '[ "$(/bb/bin/busybox expr $i + 1)" = $((i + 1)) ] || fail expr',
    "/bb/bin/busybox seq 1 20 > /tmp/f || fail seq",
    "/bin/true || fail dynamic true",
    "/usr/bin/expr $i '*' 0 + 1 > /dev/null || fail expr",
    '[ "$(/usr/bin/basename /a/b/$i)" = $i ] || fail basename',
    "/usr/bin/cut -d : -f 1 /etc/passwd > /tmp/g || fail cut",
    '/usr/bin/bash -c "exit 7"; [ $? = 7 ] || fail bash',
    "/usr/bin/perl -e 'exit 3'; [ $? = 3 ] || fail perl",
    "echo $i | /usr/bin/md5sum > /dev/null || fail md5sum",
    "/bb/bin/busybox sleep 5 & p=$!; kill -9 $p; wait $p; [ $? = 137 ] || fail kill",
  ];
  return [
    `s=${seed}; i=0; bad=0`,
    FAIL,
    `draw() { ${DRAW}; }`,
    `while [ $i -lt ${count} ]; do`,
    `  draw ${kinds.length}; i=$((i + 1))`,
    "  case $r in",
    ...kinds.map((kind, k) => `  ${k}) ${kind};;`),
    "  esac",
    "done",
    END,
  ].join("\n");
}

const PYTHON =
  "import os,sys;p=os.fork()\nif p==0: os._exit((sum(range(50000))+3)%7)\nsys.exit(os.waitstatus_to_exitcode(os.waitpid(p,0)[1]))";

/** A child counts a hundred real-time signals, each with its value, then its parent sees it end by another. */
const SIGNALS = [
  "import os,signal,time",
  "s=signal.SIGRTMIN+1; signal.pthread_sigmask(signal.SIG_BLOCK,[s]); p=os.fork()",
  "if p==0:",
  "  for i in range(100): assert signal.sigwaitinfo([s]).si_pid==os.getppid()",
  "  while 1: signal.pause()",
  "for i in range(100): os.kill(p,s)",
  "while open('/proc/%d/stat'%p).read().split()[2]!='S': time.sleep(.01)",
  "time.sleep(.05); os.kill(p,signal.SIGUSR2); assert os.waitpid(p,0)[1]==signal.SIGUSR2",
].join("\n");

/** Of a redis-server that lives as long as the load: its benchmark, and a dump, which a forked child writes. */
const REDIS = [
  'redis-benchmark -q -p $port -n 500 -c 10 -t set,get,incr,lpush,rpop,mset > q || fail redis-benchmark',
  '[ "$(redis-cli -p $port set n 41)$(redis-cli -p $port incr n)" = OK42 ] || fail redis-cli; redis-cli -p $port flushall > q; redis-cli -p $port bgsave > q || fail bgsave',
];

/**
 * Builds, data bases, interpreters, fork storms, signals, pipes and archives in a seeded order, by two workers at once, for `seconds`;
 * with `redis` two servers beside them. At the end no process but the shell may be left.
 */
export function mixed(seed, seconds, redis = false) {
  const kinds = [
    "make -s -B -j4 -C p CC=tcc unit1.o unit2.o unit3.o unit4.o unit5.o unit6.o || fail make tcc",
    "gcc-12 -O1 -c -o u.o p/unit$((s % 60)).c || fail gcc",
    "sqlite3 db 'CREATE TABLE IF NOT EXISTS t(a, b); BEGIN; DELETE FROM t; WITH RECURSIVE c(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM c LIMIT 2000) INSERT INTO t SELECT v, v * v FROM c; COMMIT; SELECT sum(b) FROM t' > q; [ \"$(cat q)\" = 2668667000 ] || fail sqlite $(cat q)",
    `python3.11 -S -E -c '${PYTHON}'; [ $? = 4 ] || fail python`,
    "lua5.4 -e 'local t = {} for i = 1, 30000 do t[i] = (i * 7919) % 65521 end table.sort(t) assert(t[1] <= t[2])' || fail lua",
    "j=0; while [ $j -lt 40 ]; do ( : ) & j=$((j + 1)); done; wait || fail forks",
    '[ "$(busybox seq 1 5000 | busybox sort -r | busybox gzip | busybox gunzip | busybox tail -n 1)" = 1 ] || fail pipes',
    "busybox sleep 30 & k=$!; busybox sleep 30 & l=$!; kill -TERM $k $l; wait $k; [ $? = 143 ] || fail term; wait $l; [ $? = 143 ] || fail term 2",
    "rm -rf x y; busybox tar c p | (mkdir x; cd x; busybox tar x) && busybox diff -r p x/p > /dev/null || fail tar; rm -rf x",
    "busybox dd if=/dev/zero of=z bs=64k count=64 2> /dev/null; busybox truncate -s 1000 z; [ $(busybox wc -c < z) = 1000 ] || fail dd; rm z",
    "esbuild --minify /bench/inputs/js/m$((s % 200)).js > o.js || fail esbuild",
    `python3.11 -S -E -c "${SIGNALS}" || fail signals`,
    ...(redis ? REDIS : []),
  ];
  const worker = [
    "mkdir /bench/tmp/w$1 && cd /bench/tmp/w$1 && cp -r /bench/inputs/cproj p || exit 99",
    "s=$2; bad=0; n=0; port=637$1",
    FAIL,
    `draw() { ${DRAW}; }`,
    `until=$(( $(busybox date +%s) + ${seconds} ))`,
    "while [ $(busybox date +%s) -lt $until ]; do",
    `  draw ${kinds.length}; n=$((n + 1))`,
    "  case $r in",
    ...kinds.map((kind, k) => `  ${k}) ${kind};;`),
    "  esac",
    "done",
    'echo "worker $1: $n steps, $bad failed"',
    END,
  ].join("\n");
  const server = (n) =>
    `(mkdir /bench/tmp/r${n}; cd /bench/tmp/r${n}; exec redis-server --port 637${n} --save '' --logfile log) & r${n}=$!`;
  return [
    "export PATH=/usr/local/bin:/usr/bin:/bin; bad=0",
    FAIL,
    "mkdir -p /bench/tmp",
    ...(redis ? [server(1), server(2), "sleep 3"] : []),
    `cat > /bench/tmp/worker <<'END'\n${worker}\nEND`,
    `sh /bench/tmp/worker 1 ${seed} & a=$!`,
    `sh /bench/tmp/worker 2 ${seed + 1} & b=$!`,
    "wait $a; bad=$?; wait $b; bad=$((bad + $?))",
    ...(redis ? ["kill $r1 $r2; wait $r1 || fail server 1; wait $r2 || fail server 2"] : []),
    // Kernel threads have no exe
    'for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || [ ! -e $p/exe ] || fail "$p is left: $(busybox cat $p/cmdline)"; done',
    END,
  ].join("\n");
}
