// A folder with Debian i386 packages and all they depend on, as apt resolves it for an empty system. Nothing is installed on
// the host, no rights are needed, maintainer scripts do not run: what they would have done and programs need is in ALTERNATIVES
// and in `accounts`.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { emptyFolder, output } from "./apt.mjs";

/** Folders that are links into /usr (merged /usr), and folders that packages take for granted. */
const MERGED = ["bin", "sbin", "lib"];
const FOLDERS = [
  ...["usr/bin", "usr/sbin", "usr/lib", "dev", "etc", "proc", "sys", "root", "run", "tmp"],
  ...["var/tmp", "var/log", "var/lib", "home"],
];

/** Links that update-alternatives or a maintainer script would make, first target that exists. */
const ALTERNATIVES = {
  "usr/bin/awk": ["gawk", "mawk"],
  "usr/bin/nawk": ["gawk", "mawk"],
  "usr/bin/cc": ["gcc"],
  "usr/bin/c++": ["g++"],
  "usr/bin/vi": ["vim.basic", "vim.tiny"],
  "usr/bin/vim": ["vim.basic", "vim.tiny"],
  "usr/bin/editor": ["vim.basic"],
  "usr/bin/pager": ["less"],
  "usr/bin/lua": ["lua5.4"],
  "usr/bin/which": ["which.debianutils"],
  "usr/bin/w": ["w.procps"],
  "usr/bin/emacs": ["emacs-nox"],
  "usr/bin/php": ["php8.2"],
  "usr/bin/convert": ["convert-im6.q16"],
  "usr/bin/identify": ["identify-im6.q16"],
  "usr/bin/gnuplot": ["gnuplot-nox"],
  "usr/bin/nc": ["nc.openbsd"],
  "usr/bin/guile": ["../lib/i386-linux-gnu/guile/3.0/bin/guile"],
  "usr/lib/i386-linux-gnu/libblas.so.3": ["blas/libblas.so.3"],
  "usr/lib/i386-linux-gnu/liblapack.so.3": ["lapack/liblapack.so.3"],
};

/** Users and groups that base-passwd and the packages' maintainer scripts make. */
const USERS = [
  ["root", 0, "/root", "/bin/bash"],
  ["daemon", 1, "/usr/sbin", "/usr/sbin/nologin"],
  ["bin", 2, "/bin", "/usr/sbin/nologin"],
  ["sys", 3, "/dev", "/usr/sbin/nologin"],
  ["www-data", 33, "/var/www", "/usr/sbin/nologin"],
  ["sshd", 101, "/run/sshd", "/usr/sbin/nologin"],
  ["redis", 102, "/var/lib/redis", "/usr/sbin/nologin"],
  ["postgres", 103, "/var/lib/postgresql", "/bin/bash"],
  ["user", 1000, "/home", "/bin/bash"],
  ["nobody", 65534, "/nonexistent", "/usr/sbin/nologin"],
];

function accounts(root) {
  const lines = (make) => USERS.map(make).join("");
  writeFileSync(
    path.join(root, "etc/passwd"),
    lines(([name, id, home, shell]) => `${name}:x:${id}:${id}:${name}:${home}:${shell}\n`),
  );
  const group = (name) => (name === "nobody" ? "nogroup" : name);
  writeFileSync(
    path.join(root, "etc/group"),
    `${lines(([name, id]) => `${group(name)}:x:${id}:\n`)}tty:x:5:\n`,
  );
  writeFileSync(path.join(root, "etc/hosts"), "127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
}

function alternatives(root) {
  for (const [link, targets] of Object.entries(ALTERNATIVES)) {
    const file = path.join(root, link);
    const target = targets.find((name) => existsSync(path.join(path.dirname(file), name)));
    if (target !== undefined && !existsSync(file)) symlinkSync(target, file);
  }
}

/**
 * Makes `root` hold `packages` (names of Debian i386 packages) with their dependencies, unless it does already. `apt` has the
 * architecture i386 and no installed packages (`new Apt(dir, { alone: "i386" })`); `say` is told what happens.
 */
export function debianRoot(root, packages, apt, say) {
  const stamp = path.join(root, ".packages");
  const wanted = `${packages.join("\n")}\n`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("reading package lists");
  const trouble = apt.update();
  if (trouble !== null) say(trouble);
  say("downloading packages");
  const files = apt.resolve(packages);
  for (const folder of FOLDERS) mkdirSync(path.join(root, folder), { recursive: true });
  for (const folder of MERGED) {
    if (!existsSync(path.join(root, folder))) symlinkSync(`usr/${folder}`, path.join(root, folder));
  }
  for (const file of files) {
    say(`unpacking ${path.basename(file)}`);
    apt.unpack(file, root);
  }
  alternatives(root);
  accounts(root);
  writeFileSync(stamp, wanted);
}

/** Unpacks the original sources (`name_version.orig.tar.*`) of a Debian source package into `dir`, and Debian's own folder `debian`, unless
 * `dir` exists. */
export function debianSource(dir, name, apt, say) {
  if (existsSync(dir)) return;
  say(`sources of ${name}`);
  const folder = apt.source(name);
  const tarball = readdirSync(folder).find((file) => /\.orig\.tar\.[a-z0-9]+$/.test(file));
  if (tarball === undefined)
    throw new Error(`apt-get source ${name}: no .orig.tar file in ${folder} afterwards`);
  const fresh = emptyFolder(`${dir}.new`);
  output("tar", ["xf", path.join(folder, tarball), "-C", fresh, "--strip-components=1"]);
  const changes = readdirSync(folder).find((file) => /\.debian\.tar\.[a-z0-9]+$/.test(file));
  if (changes !== undefined) output("tar", ["xf", path.join(folder, changes), "-C", fresh]);
  renameSync(fresh, dir);
}
