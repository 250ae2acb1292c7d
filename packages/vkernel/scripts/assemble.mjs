// SPDX-License-Identifier: BSD-3-Clause
/**
 * Assembles the test programs of test/machine/asm with nasm and writes their bytes to test/machine/programs.json, so
 * that the tests need no assembler. Run it after a change of a program: node scripts/assemble.mjs
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const asm = fileURLToPath(new URL("../test/machine/asm/", import.meta.url));
const out = fileURLToPath(new URL("../test/machine/programs.json", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "assemble-"));
const programs = {};
for (const file of readdirSync(asm).filter((name) => name.endsWith(".asm")).sort()) {
  const object = join(scratch, "out");
  execFileSync("nasm", ["-f", "bin", "-I", asm, "-o", object, join(asm, file)], { stdio: "inherit" });
  programs[basename(file, ".asm")] = readFileSync(object).toString("base64");
}
rmSync(scratch, { recursive: true });
writeFileSync(out, `${JSON.stringify(programs, null, 1)}\n`);
