// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs of Debian programs whose results depend on nothing but the programs and their input: shell scripts, run by the
 * root's /bin/sh in an empty /tmp. What they print is what is compared, so results in files are printed as digests.
 *
 * Roots: "debian" is made by tooling/roots.mjs, "guest" by tooling/bench.mjs (compilers and interpreters).
 */

/** A C program with its build lines; prints through the test's standard output. */
const c = (build, source) => `cat > t.c <<'END'\n${source}\nEND\n${build}`;

const PIPES = `for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done | while read n; do echo $((n * n)) $(echo $n | tr 0-9 a-j); done | sort -n`;

const DEBIAN = {
  "dash-arithmetic":
    "i=0; s=7; while [ $i -lt 3000 ]; do s=$(( (s * 31 + i) % 65521 )); i=$((i + 1)); done; echo $s; exit $((s & 63))",
  "bash-strings": String.raw`bash -c 'a=(one two three four); declare -A m=([x]=1 [y]=2); for k in x y; do echo "$k=${"${m[$k]}"}"; done; s=abcabc; echo ${"${s//b/-} ${s^^} ${#s} ${s:2:3} ${a[@]:1:2}"}; printf "%q %08.3f %x\n" "a b" 3.14159 48879; [[ foo123 =~ ([a-z]+)([0-9]+) ]] && echo ${"${BASH_REMATCH[2]}"}'`,
  "bash-functions":
    "bash -c 'f() { local n=$1; (( n < 2 )) && { echo $n; return; }; echo $(( $(f $((n-1))) + $(f $((n-2))) )); }; f 9'",
  "bash-signals":
    "bash -c 'trap \"echo usr1\" USR1; trap \"echo end\" EXIT; kill -USR1 $$; (sleep 5 & p=$!; kill -TERM $p; wait $p; echo $?); kill -KILL $BASHPID & wait $!; echo $?; false | true; echo ${PIPESTATUS[@]}' 2>&1 | sed 's/  *[0-9]* *Killed/ Killed/'",
  "bash-coprocess":
    "bash -c 'coproc cat; echo hello >&${COPROC[1]}; read -u ${COPROC[0]} x; echo got $x; diff <(seq 1 5) <(seq 2 6); echo $?'",
  "fork-and-pipes": PIPES,
  digests: "seq 1 50000 > f; md5sum f; sha1sum f; sha256sum f; sha512sum f; b2sum f; cksum f; sum f",
  "sort-uniq-join":
    "seq 1 4000 | mawk '{ print ($1 * 7919) % 1009, $1 }' > a; sort -k1,1n -k2,2nr a | uniq -c -w 4 | sort -rn | head -20; sort -R --random-source=a a | cksum; sort -u -k1,1 a > b; sort a > c; join b c | cksum; comm -13 b c | tail -2",
  gzip: "seq 1 60000 > f; for l in 1 6 9; do gzip -n -$l -c f | cksum; done; gzip -c f | gunzip | cmp - f && echo same; gzip -dc /dev/null; echo $?",
  bzip2:
    "seq 1 60000 > f; bzip2 -k f; cksum f.bz2; bunzip2 -c f.bz2 | cmp - f && echo same; head -c 1000 f.bz2 > g.bz2; bunzip2 g.bz2; echo $?",
  tar: "mkdir -p d/e; seq 1 3000 > d/a; seq 1 99 > d/e/b; ln -s a d/l; tar c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 d | cksum; tar c d | (mkdir x; cd x; tar x); diff -r d x/d && echo same; readlink x/d/l",
  sed: "seq 1 2000 | sed -n '1~7{s/\\(.\\)\\(.\\)/\\2\\1/;p}' | cksum; printf 'a\\nb\\nc\\n' | sed -e '1!G;h;$!d' -e 's/b/[&]/'; echo hello | sed 's/l*/x/3g;y/abc/xyz/'",
  mawk: 'seq 1 5000 | mawk \'{ s += $1; q += $1 * $1; w[$1 % 17]++ } END { print s, q, s / NR; for (i = 0; i < 17; i++) printf "%d:%d ", i, w[i]; printf "%.12g %.12g\\n", sqrt(q), exp(1) * log(7) + sin(0.5) * cos(0.25) }\'',
  "mawk-strings":
    'seq 1 3000 | mawk \'{ $2 = sprintf("%05x", $1 * 40503 % 65536); gsub(/[ace]/, "<&>"); l[length($0)]++; if (match($0, /<[a-z]>[0-9]/)) n += RSTART } END { for (i = 1; i < 40; i++) if (i in l) print i, l[i]; print n }\'',
  grep: "seq 1 20000 > f; grep -c 7 f; grep -E '^(1|2)[0-9]*9$' f | cksum; grep -o '9.*9' f | sort -u | wc -l; grep -v -e 1 -e 2 -n f | tail -2; grep -P '(\\d)\\1\\1$' f | head -3; grep x f; echo $?",
  "find-xargs":
    "mkdir -p a/b/c; for i in 1 2 3 4 5 6 7 8; do echo $i > a/f$i; echo $i > a/b/c/g$i; done; find a -type f -name '*[357]' | sort; find a -type f | sort | xargs -n 3 -P 4 cat | sort | uniq -c; find a -depth -delete; ls",
  bc: "echo 'scale=60; 4*a(1); e(1); sqrt(2); 2^521-1\ndefine f(n) {\nif (n<2) return (n)\nreturn (f(n-1)+f(n-2))\n}\nf(16); l(10)' | bc -l",
  "dc-like-bc": "echo 'obase=16; 2^200+12345; ibase=2; 101011' | BC_LINE_LENGTH=0 bc",
  m4: "printf 'define(`fact'\"'\"', `ifelse($1, 0, 1, `eval($1 * fact(decr($1)))'\"'\"')'\"'\"')fact(10) forloop\\nlen(abcdef) substr(abcdef, 2, 3) translit(hello, a-z, A-Z) format(`%%08x'\"'\"', 3735928559)\\n' | m4",
  diff: "seq 1 500 > a; sed -e 7d -e 's/^33$/x/' -e '250,260s/$/!/' a > b; diff -u a b | sed 1,2d; diff -y -W 30 a b | cksum; cmp a b; diff3 a b a | cksum; sdiff -s a b",
  factor: "factor 2147483647 4294967297 18446744073709551557 600851475143 123456789012345678901234567890",
  "text-tools":
    "seq 1 999 | od -An -tx1 | cksum; seq 1 99 | base64 | tail -1; seq 1 999 | base32 | cksum; seq 1 30 | paste - - - | cut -f 2; seq 1 12 | pr -3 -t; seq 1 8 | tac | nl | expand | fold -w 20; printf 'a b\\nb c\\nc d\\n' | tsort; seq 1 40 | fmt -w 30; numfmt --to=iec 1234567 | rev 2>/dev/null; echo",
  "printf-floats":
    "printf '%a %e %g %.20f\\n' 0.1 12345.678 1e-7 0.3; printf '%d %u %o %x\\n' -5 7 8 255; printf '%s|%-8s|%8s|\\n' a b c; seq 0 0.1 1; seq -f %.15g 1e-5 1e-5 5e-5",
  "split-and-cat":
    "seq 1 20000 > f; split -b 10000 f p.; ls p.* | wc -l; cat p.* | cmp - f && echo same; csplit -s f 5 '/^77$/' '/99$/' '{3}'; wc -l xx0*; shuf --random-source=f -n 5 f; truncate -s 12345 f; wc -c f",
  fifo: "mkfifo q; (seq 1 3000 > q) & mawk '{ s += $1 } END { print s }' < q; wait; echo $?; (exit 42) & wait $!; echo $?",
  "dd-holes":
    "dd if=/dev/zero of=h bs=1 count=1 seek=1000000 2>/dev/null; wc -c h; cksum h; dd if=h of=g bs=4096 conv=sparse 2>/dev/null; cmp h g && echo same; seq 1 100 | dd conv=ucase,swab bs=7 2>/dev/null | cksum",
  "files-and-times":
    "touch -d '2011-02-03 04:05:06 UTC' f; chmod 4751 f; ln f g; ln -s f s; TZ=UTC ls -l --time-style=full-iso f g | mawk '{ print $1, $2, $6, $7, $9 }'; stat -c '%a %h %s %Y %F' f; stat -c '%a %h %s %F' s; mv g h; [ f -ef h ]; echo $?; rm f; cat s; echo $?; rmdir /tmp/none; echo $?",
  "signals-and-status":
    "yes | head -3; sh -c 'kill -SEGV $$'; echo $?; sh -c 'kill -TERM $$'; echo $?; timeout 0.2 sleep 5; echo $?; env -i A=1 env; /nonexistent; echo $?; /etc/passwd; echo $?",
  "perl-data": String.raw`perl -e 'my %h; $h{$_ * 7919 % 10007} = $_ for 1 .. 20000; my @k = sort { $a <=> $b } keys %h; print scalar(@k), " $k[0] $k[-1] ", join(",", map { $h{$_} } @k[0 .. 9]), "\n"; my $s = join "", map { chr(65 + $_ % 26) } 1 .. 5000; my $n = () = $s =~ /([A-M])(?=[N-Z])/g; print "$n ", length($s =~ tr/A-C//dr), "\n"; printf "%.17g %.17g %e\n", 1 / 3, sqrt(2) * exp(1), 1e300 * 1e10; print join(" ", unpack("N n C a3", pack("N n C a3", 4275878552, 65535, 200, "xyz"))), "\n"'`,
  "perl-numbers": String.raw`perl -e 'my @s = (1) x 50001; for my $i (2 .. 223) { next unless $s[$i]; for (my $j = $i * $i; $j <= 50000; $j += $i) { $s[$j] = 0 } } my $c = grep { $s[$_] } 2 .. 50000; print "$c\n"; my $x = 0.5; $x = 3.9 * $x * (1 - $x) for 1 .. 20000; printf "%.17g\n", $x; use integer; my $h = 0; $h = ($h * 33 + $_) & 0x7fffffff for 1 .. 50000; print "$h\n"'`,
  "perl-processes": String.raw`perl -e '$| = 1; my @p; for my $i (1 .. 8) { pipe(my $r, my $w); my $pid = fork; if (!$pid) { close $r; print $w "child $i ", $i ** 5, "\n"; exit $i } close $w; push @p, [$pid, $r] } for (@p) { my $r = $_->[1]; print scalar <$r>; waitpid $_->[0], 0; print $? >> 8, "\n" } local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print $@; die "last words\n"'`,
  "perl-text": String.raw`seq 1 3000 | perl -ne 'chomp; $w{length}++; s/(\d)(\d)/$2$1/g; $t .= $_; END { print "$_=$w{$_} " for sort keys %w; print unpack("%32C*", $t), " ", crypt("secret", "ab") // "none", "\n"; print scalar reverse(substr $t, 100, 20), "\n"; print join("|", split /(?<=9)/, substr $t, 0, 60), "\n" }'`,
};

const FLOATS = `#include <stdio.h>
#include <math.h>
#include <fenv.h>
int main(void) {
  long double s = 0; double d = 1.0 / 3; float f = 0.1f; int m[4] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
  for (int i = 1; i < 5000; i++) { s += 1.0L / i; d = d * 1.0000001 + 1e-9 * i; f = f * 1.001f - 0.0001f; }
  printf("%La %a %a\\n", s, d, f);
  for (int i = 0; i < 4; i++) { fesetround(m[i]); volatile double a = 1, b = 3, c = 1e-300; printf("%a %a %a %ld\\n", a / b, sqrt(b), c * c, lrint(-2.5)); }
  fesetround(FE_TONEAREST);
  feclearexcept(FE_ALL_EXCEPT); volatile double z = 0; z = 1 / z; printf("%g %d\\n", z, fetestexcept(FE_ALL_EXCEPT));
  for (double x = 0.1; x < 3; x += 0.7) printf("%a %a %a %a %a\\n", floor(x * 7), fmod(x, 0.3), ldexp(x, -1040), nextafter(x, 9), (double)(float)x);
  printf("%d %lld %u %a\\n", (int)-1e9, (long long)1e18, (unsigned)3e9, (double)0xffffffffffffffffull);
  return 0; }`;

const INTEGERS = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
static int cmp(const void *a, const void *b) { return *(int *)a - *(int *)b; }
static jmp_buf env;
static int deep(int n) { if (n == 0) longjmp(env, 7); return deep(n - 1) + n; }
struct s { int a; char b[13]; long long c; };
static struct s pass(struct s x) { x.c = x.c * x.a + x.b[3]; return x; }
int main(int argc, char **argv) {
  unsigned h = 2166136261u; unsigned long long w = 88172645463325252ull; static int v[20000]; char t[300];
  for (int i = 0; i < 20000; i++) { w ^= w << 13; w ^= w >> 7; w ^= w << 17; v[i] = (int)(w % 100003) - 50000; h = (h ^ (unsigned)v[i]) * 16777619u; }
  qsort(v, 20000, sizeof *v, cmp); int key = v[777]; int *p = bsearch(&key, v, 20000, sizeof *v, cmp);
  printf("%u %d %d %d %lld %lld\\n", h, v[0], v[19999], *p, (long long)w / 12345, (long long)w % -977);
  printf("%d\\n", setjmp(env) ? 7 : deep(100));
  struct s x = { 5, "struct", 1ll << 40 }; x = pass(x); printf("%lld %s\\n", x.c, x.b);
  memset(t, 'x', sizeof t); t[299] = 0; memmove(t + 3, t, 200); strcpy(t + 100, "tail"); printf("%zu %s %d %p\\n", strlen(t), strrchr(t, 't'), strncmp(t, "xxy", 3) < 0, (void *)0);
  printf("%g %s %ld %lu\\n", strtod("0x1.8p3", 0), getenv("LANG") ? "set" : "unset", strtol("-0777", 0, 0), strtoul("zz", 0, 36));
  return argc + 40; }`;

const FAULTS = `#define _GNU_SOURCE
#include <stdio.h>
#include <signal.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static sigjmp_buf env; static volatile int n;
static void h(int sig, siginfo_t *i, void *u) { n++; printf("%d code %d %s\\n", sig, i->si_code, sig == SIGSEGV ? (i->si_addr == (void *)16 ? "at 16" : "elsewhere") : ""); fflush(stdout); siglongjmp(env, 1); }
int main(void) {
  struct sigaction a; memset(&a, 0, sizeof a); a.sa_sigaction = h; a.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &a, 0); sigaction(SIGFPE, &a, 0); sigaction(SIGILL, &a, 0); sigaction(SIGTRAP, &a, 0); sigaction(SIGBUS, &a, 0);
  volatile int z = 0;
  for (int r = 0; r < 3; r++) {
    if (!sigsetjmp(env, 1)) *(volatile int *)16 = 1;
    if (!sigsetjmp(env, 1)) z = 1 / z;
    if (!sigsetjmp(env, 1)) __asm__ volatile("ud2");
    if (!sigsetjmp(env, 1)) __asm__ volatile("int3");
    if (!sigsetjmp(env, 1)) { char *p = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); p[5000] = 1; } }
  unsigned char *m = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int sum = 0;
  for (int i = 0; i < 2000; i++) { m[0] = 0xb8; memcpy(m + 1, &i, 4); m[5] = 0xc3; sum += ((int (*)(void))m)(); }
  printf("%d faults, %d\\n", n, sum);
  abort_now: raise(SIGABRT); goto abort_now; }`;

const THREADS = `#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
static atomic_int n; static int m; static pthread_mutex_t l = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t c = PTHREAD_COND_INITIALIZER; static __thread int own;
static void *f(void *p) { for (int i = 0; i < 3000; i++) { atomic_fetch_add(&n, 1); own += i; if (i % 50 == 0) { pthread_mutex_lock(&l); m += own & 7; pthread_cond_signal(&c); pthread_mutex_unlock(&l); } } return (void *)(long)own; }
int main(void) { pthread_t t[6]; long s = 0; for (int i = 0; i < 6; i++) pthread_create(t + i, 0, f, 0); for (int i = 0; i < 6; i++) { void *r; pthread_join(t[i], &r); s += (long)r; }
  printf("%d %d %ld %d\\n", n, m, s, own); return 0; }`;

const LUA = String.raw`local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end
local t = {} for i = 1, 5000 do t[i] = (i * 7919) % 65521 end table.sort(t)
print(fib(20), t[1], t[2500], t[5000], #t, 7 // 2, -7 // 2, -7 % 3, 1 << 62, 3 | 4 ~ 1, 2^0.5, 10 / 3, 1e15, 2^63, math.maxinteger + 1)
local co = coroutine.wrap(function(a) for i = 1, 3 do a = coroutine.yield(a * i) end return "end" end) print(co(2), co(3), co(4), co(5))
print(("the quick brown fox"):gsub("%w+", function(w) return w:upper():reverse() end)) print(string.format("%5.2f|%-6s|%q|%x|%a", 3.14159, "ab", "q\n", 255, 0.1))
local s = setmetatable({}, { __add = function(a, b) return "added" end, __index = function(_, k) return k .. "!" end, __call = function(_, x) return x * 2 end }) print(s + 1, s.foo, s(21))
print(pcall(error, { 1 }), select("#", table.unpack({ 1, nil, 3 }, 1, 3)), utf8.char(228, 8364), os.time({ year = 2020, month = 1, day = 1, hour = 0 }) // 1)
error("last words")`;

const PYTHON = String.raw`import re, struct, math, sys
print(sum(i * i for i in range(20000)), sorted({i * 7919 % 10007 for i in range(5000)})[:5], 2 ** 521 - 1, math.factorial(60))
d = {}
for w in ("the quick brown fox jumps over the lazy dog " * 50).split(): d[w] = d.get(w, 0) + len(w)
print(sorted(d.items(), key=lambda kv: (-kv[1], kv[0])), re.sub(r"(\w)(\w*)", lambda m: m[2] + m[1] + "ay", "pig latin words"))
print(0.1 + 0.2, 1 / 3, 1e22, float("inf") - 1, round(2.675, 2), math.sqrt(2), math.exp(1), math.log(10), math.sin(1), divmod(-7, 3), (-7) // 2.0, struct.pack("<idH", -2, 0.5, 65535).hex(), f"{12345.678:>12,.2f}|{255:#x}")
def gen(n):
    while n != 1:
        yield n
        n = n // 2 if n % 2 == 0 else 3 * n + 1
print(len(list(gen(97))), list(map(lambda p: p[0] * p[1], zip(range(5), range(5, 10)))), [*reversed("abc")], "äöü€".encode().hex())
class A:
    def __init__(self, x): self.x = x
    def __add__(self, o): return A(self.x + o.x)
    def __repr__(self): return f"A({self.x})"
print(A(1) + A(2), hash((1, 2.5, "x" * 0)), pow(3, 10 ** 6, 10 ** 9 + 7), int("z" * 30, 36) % 1000003)
try: [][1]
except IndexError as e: print(type(e).__name__, e)
def f(n): return f(n - 1) if n else 1 // 0
try: f(300)
except ZeroDivisionError as e: print(e)
sys.exit(f"last words {sys.maxsize}")`;

const PYTHON_PROCESSES = String.raw`import os, signal, select, time
for i in range(6):
    r, w = os.pipe()
    p = os.fork()
    if p == 0:
        os.close(r); os.write(w, b"x" * (i * 1000)); os._exit(i)
    os.close(w); n = 0
    while True:
        b = os.read(r, 700)
        if not b: break
        n += len(b)
    os.close(r)
    print(n, os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(s))
for _ in range(50): os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda s, f: got.append(s)); signal.setitimer(signal.ITIMER_REAL, 0.05)
while signal.SIGALRM not in got: time.sleep(0.01)
print(len(got), got[-1] == signal.SIGALRM, select.select([], [1], [], 0)[1])
p = os.fork()
if p == 0: os.kill(os.getpid(), signal.SIGKILL)
print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))
os.mkdir("d"); open("d/f", "w").write("text"); os.rename("d/f", "d/g"); print(os.listdir("d"), os.stat("d/g").st_size)
os.execv("/bin/sh", ["sh", "-c", "echo replaced; exit 5"])`;

const SQL = String.raw`CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, name TEXT, v REAL);
INSERT INTO t SELECT value, (value * 7919) % 1009, 'row' || value, value / 7.0 FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c LIMIT 3000) SELECT value FROM c);
CREATE INDEX tk ON t(k);
SELECT count(*), sum(v), max(name), avg(k), total(v * v) FROM t WHERE k BETWEEN 100 AND 500;
SELECT k % 10, count(*), group_concat(id, ',') FROM t WHERE id < 60 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 4;
SELECT id, sum(k) OVER (ORDER BY id ROWS 3 PRECEDING), rank() OVER (PARTITION BY k % 5 ORDER BY v DESC) FROM t WHERE id % 301 = 0 ORDER BY id;
UPDATE t SET v = v + 1, name = upper(substr(name, 2)) WHERE k % 3 = 0; DELETE FROM t WHERE id % 11 = 4;
SELECT count(*), sum(length(name)), printf('%.6f', sum(v)), hex(zeroblob(3)), json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b') FROM t;
WITH RECURSIVE f(a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM f LIMIT 40) SELECT max(b) FROM f;
SELECT * FROM nosuch; SELECT 1/0, 5/2, 5%3, 1e308*10, abs(-9223372036854775807), round(2.5), 'a' < 'B', 'abc' LIKE 'A%', 0.1+0.2;`;

const ASM = String.raw`.globl _start
_start: mov $20, %ecx
  xor %eax, %eax
  mov $1, %ebx
1: add %ebx, %eax
  xchg %eax, %ebx
  loop 1b
  mov %ebx, %eax
  mov $buf+10, %edi
  mov $10, %esi
2: xor %edx, %edx
  div %esi
  add $48, %dl
  dec %edi
  mov %dl, (%edi)
  test %eax, %eax
  jnz 2b
  mov $4, %eax
  mov $1, %ebx
  mov %edi, %ecx
  mov $buf+11, %edx
  sub %edi, %edx
  int $0x80
  mov $1, %eax
  mov $3, %ebx
  int $0x80
.data
buf: .ascii "          \n"`;

const heredoc = (file, text) => `cat > ${file} <<'END'\n${text}\nEND`;
const TOOLS = "export PATH=/usr/local/bin:/usr/bin:/bin";
const IN = "/bench/inputs";

const GUEST = {
  "busybox-pipes": PIPES.replace("sort", "busybox sort"),
  "busybox-digests":
    "busybox seq 1 40000 > f; for p in md5sum sha1sum sha256sum sha512sum sha3sum crc32; do busybox $p f; done; busybox gzip -c f | busybox crc32; busybox gzip -c f | busybox gunzip | busybox cmp - f && echo same; busybox bzip2 -c f | busybox bunzip2 | busybox md5sum; busybox lzop -c f | busybox lzop -d | busybox md5sum",
  "busybox-awk-sed":
    "busybox seq 1 3000 | busybox awk '{ w[$1 % 13] += $1 * 1.5; s = s substr($1, 1, 1) } END { for (i = 0; i < 13; i++) print i, w[i]; print length(s), substr(s, 100, 20), int(7.9) }'; busybox seq 1 900 | busybox sed -n 's/\\([0-9]\\)\\1/<\\1>/p' | busybox tail -3; busybox seq 1 30 | busybox tac | busybox fold -w 2 | busybox paste - - - - | busybox head -4",
  "busybox-dc-bc":
    "echo '30k 2v p 10 3 / p 2 100 ^ p' | busybox dc; echo 'scale=40; 4*a(1); e(2)' | busybox bc -l; busybox factor 4294967295 600851475143; busybox expr 7 \\* 6; busybox printf '%05d %x %e\\n' 42 255 1.5",
  "busybox-archives":
    "mkdir -p d/e; busybox seq 1 2000 > d/a; echo x > d/e/b; (cd d && busybox find . | busybox sort | busybox cpio -o -H newc 2>/dev/null) | busybox wc -c; busybox tar c d | (mkdir x; cd x; busybox tar x); busybox diff -r d x/d && echo same; busybox find d -type f -exec busybox md5sum {} + | busybox sort",
  "ash-loop":
    "i=0; s=0; while [ $i -lt 1500 ]; do s=$(( (s * 31 + i) % 65521 )); case $s in *7*) n=${s#*7};; *) n=$s;; esac; i=$((i+1)); done; echo $s $n; exit 9",
  lua: `${TOOLS}; ${heredoc("t.lua", LUA)}\nTZ=UTC lua5.4 t.lua`,
  "lua-strings": `${TOOLS}; lua5.4 -e 'local p = {} for i = 1, 3000 do p[#p+1] = string.format("%05d:%s", i * 7919 % 65521, ("x"):rep(i % 7)) end local j = table.concat(p, ",") local c = 0 for w in j:gmatch("%d+") do c = c + tonumber(w) end print(#j, c, j:find("65", 1, true), j:sub(-10), j:byte(50, 55)) local s = 0.0 for i = 1, 100000 do s = s + math.sin(i) / i end print(string.format("%.15g", s))'`,
  "sqlite-memory": `${TOOLS}; ${heredoc("q.sql", SQL)}\nsqlite3 :memory: '.read q.sql'`,
  "sqlite-file": `${TOOLS}; ${heredoc("q.sql", SQL)}\nsqlite3 db '.read q.sql' > /dev/null; sqlite3 db 'PRAGMA integrity_check; VACUUM; BEGIN; DELETE FROM t; ROLLBACK; SELECT count(*) FROM t'; sqlite3 db .dump | busybox sha256sum; sqlite3 db 'PRAGMA journal_mode=wal; UPDATE t SET k = k + 1; PRAGMA wal_checkpoint(TRUNCATE); SELECT sum(k) FROM t'; ls -l db | busybox awk '{ print $5 }'`,
  python: `${TOOLS}; ${heredoc("t.py", PYTHON)}\nPYTHONHASHSEED=0 python3.11 -S -E t.py`,
  "python-processes": `${TOOLS}; ${heredoc("t.py", PYTHON_PROCESSES)}\npython3.11 -S -E -u t.py`,
  "python-errors": `${TOOLS}; python3.11 -S -E -c 'def f(x):\n  return 1 // x\nf(0)'; echo $?; echo 'print(' | python3.11 -S -E -; echo $?; python3.11 -S -E -c 'import sys; sys.setrecursionlimit(5000); f = lambda n: n and f(n - 1) + 1; print(f(3000)); f(9999)' 2>&1 | busybox tail -1`,
  "gcc-levels": `${TOOLS}; for o in 0 1 2 s; do gcc -O$o -c -o u.o ${IN}/cproj/unit3.c && busybox sha256sum u.o; done`,
  "gcc-integers": `${TOOLS}; ${c("gcc -O2 -o t t.c && ./t a b; echo $?", INTEGERS)}`,
  "gcc-floats-x87": `${TOOLS}; ${c("gcc -O1 -mfpmath=387 -frounding-math -o t t.c -lm && ./t; echo $?", FLOATS)}`,
  "gcc-floats-sse2": `${TOOLS}; ${c("gcc -O1 -msse2 -mfpmath=sse -frounding-math -o t t.c -lm && ./t; echo $?", FLOATS)}`,
  "gcc-faults": `${TOOLS}; ${c("gcc -O1 -w -o t t.c && ./t; echo $?", FAULTS)}`,
  "gcc-threads": `${TOOLS}; ${c("gcc -O1 -o t t.c && ./t; echo $?", THREADS)}`,
  "gcc-diagnostics": `${TOOLS}; printf 'int f(int x) { int y; return y + z; }\\nvoid g( {}\\n' > e.c; gcc -Wall -O1 -c e.c; echo $?; gcc -E -P - < ${IN}/cproj/proj.h | busybox sha256sum; gcc -S -O2 -o - ${IN}/cproj/unit7.c | busybox sha256sum; gcc nothere.c; echo $?`,
  "tcc-integers": `${TOOLS}; ${c("tcc -o t t.c && ./t; echo $?; busybox sha256sum t", INTEGERS)}`,
  "tcc-run": `${TOOLS}; ${c("tcc -run t.c x y z; echo $?", INTEGERS)}`,
  "tcc-faults": `${TOOLS}; ${c("tcc -w -o t t.c && ./t; echo $?", FAULTS)}`,
  "as-ld": `${TOOLS}; ${heredoc("t.s", ASM)}\ni686-linux-gnu-as -o t.o t.s && i686-linux-gnu-ld -o t t.o && ./t; echo $?; busybox sha256sum t.o t; nm t.o; size t | busybox tail -1; strip t; ./t; strings t | busybox head -3`,
  binutils: `${TOOLS}; for i in 1 2 3; do gcc -c -o u$i.o ${IN}/cproj/unit$i.c; done; i686-linux-gnu-ar rcsD l.a u1.o u2.o u3.o; busybox sha256sum l.a; nm -s l.a | busybox head -12; objcopy -O binary -j .text u1.o b; busybox sha256sum b; addr2line -f -e u1.o 16 | busybox head -1; c++filt _ZNSt6vectorIiSaIiEE9push_backERKi`,
  "make-tcc": `${TOOLS}; cp -r ${IN}/cproj p; make -s -j4 -C p CC=tcc && p/proj; echo $?; busybox sha256sum p/proj; busybox touch -d 2030-01-01 p/unit3.c; make -n -C p CC=tcc 2>/dev/null; make -C p nothing; echo $?`,
  "make-gcc": `${TOOLS}; mkdir p; printf 'a: b c\\n\\tcat b c > a\\nb c: %%: x.%%\\n\\tcp $< $@\\nx.%%:\\n\\tgcc -O1 -dumpversion > $@; echo $* >> $@\\n' > p/Makefile; make -C p -j3 | busybox sort; cat p/a`,
  esbuild: `${TOOLS}; for i in 3 50 199; do esbuild --minify ${IN}/js/m$i.js | busybox sha256sum; done; echo 'let x = ;' > e.js; esbuild e.js; echo $?`,
  "benchmark-checksums": "/bench/bin/cpu -r 1 -m 1 -o nothing",
};

/** All cases as { name, root, script }. */
export const CASES = [
  ...Object.entries(DEBIAN).map(([name, script]) => ({ name, root: "debian", script })),
  ...Object.entries(GUEST).map(([name, script]) => ({ name, root: "guest", script })),
];
