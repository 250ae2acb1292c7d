// Installs and builds what is missing or out of date. Quiet when there is nothing to do; output only on failure
// or with `verbose`.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root, run } from "./pnpm.mjs";

const stampDir = path.join(root, "node_modules", ".cache", "vkernel");

function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function sources(dir, out = []) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".")) continue;
    const full = path.join(dir, entry.name);
    if (entry.isDirectory()) sources(full, out);
    else if (/\.(ts|json)$/.test(entry.name) && !entry.name.endsWith(".test.ts")) out.push(full);
  }
  return out;
}

const stampFile = (name) => path.join(stampDir, name);
const fresh = (name, value) => existsSync(stampFile(name)) && readFileSync(stampFile(name), "utf8") === value;
function stamp(name, value) {
  mkdirSync(stampDir, { recursive: true });
  writeFileSync(stampFile(name), value);
}

function step(what, args, verbose) {
  process.stderr.write(`vkernel: ${what} …\n`);
  const result = run(args, verbose ? "inherit" : ["ignore", "pipe", "pipe"]);
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  throw new Error(`${what} failed with status ${result.status} (see 'node tooling/pnpm.mjs ${args.join(" ")}')`);
}

/** Brings node_modules up to the lockfile; returns whether anything was done. */
export function install({ verbose = false } = {}) {
  const manifests = [path.join(root, "pnpm-lock.yaml"), path.join(root, "package.json")];
  for (const name of readdirSync(path.join(root, "packages"))) {
    const manifest = path.join(root, "packages", name, "package.json");
    if (existsSync(manifest)) manifests.push(manifest);
  }
  const value = digest(manifests);
  if (existsSync(path.join(root, "node_modules", "turbo")) && fresh("install", value)) return false;
  step("installing dependencies", ["install", "--frozen-lockfile", "--reporter=append-only"], verbose);
  stamp("install", value);
  return true;
}

/** Builds every package whose sources changed; returns whether anything was done. */
export function build({ verbose = false } = {}) {
  const value = digest([...sources(path.join(root, "packages")), path.join(root, "tsconfig.base.json")]);
  const built = existsSync(path.join(root, "packages", "cli", "dist", "index.js"));
  if (built && fresh("build", value)) return false;
  step("building", ["exec", "turbo", "run", "build", "--output-logs=errors-only"], verbose);
  stamp("build", value);
  return true;
}
