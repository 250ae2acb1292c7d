// SPDX-License-Identifier: BSD-3-Clause
/** busybox's own test-suite (from its Debian source), compared test by test. */

const SUITE = "/usr/src/busybox";

/** Groups of the suite's files, so that one boot does not last too long. */
const GROUPS = {
  "a-to-b": "[ab]*",
  "c-to-d": "[cd]*",
  "e-to-l": "[e-l]*",
  "m-to-s": "[m-r]* s[a-g]* s[i-z]*",
  "sh-to-z": "sh* [t-z]*",
};

/** runtest says `PASS: name`, `FAIL: name`, `SKIPPED: name` and `UNTESTED: name`. */
const script = (
  files,
) => `cp -r ${SUITE}/testsuite t; mkdir scripts; cp ${SUITE}/scripts/echo.c scripts/; cp ${SUITE}/debian/config/pkg/deb .config; mkdir b
cp /bin/busybox b/; cp .config b/; cd t; export bindir=/tmp/case/b tsdir=/tmp/case/t SKIP=
list=$(for f in ${files}; do case $f in *_t1*|*.tar*|*.bz2|*_results.txt|*.bc|*.dc|README|TODO|runtest|testing.sh) ;; *) [ -f "$f" ] && echo "\${f%.tests}" || [ -d "$f" ] && echo "$f";; esac; done | sort -u)
for each in $list; do timeout 60 ./runtest $each; done > ../log 2>&1
awk '/^(PASS|FAIL|SKIPPED|UNTESTED): / { sub(":", "", $1); print "@ " ($1 == "PASS" ? "ok" : tolower($1)) " " substr($0, index($0, $2)) }' ../log; grep -v -e ^PASS -e ^SKIP -e ^UNTEST ../log >&2`;

/** Tests of `pidof` that ask for process 1 by its name. */
const INIT = "in the vkernel process 1 is called init, natively it is not, and the suite leaves the test out";
const KNOWN = { "pidof -s": INIT, "pidof -o %PPID NOP": INIT };

export const BUSYBOX = Object.entries(GROUPS).map(([name, files]) => ({
  name: `busybox-suite-${name}`,
  script: script(files),
  tests: true,
  known: KNOWN,
  limit: 200,
}));
