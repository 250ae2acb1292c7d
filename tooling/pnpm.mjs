// Runs the project's pinned pnpm, obtained through npm, with the given arguments: nobody needs a global one.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { packageManager } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const windows = process.platform === "win32";

/** Runs pnpm in the project root; returns spawnSync's result. */
export function run(args, stdio = "inherit") {
  const result = spawnSync(windows ? "npx.cmd" : "npx", ["--yes", packageManager, ...args], {
    cwd: root,
    stdio,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    shell: windows,
  });
  if (result.error) throw result.error;
  return result;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exit(run(process.argv.slice(2)).status ?? 1);
}
