// Runs programs of an i386 root natively or under qemu-user, as in a container: an own mount namespace with the host's
// /dev and /proc, an empty /tmp-like folder, and root changed. Nothing outside changes.

// e_ident of a 32-bit little-endian executable or shared object for EM_386, and the bits that must agree
const ELF_386 = String.raw`\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00`;
const ELF_MASK = String.raw`\xff\xff\xff\xff\xff\xfe\xfe\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;

/** $0 root, $1 folder in it for an empty tmpfs, $2 static qemu or "", then the command. */
const ENTER = [
  "set -e",
  "root=$0; scratch=$1; qemu=$2; shift 2",
  "mount --make-rprivate /",
  'if [ -n "$qemu" ]; then',
  "  mount -t binfmt_misc none /proc/sys/fs/binfmt_misc",
  // F: the interpreter is opened now, outside the root; P: it is told argv[0]
  `  printf '%s' ':bench386:M::${ELF_386}:${ELF_MASK}:'"$qemu"':FP' > /proc/sys/fs/binfmt_misc/register`,
  "fi",
  'mount -t tmpfs tmpfs "$root$scratch"',
  'mount --rbind /dev "$root/dev"; mount --rbind /proc "$root/proc"',
  'exec chroot "$root" "$@"',
].join("\n");

/** $@: the command. The child stops itself until it has its users; whoever has no right to give it any fails here. */
const WITH_USERS = [
  `unshare -U bash -c 'kill -STOP $$; exec "$@"' users "$@" & pid=$!`,
  `until grep -qs '^State:.T' "/proc/$pid/status"; do kill -0 "$pid" || exit 1; sleep 0.01; done`,
  'for map in uid_map gid_map; do echo "0 0 65536" > "/proc/$pid/$map" || { kill -KILL "$pid"; exit 1; }; done',
  'kill -CONT "$pid"; wait "$pid"',
].join("\n");

/** The argument vector that runs `argv` in a user namespace that has the host's users, for programs that change theirs; needs root. */
export const withUsers = (argv) => ["bash", "-c", WITH_USERS, "users", ...argv];

/**
 * The argument vector that runs `argv` in `root`, `scratch` ("/tmp") being an empty folder that goes away at the end.
 * `qemu`: path of a statically linked qemu-i386 that every i386 program inside runs under; "" = the processor itself.
 * `apart`: the caller is in a user namespace of its own already (withUsers).
 */
export function inRoot(root, scratch, argv, qemu = "", apart = false) {
  // A registration of binfmt_misc is private to a user namespace (Linux 6.7 or later); native programs need one only
  // where we are not root.
  const user = !apart && (qemu !== "" || process.getuid() !== 0) ? ["-Ur"] : [];
  return ["unshare", ...user, "-m", "bash", "-c", ENTER, root, scratch, qemu, ...argv];
}

/** $0 root, $1 folder outside it for a tmpfs that holds all changes, $2 host name, then the command. */
const ENTER_ALONE = [
  "set -e",
  "root=$0; work=$1; name=$2; shift 2",
  "mount --make-rprivate /",
  'mount -t tmpfs tmpfs "$work"; mkdir "$work/up" "$work/wk" "$work/new"',
  'mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/up,workdir=$work/wk" "$work/new"',
  'cd "$work/new"; mount -t tmpfs tmpfs tmp; chmod 1777 tmp; mount -t proc proc proc',
  "mount --rbind /dev dev; mount --rbind /sys sys; set +e",
  'hostname "$name"; ! command -v ip > /dev/null || ip link set lo up',
  // Not exec: the first process of a namespace is no ordinary one
  'chroot . "$@"; exit $?',
].join("\n");

/**
 * The argument vector that runs `argv` natively in `root` as on a machine of its own: own processes, SysV objects, host name and a
 * loopback interface that leads nowhere. /tmp is empty, changes elsewhere go away at the end. `work` is an empty folder.
 */
export function aloneInRoot(root, work, hostname, argv) {
  const user = process.getuid() === 0 ? [] : ["-Ur"];
  return [
    "unshare",
    ...user,
    ...["-m", "-p", "-f", "-i", "-u", "-n", "--kill-child"],
    "bash",
    "-c",
    ENTER_ALONE,
    root,
    work,
    hostname,
    ...argv,
  ];
}
