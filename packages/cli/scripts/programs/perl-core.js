// SPDX-License-Identifier: BSD-3-Clause
/** perl's core tests of what an operating system does (from its Debian source), compared test by test. */

const GROUPS = {
  io: "io/*.t",
  "op-processes":
    "op/fork.t op/exec.t op/alarm.t op/kill0.t op/sleep.t op/die_exit.t op/getppid.t op/getpid.t op/time.t op/magic.t op/threads.t op/sselect.t op/sigdispatch.t op/signame_canonical.t op/sigsystem.t op/exit.t op/write.t op/sysio.t op/pwent.t op/grent.t",
  "op-files":
    "op/stat.t op/chdir.t op/mkdir.t op/filetest.t op/filetest_t.t op/filetest_stack_ok.t op/chown.t op/readline.t op/glob.t op/rename.t op/inccode.t op/require_errors.t op/umask.t op/lfs.t op/eof.t op/utf8_hash.t op/sprintf.t op/sprintf2.t op/pack.t op/arith.t op/numconvert.t op/rand.t op/sort.t op/lc.t",
};

const script = (
  files,
) => `cp -r /usr/src/perl/t /usr/src/perl/lib . 2> /dev/null; cd t; ln -sf /usr/bin/perl perl
for f in ${files}; do [ -f $f ] || continue; PERL_CORE=1 timeout 100 ./perl -I/tmp/case/t/lib $f > ../out 2> ../err < /dev/null; s=$?; awk -v f=$f '/^(not )?ok [0-9]+/ { ok = !/^not/; n = ok ? $2 : $3; print "@ " (/# [sS][kK][iI][pP]/ ? "skip" : ok ? "ok" : "fail") " " f " " n } END { print "@ " ("'$s'" == 0 ? "ok" : "status-'$s'") " " f " ended" }' ../out; sed "s|^|$f: |" ../err >&2; done`;

export const PERL_CORE = Object.entries(GROUPS).map(([name, files]) => ({
  name: `perl-core-${name}`,
  script: script(files),
  tests: true,
  limit: 200,
}));
