// The suite "serve": one client of a file server, in the vkernel and beside it, over the loopback interface of a network namespace.
//
// SMB: the same Debian i386 smbd with the same configuration as a guest, natively and under qemu-user. NFS: the vkernel's kernel is the
// server itself, so nfs-ganesha (i386), a server in user space, stands beside it. Clients are the host's: smbclient, libnfs's nfs-cp.
// What is served lies on the host's disk in all of them, as HAMMER image or as files. Then the workloads (workloads.mjs).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { output } from "../apt.mjs";
import { runCommand } from "./run.mjs";
import { PASSWORD, serveInputs, SHARE, USER, vkernel } from "./serve-inputs.mjs";
import { measureWorkloads } from "./workloads.mjs";

const MIB = 256;
const SMALL_FILES = 1000;
/** Seconds that one visit may take at least: these are whole workloads, not programs of a second. */
const LEAST_LIMIT = 1200;
const SMB_CONF = "/etc/samba/vkernel.conf";

/** Environment: WORK, a folder for a tmpfs; CLIENTS; ROOT and QEMU for servers of a root of their own, else empty. */
const PRELUDE = String.raw`set -e
ip link set lo up
mount --make-rprivate /
mount -t tmpfs tmpfs "$WORK"
export XDG_RUNTIME_DIR=$WORK XDG_STATE_HOME=$WORK
in_root() { chroot "$ROOT" $(test -z "$QEMU" || echo /run/qemu) "$@"; }
if [ -n "$ROOT" ]; then
  mount --bind "$ROOT" "$ROOT"; mount -t tmpfs tmpfs "$ROOT/run"; mount --rbind /dev "$ROOT/dev"; mount -t proc proc "$ROOT/proc"
  ln -sf /proc/self/mounts "$ROOT/etc/mtab"
  [ -z "$QEMU" ] || cp "$QEMU" "$ROOT/run/qemu"
fi
answers() { for i in $(seq 900); do (exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && return; sleep 0.1; done; echo "port $1 does not answer: $(tail -1 "$WORK/log")" >&2; exit 1; }
serving() { until grep -q "$1" "$WORK/log"; do kill -0 $! || { tail -2 "$WORK/log" >&2; exit 1; }; sleep 0.1; done; }
client() { local program=$CLIENTS/usr/bin/$1; shift; LD_LIBRARY_PATH=$(echo "$CLIENTS"/usr/lib/*-linux-gnu):$(echo "$CLIENTS"/usr/lib/*-linux-gnu/samba):$(echo "$CLIENTS"/lib/*-linux-gnu) "$program" "$@"; }
# rate NAME AMOUNT COMMAND…: AMOUNT a second
rate() {
  local name=$1 amount=$2 from; shift 2; from=$(date +%s%N)
  "$@" > "$WORK/said" 2>&1 || { tail -2 "$WORK/said" >&2; exit 1; }
  awk -v n="$amount" -v ns=$(( $(date +%s%N) - from )) -v name="$name" 'BEGIN { printf "S %s %.3f\n", name, n * 1e9 / ns }'
}
same() { cmp "$1" "$2" || { echo "F $3 what was read is not what was written"; exit 1; }; }
head -c ${MIB}M /dev/urandom > "$WORK/big"
`;

/** Twice over: the first pass compiles what the second one runs. */
const SMB = String.raw`answers "$PORT"
printf 'username = ${USER}\npassword = ${PASSWORD}\n' > "$WORK/login"
smb() { client smbclient -s /dev/null -p "$PORT" -A "$WORK/login" //127.0.0.1/share -c "$1"; }
mkdir "$WORK/small"; cd "$WORK/small"; split -a 4 -n ${SMALL_FILES} <(head -c $((4096 * ${SMALL_FILES})) "$WORK/big") 2>/dev/null || head -c $((4096 * ${SMALL_FILES})) "$WORK/big" | split -a 4 -b 4096
for pass in 1 2; do
  rate smb.write_256M_MiB ${MIB} smb "put $WORK/big big"
  rate smb.read_256M_MiB ${MIB} smb "get big $WORK/back"; same "$WORK/big" "$WORK/back" smb.read; rm "$WORK/back"
  rate smb.put_4K_files ${SMALL_FILES} smb "mkdir d$pass; cd d$pass; prompt OFF; mput x*"
  mkdir "$WORK/got"; cd "$WORK/got"
  rate smb.get_4K_files ${SMALL_FILES} smb "cd d$pass; prompt OFF; mget x*"
  [ "$(cat x* | cmp - <(cat ../small/x*) && ls | wc -l)" = ${SMALL_FILES} ] || { echo "F smb.get small files differ"; exit 1; }
  cd "$WORK/small"; rm -r "$WORK/got"
done
`;
const NFS = String.raw`answers "$PORT"
for pass in 1 2; do
  rate nfs.write_256M_MiB ${MIB} client nfs-cp "$WORK/big" "nfs://127.0.0.1${SHARE}/big$pass$PORTS"
  rate nfs.read_256M_MiB ${MIB} client nfs-cp "nfs://127.0.0.1${SHARE}/big$pass$PORTS" "$WORK/back"; same "$WORK/big" "$WORK/back" nfs.read; rm "$WORK/back"
done
`;

/** How each server starts in each peer, and how clients find it. */
const SERVERS = {
  smb: {
    client: SMB,
    vkernel: String.raw`PORT=14450; "$NODE" "$VKERNEL" serve smb "$IMAGE" --port $PORT --user ${USER} --snapshot-every never < /dev/null > "$WORK/log" 2>&1 &
serving ^Serving
`,
    direct: String.raw`PORT=445; mkdir "$ROOT/run/samba"; rm -rf "$ROOT${SHARE}"/*
in_root /usr/sbin/smbd -s ${SMB_CONF} -F --no-process-group --debug-stdout -d 0 < /dev/null > "$WORK/log" 2>&1 &
`,
    root: "filesRoot",
  },
  nfs: {
    client: NFS,
    vkernel: String.raw`PORT=20490; PORTS="?nfsport=$PORT&mountport=$PORT"
"$NODE" "$VKERNEL" serve nfs "$IMAGE:${SHARE}" --port $PORT --map-all 0 < /dev/null > "$WORK/log" 2>&1 &
serving ^Serving
`,
    direct: String.raw`PORT=2049; PORTS=; mkdir -p "$ROOT/run/ganesha" "$ROOT/run/rpcbind" "$ROOT${SHARE}"; rm -rf "$ROOT${SHARE}"/*
grep -q ^_rpc: "$ROOT/etc/passwd" || echo "_rpc:x:110:110::/run/rpcbind:/usr/sbin/nologin" >> "$ROOT/etc/passwd"
cat > "$ROOT/run/ganesha.conf" <<END
NFS_CORE_PARAM { Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
EXPORT { Export_Id = 1; Path = ${SHARE}; Pseudo = ${SHARE}; Access_Type = RW; Squash = No_Root_Squash; Protocols = 3; SecType = sys; FSAL { Name = VFS; } }
END
in_root /usr/sbin/rpcbind -f > "$WORK/rpc.log" 2>&1 &
answers 111
in_root /usr/bin/ganesha.nfsd -F -L STDOUT -f /run/ganesha.conf -p /run/ganesha.pid < /dev/null > "$WORK/log" 2>&1 &
`,
    root: "ganesha",
  },
};

/** Runs a script with the network, processes and mounts of a machine of its own; what it started ends with it. */
async function apart(script, env, seconds) {
  const work = mkdtempSync(path.join(tmpdir(), "serve-"));
  const user = process.getuid() === 0 ? [] : ["-Ur"];
  try {
    const argv = ["unshare", ...user, "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child", "bash", "-c", script];
    return await runCommand(argv, { seconds, env: { ...env, WORK: work } });
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function visitServer(name, peer, inputs, qemu, seconds) {
  const server = SERVERS[name];
  const env = { CLIENTS: inputs.clients, NODE: process.execPath, VKERNEL: vkernel, ROOT: "", QEMU: "", IMAGE: "" };
  if (peer !== "vkernel") {
    return apart(PRELUDE + server.direct + server.client, { ...env, ROOT: inputs[server.root], QEMU: peer === "qemu-user" ? qemu : "" }, seconds);
  }
  const dir = mkdtempSync(path.join(path.dirname(inputs.files), "served-"));
  const image = path.join(dir, "files.img");
  try {
    output("cp", ["--sparse=always", inputs.files, image]);
    return await apart(PRELUDE + server.vkernel + server.client, { ...env, IMAGE: image }, seconds);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Rows by name: { unit, more: whether more is better, peers: peer -> best figure }. */
class Rows {
  rows = {};
  notes = new Set();
  failed = false;

  take(peer, what, { stdout, stderr, ended }) {
    for (const line of stdout.split("\n")) {
      const [kind, name, ...rest] = line.trim().split(" ");
      if (kind === "F") this.notes.add(`${peer} ${name}: ${rest.join(" ")}`);
      if (kind !== "S") continue;
      const more = !name.endsWith("_s");
      const row = (this.rows[name] ??= { unit: more ? (name.endsWith("_MiB") ? "MiB/s" : "/s") : "s", more, peers: {} });
      const old = row.peers[peer];
      const figure = Number(rest[0]);
      row.peers[peer] = old === undefined ? figure : more ? Math.max(old, figure) : Math.min(old, figure);
    }
    if (ended === null) return;
    if (peer === "vkernel") this.failed = true;
    this.notes.add(`${peer} ${what}: ${ended} (${stderr.trim().split("\n").at(-1)})`);
  }
}

/** `rounds` interleaved rounds; { rows, notes, failed }. `only`: part of "smb", "nfs", or a workload's name. */
export async function measureServe(inputs, { rounds, limit, only, cache, say }) {
  const made = await serveInputs(path.join(cache, "serve"), say);
  const seconds = Math.max(limit, LEAST_LIMIT);
  const rows = new Rows();
  let qemu = null;
  try {
    qemu = inputs.qemuUser();
  } catch (error) {
    rows.notes.add(`qemu-user is left out: ${error.message}`);
  }
  const peers = ["native", ...(qemu === null ? [] : ["qemu-user"]), "vkernel"];
  for (let round = 1; round <= rounds; round++) {
    for (const name of Object.keys(SERVERS).filter((each) => each.includes(only))) {
      for (const peer of peers) {
        say(`round ${round}: ${name}, ${peer}`);
        rows.take(peer, name, await visitServer(name, peer, made, qemu, seconds));
      }
    }
    await measureWorkloads(made, { peers, qemu, only, limit: seconds, say, round, rows });
  }
  return { rows: rows.rows, notes: [...rows.notes], failed: rows.failed };
}

const figure = (x) => (x === undefined ? "" : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

/** How many times slower than native. */
function times({ more, peers }, peer) {
  const [native, own] = [peers.native, peers[peer]];
  if (native === undefined || own === undefined) return "";
  const ratio = more ? native / own : own / native;
  return `${ratio.toFixed(ratio < 10 ? 2 : 1)} ×`;
}

/** The table { title, head, body } as tooling/bench/table.mjs renders it. */
export function serveTable({ rows }) {
  return {
    title: "One client of a file server, and three kinds of work, on a HAMMER root; and how much slower than native",
    head: ["row", "unit", "native", "qemu-user", "**vkernel**", "qemu-user", "**vkernel**"],
    body: Object.entries(rows).map(([name, row]) => [
      name.replace(/_(MiB|s)$/, ""), row.unit, ...["native", "qemu-user", "vkernel"].map((peer) => figure(row.peers[peer])), times(row, "qemu-user"), times(row, "vkernel"),
    ]),
  };
}
