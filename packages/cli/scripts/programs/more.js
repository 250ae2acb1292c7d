// SPDX-License-Identifier: BSD-3-Clause
/**
 * Languages with compilers and collectors of their own, servers, editors, emulators: a case is a script in more/. What they print on
 * standard error, warnings about the locale above all, is not compared.
 */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";

const folder = new URL("more/", import.meta.url);

export const MORE = readdirSync(folder).sort().map((file) => ({
  name: path.basename(file, ".sh"),
  script: readFileSync(new URL(file, folder), "utf8"),
  memory: "900m",
  stderr: false,
}));

export const MORE_PACKAGES = [
  ...["bash", "dash", "coreutils", "busybox", "grep", "sed", "gawk", "findutils", "diffutils", "procps", "gcc", "g++", "libc6-dev", "git"],
  // Languages
  ...["clang", "erlang-base", "gforth", "gfortran", "golang-go", "guile-3.0", "luajit", "mono-mcs", "mono-runtime", "nasm", "nodejs"],
  ...["ocaml-nox", "openjdk-17-jdk-headless", "php-cli", "pypy3", "r-base-core", "ruby", "rustc", "sbcl", "swi-prolog-nox", "tcl"],
  // Servers and the network
  ...["bind9-dnsutils", "curl", "dbus", "dnsmasq-base", "haproxy", "iperf3", "iproute2", "iputils-ping", "lighttpd", "lynx"],
  ...["mariadb-client-core", "mariadb-server-core", "netcat-openbsd", "openssh-client", "openssh-server", "rsync", "socat", "unbound", "w3m"],
  // Tools
  ...["bc", "bsdextrautils", "bzip2", "cmake", "dc", "emacs-nox", "expect", "ffmpeg", "fish", "ghostscript", "gnupg", "gnuplot-nox"],
  ...["graphviz", "imagemagick", "jq", "ksh93u+m", "lsof", "ltrace", "lz4", "man-db", "mercurial", "ninja-build", "openssl", "p7zip-full"],
  ...["proot", "psmisc", "qemu-user", "screen", "subversion", "sudo", "sysbench", "tcsh", "tmux", "valgrind", "libc6-dbg", "xxd", "xz-utils"],
  ...["zsh", "zstd"],
];
