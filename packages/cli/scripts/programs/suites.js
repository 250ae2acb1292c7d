// SPDX-License-Identifier: BSD-3-Clause
/**
 * Suites of programs.js: each has a root of its own. A suite is { packages, sources, npm, cases }, see prepareRoot; a case is
 * { name, script, limit, memory, tests, known, status, stderr }, see compare: `limit` in seconds natively (`--patience` times that in the
 * vkernel), `memory` as for `vkernel run -m`.
 */
import { BUSYBOX } from "./busybox.js";
import { COMPILERS } from "./compilers.js";
import { COREUTILS } from "./coreutils.js";
import { LANGUAGES } from "./languages.js";
import { MORE, MORE_PACKAGES } from "./more.js";
import { PERL_CORE } from "./perl-core.js";
import { PYTHON_TESTS } from "./python-tests.js";
import { SERVERS } from "./servers.js";
import { SHELL_TOOLS } from "./shell-tools.js";
import { TERMINAL } from "./terminal.js";
import { TRACING } from "./tracing.js";

const TOOLS = [
  ...[
    "bash",
    "dash",
    "coreutils",
    "findutils",
    "grep",
    "sed",
    "gawk",
    "mawk",
    "tar",
    "gzip",
    "xz-utils",
    "bzip2",
  ],
  ...[
    "attr",
    "rsync",
    "diffutils",
    "patch",
    "make",
    "gcc",
    "g++",
    "binutils",
    "libc6-dev",
    "tcc",
    "perl",
    "python3",
    "lua5.4",
    "sqlite3",
  ],
  ...[
    "libpython3.11-testsuite",
    "git",
    "vim",
    "less",
    "procps",
    "htop",
    "tmux",
    "openssh-client",
    "busybox",
    "strace",
    "gdb",
  ],
  ...[
    "libc-bin",
    "ncurses-base",
    "ncurses-bin",
    "bsdutils",
    "util-linux",
    "time",
    "file",
    "debianutils",
    "hostname",
  ],
];

export const SUITES = {
  tools: {
    packages: TOOLS,
    sources: ["busybox", "perl", "lua5.4"],
    npm: ["@esbuild/linux-ia32"],
    cases: [
      ...COREUTILS,
      ...SHELL_TOOLS,
      ...COMPILERS,
      ...LANGUAGES,
      ...TERMINAL,
      ...TRACING,
      ...BUSYBOX,
      ...PERL_CORE,
      ...PYTHON_TESTS,
    ],
  },
  servers: {
    packages: [
      ...["bash", "dash", "coreutils", "grep", "sed", "gawk", "procps", "util-linux", "python3", "libc-bin"],
      ...[
        "redis-server",
        "redis-tools",
        "nginx-light",
        "postgresql",
        "postgresql-contrib",
        "memcached",
        "stress-ng",
      ],
    ],
    cases: SERVERS,
  },
  more: { packages: MORE_PACKAGES, cases: MORE },
};
