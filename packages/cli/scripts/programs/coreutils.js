// SPDX-License-Identifier: BSD-3-Clause
/** A smoke of every program of coreutils, in groups; `every-tool` counts that none is missing. */

/** Each program of the package with a call that shows what it does. */
const TOOLS = {
  "[": "[ a = a ] && [ 3 -lt 4 -a ! -e nothere ] && echo yes; [ 1 -gt 2 ]; echo $?; [ a -eq 1 ]; echo $?",
  arch: "arch | sed 's/x86_64/i686/'",
  b2sum: "seq 1 1000 | b2sum -l 256; b2sum --tag in > s; b2sum -c s",
  base32: "seq 1 50 | base32 -w 40; echo NBSWY3DPEB3W64TMMQ====== | base32 -d",
  base64: "seq 1 50 | base64 -w 0; echo; base64 in | base64 -d | cmp - in; echo '!!' | base64 -d; echo $?",
  basename: "basename /a/b/c.txt .txt; basename -a x/y z/w",
  basenc:
    "seq 1 20 | basenc --base16; seq 1 8 | basenc --base2msbf; printf '\\001\\002\\003\\004' | basenc --z85",
  cat: "cat -A in | tail -2; cat -ns in in | tail -1; cat nothere; echo $?; cat < in - | wc",
  chcon: "chcon x nothere; echo $?; chcon --version | head -1",
  chgrp: "touch f; chgrp 1 f; stat -c %G f; chgrp nosuchgroup f; echo $?",
  chmod:
    "touch f; chmod u=rwx,g=rx,o= f; stat -c %a f; chmod -v g-x,o+r f; chmod --reference=in f; mkdir d; chmod -R 1777 d; stat -c %A d",
  chown:
    "touch f; chown daemon:bin f; stat -c '%U %G' f; chown -v --from=daemon root f; ln -s f l; chown -h nobody l; stat -c %U l f",
  chroot: "chroot / /bin/echo in a root; chroot --userspec=nobody / id -u; chroot nothere true; echo $?",
  cksum:
    "cksum in; cksum -a sha256 in; cksum -a crc --debug in 2>/dev/null; cksum -a sm3 in; cksum -a bsd in",
  comm: "seq 1 9 | sort > a; seq 4 12 | sort > b; comm a b; comm -12 --total a b",
  cp: "cp in a; mkdir -p d/e; cp a d/e; cp -a d x; diff -r d x; cp -l a h; stat -c %h a; cp -s /tmp/case/a s; readlink s; cp --sparse=always in sp; cmp in sp; cp -u a a2; cp --attributes-only in e; stat -c %s e; cp d y; echo $?; cp --reflink=always a r 2>/dev/null; cp -b in a; ls",
  csplit: "seq 1 40 > n; csplit -n 3 n 10 '/25/+1' '{0}'; wc -l xx*",
  cut: "cut -c 2-3 in | head -3; printf 'a:b:c\\n' | cut -d: -f 3,1 --output-delimiter=+; printf 'abc\\n' | cut -b 2 --complement",
  date: "date -u -d @1234567890 +'%F %T %a %j %U'; date -d '2011-02-28 + 2 days' +%D; date -r in +%s >/dev/null && echo ok; date -d garbage; echo $?; [ $(date +%s) -gt 1700000000 ] && echo clock",
  dd: "dd if=in of=o bs=100 count=3 skip=1 2>&1 | head -2; dd if=/dev/zero bs=1k count=2 conv=sync status=none | wc -c; dd if=in conv=ucase,block cbs=10 status=none | head -c 50; dd if=in of=o oflag=append conv=notrunc status=none; wc -c o; dd if=/dev/zero of=big bs=1M count=4 oflag=direct,dsync status=none; stat -c %s big; dd if=in bs=50 iflag=fullblock,skip_bytes skip=7 count=1 status=none | cksum",
  df: "df --output=target /proc | tail -1; df nothere; echo $?",
  dir: "mkdir d; touch d/b d/a; dir d",
  dircolors: "dircolors -b | head -c 20; dircolors -p | wc -l",
  dirname: "dirname /a/b/c x /",
  du: "mkdir -p d/e; head -c 5000 /dev/zero > d/e/f; du --apparent-size -b d/e/f; du -s --inodes d; du nothere; echo $?",
  echo: "/bin/echo -e 'a\\tb\\x41\\c' x; /bin/echo -n no newline; /bin/echo",
  env: "env -i A=1 B=2 env; env -u HOME sh -c 'echo ${HOME-none}'; env -S 'printf %s|' a b; env -C / pwd; env --block-signal=INT sh -c 'kill -INT $$; echo blocked'; env nosuch; echo $?",
  expand: "printf 'a\\tb\\tc\\n' | expand -t 4; printf '\\ta\\tb\\n' | expand -i",
  expr: "expr 7 \\* 6 + 1; expr hello : 'h\\(.*\\)o'; expr length abc; expr 1 / 0; echo $?; expr 99999999999999999999 + 1",
  factor: "factor 360 97 18446744073709551557 1234567890123456789012",
  false: "/bin/false; echo $?",
  fmt: "seq -s ' ' 1 60 | fmt -w 40; printf '  a b\\n  c\\n' | fmt -s",
  fold: "seq -s '' 1 40 | fold -w 16; echo 'aa bb cc dd' | fold -s -w 6",
  groups: "groups; groups daemon",
  head: "head -n 2 in; head -c -3900 in | wc -c; head -n 1 in in; yes | head -3; head nothere; echo $?",
  hostid: "hostid | wc -c",
  id: "id; id -u daemon; id -Gn nobody; id nosuch; echo $?",
  install:
    "install -D -m 4755 -o daemon in d/e/f; stat -c '%a %U' d/e/f; install -d x/y; install -t x in; install -s in z 2>/dev/null; echo $?; ls x",
  join: "printf 'a 1\\nb 2\\n' > p; printf 'a x\\nc y\\n' > q; join -a 1 -a 2 -e - -o 0,1.2,2.2 p q",
  link: "link in l; stat -c %h l; link in l; echo $?; link nothere x; echo $?",
  ln: "ln -s in s; ln -sf nothere s; readlink s; ln in h; ln -v in h2; mkdir d; ln -sr in d/r; readlink d/r; ln d e; echo $?; ln -b -s q s; ls",
  logname: "logname > /dev/null 2>&1; echo $?",
  ls: 'mkdir -p d/sub; touch -d @86400 d/b; touch -d @0 d/a; ln -s b d/l; mkfifo d/p; touch -h -d @0 d/l d/p d/sub; chmod 4711 d/a; ls -lR --time-style=+%s d | awk \'/^d/ { $2 = $5 = "-" } /^total/ { $2 = "-" } { $1 = $1; print }\'; ls -1tr d; ls -F d; ls --color=always d; ls -m d; ls -Q -w 20 -C d; ls nothere; echo $?; ls -v -1 /proc/self/fd | head -3; ls -ld --author --block-size=k in | cut -c 1-10',
  md5sum: "md5sum in; md5sum in > s; md5sum -c s; echo x >> in; md5sum --status -c s; echo $?; seq 1 9 > in",
  mkdir: "mkdir -p a/b/c; mkdir -m 700 s; stat -c %a s; mkdir a; echo $?; mkdir x/y; echo $?; mkdir -v z",
  mkfifo: "mkfifo -m 600 p; stat -c '%F %a' p; (echo through > p) & cat p; wait",
  mknod: "mknod p p; stat -c %F p; mknod c c 1 3 && stat -c '%F %t %T' c",
  mktemp:
    "t=$(mktemp); [ -f $t ] && stat -c %a $t; d=$(mktemp -d ./x.XXXXXX); stat -c '%F %a' $d; mktemp x.XX; echo $?",
  mv: "cp in a; mv a b; mkdir d; mv b d; mv -v d e; cp in c; mv -n c e/b; ls . e; mv -T e f; mv f f/g; echo $?; mv --backup=numbered c in; ls; mv in c; mv in.~1~ in; cp in /dev/shm/x && mv /dev/shm/x y && cmp in y",
  nice: "nice -n 7 nice; nice -n 5 sh -c 'nice -n 3 nice'; nice --adjustment=-3 nice",
  nl: "head -3 in | nl -w 3 -s '> ' -v 10 -i 5; printf 'a\\n\\nb\\n' | nl -b a",
  nohup: "nohup sh -c 'kill -HUP $$; echo survived' 2>/dev/null",
  nproc: "[ $(nproc) -ge 1 ] && echo some; OMP_NUM_THREADS=3 nproc; nproc --ignore=999",
  numfmt:
    "numfmt --to=iec-i --suffix=B 123456789; numfmt --from=si 1.5M; seq 1000 500 3000 | numfmt --grouping --field=1 --padding=8; numfmt x; echo $?",
  od: "head -c 40 in | od -c; head -c 16 in | od -A x -t x2z -t d4; od -t f8 -N 16 /dev/zero; od -An -tu1 -j 3 -N 4 in; strings=$(od -S 3 in | wc -l); echo $strings",
  paste: "seq 1 6 | paste -d ,: - - -; paste -s -d + in | head -c 30; echo",
  pathchk: "pathchk -p 'a*b'; echo $?; pathchk /usr/bin; echo $?; pathchk $(printf '%0300d' 0); echo $?",
  pinky: "pinky -l root | head -1 | tr -s ' \\t' ' '",
  pr: "head -12 in | pr -3 -t -w 40; seq 1 5 | pr -n -h title -D date -l 12; seq 1 4 | pr -m -t - in | head -3",
  printenv: "A=b printenv A; printenv NOSUCH; echo $?",
  printf:
    "/usr/bin/printf '%5.2f|%-5s|%05d|%x|%c|%b|%q\\n' 3.14159 ab 42 255 xyz 'a\\tb' 'a b'; /usr/bin/printf '%d\\n' abc; echo $?; /usr/bin/printf '\\u00e9\\n' | od -An -tx1",
  ptx: "printf 'the quick brown\\nfox jumps\\n' | ptx -w 40",
  pwd: "mkdir d; ln -s d l; cd l; /bin/pwd; /bin/pwd -L",
  readlink:
    "ln -s a/b l; readlink l; readlink -f l; readlink -e l; echo $?; readlink -m /x/../y/./z; readlink in; echo $?",
  realpath:
    "mkdir -p d/e; ln -s d/e l; realpath l l/.. nothere; realpath --relative-to=d l; realpath -s l; realpath -e nothere; echo $?",
  rm: "mkdir -p d/e/f; touch d/a d/e/b; rm d; echo $?; rm -rv d | sort; rm -f nothere; echo $?; touch x; rm -i x < /dev/null; ls x; rm -d x; rm /; echo $?",
  rmdir:
    "mkdir -p a/b/c; rmdir -p a/b/c; mkdir d; touch d/f; rmdir d; echo $?; rmdir --ignore-fail-on-non-empty d; rmdir nothere; echo $?",
  runcon: "runcon x true 2>&1; echo $?",
  seq: "seq 5; seq -s, 10 -3 1; seq -w 8 11; seq -f %.3g 0 .1 .5; seq 1e3 1002; seq x; echo $?",
  sha1sum: "sha1sum in; printf abc | sha1sum",
  sha224sum: "printf abc | sha224sum",
  sha256sum: "sha256sum in --tag; printf abc | sha256sum -b",
  sha384sum: "printf abc | sha384sum",
  sha512sum: "printf abc | sha512sum; head -c 1000000 /dev/zero | sha512sum",
  shred: "cp in s; shred -n 1 -z s; od -An -tx1 -N 4 s; shred -u s; ls s; echo $?",
  shuf: "seq 1 20 | shuf --random-source=in -n 5; shuf -e a b c | sort | tr -d '\\n'; shuf -i 1-100 | sort -n | cksum",
  sleep: "sleep 0.1; sleep 0.01s 0.01; echo $?; sleep x; echo $?",
  sort: "seq 1 20 | sort; seq 1 20 | sort -rn | head -2; printf 'b 2\\na 10\\na 9\\n' | sort -k1,1 -k2,2n; printf '1K\\n2M\\n3\\n' | sort -h; printf 'v1.10\\nv1.9\\n' | sort -V; printf 'Mar\\nJan\\n' | sort -M; sort -c in; echo $?; sort -um in in | wc -l; seq 1 60000 | sort -R --random-source=in | sort -n -S 100k -T . | cksum; sort --parallel=4 -n in | tail -1",
  split:
    "split -l 4 in p.; wc -l p.*; split -n 3 -d in q.; cat q.* | cmp - in; split -b 10 --filter='wc -c' in; split -n r/2 in r.; head -2 r.ab",
  stat: "stat -c '%A %a %F %h %n %s %u %g %U %G %t %T' in /dev/null; stat -c '%d' in > /dev/null; ln -s in l; stat -c '%N %F' l; stat -L -c %F l; stat -f -c '%l' . ; stat nothere; echo $?; touch -d @1000000000.5 in; stat -c '%X %y %Z' in | cut -d ' ' -f 1-3; stat --printf '%s\\n' in",
  stdbuf: "stdbuf -oL echo line; stdbuf -o 0 -i 0 cat in | head -1",
  stty: "stty < /dev/null; echo $?; stty -a < in 2>&1 | head -1",
  sum: "sum in; sum -s in",
  sync: "sync; sync in; sync -d in; sync -f .; sync nothere; echo $?",
  tac: "tac in | head -3; printf 'a:b:c' | tac -s :",
  tail: "tail -n 2 in; tail -c 5 in; tail -n +8 in; (sleep 0.2; echo more >> g; sleep 0.5; echo end >> g) & echo first > g; timeout 2 tail -f g; echo $?; wait; tail --pid=$$ -n 1 in; tail nothere; echo $?",
  tee: "seq 1 3 | tee a b | wc -l; cat a b; echo x | tee -a a /dev/full; echo $?; cat a",
  test: "/usr/bin/test -f in && /usr/bin/test -r in && /usr/bin/test in -ef in && echo all; /usr/bin/test -p in; echo $?; /usr/bin/test a b; echo $?; touch -d @5 o; /usr/bin/test o -ot in && echo older; /usr/bin/test -t 0; echo $?",
  timeout:
    "timeout 0.2 sleep 9; echo $?; timeout -s KILL 0.2 sleep 9; echo $?; timeout 5 sh -c 'exit 3'; echo $?; timeout -k 0.2 0.2 sh -c 'trap : TERM; while :; do sleep 0.05; done'; echo $?; timeout --preserve-status 0.1 sleep 2; echo $?; timeout 1 nosuch; echo $?",
  touch:
    "touch a; touch -d '2001-02-03 04:05:06.789' a; stat -c %y a; touch -r a b; stat -c %Y b; touch -c n; ls n; touch -a -t 200001010000 a; stat -c '%X %Y' a; touch -h -d @9 l; touch d/e; echo $?",
  tr: "echo hello | tr a-y b-z; echo aabbcc | tr -s ab; echo 'a1b2' | tr -d '[:digit:]'; echo abc | tr -c 'a\\n' x; tr a; echo $?",
  true: "/bin/true; echo $?",
  truncate:
    "truncate -s 10K t; stat -c %s t; truncate -s -1K t; truncate -s %4K t; truncate -r in t; stat -c %s t; truncate -s +5 t; tail -c 5 t | od -An -tx1; truncate -s x t; echo $?",
  tsort: "printf 'a b b c d c\\n' | tsort; printf 'a b b a' | tsort; echo $?",
  tty: "tty < /dev/null; echo $?; tty -s; echo $?",
  uname: "uname -s; uname -n; uname -o; uname -r > /dev/null; uname x; echo $?",
  unexpand: "printf '        a       b\\n' | unexpand -a",
  uniq: "printf 'a\\na\\nb\\nA\\n' | uniq -c; printf 'a\\na\\nb\\n' | uniq -d; printf 'a\\nA\\n' | uniq -i; printf '1 a\\n2 a\\n' | uniq -f 1; seq 1 30 | uniq -w 1 --group | head -4",
  unlink: "cp in u; unlink u; ls u; unlink nothere; echo $?; mkdir d; unlink d; echo $?",
  users: "users",
  vdir: "touch -d @0 a; vdir --time-style=+%s a",
  wc: "wc in; wc -L in; printf 'no newline' | wc -lw; wc in in | tail -1; wc --files0-from=- < /dev/null; printf 'in\\0in\\0' | wc -l --files0-from=-; wc nothere; echo $?",
  who: "who; who nothere",
  whoami: "whoami",
  yes: "yes | head -2; yes a b | head -1; yes | head -c 1000000 | cksum",
};

const NAMES = Object.keys(TOOLS);
const GROUP = 12;

/** Cases of some programs each: one boot for all of a group. */
function groups() {
  const cases = [];
  for (let at = 0; at < NAMES.length; at += GROUP) {
    const names = NAMES.slice(at, at + GROUP);
    const parts = names.map(
      (name) => `echo "== ${name}"; rm -rf /tmp/case/* && seq 1 1000 > in\n( ${TOOLS[name]}\n) 2>&1`,
    );
    cases.push({
      name: `coreutils-${names[0] === "[" ? "test" : names[0]}-to-${names.at(-1)}`,
      script: parts.join("\n"),
    });
  }
  return cases;
}

export const COREUTILS = [
  {
    name: "coreutils-every-tool",
    script: `for t in ${NAMES.map((name) => `'${name}'`).join(" ")}; do [ -x "/usr/bin/$t" ] || [ -x "/usr/sbin/$t" ] || echo "no $t"; done
for t in /usr/bin/* /usr/sbin/*; do grep -q 'GNU coreutils' "$t" 2> /dev/null && echo "$t"; done | sort`,
  },
  ...groups(),
];
