import { defineConfig } from "tsdown";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/main-vkernel.ts",
    "src/main-hammer.ts",
    "src/main-newfs-hammer.ts",
    "src/main-undo.ts",
  ],
  format: "esm",
  platform: "node",
  target: "es2022",
  dts: false,
  sourcemap: true,
  clean: true,
  fixedExtension: false,
});
