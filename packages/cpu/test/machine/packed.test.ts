// SPDX-License-Identifier: BSD-3-Clause
/**
 * What npm would publish: every package's tarball holds what its package.json promises and nothing else, and mmu and cpu alone,
 * installed in an empty folder, run the first example of the README in Node, in TypeScript and in a browser bundle.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const PACKAGES = fileURLToPath(new URL("../../../", import.meta.url));
const names = readdirSync(PACKAGES);
const folder = mkdtempSync(path.join(tmpdir(), "vkernel-packed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly engines?: { readonly node: string };
  readonly sideEffects?: boolean;
  readonly license: string;
}
function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(path.join(PACKAGES, name, "package.json"), "utf8")) as Manifest;
}

const NPM = process.platform === "win32" ? "npm.cmd" : "npm";
/** npm without the settings of whoever runs the tests, and without a network. */
function npm(cwd: string, ...args: string[]): string {
  const userconfig = path.join(folder, "npmrc");
  writeFileSync(userconfig, "");
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  return execFileSync(NPM, [...args, "--offline", "--userconfig", userconfig], {
    cwd,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}
interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}
function pack(name: string, ...args: string[]): Packed {
  return (JSON.parse(npm(path.join(PACKAGES, name), "pack", "--json", ...args)) as Packed[])[0]!;
}

describe.each(names)("the tarball of %s", (name) => {
  const files = pack(name, "--dry-run").files.map((f) => f.path);
  const m = manifest(name);

  test("has everything that package.json names", () => {
    const targets = Object.values(m.exports).flatMap((e) => (typeof e === "string" ? [e] : Object.values(e)));
    const named = [...targets, ...Object.values(m.bin ?? {})].map((file) => file.replace(/^\.\//, ""));
    expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", ...named]));
    expect(m).toMatchObject({ engines: { node: ">=20.19" }, sideEffects: false, license: "BSD-3-Clause" });
  });
  test("has no tests, scripts, caches or build settings", () => {
    const allowed = /^(dist|src|bin|world)\/|^(README\.md|LICENSE|vkernel\.schema\.json|CHANGELOG\.md|package\.json)$/;
    expect(files.filter((file) => !allowed.test(file) || /\.test\.|tsbuildinfo|(^|\/)(test|scratch|node_modules)\//.test(file))).toEqual([]);
  });
  test("has the sources that its maps and declarations lead to", () => {
    const missing: string[] = [];
    for (const file of files.filter((f) => /^dist\/.*\.map$/.test(f))) {
      const { sources } = JSON.parse(readFileSync(path.join(PACKAGES, name, file), "utf8")) as { sources: string[] };
      for (const source of sources) {
        const wanted = path.posix.join(path.posix.dirname(file), source);
        // Code of npm packages that was bundled in keeps its own place.
        if (wanted.startsWith("src/") && !files.includes(wanted)) missing.push(`${file}: ${source}`);
      }
    }
    expect(missing).toEqual([]);
  });
  test("names its dependencies as npm understands them, ours in the version beside it", () => {
    for (const [dependency, range] of Object.entries(m.dependencies ?? {})) {
      expect(range).toMatch(/^\^?\d+\.\d+\.\d+$/);
      const ours = /^@vkernel\/(.*)$/.exec(dependency);
      if (ours !== null) expect(range).toBe(`^${manifest(ours[1]!).version}`);
    }
  });
});

interface Rolldown {
  rolldown(options: object): Promise<{
    generate(options: object): Promise<{ output: { code: string; imports: string[] }[] }>;
    close(): Promise<void>;
  }>;
}

describe("mmu and cpu, installed from their tarballs in an empty folder", () => {
  const home = path.join(folder, "home");
  const readme = readFileSync(path.join(PACKAGES, "cpu", "README.md"), "utf8");
  const example = /```js\n([^]*?)\n```/.exec(readme)![1]!;
  const output = `${/```text\n([^]*?)\n```/.exec(readme)![1]!}\n`;
  const require = createRequire(import.meta.url);

  beforeAll(() => {
    mkdirSync(home);
    const tarballs = ["mmu", "cpu"].map((name) => `./${pack(name, "--pack-destination", home).filename}`);
    writeFileSync(path.join(home, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
    npm(home, "install", "--no-audit", "--no-fund", "--ignore-scripts", ...tarballs);
    writeFileSync(path.join(home, "example.js"), example);
  });

  test("are all that was installed", () => {
    const listed = readdirSync(path.join(home, "node_modules")).filter((name) => !name.startsWith("."));
    expect(listed).toEqual(["@vkernel"]);
    expect(readdirSync(path.join(home, "node_modules", "@vkernel")).sort()).toEqual(["cpu", "mmu"]);
  });

  test("run the README's first example in Node", () => {
    const done = spawnSync(process.execPath, ["example.js"], { cwd: home, encoding: "utf8" });
    expect([done.stderr, done.stdout]).toEqual(["", output]);
  });

  test("type-check for a user with strict settings", () => {
    writeFileSync(path.join(home, "example.ts"), example);
    const tsc = path.join(path.dirname(require.resolve("typescript/package.json")), "bin", "tsc");
    const compilerOptions = { noEmit: true, strict: true, target: "es2022", module: "nodenext", lib: ["es2022", "dom"], types: [] };
    writeFileSync(path.join(home, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["example.ts"] }));
    const done = spawnSync(process.execPath, [tsc], { cwd: home, encoding: "utf8" });
    expect(done.stdout).toBe("");
  });

  test("bundled for a browser, need nothing of Node", async () => {
    // The bundler that tsdown brings.
    const found = createRequire(require.resolve("tsdown")).resolve("rolldown");
    const { rolldown } = (await import(pathToFileURL(found).href)) as Rolldown;
    const bundle = await rolldown({ input: path.join(home, "example.js"), platform: "browser", logLevel: "silent" });
    const { output: chunks } = await bundle.generate({ format: "iife", codeSplitting: false });
    await bundle.close();
    expect(chunks.map((chunk) => chunk.imports)).toEqual([[]]);
    const { code } = chunks[0]!;
    expect(code).not.toMatch(/["']node:|\brequire\(|\bprocess\.|\bBuffer\b\.(?:from|alloc)/);
    let printed = "";
    const console = { log: (...words: unknown[]) => (printed += `${words.join(" ")}\n`) };
    // A page's globals as far as the example needs them.
    vm.runInContext(code, vm.createContext({ console, TextEncoder, TextDecoder }));
    expect(printed).toBe(output);
  });
});
