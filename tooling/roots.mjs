// `node tooling/roots.mjs [DIR]`: unpacks unmodified Debian i386 packages into DIR/busybox and DIR/debian (default
// scratch/roots), for the tests and examples that run them. Needs apt and dpkg-deb; installs nothing, asks for no
// rights and leaves the host's apt configuration alone (its own state lives in DIR/apt).
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Apt } from "./apt.mjs";
import { root } from "./pnpm.mjs";

const ROOTS = {
  busybox: ["busybox-static"],
  debian: [
    ...[
      "bash",
      "dash",
      "coreutils",
      "grep",
      "sed",
      "findutils",
      "gzip",
      "tar",
      "mawk",
      "procps",
      "debianutils",
    ],
    ...["libc6", "libtinfo6", "libselinux1", "libpcre2-8-0", "libacl1", "libattr1", "libgmp10", "libgcc-s1"],
    ...[
      "libproc2-0",
      "libsystemd0",
      "liblzma5",
      "libzstd1",
      "liblz4-1",
      "libcap2",
      "libgcrypt20",
      "libgpg-error0",
    ],
    ...[
      "perl-base",
      "libcrypt1",
      "diffutils",
      "bc",
      "libreadline8",
      "m4",
      "libsigsegv2",
      "bzip2",
      "libbz2-1.0",
    ],
  ],
};

const dir = path.resolve(process.argv[2] ?? path.join(root, "scratch", "roots"));
const apt = new Apt(path.join(dir, "apt"));
process.stderr.write("roots: reading package lists …\n");
const trouble = apt.update();
if (trouble !== null) process.stderr.write(`roots: ${trouble}\n`);
for (const [name, packages] of Object.entries(ROOTS)) {
  const target = path.join(dir, name);
  for (const sub of ["usr/bin", "usr/sbin", "usr/lib", "dev", "etc", "proc", "root", "tmp"]) {
    mkdirSync(path.join(target, sub), { recursive: true });
  }
  for (const sub of ["bin", "sbin", "lib"]) {
    if (!existsSync(path.join(target, sub))) symlinkSync(`usr/${sub}`, path.join(target, sub));
  }
  for (const wanted of packages) {
    const file = apt.fetch(`${wanted}:i386`);
    process.stderr.write(`roots: ${name}: ${path.basename(file)}\n`);
    apt.unpack(file, target);
  }
  writeFileSync(
    path.join(target, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
  );
  writeFileSync(path.join(target, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  const sh = path.join(target, "usr/bin/sh");
  if (!existsSync(sh)) symlinkSync(name === "busybox" ? "busybox" : "dash", sh);
}
process.stdout.write(`${dir}\n`);
