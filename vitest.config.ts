import { defineConfig } from "vitest/config";

/**
 * Three projects. `unit` runs on the sources through the "@vkernel/source" export condition; `machine` boots
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
          include: ["packages/vkernel/test/kern/**/*.test.ts", "packages/vkernel/test/calls/**/*.test.ts"],
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
