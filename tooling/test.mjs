// `npm test`: installs, builds, type-checks, lints, checks the layers and runs all default tests.
// Ends with one line `N passed, N failed`; each gate counts as one test. Arguments go to vitest.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { root, run } from "./pnpm.mjs";
import { build, install } from "./setup.mjs";

let passed = 0;
let failed = 0;

function gate(name, check) {
  const started = Date.now();
  let ok = false;
  try {
    ok = check();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
  }
  if (ok) passed++;
  else failed++;
  process.stdout.write(`${ok ? "ok  " : "FAIL"} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
  return ok;
}

function command(program, args) {
  const result = spawnSync(program, args, { cwd: root, stdio: "inherit" });
  if (result.error) throw result.error;
  return result.status === 0;
}

const bin = (name) => path.join(root, "node_modules", ".bin", name);
const node = (script, ...args) => command(process.execPath, [path.join(root, "tooling", script), ...args]);

function vitest(args) {
  const dir = mkdtempSync(path.join(os.tmpdir(), "vkernel-test-"));
  const report = path.join(dir, "report.json");
  try {
    const ok = command(bin("vitest"), [
      "run",
      "--reporter=dot",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...args,
    ]);
    const result = JSON.parse(readFileSync(report, "utf8"));
    passed += result.numPassedTests;
    failed += result.numFailedTests;
    const broken = result.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
    );
    failed += broken.length;
    if (!ok && result.numFailedTests === 0 && broken.length === 0) failed++;
    for (const file of result.testResults) {
      for (const test of file.assertionResults) {
        if (test.status === "pending" || test.status === "skipped") {
          process.stdout.write(`skipped: ${path.relative(root, file.name)}: ${test.fullName}\n`);
        }
      }
    }
    return result.numTotalTests > 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const ready =
  gate("install", () => {
    install();
    return true;
  }) &&
  gate("build", () => {
    build();
    return true;
  });
if (ready) {
  // through pnpm, because turbo looks for it on the PATH
  gate("types", () => run(["exec", "turbo", "run", "typecheck", "--output-logs=errors-only"]).status === 0);
  gate("lint", () => command(bin("oxlint"), ["--deny-warnings", "packages", "tooling"]));
  gate("layers", () => node("layers.mjs"));
  gate("tests ran", () => vitest(process.argv.slice(2)));
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
