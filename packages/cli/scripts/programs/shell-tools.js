// SPDX-License-Identifier: BSD-3-Clause
/** bash, dash, findutils, grep, sed, gawk, tar and compressors, diffutils, patch, make, ssh-keygen, util-linux, file. */

const TREE =
  "mkdir -p d/e/f; seq 1 4000 > d/a; seq 5 99 > d/e/b; head -c 70000 /dev/zero > d/e/f/z; ln -s ../a d/e/l; ln d/a d/h; mkfifo d/p; touch -d @1000000 d/a d/e/b";

export const SHELL_TOOLS = [
  {
    name: "bash-features",
    script: String.raw`cat > s <<'END'
shopt -s extglob globstar; mkdir -p x/y/z; touch x/y/{a..c}.txt x/y/z/d.log; echo **/*.txt x/y/!(b*).txt
declare -A m=([k]=v [l]=w); for k in $(printf '%s\n' "$${"{!m[@]}"}" | sort); do echo $k=$${"{m[$k]}"}; done
mapfile -t lines < <(seq 1 5); echo $${"{#lines[@]}"} $${"{lines[-1]}"}
f() { local -n r=$1; r+=x; }; v=1; f v; echo $v; printf -v o '%(%Y)T' 0; echo $o
coproc { read a; echo "got $a"; }; echo hi >&$${"{COPROC[1]}"}; read -u $${"{COPROC[0]}"} b; echo $b; wait
exec 7<> file; echo data >&7; exec 7>&-; cat file; trap 'echo err $?' ERR; false; trap - ERR
(trap 'echo exit' EXIT; exit 3); echo $?; set -o pipefail; false | true; echo $?; time -p : 2> /dev/null
wait -n < <(:) 2> /dev/null; (sleep 0.1; exit 5) & (sleep 0.4) & wait -n; echo $?; wait; ulimit -n; umask
read -t 0.1 < <(sleep 1); echo $(( $? > 128 )); echo $${"{BASH_VERSINFO[0]}"} $((2**40)) $${"{v@Q}"}; kill -l 9; cat <<< here
END
bash s`,
  },
  {
    name: "bash-job-control",
    script: String.raw`cat > s <<'END'
set -m; sleep 30 & sleep 31 & jobs; kill -STOP %1; sleep 0.2; jobs; kill -CONT %1; kill %1 %2; wait; echo $?; jobs
(exit 4) & wait %%; echo $?; sh -c 'kill -STOP $$; echo resumed' & sleep 0.3; jobs; fg %sh; echo $?; disown -a; echo done
END
bash s 2>&1 | sed "s/\[\([0-9]\)\] [0-9][0-9]*$/[\1] pid/" | grep -v Terminated`,
  },
  {
    name: "dash-posix",
    script: String.raw`dash -c 'f() { echo "$# $*"; return 4; }; f a "b c"; echo $?; x=abc.tar.gz; echo ${"${x%%.*} ${x#*.} ${#x} ${y:-d} ${y:=e}"} $y; case $x in *.gz) echo gz;; esac; i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done; trap "echo trapped" USR1; kill -USR1 $$; set -- 1 2 3; shift; echo "$@"; { echo err >&2; } 2>&1; (exit 9); echo $?; readonly r=1; (r=2) 2>/dev/null; echo $?; getopts ab: o -b v; echo $o $OPTARG; printf "%s\n" *; exec 3>f; echo x >&3; cat f; umask 027; umask; type cd; command -v ls; eval "echo \$x"; times | wc -l; wait; ulimit -f'`,
  },
  {
    name: "findutils",
    script: `${TREE}; find d | sort; find d -type f -size +10k -printf '%p %s %n\\n' | sort; find d -newer d/a -type f; find d -name '[ab]' -exec md5sum {} + | sort; find d -type l -lname '*a'; find d -perm 644 -links 2 | sort; find d -maxdepth 1 -mindepth 1 -type d -o -type p | sort; find d -samefile d/h | sort; find d -regex '.*/[a-b]' -print0 | sort -z | xargs -0 -n 1 echo; find d -empty; find d -type f -execdir basename {} ';' | sort; find nothere; echo $?; seq 1 2000 | xargs -P 4 -n 50 echo | wc -l; seq 1 3 | xargs -I% echo a%b; xargs -a d/e/b -s 100 echo | head -2; echo | xargs false; echo $?; find d -delete; ls`,
  },
  {
    name: "grep",
    script:
      "seq 1 3000 > f; printf 'Foo\\nbar\\n\\nfoo bar\\n' > g; grep -c 1 f; grep -in foo g; grep -w bar g; grep -v o g; grep -A1 -B1 -n '^$' g; grep -o '[0-9]\\{4\\}$' f | tail -1; grep -E '^(12|3.)+$' f; grep -F -x -f g g; grep -P '(?<=fo)o' g; grep -r foo . | sort; grep -l x f g; echo $?; grep -q Foo g; echo $?; grep '[' g; echo $?; grep -m 2 5 f; grep -b bar g; printf 'a\\0b' | grep -a b | od -c; printf 'a\\0b' | grep b; grep -z a f | wc -c; egrep 'a|b' g 2>/dev/null; grep --color=always o g",
  },
  {
    name: "sed",
    script:
      "seq 1 12 > f; sed -n '2,4p;$=' f; sed '5q;s/[0-9]/<&>/' f; sed -e '/3/d' -e 'y/12/ab/' f | tr '\\n' ' '; sed '1~3{N;s/\\n/+/}' f; sed -i.bak 's/1/x/g' f; diff f f.bak | head -3; sed -E 's/(.)(.)/\\2\\1/;t;d' f; sed -n '/2/{h;d};G;l' f | head; echo a b | sed 's/\\w/\\u&/g'; sed 'w out' f > /dev/null; cmp f out; sed -s -n '$p' f f.bak; printf 'x\\n' | sed 'a\\\nafter' ; sed 'r f' f.bak | wc -l; echo 'echo run' | sed 's/^/printf /e'; sed 's/(/' f; echo $?; sed --posix -n '$!{$!p}' f | tail -1; sed -z 's/\\n/,/g' f",
  },
  {
    name: "gawk",
    script: String.raw`seq 1 500 | gawk '{ s += $1; a[$1 % 7] = a[$1 % 7] "," $1 } END { print s; n = asorti(a, b); for (i = 1; i <= n; i++) print b[i], length(a[b[i]]) }'; gawk 'BEGIN { while (("seq 1 3" | getline x) > 0) print "got", x; close("seq 1 3"); print "to sort\nand\nback" | "sort"; close("sort"); printf "%c%5.1f%-5s|%x\n", 65, 2.55, "ab", 255; print strftime("%F", 0, 1), toupper("x"), substr("hello", 2, 3), match("foobar", /o+/), RSTART, RLENGTH, gensub(/(a)(b)/, "\\2\\1", "g", "abab"), strtonum("0x1f"), and(12, 10), PROCINFO["version"] ~ /^5/; exit 3 }'; echo $?; gawk 'BEGIN { cmd = "cat"; print "hello" |& cmd; close(cmd, "to"); cmd |& getline y; print y }'; printf 'a,"b,c",d\n' | gawk -v FPAT='([^,]+)|("[^"]+")' '{ print NF, $2 }'; gawk 'BEGIN { s = "/inet/tcp/0/127.0.0.1/1"; r = (s |& getline z); print r }' 2>/dev/null; gawk -M 'BEGIN { print 2^200 }'; printf '1 2\n3 4\n' | gawk -f <(echo '{ print $2 }') 2>/dev/null; seq 1 3 > f; gawk -i inplace '{ print $1 * 2 }' f; cat f; gawk 'BEGIN { print 1/0 }'; echo $?`,
  },
  {
    name: "tar",
    script: `${TREE}; for z in '' z j J; do tar c$\{z}f t.tar$z --sort=name --mtime=@0 --owner=0 --group=0 d && tar t$\{z}vf t.tar$z | cksum; mkdir x; tar x$\{z}pf t.tar$z -C x; (cd d; find . -printf '%p %y %m %s %l\\n' | grep -v ' d ' | sort) > 1; (cd x/d; find . -printf '%p %y %m %s %l\\n' | grep -v ' d ' | sort) > 2; diff 1 2 && echo same; rm -rf x; done; tar cf s.tar --sparse d/e/f/z; tar tvf s.tar | cut -d ' ' -f 3; tar rf s.tar d/a; tar uf s.tar d/a; tar tf s.tar; tar --delete -f s.tar d/a; tar tf s.tar; tar cf - --format=pax --exclude='*z' d | tar tf - | sort; tar xf s.tar nothere; echo $?; tar df s.tar; echo $?; tar cM -L 40 -f m1 -f m2 -f m3 d 2>/dev/null; ls m*; tar c d | head -c 5000 > cut.tar; tar xf cut.tar -C /tmp; echo $?; tar cf /dev/null --totals d 2>&1 | cut -d '(' -f 1; tar --to-command='wc -c' -xf t.tar d/a; tar --incremental -cf i.tar -g snar d; tar tf i.tar --incremental | sort | head -2`,
  },
  {
    name: "attributes",
    script: String.raw`all() { find "$@" | sort | xargs getfattr -h -d; }; echo text > f; setfattr -n user.one -v hello f; setfattr -n user.two -v 0x00ff10 f; getfattr -d f; getfattr -d -e hex f; getfattr -n user.none f; echo $?; setfattr -x user.none f; echo $?; setfattr -n other.x f; echo $?; setfattr -n user. f; echo $?; setfattr -x user.one f; getfattr f; mkdir d; setfattr -n user.dir -v "$(seq 1 600)" d; getfattr -d d | cksum; cp -a f d/g; cp f d/plain; mv d/g d/h; all d | cksum; getfattr -d d/h d/plain
ln -s f l; getfattr -h -d l; setfattr -h -n user.x -v y l; echo $?; setfattr -n user.through -v link l; getfattr -d f; mkfifo p; setfattr -n user.x -v y p; echo $?
tar --xattrs -cf t.tar d f; tar --xattrs -tvvf t.tar | grep -c user; mkdir x; tar --xattrs -xf t.tar -C x; (cd x; all .) > 1; tar -xf t.tar -C x --no-xattrs; rsync -aX d f y/; (cd y; all .) > 2; cmp 1 2 && cksum < 1; setfattr -n user.two -v changed f; rsync -aXi d f y/ | grep f; getfattr -d y/f; rsync -a d/ z/; all z
all . > dump; find . -type f -exec setfattr -x user.two {} ';' 2> /dev/null; setfattr --restore=dump; all . | cmp - dump && echo restored
python3 -c '
import os, shutil, errno
os.setxattr("f", "user.py", bytes(range(256)) * 8); print(sorted(os.listxattr("f")), len(os.getxattr("f", "user.py")))
for call in (lambda: os.setxattr("f", "user.py", b"", os.XATTR_CREATE), lambda: os.setxattr("f", "user.no", b"", os.XATTR_REPLACE), lambda: os.removexattr("f", "user.no"), lambda: os.getxattr("p", "user.x")):
    try: call()
    except OSError as e: print(errno.errorcode[e.errno])
shutil.copy2("f", "copy"); print(os.getxattr("copy", "user.py") == os.getxattr("f", "user.py")); fd = os.open("copy", os.O_RDWR); os.removexattr(fd, "user.py"); print(sorted(os.listxattr(fd)))
old = os.stat("f"); os.setxattr("f", "user.t", b"x"); new = os.stat("f"); print(old.st_ctime_ns < new.st_ctime_ns, old.st_mtime_ns == new.st_mtime_ns); os.setxattr("f", "user.big", b"v" * 3000); print(len(os.getxattr("f", "user.big")))'`,
  },
  {
    name: "gzip-bzip2-xz",
    script:
      "seq 1 90000 > f; touch -d @5000 f; for z in gzip bzip2 xz; do for l in 1 6 9; do $z -$l -k -c f | cksum; done; $z -k f; ls f.*; $z -t f.*; echo $?; $z -dc f.* | cmp - f && echo same; for i in f.?z*; do head -c 2000 $i > c.${i##*.}; $z -t c.${i##*.} 2>&1; echo $?; done; $z -l f.* 2>/dev/null | tail -1; rm f.* c.*; done; xz -T4 --block-size=100KiB -c f | xz -dc | cmp - f && echo threads; printf 'a' | gzip -n | od -An -tx1; zcat nothere; echo $?; gzip -c f | zgrep -c 77; cp f g; gzip g; zcmp f g.gz; zdiff f g.gz; echo $?; xzcat /dev/null; bzcat f; echo $?; bzip2recover f 2>&1 | tail -1; touch -d @77 f; gzip -k f; gzip -lv f.gz | tail -1 | tr -s ' ' | cut -d ' ' -f 2; gunzip -N -f f.gz; stat -c %Y f",
  },
  {
    name: "diffutils-patch",
    script:
      "seq 1 300 > a; sed -e 7d -e 's/^33$/x/' -e '250,260s/$/!/' -e '100a new' a > b; touch -d @9000 a b; for o in '' -u -c -e -n --side-by-side -y --rcs; do diff $o a b | cksum; done; diff -q a b; echo $?; diff3 -m a b a | cksum; diff3 a b a | wc -l; cmp a b; cmp -l a b | wc -l; sdiff -s a b | wc -l; diff -u a b > p; cp a c; patch c p; cmp b c; patch -R c < p; cmp a c; sed -i 1,20d c; patch --no-backup-if-mismatch c p; echo $?; patch -p9 < p; echo $?; mkdir o n; cp a o/f; cp b n/f; echo new > n/g; diff -ruN o n | sed '/^diff/d' > q; (cd o; patch -p1 --dry-run < ../q; patch -p1 < ../q; ls); diff -r o n && echo same; patch -i nothere; echo $?; echo garbage | patch x; echo $?; diff --color=always -u a b | wc -c; diff -r o a; echo $?",
  },
  {
    name: "make",
    script:
      String.raw`printf 'V = $(shell echo from shell)\nS := $(patsubst %%,o.%%,1 2 3 4 5 6 7 8)\nall: $(S) ; @echo "$(V) $(words $^) $(sort $(notdir a/b a/c)) $(if $(filter 4.%%,$(MAKE_VERSION)),four)"\no.%%: ; @sleep 0.0$*; echo made > $@\nfail: ; @exit 3\nloop: loop ; @echo x\nsub: ; @$(MAKE) --no-print-directory all\n.PHONY: all fail sub\nifdef X\n$(info X is $(X))\nendif\ndefine two\n@echo one\n@echo two\nendef\ndef: ; $(two)\n' > Makefile; make -j8; make; make X=1 def; make fail; echo $?; make -k fail def; echo $?; make loop; make nosuch; echo $?; make -n -B o.1; make -q; echo $?; rm o.3; make -j3 sub -Otarget; touch -d @0 o.*; make -d -n all | grep -c 'No need'; make -p -f /dev/null 2>/dev/null | grep -c '^%%'; (sleep 0.4; kill -INT 0) & make -s o.1 slow 2>&1 | sed 's/.*Error/Error/'; trap '' INT; echo ended`.replace(
        "(sleep 0.4; kill -INT 0) & make -s o.1 slow 2>&1 | sed 's/.*Error/Error/'; trap '' INT; ",
        "",
      ),
  },
  {
    name: "ssh-keygen",
    script:
      "for t in rsa:2048 ecdsa:256 ed25519:256; do ssh-keygen -q -t ${t%:*} -b ${t#*:} -N '' -C test -f k.${t%:*}; ssh-keygen -y -f k.${t%:*} | cut -d ' ' -f 1,2 > p; cut -d ' ' -f 1,2 k.${t%:*}.pub | cmp - p && ssh-keygen -l -f k.${t%:*} | cut -d ' ' -f 1,3-; done; stat -c '%a %n' k.*; ssh-keygen -p -P '' -N secret -f k.ed25519 > /dev/null; ssh-keygen -y -P wrong -f k.ed25519; echo $?; echo data > m; ssh-keygen -Y sign -n file -f k.rsa m 2>/dev/null; echo \"u $(cat k.rsa.pub)\" > allow; ssh-keygen -Y verify -f allow -I u -n file -s m.sig < m | cut -d ' ' -f 1-5; ssh-keygen -R h -f known 2>&1; ssh -V 2>&1 | cut -c 1-11; eval $(ssh-agent) > /dev/null; ssh-add k.ecdsa 2>&1; ssh-add -l | cut -d ' ' -f 1,3-; ssh-agent -k > /dev/null; ssh -o BatchMode=yes -o ConnectTimeout=2 127.0.0.1 true; echo $?",
  },
  {
    name: "util-linux",
    script:
      "setsid -w sh -c 'ps -o sid= -p $$ | tr -d \" \" > s; [ $(cat s) = $$ ] && echo leader'; flock f -c 'flock -n f -c true; echo $?'; flock -s g sh -c 'flock -s -n g echo shared'; getopt -o ab: -l long -- -b v --long x; logger -s --no-act -t tag hi 2>&1 | cut -d : -f 4 || true; printf 'a b\\nccc d\\n' | column -t 2>/dev/null; chrt -p $$ | head -1 | cut -d : -f 2; ionice -p $$ 2>&1; taskset -p $$ > /dev/null; echo $?; prlimit --nofile --noheadings -o SOFT > /dev/null; echo $?; prlimit --nofile=50:60 sh -c 'ulimit -n; ulimit -Hn'; unshare --help > /dev/null; echo $?; mountpoint -q /proc; echo $?; mcookie | wc -c; namei /usr/bin/env | tail -1; rev /dev/null; renice 5 $$ > /dev/null; nice; whereis -b ls 2>/dev/null | cut -c 1-3; uuidgen 2>/dev/null | wc -c > /dev/null; nsenter --version > /dev/null; echo $?; fallocate -l 5000 fa; stat -c %s fa; hostname",
  },
  {
    name: "file",
    script:
      "seq 1 9 > t; file t /bin/ls /dev/null . | sed 's/BuildID[^,]*, //'; gzip -c t | file - | cut -c 1-20; printf '\\211PNG\\r\\n\\032\\n' | file -; file --mime-type /etc/passwd; file nothere",
  },
];
