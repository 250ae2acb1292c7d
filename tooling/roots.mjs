// `node tooling/roots.mjs [DIR]`: unpacks unmodified Debian i386 packages into DIR/busybox and DIR/debian (default
// scratch/roots), for the tests and examples that run them. Needs apt and dpkg-deb; installs nothing, asks for no
// rights and leaves the host's apt configuration alone (its own state lives in DIR/apt).
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./pnpm.mjs";

const ROOTS = {
  busybox: ["busybox-static"],
  debian: [
    ...["bash", "dash", "coreutils", "grep", "sed", "findutils", "gzip", "tar", "mawk", "procps", "debianutils"],
    ...["libc6", "libtinfo6", "libselinux1", "libpcre2-8-0", "libacl1", "libattr1", "libgmp10", "libgcc-s1"],
    ...["libproc2-0", "libsystemd0", "liblzma5", "libzstd1", "liblz4-1", "libcap2", "libgcrypt20", "libgpg-error0"],
  ],
};

const dir = path.resolve(process.argv[2] ?? path.join(root, "scratch", "roots"));

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr || result.stdout}`);
  return result.stdout;
}

const apt = path.join(dir, "apt");
const native = run("dpkg", ["--print-architecture"]).trim();
const options = [
  ["Dir::State", path.join(apt, "state")],
  ["Dir::State::status", "/var/lib/dpkg/status"],
  ["Dir::Cache", path.join(apt, "cache")],
  ["APT::Architecture", native],
  ["APT::Architectures", `${native},i386`],
  ["APT::Sandbox::User", ""],
  ["Debug::NoLocking", "true"],
].flatMap(([name, value]) => ["-o", `${name}=${value}`]);

for (const sub of ["state/lists/partial", "cache/archives/partial", "deb"]) mkdirSync(path.join(apt, sub), { recursive: true });
process.stderr.write("roots: reading package lists …\n");
try {
  run("apt-get", [...options, "-qq", "update"]);
} catch (error) {
  // A mirror in the middle of a sync refuses some lists; the others are enough if every package is in them.
  process.stderr.write(`roots: some package lists could not be read: ${error.message}\n`);
}
const deb = path.join(apt, "deb");
for (const [name, packages] of Object.entries(ROOTS)) {
  const target = path.join(dir, name);
  for (const sub of ["usr/bin", "usr/sbin", "usr/lib", "dev", "etc", "proc", "root", "tmp"]) {
    mkdirSync(path.join(target, sub), { recursive: true });
  }
  for (const sub of ["bin", "sbin", "lib"]) {
    if (!existsSync(path.join(target, sub))) symlinkSync(`usr/${sub}`, path.join(target, sub));
  }
  for (const wanted of packages) {
    const have = () => readdirSync(deb).find((file) => file.startsWith(`${wanted}_`));
    if (have() === undefined) run("apt-get", [...options, "-qq", "download", `${wanted}:i386`], { cwd: deb });
    process.stderr.write(`roots: ${name}: ${have()}\n`);
    const tar = spawnSync("dpkg-deb", ["--fsys-tarfile", path.join(deb, have())], { maxBuffer: 1 << 30 });
    if (tar.status !== 0) throw new Error(`dpkg-deb: ${have()}: ${tar.stderr}`);
    run("tar", ["x", "-C", target, "--keep-directory-symlink", "--no-same-owner"], { input: tar.stdout });
  }
  writeFileSync(path.join(target, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n");
  writeFileSync(path.join(target, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  const sh = path.join(target, "usr/bin/sh");
  if (!existsSync(sh)) symlinkSync(name === "busybox" ? "busybox" : "dash", sh);
}
process.stdout.write(`${dir}\n`);
