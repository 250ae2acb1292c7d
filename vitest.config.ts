import { defineConfig } from "vitest/config";

/** Tests of the kernel that are made a second time where every first access to memory and files waits for a disk. */
const MISSES = [
  "capability", "conformance", "coredump", "dragonfly", "exec", "file-handles", "file-names", "files", "fork-memory", "futex-pi", "inet",
  "inotify", "kqueue", "linux-calls", "memfd", "netlink", "pidfd", "poll", "posix-mq", "process", "procfs", "ptrace", "sigio", "socket",
  "splice", "threads", "tty", "xattr",
];

/**
 * Three projects. `unit` runs on the sources through the "@vkernel/source" export condition; `misses` makes some of its tests
 * again on a machine whose disk has to be waited for (packages/vkernel/test/kern/misses.ts); `machine` boots
 * kernels and runs programs on the built packages, as users do, because the test loader slows hot code down
 * by a large factor (imports become getters).
 */
export default defineConfig({
  test: {
    projects: [
      {
        resolve: { conditions: ["@vkernel/source"] },
        ssr: { resolve: { conditions: ["@vkernel/source"] } },
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "packages/*/test/machine/**"],
          testTimeout: 60_000,
        },
      },
      {
        resolve: { conditions: ["@vkernel/source"] },
        ssr: { resolve: { conditions: ["@vkernel/source"] } },
        test: {
          name: "misses",
          include: MISSES.map((name) => `packages/vkernel/test/kern/${name}.test.ts`),
          setupFiles: ["packages/vkernel/test/misses-setup.ts"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "machine",
          include: ["packages/*/test/machine/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
