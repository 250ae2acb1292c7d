// The suite "servers": what Debian's i386 redis, nginx and PostgreSQL serve, in the vkernel, natively and under qemu-user,
// interleaved: to their own clients over the loopback interface, where client and server share the processor in every peer, and
// nginx to the host's wrk, which reaches the vkernel's through a published port.
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Apt } from "../apt.mjs";
import { debianRoot } from "../debian-root.mjs";
import { aloneInRoot, inRoot } from "../namespace.mjs";
import { root as checkout } from "../pnpm.mjs";
import { measureWrk } from "./wrk.mjs";
import { runCommand } from "./run.mjs";

const PACKAGES = [
  ...["bash", "dash", "coreutils", "grep", "sed", "gawk", "util-linux", "procps", "libc-bin", "python3"],
  ...["redis-server", "redis-tools", "nginx-light", "apache2-utils", "postgresql"],
];
const HOSTNAME = "bench";
const vkernel = path.join(checkout, "packages", "cli", "bin", "vkernel.js");

/** Prints `S name value`, requests or transactions a second, and `N why` for what cannot be measured; `n` scales how many. */
const START = `cd /tmp && export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
await() { for i in $(seq 300); do python3 -c "import socket,sys; sys.exit(socket.socket().connect_ex(('127.0.0.1', $1)))" && return; sleep 0.1; done; echo "port $1 does not answer" >&2; exit 1; }`;
const SERVERS = {
  redis: (n) => `redis-server --save "" --appendonly no --daemonize yes --logfile /dev/null; await 6379
redis-benchmark -q -c 20 -n ${4000 * n} -t set,get,lpush --csv | tail -n +2 | awk -F'"' '{ print "S redis." tolower($2), $4 }'
redis-benchmark -q -c 20 -n ${16000 * n} -P 16 -t set,get --csv | tail -n +2 | awk -F'"' '{ print "S redis.pipelined_" tolower($2), $4 }'
redis-cli shutdown nosave`,
  nginx: (n) => `mkdir www; echo hello > www/small; head -c 65536 /dev/zero > www/large; chmod 755 www
echo 'worker_processes 1; pid /tmp/pid; user root; error_log /tmp/err; events {} http { access_log off; sendfile on; server { listen 8080; root /tmp/www; } }' > conf
nginx -c /tmp/conf; await 8080
for f in small large; do ab -q -k -c 10 -n ${1500 * n} http://127.0.0.1:8080/$f | awk -v f=$f '/^Requests per second/ { print "S nginx." f "_kept_alive", $4 } /^Failed requests/ && $3 != 0 { print "F nginx." f, $3 " failed" }'; done
ab -q -c 10 -n ${500 * n} http://127.0.0.1:8080/small | awk '/^Requests per second/ { print "S nginx.small_connecting", $4 }'
nginx -c /tmp/conf -s quit`,
  postgres: (n) => `export PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/tmp/data; chown postgres /tmp
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
as true 2> /dev/null || { echo "N the server does not run as root, and the user namespace of this peer has no other id"; exit 0; }
as initdb -D $PGDATA --no-locale -E UTF8 -A trust > init.log 2>&1 && as pg_ctl -D $PGDATA -o "-k /tmp" -l pg.log -w start > start.log 2>&1 || { cat init.log start.log >&2; exit 1; }
export PGHOST=/tmp PGUSER=postgres; pgbench -i -s 1 -q postgres > pgi.log 2>&1 || cat pgi.log >&2
pgbench -S -c 2 -t ${300 * n} postgres 2> /dev/null | awk '/^tps/ { print "S pgbench.select", $3 }'
pgbench -c 2 -t ${60 * n} postgres 2> /dev/null | awk '/^tps/ { print "S pgbench.tpcb", $3 }'
as pg_ctl -D $PGDATA -m fast stop > /dev/null`,
};

/** How each peer runs a script in the root; `n`: how much work it gets, so that a pass takes seconds everywhere. */
function peersOf(rootfs, qemu) {
  const shell = (script) => ["/bin/bash", "-c", `${START}\n${script}`];
  const natively = async (script, seconds) => {
    const work = mkdtempSync(path.join(tmpdir(), "servers-"));
    try {
      return await runCommand(aloneInRoot(rootfs, work, HOSTNAME, shell(script)), { seconds });
    } finally {
      rmdirSync(work);
    }
  };
  // Its own network: servers of the host may use the ports.
  const apart = ["unshare", "-Urn", "bash", "-c", 'ip link set lo up; exec "$@"', "servers"];
  const peers = [
    { name: "native", n: 10, run: natively },
    { name: "vkernel", n: 1, run: (script, seconds) =>
      runCommand([process.execPath, vkernel, "run", "--root", rootfs, "-m", "1g", "--", ...shell(script)], { seconds }) },
  ];
  if (qemu !== null) {
    peers.splice(1, 0, { name: "qemu-user", n: 1, run: (script, seconds) =>
      runCommand([...apart, ...inRoot(rootfs, "/tmp", shell(script), qemu)], { seconds }) });
  }
  return peers;
}

/** `rounds` interleaved rounds; { rows: name -> peer -> requests a second (best), notes }. `only`: part of a server's name. */
export async function measureServers(inputs, { rounds, limit, only, cache, say }) {
  const dir = path.join(cache, "servers");
  mkdirSync(dir, { recursive: true });
  const rootfs = path.join(dir, "root");
  debianRoot(rootfs, PACKAGES, new Apt(path.join(dir, "apt"), { alone: "i386" }), say);
  const notes = new Set();
  let qemu = null;
  try {
    qemu = inputs.qemuUser();
  } catch (error) {
    notes.add(`qemu-user is left out: ${error.message}`);
  }
  const rows = {};
  let failed = false;
  for (let round = 1; round <= rounds; round++) {
    for (const [server, script] of Object.entries(SERVERS)) {
      if (!server.includes(only)) continue;
      for (const peer of peersOf(rootfs, qemu)) {
        say(`round ${round}: ${server}, ${peer.name}`);
        const { stdout, stderr, ended } = await peer.run(script(peer.n), limit);
        for (const line of stdout.split("\n")) {
          const [kind, name, ...rest] = line.trim().split(" ");
          if (kind === "S") {
            const row = (rows[name] ??= {});
            row[peer.name] = Math.max(row[peer.name] ?? 0, Number(rest[0]));
          } else if (kind === "N") notes.add(`${peer.name} ${server}: ${line.trim().slice(2)}`);
          else if (kind === "F") notes.add(`${peer.name} ${name}: ${rest.join(" ")}`);
        }
        if (ended !== null && peer.name === "vkernel") failed = true;
        if (ended !== null) notes.add(`${peer.name} ${server}: ${ended} (${stderr.trim().split("\n").at(-1)})`);
      }
    }
  }
  if ("wrk".includes(only) || "nginx".includes(only)) {
    const loaded = await measureWrk(inputs, rootfs, { rounds, vkernel, qemu, limit, say });
    Object.assign(rows, loaded.rows);
    for (const note of loaded.notes) notes.add(note);
    failed ||= loaded.failed;
  }
  return { rows, notes: [...notes], failed };
}

const rate = (x) => (x === undefined ? "" : x >= 100 ? x.toFixed(0) : x.toFixed(1));
const times = (native, x) => (native === undefined || x === undefined ? "" : `${(native / x).toFixed(1)} ×`);

/** The table { title, head, body } as tooling/bench/table.mjs renders it. */
export function serverTable({ rows }) {
  return {
    title:
      "Servers: requests or transactions a second, and how much slower than native (`wrk.FILE@CONNECTIONS`: the host's wrk; else their own clients over loopback)",
    head: ["row", "native", "qemu-user", "**vkernel**", "qemu-user", "**vkernel**"],
    body: Object.entries(rows).map(([name, row]) => [
      name, rate(row.native), rate(row["qemu-user"]), rate(row.vkernel), times(row.native, row["qemu-user"]), times(row.native, row.vkernel),
    ]),
  };
}
