// Whole workloads on a HAMMER root, natively and under qemu-user: a compiler (processor), a mailer (many processes, files and fsync), and
// a loop under a clock of 1000 signals a second.
//
// The native and emulated peers work in a folder on the host's disk, so that fsync costs what it costs; the vkernel in an image there.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { output } from "../apt.mjs";
import { inRoot, withUsers } from "../namespace.mjs";
import { runCommand } from "./run.mjs";
import { SOURCES, vkernel } from "./serve-inputs.mjs";

const MESSAGES = 1000;
const MESSAGE_BYTES = 4096;
const MAILDIRS = 10;

const START = `set -e; export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
seconds() { awk -v ns="$2" -v name="$1" 'BEGIN { printf "S %s %.3f\\n", name, ns / 1e9 }'; }
since() { echo $(( $(date +%s%N) - $1 )); }
`;

/** Postfix takes messages from its own generator by SMTP and delivers each into one of several maildirs with fsync (virtual(8)). */
const MAIL = `cat > /etc/postfix/main.cf <<'END'
compatibility_level = 3.6
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /var/log/postfix.log
virtual_mailbox_domains = bench.test
virtual_mailbox_base = /var/mail/bench
virtual_mailbox_maps = regexp:/etc/postfix/boxes
virtual_uid_maps = static:1000
virtual_gid_maps = static:1000
END
for i in $(seq 0 ${MAILDIRS - 1}); do echo "/$i""user@/ box$i/"; done > /etc/postfix/boxes
postconf -F '*/*/chroot = n'
postconf -M postlog/unix-dgram='postlog unix-dgram n - n - 1 postlogd'
rm -rf /var/mail/bench; mkdir -p /var/mail/bench; chown 1000:1000 /var/mail/bench
postfix start 2> /tmp/postfix.out || { cat /tmp/postfix.out >&2; exit 1; }
for i in $(seq 300); do (exec 3<>/dev/tcp/127.0.0.1/25) 2>/dev/null && break; sleep 0.1; done
from=$(date +%s%N)
smtp-source -s 8 -l ${MESSAGE_BYTES} -m ${MESSAGES} -N -f generator@bench.test -t user@bench.test 127.0.0.1:25
there() { find /var/mail/bench -path '*/new/*' -type f | wc -l; }
while [ "$(there)" -lt ${MESSAGES} ]; do sleep 0.2; done
ns=$(since $from)
postfix stop 2> /tmp/postfix.out
[ "$(cat /var/mail/bench/*/new/* | grep -c '^X-Original-To: [0-9]*user@bench.test')" = ${MESSAGES} ] || echo "F work.mail messages are not whole"
[ "$(cat /var/mail/bench/*/new/* | grep '^X-Original-To:' | sort -u | wc -l)" = ${MESSAGES} ] || echo "F work.mail messages came twice"
rm -rf /var/mail/bench
awk -v ns=$ns 'BEGIN { printf "S work.mail_messages %.3f\\n", ${MESSAGES} * 1e9 / ns }'
`;
const MAKE = `rm -rf /var/tmp/lua; cp -r ${SOURCES}/lua /var/tmp/lua
from=$(date +%s%N); make -s -j8 -C /var/tmp/lua/src generic > /tmp/make.out 2>&1 || { tail -3 /tmp/make.out >&2; exit 1; }; seconds work.make_j8_lua_s $(since $from)
echo "C work.make $(sha256sum < /var/tmp/lua/src/lua)"
rm -rf /var/tmp/lua
`;
const CLOCK = `gcc -O1 -o /tmp/clock ${SOURCES}/clock.c
for hz in 0 1000; do set -- $(/tmp/clock $hz); echo "S work.loop_at_$hz""_Hz_s $1"; echo "N work.loop_at_$hz""_Hz $2 signals in $1 s"; echo "C work.loop $3"; done
`;

const WORKLOADS = { make: MAKE, mail: MAIL, clock: CLOCK };

/** The loopback interface and processes of a machine of its own. */
const alone = (argv) => ["unshare", "-n", "-p", "-f", "--kill-child", "bash", "-c", 'ip link set lo up; "$@"', "alone", ...argv];

async function visit(peer, script, { work, workRoot, qemu }, seconds) {
  const shell = ["/bin/bash", "-c", START + script];
  if (peer === "native") return runCommand(alone(inRoot(workRoot, "/tmp", shell)), { seconds });
  if (peer === "qemu-user") return runCommand(withUsers(alone(inRoot(workRoot, "/tmp", shell, qemu, true))), { seconds });
  const dir = mkdtempSync(path.join(path.dirname(work), "run-"));
  const image = path.join(dir, "work.img");
  try {
    output("cp", ["--sparse=always", work, image]);
    return await runCommand([process.execPath, vkernel, "run", "--root", image, "-m", "1g", "--", ...shell], { seconds, env: { TMPDIR: tmpdir() } });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Measures the workloads whose name has `only` in it, in every peer, into `rows`. */
export async function measureWorkloads(made, { peers, qemu, only, limit, say, round, rows }) {
  for (const [name, script] of Object.entries(WORKLOADS).filter(([each]) => `work.${each}`.includes(only))) {
    const results = new Set();
    for (const peer of peers) {
      say(`round ${round}: ${name}, ${peer}`);
      const result = await visit(peer, script, { ...made, qemu }, limit);
      rows.take(peer, name, result);
      for (const line of result.stdout.split("\n")) {
        if (line.startsWith("C ")) results.add(line);
        if (line.startsWith("N ")) rows.notes.add(`${peer} ${line.slice(2)}`);
      }
    }
    const names = [...results].map((line) => line.split(" ")[1]);
    for (const each of new Set(names)) if (names.filter((n) => n === each).length > 1) rows.notes.add(`${each}: results differ between the peers`);
  }
}
