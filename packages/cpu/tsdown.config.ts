import { defineConfig } from "tsdown";

const common = {
  format: "esm",
  platform: "neutral",
  target: "es2022",
  dts: false,
  sourcemap: true,
  fixedExtension: false,
} as const;

// prebuilt.js must stay a module of its own: scripts/prebuild.js replaces it.
export default defineConfig([
  { ...common, entry: ["src/index.ts", "src/prebuilt.ts"], clean: true },
  { ...common, entry: ["src/prebuild.ts"], clean: false, sourcemap: false },
  { ...common, entry: ["src/node.ts"], clean: false },
  // One file, so that the thread starts soon.
  { ...common, entry: { "compile-worker": "src/node/compile-worker.ts" }, clean: false },
]);
